"""Loading and departure over their procedures, with real transactions."""

import asyncio
from typing import Any

import sqlalchemy as sa

from tests import world as w
from tests.outbound import packs
from tests.outbound.packs import line
from tests.world import World


async def packed(world: World, number: int, *lines: packs.Line, **columns: Any) -> dict[str, Any]:
    """A packed order; its box labels under "boxes"."""
    given = lines or (line("MUG", 1, bin=packs.BINS[number]),)
    order = await packs.picked(world, f"ORD-{number}", *given, totes=(f"T{number}",), **columns)
    await packs.pack_all(world, await packs.open_bench(world, order["totes"][0]))
    return {**order, "boxes": await boxes(world, order)}


async def boxes(world: World, order: dict[str, Any]) -> list[str]:
    async with world.db.reading() as tx:
        found = await tx.execute(
            sa.text("SELECT sscc FROM shipment_carton WHERE order_id = :id ORDER BY id"),
            {"id": order["id"]},
        )
        return list(found.scalars())


async def hold(world: World, order: dict[str, Any], column: str, value: str) -> None:
    async with world.db.transaction() as tx:
        await tx.execute(sa.text(f"UPDATE outbound_order SET {column} = :v WHERE id = :id"),
                         {"v": value, "id": order["id"]})  # fmt: skip


async def test_door_once_then_every_carton_then_the_seal(world: World) -> None:
    orders = [await packed(world, 1), await packed(world, 2)]
    assert len(await packs.told(world, "load.opened")) == 1
    tour = await packs.open_door(world)
    gone_on = [
        await packs.work(world, "load", tour, "LEO", carton=order["boxes"][0]) for order in orders
    ]
    assert [(answer.ok, answer.go) for answer in gone_on] == [
        (True, ""), (True, f"/floor/load/{tour}"),
    ]  # fmt: skip
    [step] = (await packs.show(world, "load", tour, "LEO")).steps
    assert step.ref.startswith("depart/")
    gone = await packs.send(world, packs.act(step, "SEAL-7"), "LEO")
    assert (gone.ok, gone.go) == (True, "/floor/next"), gone
    for order in orders:
        assert await packs.state_of(world, order) == "shipped"
        assert await packs.parts(world, order, "shipped") == 1
    assert await w.on_hand(world, "MUG", "DOCK-PARCEL") == 0
    assert await w.scalar(world, "SELECT seal FROM load") == "SEAL-7"
    assert await w.scalar(world, "SELECT state FROM tour WHERE id = :id", id=tour) == "done"
    assert await w.scalar(world, "SELECT count(*) FROM lpn WHERE state = 'shipped'") == 2
    [departed] = await packs.told(world, "load.departed")
    assert (departed["packages"], departed["seal_nos"]) == (2, ["SEAL-7"])
    shipped = await packs.told(world, "order.shipped")
    assert [s["packages"][0]["sscc"] for s in shipped] == [o["boxes"][0] for o in orders]
    assert [s["packages"][0]["contents"][0]["base_qty"] for s in shipped] == [1, 1]
    assert shipped[0]["lines"][0]["qty_done"] == "1"
    begun = [each["shipment"]["id"] for each in await packs.told(world, "shipment.created")]
    gone = [each["shipment"]["id"] for each in await packs.told(world, "shipment.departed")]
    assert (len(set(gone)), begun) == (2, gone)
    assert await packs.gaps(world) == []
    assert await packs.ledger_differs(world) == []


async def test_a_carton_of_another_carrier_is_a_hard_stop_that_names_its_door(
    world: World,
) -> None:
    await packed(world, 1)
    other = await packed(world, 2, carrier="FREIGHT")
    tour = await packs.open_door(world)
    answer = await packs.work(world, "load", tour, "LEO", carton=other["boxes"][0])
    assert (answer.ok, answer.code) == (False, "WrongDoor")
    assert "DOCK-FREIGHT" in answer.say
    assert await w.on_hand(world, "MUG", "OUT-FREIGHT") == 1
    freight = await packs.open_door(world, "DOCK-FREIGHT")
    assert (await packs.work(world, "load", freight, "LEO", carton=other["boxes"][0])).ok


