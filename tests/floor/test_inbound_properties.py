"""No sequence of scans on inbound, counting or moving makes or loses goods."""

from typing import Any

import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from tests import world as build
from tests.floor.chaos import SOME, attempt, check_books, draw_act, next_step, pool
from tests.world import World
from wms.counting import counts
from wms.db import Tx
from wms.inbound import putaway, receiving
from wms.inventory import moving
from wms.steps import Packet
from wms.tasks import engine
from wms.tasks.wanted import request_count

ACTS = 9


async def prepare(world: World) -> None:
    """A delivery of everything that is tracked in some way, and some stock to bump into."""
    await build.asn(world, "ASN-1", ("MUG", 40), ("TENT", 3), ("GPS", 2), over_tolerance_pct=10)
    await build.asn(world, "ASN-2", ("BEANS", 20), ("FILTER", 6))
    await build.stock(world, "MUG", "A-01-01", 9)
    await build.stock(world, "BEANS", "A-01-01", 5, "L1")
    await build.stock(world, "GPS", "A-01-02", 1, serial="SN3")
    await build.plate(world, "00004", "R-01-01", kind="pallet", state="closed")
    await build.stock(world, "MUG", "R-01-01", 12, lpn="00004")
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE bin SET capacity_mm3 = 20 * 960000 WHERE code LIKE 'A-%'")
        await tx.exec_driver_sql("UPDATE bin SET mix_items = false WHERE code LIKE 'A-02-%'")


async def receive_some(data: Any, tx: Tx, world: World, codes: list[str], asn_id: int) -> None:
    user = data.draw(st.sampled_from(["RITA", "RITA", "ADA"]))
    packet = await receiving.packet(tx, build.stamp(world, user), str(asn_id))
    step = await next_step(data, packet.steps)
    if step is not None:
        await attempt(tx, world, user, receiving.confirm, draw_act(data, step, codes))


async def tour_packet(tx: Tx, world: World, user: str, kind: str) -> Packet | None:
    """The page of the work that this person holds or gets."""
    stamp = build.stamp(world, user)
    tour = await engine.find_mine(tx, stamp) or await engine.claim_next(tx, stamp, [kind])
    if tour is None:
        return None
    of = putaway.packet if kind == "putaway" else counts.packet
    return await of(tx, stamp, str(tour.id))


async def put_some(data: Any, tx: Tx, world: World, codes: list[str]) -> None:
    packet = await tour_packet(tx, world, "PAUL", "putaway")
    step = await next_step(data, packet.steps) if packet else None
    if step is not None:
        await attempt(tx, world, "PAUL", putaway.confirm, draw_act(data, step, codes))


async def count_some(data: Any, tx: Tx, world: World, codes: list[str]) -> None:
    if data.draw(st.booleans()):
        where = data.draw(st.sampled_from(["A-01-01", "A-01-02", "R-01-01"]))
        await request_count(tx, build.stamp(world, "SUE"), world.bins[where], "plan")
    user = data.draw(st.sampled_from(["CARL", "CORA"]))
    packet = await tour_packet(tx, world, user, "count")
    step = await next_step(data, packet.steps) if packet else None
    if step is not None:
        await attempt(tx, world, user, counts.confirm, draw_act(data, step, codes))


async def move_some(data: Any, tx: Tx, world: World, codes: list[str]) -> None:
    sources = ["0", *[f"bin-{world.bins[code]}" for code in ("A-01-01", "A-01-02")],
               f"lpn-{world.lpns['00004']}"]  # fmt: skip
    packet = await moving.packet(tx, build.stamp(world), data.draw(st.sampled_from(sources)))
    act = draw_act(data, packet.steps[0], codes)
    await attempt(tx, world, "PAUL", moving.confirm, act)


@pytest_asyncio.fixture(loop_scope="session")
async def floor(world: World) -> World:
    await prepare(world)
    return world


@SOME
@given(data=st.data())
async def test_scans_on_a_delivery_and_its_putaway_keep_the_books(floor: World, data: Any) -> None:
    codes = pool(floor)
    async with floor.db.engine.connect() as tx:
        everything = await tx.begin()
        deliveries = (await tx.exec_driver_sql("SELECT id FROM asn ORDER BY id")).scalars().all()
        for _ in range(ACTS):
            asn_id = data.draw(st.sampled_from(deliveries))
            await receive_some(data, tx, floor, codes, asn_id)
            await put_some(data, tx, floor, codes)
        await check_books(tx, floor)
        await everything.rollback()


@SOME
@given(data=st.data())
async def test_scans_on_counts_and_moves_keep_the_books(floor: World, data: Any) -> None:
    codes = pool(floor)
    async with floor.db.engine.connect() as tx:
        everything = await tx.begin()
        for _ in range(ACTS):
            await move_some(data, tx, floor, codes)
            await count_some(data, tx, floor, codes)
        await check_books(tx, floor)
        await everything.rollback()
