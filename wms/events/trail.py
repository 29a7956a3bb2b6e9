"""The trail of a piece of work: every event of some ordering keys or of one correlation, in order.

The log is read by its indexes only; what is not sealed yet has no place in a trail.
"""

from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.events.envelope import LogRow
from wms.events.queries import COLUMNS

TRAIL_MAX = 500


class Step(LogRow, kw_only=True):
    """An event with who and what is behind it: the person's name, and the device of the act."""

    name: str = ""
    device: str = ""


# event_log_okey_ix and event_log_correlation_ix; the act's device by the key of the scan, which is
# the event's cause; people by code.
TRAIL = text(
    f"""
    SELECT e.*, coalesce(u.name, '') AS name, coalesce(s.device, '') AS device
      FROM (
        SELECT {COLUMNS} FROM event_log
         WHERE warehouse_id = :warehouse_id AND okey = ANY (CAST(:keys AS text[]))
        UNION
        SELECT {COLUMNS} FROM event_log
         WHERE warehouse_id = :warehouse_id AND correlation_id <> ''
           AND correlation_id = ANY (CAST(:correlations AS text[]))
         ORDER BY pos LIMIT :limit) e
      LEFT JOIN app_user u ON e.actor LIKE 'user:%' AND u.code = substr(e.actor, 6)
      LEFT JOIN scan s ON s.warehouse_id = :warehouse_id
       AND e.causation_id ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'
       AND s.key = CASE WHEN e.causation_id ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'
                        THEN CAST(e.causation_id AS uuid) END
     ORDER BY e.pos
    """
)


async def list_trail(
    tx: Tx, warehouse_id: int, keys: list[str], correlations: list[str], limit: int = TRAIL_MAX
) -> list[Step]:
    """Events of these ordering keys and of these correlations, in the order of the log."""
    values = {
        "warehouse_id": warehouse_id, "keys": keys, "correlations": correlations, "limit": limit,
    }  # fmt: skip
    return await rows(tx, TRAIL, Step, **values)


class _Found(msgspec.Struct):
    okey: str
    correlation_id: str


FIND = text(
    """
    SELECT okey, correlation_id FROM event_log
     WHERE warehouse_id = :warehouse_id AND event_id = :event_id
    """
)


async def find_thread(tx: Tx, warehouse_id: int, event_id: UUID) -> tuple[str, str] | None:
    """The ordering key and correlation of an event, or None."""
    found = await row(tx, FIND, _Found, warehouse_id=warehouse_id, event_id=event_id)
    return None if found is None else (found.okey, found.correlation_id)


class Heard(msgspec.Struct, kw_only=True):
    """What one endpoint made of an event: its last attempt, where it is parked, its receipt."""

    endpoint: str
    name: str
    state: str
    passed: bool
    tries: int
    last_class: str
    last_status: int
    parked: str
    verdict: str
    code: str
    detail: str


# attempt_event_ix and the primary keys of cursor, parked and receipt.
HEARD = text(
    """
    SELECT p.code AS endpoint, p.name, p.state,
           coalesce((SELECT c.pos >= :pos FROM delivery_cursor c
                      WHERE c.warehouse_id = w.id AND c.endpoint_id = p.id
                        AND c.lane = CAST(:lane AS int) & (p.lanes - 1)), false) AS passed,
           coalesce(a.tries, 0) AS tries, coalesce(a.class, '') AS last_class,
           coalesce(a.status, 0) AS last_status,
           coalesce(k.state, '') AS parked, coalesce(r.verdict, '') AS verdict,
           coalesce(r.code, '') AS code, coalesce(r.detail, '') AS detail
      FROM warehouse w
      JOIN endpoint p ON p.warehouses = '{}' OR w.code = ANY (p.warehouses)
      LEFT JOIN LATERAL (
        SELECT count(*) AS tries, (array_agg(t.class ORDER BY t.at DESC))[1] AS class,
               (array_agg(t.status ORDER BY t.at DESC))[1] AS status
          FROM attempt t
         WHERE t.warehouse_id = w.id AND t.event_id = :event_id AND t.endpoint_id = p.id) a ON true
      LEFT JOIN LATERAL (
        SELECT q.state FROM parked q WHERE q.warehouse_id = w.id AND q.endpoint_id = p.id
           AND q.event_id = :event_id AND q.pos = :pos LIMIT 1) k ON true
      LEFT JOIN event_receipt r ON r.warehouse_id = w.id AND r.source = 'endpoint/' || p.code
       AND r.event_id = :event_id
     WHERE w.id = :warehouse_id ORDER BY p.code
    """
)


async def list_heard(tx: Tx, warehouse_id: int, event: LogRow) -> list[Heard]:
    """How the event fared at every endpoint of the warehouse."""
    values = {
        "warehouse_id": warehouse_id, "event_id": event.event_id, "pos": event.pos,
        "lane": event.lane,
    }  # fmt: skip
    return await rows(tx, HEARD, Heard, **values)
