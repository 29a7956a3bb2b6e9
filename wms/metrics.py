"""What a monitoring system is told, read from the database: one short statement for each matter.

Every statement is bounded: it reads heads and open things, never history. Attempts are counted as
they are made, by id: rows up to the highest id of the look before, which have surely committed.
"""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows

COUNT_MAX = 10_000
LATENCY_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 10.0, 60.0, 600.0)  # upper bounds of the buckets


class Stream(msgspec.Struct, kw_only=True):
    """The event stream of one warehouse; the lag is the age of its oldest unsealed event."""

    warehouse: str
    pos: int
    lag_s: float


# outbox_pkey gives the oldest row after the sealed snapshot, and those of its open transactions.
STREAMS = text(
    """
    SELECT w.code AS warehouse, coalesce(s.pos, 0) AS pos,
           greatest(0, coalesce(extract(epoch FROM clock_timestamp() - least(
             (SELECT o.recorded_at FROM outbox o
               WHERE o.warehouse_id = w.id
                 AND o.xid >= pg_snapshot_xmax(CAST(coalesce(s.snap, '3:3:') AS pg_snapshot))
               ORDER BY o.xid, o.id LIMIT 1),
             (SELECT min(o.recorded_at)
                FROM pg_snapshot_xip(CAST(coalesce(s.snap, '3:3:') AS pg_snapshot)) x
                JOIN outbox o ON o.warehouse_id = w.id AND o.xid = x))), 0))::float8 AS lag_s
      FROM warehouse w LEFT JOIN seal_state s ON s.warehouse_id = w.id ORDER BY w.code
    """
)


class Line(msgspec.Struct, kw_only=True):
    """One endpoint in one warehouse."""

    warehouse: str
    endpoint: str
    state: str
    breaker: str
    behind: int
    behind_s: float
    oldest_s: float
    keys: int
    dead: int


# Cursors and heads by primary key, the next event by that of event_log, parked rows by
# parked_state_ix up to COUNT_MAX.
LINES = text(
    """
    SELECT w.code AS warehouse, e.code AS endpoint, e.state, e.breaker,
           greatest(coalesce(s.pos - c.pos, 0), 0) AS behind,
           coalesce(extract(epoch FROM now() - n.sealed_at), 0)::float8 AS behind_s,
           coalesce(extract(epoch FROM now() - least(n.sealed_at, p.since)), 0)::float8 AS oldest_s,
           p.keys, p.dead
      FROM endpoint e
      JOIN warehouse w ON e.warehouses = '{}' OR w.code = ANY (e.warehouses)
      LEFT JOIN seal_state s ON s.warehouse_id = w.id
      LEFT JOIN LATERAL (
        SELECT min(d.pos) AS pos FROM delivery_cursor d
         WHERE d.warehouse_id = w.id AND d.endpoint_id = e.id) c ON true
      LEFT JOIN LATERAL (
        SELECT l.sealed_at FROM event_log l
         WHERE l.warehouse_id = w.id AND l.pos = c.pos + 1 LIMIT 1) n ON true
      CROSS JOIN LATERAL (
        SELECT count(DISTINCT x.okey) AS keys, min(x.first_failed_at) AS since,
               count(*) FILTER (WHERE x.state = 'dead') AS dead
          FROM (SELECT k.okey, k.state, k.first_failed_at FROM parked k
                 WHERE k.warehouse_id = w.id AND k.endpoint_id = e.id LIMIT :most) x) p
     ORDER BY e.code, w.code
    """
)


class Trouble(msgspec.Struct, kw_only=True):
    """Open exceptions of one code."""

    code: str
    team: str
    severity: str
    count: int


# exception_open_ix.
TROUBLES = text(
    """
    SELECT code, team, severity, count(*) AS count
      FROM (SELECT code, team, severity FROM exception WHERE state = 'open' LIMIT :most) x
     GROUP BY code, team, severity
    """
)


class Counted(msgspec.Struct, kw_only=True):
    letters: int


LETTERS = text(
    """
    SELECT count(*) AS letters
      FROM (SELECT 1 FROM inbound_letter WHERE state = 'failed' LIMIT :most) x
    """
)


