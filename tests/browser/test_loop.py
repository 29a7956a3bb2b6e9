"""The scan loop on a good network: verdicts, steps, ways out, undo, the next packet."""

from playwright.async_api import expect

from tests.browser.rig import heard, trigger
from tests.browser.shop import BINS, ITEM, TOTE, bin_label


async def pick_one(page, code, qty=1):
    for scan in (bin_label(code), ITEM, TOTE):
        await trigger(page, scan)


async def until(page, condition):
    await page.wait_for_function(condition)


async def stored(page, shop, count):
    for _ in range(200):
        if len(shop.acts) >= count:
            return
        await page.wait_for_timeout(25)
    raise AssertionError(f"{len(shop.acts)} acts, wanted {count}")


async def test_a_tour_is_picked_by_trigger_alone_and_the_next_one_opens(page, shop):
    await page.goto("/floor/pick/1")
    await expect(page.locator("#show")).to_have_text(BINS[0])
    await trigger(page, bin_label(BINS[0]))
    await expect(page.locator("#show")).to_have_text("MUG-BLU")
    await trigger(page, ITEM)
    await expect(page.locator("#show")).to_have_text("6")
    await trigger(page, TOTE)
    await expect(page.locator("#show")).to_have_text(BINS[1])
    await expect(page.locator("#progress")).to_have_text("1 of 3")
    await pick_one(page, BINS[1])
    await pick_one(page, BINS[2])
    await expect(page.locator("#show")).to_have_text(BINS[1])  # the next tour, in the same page
    assert page.url.endswith("/floor/pick/2")
    assert [act.ref for act in shop.acts] == ["pick/1", "pick/2", "pick/3"]
    assert shop.acts[0].scans == (bin_label(BINS[0]), ITEM, TOTE)
    assert await heard(page) == [
        "accepted", "accepted", "step_done", "accepted", "accepted", "step_done",
        "accepted", "accepted", "task_done",
    ]  # fmt: skip
