"""The ways out of a pick: fewer taken, short, damaged, tote full, skip, give back.

A short never ends the tour and never asks for what is not there: the missing units become
disputed (not gone, not allocatable), a count is wanted, and another bin is promised at once. What
no bin has is short on the order, which then ships without it.
"""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.events import catalog
from wms.events.groups import Line, Stk, doc, loc, stk, who
from wms.events.groups import reason as because
from wms.events.outbox import emit
from wms.inventory import ledger
from wms.inventory.allocations import Promise, release_part
from wms.inventory.ledger import Goods, Place
from wms.outbound import pick_sql as sql
from wms.outbound.allocation import reallocate
from wms.outbound.pick_confirm import moved_event
from wms.outbound.pick_progress import Cut, settle_picks
from wms.outbound.pick_steps import PickFacts, pick_step
from wms.outbound.picking import bind_tote
from wms.stamp import Stamp
from wms.steps import Act, Answer, Facts, finished
from wms.tasks import engine, leases
from wms.tasks.wanted import request_count


class _Stock(msgspec.Struct):
    id: int
    on_hand: int
    allocated: int


class _Left(msgspec.Struct):
    qty: int


class _Slot(msgspec.Struct):
    id: int
    slot: int


PROMISED = text(
    "SELECT qty FROM allocation WHERE warehouse_id = :warehouse_id AND id = :id FOR UPDATE"
)
STOCK = text(
    """
    SELECT b.id, b.on_hand, b.allocated
      FROM allocation a JOIN balance b ON b.warehouse_id = a.warehouse_id AND b.id = a.balance_id
     WHERE a.warehouse_id = :warehouse_id AND a.id = :allocation_id
       FOR UPDATE OF b
    """
)
CUT_SHORT = text(
    """
    UPDATE order_line SET waiting = waiting - :qty, short = short + :qty,
           promised = least(promised, waiting - :qty)
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
LOWER = text(
    """
    UPDATE task SET qty = qty - :qty, version = version + 1
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
NEW_SLOT = text(
    """
    INSERT INTO tour_slot (warehouse_id, tour_id, slot, order_id)
    SELECT :warehouse_id, :tour_id, max(slot) + 1, :order_id FROM tour_slot
     WHERE warehouse_id = :warehouse_id AND tour_id = :tour_id
    RETURNING id, slot
    """
)
REPOINT = text(
    """
    UPDATE task SET slot = :new, version = version + 1
     WHERE warehouse_id = :warehouse_id AND tour_id = :tour_id AND slot = :old AND state = 'open'
    """
)


async def confirm_other(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """Any act on a pick besides taking all of it.

    Locks the task, then stock, then the order. Raises StaleStep, WorkTaken, the refusals of steps.
    """
    task = await engine.take_task(tx, stamp, int(act.ref.partition("/")[2]), act.version)
    pick = await row(tx, sql.LOAD_ONE, PickFacts, warehouse_id=stamp.warehouse_id, id=task.id)
    assert pick is not None
    stamp = stamp.along(pick.correlation_id)
    tour = await engine.find_tour(tx, stamp, task.tour_id)
    assert tour is not None
    facts = finished(pick_step(pick, goods_in_hand=tour.goods_in_hand), act)
    here = f"/floor/pick/{task.tour_id}"
    match act.path:
        case "short":
            say = await _short(tx, stamp, task, pick, int(facts["found"]))
        case "damaged":
            say = await _damaged(tx, stamp, task, pick, int(facts["damaged"]))
        case "full":
            say = await _tote_full(tx, stamp, task, facts)
        case "skip":
            await leases.postpone_task(tx, stamp, task)
            say = "Skipped for now: it comes back at the end"
        case "later":
            await leases.give_back(tx, stamp, task.tour_id)
            return Answer(ok=True, say="Given back", go="/floor")
        case _:
            say = await _part(tx, stamp, pick, int(facts["qty"]))
    return Answer(ok=True, say=say, tone="care", go=here)


async def _take(tx: Tx, stamp: Stamp, pick: PickFacts, qty: int) -> None:
    """Goods from the bin into the tote, consuming the promise. Emits inventory.moved."""
    assert pick.hand_bin_id is not None
    goods = Goods(owner_id=pick.owner_id, item_id=pick.item_id, qty=qty, lot_id=pick.lot_id,
                  serial=pick.serial)  # fmt: skip
    movement_id = await ledger.move(
        tx, stamp, "pick", goods, Place(pick.bin_id, pick.lpn_id),
        Place(pick.hand_bin_id, pick.tote_id), allocation_id=pick.allocation_id, task_id=pick.id,
    )  # fmt: skip
    await tx.execute(sql.GOODS_IN_HAND, {"warehouse_id": stamp.warehouse_id, "id": pick.tour_id})
    moved = moved_event(stamp, pick, qty, movement_id)
    await emit(tx, stamp, "inventory.moved", _stock_key(pick), moved, owner=pick.owner_code)


def _stk(pick: PickFacts, qty: int, status: str = "available") -> Stk:
    return stk(pick.sku, pick.owner_code, qty, lot=pick.lot_code, serial=pick.serial,
               status=status)  # fmt: skip


def _stock_key(pick: PickFacts) -> str:
    return f"stock/{pick.owner_code}/{pick.sku}"


async def _part(tx: Tx, stamp: Stamp, pick: PickFacts, qty: int) -> str:
    """Fewer than asked went into the tote; the rest is the next prompt."""
    await _take(tx, stamp, pick, qty)
    await tx.execute(sql.PARTIAL, {"warehouse_id": stamp.warehouse_id, "id": pick.id, "qty": qty})
    await settle_picks(tx, stamp, pick.order_id, 0)
    return f"{qty} in {pick.tote_code}, {pick.left - qty} to go"


async def _short(tx: Tx, stamp: Stamp, task: engine.Task, pick: PickFacts, found: int) -> str:
    """Take what is there; dispute the rest, want a count, promise another bin at once."""
    if found:
        await _take(tx, stamp, pick, found)
    missing = pick.left - found
    stock = await _release(tx, stamp, pick, missing)
    disputed = stock.on_hand - stock.allocated
    if disputed:
        await _change_status(tx, stamp, pick, disputed, "disputed", "short")
    await request_count(tx, stamp, pick.bin_id, "short")
    await emit(
        tx, stamp, "inventory.shortage_found", _stock_key(pick),
        catalog.InventoryShortageFound(
            stock=_stk(pick, missing), location=loc(pick.bin_code, lpn=pick.lpn_code),
            expected=pick.left, found=found, task_id=str(pick.id), action="reallocate",
            order=doc("order", pick.order_id, pick.order_no, owner=pick.owner_code),
            who=who(stamp),
        ),
        owner=pick.owner_code,
    )  # fmt: skip
    await engine.finish_task(
        tx, stamp, task, qty_done=pick.qty_done + found, reason="short", close=False
    )
    return await _replace(tx, stamp, pick, missing, [stock.id], finished_one=True)


async def _damaged(tx: Tx, stamp: Stamp, task: engine.Task, pick: PickFacts, qty: int) -> str:
    """Damaged units change status where they lie; others are promised instead."""
    await _release(tx, stamp, pick, qty)
    await _change_status(tx, stamp, pick, qty, "damaged", "damaged at pick")
    whole = qty == pick.left
    if whole:
        await engine.finish_task(
            tx, stamp, task, qty_done=pick.qty_done, reason="damaged", close=False
        )
    else:
        await tx.execute(LOWER, {"warehouse_id": stamp.warehouse_id, "id": task.id, "qty": qty})
    return await _replace(tx, stamp, pick, qty, [], finished_one=whole)


async def _release(tx: Tx, stamp: Stamp, pick: PickFacts, qty: int) -> _Stock:
    """Withdraw the promise on units that are not there; the stock afterwards, locked.

    A count may have withdrawn part of it before: then only what is left of it goes.
    """
    assert pick.allocation_id is not None
    left = await row(tx, PROMISED, _Left, warehouse_id=stamp.warehouse_id, id=pick.allocation_id)
    assert left is not None
    await release_part(tx, stamp, pick.allocation_id, min(qty, left.qty))
    stock = await row(tx, STOCK, _Stock, warehouse_id=stamp.warehouse_id,
                      allocation_id=pick.allocation_id)  # fmt: skip
    assert stock is not None
    return stock


async def _change_status(
    tx: Tx, stamp: Stamp, pick: PickFacts, qty: int, status: str, why: str
) -> None:
    goods = Goods(owner_id=pick.owner_id, item_id=pick.item_id, qty=qty, lot_id=pick.lot_id,
                  serial=pick.serial)  # fmt: skip
    place = Place(pick.bin_id, pick.lpn_id)
    movement_id = await ledger.move(tx, stamp, "status", goods, place, place, to_status=status,
                                    reason=why, task_id=pick.id)  # fmt: skip
    await emit(
        tx, stamp, "inventory.status_changed", _stock_key(pick),
        catalog.InventoryStatusChanged(
            movement_id=str(movement_id), stock=_stk(pick, qty, status),
            location=loc(pick.bin_code, lpn=pick.lpn_code), from_status="available",
            to_status=status, reason=because(why), who=who(stamp),
        ),
        owner=pick.owner_code,
    )  # fmt: skip


async def _replace(
    tx: Tx, stamp: Stamp, pick: PickFacts, qty: int, not_there: list[int], *, finished_one: bool
) -> str:
    """Promise `qty` from elsewhere into this tour; cut what no bin has from the order."""
    promises: list[Promise] = await reallocate(tx, stamp, pick.order_line_id, qty, not_there)
    for promise in promises:
        await engine.add_task(
            tx, stamp, pick.tour_id, "pick",
            engine.NewTask(
                item_id=pick.item_id, lot_id=promise.lot_id, from_bin_id=promise.bin_id,
                lpn_id=promise.lpn_id, qty=promise.qty, order_id=pick.order_id,
                order_line_id=pick.order_line_id, allocation_id=promise.allocation_id,
                slot=pick.slot, reason="instead of a short",
            ),
        )  # fmt: skip
    cut = qty - sum(promise.qty for promise in promises)
    if cut:
        await tx.execute(
            CUT_SHORT,
            {"warehouse_id": stamp.warehouse_id, "id": pick.order_line_id, "qty": cut},
        )
    await emit(
        tx, stamp, "task.exception_raised", f"tour/{pick.tour_id}",
        catalog.TaskExceptionRaised(
            code="short", task_id=str(pick.id), tour_id=str(pick.tour_id),
            location=loc(pick.bin_code), stock=_stk(pick, qty), who=who(stamp),
            action="reallocated" if promises else "cut",
        ),
        owner=pick.owner_code,
    )  # fmt: skip
    line = Cut(Line(line_id=str(pick.order_line_id), sku=pick.sku), cut) if cut else None
    await settle_picks(tx, stamp, pick.order_id, len(promises) - int(finished_one), line)
    if promises:
        return f"{qty - cut} more from another bin" + (f", {cut} cut" if cut else "")
    return f"{cut} cut from {pick.order_no}: no other bin has it"


async def _tote_full(tx: Tx, stamp: Stamp, task: engine.Task, facts: Facts) -> str:
    """Bind another tote for the same order; the open picks of the place go into it."""
    assert task.order_id is not None
    slot = await row(tx, NEW_SLOT, _Slot, warehouse_id=stamp.warehouse_id, tour_id=task.tour_id,
                     order_id=task.order_id)  # fmt: skip
    assert slot is not None
    await bind_tote(tx, stamp, facts["tote"], slot.id, task.order_id)
    await tx.execute(
        REPOINT,
        {"warehouse_id": stamp.warehouse_id, "tour_id": task.tour_id, "old": task.slot,
         "new": slot.slot},
    )  # fmt: skip
    return f"Go on with tote {facts['tote']}"
