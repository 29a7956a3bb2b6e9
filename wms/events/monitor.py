"""What the monitor pages read: endpoints at a glance, parked deliveries, replays.

Everything is asked for one warehouse and is bounded: counts stop at COUNT_MAX, rates look at the
newest SAMPLE attempts of an endpoint. Nothing here writes.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows

COUNT_MAX = 10_000
SAMPLE = 500
SLOTS = 30
SPAN = timedelta(hours=1)


class Glance(msgspec.Struct, kw_only=True):
    """An endpoint as one warehouse sees it; `keys` are ordering keys with a parked delivery."""

    id: int
    code: str
    name: str
    url: str
    state: str
    mode: str
    types: list[str]
    owners: list[str]
    mask_profile: str
    on_dead: str
    team: str
    contact: str
    breaker: str
    breaker_until: datetime | None
    failing_since: datetime | None
    last_class: str
    created_by: str
    head: int
    pos: int
    behind: int
    oldest_at: datetime | None
    due: int
    waiting: int
    dead: int
    keys: int
    stuck_since: datetime | None

    @property
    def tone(self) -> str:
        """How bad it is, as the pages colour it."""
        if self.state in ("suspended", "blocked") or self.dead or self.breaker == "open":
            return "bad"
        return "warn" if self.state != "active" or self.due or self.behind > 100 else ""


# Cursors and seal_state by primary key, the next event by that of event_log, parked rows by
# parked_state_ix up to COUNT_MAX.
GLANCE = text(
    """
    SELECT e.id, e.code, e.name, e.url, e.state, e.mode, e.types, e.owners, e.mask_profile,
           e.on_dead, e.team, e.contact, e.breaker, e.breaker_until, e.failing_since,
           e.last_class, e.created_by, coalesce(s.pos, 0) AS head,
           coalesce(c.pos, s.pos, 0) AS pos, greatest(s.pos - c.pos, 0) AS behind,
           (SELECT l.sealed_at FROM event_log l
             WHERE l.warehouse_id = w.id AND l.pos = c.pos + 1) AS oldest_at,
           p.due, p.waiting, p.dead, p.keys, p.stuck_since
      FROM warehouse w
      JOIN endpoint e ON e.warehouses = '{}' OR w.code = ANY (e.warehouses)
      LEFT JOIN seal_state s ON s.warehouse_id = w.id
      LEFT JOIN LATERAL (
        SELECT min(d.pos) AS pos FROM delivery_cursor d
         WHERE d.warehouse_id = w.id AND d.endpoint_id = e.id) c ON true
      CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE x.state IN ('due', 'inflight')) AS due,
               count(*) FILTER (WHERE x.state = 'waiting') AS waiting,
               count(*) FILTER (WHERE x.state = 'dead') AS dead,
               count(DISTINCT x.okey) AS keys, min(x.first_failed_at) AS stuck_since
          FROM (SELECT k.state, k.okey, k.first_failed_at FROM parked k
                 WHERE k.warehouse_id = w.id AND k.endpoint_id = e.id
                 LIMIT :most) x) p
     WHERE w.id = :warehouse_id AND (CAST(:code AS text) IS NULL OR e.code = :code)
     ORDER BY e.code
    """
)


async def list_glances(tx: Tx, warehouse_id: int) -> list[Glance]:
    """All endpoints that hear this warehouse."""
    values = {"warehouse_id": warehouse_id, "code": None, "most": COUNT_MAX}
    return await rows(tx, GLANCE, Glance, **values)


async def find_glance(tx: Tx, warehouse_id: int, code: str) -> Glance | None:
    """One endpoint, or None when there is none or it does not hear this warehouse."""
    values = {"warehouse_id": warehouse_id, "code": code, "most": COUNT_MAX}
    return await row(tx, GLANCE, Glance, **values)


# ---- pulse ---------------------------------------------------------------------------------------


class Beat(msgspec.Struct, kw_only=True):
    """Attempts of one stretch of time; `slot` is None for the whole sample."""

    endpoint_id: int
    slot: int | None
    ok: int
    failed: int
    p50: float | None
    p95: float | None
    since: datetime | None
    last_at: datetime | None


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour of an endpoint, or its newest SAMPLE attempts when there were more."""

    total: Beat
    beats: tuple[Beat, ...]

    @property
    def success(self) -> float:
        """Per cent of attempts answered with success."""
        tried = self.total.ok + self.total.failed
        return 100 * self.total.ok / tried if tried else 100.0


# attempt_endpoint_ix newest first; `at` cuts the partitions.
PULSE = text(
    """
    WITH sample AS MATERIALIZED (
      SELECT e.id AS endpoint_id, a.at, a.class, a.total_ms
        FROM unnest(CAST(:ids AS bigint[])) e (id)
       CROSS JOIN LATERAL (
         SELECT t.at, t.class, t.total_ms FROM attempt t
          WHERE t.warehouse_id = :warehouse_id AND t.endpoint_id = e.id AND t.at > :since
          ORDER BY t.at DESC LIMIT :sample) a),
    span AS (
      SELECT endpoint_id, CASE WHEN count(*) < :sample THEN :since ELSE min(at) END AS since
        FROM sample GROUP BY endpoint_id)
    SELECT endpoint_id, slot, count(*) FILTER (WHERE class = 'ok') AS ok,
           count(*) FILTER (WHERE class <> 'ok') AS failed,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY total_ms) AS p50,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY total_ms) AS p95,
           min(since) AS since, max(at) AS last_at
      FROM (SELECT s.*, p.since,
                   CAST(least(floor(extract(epoch FROM s.at - p.since) * :slots
                         / greatest(extract(epoch FROM CAST(:at AS timestamptz) - p.since), 0.001)
                        ), :slots - 1) AS int) AS slot
              FROM sample s JOIN span p USING (endpoint_id)) x
     GROUP BY GROUPING SETS ((endpoint_id), (endpoint_id, slot))
     ORDER BY endpoint_id, slot NULLS FIRST
    """
)


