"""Putaway: a complete plate to a bin where its goods belong, space reserved before anybody walks.

The person scans the plate, walks, scans the bin. In a pick bin the goods leave the plate, which is
void when it is empty; in reserve the plate stays. Another bin is accepted when its rules allow it.
A full bin is remembered as full, what fits may go in, and the rest gets a new target at once.
Screens: one step per target bin.
"""

from datetime import timedelta

import msgspec

from wms.db import Tx, row, rows
from wms.errors import NotFound, Refused
from wms.events import catalog
from wms.events.groups import loc, stk, who
from wms.events.outbox import emit, emit_many, outbox_row
from wms.inbound import putaway_sql as sql
from wms.inbound.putaway_steps import PLANNED, PutFacts, put_step, tour_packet
from wms.inbound.target_search import find_targets
from wms.inbound.targets import Plan
from wms.inventory import fits, ledger, lpns, plates, space
from wms.inventory.fits import Load, Room
from wms.inventory.ledger import Content, Goods, Place
from wms.inventory.lpns import Lpn
from wms.inventory.space import Held
from wms.stamp import Stamp
from wms.steps import Act, Answer, Packet, WrongScan, finished
from wms.tasks import engine, leases
from wms.tasks.engine import NewTask, Task
from wms.tasks.rules import WorkTaken
from wms.tasks.wanted import request_count

DUE = timedelta(hours=2)  # goods on the stage are nobody's stock in reach


class NoSuchPutaway(NotFound):
    say = "There is no such putaway tour. Your next work is shown."


class NoSuchBin(NotFound):
    say = "There is no bin {bin} in this warehouse. Scan the label on the bin."


class OthersFirst(Refused):
    say = "Other goods of plate {lpn} go first. Reload the page and do its steps in order."


class TakesWholePlates(Refused):
    say = "{bin} keeps whole plates, and more of this plate is to be spread. Take a pick bin."


class _Id(msgspec.Struct):
    id: int


async def packet(tx: Tx, stamp: Stamp, ident: str) -> Packet:
    """The tour's packet. Raises NoSuchPutaway, or WorkTaken when another person holds it."""
    tour = await engine.find_tour(tx, stamp, int(ident)) if ident.isdigit() else None
    if tour is None or tour.kind != "putaway":
        raise NoSuchPutaway()
    if tour.state != "claimed" or tour.claimed_by != stamp.user_id:
        raise WorkTaken(why="the tour is finished or was given to somebody else")
    values = {"warehouse_id": stamp.warehouse_id, "tour_id": tour.id}
    return tour_packet(tour.id, await rows(tx, sql.LOAD_PUTS, PutFacts, **values))


async def direct(tx: Tx, stamp: Stamp, plate: Lpn) -> int | None:
    """Create the putaway tour of a taken, complete plate; None when it holds nothing to store.

    Locks the target bins. Emits handling_unit.closed, task.exception_raised (no bin found).
    """
    held = await space.list_held(tx, stamp, plate.id)
    if not held or not all(each.all_available for each in held):
        return None
    loads = [each.load for each in held]
    plan = await find_targets(tx, stamp, held, loads, plate.bin_id)
    tour_id = await engine.create_tour(
        tx, stamp, "putaway", _tasks(plan, plate, len(loads)),
        due_at=stamp.at + DUE, bin_id=plate.bin_id, cause="no_bin" if plan.left else "",
    )  # fmt: skip
    await emit(
        tx, stamp, "handling_unit.closed", f"lpn/{plate.code}",
        catalog.HandlingUnitClosed(
            lpn=plate.code, type=plate.kind, location=loc(plate.bin_code),
            contents=[stk(x.sku, x.owner_code, x.qty, lot=x.lot_code) for x in held],
        ),
        owner=held[0].owner_code,
    )  # fmt: skip
    if plan.left:
        await _tell_trouble(tx, stamp, tour_id, 0, "no_bin", plate.bin_code, plate.code)
    return tour_id


