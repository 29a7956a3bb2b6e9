"""Promises go to the bins that planning chose: released where they were, made where they will be.

Planning ran without a lock, so all is asked again under it: stock must be free and of the same kind
(item, lot, day of receipt, pick face or reserve). Where it is not, the pick stays at the bin that
was promised. What must stay true: a line has as much promised after as before.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.inventory.allocations import ALLOCATE, RELEASE
from wms.outbound.wave_parts import Pick, PlannedTask, PlannedTour, WavePlan
from wms.stamp import Stamp

# balance's key; locked in the order of a picker and of other releases (bin, plate). What may not be
# promised any more is free of nothing, but goods may leave it.
LOCK_KINDS = text(
    """
    SELECT b.id AS balance_id, p.kind AS face, b.lot_id, b.item_id,
           CAST(b.received_at AT TIME ZONE w.timezone AS date)::text AS day,
           CASE WHEN b.status = 'available' AND p.kind IN ('pick', 'reserve') AND NOT p.blocked
                 AND NOT coalesce(a.blocked, false) AND NOT coalesce(l.recalled, false)
                 AND coalesce(l.expires_on >= CAST(CAST(:at AS timestamptz) AT TIME ZONE w.timezone
                                                   AS date), true)
                THEN b.on_hand - b.allocated END AS free
      FROM balance b
      JOIN bin p ON p.warehouse_id = b.warehouse_id AND p.id = b.bin_id
      JOIN warehouse w ON w.id = b.warehouse_id
      LEFT JOIN aisle a ON a.warehouse_id = b.warehouse_id AND a.id = p.aisle_id
      LEFT JOIN lot l ON l.warehouse_id = b.warehouse_id AND l.id = b.lot_id
     WHERE b.warehouse_id = :warehouse_id AND b.id = ANY (CAST(:ids AS bigint[]))
     ORDER BY b.bin_id, coalesce(b.lpn_id, 0), b.item_id, b.id
       FOR UPDATE OF b
    """
)


class _Kind(msgspec.Struct, frozen=True):
    """A locked balance; `free` is none where nothing more may be promised."""

    balance_id: int
    face: str
    lot_id: int | None
    item_id: int
    day: str
    free: int | None

    @property
    def key(self) -> tuple[str, int | None, int, str]:
        return self.face, self.lot_id, self.item_id, self.day


class _Made(msgspec.Struct):
    id: int
    order_line_id: int
    balance_id: int
    qty: int


async def move_promises(
    tx: Tx, stamp: Stamp, plan: WavePlan, left: dict[int, int]
) -> WavePlan:
    """The plan with picks at the bins it chose, as far as they can be had, each with its promise.

    `left` is what still stands of each promise; it is brought up to date. Locks balances in key
    order, then promises and lines. Three statements, however many picks move.
    """
    planned: Counter[int] = Counter()
    for tour in plan.tours:
        for task in tour.tasks:
            planned[task.pick.allocation_id] += task.qty
    moves = [
        task for tour in plan.tours for task in tour.tasks
        if task.instead and left.get(task.pick.allocation_id) == planned[task.pick.allocation_id]
    ]  # fmt: skip
    if moves:
        moves = _possible(moves, await _lock(tx, stamp, moves))
    new = await _repromise(tx, stamp, moves, left) if moves else {}
    can = set(map(id, moves))
    tours = [_settled(tour, can, new) for tour in plan.tours]
    return msgspec.structs.replace(plan, tours=tuple(tours))


async def _lock(tx: Tx, stamp: Stamp, moves: Sequence[PlannedTask]) -> dict[int, _Kind]:
    ids = {each.balance_id for task in moves for each in (task.pick, task.promised)}
    found = await rows(tx, LOCK_KINDS, _Kind, warehouse_id=stamp.warehouse_id, at=stamp.at,
                       ids=sorted(ids))  # fmt: skip
    return {each.balance_id: each for each in found}


def _possible(moves: Sequence[PlannedTask], kinds: Mapping[int, _Kind]) -> list[PlannedTask]:
    """The moves whose goods are there, counting what other moves make free; the last give way."""
    going: list[PlannedTask] = []
    for task in moves:
        home, goal = kinds.get(task.promised.balance_id), kinds.get(task.pick.balance_id)
        if home and goal and goal.free is not None and home.key == goal.key:
            going.append(task)
    free = {each.balance_id: each.free or 0 for each in kinds.values()}
    into: dict[int, list[PlannedTask]] = {}
    for task in going:
        free[task.promised.balance_id] += task.qty
        free[task.pick.balance_id] -= task.qty
        into.setdefault(task.pick.balance_id, []).append(task)
    dropped: set[int] = set()
    short = [balance_id for balance_id, qty in free.items() if qty < 0]
    while short:
        balance_id = short.pop()
        while free[balance_id] < 0 and into.get(balance_id):
            task = into[balance_id].pop()
            dropped.add(id(task))
            free[balance_id] += task.qty
            free[task.promised.balance_id] -= task.qty
            short.append(task.promised.balance_id)
    return [task for task in going if id(task) not in dropped]


async def _repromise(
    tx: Tx, stamp: Stamp, moves: Sequence[PlannedTask], left: dict[int, int]
) -> dict[tuple[int, int], int]:
    """Release and promise anew; the new promise of each order line and balance."""
    given: Counter[int] = Counter()
    taken: Counter[tuple[int, int]] = Counter()
    for task in moves:
        given[task.pick.allocation_id] += task.qty
        taken[task.pick.order_line_id, task.pick.balance_id] += task.qty
    here = {"warehouse_id": stamp.warehouse_id}
    await tx.execute(RELEASE, {**here, "ids": list(given), "qtys": list(given.values())})
    made = await rows(
        tx, ALLOCATE, _Made, **here, order_line_ids=[line_id for line_id, _ in taken],
        balance_ids=[balance_id for _, balance_id in taken], qtys=list(taken.values()),
    )  # fmt: skip
    for allocation_id, qty in given.items():
        left[allocation_id] -= qty
    left.update({each.id: each.qty for each in made})
    return {(each.order_line_id, each.balance_id): each.id for each in made}


def _settled(
    tour: PlannedTour, can: set[int], new: Mapping[tuple[int, int], int]
) -> PlannedTour:
    """The tour with every pick where its promise is now."""
    if not any(task.instead for task in tour.tasks):
        return tour
    tasks = tuple(
        PlannedTask(_at(task.pick, new), task.qty, task.slot) if id(task) in can
        else PlannedTask(task.promised, task.qty, task.slot)
        for task in tour.tasks
    )  # fmt: skip
    return msgspec.structs.replace(tour, tasks=tasks)


def _at(pick: Pick, new: Mapping[tuple[int, int], int]) -> Pick:
    promise = new[pick.order_line_id, pick.balance_id]
    return msgspec.structs.replace(pick, allocation_id=promise)
