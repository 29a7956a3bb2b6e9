"""Departure: everything on the truck leaves in one go, and the world hears what went with whom.

Goods go from the dock to the virtual customer bin, lines from packed to shipped, and every order
whose last carton is gone has shipped. Cartons that stay open the next load.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.events import catalog
from wms.events.groups import doc, loc
from wms.events.outbox import emit_many, outbox_row
from wms.inventory import ledger
from wms.outbound import loads
from wms.outbound.line_parts import Want, shift
from wms.outbound.loads import Lane, Load
from wms.outbound.order_events import OrderHead, find_order, take_orders
from wms.outbound.ship_steps import Door, NothingLoaded, Standing, TakeOff, names
from wms.outbound.shipped import settle_shipped, shipment_no
from wms.outbound.shipping_queries import Package, carr, describe_packages, list_packages
from wms.stamp import Stamp
from wms.steps import Answer
from wms.tasks import engine


class _Held(msgspec.Struct, kw_only=True):
    lpn_id: int
    bin_id: int
    order_id: int
    owner_id: int
    item_id: int
    lot_id: int | None
    serial: str
    status: str
    qty: int


# Served by balance_lpn_ix. Locked in the order of the movement trigger (bin, license plate).
ON_TRUCK = text(
    """
    SELECT b.lpn_id, b.bin_id, l.order_id, b.owner_id, b.item_id, b.lot_id, b.serial, b.status,
           b.on_hand AS qty
      FROM balance b JOIN lpn l ON l.warehouse_id = b.warehouse_id AND l.id = b.lpn_id
     WHERE b.warehouse_id = :warehouse_id AND b.lpn_id = ANY (CAST(:lpn_ids AS bigint[]))
       AND b.on_hand > 0
     ORDER BY b.bin_id, b.lpn_id, b.item_id, b.id
       FOR UPDATE OF b, l
    """
)
SHIP_PLATES = text(
    """
    UPDATE lpn SET state = 'shipped', bin_id = :bin_id
     WHERE warehouse_id = :warehouse_id AND id = ANY (CAST(:lpn_ids AS bigint[]))
       AND state = 'loaded'
    """
)
DEPART = text(
    """
    UPDATE load SET state = 'departed', departed_at = :at, seal = :seal
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'open'
    """
)


async def depart_load(tx: Tx, stamp: Stamp, door: Door, seal: str) -> Answer:
    """The truck of a taken load leaves.

    Locks its orders in the order of their ids, then plates and stock. Raises NothingLoaded,
    TakeOff. Emits load.departed, shipment.departed for each order, order.shipped for complete ones,
    task.completed, load.opened when cartons stay.
    """
    load = door.load
    if not door.loaded:
        raise NothingLoaded()
    orders = await take_orders(tx, stamp, sorted({each.order_id for each in door.loaded}))
    stopped = {order.id for order in orders if order.stopped}
    wrong = [each for each in door.loaded if each.stopped or each.order_id in stopped]
    if wrong:
        raise TakeOff(cartons=names(wrong))
    lane = await loads.get_lane(tx, stamp, load.carrier_id, orders[0].service)
    packages = await list_packages(tx, stamp, [order.id for order in orders])
    told = await describe_packages(tx, stamp, packages)
    await _goods_leave(tx, stamp, door.loaded)
    values = {"warehouse_id": stamp.warehouse_id, "id": load.id, "at": stamp.at}
    await tx.execute(DEPART, {**values, "seal": "" if seal == "none" else seal})
    await _work_ends(tx, stamp, load)
    await emit_many(tx, _departures(stamp, load, orders, packages, seal))
    shipped = await settle_shipped(tx, stamp, [order.id for order in orders], load.id, told)
    await _next_load(tx, stamp, door.waiting, lane)
    say = f"{len(door.loaded)} cartons left, {len(shipped)} orders shipped"
    if door.waiting:
        say += f". {len(door.waiting)} stay: {names(door.waiting)}"
    return Answer(ok=True, say=say, tone="task_done", go="/floor/next")


async def _goods_leave(tx: Tx, stamp: Stamp, cartons: Sequence[Standing]) -> None:
    """All movements in one round trip, with the ledger's own statement, sorted as it asks."""
    lpn_ids = [each.lpn_id for each in cartons]
    held = await rows(tx, ON_TRUCK, _Held, warehouse_id=stamp.warehouse_id, lpn_ids=lpn_ids)
    customer = await ledger.virtual_place(tx, stamp, "customer")
    await tx.execute(
        SHIP_PLATES,
        {"warehouse_id": stamp.warehouse_id, "lpn_ids": lpn_ids, "bin_id": customer.bin_id},
    )
    if held:
        await tx.execute(ledger.MOVE, [_ship(stamp, each, customer.bin_id) for each in held])
    wants = [Want(each.order_id, each.item_id, each.qty) for each in held]
    await shift(tx, stamp, wants, "packed", "shipped")


