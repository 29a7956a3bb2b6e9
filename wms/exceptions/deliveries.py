"""Exceptions of the event engine: dead letters, endpoints that fail or stopped, rejected events.

What there is decides, not what happened: each run makes the open exceptions of these codes equal to
what the delivery tables say, so a letter that was delivered or discarded ends its exception.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.events.envelope import rfc3339
from wms.events.notices import FAILING_FOR
from wms.exceptions.life import Found, keep_true
from wms.exceptions.rules import CODES
from wms.stamp import Stamp

NAMED = 20  # events named in the facts
REJECTED_MAX = 5_000


class _Dead(msgspec.Struct):
    endpoint: str
    cause: str
    dead: int
    oldest_at: datetime | None
    events: list[UUID]


class _Stopped(msgspec.Struct):
    endpoint: str
    state: str
    cause: str
    contact: str


class _Failing(msgspec.Struct):
    endpoint: str
    contact: str
    since: datetime
    stage: int


class _Rejected(msgspec.Struct):
    source: str
    event_id: UUID
    type: str
    okey: str
    code: str
    detail: str
    owner: str


# parked_state_ix, one probe an endpoint.
DEAD = text(
    f"""
    SELECT e.code AS endpoint, coalesce(nullif(p.last_class, ''), 'unknown') AS cause,
           count(*) AS dead, min(p.first_failed_at) AS oldest_at,
           (array_agg(p.event_id ORDER BY p.pos))[1:{NAMED}] AS events
      FROM endpoint e
      JOIN parked p ON p.warehouse_id = :warehouse_id AND p.endpoint_id = e.id AND p.state = 'dead'
     GROUP BY e.code, 2 ORDER BY e.code, 2
    """
)
STOPPED = text(
    """
    SELECT e.code AS endpoint, e.state, e.last_class AS cause, e.contact FROM endpoint e
     WHERE e.state IN ('suspended', 'blocked')
       AND EXISTS (SELECT 1 FROM delivery_cursor c
                    WHERE c.warehouse_id = :warehouse_id AND c.endpoint_id = e.id)
     ORDER BY e.code
    """
)
# Those whose owner was told of this failure; every further notice makes it worse.
FAILING = text(
    """
    SELECT e.code AS endpoint, e.contact, e.failing_since AS since,
           (SELECT count(*) FROM unnest(CAST(:stages AS interval[])) s (long)
             WHERE e.failing_since + s.long <= e.noticed_at) AS stage
      FROM endpoint e
     WHERE e.state = 'active' AND e.breaker = 'open' AND e.noticed_at > e.failing_since
       AND EXISTS (SELECT 1 FROM delivery_cursor c
                    WHERE c.warehouse_id = :warehouse_id AND c.endpoint_id = e.id)
     ORDER BY e.code
    """
)
# event_receipt_rejected_ix and event_log_event_ix.
REJECTED = text(
    """
    SELECT r.source, r.event_id, r.type, r.okey, r.code, r.detail, coalesce(e.owner, '') AS owner
      FROM event_receipt r
      LEFT JOIN event_log e ON e.warehouse_id = r.warehouse_id AND e.event_id = r.event_id
     WHERE r.warehouse_id = :warehouse_id AND r.verdict = 'rejected'
     ORDER BY r.at DESC LIMIT :limit
    """
)


async def open_delivery_exceptions(tx: Tx, stamp: Stamp) -> int:
    """Bring the integration team's exceptions in line with the delivery tables; how many changed.

    Locks their open exceptions. Emits exception.opened, exception.resolved.
    """
    here = {"warehouse_id": stamp.warehouse_id}
    dead = [
        Found(
            subject=f"endpoint/{each.endpoint}/{each.cause}",
            screen=f"/office/endpoints/{each.endpoint}",
            facts={"endpoint": each.endpoint, "cause": each.cause, "count": each.dead,
                   "oldest_at": str(each.oldest_at or ""),
                   "events": [f"evt_{event.hex}" for event in each.events]},
        )
        for each in await rows(tx, DEAD, _Dead, **here)
    ]  # fmt: skip
    stopped = [
        Found(
            subject=f"endpoint/{each.endpoint}", screen=f"/office/endpoints/{each.endpoint}",
            facts={"endpoint": each.endpoint, "state": each.state, "cause": each.cause,
                   "contact": each.contact},
        )
        for each in await rows(tx, STOPPED, _Stopped, **here)
    ]  # fmt: skip
    failing = [
        Found(
            subject=f"endpoint/{each.endpoint}", screen=f"/office/endpoints/{each.endpoint}",
            facts={"endpoint": each.endpoint, "since": rfc3339(each.since), "stage": each.stage,
                   "contact": each.contact},
        )
        for each in await rows(tx, FAILING, _Failing, stages=FAILING_FOR, **here)
    ]  # fmt: skip
    rejected = [
        Found(
            subject=f"event/evt_{each.event_id.hex}/{each.source}", owner=each.owner,
            screen="/office/events",
            facts={"source": each.source, "type": each.type, "about": each.okey,
                   "code": each.code, "detail": each.detail},
        )
        for each in await rows(tx, REJECTED, _Rejected, limit=REJECTED_MAX, **here)
    ]  # fmt: skip
    changed = 0
    for code, troubles in (
        ("dead_letters", dead), ("endpoint_failing", failing), ("endpoint_stopped", stopped),
        ("receipt_rejected", rejected),
    ):  # fmt: skip
        changed += await _keep(tx, stamp, code, troubles)
    return changed


async def _keep(tx: Tx, stamp: Stamp, code: str, troubles: Sequence[Found]) -> int:
    cure = CODES[code].ends_when
    return await keep_true(tx, stamp, code, {each.subject: each for each in troubles}, cure)
