"""One day in real Chromium on the real app: receive, put away, pick, pack, load, ship.

The person in front of the handheld answers what the page asks by trigger alone; between, the
network is cut in the middle of the pick tour. Screenshots go to the folder in WMS_SHOTS, if set.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import msgspec
import pytest_asyncio
from playwright.async_api import Error, Page, expect

from tests import world as w
from tests.browser.rig import Air, handheld, put_away, serving, trigger, visit, watched
from tests.world import World
from web.app import create_app
from wms.barcodes import label
from wms.outbound import waves
from wms.settings import Settings
from wms.simulator import hands
from wms.steps import Packet, Question

SHOTS = os.environ.get("WMS_SHOTS", "")


class Worker:
    """Somebody with a handheld: reads the page, answers it, takes pictures on the way."""

    def __init__(self, page: Page, air: Air) -> None:
        self.page, self.air, self.rng, self.n = page, air, Random(7), 0

    async def shot(self, name: str) -> None:
        self.n += 1
        if SHOTS:
            await self.page.screenshot(path=Path(SHOTS) / f"{self.n:02d}-{name}.png")

    async def sign_in(self, user: str) -> None:
        await visit(self.page, "/floor/login")
        await self.shot("login")
        await trigger(self.page, w.badge(user))
        await expect(self.page.locator("body")).to_contain_text("PIN")
        await self.shot("pin")
        for digit in w.PIN:
            await self.page.get_by_role("button", name=digit, exact=True).click()
        await self.page.get_by_role("button", name="Enter").click()
        await self.page.wait_for_url("**/floor")
        await self.shot("hub")

    async def packet(self) -> Packet | None:
        """What the server asks now at the page's address; None when it is no packet."""
        for _ in range(100):
            try:
                found = await self.page.evaluate(
                    "fetch(location.pathname, {headers: {accept: 'application/json'}})"
                    ".then(r => r.ok ? r.json() : {})"
                )
                return msgspec.convert(found, Packet) if "steps" in found else None
            except Error:  # the page went on meanwhile; ask the new one
                await asyncio.sleep(0.1)
        raise AssertionError("the page does not come to rest")

    async def more_work(self) -> Packet | None:
        """The next packet: the page goes there by itself, or the person asks at the hub."""
        for _ in range(60):
            packet = await self.packet()
            if packet is not None and packet.steps:
                return packet
            if urlsplit(self.page.url).path == "/floor":
                break
            await asyncio.sleep(0.1)
        with suppress(Error):
            await visit(self.page, "/floor/next")
        packet = await self.packet()
        return packet if packet is not None and packet.steps else None

    async def answer_step(self, packet: Packet, eyes: dict[str, str], path: str = "") -> None:
        """Answer the packet's first step and wait until the server knows."""
        step = packet.steps[0]
        questions = step.questions
        if path:
            way = next(way for way in step.paths if way.code == path)
            questions = way.questions
            await trigger(self.page, label("CM", path.upper()))
        scans = hands.scans_for(questions, eyes, self._fresh, self.rng)
        for raw in scans:
            await trigger(self.page, raw)
        await self._settled(packet)

    async def _settled(self, before: Packet) -> None:
        for _ in range(200):
            now = await self.packet()
            if now is None or now.here != before.here or now.steps[:1] != before.steps[:1]:
                return
            await asyncio.sleep(0.05)
        await self.shot("stuck")
        raise AssertionError(f"nothing happened after {before.steps[0].ref}")

    def _fresh(self, asked: Question) -> str:
        self.n += 1
        return label(asked.fresh[0], f"D{self.n:03d}")

    async def through(self) -> None:
        """Answer everything until there is no work left."""
        for _ in range(60):
            packet = await self.more_work()
            if packet is None:
                return
            await self.shot(f"{packet.flow}-{packet.steps[0].ref.partition('/')[0]}")
            await self.answer_step(packet, {})
        raise AssertionError("the work does not end")


@pytest_asyncio.fixture(loop_scope="session")
async def worker(browser, database_url):
    db_world = await w.small_warehouse_at(database_url)
    app = create_app(Settings(database_url=database_url), background=False)
    async with serving(app) as port:
        air = Air(port)
        air.url = await air.start()
        context = await handheld(browser, air.url)
        page = await context.new_page()
        faults = await watched(page)
        yield Worker(page, air), db_world
        await put_away(context)
        assert faults == []
        await air.stop()
    await db_world.db.close()


async def test_goods_come_in_and_leave_again_by_trigger_alone(worker):
    person, world = worker
    asn = await w.asn(world, "ASN-1", ("LAMP", 10))
    order = await w.order(world, "SO-1", ("LAMP", 3))
    await person.sign_in("ADA")

    await visit(person.page, f"/floor/receive/{asn['id']}")
    await person.answer_step(await person.packet(), {"qty": "10"})
    await person.shot("received")
    await person.answer_step(await person.packet(), {}, "close")
    await person.through()
    assert await w.on_hand(world, "LAMP", "STAGE-IN") == 0

    await waves.release(world.db, w.stamp(world, "SUE"), [order["id"]])
    await visit(person.page, "/floor/next")
    await _pick_with_the_network_cut(person)
    await person.through()

    assert await state(world) == "shipped"


async def _pick_with_the_network_cut(person: Worker) -> None:
    packet = await person.more_work()
    assert packet is not None
    assert packet.flow == "pick"
    while packet.steps[0].ref.startswith("bind/"):
        await person.answer_step(packet, {})
        packet = await person.packet()
    await expect(person.page.locator("#show")).to_contain_text("A-0")
    await person.shot("pick")
    person.air.cut()
    for raw in hands.scans_for(packet.steps[0].questions, {}, person._fresh, person.rng):
        await trigger(person.page, raw)
    await expect(person.page.locator("#show")).to_contain_text("PACK-1")
    await person.shot("picked-offline")
    person.air.heal()
    await person._settled(packet)


async def state(world: World) -> str:
    return await w.scalar(world, "SELECT state FROM outbound_order WHERE warehouse_id = :w")
