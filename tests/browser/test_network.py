"""The outbox: nothing lost, nothing doubled, nothing out of order, whatever the radio does."""

import random
import re

from playwright.async_api import expect

from tests.browser.rig import heard, reload, seen, trigger, visit, wait_for
from tests.browser.shop import BINS, ITEM, TOTE, bin_label, pick
from wms.barcodes import label
from wms.steps import Answer


async def pick_one(page, code):
    for scan in (bin_label(code), ITEM, TOTE):
        await trigger(page, scan)


async def shows(page, text):
    await expect(page.locator("#show")).to_have_text(text)


async def ready(page):
    """The page is served by its worker, so that it opens without a network too."""
    await page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    await reload(page)


# How many acts this device has stored, sent or not.
STORED = """() => new Promise((resolve) => {
  indexedDB.open("floor").onsuccess = ({ target: { result: db } }) => {
    db.transaction("notes").objectStore("notes").get("seq").onsuccess = ({ target }) => {
      db.close();
      resolve(target.result ?? 0);
    };
  };
})"""


def refs(shop):
    return [act.ref for act in shop.acts]


async def test_a_cut_in_the_middle_of_a_tour_loses_nothing(page, shop, air):
    await visit(page, "/floor/pick/1")
    await pick_one(page, BINS[0])
    await wait_for(lambda: refs(shop), ["pick/1"])
    air.cut()
    await pick_one(page, BINS[1])
    await shows(page, BINS[2])
    await expect(page.locator("#link")).to_have_attribute("title", re.compile("No network"))
    await pick_one(page, BINS[2])
    await expect(page.locator("#polite")).to_contain_text("Your confirmed work is safe.")
    assert "stored" in await heard(page)
    air.heal()
    await shows(page, BINS[1])  # the next tour
    assert refs(shop) == ["pick/1", "pick/2", "pick/3"]
    assert [act.seq for act in shop.acts] == [1, 2, 3]


async def test_a_swallowed_answer_is_asked_for_again_under_the_same_key(page, shop, air):
    await visit(page, "/floor/pick/1")
    air.swallow()
    await pick_one(page, BINS[0])
    await wait_for(lambda: shop.acts)
    await shows(page, BINS[1])  # the person goes on meanwhile
    air.heal()
    await pick_one(page, BINS[1])
    await wait_for(lambda: refs(shop), ["pick/1", "pick/2"])
    assert shop.sent > 2
    assert (await heard(page)).count("wrong") == 0


async def test_a_reload_without_network_goes_on_at_the_right_step(page, shop, air):
    await visit(page, "/floor/pick/1")
    await ready(page)
    await shows(page, BINS[0])
    air.cut()
    await pick_one(page, BINS[0])
    await trigger(page, bin_label(BINS[1]))
    await shows(page, "MUG-BLU")
    await reload(page)
    await shows(page, "MUG-BLU")  # the half-done step too
    await expect(page.locator("#progress")).to_have_text("1 of 3")
    await expect(page.locator("#waiting")).to_have_text("1")
    air.heal()
    await trigger(page, ITEM)
    await trigger(page, TOTE)
    await wait_for(lambda: refs(shop), ["pick/1", "pick/2"])


async def test_a_battery_swap_keeps_the_outbox(page, shop, air):
    await visit(page, "/floor/pick/1")
    await ready(page)
    air.cut()
    await pick_one(page, BINS[0])
    await expect(page.locator("#waiting")).to_have_text("1")
    context = page.context
    await page.close()
    air.heal()
    again = await context.new_page()
    await visit(again, "/floor")
    await wait_for(lambda: refs(shop), ["pick/1"])
    await again.close()


async def test_an_old_copy_of_a_page_does_not_ask_for_what_was_sent(page, shop, air):
    await visit(page, "/floor/pick/1")
    await ready(page)
    await pick_one(page, BINS[0])
    await wait_for(lambda: refs(shop), ["pick/1"])
    await expect(page.locator("#waiting")).to_have_text("")
    air.cut()
    await reload(page)  # the copy was made before pick/1 was done
    await shows(page, BINS[1])
    await expect(page.locator("#progress")).to_have_text("1 of 3")


