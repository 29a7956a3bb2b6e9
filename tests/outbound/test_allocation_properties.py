"""Allocation as properties: never over-promised, rotation kept, release undoes it."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import world as w
from tests.world import World
from wms.db import Tx
from wms.inventory import allocations
from wms.inventory.allocations import Stock
from wms.outbound import wave_sql
from wms.outbound.allocation import Line, allocate_lines
from wms.outbound.orders import lock_items
from wms.outbound.rules import Demand, choose, rank

DAY = date(2026, 3, 1)


@st.composite
def stocks(draw: st.DrawFn) -> list[Stock]:
    return [
        Stock(
            balance_id=number, bin_id=number, lpn_id=None, owner_id=1,
            item_id=draw(st.integers(1, 2)), lot_id=None, free=draw(st.integers(1, 9)),
            expires_on=draw(st.none() | st.integers(0, 3).map(lambda d: DAY + timedelta(d))),
            received_on=DAY - timedelta(draw(st.integers(0, 2))),
            bin_kind=draw(st.sampled_from(["pick", "reserve"])), pick_sequence=number,
        )
        for number in range(draw(st.integers(0, 8)))
    ]  # fmt: skip


@st.composite
def demands(draw: st.DrawFn) -> list[Demand]:
    made: list[Demand] = []
    for order_id in range(draw(st.integers(1, 5))):
        whole = draw(st.booleans())
        for _ in range(draw(st.integers(1, 3))):
            qty = draw(st.integers(1, 12))
            made.append(
                Demand(
                    order_id=order_id, order_line_id=len(made), item_id=draw(st.integers(1, 2)),
                    qty=qty, promised=draw(st.integers(0, qty)), whole=whole,
                )
            )  # fmt: skip
    return made


@given(demands(), stocks(), st.none() | st.integers(0, 20))
def test_choosing_never_gives_more_than_there_is_or_was_asked(
    wanted: list[Demand], held: list[Stock], spare: int | None
) -> None:
    unpromised = None if spare is None else {1: spare, 2: spare}
    choice = choose(wanted, held, unpromised)
    got: dict[int, int] = {}
    used: dict[int, int] = {}
    line = {demand.order_line_id: demand for demand in wanted}
    item = {stock.balance_id: stock.item_id for stock in held}
    for take in choice.takes:
        assert take.qty > 0
        assert item[take.balance_id] == line[take.order_line_id].item_id
        got[take.order_line_id] = got.get(take.order_line_id, 0) + take.qty
        used[take.balance_id] = used.get(take.balance_id, 0) + take.qty
    assert all(used[stock.balance_id] <= stock.free for stock in held if stock.balance_id in used)
    assert all(qty <= line[line_id].qty for line_id, qty in got.items())
    for order_id in {demand.order_id for demand in wanted}:
        lines = [demand for demand in wanted if demand.order_id == order_id]
        if lines[0].whole and any(demand.order_line_id in got for demand in lines):
            assert all(got.get(demand.order_line_id) == demand.qty for demand in lines)
    if unpromised is not None:
        for item_id, left in unpromised.items():
            beyond = sum(
                max(0, got.get(demand.order_line_id, 0) - demand.promised)
                for demand in wanted
                if demand.item_id == item_id
            )
            assert beyond <= left


@given(demands(), stocks())
def test_rotation_is_kept_over_all_demands(wanted: list[Demand], held: list[Stock]) -> None:
    """What was taken of an item is, as a whole, the part of it that goes first."""
    partial = [
        Demand(**{**{f: getattr(d, f) for f in d.__struct_fields__}, "whole": False})
        for d in wanted
    ]
    used: dict[int, int] = {}
    for take in choose(partial, held).takes:
        used[take.balance_id] = used.get(take.balance_id, 0) + take.qty
    for stock in held:
        if used.get(stock.balance_id, 0) == stock.free:
            continue
        later = [s for s in held if s.item_id == stock.item_id and rank(s) > rank(stock)]
        assert not any(used.get(other.balance_id) for other in later)


@given(st.integers(1, 30), stocks())
def test_one_line_is_served_in_full_when_there_is_enough(qty: int, held: list[Stock]) -> None:
    demand = Demand(order_id=1, order_line_id=1, item_id=1, qty=qty)
    there = sum(stock.free for stock in held if stock.item_id == 1)
    assert sum(take.qty for take in choose([demand], held).takes) == min(qty, there)


BALANCES = sa.text("SELECT id, on_hand, allocated FROM balance ORDER BY id")
LINES = sa.text("SELECT id, waiting, allocated, promised FROM order_line ORDER BY id")


async def state(tx: Tx) -> list[list[tuple[Any, ...]]]:
    return [[tuple(row) for row in await tx.execute(which)] for which in (BALANCES, LINES)]


async def lines_of(tx: Tx, world: World, ids: list[int]) -> list[Line]:
    found = await tx.execute(wave_sql.DEMANDS, {"warehouse_id": world.warehouse_id, "ids": ids})
    return [Line(**row) for row in found.mappings()]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    held=st.lists(st.tuples(st.integers(1, 10), st.integers(1, 9), st.integers(0, 3)), max_size=6),
    wanted=st.lists(st.lists(st.integers(1, 8), min_size=1, max_size=2), min_size=1, max_size=4),
)
async def test_allocate_then_release_is_identity_in_the_database(
    world: World, held: list[tuple[int, int, int]], wanted: list[list[int]]
) -> None:
    """Real rows: never over-promised, earliest expiry first, and nothing left after release."""
    async with world.db.engine.connect() as tx:
        undo = await tx.begin()
        stamp = w.stamp(world, "SUE")
        ids = await _seed(tx, world, held, wanted)
        before = await state(tx)
        await lock_items(tx, stamp, {world.items["BEANS"]})
        lines = await lines_of(tx, world, ids)
        promises = await allocate_lines(tx, stamp, lines)
        there = sum(qty for _, qty, _ in held)
        asked = sum(map(sum, wanted))
        assert sum(promise.qty for promise in promises) == min(there, asked)
        left = (
            await tx.execute(
                sa.text(
                    "SELECT bool_or(b.allocated < b.on_hand AND l.expires_on < o.last)"
                    " FROM balance b JOIN lot l ON l.id = b.lot_id,"
                    " (SELECT max(l.expires_on) AS last FROM balance b JOIN lot l"
                    "  ON l.id = b.lot_id WHERE b.allocated > 0) o"
                )
            )
        ).scalar()
        assert not left
        await allocations.release(tx, stamp, [promise.allocation_id for promise in promises])
        after = await state(tx)
        await undo.rollback()
    assert after[0] == before[0]
    assert [line[:3] for line in after[1]] == [line[:3] for line in before[1]]


async def _seed(
    tx: Tx, world: World, held: list[tuple[int, int, int]], wanted: list[list[int]]
) -> list[int]:
    stamp = w.stamp(world, "RITA")
    place = allocations_place(world)
    for number, (bay, qty, days) in enumerate(held):
        lot = await w.insert(
            tx, w.inventory.lot, warehouse_id=world.warehouse_id, owner_id=world.owners["BREW"],
            item_id=world.items["BEANS"], code=f"L{number}", received_at=world.at,
            expires_on=world.at.date() + timedelta(days=days),
        )  # fmt: skip
        goods = w.Goods(
            owner_id=world.owners["BREW"], item_id=world.items["BEANS"], qty=qty, lot_id=lot
        )
        target = w.Place(world.bins[f"A-01-{bay:02d}"])
        await w.ledger.move(tx, stamp, "receipt", goods, place, target)
    ids: list[int] = []
    for number, lines in enumerate(wanted):
        order_id = await w.insert(
            tx, w.outbound.outbound_order, warehouse_id=world.warehouse_id,
            owner_id=world.owners["BREW"], external_id=f"SO-{number}",
            carrier_id=world.carriers["PARCEL"], cutoff_at=world.at, created_at=world.at,
        )  # fmt: skip
        ids.append(order_id)
        for line_no, qty in enumerate(lines):
            await w.insert(
                tx, w.outbound.order_line, warehouse_id=world.warehouse_id, order_id=order_id,
                line_no=str(line_no), owner_id=world.owners["BREW"], item_id=world.items["BEANS"],
                ordered=qty, waiting=qty,
            )  # fmt: skip
    return ids


def allocations_place(world: World) -> w.Place:
    return w.Place(world.bins["SUPPLIER"])


async def test_two_waves_at_once_never_promise_the_same_unit(world: World) -> None:
    await w.stock(world, "MUG", "A-01-01", 10)
    await w.stock(world, "LAMP", "A-01-02", 10)
    ids = [(await w.order(world, f"SO-{n}", ("MUG", 4), ("LAMP", 4)))["id"] for n in range(8)]

    async def allocate(mine: list[int]) -> int:
        async with world.db.transaction() as tx:
            await lock_items(tx, w.stamp(world), {world.items["MUG"], world.items["LAMP"]})
            lines = await lines_of(tx, world, mine)
            return sum(p.qty for p in await allocate_lines(tx, w.stamp(world), lines))

    got = await asyncio.gather(*(allocate(ids[n::4]) for n in range(4)))
    assert sum(got) == 20


@pytest.mark.parametrize("orders", [1, 40])
async def test_a_wave_costs_the_same_number_of_statements(world: World, orders: int) -> None:
    for number in range(1, 6):
        await w.stock(world, "MUG", f"A-01-0{number}", 40)
    ids = [(await w.order(world, f"SO-{n}", ("MUG", 3)))["id"] for n in range(orders)]
    count = 0

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1

    async with world.db.transaction() as tx:
        lines = await lines_of(tx, world, ids)
        sa.event.listen(world.db.engine.sync_engine, "before_cursor_execute", counted)
        promises = await allocate_lines(tx, w.stamp(world), lines)
        sa.event.remove(world.db.engine.sync_engine, "before_cursor_execute", counted)
    assert sum(promise.qty for promise in promises) == 3 * orders
    assert count == 8


async def test_of_equal_bins_the_one_with_the_shortest_walk_is_promised(world: World) -> None:
    far, near = "A-01-10", "A-02-01"  # the numbers of the bins say the opposite
    for name in (far, near):
        await w.stock(world, "MUG", name, 40)
    order = (await w.order(world, "SO-1", ("MUG", 3)))["id"]
    async with world.db.transaction() as tx:
        [promise] = await allocate_lines(
            tx, w.stamp(world), await lines_of(tx, world, [order])
        )
    assert promise.bin_id == world.bins[near]


async def test_lifting_to_a_high_bin_counts_as_the_walk_that_takes_as_long(world: World) -> None:
    far, near = "A-01-10", "A-02-01"
    for name in (far, near):
        await w.stock(world, "MUG", name, 40)
    order = (await w.order(world, "SO-1", ("MUG", 3)))["id"]
    async with world.db.transaction() as tx:
        raise_bin = sa.text("UPDATE bin SET z_mm = 60000 WHERE id = :id")
        await tx.execute(raise_bin, {"id": world.bins[near]})
        [promise] = await allocate_lines(
            tx, w.stamp(world), await lines_of(tx, world, [order])
        )
    assert promise.bin_id == world.bins[far]


async def test_stock_is_locked_over_the_index_of_items(world: World) -> None:
    await w.stock(world, "MUG", "A-01-01", 5)
    async with world.db.transaction() as tx:
        await tx.execute(sa.text("SET LOCAL enable_seqscan = off"))
        plan = await tx.execute(
            sa.text(f"EXPLAIN {allocations.LOCK_STOCK.text}"),
            {
                "warehouse_id": world.warehouse_id, "at": world.at, "item_ids": [1], "qtys": [1],
                "not_balance_ids": [],
            },
        )  # fmt: skip
        text = "\n".join(line for (line,) in plan)
    assert "balance_item_ix" in text
    assert "LockRows" in text
