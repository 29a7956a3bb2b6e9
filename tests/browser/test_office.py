"""The office base page under the strict policy: htmx runs, streams arrive, nothing is evaluated."""

from playwright.async_api import expect

from tests.browser.rig import visit


async def test_a_stream_swaps_and_triggers(page, shop):
    await visit(page, "/office/live")
    await expect(page.locator("[sse-connect]")).to_have_attribute("data-live", "on")
    shop.stream.put_nowait(("count", "<b>7</b>"))
    await expect(page.locator("#count")).to_have_text("7")
    shop.stream.put_nowait(("changed", "x"))
    await expect(page.locator("#seen")).to_have_text("seen")
    assert await page.evaluate("htmx.version") == "2.0.3"
