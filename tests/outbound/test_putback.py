"""The way back of cancelled goods, over its procedures, with real transactions."""

from datetime import timedelta
from typing import Any

from tests import world as w
from tests.outbound import packs
from tests.outbound.packs import line
from tests.world import World
from wms.outbound import cancelling, orders, resuming
from wms.outbound.order_events import take_order


async def cancel(world: World, order: dict[str, Any]) -> str:
    async with world.db.transaction() as tx:
        done = await cancelling.cancel(tx, w.stamp(world, "SUE"), order["id"], "customer")
    return done.verdict


async def test_a_tote_goes_back_to_where_its_goods_came_from(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("BEANS", 2, lot="L1"), line("FILTER", 3))
    received = "SELECT received_at FROM balance WHERE item_id = :item AND on_hand > 0"
    before = await w.scalar(world, received, item=world.items["FILTER"])
    world.at += timedelta(days=3)
    assert await cancel(world, order) == "will_cancel"
    tour = await packs.open_putback(world, order["totes"][0])
    assert tour is not None
    first, second = (await packs.show(world, "putback", tour, "PIA")).steps
    assert [q.fact for q in first.questions if not q.silent] == ["container", "item", "qty", "bin"]
    assert [q.fact for q in second.questions if not q.silent] == ["item", "qty", "bin"]
    answer = await packs.work(world, "putback", tour, "PIA")
    assert answer.ok, answer
    assert await packs.state_of(world, order) == "picked"
    answer = await packs.work(world, "putback", tour, "PIA")
    assert (answer.ok, answer.go) == (True, "/floor/next"), answer
    assert await w.on_hand(world, "FILTER", "A-01-02") == 3
    assert await w.on_hand(world, "BEANS", "A-01-01") == 2
    assert await w.scalar(world, received, item=world.items["FILTER"]) == before
    assert await packs.parts(world, order, "cancelled") == 5
    assert await packs.state_of(world, order) == "cancelled"
    free = "SELECT state || coalesce(order_id::text, '') FROM lpn WHERE code = :code"
    assert await w.scalar(world, free, code=order["totes"][0]) == "free"
    assert await w.scalar(world, "SELECT bool_and(allocated = 0) FROM balance")
    assert len(await packs.told(world, "order.cancelled")) == 1
    assert await packs.gaps(world) == []
    assert await packs.ledger_differs(world) == []


async def test_a_closed_box_comes_back_from_the_lane_and_its_label_is_void(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 2))
    await packs.pack_all(world, await packs.open_bench(world, order["totes"][0]))
    sscc = await w.scalar(world, "SELECT sscc FROM shipment_carton")
    assert await cancel(world, order) == "will_cancel"
    tour = await packs.open_putback(world, sscc)
    assert tour is not None
    assert (await packs.work(world, "putback", tour, "PIA", qty="1")).ok
    assert await packs.told(world, "label.voided") == []
    assert (await packs.work(world, "putback", tour, "PIA")).ok
    assert await w.scalar(world, "SELECT state FROM lpn WHERE code = :code", code=sscc) == "void"
    [voided], [made] = [await packs.told(world, f"label.{verb}") for verb in ("voided", "created")]
    assert (voided["sscc"], voided["carrier"]) == (sscc, made["carrier"])
    assert await w.on_hand(world, "MUG", "A-01-01") == 2
    assert await packs.state_of(world, order) == "cancelled"
    assert await packs.gaps(world) == []


async def test_cancelled_in_the_middle_of_packing_both_containers_come_back(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 2), line("LAMP", 1))
    bench = await packs.open_bench(world, order["totes"][0])
    await packs.work(world, "pack", bench, "PAT", item="MUG")
    [stale] = (await packs.show(world, "pack", bench, "PAT")).steps
    await cancel(world, order)
    refused = await packs.send(world, packs.act(stale, order["totes"][0], "MUG"), "PAT")
    assert (refused.ok, refused.code, refused.go) == (
        False, "OrderStopped", f"/floor/pack/{bench}",
    )  # fmt: skip
    [stop] = (await packs.show(world, "pack", bench, "PAT")).steps
    assert "cancelled" in stop.name
    aside = await packs.send(world, packs.act(stop, order["totes"][0]), "PAT")
    assert (aside.ok, aside.go) == (True, "/floor/next")
    assert await w.scalar(world, "SELECT state FROM tour WHERE id = :id", id=bench) == "done"
    tour = await packs.open_putback(world, order["totes"][0])
    assert tour is not None
    for _ in range(3):
        assert (await packs.work(world, "putback", tour, "PIA")).ok
    assert await packs.state_of(world, order) == "cancelled"
    assert await packs.parts(world, order, "cancelled") == 3
    assert await packs.ledger_differs(world) == []


