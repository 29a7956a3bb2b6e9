"""When an order has shipped: it is packed, and none of its cartons is in the house any more."""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.events import catalog
from wms.events.groups import Pkg, doc
from wms.events.outbox import emit_many
from wms.outbound.order_events import OrderHead, bump_all, order_event
from wms.outbound.shipping_queries import (
    carr,
    describe_lines,
    describe_packages,
    list_packages,
)
from wms.stamp import Stamp


class _Complete(msgspec.Struct):
    id: int
    carrier: str


# Served by the key and shipment_carton_order_ix.
COMPLETE = text(
    """
    SELECT o.id, c.code AS carrier
      FROM outbound_order o JOIN carrier c ON c.id = o.carrier_id
     WHERE o.warehouse_id = :warehouse_id AND o.id = ANY (CAST(:ids AS bigint[]))
       AND o.state = 'packed'
       AND NOT EXISTS (SELECT 1 FROM shipment_carton s
                         JOIN lpn l ON l.warehouse_id = s.warehouse_id AND l.id = s.lpn_id
                        WHERE s.warehouse_id = o.warehouse_id AND s.order_id = o.id
                          AND l.state IN ('closed', 'loaded'))
     ORDER BY o.id
    """
)


async def settle_shipped(
    tx: Tx,
    stamp: Stamp,
    order_ids: Sequence[int],
    load_id: int | None = None,
    packages: Mapping[int, list[Pkg]] | None = None,
) -> list[OrderHead]:
    """Make packed orders whose last carton left shipped; those that are now.

    `packages` are their cartons as they were before they left. Locks: take the orders first.
    Emits order.shipped.
    """
    complete = await rows(tx, COMPLETE, _Complete, warehouse_id=stamp.warehouse_id,
                          ids=list(order_ids))  # fmt: skip
    if not complete:
        return []
    ids = [each.id for each in complete]
    if packages is None:
        packages = await describe_packages(tx, stamp, await list_packages(tx, stamp, ids))
    lines = await describe_lines(tx, stamp, ids)
    carriers = {each.id: each.carrier for each in complete}
    heads = await bump_all(tx, stamp, ids, state="shipped", cause="", shipped_at=stamp.at)
    events = [
        order_event(
            stamp, head, "order.shipped",
            catalog.OrderShipped(
                order=doc("order", head.id, head.external_id, owner=head.owner,
                          version=head.version, status="shipped"),
                shipment_id=shipment_no(head.id, load_id),
                carrier=carr(carriers[head.id], head.service),
                packages=packages.get(head.id, []), lines=lines.get(head.id, []),
                shipped_at=stamp.at,
            ),
        )
        for head in heads
    ]  # fmt: skip
    await emit_many(tx, events)
    return heads


def shipment_no(order_id: int, load_id: int | None) -> str:
    """A shipment is what of one order leaves with one load."""
    return f"{order_id}-{load_id or 0}"
