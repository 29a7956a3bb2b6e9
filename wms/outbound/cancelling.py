"""Ending an order before it left: cancelled at any stage, cut short, or topped up while it runs.

Cancelling an order nobody started frees its stock and ends it. With goods in hand or packed it is a
request: what is still to pick is cancelled, packing and loading refuse the rest, and a way back is
directed for every container that stands somewhere; the last return ends the order. What has left
the house is refused, and the refusal is an event too.

Locks, as in a pick: tasks, then balances, then the order. Whoever finds on the way that the order
grew a new pick meanwhile says Busy, and the same request succeeds.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from sqlalchemy import text

from wms.db import Db, Tx, row, rows
from wms.errors import Busy, Refused
from wms.events import catalog
from wms.events.groups import line, reason
from wms.ids import uuid7
from wms.inventory import allocations
from wms.outbound import wave_sql
from wms.outbound.allocation import Line, allocate_lines
from wms.outbound.order_events import OrderHead, bump, emit_order, take_order, tell
from wms.outbound.orders import lock_items
from wms.outbound.pack_close import CUT_WAITING, tell_short
from wms.outbound.putback import create_putback, settle_cancel
from wms.outbound.wave_tours import order_doc
from wms.stamp import Stamp
from wms.tasks import engine, leases
from wms.tasks.engine import NewTask


class StillGoing(Refused):
    say = "Order {order} is {state}: only what waits without being worked on is closed."


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """`verdict`: cancelled | will_cancel (goods are on their way back) | refused.

    `stage` is how far the order was; `restock_tours` bring its goods back.
    """

    verdict: str
    stage: str
    version: int
    restock_tours: tuple[str, ...] = ()


class _Task(msgspec.Struct):
    id: int
    tour_id: int


class _Id(msgspec.Struct):
    id: int


class _Goods(msgspec.Struct):
    here: int
    shipped: int
    allocated: int


class _Cut(msgspec.Struct):
    id: int
    line_no: str
    qty: int
    sku: str


# Served by task_order_open_ix.
TAKE_PICKS = text(
    """
    SELECT id, tour_id FROM task
     WHERE warehouse_id = :warehouse_id AND order_id = :order_id AND state = 'open'
       AND kind = 'pick'
     ORDER BY id
       FOR UPDATE
    """
)
OPEN_PICKS = text(
    """
    SELECT id, tour_id FROM task
     WHERE warehouse_id = :warehouse_id AND order_id = :order_id AND state = 'open'
       AND kind = 'pick'
    """
)
GOODS = text(
    """
    SELECT coalesce(sum(picked + packed), 0) AS here, coalesce(sum(shipped), 0) AS shipped,
           coalesce(sum(allocated), 0) AS allocated
      FROM order_line WHERE warehouse_id = :warehouse_id AND order_id = :order_id
    """
)
CANCEL_WAITING = text(
    """
    UPDATE order_line SET cancelled = cancelled + waiting, waiting = 0, promised = 0
     WHERE warehouse_id = :warehouse_id AND order_id = :order_id AND waiting > 0
    """
)
ADD_PICKS = text(
    """
    UPDATE outbound_order o SET picks_open = picks_open + :picks,
           cause = CASE WHEN EXISTS (SELECT 1 FROM order_line l
                                      WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id
                                        AND l.waiting > 0) THEN o.cause ELSE '' END
     WHERE o.warehouse_id = :warehouse_id AND o.id = :order_id
       AND o.state IN ('released', 'picking') AND o.cancel_requested = '' AND o.hold_reason = ''
    RETURNING o.id
    """
)
ADD_SLOT = text(
    """
    INSERT INTO tour_slot (warehouse_id, tour_id, slot, order_id)
    VALUES (:warehouse_id, :tour_id, 1, :order_id)
    """
)
# Served by outbound_order_open_ix. Those whose item is in the house again.
TO_TOP_UP = text(
    """
    SELECT o.id FROM outbound_order o
     WHERE o.warehouse_id = :warehouse_id AND o.state IN ('released', 'picking')
       AND o.cause = 'part_out_of_stock' AND o.cancel_requested = '' AND o.hold_reason = ''
       AND EXISTS (SELECT 1 FROM order_line l
                     JOIN balance b ON b.warehouse_id = l.warehouse_id AND b.item_id = l.item_id
                      AND b.status = 'available' AND b.on_hand > 0 AND b.on_hand > b.allocated
                     JOIN bin p ON p.warehouse_id = b.warehouse_id AND p.id = b.bin_id
                      AND p.kind IN ('pick', 'reserve') AND NOT p.blocked
                    WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id AND l.waiting > 0)
     ORDER BY o.cutoff_at, o.id LIMIT 50
    """
)


async def cancel(tx: Tx, stamp: Stamp, order_id: int, why: str) -> Cancelled:
    """Cancel an order, whatever its stage. The same request again gives the same answer.

    Locks its open picks, the balances promised to it, the order. Emits order.cancelled,
    order.cancel_requested or order.cancel_refused. Raises Busy, UnknownOrder.
    """
    here = {"warehouse_id": stamp.warehouse_id, "order_id": order_id}
    picks = await rows(tx, TAKE_PICKS, _Task, **here)
    await _release_all(tx, stamp, order_id)
    order = await take_order(tx, stamp, order_id)
    if order.state == "cancelled":
        return Cancelled(verdict="cancelled", stage="cancelled", version=order.version)
    goods = await row(tx, GOODS, _Goods, **here)
    assert goods is not None
    if order.state in ("shipped", "shorted") or goods.shipped:
        return await _refuse(tx, stamp, order, why)
    if order.cancel_requested:
        return Cancelled(verdict="will_cancel", stage=order.state, version=order.version)
    if goods.allocated or {each.id for each in await rows(tx, OPEN_PICKS, _Task, **here)} - {
        each.id for each in picks
    }:
        raise Busy()  # a short found another bin while this waited
    await leases.cancel_tasks(tx, stamp, [each.id for each in picks], "order_cancelled")
    await leases.cancel_empty_tours(tx, stamp, sorted({each.tour_id for each in picks}))
    await tx.execute(CANCEL_WAITING, here)
    if goods.here == 0:
        return await _cancel_now(tx, stamp, order, why)
    return await _ask_back(tx, stamp, order, why)


async def _release_all(tx: Tx, stamp: Stamp, order_id: int) -> None:
    promises = await rows(tx, wave_sql.PROMISES_OF, _Id, warehouse_id=stamp.warehouse_id,
                          ids=[order_id])  # fmt: skip
    await allocations.release(tx, stamp, [each.id for each in promises])


async def _refuse(tx: Tx, stamp: Stamp, order: OrderHead, why: str) -> Cancelled:
    head = await bump(tx, stamp, order.id)
    told = catalog.OrderCancelRefused(
        order=order_doc(head), requested_by=stamp.actor, stage=order.state, reason=reason(why)
    )
    await emit_order(tx, stamp, head, "order.cancel_refused", told)
    return Cancelled(verdict="refused", stage=order.state, version=head.version)


async def _cancel_now(tx: Tx, stamp: Stamp, order: OrderHead, why: str) -> Cancelled:
    """Nothing of it was touched: it ends here. A tote bound empty comes free when it is dropped."""
    head = await bump(
        tx, stamp, order.id, state="cancelled", cancel_requested=why, cause="", picks_open=0,
        wave_id=None if order.state in ("open", "held") else order.wave_id,
    )  # fmt: skip
    told = catalog.OrderCancelled(
        order=order_doc(head), requested_by=stamp.actor, stage=order.state, reason=reason(why)
    )
    await emit_order(tx, stamp, head, "order.cancelled", told)
    return Cancelled(verdict="cancelled", stage=order.state, version=head.version)


async def _ask_back(tx: Tx, stamp: Stamp, order: OrderHead, why: str) -> Cancelled:
    """Goods are on a cart, at a bench or in a lane: they come back before the order ends."""
    state = "picked" if order.state in ("released", "picking") else order.state
    head = await bump(
        tx, stamp, order.id, state=state, cancel_requested=why, cause="cancelling", picks_open=0
    )
    tour_id = await create_putback(tx, stamp, head)
    tours = () if tour_id is None else (str(tour_id),)
    told = catalog.OrderCancelRequested(
        order=order_doc(head), requested_by=stamp.actor, stage=order.state, reason=reason(why),
        restock_tasks=list(tours),
    )  # fmt: skip
    await emit_order(tx, stamp, head, "order.cancel_requested", told)
    return Cancelled(
        verdict="will_cancel", stage=order.state, version=head.version, restock_tours=tours
    )


async def putback_needed(tx: Tx, stamp: Stamp, order_id: int) -> int | None:
    """Direct the way back of what an order to be cancelled has just put down; the tour, or None.

    For the drop of a tote and for a carton taken off a truck. Locks the order.
    """
    order = await take_order(tx, stamp, order_id)
    if order.stopped != "cancelled" or order.state in ("cancelled", "shipped"):
        return None
    tour_id = await create_putback(tx, stamp, order)
    await settle_cancel(tx, stamp, order)
    return tour_id


async def close_out(tx: Tx, stamp: Stamp, order_id: int) -> OrderHead:
    """Stop waiting for what cannot be had: it is short. An order that got nothing at all ends.

    For a supervisor, or a rule at the cutoff. Locks the order, its lines. Emits order.shorted for
    each line. Raises StillGoing while the order is being planned or picked.
    """
    order = await take_order(tx, stamp, order_id)
    planning = order.state in ("open", "held") and order.wave_id is not None
    if planning or order.state in ("released", "picking"):
        raise StillGoing(order=order.external_id, state="planning" if planning else order.state)
    here = {"warehouse_id": stamp.warehouse_id, "order_id": order_id}
    cuts = await rows(tx, CUT_WAITING, _Cut, **here)
    state = "shorted" if order.state in ("open", "held") else order.state
    for cut in sorted(cuts, key=lambda each: each.id):
        short = line(cut.id, cut.sku, short=cut.qty, short_reason="no_stock",
                     external_line_id=cut.line_no)  # fmt: skip
        await tell_short(tx, stamp, order_id, short, cut.qty, "no_stock", state=state, cause="")
    return await take_order(tx, stamp, order_id)


async def top_up(tx: Tx, stamp: Stamp, order_id: int) -> int | None:
    """Promise what an order on the floor still waits for, when it came in meanwhile; the new tour.

    Locks item stripes, the order, balances in key order. Emits order.allocated.
    """
    here = {"warehouse_id": stamp.warehouse_id, "order_id": order_id}
    lines = await rows(tx, wave_sql.DEMANDS, Line, warehouse_id=stamp.warehouse_id, ids=[order_id])
    await lock_items(tx, stamp, {each.item_id for each in lines})
    await take_order(tx, stamp, order_id)
    new = [
        NewTask(
            item_id=promise.item_id, lot_id=promise.lot_id, from_bin_id=promise.bin_id,
            lpn_id=promise.lpn_id, qty=promise.qty, order_id=order_id,
            order_line_id=promise.order_line_id, allocation_id=promise.allocation_id, slot=1,
            reason="came in late",
        )
        for promise in await allocate_lines(tx, stamp, lines)
    ]  # fmt: skip
    if not new:
        return None
    if await row(tx, ADD_PICKS, _Id, **here, picks=len(new)) is None:
        raise Busy()  # the order went on meanwhile: its promises roll back
    order = await take_order(tx, stamp, order_id)
    tour_id = await engine.create_tour(
        tx, stamp, "pick", new, due_at=order.cutoff_at, priority=order.priority,
        bin_id=new[0].from_bin_id, wave_id=order.wave_id, cause="top_up",
    )  # fmt: skip
    await tx.execute(ADD_SLOT, {**here, "tour_id": tour_id})
    told = catalog.OrderAllocated(
        order=order_doc(msgspec.structs.replace(order, version=order.version + 1))
    )
    await tell(tx, stamp, order_id, "order.allocated", told)
    return tour_id


async def list_to_top_up(tx: Tx, stamp: Stamp) -> Sequence[int]:
    """Up to 50 orders on the floor whose missing goods may be in the house by now."""
    return [each.id for each in await rows(tx, TO_TOP_UP, _Id, warehouse_id=stamp.warehouse_id)]


async def top_up_orders(db: Db, at: datetime | None = None) -> int:
    """Chore: give orders on the floor what came in late; how many got something."""
    at = at or datetime.now(UTC)
    async with db.reading() as tx:
        warehouses = await rows(tx, wave_sql.WAREHOUSES, _Id)
    done = 0
    for warehouse in warehouses:
        stamp = Stamp(warehouse_id=warehouse.id, at=at, key=uuid7(), actor="system:top-up")
        async with db.reading() as tx:
            wanting = await list_to_top_up(tx, stamp)
        for order_id in wanting:
            try:
                async with db.transaction() as tx:
                    done += await top_up(tx, stamp, order_id) is not None
            except Busy:
                continue
    return done
