"""The pages about events in a browser: a replay counted, started and followed, by htmx alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests import world as w
from tests.browser.rig import RECORDER, put_away, serving, visit, watched
from tests.events.conftest import QUICK
from tests.events.receiver import Receiver
from tests.office.test_monitor import subscribe, told
from tests.world import World
from web.app import create_app
from wms.events.worker import drain, run_events
from wms.settings import Settings


@pytest_asyncio.fixture(loop_scope="session")
async def office(browser: Browser, world: World, tmp_path: Path) -> AsyncIterator[Any]:
    """The supervisor's page, the settings behind it, and a receiver that heard three events."""
    settings = Settings(database_url=world.db.url, pool_size=4, data_dir=tmp_path,
                        egress_allow="127.0.0.0/8")  # fmt: skip
    receiver = await Receiver().start()
    await subscribe(world, settings, receiver)
    await told(world, "SO-1", "SO-2", "SO-3")
    assert await drain(world.db, settings, QUICK, 20)
    async with serving(create_app(settings, background=False)) as port:
        context = await browser.new_context(
            base_url=f"http://127.0.0.1:{port}", viewport={"width": 390, "height": 844}
        )
        await context.add_init_script(RECORDER)
        page = await context.new_page()
        faults = await watched(page)
        await visit(page, "/office/login")
        await page.fill("[name=badge]", w.badge("SUE"))
        await page.fill("[name=pin]", w.PIN)
        await page.click("form button")
        yield page, settings, receiver
        await put_away(context)
        assert faults == []
    await receiver.stop()


async def fits(page: Page) -> bool:
    return await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_replay_is_counted_started_and_followed(office: Any, world: World) -> None:
    page, settings, receiver = office
    await visit(page, "/office/endpoints/erp/replay")
    await page.select_option("[name=only]", "all")
    await page.fill("[name=types]", "order.updated")
    await page.click("button:text-is('Count')")
    await expect(page.locator("text=Send 3 events")).to_be_visible()
    assert await fits(page)
    await page.fill("[name=reason]", "their restore")
    receiver.got.clear()
    await page.click("button:text-is('Send 3 events')")
    await expect(page.locator("#replays")).to_contain_text("user:SUE: their restore")
    await expect(page.locator("#replays")).to_contain_text("0 of 3")
    stop = asyncio.Event()
    work = asyncio.create_task(run_events(world.db, settings, stop, QUICK))
    await expect(page.locator("#replays")).to_contain_text("3 of 3")
    await expect(page.locator("#replays [hx-get]")).to_have_count(0)  # at its end it is at rest
    stop.set()
    await work
    assert len(receiver.got) == 3


async def test_the_pages_fit_a_narrow_screen(office: Any) -> None:
    page, _, _ = office
    for path in ("events", "events/find?q=SO-1", "endpoints/erp", "endpoints/erp?show=dead"):
        await visit(page, f"/office/{path}")
        assert await fits(page), path
        await expect(page.locator("h1")).to_be_visible()
