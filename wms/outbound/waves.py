"""Waves: orders go to the floor as pick tours, and come back while nothing has started.

Three steps, two short transactions: promise real bins (1), plan with nothing open, write the tours
(2). Cartons are proposed afterwards, while the first picks are walked. What must stay true: a
promise made in step 1 is either in a tour or released, also when the process dies in between;
`finish_waves` sees to it. The wave's row is the latch of step 2.

What has no stock: an order that may ship in part goes with what there is, and its missing part
stays waiting (`part_out_of_stock`) until `close_out` finds it or cuts it; an order that may not, or
gets nothing, stays open with `out_of_stock` and keeps its soft promise.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from wms.db import Db, Tx, row, rows
from wms.errors import Conflict
from wms.events import catalog
from wms.events.groups import line
from wms.events.outbox import emit, emit_many
from wms.ids import uuid7
from wms.inventory import allocations
from wms.outbound import wave_sql as sql
from wms.outbound import wave_tours
from wms.outbound.allocation import Line, allocate_lines, sum_by_line
from wms.outbound.carton_plan import BoxProblem, PlannedCarton, plan_boxes
from wms.outbound.order_events import OrderHead, bump_all, order_event, take_orders
from wms.outbound.orders import lock_items
from wms.outbound.wave_parts import Problem, WavePlan
from wms.outbound.wave_plan import plan_simply, plan_tours
from wms.outbound.wave_problem import load_boxes, load_problem
from wms.outbound.wave_tours import Left, Wave, order_doc, write_wave
from wms.planning.pool import PlanFailed, PlanTimeout, offload
from wms.stamp import Stamp
from wms.tasks import leases

ORDERS_MAX = 5000
START_S = 5.0  # for a planning process that has to start first
BOXES_S = 30.0
ABANDONED_AFTER = timedelta(seconds=90)
BOXES_WANTED = timedelta(hours=2)


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, and the orders that did not because their picking has begun."""

    wave_id: int
    orders: int
    tours: int
    kept: tuple[Left, ...]


class WaveNotOut(Conflict):
    say = "Wave {wave} is {state}: only a released wave is pulled back."


class _Id(msgspec.Struct):
    id: int


class _State(msgspec.Struct):
    id: int
    state: str


class _Task(msgspec.Struct):
    id: int
    tour_id: int
    order_id: int


class _Complete(msgspec.Struct):
    id: int
    cutoff_at: datetime
    plan: dict[str, Any]


async def release(db: Db, stamp: Stamp, order_ids: Sequence[int]) -> Wave:
    """Send orders to the floor as one wave. Opens its own two transactions.

    Emits order.allocated, then wave.released and order.released. Raises Busy.
    """
    async with db.transaction() as tx:
        wave_id, left = await start_wave(tx, stamp, order_ids[:ORDERS_MAX])
    if wave_id is None:
        return Wave(wave_id=None, left=tuple(left))
    wave = await finish_wave(db, stamp, wave_id)
    return msgspec.structs.replace(wave, left=(*left, *wave.left))


