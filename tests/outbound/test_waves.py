"""Waves: promised, planned, written as tours; pulled back; finished by another process."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests import world as w
from tests.world import World
from wms.errors import Conflict
from wms.outbound import orders, waves
from wms.outbound.carton_plan import BoxProblem, PlannedCarton, plan_boxes
from wms.outbound.wave_plan import Problem, WavePlan, plan_simply
from wms.tasks import engine


@pytest.fixture(autouse=True)
def plan_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simple rule in this process: what is tested here is what happens around the plan."""

    async def simply(problem: Problem) -> WavePlan:
        return plan_simply(problem)

    async def boxes(problem: BoxProblem) -> tuple[PlannedCarton, ...]:
        return plan_boxes(problem)

    monkeypatch.setattr(waves, "_plan", simply)
    monkeypatch.setattr(waves, "_boxes", boxes)


async def all_rows(world: World, statement: str, **values: Any) -> list[dict[str, Any]]:
    async with world.db.reading() as tx:
        found = await tx.execute(sa.text(statement), {"w": world.warehouse_id, **values})
        return [dict(row) for row in found.mappings()]


async def orders_of(world: World) -> dict[str, tuple[str, int, str]]:
    found = await all_rows(
        world,
        "SELECT external_id, state, picks_open, cause FROM outbound_order"
        " WHERE warehouse_id = :w ORDER BY id",
    )
    return {row["external_id"]: (row["state"], row["picks_open"], row["cause"]) for row in found}


async def seed(world: World) -> list[int]:
    await w.stock(world, "MUG", "A-01-01", 10)
    await w.stock(world, "LAMP", "A-02-05", 4)
    first = await w.order(world, "SO-1", ("MUG", 3), ("LAMP", 2))
    second = await w.order(world, "SO-2", ("MUG", 5), ("LAMP", 5))
    third = await w.order(world, "SO-3", ("ROPE", 1))
    return [first["id"], second["id"], third["id"]]


async def test_a_release_makes_tours_of_what_there_is(world: World) -> None:
    ids = await seed(world)
    wave = await waves.release(world.db, w.stamp(world, "SUE"), ids)
    assert (wave.orders, wave.tours, wave.tasks, wave.units) == (2, 1, 4, 12)
    assert [(left.external_id, left.cause) for left in wave.left] == [("SO-3", "out_of_stock")]
    assert await orders_of(world) == {
        "SO-1": ("released", 2, ""),
        "SO-2": ("released", 2, "part_out_of_stock"),
        "SO-3": ("open", 0, "out_of_stock"),
    }
    tasks = await all_rows(
        world,
        "SELECT t.qty, t.slot, b.code, i.sku FROM task t JOIN item i ON i.id = t.item_id"
        " JOIN bin b ON b.warehouse_id = t.warehouse_id AND b.id = t.from_bin_id"
        " WHERE t.warehouse_id = :w ORDER BY t.seq",
    )
    assert [tuple(task.values()) for task in tasks] == [
        (3, 1, "A-01-01", "MUG"),
        (5, 2, "A-01-01", "MUG"),
        (2, 1, "A-02-05", "LAMP"),
        (2, 2, "A-02-05", "LAMP"),
    ]
    slots = await all_rows(world, "SELECT slot, order_id FROM tour_slot WHERE warehouse_id = :w")
    assert [(slot["slot"], slot["order_id"]) for slot in slots] == [(1, ids[0]), (2, ids[1])]
    events = await all_rows(
        world, "SELECT type, keyseq FROM outbox WHERE okey LIKE '%SO-1' ORDER BY id"
    )
    assert [tuple(event.values()) for event in events] == [
        ("order.allocated", 2),
        ("order.released", 3),
    ]


async def test_a_picker_can_claim_a_released_tour(world: World) -> None:
    ids = await seed(world)
    await waves.release(world.db, w.stamp(world, "SUE"), ids)
    async with world.db.transaction() as tx:
        tour = await engine.claim_next(tx, w.stamp(world), ["pick"])
    assert tour is not None
    assert tour.kind == "pick"


async def test_an_order_that_ships_whole_waits_and_leaves_its_goods_to_others(
    world: World,
) -> None:
    await w.stock(world, "MUG", "A-01-01", 4)
    whole = await w.order(world, "SO-1", ("MUG", 3), ("LAMP", 1), allow_partial=False, priority=9)
    part = await w.order(world, "SO-2", ("MUG", 4))
    wave = await waves.release(world.db, w.stamp(world, "SUE"), [whole["id"], part["id"]])
    assert [(left.external_id, left.cause) for left in wave.left] == [("SO-1", "out_of_stock")]
    assert (wave.orders, wave.units) == (1, 4)