def _ship(stamp: Stamp, held: _Held, customer_bin_id: int) -> dict[str, Any]:
    return {
        "warehouse_id": stamp.warehouse_id, "at": stamp.at, "kind": "ship",
        "from_bin_id": held.bin_id, "from_lpn_id": held.lpn_id,
        "to_bin_id": customer_bin_id, "to_lpn_id": held.lpn_id,
        "owner_id": held.owner_id, "item_id": held.item_id, "lot_id": held.lot_id,
        "serial": held.serial, "from_status": held.status, "to_status": held.status,
        "qty": held.qty, "reason": "", "allocation_id": None, "task_id": None,
        "scan_key": stamp.key, "user_id": stamp.user_id, "reverses_id": None, "received_at": None,
    }  # fmt: skip


async def _work_ends(tx: Tx, stamp: Stamp, load: Load) -> None:
    assert load.tour_id is not None
    for task in await engine.list_tasks(tx, stamp, load.tour_id):
        if task.state == "open":
            await engine.finish_task(tx, stamp, task, close=False)
    await engine.close_tour(tx, stamp, load.tour_id, load.dock_id)


def _departures(
    stamp: Stamp, load: Load, orders: Sequence[OrderHead], packages: Sequence[Package], seal: str
) -> list[dict[str, Any]]:
    """load.departed, then shipment.departed for each order on the truck."""
    mine = [package for package in packages if package.load_id == load.id]
    carrier = carr(load.carrier, "")
    departed = catalog.LoadDeparted(
        load_id=str(load.id), dock=loc(load.dock), carrier=carrier,
        seal_nos=[] if seal == "none" else [seal],
        shipments=[shipment_no(order.id, load.id) for order in orders],
        packages=len(mine), weight_g=sum(each.weight_g for each in mine), departed_at=stamp.at,
    )  # fmt: skip
    events = [outbox_row(stamp, "load.departed", f"load/{load.id}", departed)]
    for order in orders:
        number = shipment_no(order.id, load.id)
        gone = catalog.ShipmentDeparted(
            shipment=doc("shipment", number, owner=order.owner, status="departed"),
            load_id=str(load.id), orders=[order.external_id],
            carrier=carr(load.carrier, order.service),
            packages=[each.sscc for each in mine if each.order_id == order.id],
            departed_at=stamp.at,
        )  # fmt: skip
        events.append(
            outbox_row(stamp, "shipment.departed", f"shipment/{number}", gone, owner=order.owner,
                       correlation_id=order.correlation_id)
        )  # fmt: skip
    return events


async def _next_load(tx: Tx, stamp: Stamp, waiting: Sequence[Standing], lane: Lane) -> None:
    """What stays gets the next load, due at the cutoff of the first that waits."""
    if not waiting:
        return
    order = await find_order(tx, stamp, waiting[0].order_id)
    assert order is not None
    await loads.open_load_for(tx, stamp, order, lane)

