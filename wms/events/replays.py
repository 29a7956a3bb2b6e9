"""Sending a part of the log again to one endpoint: previewed, audited, beside the live stream.

A replay is one row with a position of its own. Its events keep their ids and their order per key,
and no key is under way twice. What fails in it is parked like anything else.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Db, Tx, insert, row, rows
from wms.errors import Conflict, Invalid, Refused
from wms.events.catalog import ReplayStarted
from wms.events.envelope import LogRow
from wms.events.outbox import emit
from wms.events.parking import Place
from wms.events.queries import COLUMNS
from wms.events.subscription import Subscription, expand_types
from wms.events.tables import replay as table
from wms.events.window import Item, Window
from wms.ids import uuid7
from wms.stamp import Stamp

CHOICES = ("all", "missing", "failed", "never")
CHUNK = 100
STARTS_PER_HOUR, RATE = 20, 100


class BadSelector(Invalid):
    say = "{field} is wrong: {reason}"


class ReplayRunning(Conflict):
    say = "Replay {replay} to this endpoint is still running."


class TooManyReplays(Refused):
    say = "At most {most} replays an hour to one endpoint."


class Selector(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Which events. `only` is all, missing (never answered with success), failed (tried and never
    answered with success) or never (not tried at all)."""

    ids: list[UUID] | None = None
    okey: str | None = None
    types: list[str] | None = None
    owner: str | None = None
    owners: list[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    from_pos: int = 1
    to_pos: int | None = None
    only: str = "all"


class Count(msgspec.Struct):
    """Events of one type in a preview."""

    type: str
    events: int
    bytes: int


class Preview(msgspec.Struct, kw_only=True):
    """What a replay would send. The endpoint's own filter narrows it further when it is sent."""

    events: int
    bytes: int
    from_pos: int
    to_pos: int
    types: list[Count]


class ReplayRow(msgspec.Struct, kw_only=True):
    """A replay under way."""

    id: int
    selector: dict[str, Any]
    pos: int
    to_pos: int
    done: int
    rate_per_s: int


# Parts that are absent do not narrow. event_log by primary key, or by event id when ids are named;
# attempts by attempt_event_ix.
WHERE = """
       e.warehouse_id = :warehouse_id AND e.pos > :after AND e.pos <= :to_pos
   AND (CAST(:ids AS uuid[]) IS NULL OR e.event_id = ANY (CAST(:ids AS uuid[])))
   AND (CAST(:okey AS text) IS NULL OR e.okey = :okey)
   AND (CAST(:types AS text[]) IS NULL OR e.type = ANY (CAST(:types AS text[])))
   AND (CAST(:owner AS text) IS NULL OR e.owner = :owner)
   AND (CAST(:owners AS text[]) IS NULL OR e.owner = ANY (CAST(:owners AS text[])))
   AND (CAST(:since AS timestamptz) IS NULL OR e.recorded_at >= :since)
   AND (CAST(:until AS timestamptz) IS NULL OR e.recorded_at < :until)
   AND (:only = 'all'
        OR (:only = 'missing' AND NOT {ok})
        OR (:only = 'failed' AND {any} AND NOT {ok})
        OR (:only = 'never' AND NOT {any}))
""".format(
    ok="EXISTS (SELECT 1 FROM attempt a WHERE a.warehouse_id = e.warehouse_id"
    " AND a.event_id = e.event_id AND a.endpoint_id = :endpoint_id AND a.class = 'ok')",
    any="EXISTS (SELECT 1 FROM attempt a WHERE a.warehouse_id = e.warehouse_id"
    " AND a.event_id = e.event_id AND a.endpoint_id = :endpoint_id)",
)
COUNT = text(
    f"""
    SELECT e.type, count(*) AS events, sum(octet_length(e.data))::bigint AS bytes
      FROM event_log e WHERE {WHERE} GROUP BY e.type ORDER BY e.type
    """
)
READ = text(f"SELECT {COLUMNS} FROM event_log e WHERE {WHERE} ORDER BY e.pos LIMIT :limit")
HEAD = text("SELECT pos FROM seal_state WHERE warehouse_id = :warehouse_id")
RUNNING = text(
    """
    SELECT id, selector, pos, to_pos, done, rate_per_s FROM replay
     WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id AND state = 'running'
     ORDER BY id LIMIT 1
    """
)
PROGRESS = text(
    """
    UPDATE replay SET pos = greatest(pos, :pos), done = done + :done,
           state = CASE WHEN state = 'running' AND :pos >= to_pos THEN 'done' ELSE state END,
           done_at = CASE WHEN state = 'running' AND :pos >= to_pos THEN now() ELSE done_at END
     WHERE warehouse_id = :warehouse_id AND id = :id AND state IN ('running', 'cancelled')
    """
)
CANCEL = text(
    """
    UPDATE replay SET state = 'cancelled', done_at = now()
     WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id AND id = :id
       AND state = 'running'
    """
)


def _values(warehouse_id: int, endpoint_id: int, asked: Selector, to_pos: int) -> dict[str, Any]:
    """Raises BadPattern and BadSelector."""
    if asked.only not in CHOICES:
        raise BadSelector(field="only", reason=f"one of {', '.join(CHOICES)}")
    types = None if asked.types is None else expand_types(asked.types)
    return {
        **msgspec.structs.asdict(asked),
        "warehouse_id": warehouse_id,
        "endpoint_id": endpoint_id,
        "types": None if types is None else sorted(types),
        "after": asked.from_pos - 1,
        "to_pos": to_pos,
    }


async def preview(tx: Tx, warehouse_id: int, endpoint_id: int, asked: Selector) -> Preview:
    """Count what a replay would send. Raises BadPattern and BadSelector."""
    if asked.only != "all" and (await tx.execute(LOGS, {"endpoint_id": endpoint_id})).scalar_one():
        raise BadSelector(field="only", reason="successes are not logged here; send all")
    head = (await tx.execute(HEAD, {"warehouse_id": warehouse_id})).scalar() or 0
    to_pos = min(head, asked.to_pos or head)
    values = _values(warehouse_id, endpoint_id, asked, to_pos)
    types = await rows(tx, COUNT, Count, **values)
    return Preview(
        events=sum(each.events for each in types),
        bytes=sum(each.bytes for each in types),
        from_pos=asked.from_pos,
        to_pos=to_pos,
        types=types,
    )


RECENT = text(
    """
    SELECT count(*) FROM replay
     WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id
       AND at > CAST(:at AS timestamptz) - interval '1 hour'
    """
)
LOGS = text("SELECT log_attempts <> 'all' FROM endpoint WHERE id = :endpoint_id")
CODE = text("SELECT code FROM endpoint WHERE id = :endpoint_id FOR NO KEY UPDATE")


async def start(
    tx: Tx,
    warehouse_id: int,
    endpoint_id: int,
    asked: Selector,
    actor: str,
    reason: str,
    at: datetime,
    *,
    mode: str = "same_id",
    rate_per_s: int = RATE,
) -> int:
    """Begin a replay; who asked for it and why is kept with it. `probe` sends the first event only.

    Locks: the endpoint. Emits replay.started. Raises ReplayRunning, TooManyReplays.
    """
    place = {"warehouse_id": warehouse_id, "endpoint_id": endpoint_id}
    code: str = (await tx.execute(CODE, {"endpoint_id": endpoint_id})).scalar_one()
    running = await row(tx, RUNNING, ReplayRow, **place)
    if running is not None:
        raise ReplayRunning(replay=running.id)
    if (await tx.execute(RECENT, {**place, "at": at})).scalar_one() >= STARTS_PER_HOUR:
        raise TooManyReplays(most=STARTS_PER_HOUR)
    found = await preview(tx, warehouse_id, endpoint_id, asked)
    events, to_pos = found.events, found.to_pos
    if mode == "probe" and events:
        first = await rows(
            tx, READ, LogRow, **_values(warehouse_id, endpoint_id, asked, to_pos), limit=1
        )
        events, to_pos = 1, first[0].pos
    id = await insert(
        tx, table, warehouse_id=warehouse_id, endpoint_id=endpoint_id,
        selector=msgspec.to_builtins(asked), missing_only=asked.only != "all",
        from_pos=asked.from_pos, pos=asked.from_pos - 1, to_pos=to_pos, total=events,
        requested_by=actor, reason=reason, at=at, mode=mode, rate_per_s=rate_per_s,
        state="running" if events else "done",
    )  # fmt: skip
    stamp = Stamp(warehouse_id=warehouse_id, at=at, key=uuid7(), actor=actor)
    told = ReplayStarted(
        endpoint_id=code, replay_id=str(id), events=events, from_pos=asked.from_pos,
        to_pos=to_pos, by=actor, reason=reason,
    )  # fmt: skip
    await emit(tx, stamp, "replay.started", f"endpoint/{code}", told)
    return id


def narrowed(asked: Selector, types: list[str], owners: list[str]) -> Selector:
    """What of it the endpoint may hear at all: its types (patterns) and owners (none means all).

    Raises BadPattern.
    """
    heard = expand_types(types)
    wanted = None if asked.types is None else expand_types(asked.types)
    if heard is not None:
        wanted = heard if wanted is None else wanted & heard
    chosen = asked.owners
    if owners:
        chosen = sorted(set(owners) if chosen is None else set(owners) & set(chosen))
    return msgspec.structs.replace(
        asked, types=None if wanted is None else sorted(wanted), owners=chosen
    )


async def cancel(tx: Tx, warehouse_id: int, endpoint_id: int, id: int) -> bool:
    """Stop a replay where it is; False when it had ended."""
    values = {"warehouse_id": warehouse_id, "endpoint_id": endpoint_id, "id": id}
    return bool((await tx.execute(CANCEL, values)).rowcount)


class Progress(msgspec.Struct, frozen=True):
    """How far a replay is: `done` more events were answered up to `pos`."""

    id: int
    pos: int
    done: int


class Replaying:
    """The replay of one delivery, if there is one; `window` shares its keys with the live one."""

    def __init__(self, db: Db, place: Place, live: Window, subscription: Subscription) -> None:
        self.db = db
        self.place = place
        self.live = live
        self.subscription = subscription
        self.current: ReplayRow | None = None
        self.window = Window({0: 0}, 1, beside=live)
        self.look_at = 0.0
        self._answered: list[int] = []  # positions that no written progress counts yet
        self._written = 0
        self._dropped = False
        self._tokens, self._tokens_at = 0.0, 0.0

    async def feed(self, now: float, look_s: float) -> list[Item]:
        """Read on; answers events whose key is blocked, which must be parked as waiting."""
        if self.current is None and now < self.look_at:
            return []
        self.look_at = now + look_s
        async with self.db.reading() as tx:
            place = self.place.values()
            found = await row(tx, RUNNING, ReplayRow, **place)
            if found is None or self.current is None or found.id != self.current.id:
                self._dropped = self.is_due
                if self._dropped:  # what was sent before it was cancelled is written first
                    return []
                self._begin(found)
            if found is None or len(self.window) >= CHUNK or self.window.read_pos >= found.to_pos:
                return []
            most = min(CHUNK, self._allowed(now, found.rate_per_s))
            if not most:
                return []
            asked = msgspec.convert(found.selector, Selector)
            asked.from_pos = self.window.read_pos + 1
            values = _values(place["warehouse_id"], place["endpoint_id"], asked, found.to_pos)
            events = await rows(tx, READ, LogRow, **values, limit=most)
        self._tokens -= len(events)
        self.window.read_pos = events[-1].pos if len(events) == most else found.to_pos
        wanted = [event for event in events if self.subscription.wants(event)]
        added = [self.window.add(event, event.okey, "replay") for event in wanted]
        return [item for item in added if item is not None]

    def _allowed(self, now: float, rate: int) -> int:
        """How many more this second: a bucket of one second."""
        grown = (now - self._tokens_at) * rate
        self._tokens, self._tokens_at = min(rate, self._tokens + grown), now
        return int(self._tokens)

    def _begin(self, found: ReplayRow | None) -> None:
        """Another replay than before, or none: what was read and not sent is dropped."""
        self.current = found
        start = found.pos if found else 0
        self.window = Window({0: start}, 1, beside=self.live)
        self._written, self._answered = start, []

    def answered(self, item: Item) -> None:
        if self.window.holds(item):  # not of one that was cancelled meanwhile
            self._answered.append(item.row.pos)

    @property
    def is_due(self) -> bool:
        return self.current is not None and self.window.cursors()[0] > self._written

    @property
    def has_ended(self) -> bool:
        """True when the last of it waits to be written."""
        if self.current is None or not self.is_due:
            return False
        return self._dropped or self.window.cursors()[0] >= self.current.to_pos

    def progress(self) -> Progress | None:
        """What is new, as it is at this moment; what is parked up to there must come with it."""
        if self.current is None or not self.is_due:
            return None
        pos = self.window.cursors()[0]
        return Progress(self.current.id, pos, sum(each <= pos for each in self._answered))

    async def save(self, tx: Tx, progress: Progress) -> None:
        values = {"warehouse_id": self.place.warehouse_id, **msgspec.structs.asdict(progress)}
        await tx.execute(PROGRESS, values)

    def saved(self, progress: Progress) -> None:
        """What `save` wrote has committed."""
        self._written = progress.pos
        self._answered = [each for each in self._answered if each > progress.pos]
