"""The wedge matrix: however a scanner types, the exact code arrives once, or fails aloud."""

from itertools import product

import pytest
from playwright.async_api import expect

from tests.browser.rig import TYPE, handheld, heard, put_away, seen, trigger, visit, wait_for
from tests.browser.shop import BINS, ITEM, TOTE, bin_label
from wms.barcodes import label

GS1 = f"01{ITEM}10L42\x1d17270331"
CODE = bin_label(BINS[0])


@pytest.fixture
async def field(page):
    """A page whose scans are recorded as they come out of the capture."""
    await visit(page, "/floor")
    await expect(page.locator("#scan")).to_have_attribute("inputmode", "none")  # the script runs
    await page.evaluate(
        """() => {
          window.scans = [];
          const form = document.getElementById("act");
          form.submit = () => window.scans.push(form.elements.code.value);
        }"""
    )
    return page


async def scans(page):
    return await seen(page, "window.scans")


async def test_key_events_in_every_pace_with_every_suffix(field):
    for suffix, gap, target, code in product(
        ("Enter", "Tab", "LF", ""), (0, 2, 8), ("field", "body"), (CODE, GS1, "HELLO WORLD")
    ):
        await field.evaluate("window.scans = []; localStorage.removeItem('suffix')")
        await field.evaluate(TYPE, [code, suffix, gap, target])
        await wait_for(lambda: scans(field), [code])


async def test_committed_text_with_every_ending(field):
    """DataWedge without key events: the whole text in one go."""
    codes = (CODE, GS1, GS1.replace("\x1d", "\u241d"), f"]C1{GS1}")
    for code, ending in product(codes, ("", " ", "\n", "\r\n", "\t")):
        await field.evaluate("window.scans = []; localStorage.removeItem('suffix')")
        await field.keyboard.insert_text(code + ending)
        await wait_for(lambda: scans(field), [code.replace("\u241d", "\x1d")])
        await field.wait_for_timeout(260)  # the same code again at once is a double trigger


async def test_committed_text_then_enter_is_one_scan(field):
    await field.evaluate(TYPE, [CODE, "", 2, "field"])
    await wait_for(lambda: scans(field), [CODE])
    await field.evaluate(TYPE, ["", "Enter", 2, "field"])  # the suffix came late
    await field.evaluate(TYPE, [ITEM, "Enter", 2, "field"])
    await wait_for(lambda: scans(field), [CODE, ITEM])


async def test_typed_text_waits_for_enter(field):
    await field.evaluate(TYPE, ["1234567", "", 120, "field"])
    await field.wait_for_timeout(250)
    assert await scans(field) == []
    await field.keyboard.press("Enter")
    await wait_for(lambda: scans(field), ["1234567"])


async def test_five_scans_in_a_second_are_five_scans_in_order(field):
    codes = [bin_label(f"A-0{n}-1") for n in range(5)]
    for code in codes:
        await field.evaluate(TYPE, [code, "Enter", 2, "field"])
    await wait_for(lambda: scans(field), codes)


async def test_keys_with_the_focus_on_a_button_reach_the_field(page, shop):
    await visit(page, "/floor/pick/1")
    await page.focus("#back")
    await page.keyboard.type("37")  # the check digits of the bin
    await page.keyboard.press("Enter")
    await expect(page.locator("#show")).to_have_text("MUG-BLU")


async def test_a_tap_anywhere_leaves_the_field_ready(page, shop):
    await visit(page, "/floor/pick/1")
    for spot in ("#show", "#name", "#strip", "#link", "#keys"):
        await page.click(spot)
        assert await page.evaluate("document.activeElement.id") == "scan", spot


async def test_digits_keyed_on_the_glass_are_no_part_of_a_scan(page, shop):
    await visit(page, "/floor/pick/1")
    await page.click("#keys")
    await page.click("#pad [value='9']")
    await page.evaluate(TYPE, [CODE, "Enter", 2, "field"])
    await expect(page.locator("#show")).to_have_text("MUG-BLU")


async def test_every_scan_of_a_gs1_label_is_read_on_the_device(page, shop):
    await visit(page, "/floor/pick/1")
    for scan in (CODE, GS1, TOTE):
        await trigger(page, scan)
    await wait_for(lambda: shop.acts)
    assert shop.acts[0].scans == (CODE, GS1, TOTE)


async def test_the_pin_box_takes_no_scan(browser, air, shop):
    context = await handheld(browser, air.url)
    page = await context.new_page()
    await visit(page, "/floor/login")
    await trigger(page, "4006381333931")
    await expect(page.locator("#urgent")).to_have_text("That is not a badge. Scan your badge.")
    await trigger(page, label("BD", "ANA"))
    await expect(page.locator("#pin")).to_be_visible()
    await trigger(page, "4711")
    await expect(page.locator("#urgent")).to_have_text("A scan is not a PIN. Key in your PIN.")
    assert (await heard(page))[-1] == "wrong"
    for digit in "4711":
        await page.click(f"#pad [value='{digit}']")
    await page.click("#pad [value='enter']")
    await page.wait_for_url("**/floor")
    await put_away(context)
