"""Blind counts: one act carries the whole bin; what it proves is posted, recounted or reviewed.

The counter stands at the bin, scans it, says what is there, and scans the bin again. The book is
read at that moment, never shown. A small difference is posted at once; a larger one is counted
again by somebody else; two equal counts are posted, two unequal ones wait for a supervisor
(deciding.py). Screens: count.
"""

from collections.abc import Mapping

import msgspec

from wms.counting import count_sql as sql
from wms.counting import rules
from wms.counting.count_steps import CountFacts, Tallied, count_step, packet_of, tally
from wms.counting.posting import Known, post
from wms.counting.rules import Booked, Key, Line
from wms.counting.tables import count_line
from wms.db import Tx, insert_many, row, rows
from wms.events import catalog
from wms.events.groups import loc, stk, who
from wms.events.outbox import emit
from wms.inventory import ledger, lpns
from wms.inventory.lots import find_lot
from wms.stamp import Stamp
from wms.steps import Act, Answer, Facts, Packet, finished
from wms.tasks import engine, leases
from wms.tasks.engine import Task
from wms.tasks.rules import WorkTaken
from wms.tasks.wanted import direct_count


class Before(msgspec.Struct):
    item_id: int
    lot_id: int | None
    lpn_id: int | None
    serial: str
    booked: int
    counted: int


async def packet(tx: Tx, stamp: Stamp, ident: str) -> Packet:
    """The tour's packet. Raises NoSuchCount, or WorkTaken when another person holds it."""
    tour = await engine.find_tour(tx, stamp, int(ident)) if ident.isdigit() else None
    if tour is None or tour.kind != "count":
        raise rules.NoSuchCount()
    if tour.state != "claimed" or tour.claimed_by != stamp.user_id:
        raise WorkTaken(why="the count is finished or was given to somebody else")
    values = {"warehouse_id": stamp.warehouse_id, "tour_id": tour.id}
    counts = [
        (facts, await list_booked(tx, stamp, facts.bin_id))
        for facts in await rows(tx, sql.OF_TOUR, CountFacts, **values)
    ]
    return packet_of(counts, tour.id)


async def list_booked(tx: Tx, stamp: Stamp, bin_id: int) -> list[Booked]:
    values = {"warehouse_id": stamp.warehouse_id, "bin_id": bin_id}
    return await rows(tx, sql.BOOKED, Booked, **values)


async def take_booked(tx: Tx, stamp: Stamp, bin_id: int) -> list[Booked]:
    """What the book says is in the bin. Locks the open picks from it, then its balances."""
    values = {"warehouse_id": stamp.warehouse_id, "bin_id": bin_id}
    await tx.execute(sql.HOLD_PICKS, values)
    return await rows(tx, sql.TAKE_BOOKED, Booked, **values)


async def confirm(tx: Tx, stamp: Stamp, act: Act) -> Answer:
    """Count one bin: `count/<task id>`, with everything that was scanned in it.

    Locks the task, the count, the picks from the bin, its balances, in this order.
    Emits count.variance_recorded, count.completed, inventory.adjusted, inventory.status_changed,
    inventory.shortage_found. Raises StaleStep, WorkTaken, the refusals of rules and of steps.
    """
    task = await engine.take_task(tx, stamp, int(act.ref.partition("/")[2]), act.version)
    if act.path == "later":
        await leases.give_back(tx, stamp, task.tour_id)
        return Answer(ok=True, say="Given back", go="/floor")
    values = {"warehouse_id": stamp.warehouse_id, "id": task.id}
    count = await row(tx, sql.TAKE, CountFacts, **values)
    assert count is not None
    shown = await list_booked(tx, stamp, count.bin_id)
    facts = finished(count_step(count, shown), act)
    if act.path == "plate":
        return await _plate_here(tx, stamp, task, count, facts["plate"])
    held = await take_booked(tx, stamp, count.bin_id)
    counted, known = await _resolve(tx, stamp, count, held, _tallied(act, facts, shown))
    return await _judge(tx, stamp, task, count, held, rules.compare(held, counted), known)


def _tallied(act: Act, facts: Facts, shown: list[Booked]) -> list[Tallied]:
    return [] if act.path == "empty" else tally(facts, shown)