async def test_missing_damaged_and_full_have_their_own_way(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 3))
    await cancel(world, order)
    tour = await packs.open_putback(world, order["totes"][0])
    assert tour is not None
    assert (await packs.work(world, "putback", tour, "PIA", "missing", qty="1")).ok
    assert (await packs.work(world, "putback", tour, "PIA", "damaged", qty="1")).ok
    full = await packs.work(world, "putback", tour, "PIA", "full")
    assert full.ok
    [step] = (await packs.show(world, "putback", tour, "PIA")).steps
    assert step.questions[-1].show not in ("", "A-01-01")
    done = await packs.work(world, "putback", tour, "PIA")
    assert (done.ok, done.tone) == (True, "task_done")
    statuses = (
        "SELECT string_agg(status || on_hand, ' ' ORDER BY status) FROM balance WHERE on_hand > 0"
    )
    assert await w.scalar(world, statuses) == "available1 damaged1 disputed1"
    assert await packs.state_of(world, order) == "cancelled"
    assert await packs.ledger_differs(world) == []


async def test_serials_go_back_as_they_are(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("GPS", 2, serials=["SN1", "SN2"]))
    await cancel(world, order)
    tour = await packs.open_putback(world, order["totes"][0])
    assert tour is not None
    assert (await packs.work(world, "putback", tour, "PIA", item="SN2")).ok
    assert (await packs.work(world, "putback", tour, "PIA")).ok
    serials = "SELECT string_agg(serial, ' ' ORDER BY serial) FROM balance WHERE on_hand = 1"
    assert await w.scalar(world, serials) == "SN1 SN2"
    assert await packs.state_of(world, order) == "cancelled"


async def test_a_bin_that_keeps_one_item_does_not_get_another(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 1))
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE bin SET mix_items = false WHERE code = 'A-01-01'")
    await w.stock(world, "ROPE", "A-01-01", 1)  # somebody filled it meanwhile
    await cancel(world, order)
    tour = await packs.open_putback(world, order["totes"][0])
    assert tour is not None
    [step] = (await packs.show(world, "putback", tour, "PIA")).steps
    assert step.questions[-1].show != "A-01-01"
    assert (await packs.work(world, "putback", tour, "PIA")).ok


async def test_a_carton_taken_off_the_truck_gets_its_way_back(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 1))
    await packs.pack_all(world, await packs.open_bench(world, order["totes"][0]))
    door = await packs.open_door(world)
    await packs.work(world, "load", door, "LEO")
    assert await cancel(world, order) == "will_cancel"
    sscc = await w.scalar(world, "SELECT sscc FROM shipment_carton")
    assert await packs.open_putback(world, sscc) is None, "it is on the truck"
    [begun] = await packs.told(world, "shipment.created")
    assert (await packs.work(world, "load", door, "LEO")).ok, "its scan takes it off"
    [undone] = await packs.told(world, "shipment.voided")
    assert undone["shipment"]["id"] == begun["shipment"]["id"]
    tour = await packs.open_putback(world, sscc)
    assert tour is not None
    assert (await packs.work(world, "putback", tour, "PIA")).ok
    assert await packs.state_of(world, order) == "cancelled"


async def test_a_held_order_is_put_aside_and_goes_on_after_the_hold(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 2))
    bench = await packs.open_bench(world, order["totes"][0])
    await packs.work(world, "pack", bench, "PAT", item="MUG")
    async with world.db.transaction() as tx:
        await orders.hold(tx, w.stamp(world, "SUE"), order["id"], "credit")
    [stop] = (await packs.show(world, "pack", bench, "PAT")).steps
    assert (await packs.send(world, packs.act(stop, order["totes"][0]), "PAT")).ok
    async with world.db.transaction() as tx:
        stamp = w.stamp(world, "SUE")
        assert await resuming.restore_work(tx, stamp) == 0
        await orders.release_hold(tx, stamp, order["id"])
        await resuming.go_on(tx, stamp, await take_order(tx, stamp, order["id"]))
    again = await packs.open_bench(world, order["totes"][0])
    await packs.pack_all(world, again)
    assert await packs.state_of(world, order) == "packed"
    assert await packs.gaps(world) == []


async def test_work_that_is_missing_is_directed_again(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 1), work=False)
    async with world.db.transaction() as tx:
        assert await resuming.restore_work(tx, w.stamp(world, "SUE")) == 1
        assert await resuming.restore_work(tx, w.stamp(world, "SUE")) == 0
    await packs.pack_all(world, await packs.open_bench(world, order["totes"][0]))
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE load SET state = 'departed'")
        assert await resuming.restore_work(tx, w.stamp(world, "SUE")) == 1
    assert await packs.open_door(world)
