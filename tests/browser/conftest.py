"""One Chromium and one server for the folder; a fresh device and an empty shop for each test."""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.rig import CHROMIUM, PATIENCE, Air, handheld, launch, put_away, serving, watched
from tests.browser.shop import Shop, make_app

expect.set_options(timeout=PATIENCE * 1000)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: .ci/run has to install it, browser tests are not left out")
        pytest.skip("no Chromium on this machine")
    async with async_playwright() as playwright:
        made = await launch(playwright)
        yield made
        await made.close()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def served():
    app = make_app()
    async with serving(app) as port:
        yield app, port


@pytest_asyncio.fixture(loop_scope="session")
async def shop(served) -> Shop:
    app, _ = served
    app.state.shop = Shop()
    return app.state.shop


@pytest_asyncio.fixture(loop_scope="session")
async def air(served, shop) -> AsyncIterator[Air]:
    made = Air(served[1])
    made.url = await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, air: Air) -> AsyncIterator[Page]:
    """A page on a new handheld; fails the test on script errors and policy violations."""
    context = await handheld(browser, air.url)
    made = await context.new_page()
    faults = await watched(made)
    yield made
    await put_away(context)
    assert faults == []