async def _resolve(
    tx: Tx, stamp: Stamp, count: CountFacts, held: list[Booked], found: list[Tallied]
) -> tuple[dict[Key, int], dict[int, Known]]:
    """What was scanned as quantities by key; whole plates hold what they are booked with."""
    counted: dict[Key, int] = {}
    known = {each.item_id: Known.of(each) for each in held}
    seen = {each.plate for each in found if each.plate}
    for each in held:
        if each.lpn_code in seen:
            counted[each.key] = counted.get(each.key, 0) + each.on_hand
    for each in found:
        if each.plate:
            continue
        item = await _item(tx, stamp, each, known)
        key = await _key(tx, stamp, item, each)
        known[item.id] = item
        counted[key] = 1 if each.serial else counted.get(key, 0) + each.qty
    return counted, known


async def _item(tx: Tx, stamp: Stamp, found: Tallied, known: Mapping[int, Known]) -> Known:
    """The item of a scan; one that is booked here when two share a code. Raises UnknownItem."""
    if found.item_id is not None and found.item_id in known:
        return known[found.item_id]
    if found.item_id is not None:  # booked here when the page was made, gone meanwhile
        matches = await rows(tx, sql.ITEM, Known, id=found.item_id)
    else:
        matches = await rows(tx, sql.ITEM_OF_CODE, Known, code=found.code)
    here = [each for each in matches if each.id in known] or matches
    if len(here) != 1:
        raise rules.UnknownItem(scanned=found.code)
    return here[0]


async def _key(tx: Tx, stamp: Stamp, item: Known, found: Tallied) -> Key:
    """Item, lot and serial of a scan. Raises MarkNeeded, UnknownLot."""
    if item.serial_tracked and (not found.serial or found.qty != 1):
        raise rules.MarkNeeded(sku=item.sku, mark="serial")
    if item.lot_tracked and not found.lot:
        raise rules.MarkNeeded(sku=item.sku, mark="lot")
    lot_id = None
    if item.lot_tracked:
        lot = await find_lot(tx, stamp, item.owner_id, item.id, found.lot)
        if lot is None:
            raise rules.UnknownLot(lot=found.lot, sku=item.sku)
        lot_id = lot.id
    return (item.id, lot_id, None, found.serial if item.serial_tracked else "")


async def _judge(
    tx: Tx, stamp: Stamp, task: Task, count: CountFacts, held: list[Booked], lines: list[Line],
    known: dict[int, Known],
) -> Answer:  # fmt: skip
    """Post the count, or have it counted again, or leave it to a supervisor."""
    values = {"warehouse_id": stamp.warehouse_id, "count_id": count.count_id, "round": 1}
    first = await rows(tx, sql.ROUND, Before, **values) if count.round > 1 else []
    before = {(x.item_id, x.lot_id, x.lpn_id, x.serial): x.counted - x.booked for x in first}
    outcome = rules.verdict(count.round, lines, before)
    await _record(tx, stamp, count, lines, known)
    await _tell_variances(tx, stamp, count, held, lines, known, outcome)
    if outcome == "post":
        await post(tx, stamp, count.count_id, count.bin_id, count.bin_code, held,
                   {line.key: line.counted for line in lines}, known)  # fmt: skip
    await engine.finish_task(tx, stamp, task, bin_id=count.bin_id)
    state = {"post": "posted", "recount": "recount", "review": "review"}[outcome]
    await tx.execute(sql.MOVE_ON, {
        "warehouse_id": stamp.warehouse_id, "id": count.count_id, "state": state, "at": stamp.at,
        "round": count.round + (outcome == "recount"), "counted_by": stamp.user_id,
        "decided_by": None,
    })  # fmt: skip
    if outcome == "recount":
        await direct_count(tx, stamp, count.count_id, count.bin_id, count.cause,
                           not_user_id=stamp.user_id)  # fmt: skip
        return _done(f"{count.bin_code} counted. Somebody else counts it again")
    if outcome == "review":
        return _done(f"{count.bin_code} counted. Your lead decides")
    await tell_completed(tx, stamp, count.count_id, count.bin_code, lines)
    return _done(f"{count.bin_code} counted")