async def test_what_is_not_loaded_is_named_and_stays_for_the_next_load(world: World) -> None:
    first, second = await packed(world, 1), await packed(world, 2)
    tour = await packs.open_door(world)
    await packs.work(world, "load", tour, "LEO", carton=first["boxes"][0])
    [step] = (await packs.show(world, "load", tour, "LEO")).steps
    way = next(path for path in step.paths if path.code == "depart")
    assert second["boxes"][0][-6:] in way.questions[0].show
    unasked = await packs.send(world, packs.act(step, "SEAL", path="depart"), "LEO")
    assert not unasked.ok
    left = await packs.send(world, packs.act(step, "LEAVE", "SEAL", path="depart"), "LEO")
    assert left.ok
    assert second["boxes"][0][-6:] in left.say
    assert await packs.state_of(world, first) == "shipped"
    assert await packs.state_of(world, second) == "packed"
    again = await packs.open_door(world)
    assert again != tour
    assert len(await packs.told(world, "load.opened")) == 2


async def test_held_and_cancelled_orders_do_not_go_on_the_truck(world: World) -> None:
    held, cancelled = await packed(world, 1), await packed(world, 2)
    tour = await packs.open_door(world)
    await packs.work(world, "load", tour, "LEO", carton=held["boxes"][0])
    await hold(world, held, "hold_reason", "credit")
    await hold(world, cancelled, "cancel_requested", "customer")
    [off] = (await packs.show(world, "load", tour, "LEO")).steps
    assert (off.verb, list(off.questions[1].accepts)) == ("TAKE OFF", held["boxes"])
    door = w.bin_label("DOCK-PARCEL")
    stop = await packs.send(world, packs.act(off, door, cancelled["boxes"][0]), "LEO")
    assert (stop.ok, stop.code) == (False, "OrderStopped")
    refused = await packs.send(world, packs.act(off, path="depart"), "LEO")
    assert (refused.ok, refused.code) == (False, "TakeOff")
    assert (await packs.work(world, "load", tour, "LEO")).ok
    assert await w.on_hand(world, "MUG", "OUT-PARCEL") == 2
    empty = await packs.send(
        world, packs.act((await packs.show(world, "load", tour, "LEO")).steps[0], path="depart"),
        "LEO",
    )  # fmt: skip
    assert (empty.ok, empty.code) == (False, "NothingLoaded")
    assert await packs.ledger_differs(world) == []


async def test_a_recalled_lot_stops_at_the_bench_and_comes_off_the_truck(world: World) -> None:
    order = await packed(world, 1, line("BEANS", 1, lot="L1"))
    open_one = await packs.picked(
        world, "ORD-9", line("BEANS", 2, lot="L1", bin="A-02-09"), totes=("T9",)
    )
    bench = await packs.open_bench(world, open_one["totes"][0])
    await packs.work(world, "pack", bench, "PAT")
    tour = await packs.open_door(world)
    await packs.work(world, "load", tour, "LEO")
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE lot SET recalled = true")
    assert (await packs.work(world, "pack", bench, "PAT")).code == "LotRecalled"
    assert (await packs.work(world, "pack", bench, "PAT", "full")).code == "LotRecalled"
    [off] = (await packs.show(world, "load", tour, "LEO")).steps
    assert off.verb == "TAKE OFF"
    assert (await packs.work(world, "load", tour, "LEO")).ok
    again = await packs.work(world, "load", tour, "LEO", carton=order["boxes"][0])
    assert again.code == "OrderStopped"
    assert await packs.parts(world, order, "shipped") == 0


async def test_a_carton_scanned_where_the_seal_is_asked_for_is_loaded(world: World) -> None:
    first = await packed(world, 1)
    tour = await packs.open_door(world)
    await packs.work(world, "load", tour, "LEO", carton=first["boxes"][0])
    [step] = (await packs.show(world, "load", tour, "LEO")).steps
    late = await packed(world, 2)
    [now] = (await packs.show(world, "load", tour, "LEO")).steps
    assert now.ref.startswith("load/")
    answer = await packs.send(world, packs.act(step, late["boxes"][0]), "LEO")
    assert not answer.ok, "a box came meanwhile: the page is asked what becomes of it"
    await packs.work(world, "load", tour, "LEO", carton=late["boxes"][0])
    await packs.work(world, "load", tour, "LEO", "off", carton=late["boxes"][0])
    await hold(world, late, "hold_reason", "credit")
    answer = await packs.send(world, packs.act(step, late["boxes"][0]), "LEO")
    assert (answer.ok, answer.code) == (False, "OrderStopped")
    await hold(world, late, "hold_reason", "")
    badge = await packs.send(world, packs.act(step, w.badge("LEO")), "LEO")
    assert not badge.ok
    assert await packs.state_of(world, first) == "packed"


