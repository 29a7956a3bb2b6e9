"""Equal bins are chosen together with the tour: shorter walks, nothing promised twice, and the bin
that was promised where the other one's goods are gone."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from tests import world as w
from tests.outbound.test_wave_plan import LAYOUT, check, pick, problems
from tests.outbound.test_waves import all_rows
from tests.world import World
from wms.outbound import waves
from wms.outbound.wave_bins import choose_bins
from wms.outbound.wave_parts import Offer, Problem, WaveOrder, WavePlan
from wms.outbound.wave_plan import plan_tours
from wms.verify import verify


@st.composite
def scattered(draw: st.DrawFn) -> Problem:
    """A wave some of whose goods lie in other bins as well."""
    problem = draw(problems())
    picks = tuple(msgspec.structs.replace(each, balance_id=1000 + each.item_id * 100 + each.bin_id)
                  for each in problem.picks)  # fmt: skip
    offers: dict[int, Offer] = {}
    for each in picks:
        offers[each.balance_id] = Offer(
            balance_id=each.balance_id, kind=each.item_id, bin_id=each.bin_id, lpn_id=None,
            pick_sequence=each.bin_id, free=0,
        )  # fmt: skip
        for number in range(draw(st.integers(0, 3))):
            bin_id = draw(st.integers(1, 3)) * 10 + draw(st.integers(0, 9))
            balance_id = each.item_id * 100 + 9_000_000 + number
            offers[balance_id] = Offer(
                balance_id=balance_id, kind=each.item_id, bin_id=bin_id, lpn_id=None,
                pick_sequence=bin_id, free=draw(st.integers(1, 30)),
            )  # fmt: skip
    return msgspec.structs.replace(problem, picks=picks, offers=tuple(offers.values()))


@settings(max_examples=25, deadline=None)
@given(scattered())
def test_no_tour_gets_longer_and_no_bin_gives_more_than_it_has(problem: Problem) -> None:
    before = plan_tours(msgspec.structs.replace(problem, offers=()))
    tours = choose_bins(problem, before.tours, perf_counter() + 60, perf_counter)
    check(problem, WavePlan(tuple(tours), "", "", 0))
    assert all(new.metres <= old.metres for new, old in zip(tours, before.tours, strict=True))
    offer_of = {offer.balance_id: offer for offer in problem.offers}
    there = Counter({offer.balance_id: offer.free for offer in problem.offers})
    there.update({each.balance_id: 0 for each in problem.picks})
    for each in problem.picks:
        there[each.balance_id] += each.qty
    for task in (task for tour in tours for task in tour.tasks):
        there[task.pick.balance_id] -= task.qty
        offer = offer_of[task.pick.balance_id]
        assert (offer.kind, offer.bin_id) == (task.pick.item_id, task.pick.bin_id)
    assert min(there.values()) >= 0


def test_a_bin_on_the_way_is_taken_though_another_is_nearer_to_the_depot() -> None:
    mug = pick(balance_id=1, bin_id=13)
    lamp = pick(allocation_id=2, order_line_id=2, item_id=2, balance_id=2, bin_id=25)
    offers = (
        Offer(balance_id=1, kind=1, bin_id=13, lpn_id=None, pick_sequence=13, free=0),
        Offer(balance_id=3, kind=1, bin_id=24, lpn_id=7, pick_sequence=24, free=5),
    )
    problem = Problem(
        orders=(WaveOrder(order_id=1, due_s=0, priority=0),), picks=(mug, lamp), layout=LAYOUT,
        depot="depot", cart_slots=2, tote_mm3=10**9, tote_g=10**6, seconds=5, offers=offers,
    )  # fmt: skip
    [tour] = plan_tours(problem).tours
    assert [(task.pick.bin_id, task.pick.lpn_id) for task in tour.tasks] == [(24, 7), (25, None)]
    assert tour.tasks[0].instead == mug


@pytest.mark.parametrize(("high_mm", "taken"), [(0, 13), (1_900, 31), (60_000, 31)])
def test_a_bin_at_hand_is_taken_instead_of_a_high_one_as_near(high_mm: int, taken: int) -> None:
    mug = pick(balance_id=1, bin_id=13)
    [high] = [spot for spot in LAYOUT.spots if spot.id == "13"]
    others = tuple(spot for spot in LAYOUT.spots if spot.id not in ("13", "31"))
    spots = (
        *others,
        msgspec.structs.replace(high, z_mm=high_mm),
        msgspec.structs.replace(high, id="31"),
    )
    offers = (
        Offer(balance_id=1, kind=1, bin_id=13, lpn_id=None, pick_sequence=13, free=0),
        Offer(balance_id=3, kind=1, bin_id=31, lpn_id=None, pick_sequence=31, free=5),
    )
    problem = Problem(
        orders=(WaveOrder(order_id=1, due_s=0, priority=0),), picks=(mug,), depot="depot",
        layout=msgspec.structs.replace(LAYOUT, spots=spots), cart_slots=2, tote_mm3=10**9,
        tote_g=10**6, seconds=5, offers=offers,
    )  # fmt: skip
    [tour] = plan_tours(problem).tours
    assert [task.pick.bin_id for task in tour.tasks] == [taken]


async def plan_here(problem: Problem) -> WavePlan:
    return plan_tours(problem)


async def seed(world: World, on_the_way: int = 4) -> None:
    """Of each, one bin lies nearer to the depot and one on the way to the lamps."""
    await w.stock(world, "LAMP", "A-02-06", 40)
    await w.stock(world, "MUG", "A-01-05", 40)
    await w.stock(world, "MUG", "A-02-07", on_the_way)


async def picks_of(world: World) -> list[tuple[str, int]]:
    """Bins and quantities of the tasks; each bin is that of the task's promise."""
    found = await all_rows(
        world,
        "SELECT p.code, t.qty, t.from_bin_id = b.bin_id AND a.qty = t.qty AS backed FROM task t"
        " JOIN allocation a ON a.warehouse_id = t.warehouse_id AND a.id = t.allocation_id"
        " JOIN balance b ON b.warehouse_id = t.warehouse_id AND b.id = a.balance_id"
        " JOIN bin p ON p.warehouse_id = t.warehouse_id AND p.id = t.from_bin_id"
        " WHERE t.warehouse_id = :w ORDER BY t.tour_id, t.seq",
    )
    assert all(row["backed"] for row in found)
    async with world.db.reading() as tx:
        assert not await verify(tx, world.warehouse_id)
    return [(row["code"], row["qty"]) for row in found]


