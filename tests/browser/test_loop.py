"""The scan loop on a good network: verdicts, steps, ways out, undo, keys, the next packet."""

from playwright.async_api import expect

from tests.browser.rig import heard, reload, trigger, visit, wait_for
from tests.browser.shop import BINS, ITEM, TOTE, bin_label
from wms.barcodes import label

LP1, LP2 = label("LP", "000042"), label("LP", "000043")


async def pick_one(page, code):
    for scan in (bin_label(code), ITEM, TOTE):
        await trigger(page, scan)


async def shows(page, text):
    await expect(page.locator("#show")).to_have_text(text)


async def test_a_tour_is_picked_by_trigger_alone_and_the_next_one_opens(page, shop):
    await visit(page, "/floor/pick/1")
    await shows(page, BINS[0])
    await trigger(page, bin_label(BINS[0]))
    await shows(page, "MUG-BLU")
    await trigger(page, ITEM)
    await shows(page, "6")
    await trigger(page, TOTE)
    await shows(page, BINS[1])
    await expect(page.locator("#progress")).to_have_text("1 of 3")
    await pick_one(page, BINS[1])
    await pick_one(page, BINS[2])
    await page.wait_for_url("**/floor/pick/2")
    await shows(page, BINS[1])  # the next tour, in the same page
    assert [act.ref for act in shop.acts] == ["pick/1", "pick/2", "pick/3"]
    assert shop.acts[0].scans == (bin_label(BINS[0]), ITEM, TOTE)
    assert [act.seq for act in shop.acts] == [1, 2, 3]
    assert await heard(page) == [
        "accepted", "accepted", "step_done", "accepted", "accepted", "step_done",
        "accepted", "accepted", "task_done",
    ]  # fmt: skip


async def test_scans_ahead_of_a_page_that_is_still_loading_are_judged_on_it(page, shop):
    await visit(page, "/floor/pick/2")
    shop.delay = 0.6
    await shows(page, BINS[1])
    await pick_one(page, BINS[1])  # the last step; the next tour is fetched now
    await pick_one(page, BINS[0])
    shop.delay = 0
    await wait_for(lambda: len(shop.acts) == 2)
    assert [act.ref for act in shop.acts] == ["pick/4", "pick/1"]


async def test_a_wrong_scan_is_refused_at_once_and_cleared_by_the_right_one(page, shop):
    await visit(page, "/floor/pick/1")
    await trigger(page, bin_label(BINS[1]))
    strip = page.locator("#strip")
    await expect(strip).to_have_attribute("data-tone", "wrong")
    await expect(page.locator("#urgent")).to_contain_text("Go back and scan A-04-2.")
    await pick_one(page, BINS[0])
    await wait_for(lambda: shop.acts)
    assert shop.acts[0].scans[0] == bin_label(BINS[1])  # the evidence of the miss travels too
    assert (await heard(page))[:2] == ["wrong", "accepted"]
    assert await page.evaluate("window.felt[0]") == [200, 80, 200]


async def test_a_double_trigger_is_one_scan(page, shop):
    await visit(page, "/floor/pick/1")
    await page.evaluate(
        """(code) => {
          const field = document.getElementById("scan");
          for (const time of [0, 120]) setTimeout(() => {
            field.value = code;
            field.dispatchEvent(new InputEvent("input"));
            field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
          }, time);
        }""",
        bin_label(BINS[0]),
    )
    await expect(page.locator("#show")).to_have_text("MUG-BLU")

    async def sounds() -> list[str]:
        return sorted(await heard(page))  # on a slow device the second trigger may tick first

    await wait_for(sounds, ["accepted", "tick"])


async def test_fewer_are_keyed_on_the_glass(page, shop):
    await visit(page, "/floor/pick/1")
    await trigger(page, bin_label(BINS[0]))
    await trigger(page, ITEM)
    await page.click("#keys")
    await page.click("#pad [value='4']")
    await page.click("#pad [value='enter']")
    await shows(page, TOTE)
    await expect(page.locator("#number")).to_have_text("4")
    await trigger(page, TOTE)
    await wait_for(lambda: shop.acts)
    assert shop.acts[0].scans == (bin_label(BINS[0]), ITEM, "4", TOTE)


async def test_the_main_button_takes_the_default(page, shop):
    await visit(page, "/floor/pick/1")
    await trigger(page, bin_label(BINS[0]))
    await trigger(page, ITEM)
    await expect(page.locator("#accepts")).to_have_text("6")
    await page.click("#accept")
    await shows(page, TOTE)


async def test_short_is_two_taps_and_a_digit(page, shop):
    await visit(page, "/floor/pick/1")
    await page.click("#more summary")
    await page.click("#paths [value='short']")
    await shows(page, "How many are there?")
    await page.click("#pad [value='0']")
    await page.click("#pad [value='enter']")
    await wait_for(lambda: shop.acts)
    assert (shop.acts[0].path, shop.acts[0].scans) == ("short", ("0",))
    await shows(page, BINS[1])