async def test_a_soft_promise_is_kept_however_late_its_order_is_released(world: World) -> None:
    await w.stock(world, "MUG", "A-01-01", 5)
    first = await w.order(world, "SO-1", ("MUG", 4))
    async with world.db.transaction() as tx:
        await tx.execute(
            sa.text("UPDATE order_line SET promised = 4 WHERE id = :id"), {"id": first["lines"][0]}
        )
    second = await w.order(world, "SO-2", ("MUG", 4))
    late = await waves.release(world.db, w.stamp(world, "SUE"), [second["id"]])
    assert late.units == 1
    early = await waves.release(world.db, w.stamp(world, "SUE"), [first["id"]])
    assert early.units == 4


async def test_an_order_is_released_once_when_two_supervisors_press(world: World) -> None:
    ids = await seed(world)
    both = await asyncio.gather(
        *(waves.release(world.db, w.stamp(world, "SUE"), ids) for _ in range(2))
    )
    assert sorted(wave.orders for wave in both) == [0, 2]
    assert await w.scalar(world, "SELECT sum(allocated) FROM balance WHERE warehouse_id = :w") == 12


async def test_what_is_held_while_planning_runs_drops_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await seed(world)

    async def slow(problem: Problem) -> WavePlan:
        async with world.db.transaction() as tx:
            await orders.hold(tx, w.stamp(world, "SUE"), ids[0], "credit")
        return plan_simply(problem)

    monkeypatch.setattr(waves, "_plan", slow)
    wave = await waves.release(world.db, w.stamp(world, "SUE"), ids)
    assert wave.orders == 1
    assert (await orders_of(world))["SO-1"] == ("held", 0, "held")
    assert await w.scalar(world, "SELECT sum(allocated) FROM balance WHERE warehouse_id = :w") == 7


async def test_a_wave_whose_process_died_is_finished_by_the_chore(world: World) -> None:
    ids = await seed(world)
    async with world.db.transaction() as tx:
        wave_id, _ = await waves.start_wave(tx, w.stamp(world, "SUE"), ids)
    assert await waves.finish_waves(world.db, world.at) == 0
    assert await waves.finish_waves(world.db, world.at + timedelta(minutes=5)) == 1
    assert (await orders_of(world))["SO-1"][0] == "released"
    state = await w.scalar(world, "SELECT state FROM wave WHERE id = :id", id=wave_id)
    assert state == "released"


async def test_a_plan_that_comes_twice_is_written_once(world: World) -> None:
    ids = await seed(world)
    async with world.db.transaction() as tx:
        wave_id, _ = await waves.start_wave(tx, w.stamp(world, "SUE"), ids)
    assert wave_id is not None
    await asyncio.gather(
        *(waves.finish_wave(world.db, w.stamp(world, "SUE"), wave_id) for _ in range(2))
    )
    assert await w.scalar(world, "SELECT count(*) FROM task WHERE warehouse_id = :w") == 4


async def test_pulling_back_is_the_inverse_of_release(world: World) -> None:
    ids = await seed(world)
    wave = await waves.release(world.db, w.stamp(world, "SUE"), ids)
    assert wave.wave_id is not None
    async with world.db.transaction() as tx:
        pulled = await waves.pull_back(tx, w.stamp(world, "SUE"), wave.wave_id)
    assert (pulled.orders, pulled.tours, pulled.kept) == (2, 1, ())
    assert (await orders_of(world))["SO-1"] == ("open", 0, "awaiting_release")
    assert await w.scalar(world, "SELECT sum(allocated) FROM balance WHERE warehouse_id = :w") == 0
    assert await w.scalar(world, "SELECT state FROM tour WHERE warehouse_id = :w") == "cancelled"
    again = await waves.release(world.db, w.stamp(world, "SUE"), ids)
    assert (again.orders, again.units) == (2, 12)