async def test_without_network_and_copy_the_page_says_so(page, shop, air):
    await visit(page, "/floor/pick/1")
    await ready(page)
    air.cut()
    await visit(page, "/floor/pick/2")
    await expect(page.locator("body")).to_contain_text("Your confirmed work is safe")


async def test_the_copy_stands_in_for_a_page_that_broke_off(page, shop, air):
    await visit(page, "/floor/pick/1")
    await ready(page)
    await shows(page, BINS[0])
    air.break_at("<main>")
    await reload(page)
    await pick_one(page, BINS[0])
    await wait_for(lambda: refs(shop), ["pick/1"])


async def test_a_page_that_broke_off_on_its_first_visit_is_loaded_again(page, shop, air):
    for ident, fault in (("1", "<main>"), ("2", 'id="words"'), ("2", "</body>")):
        air.break_at(fault)
        await page.goto(f"/floor/pick/{ident}", wait_until="commit")
        await wait_for(lambda: air.fault, b"")
        await expect(page.locator("#keys")).to_be_visible()  # the script has taken over
        await shows(page, BINS[0] if ident == "1" else BINS[1])


async def test_an_answer_that_comes_while_something_is_looked_up_is_told_there(page, shop, air):
    shop.refuse["pick/1"] = "Order SO-1 was cancelled."
    await visit(page, "/floor/pick/1")
    air.cut()
    await pick_one(page, BINS[0])
    await expect(page.locator("#waiting")).to_have_text("1")
    await page.keyboard.press("F3")
    air.heal()
    shop.delay = 0.5
    await trigger(page, "MUG-BLU")
    await page.wait_for_url("**/floor/scan")
    await expect(page.locator("#urgent")).to_have_text(shop.refuse["pick/1"])
    assert await heard(page) == ["wrong"]


async def test_a_refusal_after_the_fact_stops_and_says_why(page, shop, air):
    shop.refuse["pick/1"] = "Order SO-1 was cancelled. Put 6 mugs back into A-04-2."
    await visit(page, "/floor/pick/1")
    shop.delay = 0.3
    await pick_one(page, BINS[0])
    await expect(page.locator("#urgent")).to_have_text(shop.refuse["pick/1"])
    await shows(page, BINS[0])  # read again from the server
    assert (await heard(page))[-1] == "wrong"
    await expect(page.locator("#waiting")).to_have_text("")


async def test_later_acts_survive_the_refusal_of_an_earlier_one(page, shop, air):
    shop.refuse["pick/1"] = "Not there any more."
    await visit(page, "/floor/pick/1")
    air.cut()
    await pick_one(page, BINS[0])
    await pick_one(page, BINS[1])
    await expect(page.locator("#waiting")).to_have_text("2")
    air.heal()
    await wait_for(lambda: refs(shop), ["pick/2"])
    await shows(page, BINS[0])
    await expect(page.locator("#urgent")).to_have_text("Not there any more.")


async def test_the_server_may_change_the_course(page, shop, air):
    shop.reply["pick/1"] = Answer(ok=True, say="Go and count.", tone="care", go="/floor/count/1")
    await visit(page, "/floor/pick/1")
    await pick_one(page, BINS[0])
    await shows(page, "C-01-1")
    assert page.url.endswith("/floor/count/1")
    assert "care" in await heard(page)


async def test_busy_and_failing_servers_are_asked_again(page, shop, air):
    shop.statuses = [503, 500, 502]
    await visit(page, "/floor/pick/1")
    await pick_one(page, BINS[0])
    await wait_for(lambda: refs(shop), ["pick/1"])


