"""Attempts to deliver, newest first: of an endpoint, of an event, or of both.

Every statement names what its index needs, and none has a condition that may be left out.
"""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from sqlalchemy import TextClause, text

from wms.db import Tx, rows

NEWEST = (datetime(9999, 1, 1, tzinfo=UTC), 0)  # the place before the newest row


class AttemptView(msgspec.Struct, kw_only=True):
    """One HTTP attempt."""

    warehouse: str
    at: datetime
    pos: int
    event_id: UUID
    type: str
    okey: str
    n: int
    trigger: str
    status: int
    outcome: str
    detail: str
    ip: str
    dns_ms: int | None
    connect_ms: int | None
    ttfb_ms: int | None
    total_ms: int
    body: str
    kids: list[str]


class Try(AttemptView, kw_only=True):
    """An attempt with its place in a list, and whose it was."""

    id: int
    endpoint: str


# Warehouse by warehouse, because the indexes lead with it: attempt_endpoint_ix from its newest
# end, or attempt_event_ix for one event.
_ATTEMPTS = """
    SELECT a.id, w.code AS warehouse, a.at, a.pos, a.event_id, a.type, a.okey, a.n, a.trigger,
           a.status, a.class AS outcome, a.detail, a.ip, a.dns_ms, a.connect_ms, a.ttfb_ms,
           a.total_ms, a.body, a.kids, e.code AS endpoint
      FROM {places} w
     CROSS JOIN LATERAL (
       SELECT * FROM attempt t
        WHERE t.warehouse_id = w.id AND {of_what} {which}
          AND (t.at, t.id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS bigint))
        ORDER BY t.at DESC, t.id DESC LIMIT :limit) a
      JOIN endpoint e ON e.id = a.endpoint_id
     ORDER BY a.at DESC, a.id DESC LIMIT :limit
"""
_HERE = "(SELECT id, code FROM warehouse WHERE id = :warehouse_id)"
_ENDPOINT, _EVENT = "t.endpoint_id = :endpoint_id", "t.event_id = :event_id"
_FAILED = "AND t.class <> 'ok'"


def _statement(of_what: str, places: str = "warehouse", which: str = "") -> TextClause:
    return text(_ATTEMPTS.format(of_what=of_what, places=places, which=which))


OF_ENDPOINT = _statement(_ENDPOINT)
OF_ENDPOINT_FAILED = _statement(_ENDPOINT, which=_FAILED)
OF_BOTH = _statement(f"{_ENDPOINT} AND {_EVENT}")
OF_ENDPOINT_HERE = _statement(_ENDPOINT, _HERE)
OF_ENDPOINT_HERE_FAILED = _statement(_ENDPOINT, _HERE, _FAILED)
OF_EVENT_HERE = _statement(_EVENT, _HERE)
OF_BOTH_HERE = _statement(f"{_ENDPOINT} AND {_EVENT}", _HERE)


async def list_attempts(
    tx: Tx,
    endpoint_id: int,
    event_id: UUID | None = None,
    failed: bool = False,
    limit: int = 100,
) -> list[AttemptView]:
    """Of an endpoint in all its warehouses, or of one event to it."""
    values = {
        "endpoint_id": endpoint_id, "limit": limit, "before_at": NEWEST[0], "before_id": NEWEST[1],
    }  # fmt: skip
    if event_id is not None:
        found = await rows(tx, OF_BOTH, AttemptView, **values, event_id=event_id)
        return [each for each in found if not failed or each.outcome != "ok"]
    return await rows(tx, OF_ENDPOINT_FAILED if failed else OF_ENDPOINT, AttemptView, **values)


async def list_of_endpoint(
    tx: Tx,
    warehouse_id: int,
    endpoint_id: int,
    *,
    failed: bool = False,
    before: tuple[datetime, int] = NEWEST,
    limit: int = 50,
) -> list[Try]:
    """Of an endpoint in one warehouse; `before` is the last one seen."""
    return await rows(
        tx, OF_ENDPOINT_HERE_FAILED if failed else OF_ENDPOINT_HERE, Try,
        warehouse_id=warehouse_id, endpoint_id=endpoint_id, limit=limit,
        before_at=before[0], before_id=before[1],
    )  # fmt: skip


async def list_of_event(
    tx: Tx, warehouse_id: int, event_id: UUID, endpoint_id: int | None = None, limit: int = 50
) -> list[Try]:
    """Of one event to every endpoint, or to one."""
    values = {
        "warehouse_id": warehouse_id, "event_id": event_id, "limit": limit,
        "before_at": NEWEST[0], "before_id": NEWEST[1],
    }  # fmt: skip
    if endpoint_id is None:
        return await rows(tx, OF_EVENT_HERE, Try, **values)
    return await rows(tx, OF_BOTH_HERE, Try, **values, endpoint_id=endpoint_id)
