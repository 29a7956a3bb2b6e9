"""The order's row as the floor locks it, and the one way to change it and tell the world.

Rule that keeps `keyseq` gapless: one `bump`, one event of the order. `tell` does both. The order's
row is locked from then on to the end of the transaction, so events of one order commit in order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from wms.db import Tx, row, rows
from wms.errors import NotFound
from wms.events.outbox import emit_many, outbox_row
from wms.masterdata.tables import owner
from wms.outbound.tables import outbound_order as table
from wms.stamp import Stamp


class UnknownOrder(NotFound):
    say = "No order {order} in this warehouse."


class OrderHead(msgspec.Struct, kw_only=True):
    """An order's row as an act sees it; `owner` is the owner's code."""

    id: int
    external_id: str
    owner_id: int
    owner: str
    state: str
    hold_reason: str
    cancel_requested: str
    version: int
    source_version: int
    priority: int
    carrier_id: int
    service: str
    cutoff_at: datetime
    wave_id: int | None
    picks_open: int
    cause: str
    correlation_id: str
    shipped_at: datetime | None

    @property
    def key(self) -> str:
        """Subject and ordering key of the order's events; owners may use the same order number."""
        return f"order/{self.owner}/{self.external_id}"

    @property
    def stopped(self) -> str:
        """Why its goods may not go on (held, cancelled, or cancel asked for), or nothing."""
        if self.state == "cancelled" or self.cancel_requested:
            return "cancelled"
        return "held" if self.state == "held" or self.hold_reason else ""


_COLUMNS = """
  o.id, o.external_id, o.owner_id,
  (SELECT w.code FROM owner w WHERE w.id = o.owner_id) AS owner, o.state, o.hold_reason,
  o.cancel_requested, o.version, o.source_version, o.priority, o.carrier_id, o.service,
  o.cutoff_at, o.wave_id, o.picks_open, o.cause, o.correlation_id, o.shipped_at
"""
GET = sa.text(
    f"SELECT {_COLUMNS} FROM outbound_order o"
    " WHERE o.warehouse_id = :warehouse_id AND o.id = ANY(:ids) ORDER BY o.id"
)
# Primary key, in id order so that two acts on several orders queue. NO KEY: rows that only refer
# to the order (cartons, lines) do not wait for its state.
TAKE = sa.text(
    f"SELECT {_COLUMNS} FROM outbound_order o"
    " WHERE o.warehouse_id = :warehouse_id AND o.id = ANY(:ids) ORDER BY o.id"
    " FOR NO KEY UPDATE OF o"
)
# Keeps hold and cancel out until the end of the act, without stopping other acts that only ask.
SHARE = sa.text(
    f"SELECT {_COLUMNS} FROM outbound_order o"
    " WHERE o.warehouse_id = :warehouse_id AND o.id = ANY(:ids) ORDER BY o.id"
    " FOR SHARE OF o"
)
_OWNER_CODE = sa.select(owner.c.code).where(owner.c.id == table.c.owner_id).scalar_subquery()
_RETURNING = [
    _OWNER_CODE.label("owner") if name == "owner" else table.c[name]
    for name in OrderHead.__struct_fields__
]


async def find_order(tx: Tx, stamp: Stamp, order_id: int) -> OrderHead | None:
    """The order without any lock, or None."""
    return await row(tx, GET, OrderHead, warehouse_id=stamp.warehouse_id, ids=[order_id])


async def take_order(tx: Tx, stamp: Stamp, order_id: int) -> OrderHead:
    """The order, its row locked for a change. Raises UnknownOrder."""
    head = await row(tx, TAKE, OrderHead, warehouse_id=stamp.warehouse_id, ids=[order_id])
    if head is None:
        raise UnknownOrder(order=order_id)
    return head


async def take_orders(tx: Tx, stamp: Stamp, ids: Sequence[int]) -> list[OrderHead]:
    """Several orders, locked for a change in the order of their ids."""
    return await rows(tx, TAKE, OrderHead, warehouse_id=stamp.warehouse_id, ids=list(ids))


async def share_order(tx: Tx, stamp: Stamp, order_id: int) -> OrderHead:
    """The order, held still while the act only reads it. Raises UnknownOrder.

    Locks: shared; never call `bump` on it later in the same transaction (two would deadlock).
    """
    head = await row(tx, SHARE, OrderHead, warehouse_id=stamp.warehouse_id, ids=[order_id])
    if head is None:
        raise UnknownOrder(order=order_id)
    return head


async def bump(tx: Tx, stamp: Stamp, order_id: int, **changes: Any) -> OrderHead:
    """Change columns of the order and raise its version by one; the head as it is now.

    Guarantees: the version is the `keyseq` of exactly one event, so emit exactly one after it.
    Locks: the order's row. Raises UnknownOrder.
    """
    statement = (
        sa.update(table)
        .where(table.c.warehouse_id == stamp.warehouse_id, table.c.id == order_id)
        .values(version=table.c.version + 1, **changes)
        .returning(*_RETURNING)
    )
    found = (await tx.execute(statement)).first()
    if found is None:
        raise UnknownOrder(order=order_id)
    return OrderHead(**dict(zip(OrderHead.__struct_fields__, found, strict=True)))


async def bump_all(
    tx: Tx, stamp: Stamp, order_ids: Sequence[int], **changes: Any
) -> list[OrderHead]:
    """`bump` for many orders in one statement; take them first, in the order of their ids."""
    ids = sa.literal(list(order_ids), ARRAY(sa.BigInteger))  # one parameter however many orders
    statement = (
        sa.update(table)
        .where(table.c.warehouse_id == stamp.warehouse_id, table.c.id == sa.any_(ids))
        .values(version=table.c.version + 1, **changes)
        .returning(*_RETURNING)
    )
    found = (await tx.execute(statement)).all() if order_ids else []
    names = OrderHead.__struct_fields__
    return sorted(
        (OrderHead(**dict(zip(names, each, strict=True))) for each in found),
        key=lambda head: head.id,
    )


def order_event(
    stamp: Stamp, head: OrderHead, type: str, data: msgspec.Struct | dict[str, Any]
) -> dict[str, Any]:
    """The row of the one event that belongs to the version `bump` just gave."""
    return outbox_row(
        stamp, type, head.key, data,
        owner=head.owner, keyseq=head.version, correlation_id=head.correlation_id,
    )  # fmt: skip


async def emit_order(
    tx: Tx, stamp: Stamp, head: OrderHead, type: str, data: msgspec.Struct | dict[str, Any]
) -> None:
    """Write the one event that belongs to the version `bump` just gave."""
    await emit_many(tx, [order_event(stamp, head, type, data)])


async def tell(
    tx: Tx,
    stamp: Stamp,
    order_id: int,
    type: str,
    data: msgspec.Struct | dict[str, Any],
    **changes: Any,
) -> OrderHead:
    """`bump` and `emit_order` in one: change the order and say so."""
    head = await bump(tx, stamp, order_id, **changes)
    await emit_order(tx, stamp, head, type, data)
    return head