async def start_wave(
    tx: Tx, stamp: Stamp, order_ids: Sequence[int]
) -> tuple[int | None, list[Left]]:
    """Step 1: promise real bins and bind the orders to a new wave; the wave and who stays behind.

    Locks item stripes, orders by id, balances in key order. Emits order.allocated.
    """
    values = {"warehouse_id": stamp.warehouse_id, "ids": list(order_ids)}
    items = {each.id for each in await rows(tx, sql.ITEMS_OF, _Id, **values)}
    await lock_items(tx, stamp, items)
    heads = {head.id: head for head in await take_orders(tx, stamp, order_ids)}
    left = [
        _left(head, "held" if head.stopped else head.state)
        for head in heads.values()
        if head.state != "open" or head.stopped
    ]
    left += [_left(head, "planning") for head in heads.values()
             if head.state == "open" and not head.stopped and head.wave_id is not None]  # fmt: skip
    taken = [head.id for head in heads.values() if head.id not in {each.order_id for each in left}]
    lines = await rows(
        tx, sql.DEMANDS, Line, warehouse_id=stamp.warehouse_id, ids=taken
    )
    lines = [each for each in lines if each.item_id in items]
    got = sum_by_line(await allocate_lines(tx, stamp, lines))
    going = sorted({each.order_id for each in lines if got.get(each.order_line_id)})
    empty = [order_id for order_id in taken if order_id not in set(going)]
    left += [_left(heads[order_id], "out_of_stock") for order_id in empty]
    await tx.execute(sql.SET_CAUSE, {"warehouse_id": stamp.warehouse_id, "ids": empty,
                                     "cause": "out_of_stock"})  # fmt: skip
    if not going:
        return None, left
    cutoff_at = min(heads[order_id].cutoff_at for order_id in going)
    made = await row(tx, sql.INSERT_WAVE, _Id, warehouse_id=stamp.warehouse_id, at=stamp.at,
                     cutoff_at=cutoff_at, user_id=stamp.user_id)  # fmt: skip
    assert made is not None
    bound = await bump_all(tx, stamp, going, wave_id=made.id, cause="planning")
    by_order: dict[int, list[Line]] = {}
    for each in lines:
        by_order.setdefault(each.order_id, []).append(each)
    await emit_many(
        tx,
        [
            order_event(stamp, head, "order.allocated", _allocated(head, by_order[head.id], got))
            for head in bound
        ],
    )  # fmt: skip
    return made.id, left


def _allocated(
    head: OrderHead, lines: Sequence[Line], got: dict[int, int]
) -> catalog.OrderAllocated:
    wanted = sum(each.qty for each in lines)
    given = sum(got.get(each.order_line_id, 0) for each in lines)
    return catalog.OrderAllocated(
        order=order_doc(head),
        lines=[
            line(each.line_no, each.sku, ordered=each.qty, done=got.get(each.order_line_id, 0),
                 short=each.qty - got.get(each.order_line_id, 0))
            for each in lines
        ],
        fill_rate=round(given / wanted, 4) if wanted else 1.0,
    )  # fmt: skip


async def finish_wave(db: Db, stamp: Stamp, wave_id: int) -> Wave:
    """Steps 2 and 3: plan what step 1 promised and write the tours. Safe to call again."""
    async with db.reading() as tx:
        problem = await load_problem(tx, stamp, wave_id)
    plan = await _plan(problem)
    async with db.transaction() as tx:
        return await write_wave(tx, stamp, wave_id, plan)


async def _plan(problem: Problem) -> WavePlan:
    """The best plan in the time allowed or so far, else the simple one."""
    if not problem.picks:
        return plan_simply(problem)
    try:
        return await offload(plan_tours, problem, timeout_s=2 * problem.seconds + START_S)
    except (PlanTimeout, PlanFailed, ValueError):
        return plan_simply(problem)


def _left(head: OrderHead, cause: str) -> Left:
    return Left(order_id=head.id, external_id=head.external_id, cause=cause)


async def propose_cartons(db: Db, stamp: Stamp, wave_id: int) -> int:
    """Propose cartons for the orders of a released wave; how many. Safe to call again.

    Nothing waits for it: where it found no time, the packer chooses.
    """
    async with db.reading() as tx:
        problem = await load_boxes(tx, stamp, wave_id)
    cartons = await _boxes(problem) if problem.contents else ()
    async with db.transaction() as tx:
        values = {"warehouse_id": stamp.warehouse_id}
        if cartons:
            await tx.execute(
                sql.INSERT_CARTONS,
                {
                    **values,
                    "order_ids": [carton.order_id for carton in cartons],
                    "numbers": [carton.number for carton in cartons],
                    "codes": [carton.type_code for carton in cartons],
                    "placements": [
                        msgspec.json.encode(carton.placements).decode() for carton in cartons
                    ],
                    "weights": [carton.weight_g for carton in cartons],
                },
            )
        await tx.execute(sql.BOXED, {**values, "wave_id": wave_id, "cartons": len(cartons)})
    return len(cartons)