async def test_a_command_label_opens_a_way_out_and_back_returns_without_loss(page, shop):
    await visit(page, "/floor/pick/1")
    await trigger(page, bin_label(BINS[0]))
    await trigger(page, label("CM", "full"))
    await shows(page, "Scan an empty tote")
    await page.keyboard.press("Escape")
    await shows(page, "MUG-BLU")
    await trigger(page, label("CM", "UNDO"))
    await shows(page, BINS[0])


async def test_after_a_full_tote_the_step_goes_on_with_what_was_proved(page, shop):
    await visit(page, "/floor/pick/1")
    await trigger(page, bin_label(BINS[0]))
    await trigger(page, ITEM)
    await trigger(page, label("CM", "full"))
    await trigger(page, label("TT", "77"))
    await shows(page, "6")
    await trigger(page, TOTE)
    await wait_for(lambda: len(shop.acts) == 2)
    assert [(act.ref, act.path, act.version) for act in shop.acts] == [
        ("pick/1", "full", 1), ("pick/1", "", 2),
    ]  # fmt: skip


async def test_a_skip_needs_no_scan(page, shop):
    await visit(page, "/floor/pick/1")
    await page.keyboard.press("F1")
    await page.click("#paths [value='skip']")
    await shows(page, BINS[1])
    await wait_for(lambda: [(act.path, act.scans) for act in shop.acts], [("skip", ())])


async def test_undo_takes_back_the_last_scan(page, shop):
    await visit(page, "/floor/pick/1")
    await trigger(page, bin_label(BINS[0]))
    await trigger(page, ITEM)
    await page.keyboard.press("F2")
    await shows(page, "MUG-BLU")
    await page.click("#undo")
    await shows(page, BINS[0])


async def test_receiving_repeats_and_keeps_the_license_plate(page, shop):
    await visit(page, "/floor/receive/1")
    for scan in ("PEN", "3", LP1, "PEN", "4"):
        await trigger(page, scan)
    await wait_for(lambda: len(shop.acts) == 2)
    await trigger(page, LP2)  # before it is asked: from now on another plate
    await trigger(page, "PEN")
    await trigger(page, "5")
    await wait_for(lambda: len(shop.acts) == 3)
    assert [act.scans for act in shop.acts] == [
        ("PEN", "3", LP1), ("PEN", "4", LP1), ("PEN", "5", LP2),
    ]  # fmt: skip
    assert "care" in await heard(page)
    await expect(page.locator("#number")).to_have_text("38")  # as the server has it by now


async def test_what_is_left_to_pack_goes_down_before_any_answer(page, shop, air):
    await visit(page, "/floor/pack/1")
    number, progress = page.locator("#number"), page.locator("#progress")
    await trigger(page, TOTE)
    await trigger(page, ITEM)
    await expect(number).to_have_text("4")
    await wait_for(lambda: len(shop.acts) == 1)
    air.cut()
    await trigger(page, "PEN")
    await trigger(page, ITEM)
    await expect(number).to_have_text("2")
    await expect(progress).to_have_text("3 of 5")
    await page.keyboard.press("F2")  # the tote
    await page.keyboard.press("F2")  # and the item that was not sent
    await expect(number).to_have_text("3")
    air.heal()
    await wait_for(lambda: len(shop.acts) == 2)
    await expect(page.locator("#waiting")).to_have_text("")
    await reload(page)
    await expect(number).to_have_text("3")
    await expect(progress).to_have_text("2 of 5")


async def test_choices_are_big_buttons(page, shop):
    await visit(page, "/floor/count/1")
    await trigger(page, bin_label("C-01-1"))
    await page.click("text=Not empty")
    await shows(page, "How many pieces?")
    await trigger(page, "12")
    await wait_for(lambda: shop.acts)
    assert shop.acts[0].scans == (bin_label("C-01-1"), "FULL", "12")


async def test_anything_is_looked_up_without_leaving_the_task(page, shop):
    await visit(page, "/floor/pick/1")
    await trigger(page, bin_label(BINS[0]))
    await page.keyboard.press("F3")
    await trigger(page, "MUG-BLU")
    await page.wait_for_url("**/floor/scan")
    assert shop.asked == ["MUG-BLU"]
    await page.click("#back")
    await shows(page, "MUG-BLU")  # the bin stays proved


async def test_the_hub_sends_a_scan_that_has_no_suffix(page, shop):
    await visit(page, "/floor")
    await trigger(page, bin_label(BINS[0]), suffix="")
    await page.wait_for_url("**/floor/scan")
    assert shop.asked == [bin_label(BINS[0])]


async def test_everything_can_be_reached_by_keys(page, shop):
    await visit(page, "/floor/pick/1")
    await page.keyboard.press("F1")
    for _ in range(20):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.value") == "skip":
            break
    await page.keyboard.press("Enter")
    await shows(page, BINS[1])
    await wait_for(lambda: [act.path for act in shop.acts], ["skip"])
    await page.keyboard.type("37")  # keys pressed while a button has the focus reach the field
    await page.keyboard.press("Enter")
    await trigger(page, ITEM)
    await trigger(page, TOTE)
    await shows(page, BINS[2])