class Secret(msgspec.Struct, kw_only=True):
    """Days until the newest signing key of an endpoint ends; those that never end are left out."""

    endpoint: str
    days: float


SECRETS = text(
    """
    SELECT e.code AS endpoint,
           (extract(epoch FROM max(coalesce(s.expires_at, 'infinity')) - now()) / 86400)::float8
             AS days
      FROM endpoint e JOIN endpoint_secret s ON s.endpoint_id = e.id
     GROUP BY e.code HAVING max(coalesce(s.expires_at, 'infinity')) < 'infinity'
    """
)


class Now(msgspec.Struct, kw_only=True):
    """Everything a look at the database tells."""

    streams: list[Stream]
    lines: list[Line]
    troubles: list[Trouble]
    secrets: list[Secret]
    letters: int


async def read_now(tx: Tx) -> Now:
    """Streams, endpoints, open exceptions and keys as they are."""
    letters = await row(tx, LETTERS, Counted, most=COUNT_MAX)
    return Now(
        streams=await rows(tx, STREAMS, Stream),
        lines=await rows(tx, LINES, Line, most=COUNT_MAX),
        troubles=await rows(tx, TROUBLES, Trouble, most=COUNT_MAX),
        secrets=await rows(tx, SECRETS, Secret),
        letters=letters.letters if letters else 0,
    )


# ---- attempts, counted as they come --------------------------------------------------------------


class _Mark(msgspec.Struct):
    id: int


class Tally(msgspec.Struct, kw_only=True):
    """Attempts of one class since the last look; `bucket` counts delays from recorded to 2xx."""

    outcome: str
    bucket: int | None
    count: int
    seconds: float


# The head of the primary key of `attempt`, warehouse by warehouse.
MARK = text(
    """
    SELECT coalesce(max(m.id), 0) AS id
      FROM warehouse w
     CROSS JOIN LATERAL (SELECT a.id FROM attempt a WHERE a.warehouse_id = w.id
                          ORDER BY a.id DESC LIMIT 1) m
    """
)
# Primary keys of attempt and event_log; a range of ids made within one look.
TALLY = text(
    """
    SELECT outcome, bucket, count(*) AS count, coalesce(sum(delay), 0)::float8 AS seconds
      FROM (SELECT a.class AS outcome, d.delay,
                   width_bucket(d.delay, CAST(:bounds AS float8[])) AS bucket
              FROM warehouse w
              JOIN attempt a ON a.warehouse_id = w.id AND a.id > :after AND a.id <= :upto
              LEFT JOIN LATERAL (
                SELECT greatest(0, extract(epoch FROM a.at - l.recorded_at)::float8
                                   + a.total_ms / 1000.0) AS delay
                  FROM event_log l
                 WHERE a.class = 'ok' AND a.trigger IN ('live', 'retry')
                   AND l.warehouse_id = a.warehouse_id AND l.pos = a.pos LIMIT 1) d ON true) x
     GROUP BY outcome, bucket
    """
)


class Attempts:
    """Counts of this process's looks; they start at zero with it, as counters do."""

    def __init__(self) -> None:
        self.by_class: dict[str, int] = {}
        self.delays = [0] * (len(LATENCY_S) + 1)
        self.delay_sum = 0.0
        self._after: int | None = None
        self._upto = 0

    async def look(self, tx: Tx) -> None:
        """Take in what was made between the last look but one and the last."""
        mark = await row(tx, MARK, _Mark)
        head = mark.id if mark else 0
        if self._after is None:
            self._after = head
        elif self._upto > self._after:
            values = {"bounds": list(LATENCY_S), "after": self._after, "upto": self._upto}
            for tally in await rows(tx, TALLY, Tally, **values):
                known = self.by_class.get(tally.outcome, 0)
                self.by_class[tally.outcome] = known + tally.count
                if tally.bucket is not None:
                    self.delays[tally.bucket] += tally.count
                    self.delay_sum += tally.seconds
            self._after = self._upto
        self._upto = head
