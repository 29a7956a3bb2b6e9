"""Put back what was picked or packed for a cancelled order: directed work, not a text.

The person takes the container, brings every item to the bin it came from (or the nearest that may
hold it) and scans container, item, bin. Lot, serial and receipt date stay with the goods. Each
return makes the line's picked or packed part cancelled; the last one cancels the order.
"""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import NotFound
from wms.events import catalog
from wms.events.groups import doc, loc, reason, who
from wms.events.outbox import emit
from wms.inventory import ledger, plates, space
from wms.inventory.fits import Load
from wms.inventory.ledger import Place
from wms.outbound import clarify, pick_sql
from wms.outbound.contents import Content, list_contents
from wms.outbound.line_parts import Want, shift
from wms.outbound.order_events import OrderHead, bump, emit_order, take_order
from wms.outbound.putback_steps import (
    Back,
    NotInContainer,
    back_packet,
    back_step,
    choose_target,
    find_content,
)
from wms.outbound.shipment_told import tell_voided
from wms.stamp import Stamp
from wms.steps import Act, Answer, Packet, finished
from wms.tasks import engine, leases
from wms.tasks.rules import StaleStep, WorkTaken

DUE = timedelta(hours=4)
NEAREST = 12  # bins looked at for each item besides the one it came from
PART_OF = {"tote": "picked", "carton": "packed"}


class NoSuchPutback(NotFound):
    say = "There is no such way back. Your next work is shown."


class _Lpn(msgspec.Struct):
    id: int
    bin_id: int


class _Id(msgspec.Struct):
    id: int
    tour_id: int


class _Candidate(msgspec.Struct):
    bin_id: int


class _Rest(msgspec.Struct):
    left: int
    shipped: int


