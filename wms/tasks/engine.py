"""Directed work: the only writer of tours, tasks and slots.

A claim is a lease. What a dead handheld held returns to the pool when its lease ends, unless goods
are in hand: then it stays with its person until they resume or a supervisor hands it over.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, insert, insert_many, row, rows
from wms.events.outbox import emit
from wms.stamp import Stamp
from wms.tasks import rules
from wms.tasks.rules import StaleStep, WorkTaken
from wms.tasks.tables import task as task_table
from wms.tasks.tables import tour as tour_table


class NewTask(msgspec.Struct, frozen=True, kw_only=True):
    """One task to create; quantities in base units."""

    item_id: int | None = None
    lot_id: int | None = None
    from_bin_id: int | None = None
    to_bin_id: int | None = None
    lpn_id: int | None = None
    qty: int = 0
    order_id: int | None = None
    order_line_id: int | None = None
    allocation_id: int | None = None
    count_id: int | None = None
    slot: int | None = None
    reason: str = ""


class Task(msgspec.Struct, kw_only=True):
    """A task row with its tour's claim."""

    id: int
    tour_id: int
    seq: int
    kind: str
    state: str
    version: int
    item_id: int | None
    lot_id: int | None
    from_bin_id: int | None
    to_bin_id: int | None
    lpn_id: int | None
    qty: int
    qty_done: int
    order_id: int | None
    order_line_id: int | None
    allocation_id: int | None
    count_id: int | None
    slot: int | None
    reason: str
    tour_state: str
    claimed_by: int | None


class Tour(msgspec.Struct, kw_only=True):
    """A tour as its person sees it."""

    id: int
    kind: str
    state: str
    wave_id: int | None
    claimed_by: int | None
    device: str
    goods_in_hand: bool
    cause: str


_TASK_COLUMNS = """
  t.id, t.tour_id, t.seq, t.kind, t.state, t.version, t.item_id, t.lot_id, t.from_bin_id,
  t.to_bin_id, t.lpn_id, t.qty, t.qty_done, t.order_id, t.order_line_id, t.allocation_id,
  t.count_id, t.slot, t.reason, u.state AS tour_state, u.claimed_by
"""

# Candidates: the first ranked of each kind from tour_ready_ix (open work only), so the cost does
# not grow with the pile. Locks one tour; rows another claim holds are skipped, not waited for.
CLAIM_NEXT = text(
    """
    WITH here AS (
      SELECT b.x_mm, b.y_mm
        FROM (SELECT end_bin_id FROM tour
               WHERE warehouse_id = :warehouse_id AND claimed_by = :user_id AND state = 'done'
               ORDER BY done_at DESC LIMIT 1) last
        JOIN bin b ON b.warehouse_id = :warehouse_id AND b.id = last.end_bin_id
    ), candidate AS MATERIALIZED (
      SELECT c.* FROM unnest(CAST(:kinds AS text[])) AS k (kind)
       CROSS JOIN LATERAL (
         SELECT t.id, t.due_at, t.priority, t.created_at, t.bin_id FROM tour t
          WHERE t.warehouse_id = :warehouse_id AND t.kind = k.kind AND t.state = 'ready'
            AND (t.only_user_id IS NULL OR t.only_user_id = :user_id)
            AND (t.not_user_id IS NULL OR t.not_user_id <> :user_id)
          ORDER BY t.rank_at, t.id LIMIT :candidates) c
    ), part AS (
      SELECT c.id,
             least(greatest(:horizon - extract(epoch FROM c.due_at - :now) / 60, 0), :late_max)
               AS lateness,
             c.priority AS priority,
             least(extract(epoch FROM :now - c.created_at) / 60, :age_max) * :age_weight AS age,
             - coalesce(abs(b.x_mm - h.x_mm) + abs(b.y_mm - h.y_mm), 0) / 1000.0 * :travel_weight
               AS travel
        FROM candidate c
        LEFT JOIN bin b ON b.warehouse_id = :warehouse_id AND b.id = c.bin_id
        LEFT JOIN here h ON true
    ), best AS MATERIALIZED (
      SELECT t.id, p.lateness, p.priority, p.age, p.travel
        FROM part p JOIN tour t ON t.warehouse_id = :warehouse_id AND t.id = p.id
       WHERE t.state = 'ready'
       ORDER BY p.lateness + p.priority + p.age + p.travel DESC, t.id
       LIMIT 1
         FOR UPDATE OF t SKIP LOCKED
    )
    UPDATE tour SET state = 'claimed', claimed_by = :user_id, device = :device, claimed_at = :now,
           lease_until = :lease_until,
           score = jsonb_build_object('lateness', round(best.lateness, 1),
             'priority', best.priority, 'age', round(best.age, 1),
             'travel', round(best.travel, 1))
      FROM best
     WHERE tour.warehouse_id = :warehouse_id AND tour.id = best.id
    RETURNING tour.id, tour.kind, tour.state, tour.wave_id, tour.claimed_by, tour.device,
              tour.goods_in_hand, tour.cause
    """
)

