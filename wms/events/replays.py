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
from wms.errors import Conflict, Invalid
from wms.events.envelope import LogRow
from wms.events.parking import Place
from wms.events.queries import COLUMNS
from wms.events.subscription import Subscription, expand_types
from wms.events.tables import replay as table
from wms.events.window import Item, Window

CHOICES = ("all", "missing", "failed", "never")
CHUNK = 100


class BadSelector(Invalid):
    say = "{field} is wrong: {reason}"


class ReplayRunning(Conflict):
    say = "Replay {replay} to this endpoint is still running."


class Selector(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Which events. `only` is all, missing (never answered with success), failed (tried and never
    answered with success) or never (not tried at all)."""

    ids: list[UUID] | None = None
    okey: str | None = None
    types: list[str] | None = None
    owner: str | None = None
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


# Parts that are absent do not narrow. event_log by primary key, or by event id when ids are named;
# attempts by attempt_event_ix.
WHERE = """
       e.warehouse_id = :warehouse_id AND e.pos > :after AND e.pos <= :to_pos
   AND (CAST(:ids AS uuid[]) IS NULL OR e.event_id = ANY (CAST(:ids AS uuid[])))
   AND (CAST(:okey AS text) IS NULL OR e.okey = :okey)
   AND (CAST(:types AS text[]) IS NULL OR e.type = ANY (CAST(:types AS text[])))
   AND (CAST(:owner AS text) IS NULL OR e.owner = :owner)
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
    SELECT id, selector, pos, to_pos, done FROM replay
     WHERE warehouse_id = :warehouse_id AND endpoint_id = :endpoint_id AND state = 'running'
     ORDER BY id LIMIT 1
    """
)
PROGRESS = text(
    """
    UPDATE replay SET pos = greatest(pos, :pos), done = done + :done,
           state = CASE WHEN :pos >= to_pos THEN 'done' ELSE state END,
           done_at = CASE WHEN :pos >= to_pos THEN now() END
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'running'
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
    types = expand_types(asked.types) if asked.types else None
    return {
        **msgspec.structs.asdict(asked),
        "warehouse_id": warehouse_id,
        "endpoint_id": endpoint_id,
        "types": types and sorted(types),
        "after": asked.from_pos - 1,
        "to_pos": to_pos,
    }


async def preview(tx: Tx, warehouse_id: int, endpoint_id: int, asked: Selector) -> Preview:
    """Count what a replay would send. Raises BadPattern and BadSelector."""
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


async def start(
    tx: Tx,
    warehouse_id: int,
    endpoint_id: int,
    asked: Selector,
    actor: str,
    reason: str,
    at: datetime,
) -> int:
    """Begin a replay; who asked for it and why is kept with it. Raises ReplayRunning."""
    place = {"warehouse_id": warehouse_id, "endpoint_id": endpoint_id}
    running = await row(tx, RUNNING, ReplayRow, **place)
    if running is not None:
        raise ReplayRunning(replay=running.id)
    found = await preview(tx, warehouse_id, endpoint_id, asked)
    return await insert(
        tx, table, warehouse_id=warehouse_id, endpoint_id=endpoint_id,
        selector=msgspec.to_builtins(asked), missing_only=asked.only != "all",
        from_pos=asked.from_pos, pos=asked.from_pos - 1, to_pos=found.to_pos, total=found.events,
        requested_by=actor, reason=reason, at=at,
        state="running" if found.events else "done",
    )  # fmt: skip


async def cancel(tx: Tx, warehouse_id: int, endpoint_id: int, id: int) -> bool:
    """Stop a replay where it is; False when it had ended."""
    values = {"warehouse_id": warehouse_id, "endpoint_id": endpoint_id, "id": id}
    return bool((await tx.execute(CANCEL, values)).rowcount)


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
        self._answered = 0
        self._written = 0

    async def feed(self, now: float, look_s: float) -> list[Item]:
        """Read on; answers events whose key is blocked, which must be parked as waiting."""
        if self.current is None and now < self.look_at:
            return []
        self.look_at = now + look_s
        async with self.db.reading() as tx:
            place = self.place.values()
            found = await row(tx, RUNNING, ReplayRow, **place)
            if found is None or self.current is None or found.id != self.current.id:
                self._begin(found)
            if found is None or len(self.window) >= CHUNK or self.window.read_pos >= found.to_pos:
                return []
            asked = msgspec.convert(found.selector, Selector)
            asked.from_pos = self.window.read_pos + 1
            values = _values(place["warehouse_id"], place["endpoint_id"], asked, found.to_pos)
            events = await rows(tx, READ, LogRow, **values, limit=CHUNK)
        self.window.read_pos = events[-1].pos if len(events) == CHUNK else found.to_pos
        wanted = [event for event in events if self.subscription.wants(event)]
        added = [self.window.add(event, event.okey, "replay") for event in wanted]
        return [item for item in added if item is not None]

    def _begin(self, found: ReplayRow | None) -> None:
        """Another replay than before, or none: what was read and not sent is dropped."""
        self.current = found
        start = found.pos if found else 0
        self.window = Window({0: start}, 1, beside=self.live)
        self._written, self._answered = start, 0

    def answered(self) -> None:
        self._answered += 1

    @property
    def is_due(self) -> bool:
        return self.current is not None and self.window.cursors()[0] > self._written

    async def save(self, tx: Tx) -> None:
        """Write how far it is."""
        if self.current is not None and self.is_due:
            values = {
                "warehouse_id": self.place.warehouse_id,
                "id": self.current.id,
                "pos": self.window.cursors()[0],
                "done": self._answered,
            }
            await tx.execute(PROGRESS, values)
            self._written, self._answered = values["pos"], 0
