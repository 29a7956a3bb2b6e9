"""The floor as a supervisor reads it: work by kind, people and what they do, trouble that was told.

Reads only, each bounded, each one statement.
"""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.stamp import Stamp

PEOPLE_MAX = 300
TROUBLE_MAX = 100
TROUBLE_BACK = 5000  # positions of the log looked back through


class KindOfWork(msgspec.Struct, kw_only=True):
    """Open tours of one kind: how many wait, are done by somebody, are late."""

    kind: str
    ready: int
    claimed: int
    late: int
    tasks_open: int
    oldest_due_at: datetime | None


class Worker(msgspec.Struct, kw_only=True):
    """A person signed in: what they hold, how far it is, and when they last scanned."""

    user_id: int
    code: str
    name: str
    roles: list[str]
    tour_id: int | None
    kind: str
    tasks: int
    tasks_done: int
    goods_in_hand: bool
    lease_until: datetime | None
    last_scan_at: datetime | None
    bin_code: str


class Trouble(msgspec.Struct, kw_only=True):
    """An exception somebody on the floor reported."""

    at: datetime
    actor: str
    code: str
    subject: str
    data: dict[str, Any]


class OpenCount(msgspec.Struct, kw_only=True):
    """A count that is not settled, and who is on it."""

    id: int
    bin_code: str
    cause: str
    state: str
    round: int
    requested_at: datetime
    claimed_by: str


class Stuck(msgspec.Struct, kw_only=True):
    """A tour whose person has gone silent with goods in hand: it cannot lapse by itself."""

    tour_id: int
    kind: str
    user_id: int
    name: str
    lease_until: datetime
    last_scan_at: datetime | None
    tasks_open: int


# Open tours only: tour_ready_ix and tour_claimed_ix hold nothing else.
WORK = text(
    """
    SELECT u.kind, count(*) FILTER (WHERE u.state = 'ready') AS ready,
           count(*) FILTER (WHERE u.state = 'claimed') AS claimed,
           count(*) FILTER (WHERE u.due_at < :at) AS late,
           CAST(coalesce(sum(t.open), 0) AS bigint) AS tasks_open,
           min(u.due_at) AS oldest_due_at
      FROM tour u
      LEFT JOIN LATERAL (
        SELECT count(*) AS open FROM task t
         WHERE t.warehouse_id = u.warehouse_id AND t.tour_id = u.id AND t.state = 'open') t ON true
     WHERE u.warehouse_id = :warehouse_id AND u.state IN ('ready', 'claimed')
     GROUP BY u.kind
    """
)
# The last scan of each comes from the end of scan_user_ix, their tour from tour_claimed_ix.
PEOPLE = text(
    """
    SELECT p.user_id, p.code, p.name, p.roles, u.id AS tour_id, coalesce(u.kind, '') AS kind,
           coalesce(t.tasks, 0) AS tasks, coalesce(t.done, 0) AS tasks_done,
           coalesce(u.goods_in_hand, false) AS goods_in_hand, u.lease_until,
           s.at AS last_scan_at, coalesce(p.bin_code, '') AS bin_code
      FROM (SELECT DISTINCT ON (a.id) a.id AS user_id, a.code, a.name, a.roles, b.code AS bin_code
              FROM session x
              JOIN app_user a ON a.id = x.user_id
              LEFT JOIN bin b ON b.warehouse_id = x.warehouse_id AND b.id = x.bin_id
             WHERE x.warehouse_id = :warehouse_id AND x.expires_at > :at
             ORDER BY a.id, x.started_at DESC) p
      LEFT JOIN LATERAL (
        SELECT * FROM tour u
         WHERE u.warehouse_id = :warehouse_id AND u.claimed_by = p.user_id AND u.state = 'claimed'
         ORDER BY u.goods_in_hand DESC, u.claimed_at LIMIT 1) u ON true
      LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE t.state <> 'cancelled') AS tasks,
               count(*) FILTER (WHERE t.state = 'done') AS done
          FROM task t WHERE t.warehouse_id = :warehouse_id AND t.tour_id = u.id) t ON true
      LEFT JOIN LATERAL (
        SELECT at FROM scan WHERE warehouse_id = :warehouse_id AND user_id = p.user_id
         ORDER BY at DESC LIMIT 1) s ON true
     ORDER BY u.id IS NULL, p.code LIMIT :limit
    """
)
# The end of the log by its primary key, and what is not sealed yet.
TROUBLE = text(
    """
    SELECT occurred_at AS at, actor, coalesce(data ->> 'code', '') AS code, subject, data
      FROM (
        SELECT occurred_at, actor, subject, CAST(data AS jsonb) AS data FROM event_log
         WHERE warehouse_id = :warehouse_id AND type = 'task.exception_raised'
           AND pos > (SELECT coalesce(max(pos), 0) FROM seal_state
                       WHERE warehouse_id = :warehouse_id) - :back
        UNION ALL
        SELECT o.occurred_at, o.actor, o.subject, CAST(o.data AS jsonb) FROM outbox o
         WHERE o.warehouse_id = :warehouse_id AND o.type = 'task.exception_raised'
           AND NOT EXISTS (SELECT 1 FROM event_log e WHERE e.warehouse_id = o.warehouse_id
                            AND e.event_id = o.event_id)
      ) x
     ORDER BY at DESC LIMIT :limit
    """
)