# Served by lpn_warehouse_id_order_id_ix and task_lpn_open_ix. What a picker still carries comes
# back when it is dropped; what is on a truck when it is taken off.
CONTAINERS = text(
    """
    SELECT l.id, l.bin_id
      FROM lpn l JOIN bin b ON b.warehouse_id = l.warehouse_id AND b.id = l.bin_id
     WHERE l.warehouse_id = :warehouse_id AND l.order_id = :order_id
       AND l.state IN ('open', 'closed')
       AND b.kind NOT IN ('hand', 'supplier', 'customer', 'adjustment', 'scrap')
       AND NOT EXISTS (SELECT 1 FROM task t WHERE t.warehouse_id = l.warehouse_id
                        AND t.lpn_id = l.id AND t.state = 'open' AND t.kind = 'putback')
     ORDER BY l.id
       FOR UPDATE OF l
    """
)
OPEN_PACK_TASKS = text(
    """
    SELECT id, tour_id FROM task WHERE warehouse_id = :warehouse_id AND order_id = :order_id
       AND kind = 'pack' AND state = 'open' ORDER BY id
    """
)
# Served by balance_item_ix: where the item already stands, pick faces first, then the nearest
# empty pick bins.
NEARBY = text(
    """
    WITH here AS (SELECT x_mm, y_mm FROM bin WHERE warehouse_id = :warehouse_id AND id = :bin_id),
    home AS (
      SELECT DISTINCT b.id, b.kind, abs(b.x_mm - h.x_mm) + abs(b.y_mm - h.y_mm) AS far
        FROM balance s
        JOIN bin b ON b.warehouse_id = s.warehouse_id AND b.id = s.bin_id
       CROSS JOIN here h
       WHERE s.warehouse_id = :warehouse_id AND s.item_id = :item_id AND s.on_hand > 0
         AND s.lpn_id IS NULL AND b.kind IN ('pick', 'reserve') AND NOT b.blocked
       ORDER BY b.kind, far, b.id LIMIT :nearest
    ), empty AS (
      SELECT b.id, b.kind, abs(b.x_mm - h.x_mm) + abs(b.y_mm - h.y_mm) AS far
        FROM bin b CROSS JOIN here h
       WHERE b.warehouse_id = :warehouse_id AND b.kind = 'pick' AND NOT b.blocked
         AND NOT EXISTS (SELECT 1 FROM balance s WHERE s.warehouse_id = b.warehouse_id
                          AND s.bin_id = b.id AND s.on_hand > 0)
       ORDER BY far, b.id LIMIT :nearest
    )
    SELECT bin_id FROM (
      SELECT id AS bin_id, 0 AS rank, kind, far FROM home
      UNION ALL SELECT id, 1, kind, far FROM empty) c
     ORDER BY rank, kind, far, bin_id
    """
)
BACK = """
    SELECT t.id, t.tour_id, t.seq, t.version, t.state, t.order_id, o.external_id AS order_no,
           t.item_id, i.sku, t.lot_id, t.qty - t.qty_done AS left, t.lpn_id, l.code AS lpn_code,
           l.kind AS lpn_kind, t.to_bin_id AS bin_id, b.code AS bin_code, b.check_digits,
           NOT EXISTS (SELECT 1 FROM task f WHERE f.warehouse_id = t.warehouse_id
                        AND f.tour_id = t.tour_id AND f.lpn_id = t.lpn_id AND f.seq < t.seq)
             AS first
      FROM task t
      JOIN outbound_order o ON o.warehouse_id = t.warehouse_id AND o.id = t.order_id
      JOIN item i ON i.id = t.item_id
      JOIN lpn l ON l.warehouse_id = t.warehouse_id AND l.id = t.lpn_id
      JOIN bin b ON b.warehouse_id = t.warehouse_id AND b.id = t.to_bin_id
"""
BACK_ONE = text(f"{BACK} WHERE t.warehouse_id = :warehouse_id AND t.id = :id")
BACK_TOUR = text(f"{BACK} WHERE t.warehouse_id = :warehouse_id AND t.tour_id = :id ORDER BY t.seq")
RETARGET = text(
    """
    UPDATE task SET to_bin_id = :bin_id, version = version + 1
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
# A carton that was opened again is void for ever: its label must not ship anything else.
VOID_EMPTY = text(
    """
    UPDATE lpn SET state = 'void' WHERE warehouse_id = :warehouse_id AND id = :id
       AND NOT EXISTS (SELECT 1 FROM balance WHERE warehouse_id = :warehouse_id AND lpn_id = :id)
    """
)
REST = text(
    """
    SELECT coalesce(sum(waiting + allocated + picked + packed), 0) AS left,
           coalesce(sum(shipped), 0) AS shipped
      FROM order_line WHERE warehouse_id = :warehouse_id AND order_id = :order_id
    """
)


async def create_putback(tx: Tx, stamp: Stamp, order: OrderHead) -> int | None:
    """Make the way back of everything that stands in the order's totes and cartons; the tour's id.

    Call it after the cancellation, and again whenever a container of the order comes down (a
    picker drops it, a loader takes it off): what is on its way already is left alone.
    Locks: take the order first; then containers, then the candidate bins. Cancels its pack work.
    """
    packs = await rows(tx, OPEN_PACK_TASKS, _Id, warehouse_id=stamp.warehouse_id,
                       order_id=order.id)  # fmt: skip
    if packs:
        await leases.cancel_tasks(tx, stamp, [task.id for task in packs], order.stopped)
        await leases.cancel_empty_tours(tx, stamp, list({task.tour_id for task in packs}))
    containers = await rows(tx, CONTAINERS, _Lpn, warehouse_id=stamp.warehouse_id,
                            order_id=order.id)  # fmt: skip
    contents = await list_contents(tx, stamp, [lpn.id for lpn in containers])
    if not contents:
        await release_empty(tx, stamp, [lpn.id for lpn in containers])
        return None
    targets = await _choose_bins(tx, stamp, order.id, contents)
    tasks = [
        engine.NewTask(
            item_id=content.item_id, lot_id=content.lot_id, lpn_id=content.lpn_id,
            from_bin_id=content.bin_id, to_bin_id=bin_id, qty=content.qty, order_id=order.id,
            reason=order.stopped,
        )
        for content, bin_id in zip(contents, targets, strict=True)
    ]  # fmt: skip
    return await engine.create_tour(
        tx, stamp, "putback", tasks, due_at=stamp.at + DUE, bin_id=contents[0].bin_id,
        cause=f"order_{order.stopped or 'returned'}",
    )  # fmt: skip


async def release_empty(tx: Tx, stamp: Stamp, lpn_ids: Sequence[int]) -> None:
    """Totes without goods are free; cartons without goods are void. Emits label.voided."""
    for lpn_id in lpn_ids:
        plate = await plates.take_plate(tx, stamp, lpn_id)
        statement = pick_sql.FREE_EMPTY if plate.kind == "tote" else VOID_EMPTY
        done = await tx.execute(statement, {"warehouse_id": stamp.warehouse_id, "id": lpn_id})
        if plate.kind == "carton" and done.rowcount:
            await tell_voided(tx, stamp, lpn_id)


async def _choose_bins(
    tx: Tx, stamp: Stamp, order_id: int, contents: Sequence[Content], not_bin: int | None = None
) -> list[int]:
    """A legal bin for each: where it came from, else with its like, else empty, else clarify.

    Locks all candidate bins in the order of their ids while it looks (invariant 9).
    """
    wished: list[list[int]] = []
    for content in contents:
        origin = await clarify.find_origin(tx, stamp, order_id, content)
        near = await rows(
            tx, NEARBY, _Candidate, warehouse_id=stamp.warehouse_id, item_id=content.item_id,
            bin_id=content.bin_id, nearest=NEAREST,
        )  # fmt: skip
        found = [origin] if origin is not None else []
        found += [each.bin_id for each in near]
        wished.append([bin_id for bin_id in dict.fromkeys(found) if bin_id != not_bin])
    every = sorted({bin_id for found in wished for bin_id in found})
    await space.lock_bins(tx, stamp, every)
    rooms = {room.bin_id: room for room in await space.list_rooms(tx, stamp, every)}
    fallback: int | None = None
    targets: list[int] = []
    for content, found in zip(contents, wished, strict=True):
        target = choose_target(_load(content), found, rooms)
        if target is None:
            fallback = fallback or (await clarify.clarify_bin(tx, stamp)).id
        targets.append(target or fallback or 0)
    return targets


def _load(content: Content) -> Load:
    length, width, height = content.unit_mm
    return Load(item_id=content.item_id, qty=content.qty, sku=content.sku, lot_id=content.lot_id,
                unit_mm3=length * width * height, unit_g=content.unit_g,
                separation=content.separation)  # fmt: skip


async def packet(tx: Tx, stamp: Stamp, ident: str) -> Packet:
    """The tour's packet. Raises NoSuchPutback, or WorkTaken when another person holds it."""
    tour = await engine.find_tour(tx, stamp, int(ident)) if ident.isdigit() else None
    if tour is None or tour.kind != "putback":
        raise NoSuchPutback()
    if tour.state != "claimed" or tour.claimed_by != stamp.user_id:
        raise WorkTaken(why="it is finished or was given to somebody else")
    tasks = await rows(tx, BACK_TOUR, Back, warehouse_id=stamp.warehouse_id, id=tour.id)
    contents = await list_contents(tx, stamp, sorted({task.lpn_id for task in tasks}))
    return back_packet(tour.id, tasks, contents, goods_in_hand=tour.goods_in_hand)


async def confirm(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """One item back in a bin, or one way out of it.

    Locks the task, then the order, then stock. Raises StaleStep, WorkTaken, NotInContainer.
    Emits inventory.moved, task.completed, order.cancelled with the last one.
    """
    task = await engine.take_task(tx, stamp, int(act.ref.partition("/")[2]), act.version)
    back = await row(tx, BACK_ONE, Back, warehouse_id=stamp.warehouse_id, id=task.id)
    tour = await engine.find_tour(tx, stamp, task.tour_id)
    if back is None or tour is None:
        raise StaleStep()
    contents = await list_contents(tx, stamp, [back.lpn_id])
    facts = finished(back_step(back, contents, goods_in_hand=tour.goods_in_hand), act)
    if act.path == "later":
        await leases.give_back(tx, stamp, task.tour_id)
        return Answer(ok=True, say="Given back", go="/floor")
    here = f"/floor/putback/{task.tour_id}"
    if act.path == "skip":
        await leases.postpone_task(tx, stamp, task)
        return Answer(ok=True, say="Skipped for now", tone="care", go=here)
    order = await take_order(tx, stamp, back.order_id)
    stamp = stamp.along(order.correlation_id)
    facts.setdefault("item", str(back.item_id))
    content = find_content(contents, facts, lot_id=back.lot_id)
    qty = int(facts.get("qty", min(back.left, 1)))
    if content is None or content.qty < qty:
        raise NotInContainer(container=back.lpn_code)
    match act.path:
        case "full":
            return await _other_bin(tx, stamp, back, content, here)
        case "missing":
            await clarify.dispute(tx, stamp, order, content, qty, task.id)
        case "damaged":
            await clarify.damage(tx, stamp, content, qty, task.id)
        case _:
            await _put(tx, stamp, back, content, qty)
    part = PART_OF[back.lpn_kind]
    await shift(tx, stamp, [Want(order.id, back.item_id, qty)], part, "cancelled")
    await release_empty(tx, stamp, [back.lpn_id])
    ended = await _finish(tx, stamp, task, back, qty)
    await settle_cancel(tx, stamp, order)
    say = f"{qty} × {back.sku} " + {"missing": "missing", "damaged": "set aside"}.get(
        act.path, f"back in {back.bin_code}"
    )
    tone = "task_done" if ended else "care" if act.path else "step_done"
    go = "/floor/next" if ended else here if act.path or qty < back.left else ""
    return Answer(ok=True, say=say, tone=tone, go=go)


async def _put(tx: Tx, stamp: Stamp, back: Back, content: Content, qty: int) -> None:
    """Goods out of the container into the bin. Emits inventory.moved."""
    movement_id = await ledger.move(
        tx, stamp, "putback", content.goods(qty), Place(content.bin_id, back.lpn_id),
        Place(back.bin_id), task_id=back.id,
    )  # fmt: skip
    moved = catalog.InventoryMoved(
        movement_id=str(movement_id), stock=content.stk(qty), from_=loc("", lpn=back.lpn_code),
        to=loc(back.bin_code), purpose="putback", task_id=str(back.id), who=who(stamp),
    )  # fmt: skip
    await emit(tx, stamp, "inventory.moved", content.stock_key, moved, owner=content.owner_code)


async def _other_bin(
    tx: Tx, stamp: Stamp, back: Back, content: Content, here: str
) -> Answer:
    """The bin is full or blocked: the next one that may hold the goods."""
    [bin_id] = await _choose_bins(tx, stamp, back.order_id, [content], not_bin=back.bin_id)
    await tx.execute(
        RETARGET, {"warehouse_id": stamp.warehouse_id, "id": back.id, "bin_id": bin_id}
    )
    return Answer(ok=True, say=f"{back.bin_code} is full: another bin", tone="care", go=here)


async def _finish(tx: Tx, stamp: Stamp, task: engine.Task, back: Back, qty: int) -> bool:
    """Count the task down; with the last piece it is done. True when the tour ended."""
    if qty < back.left:
        await tx.execute(
            pick_sql.PARTIAL, {"warehouse_id": stamp.warehouse_id, "id": task.id, "qty": qty}
        )
        ended = False
    else:
        ended = await engine.finish_task(tx, stamp, task, qty_done=task.qty, bin_id=back.bin_id)
    if not ended:
        await tx.execute(
            pick_sql.GOODS_IN_HAND, {"warehouse_id": stamp.warehouse_id, "id": task.tour_id}
        )
    return ended


async def settle_cancel(tx: Tx, stamp: Stamp, order: OrderHead) -> bool:
    """Cancel the order when nothing of it is on the floor any more; True when it was.

    Locks: take the order first. Emits order.cancelled.
    """
    if not order.cancel_requested or order.state in ("cancelled", "shipped"):
        return False
    rest = await row(tx, REST, _Rest, warehouse_id=stamp.warehouse_id, order_id=order.id)
    if rest is None or rest.left or rest.shipped:
        return False
    head = await bump(tx, stamp, order.id, state="cancelled", cause="")
    await emit_order(
        tx, stamp, head, "order.cancelled",
        catalog.OrderCancelled(
            order=doc("order", head.id, head.external_id, owner=head.owner, version=head.version,
                      status="cancelled"),
            requested_by="", stage=order.state, reason=reason(order.cancel_requested),
        ),
    )  # fmt: skip
    return True
