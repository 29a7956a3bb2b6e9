"""Step 3 of a release: a plan becomes tours, tasks and slots, and the orders go to the floor.

What was stopped or taken back while planning ran drops out here, and its promises are released.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from wms.db import Tx, row, rows
from wms.events import catalog
from wms.events.groups import Doc, doc
from wms.events.outbox import emit, emit_many
from wms.inventory import allocations
from wms.outbound import wave_sql as sql
from wms.outbound.order_events import OrderHead, bump_all, order_event, take_orders
from wms.outbound.wave_moves import move_promises
from wms.outbound.wave_parts import PlannedTour, WavePlan
from wms.stamp import Stamp
from wms.tasks.engine import NewTask
from wms.tasks.many import NewTour, create_tours


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """An order that was not released, and the machine-readable cause."""

    order_id: int
    external_id: str
    cause: str


class Wave(msgspec.Struct, frozen=True, kw_only=True):
    """What a release did. `wave_id` is None when no order could go."""

    wave_id: int | None
    orders: int = 0
    tours: int = 0
    tasks: int = 0
    units: int = 0
    metres: int = 0
    method: str = ""
    left: tuple[Left, ...] = ()


class _Version(msgspec.Struct):
    id: int
    version: int


class _Member(msgspec.Struct):
    id: int
    state: str
    hold_reason: str
    cancel_requested: str
    cutoff_at: datetime
    priority: int


class _Promise(msgspec.Struct):
    id: int
    order_id: int
    qty: int


class _Planning(msgspec.Struct):
    id: int
    cutoff_at: datetime


async def write_wave(tx: Tx, stamp: Stamp, wave_id: int, plan: WavePlan) -> Wave:
    """Step 3: tours, tasks and slots from a plan; orders that were stopped meanwhile drop out.

    Locks the wave, its orders by id, balances in key order. Emits wave.released and order.released.
    """
    values = {"warehouse_id": stamp.warehouse_id, "wave_id": wave_id}
    wave = await row(tx, sql.TAKE_PLANNING, _Planning, **values)
    if wave is None:
        return Wave(wave_id=wave_id)
    members = await rows(tx, sql.TAKE_MEMBERS, _Member, **values)
    heads = {head.id: head for head in await take_orders(tx, stamp, [m.id for m in members])}
    promises = await rows(tx, sql.OPEN_PROMISES, _Promise, **values)
    going = {head.id for head in heads.values() if head.state == "open" and not head.stopped}
    left = {promise.id: promise.qty for promise in promises if promise.order_id in going}
    plan = await move_promises(tx, stamp, plan, left)
    tours = _new_tours(plan, left, {member.id: member.cutoff_at for member in members})
    await create_tours(tx, stamp, "pick", tours, wave_id=wave_id)
    picks = Counter(task.order_id for tour in tours for task in tour.tasks
                    if task.order_id is not None)  # fmt: skip
    await _drop_out(tx, stamp, heads, promises, left, picks)
    await tx.execute(sql.FORGET_CARTONS, {"warehouse_id": stamp.warehouse_id, "ids": list(heads)})
    if not picks:
        await tx.execute(sql.WAVE_PULLED, {**values, "at": stamp.at})
        return Wave(wave_id=None)
    done = Wave(wave_id=wave_id, orders=len(picks), tours=len(tours), tasks=picks.total(),
                units=sum(task.qty for tour in tours for task in tour.tasks), metres=plan.metres,
                method=f"{plan.method} ({plan.stopped})")  # fmt: skip
    await _tell_released(tx, stamp, wave, done, heads, picks)
    return done


def _new_tours(
    plan: WavePlan, left: dict[int, int], cutoffs: dict[int, datetime]
) -> list[NewTour]:
    """The tours of the plan, as far as their promises still stand; lowers `left`."""
    tours: list[NewTour] = []
    for planned in plan.tours:
        tasks = _new_tasks(planned, left)
        used = {task.slot for task in tasks}
        slots = tuple(each for each in planned.slots if each[0] in used)
        if tasks:
            tours.append(NewTour(
                tasks=tuple(tasks), slots=slots, priority=planned.priority, metres=planned.metres,
                due_at=min(cutoffs[order_id] for _, order_id in slots),
            ))  # fmt: skip
    return tours


def _new_tasks(planned: PlannedTour, left: dict[int, int]) -> list[NewTask]:
    """The tasks of a tour, as far as their promises still stand; lowers `left`."""
    new: list[NewTask] = []
    for task in planned.tasks:
        pick = task.pick
        qty = min(task.qty, left.get(pick.allocation_id, 0))
        if qty == 0:
            continue
        left[pick.allocation_id] -= qty
        new.append(NewTask(
            item_id=pick.item_id, lot_id=pick.lot_id, from_bin_id=pick.bin_id, lpn_id=pick.lpn_id,
            qty=qty, order_id=pick.order_id, order_line_id=pick.order_line_id,
            allocation_id=pick.allocation_id, slot=task.slot,
        ))  # fmt: skip
    return new


async def _drop_out(
    tx: Tx,
    stamp: Stamp,
    heads: dict[int, OrderHead],
    promises: Sequence[_Promise],
    left: dict[int, int],
    picks: dict[int, int],
) -> None:
    """Release what is in no tour; orders without any pick leave the wave."""
    unused = [promise.id for promise in promises if left.get(promise.id, promise.qty) > 0
              and promise.order_id not in picks]  # fmt: skip
    await allocations.release(tx, stamp, unused)
    for promise in promises:
        if promise.order_id in picks and left.get(promise.id, 0) > 0:
            await allocations.release_part(tx, stamp, promise.id, left[promise.id])
    gone = [head for head in heads.values() if head.id not in picks]
    await leave_wave(tx, stamp, gone, "awaiting_release")


async def leave_wave(
    tx: Tx, stamp: Stamp, heads: Sequence[OrderHead], cause: str
) -> None:
    """Orders leave their wave: held ones stay held, the others are open again.

    Take them first. Emits order.updated.
    """
    gone: list[OrderHead] = []
    for state, why in (("open", cause), ("held", "held")):
        ids = [head.id for head in heads if ("held" if head.stopped else "open") == state]
        gone += await bump_all(tx, stamp, ids, wave_id=None, picks_open=0, state=state, cause=why)
    await emit_many(
        tx,
        [
            order_event(
                stamp, head, "order.updated",
                catalog.OrderUpdated(order=order_doc(head), changed_fields=["wave"]),
            )
            for head in gone
        ],
    )  # fmt: skip


async def _tell_released(
    tx: Tx,
    stamp: Stamp,
    wave: _Planning,
    done: Wave,
    heads: dict[int, OrderHead],
    picks: dict[int, int],
) -> None:
    plan = {name: getattr(done, name) for name in
            ("orders", "tours", "tasks", "units", "metres", "method")}  # fmt: skip
    values = {"warehouse_id": stamp.warehouse_id, "wave_id": wave.id, "at": stamp.at}
    await tx.execute(sql.WAVE_RELEASED, {**values, "plan": msgspec.json.encode(plan).decode()})
    versions = await rows(tx, sql.RELEASE_ORDERS, _Version, warehouse_id=stamp.warehouse_id,
                          ids=list(picks), picks=list(picks.values()))  # fmt: skip
    released = [msgspec.structs.replace(heads[each.id], version=each.version, state="released")
                for each in versions]  # fmt: skip
    facts = catalog.WaveReleased(
        wave_id=str(wave.id), orders=done.orders, lines=done.tasks, units=done.units,
        tours=done.tours, cutoff=wave.cutoff_at,
    )  # fmt: skip
    await emit(tx, stamp, "wave.released", f"wave/{wave.id}", facts)
    await emit_many(
        tx,
        [
            order_event(
                stamp, head, "order.released",
                catalog.OrderReleased(order=order_doc(head), wave_id=str(wave.id),
                                      due_at=head.cutoff_at, priority=head.priority),
            )
            for head in released
        ],
    )  # fmt: skip


def order_doc(head: OrderHead) -> Doc:
    """The order as its events name it, at the version it was just given."""
    return doc("order", head.id, head.external_id, owner=head.owner, version=head.version,
               status=head.state)  # fmt: skip
