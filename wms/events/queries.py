"""Reads of the event engine: the log by position, endpoints, parked deliveries, attempts, lag."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Db, Tx, row, rows
from wms.errors import NotFound
from wms.events.envelope import LogRow

COLUMNS = """pos, event_id, lane, type, okey, keyseq, subject, owner, occurred_at, recorded_at,
               actor, correlation_id, causation_id, data, traceparent, test"""

# One row tells the head of the stream even when nothing follows. Primary key of event_log in
# order; type and owner only narrow what is read. Runs alone on the hot pool: one round trip.
READ = f"""
    SELECT h.pos AS head, h.first_pos, e.*
      FROM (SELECT pos, first_pos FROM seal_state WHERE warehouse_id = $1) h
      LEFT JOIN LATERAL (
        SELECT {COLUMNS}
          FROM event_log
         WHERE warehouse_id = $1 AND pos > $2 AND pos <= h.pos
           AND ($3::text[] IS NULL OR type = ANY ($3))
           AND ($4::text[] IS NULL OR owner = ANY ($4) OR okey = $6)
         ORDER BY pos LIMIT $5) e ON true
     ORDER BY e.pos
"""


class UnknownEndpoint(NotFound):
    say = "No endpoint {endpoint}."


class UnknownEvent(NotFound):
    say = "No event {event} in this warehouse."


class Page(msgspec.Struct, kw_only=True):
    """A run of the log; `next_after` is where to read on, also when filters left nothing.
    `first` is the first position that is still kept."""

    rows: list[LogRow]
    head: int
    first: int
    next_after: int
    caught_up: bool


async def read_log(
    db: Db,
    warehouse_id: int,
    after: int,
    limit: int,
    *,
    types: set[str] | None = None,
    owners: set[str] | None = None,
    about: str | None = None,
) -> Page:
    """Events after a position, in order. `owners` leaves only their events, and those of the
    ordering key `about`."""
    pool = await db.hot()
    found = await pool.fetch(
        READ, warehouse_id, after, _names(types), _names(owners), limit, about
    )
    if not found:
        return Page(rows=[], head=0, first=1, next_after=after, caught_up=True)
    events = [msgspec.convert(dict(row), LogRow) for row in found if row["pos"] is not None]
    head = found[0]["head"]
    full = len(events) == limit
    next_after = events[-1].pos if full else max(after, head)
    return Page(
        rows=events, head=head, first=found[0]["first_pos"], next_after=next_after,
        caught_up=next_after >= head,
    )  # fmt: skip


def _names(some: set[str] | None) -> list[str] | None:
    """None does not narrow; an empty set leaves nothing."""
    return None if some is None else sorted(some)


# event_log_event_ix.
EVENT = text(
    f"""
    SELECT {COLUMNS} FROM event_log
     WHERE warehouse_id = :warehouse_id AND event_id = :event_id
       AND (CAST(:owners AS text[]) IS NULL OR owner = ANY (CAST(:owners AS text[])))
    """
)


async def find_event(
    tx: Tx, warehouse_id: int, event_id: UUID, owners: set[str] | None = None
) -> LogRow:
    """One sealed event; `owners` hides those of others. Raises UnknownEvent."""
    values = {
        "warehouse_id": warehouse_id,
        "event_id": event_id,
        "owners": _names(owners),
    }
    found = await row(tx, EVENT, LogRow, **values)
    if found is None:
        raise UnknownEvent(event=f"evt_{event_id.hex}")
    return found


async def list_owners(tx: Tx, ids: tuple[int, ...]) -> list[str]:
    """Codes of stock owners."""
    found = await tx.execute(
        text("SELECT code FROM owner WHERE id = ANY (:ids) ORDER BY code"), {"ids": list(ids)}
    )
    return list(found.scalars())


class EndpointView(msgspec.Struct, kw_only=True):
    """An endpoint as its owner sees it. Never holds a secret. `noticed_at` is when the owner was
    last told that it fails."""

    id: int
    code: str
    name: str
    url: str
    state: str
    warehouses: list[str]
    types: list[str]
    owners: list[str]
    predicate: dict[str, Any] | None
    mode: str
    media: str
    max_inflight: int
    rate_per_s: int | None
    timeout_ms: int
    mask_profile: str
    conflate: bool
    on_dead: str
    log_attempts: str
    team: str
    contact: str
    breaker: str
    breaker_until: datetime | None
    failing_since: datetime | None
    noticed_at: datetime | None
    last_class: str
    verified_at: datetime | None
    created_at: datetime
    created_by: str


ENDPOINTS = text(
    """
    SELECT id, code, name, url, state, warehouses, types, owners, predicate, mode, media,
           max_inflight, rate_per_s, timeout_ms, mask_profile, conflate, on_dead, log_attempts,
           team, contact, breaker, breaker_until, failing_since, noticed_at, last_class,
           verified_at, created_at, created_by
      FROM endpoint WHERE CAST(:code AS text) IS NULL OR code = :code ORDER BY code
    """
)


async def list_endpoints(tx: Tx) -> list[EndpointView]:
    return await rows(tx, ENDPOINTS, EndpointView, code=None)


async def get_endpoint(tx: Tx, code: str) -> EndpointView:
    """Raises UnknownEndpoint."""
    found = await row(tx, ENDPOINTS, EndpointView, code=code)
    if found is None:
        raise UnknownEndpoint(endpoint=code)
    return found


class Lag(msgspec.Struct, kw_only=True):
    """How far an endpoint is behind in one warehouse."""

    warehouse: str
    head: int
    pos: int
    behind: int
    oldest_at: datetime | None
    due: int
    waiting: int
    dead: int


# One row a warehouse. seal_state and cursors by primary key; parked counts by parked_state_ix.
LAG = text(
    """
    SELECT w.code AS warehouse, s.pos AS head, c.pos, s.pos - c.pos AS behind,
           (SELECT e.sealed_at FROM event_log e
             WHERE e.warehouse_id = w.id AND e.pos = c.pos + 1) AS oldest_at,
           count(p.*) FILTER (WHERE p.state IN ('due', 'inflight')) AS due,
           count(p.*) FILTER (WHERE p.state = 'waiting') AS waiting,
           count(p.*) FILTER (WHERE p.state = 'dead') AS dead
      FROM (SELECT warehouse_id, min(pos) AS pos FROM delivery_cursor
             WHERE endpoint_id = :endpoint_id GROUP BY warehouse_id) c
      JOIN warehouse w ON w.id = c.warehouse_id
      JOIN seal_state s ON s.warehouse_id = c.warehouse_id
      LEFT JOIN parked p ON p.warehouse_id = c.warehouse_id AND p.endpoint_id = :endpoint_id
     GROUP BY w.id, w.code, s.pos, c.pos ORDER BY w.code
    """
)


async def list_lag(tx: Tx, endpoint_id: int) -> list[Lag]:
    return await rows(tx, LAG, Lag, endpoint_id=endpoint_id)


class ParkedView(msgspec.Struct, kw_only=True):
    """A delivery that failed, or waits behind one of its key."""

    warehouse: str
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


PARKED = text(
    """
    SELECT w.code AS warehouse, p.pos, p.event_id, p.type, p.okey, p.state, p.n, p.next_at,
           p.first_failed_at, p.last_class, p.last_status
      FROM parked p JOIN warehouse w ON w.id = p.warehouse_id
     WHERE p.endpoint_id = :endpoint_id
       AND (CAST(:state AS text) IS NULL OR p.state = :state)
     ORDER BY p.warehouse_id, p.pos LIMIT :limit
    """
)


async def list_parked(
    tx: Tx, endpoint_id: int, state: str | None = None, limit: int = 100
) -> list[ParkedView]:
    return await rows(tx, PARKED, ParkedView, endpoint_id=endpoint_id, state=state, limit=limit)


class _Site(msgspec.Struct):
    id: int
    code: str


async def list_sites(tx: Tx) -> dict[int, str]:
    """Warehouse codes by id."""
    found = await rows(tx, text("SELECT id, code FROM warehouse ORDER BY id"), _Site)
    return {site.id: site.code for site in found}
