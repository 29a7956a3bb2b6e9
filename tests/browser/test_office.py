"""The office base page under the strict policy: htmx runs, nothing is evaluated, polls rest."""

from playwright.async_api import expect

from tests.browser.rig import visit, wait_for

# The page goes out of sight, or comes back.
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
# As many turns of the poll as it takes to be sure that none of them asks.
TURNS = """() => new Promise((resolve) => setTimeout(resolve, 700))"""


async def test_a_page_asks_again_only_while_somebody_looks(page, shop):
    await visit(page, "/office/live")
    await wait_for(lambda: shop.polls > 2)
    await page.evaluate(HIDE, True)
    asked = shop.polls + 1  # one may be on its way
    await page.evaluate(TURNS)
    assert shop.polls <= asked
    await page.evaluate(HIDE, False)
    await wait_for(lambda: shop.polls > asked)
    assert await page.evaluate("htmx.version") == "2.0.3"


async def test_a_failing_server_is_asked_more_rarely_and_the_page_says_so(page, shop):
    await visit(page, "/office/live")
    await wait_for(lambda: shop.polls > 0)
    shop.statuses = [503]
    live = page.locator("#live")
    await expect(live).to_contain_text("no answer since")
    asked = shop.polls
    await page.evaluate(TURNS)  # less than the first rest
    assert shop.polls == asked
    await expect(live).to_be_empty()
    assert shop.polls > asked


async def test_coming_back_to_a_page_asks_at_once(page, shop):
    await visit(page, "/office/live")
    shop.statuses = [503] * 3
    await expect(page.locator("#live")).to_contain_text("no answer since")
    shop.statuses = []
    await page.evaluate(HIDE, False)
    await expect(page.locator("#live")).to_be_empty()
