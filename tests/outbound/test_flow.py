"""One order from intake to the truck: one correlation id through all of it, and its stock told."""

from typing import Any

import sqlalchemy as sa

from tests import world as w
from tests.outbound import packs, picks
from tests.outbound.test_orders import accept, doc
from tests.world import World
from wms.events import carried
from wms.events.sealer import seal
from wms.outbound import levels, levels_told

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


async def shipped(world: World, number: str, **stamp: Any) -> dict[str, Any]:
    """Taken in by its intake, then picked, packed, loaded and gone by the acts of the floor."""
    await accept(world, doc(number), **stamp)
    balance = await w.stock(world, "MUG", "A-01-01", 8)
    order = {
        "id": await w.scalar(world, "SELECT id FROM outbound_order WHERE external_id = :n",
                             n=number),
        "lines": [await w.scalar(world, "SELECT max(id) FROM order_line")],
    }  # fmt: skip
    tour = await picks.pick_tour(world, order, [(0, "A-01-01", 3, balance)])
    tote = await picks.bind_all(world, tour)
    [pick] = (await picks.show(world, tour)).steps[:1]
    assert (await picks.send(world, picks.act(pick, picks.answers(pick, tote=tote)))).ok
    [drop] = (await picks.show(world, tour)).steps
    assert (await picks.send(world, picks.act(drop, picks.answers(drop)))).ok
    code = await w.scalar(world, "SELECT code FROM lpn WHERE kind = 'tote'")
    await packs.pack_all(world, await packs.open_bench(world, code))
    door = await packs.open_door(world)
    sscc = await w.scalar(world, "SELECT sscc FROM shipment_carton")
    assert (await packs.work(world, "load", door, "LEO", carton=sscc)).ok
    [step] = (await packs.show(world, "load", door, "LEO")).steps
    assert (await packs.send(world, packs.act(step, "SEAL-1"), "LEO")).ok
    return order


async def told(world: World, which: str) -> list[Any]:
    async with world.db.reading() as tx:
        return list(await tx.execute(sa.text(
            "SELECT type, okey, correlation_id, traceparent, CAST(data AS jsonb) AS data"
            f"  FROM outbox WHERE {which} ORDER BY id"
        )))  # fmt: skip


async def test_one_correlation_id_goes_from_the_order_to_the_truck(world: World) -> None:
    kept = carried.traceparent.set(TRACE)
    try:
        await shipped(world, "SO-1", correlation_id="web-shop-77")
    finally:
        carried.traceparent.reset(kept)
    mine = await told(world, "okey LIKE 'order/%' OR okey LIKE 'stock/%' OR okey LIKE 'shipment/%'"
                             " OR type = 'load.package_loaded'")  # fmt: skip
    assert {each.type for each in mine} >= {
        "order.accepted", "order.pick_started", "order.picked", "order.packed", "order.shipped",
        "inventory.moved", "package.closed", "label.created", "shipment.departed",
        "load.package_loaded",
    }  # fmt: skip
    assert {(each.type, each.correlation_id) for each in mine if
            each.correlation_id != "web-shop-77"} == set()  # fmt: skip
    assert {each.traceparent for each in mine} == {TRACE}
    purposes = [each.data["purpose"] for each in mine if each.type == "inventory.moved"]
    assert set(purposes) >= {"pick", "pack"}


async def test_an_order_without_a_correlation_id_has_its_key_for_one(world: World) -> None:
    await accept(world, doc("SO-2"))
    [accepted] = await told(world, "okey = 'order/ACME/SO-2'")
    assert accepted.correlation_id == accepted.okey


async def tell(world: World, how: Any) -> list[dict[str, Any]]:
    """Seal, then tell levels; the payloads that this told."""
    async with world.db.transaction() as tx:
        while await seal(tx, world.warehouse_id):
            pass
        before = len(await told(world, "type = 'inventory.level_changed'"))
    async with world.db.transaction() as tx:
        await how(tx, w.stamp(world, "SUE"))
    return [each.data for each in await told(world, "type = 'inventory.level_changed'")][before:]


async def test_levels_are_told_absolute_newer_each_time_and_only_when_they_differ(
    world: World,
) -> None:
    await w.stock(world, "LAMP", "A-01-02", 5)
    swept = await tell(world, levels_told.tell_levels)  # the first walk is done at once
    assert [(each["sku"], each["on_hand"], each["version"]) for each in swept] == [("LAMP", 5, 1)]
    assert await tell(world, levels_told.sweep_levels) == []
    await tell(world, levels_told.tell_levels)
    await shipped(world, "SO-1")
    [mug] = await tell(world, levels_told.tell_levels)
    async with world.db.reading() as tx:
        [level] = await levels.list_levels(tx, w.stamp(world), sku="MUG")
    assert (level.on_hand, level.elsewhere, level.available) == (5, 0, 5)
    assert {name: mug[name] for name in ("sku", "on_hand", "available", "statuses", "version")} == {
        "sku": "MUG", "on_hand": 5, "available": 5, "statuses": {"available": 5}, "version": 1,
    }  # fmt: skip
    assert await tell(world, levels_told.tell_levels) == []  # its own event changes nothing
    await w.asn(world, "ASN-1", ("MUG", 40))
    await accept(world, doc("SO-2", ("MUG", 2)))
    [again] = await tell(world, levels_told.tell_levels)
    assert (again["version"], again["promised"], again["available_to_promise"]) == (2, 2, 3)
    assert (again["inbound"], again["as_of_pos"] > mug["as_of_pos"]) == (40, True)