async def _boxes(problem: BoxProblem) -> tuple[PlannedCarton, ...]:
    try:
        return await offload(plan_boxes, problem, timeout_s=2 * problem.seconds + BOXES_S)
    except (PlanTimeout, PlanFailed, ValueError):
        return ()


async def pull_back(tx: Tx, stamp: Stamp, wave_id: int) -> Pulled:
    """Take back what nobody has started: tasks cancelled, promises released, orders open again.

    An order comes back whole or not at all; those with a pick that is done, or in a tour somebody
    holds, are named in `kept`. Locks the wave, tasks, tours, balances, orders. Emits order.updated.
    """
    values = {"warehouse_id": stamp.warehouse_id, "wave_id": wave_id}
    wave = await row(tx, sql.TAKE_WAVE, _State, **values)
    if wave is None or wave.state != "released":
        raise WaveNotOut(wave=wave_id, state="unknown" if wave is None else wave.state)
    tasks = await rows(tx, sql.TAKE_TASKS, _Task, **values)
    free = {each.id for each in await rows(tx, sql.TAKE_FREE_TOURS, _Id, **values)}
    started = await rows(tx, sql.STARTED, _Id, **values, tour_ids=sorted(free))
    kept = {each.id for each in started}
    mine = [task for task in tasks if task.tour_id in free and task.order_id not in kept]
    order_ids = sorted({task.order_id for task in mine})
    await leases.cancel_tasks(tx, stamp, [task.id for task in mine], "pulled_back")
    promises = await rows(tx, sql.PROMISES_OF, _Id, warehouse_id=stamp.warehouse_id, ids=order_ids)
    await allocations.release(tx, stamp, [each.id for each in promises])
    await leases.cancel_empty_tours(tx, stamp, sorted(free))
    heads = {head.id: head for head in await take_orders(tx, stamp, [*order_ids, *sorted(kept)])}
    back = [heads[each] for each in order_ids if heads[each].stopped != "cancelled"]
    await wave_tours.leave_wave(tx, stamp, back, "awaiting_release")
    if not kept:
        await tx.execute(sql.WAVE_PULLED, {**values, "at": stamp.at})
    return Pulled(
        wave_id=wave_id,
        orders=len(back),
        tours=len({task.tour_id for task in mine}),
        kept=tuple(_left(heads[each], heads[each].state) for each in sorted(kept)),
    )


async def finish_waves(db: Db, at: datetime | None = None) -> int:
    """Chore: finish waves whose process died between its steps, and close finished ones.

    Emits wave.completed. Returns how many waves it finished or closed.
    """
    at = at or datetime.now(UTC)
    done = 0
    async with db.reading() as tx:
        warehouses = await rows(tx, sql.WAREHOUSES, _Id)
    for warehouse in warehouses:
        stamp = Stamp(warehouse_id=warehouse.id, at=at, key=uuid7(), actor="system:waves")
        here = {"warehouse_id": warehouse.id}
        async with db.reading() as tx:
            stale = await rows(tx, sql.STALE, _Id, **here, before=at - ABANDONED_AFTER)
            unboxed = await rows(tx, sql.UNBOXED, _Id, **here, before=at - ABANDONED_AFTER,
                                 since=at - BOXES_WANTED)  # fmt: skip
        for wave in stale:
            await finish_wave(db, stamp, wave.id)
        for wave in unboxed:
            await propose_cartons(db, stamp, wave.id)
        async with db.transaction() as tx:
            complete = await rows(tx, sql.COMPLETE, _Complete, **here, at=at)
            for each in complete:
                facts = catalog.WaveCompleted(
                    wave_id=str(each.id), cutoff=each.cutoff_at,
                    orders=each.plan.get("orders", 0), lines=each.plan.get("tasks", 0),
                    units=each.plan.get("units", 0), tours=each.plan.get("tours", 0),
                )  # fmt: skip
                await emit(tx, stamp, "wave.completed", f"wave/{each.id}", facts)
        done += len(stale) + len(complete)
    return done