async def test_an_open_box_and_a_strange_label_are_refused(world: World) -> None:
    done = await packed(world, 1)
    order = await packs.picked(world, "ORD-9", line("LAMP", 2, bin="A-02-09"), totes=("T9",))
    bench = await packs.open_bench(world, order["totes"][0])
    await packs.work(world, "pack", bench, "PAT", item="LAMP")
    open_one = "SELECT code FROM lpn WHERE kind = 'carton' AND state = 'open'"
    open_box = await w.scalar(world, open_one)
    tour = await packs.open_door(world)
    answer = await packs.work(world, "load", tour, "LEO", carton=open_box)
    assert (answer.ok, answer.code) == (False, "NotClosed")
    answer = await packs.work(world, "load", tour, "LEO", carton="095212340000999997")
    assert (answer.ok, answer.code) == (False, "UnknownCarton")
    assert (await packs.work(world, "load", tour, "LEO", carton=done["boxes"][0])).ok


async def test_an_order_in_two_loads_ships_with_the_last(world: World) -> None:
    order = await packs.picked(world, "ORD-1", line("MUG", 2))
    bench = await packs.open_bench(world, order["totes"][0])
    await packs.work(world, "pack", bench, "PAT", item="MUG")
    await packs.work(world, "pack", bench, "PAT", "full")
    tour = await packs.open_door(world)
    await packs.work(world, "load", tour, "LEO")
    assert (await packs.work(world, "load", tour, "LEO")).ok
    assert await packs.state_of(world, order) == "picked"
    assert await packs.parts(world, order, "shipped") == 1
    await packs.pack_all(world, bench)
    tour = await packs.open_door(world)
    await packs.work(world, "load", tour, "LEO")
    await packs.work(world, "load", tour, "LEO")
    assert await packs.state_of(world, order) == "shipped"
    [shipped] = await packs.told(world, "order.shipped")
    assert [p["contents"][0]["base_qty"] for p in shipped["packages"]] == [1, 1]
    assert await packs.gaps(world) == []


async def test_two_loaders_at_one_door_and_only_the_holder_departs(world: World) -> None:
    orders = [await packed(world, number) for number in range(1, 7)]
    tour = await packs.open_door(world)
    assert tour == await packs.open_door(world, user="ADA")
    [step] = (await packs.show(world, "load", tour, "LEO")).steps
    door = w.bin_label("DOCK-PARCEL")
    sent = [
        packs.send(world, packs.act(step, door, order["boxes"][0]), user)
        for order in orders
        for user in ("LEO", "ADA")
    ]
    answers = await asyncio.gather(*sent)
    assert all(answer.ok for answer in answers)
    assert sum(answer.tone == "care" for answer in answers) == 6  # on the truck already
    assert await w.on_hand(world, "MUG", "DOCK-PARCEL") == 6
    refused = await packs.send(
        world, packs.act(step, path="depart"), "ADA"
    )
    assert (refused.ok, refused.code) == (False, "WorkTaken")
    assert (await packs.work(world, "load", tour, "LEO")).ok
    assert await packs.ledger_differs(world) == []


async def test_a_box_closed_while_the_truck_leaves_finds_a_load(world: World) -> None:
    gone = await packed(world, 1)
    late = await packs.picked(world, "ORD-2", line("LAMP", 1, bin="A-02-02"), totes=("T2",))
    bench = await packs.open_bench(world, late["totes"][0])
    await packs.work(world, "pack", bench, "PAT", item="LAMP")
    [close] = (await packs.show(world, "pack", bench, "PAT")).steps
    tour = await packs.open_door(world)
    await packs.work(world, "load", tour, "LEO", carton=gone["boxes"][0])
    [depart] = (await packs.show(world, "load", tour, "LEO")).steps
    closed, left = await asyncio.gather(
        packs.send(world, packs.act(close, close.questions[1].show), "PAT"),
        packs.send(world, packs.act(depart, "S"), "LEO"),
    )
    assert closed.ok
    if not left.ok:  # the box was there first: it is asked what becomes of it
        assert (await packs.work(world, "load", tour, "LEO", "depart")).ok
    assert await packs.open_door(world) != tour
    assert await packs.ledger_differs(world) == []


async def test_many_boxes_closed_at_once_open_one_load(world: World) -> None:
    closes = []
    for number in range(1, 5):
        order = await packs.picked(
            world, f"ORD-{number}", line("MUG", 1, bin=packs.BINS[number]), totes=(f"T{number}",)
        )
        user = ("PAT", "ADA", "SUE", "PETE")[number - 1]
        bench = await packs.open_bench(world, order["totes"][0], user)
        await packs.work(world, "pack", bench, user, item="MUG")
        [close] = (await packs.show(world, "pack", bench, user)).steps
        closes.append(packs.send(world, packs.act(close, close.questions[1].show), user))
    assert all(answer.ok for answer in await asyncio.gather(*closes))
    assert await w.scalar(world, "SELECT count(*) FROM load") == 1