def _done(say: str) -> Answer:
    return Answer(ok=True, say=say, tone="task_done", go="/floor/next")


async def _record(
    tx: Tx, stamp: Stamp, count: CountFacts, lines: list[Line], known: dict[int, Known]
) -> None:
    await insert_many(tx, count_line, [
        {
            "warehouse_id": stamp.warehouse_id, "count_id": count.count_id, "round": count.round,
            "owner_id": known[line.key[0]].owner_id, "item_id": line.key[0],
            "lot_id": line.key[1], "lpn_id": line.key[2], "serial": line.key[3],
            "booked": line.booked, "counted": line.counted, "user_id": stamp.user_id,
            "at": stamp.at,
        }
        for line in lines
    ])  # fmt: skip


async def _tell_variances(
    tx: Tx, stamp: Stamp, count: CountFacts, held: list[Booked], lines: list[Line],
    known: dict[int, Known], outcome: str,
) -> None:  # fmt: skip
    names = {each.key: each for each in held}
    for line in lines:
        if line.delta == 0:
            continue
        item, here = known[line.key[0]], names.get(line.key)
        await emit(
            tx, stamp, "count.variance_recorded", f"count/{count.count_id}",
            catalog.CountVarianceRecorded(
                count_id=count.count_id,
                stock=stk(item.sku, item.owner_code, line.counted, serial=line.key[3],
                          lot=here.lot_code if here else ""),
                location=loc(count.bin_code, lpn=here.lpn_code if here else ""),
                booked=line.booked, counted=line.counted, recount_no=count.round - 1,
                needs_approval=outcome == "review", who=who(stamp),
            ),
            owner=item.owner_code,
        )  # fmt: skip


async def tell_completed(
    tx: Tx, stamp: Stamp, count_id: int, bin_code: str, lines: list[Line], *,
    outcome: str = "posted", approved_by: str = "",
) -> None:  # fmt: skip
    """Emits count.completed."""
    await emit(
        tx, stamp, "count.completed", f"count/{count_id}",
        catalog.CountCompleted(
            count_id=count_id, bin=bin_code, lines=len(lines), outcome=outcome,
            variances=sum(line.delta != 0 for line in lines), approved_by=approved_by,
        ),
    )  # fmt: skip


async def _plate_here(tx: Tx, stamp: Stamp, task: Task, count: CountFacts, code: str) -> Answer:
    """A plate that is booked elsewhere stands here: its book follows it, unless it is promised.

    Raises PlateNotMovable, UnknownPlate. Emits inventory.moved.
    """
    plate = await lpns.take_lpn(tx, stamp, code)
    why = ""
    if plate.bin_id == count.bin_id:
        why = "is booked here already: scan it in the list"
    elif plate.state in ("void", "shipped", "loaded", "free"):
        why = f"is {plate.state}"
    elif plate.order_id is not None:
        why = "serves an order"
    elif any(each.allocated for each in await ledger.contents(tx, stamp, plate.id)):
        why = f"is booked in {plate.bin_code} and promised to an order"
    if why:
        raise rules.PlateNotMovable(plate=code, why=why)
    booked = await list_booked(tx, stamp, plate.bin_id)
    carried = await lpns.relocate(tx, stamp, plate, count.bin_id, "count", task_id=task.id)
    ids = {each.balance_id: each.movement_id for each in carried}
    for each in booked:
        if each.lpn_id == plate.id:
            stock = stk(each.sku, each.owner_code, each.on_hand, lot=each.lot_code,
                        serial=each.serial, status=each.status)  # fmt: skip
            moved = catalog.InventoryMoved(
                movement_id=str(ids[each.id]), stock=stock, from_=loc(plate.bin_code, lpn=code),
                to=loc(count.bin_code, lpn=code), purpose="relocate", task_id=str(task.id),
                who=who(stamp),
            )  # fmt: skip
            key = f"stock/{each.owner_code}/{each.sku}"
            await emit(tx, stamp, "inventory.moved", key, moved, owner=each.owner_code)
    return Answer(ok=True, say=f"{code} is booked here now. Scan it in the list", tone="care",
                  go=f"/floor/count/{task.tour_id}")  # fmt: skip