async def test_a_release_moves_its_promises_to_the_bins_on_its_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waves, "_plan", plan_here)
    await seed(world)
    order = await w.order(world, "SO-1", ("MUG", 3), ("LAMP", 1))
    wave = await waves.release(world.db, w.stamp(world, "SUE"), [order["id"]])
    assert "bins chosen with the tours" in wave.method
    assert await picks_of(world) == [("A-02-06", 1), ("A-02-07", 3)]


async def test_goods_that_others_took_meanwhile_come_from_the_promised_bin(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed(world)
    late = await w.order(world, "SO-1", ("MUG", 3), ("LAMP", 1))
    quick = await w.order(world, "SO-2", ("MUG", 2), ("LAMP", 1))

    async def slow(problem: Problem) -> WavePlan:
        monkeypatch.setattr(waves, "_plan", plan_here)
        await waves.release(world.db, w.stamp(world, "SUE"), [quick["id"]])
        return plan_tours(problem)

    monkeypatch.setattr(waves, "_plan", slow)
    await waves.release(world.db, w.stamp(world, "SUE"), [late["id"]])
    assert sorted(await picks_of(world)) == [
        ("A-01-05", 3), ("A-02-06", 1), ("A-02-06", 1), ("A-02-07", 2),
    ]  # fmt: skip


async def test_a_bin_that_was_blocked_meanwhile_is_not_chosen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed(world)
    order = await w.order(world, "SO-1", ("MUG", 3), ("LAMP", 1))

    async def slow(problem: Problem) -> WavePlan:
        async with world.db.transaction() as tx:
            await tx.execute(sa.text("UPDATE bin SET blocked = true WHERE code = 'A-02-07'"))
        return plan_tours(problem)

    monkeypatch.setattr(waves, "_plan", slow)
    await waves.release(world.db, w.stamp(world, "SUE"), [order["id"]])
    assert sorted(await picks_of(world)) == [("A-01-05", 3), ("A-02-06", 1)]


async def test_releases_at_once_share_a_scarce_bin_and_cost_as_many_statements_each(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waves, "_plan", plan_here)
    await seed(world, 8)

    async def cost(*sizes: int) -> int:
        ids = [[(await w.order(world, f"S-{size}-{n}-{k}", ("MUG", 1), ("LAMP", 1)))["id"]
                for k in range(size)] for n, size in enumerate(sizes)]  # fmt: skip
        return await counted(world, lambda: asyncio.gather(
            *(waves.release(world.db, w.stamp(world, "SUE"), mine) for mine in ids)
        ))  # fmt: skip

    assert await cost(1) == await cost(2)
    await cost(3, 4)
    assert 6 <= sum(qty for code, qty in await picks_of(world) if code == "A-02-07") <= 8


async def counted(world: World, act: Callable[[], Awaitable[Any]]) -> int:
    """How many statements an act sends."""
    count = 0

    def one_more(*_: Any) -> None:
        nonlocal count
        count += 1

    event.listen(world.db.engine.sync_engine, "before_cursor_execute", one_more)
    await act()
    event.remove(world.db.engine.sync_engine, "before_cursor_execute", one_more)
    return count