# One person asking twice (double tap, reload) queues: the second request finds what the first got.
QUEUE_UP = text("SELECT pg_advisory_xact_lock(:warehouse_id, CAST(:user_id AS int))")
MINE = text(
    """
    SELECT id, kind, state, wave_id, claimed_by, device, goods_in_hand, cause FROM tour
     WHERE warehouse_id = :warehouse_id AND claimed_by = :user_id AND state = 'claimed'
     ORDER BY goods_in_hand DESC, claimed_at LIMIT 1
    """
)
RESUME = text(
    """
    UPDATE tour SET device = :device, lease_until = :lease_until
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
GET_TOUR = text(
    """
    SELECT id, kind, state, wave_id, claimed_by, device, goods_in_hand, cause FROM tour
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)

# Primary keys; the tour's row is share-locked after the task's, so a release waits for the act.
TAKE_TASK = text(
    f"""
    SELECT {_TASK_COLUMNS}
      FROM task t JOIN tour u ON u.warehouse_id = t.warehouse_id AND u.id = t.tour_id
     WHERE t.warehouse_id = :warehouse_id AND t.id = :id
       FOR UPDATE OF t FOR SHARE OF u
    """
)
LIST_TASKS = text(
    f"""
    SELECT {_TASK_COLUMNS}
      FROM task t JOIN tour u ON u.warehouse_id = t.warehouse_id AND u.id = t.tour_id
     WHERE t.warehouse_id = :warehouse_id AND t.tour_id = :tour_id
     ORDER BY t.seq
    """
)
FINISH_TASK = text(
    """
    UPDATE task SET state = :state, qty_done = :qty_done, version = version + 1, done_at = :at,
           done_by = :user_id, reason = CASE WHEN :reason = '' THEN reason ELSE :reason END
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'open'
    """
)
# Locks the tour last: its row is the one that the tour's tasks share.
CLOSE_TOUR = text(
    """
    UPDATE tour SET state = 'done', done_at = :at, goods_in_hand = false, end_bin_id = :bin_id
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'claimed'
       AND NOT EXISTS (SELECT 1 FROM task WHERE warehouse_id = :warehouse_id AND tour_id = :id
                        AND state = 'open')
    RETURNING id
    """
)
NEXT_SEQ = text(
    "SELECT coalesce(max(seq), 0) + 1 AS id FROM task"
    " WHERE warehouse_id = :warehouse_id AND tour_id = :tour_id"
)


class _Id(msgspec.Struct):
    id: int


async def create_tour(
    tx: Tx,
    stamp: Stamp,
    kind: str,
    tasks: Sequence[NewTask],
    *,
    due_at: datetime,
    priority: int = 0,
    bin_id: int | None = None,
    zone_id: int | None = None,
    wave_id: int | None = None,
    only_user_id: int | None = None,
    not_user_id: int | None = None,
    metres: int = 0,
    cause: str = "",
    claim: bool = False,
) -> int:
    """Create a ready tour with its tasks in the given order; returns the tour's id.

    `claim` hands it to the person of the stamp at once (work they opened themselves).
    """
    claimed: dict[str, Any] = {}
    if claim:
        claimed = {
            "claimed_by": stamp.user_id,
            "device": stamp.device,
            "claimed_at": stamp.at,
            "lease_until": stamp.at + rules.LEASE,
        }
    tour_id = await insert(
        tx,
        tour_table,
        warehouse_id=stamp.warehouse_id,
        kind=kind,
        state="claimed" if claim else "ready",
        cause=cause,
        priority=priority,
        due_at=due_at,
        rank_at=due_at - timedelta(minutes=priority),
        bin_id=bin_id,
        zone_id=zone_id,
        wave_id=wave_id,
        only_user_id=only_user_id,
        not_user_id=not_user_id,
        metres=metres,
        created_at=stamp.at,
        **claimed,
    )
    await insert_many(tx, task_table, [_task_row(stamp, tour_id, n, kind, new)
                                       for n, new in enumerate(tasks, 1)])
    return tour_id


def _task_row(stamp: Stamp, tour_id: int, seq: int, kind: str, new: NewTask) -> dict[str, Any]:
    return {
        "warehouse_id": stamp.warehouse_id,
        "tour_id": tour_id,
        "seq": seq,
        "kind": kind,
        "created_at": stamp.at,
        **msgspec.structs.asdict(new),
    }