# Served by count_one_open_per_bin, which holds open counts only.
OPEN_COUNTS = text(
    """
    SELECT c.id, b.code AS bin_code, c.cause, c.state, c.round, c.requested_at,
           coalesce((SELECT a.name FROM task t
                       JOIN tour u ON u.warehouse_id = t.warehouse_id AND u.id = t.tour_id
                       JOIN app_user a ON a.id = u.claimed_by
                      WHERE t.warehouse_id = c.warehouse_id AND t.from_bin_id = c.bin_id
                        AND t.count_id = c.id AND t.state = 'open' LIMIT 1), '') AS claimed_by
      FROM count c JOIN bin b ON b.warehouse_id = c.warehouse_id AND b.id = c.bin_id
     WHERE c.warehouse_id = :warehouse_id AND c.state IN ('requested', 'recount', 'review')
     ORDER BY c.requested_at, c.id LIMIT 200
    """
)
# Served by tour_claimed_ix.
STUCK = text(
    """
    SELECT u.id AS tour_id, u.kind, a.id AS user_id, a.name, u.lease_until, s.at AS last_scan_at,
           (SELECT count(*) FROM task t WHERE t.warehouse_id = u.warehouse_id AND t.tour_id = u.id
               AND t.state = 'open') AS tasks_open
      FROM tour u JOIN app_user a ON a.id = u.claimed_by
      LEFT JOIN LATERAL (
        SELECT at FROM scan WHERE warehouse_id = u.warehouse_id AND user_id = a.id
         ORDER BY at DESC LIMIT 1) s ON true
     WHERE u.warehouse_id = :warehouse_id AND u.state = 'claimed' AND u.goods_in_hand
       AND u.lease_until < :at
     ORDER BY u.lease_until LIMIT 100
    """
)


async def list_open_counts(tx: Tx, stamp: Stamp) -> list[OpenCount]:
    """Counts to be done, recounted or decided, oldest first; at most 200."""
    return await rows(tx, OPEN_COUNTS, OpenCount, warehouse_id=stamp.warehouse_id)


async def list_stuck(tx: Tx, stamp: Stamp) -> list[Stuck]:
    """Lapsed tours that need a hand-over, longest silent first."""
    return await rows(tx, STUCK, Stuck, warehouse_id=stamp.warehouse_id, at=stamp.at)


async def list_work(tx: Tx, stamp: Stamp) -> list[KindOfWork]:
    """Open work by kind; kinds without any are left out."""
    return await rows(tx, WORK, KindOfWork, warehouse_id=stamp.warehouse_id, at=stamp.at)


async def list_workers(tx: Tx, stamp: Stamp) -> list[Worker]:
    """Who is signed in, those with work first."""
    return await rows(
        tx, PEOPLE, Worker, warehouse_id=stamp.warehouse_id, at=stamp.at, limit=PEOPLE_MAX
    )


async def list_trouble(tx: Tx, stamp: Stamp) -> list[Trouble]:
    """The newest exceptions, at most 100 of the last 5,000 events."""
    return await rows(
        tx, TROUBLE, Trouble, warehouse_id=stamp.warehouse_id, back=TROUBLE_BACK, limit=TROUBLE_MAX
    )
