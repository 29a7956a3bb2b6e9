"""Hard allocation against real stock: rotation, what may be promised at all, and shorts."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from tests import world as w
from tests.world import World
from wms.inventory import allocations
from wms.outbound.allocation import reallocate


async def lots_of(world: World, promises: list[allocations.Promise]) -> list[tuple[int, int]]:
    return [(promise.balance_id, promise.qty) for promise in promises]


async def test_the_lot_that_expires_first_is_promised_first(world: World) -> None:
    late = await w.stock(world, "BEANS", "A-01-01", 5, "L2", expires=date(2026, 9, 1))
    early = await w.stock(world, "BEANS", "A-01-02", 5, "L1", expires=date(2026, 5, 1))
    order = await w.order(world, "O-1", ("BEANS", 7))
    async with world.db.transaction() as tx:
        promises = await reallocate(tx, w.stamp(world), order["lines"][0], 7)
    assert await lots_of(world, promises) == [(early, 5), (late, 2)]


async def test_goods_received_first_go_first_and_a_pick_face_goes_before_reserve(
    world: World,
) -> None:
    reserve = await w.stock(world, "MUG", "R-01-01", 9)
    face = await w.stock(world, "MUG", "A-01-05", 3)
    old = await w.stock(world, "MUG", "R-02-01", 2, at=world.at - timedelta(days=3))
    order = await w.order(world, "O-1", ("MUG", 7))
    async with world.db.transaction() as tx:
        promises = await reallocate(tx, w.stamp(world), order["lines"][0], 7)
    assert await lots_of(world, promises) == [(old, 2), (face, 3), (reserve, 2)]


async def test_one_bin_that_covers_it_all_is_better_than_two(world: World) -> None:
    await w.stock(world, "MUG", "A-01-01", 3)
    full = await w.stock(world, "MUG", "A-01-02", 8)
    order = await w.order(world, "O-1", ("MUG", 7))
    async with world.db.transaction() as tx:
        promises = await reallocate(tx, w.stamp(world), order["lines"][0], 7)
    assert await lots_of(world, promises) == [(full, 7)]


@pytest.mark.parametrize("why", ["expired", "recalled", "on hold", "bin blocked", "excluded"])
async def test_what_may_not_ship_is_never_promised(world: World, why: str) -> None:
    status = "hold" if why == "on hold" else "available"
    expires = world.at.date() - timedelta(days=1) if why == "expired" else None
    balance = await w.stock(world, "BEANS", "A-01-01", 5, "L1", expires=expires, status=status)
    order = await w.order(world, "O-1", ("BEANS", 5))
    await _spoil(world, why)
    async with world.db.transaction() as tx:
        excluded = [balance] if why == "excluded" else []
        assert await reallocate(tx, w.stamp(world), order["lines"][0], 5, excluded) == []


async def _spoil(world: World, why: str) -> None:
    statement = {
        "recalled": "UPDATE lot SET recalled = true WHERE warehouse_id = :w",
        "bin blocked": "UPDATE bin SET blocked = true WHERE warehouse_id = :w AND kind = 'pick'",
    }.get(why)
    if statement:
        async with world.db.transaction() as tx:
            await tx.execute(sa.text(statement), {"w": world.warehouse_id})


async def test_a_lot_is_good_through_its_last_day(world: World) -> None:
    await w.stock(world, "BEANS", "A-01-01", 5, "L1", expires=world.at.date())
    order = await w.order(world, "O-1", ("BEANS", 5))
    async with world.db.transaction() as tx:
        promises = await reallocate(tx, w.stamp(world), order["lines"][0], 5)
    assert [promise.qty for promise in promises] == [5]


async def test_an_order_to_be_cancelled_gets_no_new_promise(world: World) -> None:
    await w.stock(world, "MUG", "A-01-01", 5)
    order = await w.order(world, "O-1", ("MUG", 5), cancel_requested="customer", state="picking")
    async with world.db.transaction() as tx:
        assert await reallocate(tx, w.stamp(world), order["lines"][0], 5) == []


async def test_allocate_then_release_is_identity(world: World) -> None:
    balance = await w.stock(world, "MUG", "A-01-01", 5)
    order = await w.order(world, "O-1", ("MUG", 4))
    async with world.db.transaction() as tx:
        stamp = w.stamp(world)
        promises = await reallocate(tx, stamp, order["lines"][0], 4)
        given = await allocations.release(tx, stamp, [p.allocation_id for p in promises])
    assert [(each.balance_id, each.qty) for each in given] == [(balance, 4)]
    assert await w.scalar(world, "SELECT allocated FROM balance WHERE warehouse_id = :w") == 0
    assert await w.scalar(world, "SELECT waiting FROM order_line WHERE warehouse_id = :w") == 4


async def test_a_count_that_finds_less_takes_the_newest_promise_back(world: World) -> None:
    balance = await w.stock(world, "MUG", "A-01-01", 5)
    first = await w.order(world, "O-1", ("MUG", 3))
    second = await w.order(world, "O-2", ("MUG", 2))
    async with world.db.transaction() as tx:
        stamp = w.stamp(world)
        await reallocate(tx, stamp, first["lines"][0], 3)
        await reallocate(tx, stamp, second["lines"][0], 2)
        given = await allocations.release_excess(tx, stamp, balance, 2)
    assert [(each.order_line_id, each.qty) for each in given] == [
        (second["lines"][0], 2),
        (first["lines"][0], 1),
    ]