async def add_task(tx: Tx, stamp: Stamp, tour_id: int, kind: str, new: NewTask) -> int:
    """Append a task to a running tour; returns its id."""
    found = await row(tx, NEXT_SEQ, _Id, warehouse_id=stamp.warehouse_id, tour_id=tour_id)
    assert found is not None
    return await insert(tx, task_table, **_task_row(stamp, tour_id, found.id, kind, new))


async def claim_next(tx: Tx, stamp: Stamp, kinds: Sequence[str]) -> Tour | None:
    """Claim the best ready tour of those kinds for the person of the stamp, or None.

    Locks the one tour. Emits task.assigned.
    """
    values = {
        "warehouse_id": stamp.warehouse_id,
        "user_id": stamp.user_id,
        "device": stamp.device,
        "kinds": list(kinds),
        "now": stamp.at,
        "lease_until": stamp.at + rules.LEASE,
        "candidates": rules.CANDIDATES,
        "horizon": rules.LATENESS_HORIZON_MIN,
        "late_max": rules.LATENESS_MAX_MIN,
        "age_weight": rules.AGE_WEIGHT,
        "age_max": rules.AGE_MAX_MIN,
        "travel_weight": rules.TRAVEL_WEIGHT,
    }
    tour = await row(tx, CLAIM_NEXT, Tour, **values)
    if tour is not None:
        await emit(tx, stamp, "task.assigned", f"tour/{tour.id}",
                   {"tour_id": tour.id, "kind": tour.kind, "user": stamp.actor})
    return tour


async def find_mine(tx: Tx, stamp: Stamp) -> Tour | None:
    """The tour this person already holds (goods in hand first), or None.

    Locks: other requests of the same person wait here until the transaction ends, so nobody ends
    up with two tours.
    """
    await tx.execute(QUEUE_UP, {"warehouse_id": stamp.warehouse_id, "user_id": stamp.user_id})
    return await row(
        tx, MINE, Tour, warehouse_id=stamp.warehouse_id, user_id=stamp.user_id
    )


async def resume(tx: Tx, stamp: Stamp, tour: Tour) -> None:
    """Continue a held tour, on this device, with a fresh lease."""
    await tx.execute(
        RESUME,
        {
            "warehouse_id": stamp.warehouse_id,
            "id": tour.id,
            "device": stamp.device,
            "lease_until": stamp.at + rules.LEASE,
        },
    )


async def find_tour(tx: Tx, stamp: Stamp, tour_id: int) -> Tour | None:
    return await row(tx, GET_TOUR, Tour, warehouse_id=stamp.warehouse_id, id=tour_id)


async def list_tasks(tx: Tx, stamp: Stamp, tour_id: int) -> list[Task]:
    """All tasks of a tour in their order."""
    return await rows(
        tx, LIST_TASKS, Task, warehouse_id=stamp.warehouse_id, tour_id=tour_id
    )


async def take_task(tx: Tx, stamp: Stamp, task_id: int, version: int | None = None) -> Task:
    """The task, locked, when it is open and this person's.

    Raises StaleStep (done, cancelled or changed) or WorkTaken (another person holds the tour).
    """
    task = await row(tx, TAKE_TASK, Task, warehouse_id=stamp.warehouse_id, id=task_id)
    if task is None or task.state != "open":
        raise StaleStep()
    if task.tour_state != "claimed" or task.claimed_by != stamp.user_id:
        raise WorkTaken(why="it was given to somebody else")
    if version is not None and task.version != version:
        raise StaleStep()
    return task


async def finish_task(
    tx: Tx,
    stamp: Stamp,
    task: Task,
    *,
    qty_done: int = 0,
    state: str = "done",
    reason: str = "",
    bin_id: int | None = None,
    close: bool = True,
) -> bool:
    """Finish a taken task; with `close`, end its tour when nothing is open. True when it ended.

    `bin_id` is where the person now stands.
    """
    await tx.execute(
        FINISH_TASK,
        {
            "warehouse_id": stamp.warehouse_id,
            "id": task.id,
            "state": state,
            "qty_done": qty_done,
            "at": stamp.at,
            "user_id": stamp.user_id,
            "reason": reason,
        },
    )
    return close and await close_tour(tx, stamp, task.tour_id, bin_id)


async def close_tour(tx: Tx, stamp: Stamp, tour_id: int, bin_id: int | None) -> bool:
    """End a tour that has no open task; True when it ended. Emits task.completed."""
    values = {"warehouse_id": stamp.warehouse_id, "id": tour_id, "at": stamp.at, "bin_id": bin_id}
    if await row(tx, CLOSE_TOUR, _Id, **values) is None:
        return False
    await emit(tx, stamp, "task.completed", f"tour/{tour_id}",
               {"tour_id": tour_id, "user": stamp.actor})
    return True
