"""Without JavaScript every flow is completed as plain forms."""

import pytest
from playwright.async_api import expect

from tests.browser.rig import handheld, put_away, visit, wait_for
from tests.browser.shop import BINS, ITEM, TOTE, bin_label
from wms.barcodes import label

LP = label("LP", "000042")


@pytest.fixture
async def plain(browser, air, shop):
    context = await handheld(browser, air.url, java_script_enabled=False)
    page = await context.new_page()
    yield page
    await put_away(context)


async def scan(page, code):
    """The scanner's Enter submits the form; the answer is a page."""
    async with page.expect_navigation():
        await page.fill("#scan", code)
        await page.press("#scan", "Enter")


async def press(page, selector):
    async with page.expect_navigation():
        await page.click(selector)


async def shows(page, text):
    await expect(page.locator("#show")).to_have_text(text)


async def test_a_tour_is_picked(plain, shop):
    await plain.goto("/floor/pick/1")
    for code in (bin_label(BINS[0]), ITEM, TOTE):  # the tote takes the quantity's default
        await scan(plain, code)
    await shows(plain, BINS[1])
    await expect(plain.locator("#strip")).to_contain_text("Stored.")
    assert shop.acts[0].scans == (bin_label(BINS[0]), ITEM, TOTE)
    for code in (BINS[1], BINS[2]):
        for raw in (bin_label(code), ITEM, TOTE):
            await scan(plain, raw)
    assert [act.ref for act in shop.acts] == ["pick/1", "pick/2", "pick/3"]
    await shows(plain, BINS[1])  # on to the next tour
    assert plain.url.partition("?")[0].endswith("/floor/pick/2")


async def test_enter_alone_takes_the_default(plain, shop):
    await plain.goto("/floor/pick/1")
    for code in (bin_label(BINS[0]), ITEM, "", TOTE):
        await scan(plain, code)
    assert shop.acts[0].scans == (bin_label(BINS[0]), ITEM, "", TOTE)


async def test_a_wrong_scan_is_said_and_undo_takes_a_scan_back(plain, shop):
    await plain.goto("/floor/pick/1")
    await scan(plain, bin_label(BINS[1]))
    await expect(plain.locator("#urgent")).to_contain_text("Go back and scan A-04-2.")
    await scan(plain, bin_label(BINS[0]))
    await shows(plain, "MUG-BLU")
    await press(plain, "#undo")
    await shows(plain, BINS[0])


async def test_a_way_out_by_button_and_back(plain, shop):
    await plain.goto("/floor/pick/1")
    await plain.click("#more summary")
    await press(plain, "#paths [value='short']")
    await shows(plain, "How many are there?")
    await press(plain, "#leave")
    await scan(plain, label("CM", "short"))
    await scan(plain, "2")
    assert [(act.path, act.scans) for act in shop.acts] == [("short", ("2",))]


async def test_receiving_keeps_the_license_plate(plain, shop):
    await plain.goto("/floor/receive/1")
    for code in ("PEN", "3", LP, "PEN", "4"):
        await scan(plain, code)
    assert [act.scans for act in shop.acts] == [("PEN", "3", LP), ("PEN", "4", LP)]


async def test_choices_are_buttons(plain, shop):
    await plain.goto("/floor/count/1")
    await scan(plain, bin_label("C-01-1"))
    await press(plain, "#choices [value='EMPTY']")
    assert shop.acts[0].scans == (bin_label("C-01-1"), "EMPTY")


async def test_the_same_form_sent_twice_is_one_act(plain, shop):
    await plain.goto("/floor/pick/1")
    await scan(plain, bin_label(BINS[0]))
    await scan(plain, ITEM)
    await scan(plain, TOTE)
    await plain.go_back()
    await scan(plain, TOTE)  # the old form again
    assert [act.ref for act in shop.acts] == ["pick/1"]
    await expect(plain.locator("#strip")).to_contain_text("done already")


async def test_login_is_two_plain_forms(plain, shop):
    await plain.goto("/floor/login?next=/floor/pick/1")
    await scan(plain, label("BD", "ANA"))
    await plain.fill("#pin", "4711")
    await press(plain, "#actions button")
    assert plain.url.endswith("/floor/pick/1")


async def test_scans_of_a_plain_form_are_taken_over_by_the_script(page, shop):
    """A key press that came before the script ran has posted the form; the loop goes on from it."""
    await visit(page, "/floor/pick/1")
    await page.evaluate(
        """(code) => {
          const form = document.getElementById("act");
          form.elements.scan.value = code;
          HTMLFormElement.prototype.submit.call(form);
        }""",
        bin_label(BINS[0]),
    )
    await page.wait_for_url("**/floor/act")
    await shows(page, "MUG-BLU")
    for code in (ITEM, TOTE):
        await page.keyboard.insert_text(code)
        await page.keyboard.press("Enter")
    await wait_for(lambda: shop.acts)
    assert shop.acts[0].scans == (bin_label(BINS[0]), ITEM, TOTE)
