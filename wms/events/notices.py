"""What an endpoint's owner is told in time: that it fails, that a signing key of it ends.

Each stage is told once, whichever process looks and however often it starts anew: the row says when
its owner was last told, and a stage is due when that was before the stage began.
"""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.events.catalog import EndpointFailing, SecretExpiring
from wms.events.envelope import rfc3339
from wms.events.outbox import emit
from wms.events.outcomes import system_stamp

FAILING_FOR = [
    timedelta(minutes=15), timedelta(hours=1), timedelta(hours=24), timedelta(hours=72),
]  # fmt: skip
ENDS_IN = [timedelta(days=7), timedelta(days=1)]


class _Failing(msgspec.Struct):
    id: int
    code: str
    name: str
    cause: str
    since: datetime
    stage: int


class _Ending(msgspec.Struct):
    id: int
    code: str
    name: str
    kid: str
    alg: str
    expires_at: datetime
    live_keys: int


class _Heard(msgspec.Struct):
    warehouse_id: int
    behind: int


# Few rows. Of two processes the second finds `noticed_at` moved once it has the row.
TAKE_FAILING = text(
    """
    UPDATE endpoint e SET noticed_at = :at
      FROM (SELECT f.id, count(*)::int AS stage, max(f.failing_since + s.long) AS due_at
              FROM endpoint f, unnest(CAST(:stages AS interval[])) s (long)
             WHERE f.state = 'active' AND f.breaker = 'open' AND f.failing_since + s.long <= :at
             GROUP BY f.id) due
     WHERE e.id = due.id AND e.state = 'active' AND e.breaker = 'open'
       AND (e.noticed_at IS NULL OR e.noticed_at < due.due_at)
    RETURNING e.id, e.code, e.name, e.last_class AS cause, e.failing_since AS since, due.stage
    """
)

# As above. A key that is told late is told once: its last stage counts.
TAKE_ENDING = text(
    """
    UPDATE endpoint_secret k SET noticed_at = :at
      FROM (SELECT f.endpoint_id, f.kid, max(f.expires_at - s.long) AS due_at
              FROM endpoint_secret f, unnest(CAST(:stages AS interval[])) s (long)
             WHERE f.active_from <= :at AND f.expires_at > :at AND f.expires_at - s.long <= :at
             GROUP BY f.endpoint_id, f.kid) due, endpoint e
     WHERE k.endpoint_id = due.endpoint_id AND k.kid = due.kid AND e.id = k.endpoint_id
       AND (k.noticed_at IS NULL OR k.noticed_at < due.due_at)
    RETURNING e.id, e.code, e.name, k.kid, k.alg, k.expires_at,
              (SELECT count(*) FROM endpoint_secret o
                WHERE o.endpoint_id = k.endpoint_id
                  AND (o.expires_at IS NULL OR o.expires_at > k.expires_at)) AS live_keys
    """
)

# Primary keys of cursors and stream states.
HEARD = text(
    """
    SELECT w.id AS warehouse_id,
           greatest(coalesce(max(s.pos), 0) - coalesce(min(c.pos), 0), 0) AS behind
      FROM endpoint e
      JOIN warehouse w ON e.warehouses = '{}' OR w.code = ANY (e.warehouses)
      LEFT JOIN seal_state s ON s.warehouse_id = w.id
      LEFT JOIN delivery_cursor c ON c.warehouse_id = w.id AND c.endpoint_id = e.id
     WHERE e.id = :id GROUP BY w.id ORDER BY w.id
    """
)


async def tell_failing(tx: Tx, at: datetime, suspend: timedelta) -> int:
    """Tell of endpoints that fail without a break, in every warehouse they hear; how many.

    Locks those endpoints. Emits endpoint.failing.
    """
    found = await rows(tx, TAKE_FAILING, _Failing, at=at, stages=FAILING_FOR)
    for each in found:
        for heard in await rows(tx, HEARD, _Heard, id=each.id):
            told = EndpointFailing(
                endpoint_id=each.code, name=each.name, cause=each.cause, stage=each.stage,
                since=rfc3339(each.since), lag_events=heard.behind,
                minutes_failing=int((at - each.since).total_seconds() // 60),
                suspends_at=each.since + suspend,
            )  # fmt: skip
            stamp = system_stamp(heard.warehouse_id)
            await emit(tx, stamp, "endpoint.failing", f"endpoint/{each.code}", told)
    return len(found)


async def tell_ending(tx: Tx, at: datetime) -> int:
    """Tell of signing keys that end soon, in every warehouse their endpoint hears; how many.

    Locks those keys. Emits secret.expiring.
    """
    found = await rows(tx, TAKE_ENDING, _Ending, at=at, stages=ENDS_IN)
    for each in found:
        told = SecretExpiring(
            endpoint_id=each.code, name=each.name, kid=each.kid, alg=each.alg,
            expires_at=each.expires_at, live_keys=each.live_keys,
        )  # fmt: skip
        for heard in await rows(tx, HEARD, _Heard, id=each.id):
            stamp = system_stamp(heard.warehouse_id)
            await emit(tx, stamp, "secret.expiring", f"endpoint/{each.code}", told)
    return len(found)
