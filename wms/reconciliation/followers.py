"""Who follows the event log, by webhook or by pulling, and how far each is."""

from datetime import datetime

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.stamp import Stamp


class Follower(msgspec.Struct, kw_only=True):
    """An endpoint or a pulling consumer: events behind, and since when; `gap` if its comparison
    found a difference that is not settled."""

    kind: str
    name: str
    state: str
    pos: int
    behind: int
    oldest_at: datetime | None
    dead: int
    gap: bool


# Cursors by primary key; the oldest unread event by the log's primary key.
FOLLOWERS = text(
    """
    WITH head AS (SELECT pos FROM seal_state WHERE warehouse_id = :warehouse_id),
    who AS (
      SELECT 'webhook' AS kind, e.code AS name, e.state, min(c.pos) AS pos, e.created_by AS client,
             (SELECT count(*) FROM parked p
               WHERE p.warehouse_id = :warehouse_id AND p.endpoint_id = e.id
                 AND p.state = 'dead') AS dead
        FROM delivery_cursor c JOIN endpoint e ON e.id = c.endpoint_id
       WHERE c.warehouse_id = :warehouse_id
       GROUP BY e.id
       UNION ALL
      SELECT 'pull', concat_ws('/', nullif(client, ''), name),
             CASE WHEN suspended_at IS NULL THEN 'active' ELSE 'suspended' END, pos,
             'partner:' || client, 0
        FROM event_consumer WHERE warehouse_id = :warehouse_id
    )
    SELECT w.kind, w.name, w.state, w.pos, greatest(head.pos - w.pos, 0) AS behind,
           (SELECT e.sealed_at FROM event_log e
             WHERE e.warehouse_id = :warehouse_id AND e.pos = w.pos + 1) AS oldest_at, w.dead,
           EXISTS (SELECT 1 FROM exception x
                    WHERE x.warehouse_id = :warehouse_id AND x.code = 'stream_gap'
                      AND x.state = 'open'
                      AND x.subject = 'consumer/' || replace(w.client, 'partner:', '')) AS gap
      FROM who w, head ORDER BY behind DESC, w.name LIMIT 100
    """
)


async def list_followers(tx: Tx, stamp: Stamp) -> list[Follower]:
    """The one furthest behind first."""
    return await rows(tx, FOLLOWERS, Follower, warehouse_id=stamp.warehouse_id)
