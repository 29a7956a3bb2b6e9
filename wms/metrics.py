"""What a monitoring system is told, read from the database: one short statement for each matter.

Every statement is bounded: it reads heads and open things, never history. Attempts are counted as
they are made, by id: rows up to the highest id of the look before, which have surely committed.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import TextClause, text

from wms.db import Tx, row, rows
from wms.events.catalog import TYPES
from wms.events.subscription import expand_types

T = TypeVar("T")
COUNT_MAX = 10_000
SENT_MAX = 2_000
MILESTONE_S = (60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 86400.0)  # late carriers are slow
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
    """Open exceptions of one code, by how long they are known."""

    code: str
    team: str
    severity: str
    age: str
    count: int


# exception_open_ix.
TROUBLES = text(
    """
    SELECT code, team, severity, count(*) AS count,
           CASE WHEN opened_at > now() - interval '1 hour' THEN '1h'
                WHEN opened_at > now() - interval '1 day' THEN '1d'
                WHEN opened_at > now() - interval '7 days' THEN '7d' ELSE 'older' END AS age
      FROM (SELECT code, team, severity, opened_at FROM exception
             WHERE state = 'open' LIMIT :most) x
     GROUP BY code, team, severity, age
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


class Sent(msgspec.Struct, kw_only=True):
    """Documents of a partner in the last hour, and how many of them had come before in it."""

    source: str
    count: int
    again: int


