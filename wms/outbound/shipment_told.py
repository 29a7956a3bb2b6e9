"""What the world hears of shipments while they come together, and of labels that ship nothing.

A shipment is what of one order leaves with one load: it begins with its first carton on the truck,
and is void when the last one comes off again.
"""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.events import catalog
from wms.events.groups import doc, reason
from wms.events.outbox import emit
from wms.outbound.loads import Load
from wms.outbound.order_events import OrderHead, find_order
from wms.outbound.shipped import shipment_no
from wms.outbound.shipping_queries import carr, describe_packages, list_packages
from wms.stamp import Stamp

# shipment_carton_order_ix.
ON_LOAD = text(
    """
    SELECT count(*) AS cartons FROM shipment_carton
     WHERE warehouse_id = :warehouse_id AND order_id = :order_id AND load_id = :load_id
    """
)
# shipment_carton's key by plate; a carton that was never closed has no label.
LABELS = text(
    """
    SELECT s.order_id, s.sscc, s.tracking_no, c.code AS carrier
      FROM shipment_carton s JOIN carrier c ON c.id = s.carrier_id
     WHERE s.warehouse_id = :warehouse_id AND s.lpn_id = :lpn_id
    """
)


class _Count(msgspec.Struct):
    cartons: int


class _Label(msgspec.Struct):
    order_id: int
    sscc: str
    tracking_no: str
    carrier: str


async def tell_begun(tx: Tx, stamp: Stamp, load: Load, order: OrderHead, lpn_id: int) -> None:
    """After a carton went on the truck. Emits shipment.created with the first of an order."""
    if await _count(tx, stamp, load, order) != 1:
        return
    first = [each for each in await list_packages(tx, stamp, [order.id]) if each.lpn_id == lpn_id]
    packages = await describe_packages(tx, stamp, first)
    number = shipment_no(order.id, load.id)
    told = catalog.ShipmentCreated(
        shipment=doc("shipment", number, owner=order.owner, status="loading"),
        orders=[order.external_id], carrier=carr(load.carrier, order.service),
        packages=packages.get(order.id, []),
    )  # fmt: skip
    await _emit(tx, stamp, "shipment.created", number, told, order)


async def tell_undone(tx: Tx, stamp: Stamp, load: Load, order: OrderHead) -> None:
    """After a carton came off the truck. Emits shipment.voided when it was the last."""
    if await _count(tx, stamp, load, order) != 0:
        return
    number = shipment_no(order.id, load.id)
    told = catalog.ShipmentVoided(
        shipment=doc("shipment", number, owner=order.owner, status="void"),
        orders=[order.external_id], carrier=carr(load.carrier, order.service),
        reason=reason("taken_off", "Its last carton came off the truck."),
    )  # fmt: skip
    await _emit(tx, stamp, "shipment.voided", number, told, order)


async def tell_voided(tx: Tx, stamp: Stamp, lpn_id: int) -> None:
    """After a closed carton was opened and emptied. Emits label.voided if it had a label."""
    for label in await rows(
        tx, LABELS, _Label, warehouse_id=stamp.warehouse_id, lpn_id=lpn_id
    ):
        order = await find_order(tx, stamp, label.order_id)
        assert order is not None
        told = catalog.LabelVoided(
            package_id=label.sscc, sscc=label.sscc,
            carrier=carr(label.carrier, order.service, label.tracking_no),
            reason=reason("opened", "The carton was opened again; it will not ship."),
        )  # fmt: skip
        await emit(tx, stamp, "label.voided", order.key, told, owner=order.owner,
                   correlation_id=order.correlation_id)  # fmt: skip


async def _count(tx: Tx, stamp: Stamp, load: Load, order: OrderHead) -> int:
    found = await row(
        tx, ON_LOAD, _Count, warehouse_id=stamp.warehouse_id, order_id=order.id, load_id=load.id
    )
    return found.cartons if found else 0


async def _emit(
    tx: Tx, stamp: Stamp, type: str, number: str, told: msgspec.Struct, order: OrderHead
) -> None:
    await emit(tx, stamp, type, f"shipment/{number}", told, owner=order.owner,
               correlation_id=order.correlation_id)  # fmt: skip