async def test_a_claimed_tour_is_not_pulled_back_and_named(world: World) -> None:
    ids = await seed(world)
    wave = await waves.release(world.db, w.stamp(world, "SUE"), ids)
    assert wave.wave_id is not None
    async with world.db.transaction() as tx:
        await engine.claim_next(tx, w.stamp(world), ["pick"])
    async with world.db.transaction() as tx:
        pulled = await waves.pull_back(tx, w.stamp(world, "SUE"), wave.wave_id)
    assert (pulled.orders, [left.external_id for left in pulled.kept]) == (0, ["SO-1", "SO-2"])
    assert (await orders_of(world))["SO-1"] == ("released", 2, "")


async def test_a_wave_is_pulled_back_once(world: World) -> None:
    ids = await seed(world)
    wave = await waves.release(world.db, w.stamp(world, "SUE"), ids)
    assert wave.wave_id is not None
    async with world.db.transaction() as tx:
        await waves.pull_back(tx, w.stamp(world, "SUE"), wave.wave_id)
    with pytest.raises(Conflict, match="is pulled"):
        async with world.db.transaction() as tx:
            await waves.pull_back(tx, w.stamp(world, "SUE"), wave.wave_id)


async def test_cartons_are_proposed_once_the_wave_is_out(world: World) -> None:
    ids = await seed(world)
    wave = await waves.release(world.db, w.stamp(world, "SUE"), ids)
    assert wave.wave_id is not None
    assert await waves.finish_waves(world.db, world.at) == 0
    later = world.at + timedelta(minutes=3)
    await waves.finish_waves(world.db, later)
    await waves.finish_waves(world.db, later)
    cartons = await all_rows(
        world,
        "SELECT c.order_id, c.number, jsonb_array_length(c.placements) AS units"
        " FROM planned_carton c WHERE c.warehouse_id = :w ORDER BY 1, 2",
    )
    assert {carton["order_id"] for carton in cartons} == set(ids[:2])
    assert sum(carton["units"] for carton in cartons) == 12
    assert await w.scalar(world, "SELECT plan ->> 'cartons' FROM wave") == str(len(cartons))


async def test_cartons_follow_what_items_say_of_themselves(world: World) -> None:
    """The mugs lie in cartons of two, nothing rests on a lamp, the tent ships as it is."""
    async with world.db.transaction() as tx:
        for statement in (
            "UPDATE item SET carton_qty_max = 2 WHERE sku = 'MUG'",
            "UPDATE item SET own_container = true WHERE sku = 'TENT'",
            "UPDATE pack_level SET load_max_g = 0"
            " WHERE item_id = (SELECT id FROM item WHERE sku = 'LAMP')",
        ):
            await tx.exec_driver_sql(statement)
    for sku, bin_code in (("MUG", "A-01-01"), ("LAMP", "A-02-05"), ("TENT", "A-02-01")):
        await w.stock(world, sku, bin_code, 10)
    order = await w.order(world, "SO-1", ("MUG", 3), ("LAMP", 4), ("TENT", 1))
    await waves.release(world.db, w.stamp(world, "SUE"), [order["id"]])
    await waves.finish_waves(world.db, world.at + timedelta(minutes=3))
    cartons = await all_rows(
        world, "SELECT c.placements FROM planned_carton c WHERE c.warehouse_id = :w"
    )
    of_item = [Counter(place["item_id"] for place in each["placements"]) for each in cartons]
    assert sum(of_item, Counter()) == {world.items["MUG"]: 3, world.items["LAMP"]: 4}
    assert max(each[world.items["MUG"]] for each in of_item) <= 2
    lamps = [
        place for each in cartons for place in each["placements"]
        if place["item_id"] == world.items["LAMP"]
    ]  # fmt: skip
    tops = {(place["x_mm"], place["y_mm"], place["z_mm"] + place["dz_mm"]) for place in lamps}
    bases = {
        (place["x_mm"], place["y_mm"], place["z_mm"])
        for each in cartons for place in each["placements"]
    }  # fmt: skip
    assert not tops & bases


async def test_a_finished_wave_is_closed_by_the_chore(world: World) -> None:
    ids = await seed(world)
    await waves.release(world.db, w.stamp(world, "SUE"), ids)
    async with world.db.transaction() as tx:
        await tx.execute(sa.text("UPDATE tour SET state = 'cancelled'"))
    assert await waves.finish_waves(world.db, world.at) == 1
    assert await w.scalar(world, "SELECT state FROM wave WHERE warehouse_id = :w") == "complete"
    assert await w.scalar(world, "SELECT type FROM outbox WHERE type = 'wave.completed'")