async def read_pulses(
    tx: Tx, warehouse_id: int, endpoint_ids: list[int], at: datetime
) -> dict[int, Pulse]:
    """By endpoint; one that was not called in the last hour has none."""
    values = {
        "warehouse_id": warehouse_id, "ids": endpoint_ids, "at": at, "since": at - SPAN,
        "sample": SAMPLE, "slots": SLOTS,
    }  # fmt: skip
    found: dict[int, list[Beat]] = {}
    for beat in await rows(tx, PULSE, Beat, **values):
        found.setdefault(beat.endpoint_id, []).append(beat)
    return {id: Pulse(total=beats[0], beats=tuple(beats[1:])) for id, beats in found.items()}


# ---- parked deliveries ---------------------------------------------------------------------------


class Stuck(msgspec.Struct, kw_only=True):
    """A parked delivery."""

    pos: int
    event_id: UUID
    type: str
    okey: str
    state: str
    n: int
    next_at: datetime | None
    first_failed_at: datetime | None
    last_class: str
    last_status: int


_STUCK = """
    SELECT p.pos, p.event_id, p.type, p.okey, p.state, p.n, p.next_at, p.first_failed_at,
           p.last_class, p.last_status
      FROM parked p
     WHERE p.warehouse_id = :warehouse_id AND p.endpoint_id = :endpoint_id
"""
# parked_state_ix finds the rows; the newest log position first, read on by it.
STUCK = text(
    f"""
    {_STUCK} AND p.state = ANY (CAST(:states AS text[])) AND p.pos < :before
     ORDER BY p.pos DESC LIMIT :limit
    """
)
STUCK_EVENT = text(f"{_STUCK} AND p.event_id = :event_id ORDER BY p.pos DESC LIMIT 1")
LIVE_STATES = ("due", "inflight", "waiting")
END = 2**62  # after every position


async def list_stuck(
    tx: Tx,
    warehouse_id: int,
    endpoint_id: int,
    states: tuple[str, ...],
    before: int = END,
    limit: int = 50,
) -> list[Stuck]:
    """Parked deliveries in these states, newest first."""
    return await rows(
        tx, STUCK, Stuck, warehouse_id=warehouse_id, endpoint_id=endpoint_id, states=list(states),
        before=before, limit=limit,
    )  # fmt: skip


async def find_stuck(
    tx: Tx, warehouse_id: int, endpoint_id: int, event_id: UUID
) -> Stuck | None:
    """One parked delivery, or None when it is not parked (any more)."""
    values = {"warehouse_id": warehouse_id, "endpoint_id": endpoint_id, "event_id": event_id}
    return await row(tx, STUCK_EVENT, Stuck, **values)


class Cause(msgspec.Struct, kw_only=True):
    """Dead deliveries of one cause, for acting on all of them."""

    last_class: str
    last_status: int
    type: str
    events: int
    since: datetime | None


# parked_state_ix.
DEAD_BY_CAUSE = text(
    """
    SELECT last_class, last_status, type, count(*) AS events, min(first_failed_at) AS since
      FROM (SELECT * FROM parked WHERE warehouse_id = :warehouse_id
               AND endpoint_id = :endpoint_id AND state = 'dead' LIMIT :most) p
     GROUP BY last_class, last_status, type ORDER BY events DESC, type LIMIT 20
    """
)


async def count_causes(tx: Tx, warehouse_id: int, endpoint_id: int) -> list[Cause]:
    """Why deliveries died, the most frequent first."""
    values = {"warehouse_id": warehouse_id, "endpoint_id": endpoint_id, "most": COUNT_MAX}
    return await rows(tx, DEAD_BY_CAUSE, Cause, **values)


# ---- replays -------------------------------------------------------------------------------------


class ReplayView(msgspec.Struct, kw_only=True):
    """A replay and how far it is."""

    id: int
    state: str
    selector: dict[str, Any]
    total: int
    done: int
    pos: int
    from_pos: int
    to_pos: int
    requested_by: str
    reason: str
    at: datetime
    done_at: datetime | None

    @property
    def passed(self) -> int:
        """Log positions it has gone past, for a progress bar."""
        return max(0, self.pos - self.from_pos + 1)


REPLAYS = text(
    """
    SELECT id, state, selector, total, done, pos, from_pos, to_pos, requested_by, reason, at,
           done_at
      FROM replay WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id
     ORDER BY id DESC LIMIT :limit
    """
)


async def list_replays(
    tx: Tx, warehouse_id: int, endpoint_id: int, limit: int = 10
) -> list[ReplayView]:
    """The newest replays to an endpoint."""
    values = {"warehouse_id": warehouse_id, "endpoint_id": endpoint_id, "limit": limit}
    return await rows(tx, REPLAYS, ReplayView, **values)