# inbound_kept_at_ix from its newest end. Large bodies are let go of when they are done: not judged.
SENT = text(
    """
    SELECT x.sender AS source, count(*) AS count,
           count(*) - count(DISTINCT (x.method, x.target, md5(x.body))) AS again
      FROM warehouse w
     CROSS JOIN LATERAL (
       SELECT k.sender, k.method, k.target, k.body FROM inbound_kept k
        WHERE k.warehouse_id = w.id AND k.at > now() - interval '1 hour'
          AND k.original_id IS NULL AND (k.size = 0 OR k.body <> '')
        ORDER BY k.at DESC LIMIT :most) x
     GROUP BY x.sender
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


class Repair(msgspec.Struct, kw_only=True):
    """How long exceptions of a code were open, of those resolved in the last week."""

    code: str
    mean_s: float


# exception_ended_ix, the newest of each warehouse.
REPAIRS = text(
    """
    SELECT x.code, CAST(avg(extract(epoch FROM x.ended_at - x.opened_at)) AS float8) AS mean_s
      FROM warehouse w
     CROSS JOIN LATERAL (
       SELECT e.code, e.state, e.opened_at, e.ended_at FROM exception e
        WHERE e.warehouse_id = w.id AND e.state <> 'open' AND e.ended_at > now() - interval '7 days'
        ORDER BY e.ended_at DESC LIMIT :most) x
     WHERE x.state = 'resolved' GROUP BY x.code
    """
)


class Silent(msgspec.Struct, kw_only=True):
    """Shipments that left a day ago and more, of which a carrier has told nothing."""

    carrier: str
    count: int


# A walk through the loads, which are few; cartons by
# shipment_carton_load_ix, milestones by milestone_shipment_ix; at most :most shipments.
SILENT = text(
    """
    SELECT c.code AS carrier, count(*) FILTER (WHERE NOT EXISTS (
             SELECT 1 FROM milestone m WHERE m.warehouse_id = s.warehouse_id
                AND m.order_id = s.order_id AND m.load_id = s.load_id)) AS count
      FROM (SELECT DISTINCT x.warehouse_id, x.order_id, x.load_id, x.carrier_id
              FROM load d
              JOIN shipment_carton x ON x.warehouse_id = d.warehouse_id AND x.load_id = d.id
             WHERE d.state = 'departed'
               AND d.departed_at BETWEEN now() - interval '4 days' AND now() - interval '1 day'
             LIMIT :most) s
      JOIN carrier c ON c.id = s.carrier_id
     GROUP BY c.code
    """
)


class _Patterns(msgspec.Struct):
    types: list[str]


HEARD = text("SELECT types FROM endpoint WHERE state = 'active'")


class Now(msgspec.Struct, kw_only=True):
    """Everything a look at the database tells. `heard` is how many active endpoints hear a type."""

    streams: list[Stream]
    lines: list[Line]
    troubles: list[Trouble]
    secrets: list[Secret]
    letters: int
    repairs: list[Repair]
    silent: list[Silent]
    heard: dict[str, int]
    sent: list[Sent]


async def read_now(tx: Tx) -> Now:
    """Streams, endpoints, open exceptions and keys as they are."""
    letters = await row(tx, LETTERS, Counted, most=COUNT_MAX)
    return Now(
        streams=await rows(tx, STREAMS, Stream),
        lines=await rows(tx, LINES, Line, most=COUNT_MAX),
        troubles=await rows(tx, TROUBLES, Trouble, most=COUNT_MAX),
        secrets=await rows(tx, SECRETS, Secret),
        letters=letters.letters if letters else 0,
        repairs=await rows(tx, REPAIRS, Repair, most=COUNT_MAX),
        silent=await rows(tx, SILENT, Silent, most=COUNT_MAX),
        heard=count_heard([each.types for each in await rows(tx, HEARD, _Patterns)]),
        sent=await rows(tx, SENT, Sent, most=SENT_MAX),
    )


def count_heard(endpoints: list[list[str]]) -> dict[str, int]:
    """How many of these endpoints hear each type of the catalogue."""
    heard = dict.fromkeys(TYPES, 0)
    for patterns in endpoints:
        for name in expand_types(patterns) or TYPES:
            heard[name] += 1
    return heard


# ---- what is counted as it comes -----------------------------------------------------------------


class _Mark(msgspec.Struct):
    id: int


# The head of the primary key of a table, warehouse by warehouse.
MARK = """
    SELECT coalesce(max(m.id), 0) AS id
      FROM warehouse w
     CROSS JOIN LATERAL (SELECT x.id FROM {table} x WHERE x.warehouse_id = w.id
                          ORDER BY x.id DESC LIMIT 1) m
"""


class _New:
    """What was added to a table between the last look but one and the last."""

    def __init__(self, table: str) -> None:
        self._mark = text(MARK.format(table=table))
        self._after: int | None = None
        self._upto = 0

    async def rows(
        self, tx: Tx, statement: TextClause, kind: type[T], bounds: Sequence[float]
    ) -> list[T]:
        """Counts by `statement`, in buckets of these bounds; the first look finds nothing."""
        mark = await row(tx, self._mark, _Mark)
        head, found = mark.id if mark else 0, list[T]()
        if self._after is None:
            self._after = head
        elif self._upto > self._after:
            values = {"bounds": list(bounds), "after": self._after, "upto": self._upto}
            found = await rows(tx, statement, kind, **values)
            self._after = self._upto
        self._upto = head
        return found


# ---- attempts ------------------------------------------------------------------------------------


class Tally(msgspec.Struct, kw_only=True):
    """Attempts of one class since the last look; `bucket` counts delays from recorded to 2xx."""

    outcome: str
    bucket: int | None
    count: int
    seconds: float


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
        self._new = _New("attempt")

    async def look(self, tx: Tx) -> None:
        for tally in await self._new.rows(tx, TALLY, Tally, LATENCY_S):
            known = self.by_class.get(tally.outcome, 0)
            self.by_class[tally.outcome] = known + tally.count
            if tally.bucket is not None:
                self.delays[tally.bucket] += tally.count
                self.delay_sum += tally.seconds


# ---- milestones ----------------------------------------------------------------------------------


class Told(msgspec.Struct, kw_only=True):
    """Milestones of one carrier since the last look; `bucket` counts delays until we had them."""

    carrier: str
    bucket: int
    count: int
    seconds: float


# Primary key of milestone; carriers that nobody keeps are one.
MILESTONES = text(
    """
    SELECT carrier, bucket, count(*) AS count, coalesce(sum(delay), 0)::float8 AS seconds
      FROM (SELECT coalesce(c.code, 'other') AS carrier, d.delay,
                   width_bucket(d.delay, CAST(:bounds AS float8[])) AS bucket
              FROM warehouse w
              JOIN milestone m ON m.warehouse_id = w.id AND m.id > :after AND m.id <= :upto
              LEFT JOIN carrier c ON c.code = m.carrier
             CROSS JOIN LATERAL (
               SELECT greatest(0, extract(epoch FROM m.received_at - m.occurred_at))::float8
                        AS delay) d) x
     GROUP BY carrier, bucket
    """
)


class Milestones:
    """Counts of this process's looks, by carrier: buckets, then the sum of seconds."""

    def __init__(self) -> None:
        self.by_carrier: dict[str, list[float]] = {}
        self._new = _New("milestone")

    async def look(self, tx: Tx) -> None:
        for told in await self._new.rows(tx, MILESTONES, Told, MILESTONE_S):
            found = self.by_carrier.setdefault(told.carrier, [0.0] * (len(MILESTONE_S) + 2))
            found[told.bucket] += told.count
            found[-1] += told.seconds