def _tasks(plan: Plan, plate: Lpn, loads: int) -> list[NewTask]:
    """One task per target; what has no target asks for any bin with room."""
    tasks = [
        NewTask(
            item_id=put.load.item_id if put.load else None,
            lot_id=put.load.lot_id if put.load else None,
            from_bin_id=plate.bin_id, to_bin_id=put.bin_id, lpn_id=plate.id, qty=put.qty,
            reason=put.reason,
        )
        for put in plan.puts
    ]  # fmt: skip
    if len(plan.left) == loads and not tasks:
        total = sum(load.qty for load in plan.left)
        return [
            NewTask(from_bin_id=plate.bin_id, lpn_id=plate.id, qty=total, reason="no bin found")
        ]
    return tasks + [
        NewTask(item_id=load.item_id, lot_id=load.lot_id, from_bin_id=plate.bin_id,
                lpn_id=plate.id, qty=load.qty, reason="no bin found")
        for load in plan.left
    ]  # fmt: skip


async def confirm(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """One put of `putaway/<task id>`, or one of its ways out.

    Locks the task, the plate, the bins, in this order.
    Emits inventory.moved, putaway.completed, task.exception_raised.
    Raises StaleStep, WorkTaken, the refusals of inventory.fits and of steps.
    """
    task = await engine.take_task(tx, stamp, int(act.ref.partition("/")[2]), act.version)
    put = await row(tx, sql.LOAD_PUT, PutFacts, warehouse_id=stamp.warehouse_id, id=task.id)
    assert put is not None
    stamp = stamp.along(put.correlation_id)
    facts = finished(put_step(put), act)
    if act.path == "later":
        await leases.give_back(tx, stamp, task.tour_id)
        return Answer(ok=True, say="Given back", go="/floor")
    plate = await plates.take_plate(tx, stamp, put.lpn_id)
    if act.path == "aside":
        return await _set_aside(tx, stamp, put, plate)
    if act.path == "full":
        return await _full(tx, stamp, task, put, plate, int(facts.get("fit", "0")))
    if act.path == "blocked":
        return await _blocked(tx, stamp, task, put, plate)
    if facts["sure"] not in (PLANNED, facts["bin"]):
        raise WrongScan(expected=put.to_code or facts["bin"], scanned=facts["sure"])
    return await _put(tx, stamp, task, put, plate, facts["bin"])


async def _put(
    tx: Tx, stamp: Stamp, task: Task, put: PutFacts, plate: Lpn, bin_label: str
) -> Answer:
    """The goods of the task into the scanned bin."""
    bin_code = bin_label[3:-2]
    found = await row(tx, sql.FIND_BIN, _Id, warehouse_id=stamp.warehouse_id, code=bin_code)
    if found is None:
        raise NoSuchBin(bin=bin_code)
    room = await space.lock_room(tx, stamp, found.id, [task.id])
    held = await space.list_held(tx, stamp, plate.id)
    if put.item_id is None and put.puts_open > 1:
        raise OthersFirst(lpn=plate.code)
    if room.kind == "reserve":
        if put.puts_open > 1:
            raise TakesWholePlates(bin=room.code)
        _require(fits.plate_refusal(room, [each.load for each in held]))
        moved = await lpns.relocate(tx, stamp, plate, room.bin_id, "putaway", task_id=task.id)
        await _tell_moved(tx, stamp, put, plate, room, moved, held, plate.code)
        qty = sum(each.qty for each in moved)
    else:
        mine = [each.load for each in held if _is_mine(put, each)]
        for load in mine:
            part = load if put.item_id is None else _first(load, put.left)
            _require(fits.loose_refusal(room, part))
            room = fits.with_load(room, part)
        limit = None if put.item_id is None else put.left
        qty = await _unload(tx, stamp, put, plate, room, held, limit)
    return await _after_put(tx, stamp, task, put, plate, room, qty)


def _is_mine(put: PutFacts, held: Held) -> bool:
    return put.item_id is None or (held.item_id, held.lot_id) == (put.item_id, put.lot_id)


def _first(load: Load, qty: int) -> Load:
    return msgspec.structs.replace(load, qty=min(load.qty, qty))


def _require(refusal: Refused | None) -> None:
    if refusal is not None:
        raise refusal


async def _unload(
    tx: Tx, stamp: Stamp, put: PutFacts, plate: Lpn, room: Room, held: list[Held],
    limit: int | None,
) -> int:  # fmt: skip
    """Take goods of the task off the plate into a pick bin, at most `limit`; how many it was."""
    moved: list[Content] = []
    left = limit
    for content in await ledger.contents(tx, stamp, plate.id):
        mine = put.item_id is None or (content.item_id, content.lot_id) == (put.item_id, put.lot_id)
        qty = content.qty if left is None else min(content.qty, left)
        if not mine or qty == 0:
            continue
        goods = Goods(
            owner_id=content.owner_id, item_id=content.item_id, qty=qty, lot_id=content.lot_id,
            serial=content.serial, status=content.status,
        )  # fmt: skip
        made = await ledger.move(tx, stamp, "putaway", goods, Place(plate.bin_id, plate.id),
                                 Place(room.bin_id), task_id=put.id)  # fmt: skip
        moved.append(msgspec.structs.replace(content, qty=qty, movement_id=made))
        left = None if left is None else left - qty
    await _tell_moved(tx, stamp, put, plate, room, moved, held, "")
    return sum(content.qty for content in moved)


async def _after_put(
    tx: Tx, stamp: Stamp, task: Task, put: PutFacts, plate: Lpn, room: Room, qty: int
) -> Answer:
    """Void an empty plate; what is left of one that was broken up is in the person's hands."""
    values = {"warehouse_id": stamp.warehouse_id, "bin_id": room.bin_id}
    await tx.execute(sql.FULL_NO_MORE, values)
    emptied = room.kind != "reserve" and await plates.retire_when_empty(tx, stamp, plate.id)
    if room.kind != "reserve" and not emptied:
        await _take_in_hand(tx, stamp, task, plate)
    done = min(put.qty_done + qty, task.qty)
    ended = await engine.finish_task(tx, stamp, task, qty_done=done, bin_id=room.bin_id)
    what = "Plate" if put.item_id is None else f"{qty} × {put.sku}"
    return Answer(ok=True, say=f"{what} in {room.code}", tone="task_done" if ended else "step_done")


async def _take_in_hand(tx: Tx, stamp: Stamp, task: Task, plate: Lpn) -> None:
    """The opened plate goes on with its person until it is empty."""
    hand = await plates.hand_bin(tx, stamp)
    await lpns.relocate(tx, stamp, plate, hand, "putaway", task_id=task.id)
    await tx.execute(sql.IN_HAND, {"warehouse_id": stamp.warehouse_id, "id": task.tour_id})


async def _tell_moved(
    tx: Tx, stamp: Stamp, put: PutFacts, plate: Lpn, room: Room, moved: list[Content],
    held: list[Held], lpn_code: str,
) -> None:  # fmt: skip
    names = {(each.item_id, each.lot_id): each for each in held}
    events = []
    for content in moved:
        name = names[content.item_id, content.lot_id]
        stock = stk(name.sku, name.owner_code, content.qty, lot=name.lot_code,
                    serial=content.serial, status=content.status)  # fmt: skip
        key = f"stock/{name.owner_code}/{name.sku}"
        there = loc(room.code, lpn=lpn_code)
        shapes = {
            "inventory.moved": catalog.InventoryMoved(
                movement_id=str(content.movement_id), stock=stock,
                from_=loc(plate.bin_code, lpn=plate.code), to=there,
                purpose="putaway", task_id=str(put.id), who=who(stamp)),
            "putaway.completed": catalog.PutawayCompleted(
                stock=stock, to=there, lpn=plate.code, task_id=str(put.id), strategy=put.reason,
                who=who(stamp)),
        }  # fmt: skip
        events += [outbox_row(stamp, kind, key, data, owner=name.owner_code)
                   for kind, data in shapes.items()]  # fmt: skip
    await emit_many(tx, events)


async def _full(tx: Tx, stamp: Stamp, task: Task, put: PutFacts, plate: Lpn, fit: int) -> Answer:
    """The bin takes no more: put what fits, remember the bin as full, find a bin for the rest."""
    assert put.to_bin_id is not None
    room = await space.lock_room(tx, stamp, put.to_bin_id, [task.id])
    if fit:
        held = await space.list_held(tx, stamp, plate.id)
        fit = await _unload(tx, stamp, put, plate, room, held, fit)
        await _take_in_hand(tx, stamp, task, plate)
        plate = await plates.take_plate(tx, stamp, plate.id)
    await tx.execute(sql.SEEN_FULL, {
        "warehouse_id": stamp.warehouse_id, "bin_id": room.bin_id, "at": stamp.at,
        "user_id": stamp.user_id, "full_mm3": await space.used_mm3(tx, stamp, room.bin_id),
    })  # fmt: skip
    if not room.item_ids or room.item_ids == room.coming_ids:
        await request_count(tx, stamp, room.bin_id, "plan")  # full, and by the book it is empty
    await _tell_trouble(tx, stamp, task.tour_id, task.id, "bin_full", room.code, plate.code)
    say = await _retarget(tx, stamp, task, put, plate, put.qty_done + fit, [room.bin_id])
    return Answer(ok=True, say=f"{room.code} is full. {say}", tone="care",
                  go=f"/floor/putaway/{task.tour_id}")  # fmt: skip


async def _blocked(tx: Tx, stamp: Stamp, task: Task, put: PutFacts, plate: Lpn) -> Answer:
    """The bin cannot be reached: nobody is sent there until a lead opens it again."""
    assert put.to_bin_id is not None
    await tx.execute(sql.BLOCK_BIN, {"warehouse_id": stamp.warehouse_id, "id": put.to_bin_id})
    await _tell_trouble(tx, stamp, task.tour_id, task.id, "bin_blocked", put.to_code, plate.code)
    say = await _retarget(tx, stamp, task, put, plate, put.qty_done, [put.to_bin_id])
    return Answer(ok=True, say=f"{put.to_code} is blocked. {say}", tone="care",
                  go=f"/floor/putaway/{task.tour_id}")  # fmt: skip


async def _set_aside(tx: Tx, stamp: Stamp, put: PutFacts, plate: Lpn) -> Answer:
    """No bin has room: the plate waits in the clarify bin for a lead, and the person is free."""
    found = await row(
        tx, sql.FIND_BIN, _Id, warehouse_id=stamp.warehouse_id, code=put.clarify_code
    )
    assert found is not None
    room = await space.lock_room(tx, stamp, found.id, [put.id])
    held = await space.list_held(tx, stamp, plate.id)
    moved = await lpns.relocate(tx, stamp, plate, room.bin_id, "putaway", task_id=put.id)
    await _tell_moved(tx, stamp, put, plate, room, moved, held, plate.code)
    values = {"warehouse_id": stamp.warehouse_id, "tour_id": put.tour_id}
    open_ = [each.id for each in await rows(tx, sql.OPEN_PUTS, _Id, **values)]
    await leases.cancel_tasks(tx, stamp, open_, "no bin found: set aside")
    await engine.close_tour(tx, stamp, put.tour_id, room.bin_id)
    await _tell_trouble(tx, stamp, put.tour_id, put.id, "set_aside", room.code, plate.code)
    return Answer(ok=True, say=f"{plate.code} waits in {room.code}. Tell your lead",
                  tone="task_done")  # fmt: skip


async def _retarget(
    tx: Tx, stamp: Stamp, task: Task, put: PutFacts, plate: Lpn, done: int, not_bins: list[int]
) -> str:
    """A new bin for what is left of the task; more than one when none takes all of it."""
    held = [each for each in await space.list_held(tx, stamp, plate.id) if _is_mine(put, each)]
    loads = [each.load for each in held]
    if put.item_id is not None:
        loads = [_first(load, put.qty - done) for load in loads]
    plan = await find_targets(
        tx, stamp, held, loads, plate.bin_id, not_bin_ids=not_bins, not_task_ids=[task.id],
        whole=put.puts_open == 1,
    )  # fmt: skip
    first, *others = _tasks(plan, plate, len(loads))
    if put.item_id is not None:
        first = msgspec.structs.replace(first, item_id=put.item_id, lot_id=put.lot_id)
    await tx.execute(sql.RETARGET, {
        "warehouse_id": stamp.warehouse_id, "id": task.id, "to_bin_id": first.to_bin_id,
        "item_id": first.item_id, "lot_id": first.lot_id, "qty": first.qty + done,
        "qty_done": done, "reason": first.reason,
    })  # fmt: skip
    for other in others:
        await engine.add_task(tx, stamp, task.tour_id, "putaway", other)
    if plan.left:
        await _tell_trouble(tx, stamp, task.tour_id, task.id, "no_bin", plate.bin_code, plate.code)
        return "No other bin has room: scan any that does, or call your lead."
    return "A new bin is shown."


async def _tell_trouble(
    tx: Tx, stamp: Stamp, tour_id: int, task_id: int, code: str, bin_code: str, lpn: str
) -> None:
    await emit(
        tx, stamp, "task.exception_raised", f"tour/{tour_id}",
        catalog.TaskExceptionRaised(code=code, task_id=task_id, tour_id=tour_id,
                                    location=loc(bin_code, lpn=lpn), who=who(stamp)),
    )  # fmt: skip
