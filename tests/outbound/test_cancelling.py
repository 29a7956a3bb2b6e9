"""Cancelling at every stage, closing out what cannot be had, topping up what came late."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests import world as w
from tests.outbound.picks import act, answers, bind_all, send, show
from tests.world import World
from wms.db import RuleBroken
from wms.errors import Refused
from wms.outbound import cancelling, orders, waves
from wms.outbound.wave_plan import Problem, WavePlan, plan_simply
from wms.tasks import engine


@pytest.fixture(autouse=True)
def plan_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def simply(problem: Problem) -> WavePlan:
        return plan_simply(problem)

    monkeypatch.setattr(waves, "_plan", simply)


async def released(world: World, qty: int = 3) -> tuple[dict[str, Any], int]:
    """An order of mugs and lamps on the floor, its tour held by PIA."""
    await w.stock(world, "MUG", "A-01-01", 10)
    await w.stock(world, "LAMP", "A-02-05", 10)
    order = await w.order(world, "SO-1", ("MUG", qty), ("LAMP", qty))
    await waves.release(world.db, w.stamp(world, "SUE"), [order["id"]])
    async with world.db.transaction() as tx:
        tour = await engine.claim_next(tx, w.stamp(world), ["pick"])
    assert tour is not None
    return order, tour.id


async def cancel(world: World, order: dict[str, Any]) -> cancelling.Cancelled:
    async with world.db.transaction() as tx:
        return await cancelling.cancel(tx, w.stamp(world, "SUE"), order["id"], "customer")


async def parts(world: World) -> dict[str, int]:
    async with world.db.reading() as tx:
        found = await tx.execute(
            sa.text(
                "SELECT sum(waiting) AS waiting, sum(allocated) AS allocated,"
                " sum(picked) AS picked, sum(short) AS short, sum(cancelled) AS cancelled"
                " FROM order_line WHERE warehouse_id = :w"
            ),
            {"w": world.warehouse_id},
        )
        return {name: qty for name, qty in found.mappings().one().items() if qty}


async def order_row(world: World) -> tuple[str, int, str]:
    found = await w.scalar(
        world,
        "SELECT ARRAY[state, picks_open::text, cancel_requested] FROM outbound_order"
        " WHERE warehouse_id = :w",
    )
    return found[0], int(found[1]), found[2]


async def events(world: World) -> list[str]:
    return await w.scalar(
        world,
        "SELECT array_agg(type ORDER BY keyseq) FROM outbox"
        " WHERE okey LIKE 'order/%' AND keyseq IS NOT NULL",
    )


async def gapless(world: World) -> bool:
    return await w.scalar(
        world,
        "SELECT count(*) = max(keyseq) - min(keyseq) + 1 FROM outbox"
        " WHERE okey LIKE 'order/%' AND keyseq IS NOT NULL",
    )


async def test_an_order_nobody_released_ends_at_once(world: World) -> None:
    order = await w.order(world, "SO-1", ("MUG", 3))
    done = await cancel(world, order)
    assert (done.verdict, done.stage) == ("cancelled", "open")
    assert await parts(world) == {"cancelled": 3}
    again = await cancel(world, order)
    assert (again.verdict, again.version) == ("cancelled", done.version)


async def test_a_released_order_nobody_touched_frees_its_stock(world: World) -> None:
    order, _ = await released(world)
    done = await cancel(world, order)
    assert (done.verdict, done.stage) == ("cancelled", "released")
    assert await parts(world) == {"cancelled": 6}
    assert await order_row(world) == ("cancelled", 0, "customer")
    assert await w.scalar(world, "SELECT sum(allocated) FROM balance WHERE warehouse_id = :w") == 0
    states = "SELECT array_agg(DISTINCT state) FROM task WHERE warehouse_id = :w"
    assert await w.scalar(world, states) == ["cancelled"]


async def test_an_order_that_is_planned_right_now_can_be_cancelled(world: World) -> None:
    await w.stock(world, "MUG", "A-01-01", 10)
    order = await w.order(world, "SO-1", ("MUG", 3))
    async with world.db.transaction() as tx:
        wave_id, _ = await waves.start_wave(tx, w.stamp(world, "SUE"), [order["id"]])
    assert wave_id is not None
    assert (await cancel(world, order)).verdict == "cancelled"
    wave = await waves.finish_wave(world.db, w.stamp(world, "SUE"), wave_id)
    assert (wave.wave_id, wave.tours) == (None, 0)
    assert await order_row(world) == ("cancelled", 0, "customer")
    assert await gapless(world)


async def test_goods_in_hand_come_back_as_directed_work(world: World) -> None:
    order, tour = await released(world)
    await bind_all(world, tour)
    step = (await show(world, tour)).steps[0]
    await send(world, act(step, answers(step)))
    done = await cancel(world, order)
    assert (done.verdict, done.stage, done.restock_tours) == ("will_cancel", "picking", ())
    assert await parts(world) == {"picked": 3, "cancelled": 3}
    assert await order_row(world) == ("picked", 0, "customer")
    drop = (await show(world, tour)).steps[-1]
    assert (await send(world, act(drop, answers(drop)))).ok
    async with world.db.transaction() as tx:
        tour_id = await cancelling.putback_needed(tx, w.stamp(world), order["id"])
    kinds = await w.scalar(
        world,
        "SELECT array_agg(kind || ' ' || state ORDER BY id) FROM tour WHERE warehouse_id = :w"
        " AND state = 'ready'",
    )
    assert kinds == ["putback ready"] or tour_id is None
    assert (await events(world))[-1] == "order.cancel_requested"
    assert await gapless(world)
    again = await cancel(world, order)
    assert again.verdict == "will_cancel"


async def test_what_has_left_is_refused_and_the_refusal_is_told(world: World) -> None:
    order = await w.order(world, "SO-1", ("MUG", 3), state="shipped")
    done = await cancel(world, order)
    assert (done.verdict, done.stage) == ("refused", "shipped")
    assert await events(world) == ["order.cancel_refused"]


@pytest.mark.parametrize("stop", ["hold", "cancel"])
async def test_the_database_keeps_stopped_orders_in_the_house(world: World, stop: str) -> None:
    order = await w.order(world, "SO-1", ("MUG", 3), state="picked")
    await w.plate(world, "C1", "PACK-1", kind="carton", state="open")
    async with world.db.transaction() as tx:
        if stop == "hold":
            await orders.hold(tx, w.stamp(world, "SUE"), order["id"], "credit")
        else:
            await tx.execute(sa.text("UPDATE outbound_order SET cancel_requested = 'x'"))
    values = {
        "w": world.warehouse_id, "o": order["id"], "l": world.lpns["C1"],
        "c": world.carriers["PARCEL"], "t": world.cartons["S"], "at": world.at,
    }  # fmt: skip
    with pytest.raises(RuleBroken, match="stopped_orders_never_leave"):
        async with world.db.transaction() as tx:
            await tx.execute(
                sa.text(
                    "INSERT INTO shipment_carton (warehouse_id, order_id, lpn_id, sscc,"
                    " tracking_no, carrier_id, carton_type_id, weight_g, closed_at)"
                    " VALUES (:w, :o, :l, '1', '', :c, :t, 1, :at)"
                ),
                values,
            )
    with pytest.raises(RuleBroken, match="stopped_orders_never_leave"):
        async with world.db.transaction() as tx:
            await tx.execute(
                sa.text("UPDATE lpn SET order_id = :o, state = 'loaded' WHERE id = :l"), values
            )


async def test_a_recalled_lot_stays_in_the_house(world: World) -> None:
    order = await w.order(world, "SO-1", ("BEANS", 1), state="picked")
    await w.plate(world, "C1", "PACK-1", kind="carton", state="open")
    await w.stock(world, "BEANS", "PACK-1", 1, "L1", lpn="C1")
    async with world.db.transaction() as tx:
        await tx.execute(sa.text("UPDATE lot SET recalled = true"))
    with pytest.raises(RuleBroken, match="recalled_lots_never_leave"):
        async with world.db.transaction() as tx:
            await tx.execute(
                sa.text("UPDATE lpn SET order_id = :o, state = 'loaded' WHERE id = :l"),
                {"o": order["id"], "l": world.lpns["C1"]},
            )


async def test_closing_out_makes_the_rest_short(world: World) -> None:
    order = await w.order(world, "SO-1", ("MUG", 3), ("LAMP", 1))
    async with world.db.transaction() as tx:
        head = await cancelling.close_out(tx, w.stamp(world, "SUE"), order["id"])
    assert head.state == "shorted"
    assert await parts(world) == {"short": 4}
    assert await events(world) == ["order.shorted", "order.shorted"]


async def test_what_is_being_picked_is_not_closed_out(world: World) -> None:
    order, _ = await released(world)
    with pytest.raises(Refused, match="is released"):
        async with world.db.transaction() as tx:
            await cancelling.close_out(tx, w.stamp(world, "SUE"), order["id"])


async def test_goods_that_come_in_late_join_the_running_order(world: World) -> None:
    order, _ = await released(world, qty=12)
    assert await order_row(world) == ("released", 2, "")
    assert await parts(world) == {"waiting": 4, "allocated": 20}
    async with world.db.reading() as tx:
        assert await cancelling.list_to_top_up(tx, w.stamp(world)) == []
    await w.stock(world, "MUG", "A-01-07", 5)
    async with world.db.transaction() as tx:
        stamp = w.stamp(world, "SUE")
        assert await cancelling.list_to_top_up(tx, stamp) == [order["id"]]
        tour_id = await cancelling.top_up(tx, stamp, order["id"])
    assert tour_id is not None
    assert await order_row(world) == ("released", 3, "")
    assert await parts(world) == {"waiting": 2, "allocated": 22}
    assert await gapless(world)
