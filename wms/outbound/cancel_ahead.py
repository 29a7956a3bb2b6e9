"""Cancellations that came before their order: kept for a week, and done when the order arrives.

Feeds overtake each other. The order is then made and cancelled in one transaction, so nobody ever
promises stock to it. What must stay true: a cancellation and its order that cross are never both
overlooked; whoever takes in an order shares the stripe that a cancellation takes alone.
"""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.events import catalog
from wms.events.groups import doc, reason
from wms.outbound.order_events import OrderHead, take_order, tell
from wms.stamp import Stamp

KEPT = timedelta(days=7)

# Above the 512 stripes of items; shared by those who take orders in, so they never queue here.
_STRIPES = """
  FROM (SELECT DISTINCT (CAST(:warehouse_id AS bigint) << 32) + 1024
               + (hashtextextended(e.ext, 7) & 63) AS key
          FROM unnest(CAST(:external_ids AS text[])) AS e (ext) ORDER BY key) s
"""
SHARE = text(f"SELECT pg_advisory_xact_lock_shared(s.key) {_STRIPES}")
ALONE = text(f"SELECT pg_advisory_xact_lock(s.key) {_STRIPES}")
# Served by the unique key of order_cancel.
TAKE = text(
    """
    SELECT c.id, o.id AS order_id, c.reason, c.lines
      FROM order_cancel c
      JOIN outbound_order o ON o.warehouse_id = c.warehouse_id AND o.owner_id = c.owner_id
                           AND o.external_id = c.external_id
     WHERE c.warehouse_id = :warehouse_id AND o.id = ANY (CAST(:ids AS bigint[]))
       AND c.applied_at IS NULL AND c.at > :since
     ORDER BY c.id
       FOR UPDATE OF c
    """
)
APPLIED = text(
    """
    UPDATE order_cancel SET applied_at = :at
     WHERE warehouse_id = :warehouse_id AND id = ANY (CAST(:ids AS bigint[]))
    """
)
FORGET = text(
    """
    DELETE FROM order_cancel
     WHERE warehouse_id = :warehouse_id AND at < :before
    """
)
CUT = text(
    """
    UPDATE order_line SET cancelled = cancelled + waiting, waiting = 0, promised = 0
     WHERE warehouse_id = :warehouse_id AND order_id = :order_id AND waiting > 0
       AND (cardinality(CAST(:lines AS text[])) = 0 OR line_no = ANY (CAST(:lines AS text[])))
    RETURNING line_no
    """
)
ALIVE = text(
    """
    SELECT id FROM order_line
     WHERE warehouse_id = :warehouse_id AND order_id = :order_id AND cancelled < ordered LIMIT 1
    """
)


class _Waiting(msgspec.Struct):
    id: int
    order_id: int
    reason: str
    lines: list[str]


class _Cut(msgspec.Struct):
    line_no: str


class _Id(msgspec.Struct):
    id: int


async def share_stripes(tx: Tx, stamp: Stamp, external_ids: Sequence[str]) -> None:
    """From here no cancellation of these orders slips past; call it before you look for them."""
    await tx.execute(
        SHARE, {"warehouse_id": stamp.warehouse_id, "external_ids": list(external_ids)}
    )


async def take_stripe(tx: Tx, stamp: Stamp, external_id: str) -> None:
    """From here nobody makes this order; look for it again before you keep a cancellation."""
    await tx.execute(ALONE, {"warehouse_id": stamp.warehouse_id, "external_ids": [external_id]})


async def apply(tx: Tx, stamp: Stamp, order_ids: Sequence[int]) -> dict[int, OrderHead]:
    """Cancel orders that were just made and had been cancelled before; those, by id.

    Locks the kept cancellations, then the orders. Emits order.cancelled, order.updated.
    """
    since = stamp.at - KEPT
    waiting = await rows(
        tx, TAKE, _Waiting, warehouse_id=stamp.warehouse_id, ids=list(order_ids), since=since
    )
    done: dict[int, OrderHead] = {}
    for each in sorted(waiting, key=lambda one: (one.order_id, one.id)):
        head = done.get(each.order_id) or await take_order(tx, stamp, each.order_id)
        if head.state != "cancelled":
            cut = await cut_lines(tx, stamp, head, each.lines, each.reason)
            done[each.order_id] = cut or head
    if waiting:
        ids = [each.id for each in waiting]
        await tx.execute(
            APPLIED, {"warehouse_id": stamp.warehouse_id, "ids": ids, "at": stamp.at}
        )
    return done


async def cut_lines(
    tx: Tx, stamp: Stamp, order: OrderHead, lines: Sequence[str], why: str
) -> OrderHead | None:
    """Cancel what waits of some lines (none named: of all); None when nothing of them waited.

    For orders that nobody started: take the order first. Emits order.cancelled when nothing is
    left of it, else order.updated.
    """
    here = {"warehouse_id": stamp.warehouse_id, "order_id": order.id}
    cut = await rows(tx, CUT, _Cut, **here, lines=list(lines))
    if not cut:
        return None
    alive = await rows(tx, ALIVE, _Id, **here)
    state = order.state if alive else "cancelled"
    told = doc(
        "order", order.id, order.external_id, owner=order.owner, version=order.version + 1,
        status=state,
    )  # fmt: skip
    if alive:
        removed = sorted(each.line_no for each in cut)
        data = catalog.OrderUpdated(order=told, changed_fields=["lines"], lines_removed=removed)
        return await tell(tx, stamp, order.id, "order.updated", data)
    gone = catalog.OrderCancelled(
        order=told, requested_by=stamp.actor, stage=order.state, reason=reason(why)
    )
    return await tell(
        tx, stamp, order.id, "order.cancelled", gone, state="cancelled", cancel_requested=why,
        cause="",
    )  # fmt: skip


async def forget(tx: Tx, stamp: Stamp, before: object) -> int:
    """Cancellations past their keeping time, done or never needed."""
    values = {"warehouse_id": stamp.warehouse_id, "before": before}
    return (await tx.execute(FORGET, values)).rowcount
