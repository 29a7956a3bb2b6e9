"""How well an endpoint is: its lag per warehouse, what is stuck, how its last attempts went.

Bounded: attempts are judged by the newest SAMPLE of each warehouse in the last day.
"""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.events import receipts
from wms.events.queries import EndpointView, list_sites

SAMPLE = 20_000
DAY = timedelta(days=1)


class Rate(msgspec.Struct, kw_only=True):
    """Attempts of a stretch of time; `success` is a share of 0 to 1, or null when there was none
    or when the endpoint logs its failures only."""

    attempts: int
    ok: int
    success: float | None


class SiteHealth(msgspec.Struct, kw_only=True):
    """One warehouse's stream to this endpoint. `due` and `waiting` are parked deliveries that will
    be tried, `keys` the ordering keys they hold up, `dead` those that will not."""

    warehouse: str
    head_pos: int
    pos: int
    lag_events: int
    lag_s: float
    oldest_unsent_at: datetime | None
    due: int
    waiting: int
    keys: int
    oldest_parked_at: datetime | None
    dead: int
    discarded: int


class EndpointHealth(msgspec.Struct, kw_only=True):
    """`verdicts` are receipts of the last day; `noticed_at` is when the owner was last told that
    it fails."""

    endpoint: str
    state: str
    breaker: str
    breaker_until: datetime | None
    failing_since: datetime | None
    noticed_at: datetime | None
    last_class: str
    last_ok_at: datetime | None
    last_5m: Rate
    last_1h: Rate
    last_24h: Rate
    p50_ms: float | None
    p95_ms: float | None
    verdicts: dict[str, int]
    sites: list[SiteHealth]


class _Tally(msgspec.Struct, kw_only=True):
    last_ok_at: datetime | None
    p50_ms: float | None
    p95_ms: float | None
    n_5m: int
    ok_5m: int
    n_1h: int
    ok_1h: int
    n_24h: int
    ok_24h: int


# attempt_endpoint_ix, newest first; `at` cuts the partitions.
TALLY = text(
    """
    WITH newest AS MATERIALIZED (
      SELECT a.at, a.class, a.total_ms
        FROM unnest(CAST(:warehouses AS int[])) w (id)
       CROSS JOIN LATERAL (
         SELECT t.at, t.class, t.total_ms FROM attempt t
          WHERE t.warehouse_id = w.id AND t.endpoint_id = :endpoint_id
            AND t.at > CAST(:at AS timestamptz) - interval '24 hours' AND t.pos > 0
          ORDER BY t.at DESC LIMIT :sample) a)
    SELECT max(at) FILTER (WHERE class = 'ok') AS last_ok_at,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY total_ms) AS p50_ms,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY total_ms) AS p95_ms,
           count(*) FILTER (WHERE at > CAST(:at AS timestamptz) - interval '5 minutes') AS n_5m,
           count(*) FILTER (WHERE at > CAST(:at AS timestamptz) - interval '5 minutes'
                              AND class = 'ok') AS ok_5m,
           count(*) FILTER (WHERE at > CAST(:at AS timestamptz) - interval '1 hour') AS n_1h,
           count(*) FILTER (WHERE at > CAST(:at AS timestamptz) - interval '1 hour'
                              AND class = 'ok') AS ok_1h,
           count(*) AS n_24h, count(*) FILTER (WHERE class = 'ok') AS ok_24h
      FROM newest
    """
)

# Primary keys of cursors and states; the first event after the cursor by event_log_pkey; parked
# and discarded rows of one endpoint by their primary keys.
SITES = text(
    """
    SELECT w.code AS warehouse, s.pos AS head_pos, c.pos, s.pos - c.pos AS lag_events,
           coalesce(extract(epoch FROM CAST(:at AS timestamptz) - next.sealed_at), 0)::float8
             AS lag_s,
           next.sealed_at AS oldest_unsent_at, p.due, p.waiting, p.keys, p.oldest_parked_at,
           p.dead,
           (SELECT count(*) FROM delivery_discarded d
             WHERE d.warehouse_id = c.warehouse_id AND d.endpoint_id = :endpoint_id) AS discarded
      FROM (SELECT warehouse_id, min(pos) AS pos FROM delivery_cursor
             WHERE warehouse_id = ANY (CAST(:warehouses AS int[])) AND endpoint_id = :endpoint_id
             GROUP BY warehouse_id) c
      JOIN warehouse w ON w.id = c.warehouse_id
      JOIN seal_state s ON s.warehouse_id = c.warehouse_id
      LEFT JOIN LATERAL (
        SELECT e.sealed_at FROM event_log e
         WHERE e.warehouse_id = c.warehouse_id AND e.pos > c.pos ORDER BY e.pos LIMIT 1) next
        ON true
     CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE state IN ('due', 'inflight')) AS due,
               count(*) FILTER (WHERE state = 'waiting') AS waiting,
               count(DISTINCT okey) FILTER (WHERE state <> 'dead') AS keys,
               min(first_failed_at) FILTER (WHERE state <> 'dead') AS oldest_parked_at,
               count(*) FILTER (WHERE state = 'dead') AS dead
          FROM parked WHERE warehouse_id = c.warehouse_id AND endpoint_id = :endpoint_id) p
     ORDER BY w.code
    """
)


async def read_health(tx: Tx, view: EndpointView, at: datetime) -> EndpointHealth:
    """The health of one endpoint over all warehouses it hears."""
    warehouses = list(await list_sites(tx))
    values = {"endpoint_id": view.id, "warehouses": warehouses, "at": at}
    tally = await row(tx, TALLY, _Tally, **values, sample=SAMPLE)
    assert tally is not None, "an aggregate answers one row"
    blind = view.log_attempts != "all"
    return EndpointHealth(
        endpoint=view.code, state=view.state, breaker=view.breaker,
        breaker_until=view.breaker_until, failing_since=view.failing_since,
        noticed_at=view.noticed_at, last_class=view.last_class, last_ok_at=tally.last_ok_at,
        last_5m=_rate(tally.n_5m, tally.ok_5m, blind),
        last_1h=_rate(tally.n_1h, tally.ok_1h, blind),
        last_24h=_rate(tally.n_24h, tally.ok_24h, blind),
        p50_ms=tally.p50_ms, p95_ms=tally.p95_ms,
        verdicts=await receipts.count_verdicts(
            tx, warehouses, f"endpoint/{view.code}", at - DAY
        ),
        sites=await rows(tx, SITES, SiteHealth, **values),
    )  # fmt: skip


def _rate(n: int, ok: int, blind: bool) -> Rate:
    return Rate(attempts=n, ok=ok, success=None if blind or not n else ok / n)