async def test_a_reused_key_is_shown_and_dropped(page, shop, air):
    shop.statuses = [409]
    await visit(page, "/floor/pick/1")
    await pick_one(page, BINS[0])
    await expect(page.locator("#urgent")).to_have_text("That key was used.")
    await expect(page.locator("#waiting")).to_have_text("")
    await shows(page, BINS[0])


async def test_an_ended_session_keeps_the_outbox_and_goes_on_after_login(page, shop, air):
    await visit(page, "/floor/pick/1")
    shop.signed_in = False
    await pick_one(page, BINS[0])
    await page.wait_for_url("**/floor/login?next=/floor/pick/1")
    await trigger(page, label("BD", "ANA"))
    await expect(page.locator("#pin")).to_be_visible()
    for digit in "4711":
        await page.click(f"#pad [value='{digit}']")
    await page.click("#pad [value='enter']")
    await page.wait_for_url("**/floor/pick/1")
    await wait_for(lambda: refs(shop), ["pick/1"])
    await shows(page, BINS[1])


async def test_work_of_another_person_is_not_sent_under_my_name(page, shop, air):
    await visit(page, "/floor/pick/1")
    air.cut()
    await pick_one(page, BINS[0])
    await expect(page.locator("#waiting")).to_have_text("1")
    context = page.context
    await page.close()
    air.heal()
    shop.initials = "BO"
    other = await context.new_page()
    sent: list[str] = []  # by this person
    other.on("request", lambda request: sent.append(request.post_data or ""))
    await visit(other, "/floor/pick/2")
    told = "AN must log in to send work that waits here."
    await expect(other.locator("#limit")).to_contain_text(told)
    await pick_one(other, BINS[1])
    await wait_for(lambda: "pick/4" in refs(shop))
    assert not any("pick/1" in body for body in sent)
    shop.initials = "AN"
    await visit(other, "/floor/pick/1")
    await wait_for(lambda: sorted(refs(shop)), ["pick/1", "pick/4"])
    await other.close()


async def test_what_never_left_the_device_can_be_taken_back(page, shop, air):
    await visit(page, "/floor/pick/1")
    air.cut()
    await pick_one(page, BINS[0])
    await pick_one(page, BINS[1])
    await shows(page, BINS[2])
    await page.keyboard.press("F2")
    await shows(page, TOTE)  # the second step, but for its last scan
    await trigger(page, TOTE)
    air.heal()
    await wait_for(lambda: refs(shop), ["pick/1", "pick/2"])


async def test_a_device_that_cannot_store_says_so_and_still_sends(page, shop, air):
    await page.add_init_script("IDBFactory.prototype.open = () => { throw new Error('full'); }")
    await visit(page, "/floor/pick/1")
    await expect(page.locator("#limit")).to_contain_text("cannot store")
    await pick_one(page, BINS[0])
    await wait_for(lambda: refs(shop), ["pick/1"])
    assert "lost" in await heard(page)


async def test_any_weather_gives_every_act_once_and_in_order(page, shop, air):
    """Forty steps while the radio cuts, swallows, delays and the page is reloaded."""
    draw = random.Random(20261121)
    shop.tours["1"] = [pick(n, BINS[n % 3], 1) for n in range(40)]
    await visit(page, "/floor/pick/1")
    await ready(page)
    for n in range(40):
        weather = draw.random()
        if weather < 0.2:
            air.cut()
        elif weather < 0.35:
            air.swallow()
        elif weather < 0.8:
            air.heal()
        air.delay = draw.choice([0, 0, 0.05])
        await shows(page, BINS[n % 3])
        await pick_one(page, BINS[n % 3])
        if draw.random() < 0.15:
            await wait_for(lambda: seen(page, STORED), n + 1)
            await reload(page)
    air.delay = 0
    air.heal()
    await wait_for(lambda: len(shop.acts), 40, seconds=60)
    assert refs(shop) == [f"pick/{n}" for n in range(40)]
    assert [act.seq for act in shop.acts] == sorted(act.seq for act in shop.acts)
    assert len({act.key for act in shop.acts}) == 40
