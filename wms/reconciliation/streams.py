"""The event log in counts and hashes, so that a consumer finds out what it lost.

A range's hash is SHA-256 over the 16 bytes of each event id, in position order. Who holds the same
events in the same places computes the same hash; who does not, compares parts of the range.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import Refused
from wms.events.envelope import public_id, read_id
from wms.exceptions import life
from wms.stamp import Stamp

SPAN_MAX = 2_000_000  # positions of one request
PARTS_MAX = 1_000
IDS_MAX = 20_000  # ids of one request, given or answered
GROUPS_MAX = 10_000

Pos = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
EventId = Annotated[str, msgspec.Meta(max_length=36)]


class RangeTooWide(Refused):
    say = "{span} positions in one request; at most {most}. Ask for a part."


class Head(msgspec.Struct):
    """The first position that is kept and the last that is sealed."""

    first_pos: int
    head_pos: int


class Part(msgspec.Struct, kw_only=True):
    """What the log holds of a range, an hour or a type. Positions are 0 where it holds nothing."""

    key: str  # the range, the hour (UTC, of `recordedtime`) or the type
    count: int
    first_pos: int
    last_pos: int
    hash: str


class Range(msgspec.Struct, kw_only=True):
    """What a consumer holds from `from_pos` to `to_pos`: count and hash, or the ids themselves."""

    from_pos: Pos
    to_pos: Pos
    count: Count | None = None
    hash: Annotated[str, msgspec.Meta(max_length=64)] = ""
    ids: Annotated[list[EventId], msgspec.Meta(max_length=IDS_MAX)] | None = None


class Missing(msgspec.Struct):
    """An event of the log that the consumer does not hold."""

    id: str
    pos: int


class Differing(msgspec.Struct, kw_only=True):
    """A range that differs, as the log has it. With ids given: exactly which events."""

    from_pos: int
    to_pos: int
    count: int
    hash: str
    missing: list[Missing] = msgspec.field(default_factory=list)
    unknown: list[str] = msgspec.field(default_factory=list)  # held, and not in this range


class _Event(msgspec.Struct):
    n: int
    pos: int
    event_id: UUID


HEAD = text("SELECT first_pos, pos AS head_pos FROM seal_state WHERE warehouse_id = :warehouse_id")
_HASH = "encode(sha256(coalesce(string_agg(uuid_send(e.event_id), ''::bytea ORDER BY e.pos), '')), 'hex')"  # noqa: E501
_MINE = "(CAST(:owners AS text[]) IS NULL OR e.owner = ANY (CAST(:owners AS text[])))"
# Primary key of event_log for each range; SPAN_MAX bounds them all together.
RANGES = text(
    f"""
    SELECT r.from_pos || '-' || r.to_pos AS key, count(e.pos) AS count,
           coalesce(min(e.pos), 0) AS first_pos, coalesce(max(e.pos), 0) AS last_pos,
           {_HASH} AS hash
      FROM unnest(CAST(:starts AS bigint[]), CAST(:ends AS bigint[]))
           WITH ORDINALITY r (from_pos, to_pos, n)
      LEFT JOIN LATERAL (
        SELECT e.pos, e.event_id FROM event_log e
         WHERE e.warehouse_id = :warehouse_id AND e.pos BETWEEN r.from_pos AND r.to_pos AND {_MINE}
         ORDER BY e.pos) e ON true
     GROUP BY r.n, r.from_pos, r.to_pos ORDER BY r.n
    """
)
_GROUPS = f"""
    SELECT %s AS key, count(*) AS count, min(e.pos) AS first_pos, max(e.pos) AS last_pos,
           {_HASH} AS hash
      FROM event_log e
     WHERE e.warehouse_id = :warehouse_id AND e.pos BETWEEN :from_pos AND :to_pos AND {_MINE}
     GROUP BY 1 ORDER BY 1 LIMIT {GROUPS_MAX}
"""
HOURS = text(
    _GROUPS % """to_char(e.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:00:00"Z"')"""
)
TYPES = text(_GROUPS % "e.type")
EVENTS = text(
    f"""
    SELECT r.n - 1 AS n, e.pos, e.event_id
      FROM unnest(CAST(:starts AS bigint[]), CAST(:ends AS bigint[]))
           WITH ORDINALITY r (from_pos, to_pos, n)
      JOIN event_log e ON e.warehouse_id = :warehouse_id
       AND e.pos BETWEEN r.from_pos AND r.to_pos AND {_MINE}
     ORDER BY r.n, e.pos
    """
)


async def get_head(tx: Tx, stamp: Stamp) -> Head:
    found = await row(tx, HEAD, Head, warehouse_id=stamp.warehouse_id)
    return found or Head(1, 0)


async def summarize(
    tx: Tx, stamp: Stamp, from_pos: int, to_pos: int, by: str, parts: int, owners: list[str] | None
) -> list[Part]:
    """The log of a range in `parts` equal ranges, by hour, or by type. Raises RangeTooWide."""
    check_span(to_pos - from_pos + 1)
    here = {"warehouse_id": stamp.warehouse_id, "owners": owners}
    if by != "range":
        statement = HOURS if by == "hour" else TYPES
        return await rows(tx, statement, Part, from_pos=from_pos, to_pos=to_pos, **here)
    cuts = cut(from_pos, to_pos, parts)
    starts, ends = [a for a, _ in cuts], [b for _, b in cuts]
    return await rows(tx, RANGES, Part, starts=starts, ends=ends, **here)


async def compare(
    tx: Tx, stamp: Stamp, ranges: Sequence[Range], owners: list[str] | None
) -> list[Differing]:
    """The ranges in which a consumer holds something else than the log. Raises RangeTooWide.

    A range without hash and ids is compared by its count.
    """
    check_span(sum(max(0, each.to_pos - each.from_pos + 1) for each in ranges))
    check_span(
        sum(max(0, each.to_pos - each.from_pos + 1) for each in ranges if each.ids is not None),
        IDS_MAX,
    )
    here = {"warehouse_id": stamp.warehouse_id, "owners": owners}
    starts, ends = [each.from_pos for each in ranges], [each.to_pos for each in ranges]
    known = await rows(tx, RANGES, Part, starts=starts, ends=ends, **here)
    named = [each for each in ranges if each.ids is not None]
    events: dict[tuple[int, int], list[_Event]] = {}
    if named:
        starts, ends = [each.from_pos for each in named], [each.to_pos for each in named]
        for event in await rows(tx, EVENTS, _Event, starts=starts, ends=ends, **here):
            each = named[event.n]
            events.setdefault((each.from_pos, each.to_pos), []).append(event)
    differing = []
    for held, part in zip(ranges, known, strict=True):
        found = Differing(
            from_pos=held.from_pos, to_pos=held.to_pos, count=part.count, hash=part.hash
        )
        if held.ids is not None:
            _name(found, held.ids, events.get((held.from_pos, held.to_pos), []))
            if found.missing or found.unknown:
                differing.append(found)
        elif (held.hash and held.hash.lower() != part.hash) or held.count not in (None, part.count):
            differing.append(found)
    return differing


def _name(found: Differing, ids: Sequence[str], events: Sequence[_Event]) -> None:
    """Raises BadEventId."""
    held = {read_id(id) for id in ids}
    there = {event.event_id for event in events}
    found.missing = [
        Missing(public_id(event.event_id), event.pos)
        for event in events if event.event_id not in held
    ]  # fmt: skip
    found.unknown = sorted(public_id(id) for id in held - there)


def cut(from_pos: int, to_pos: int, parts: int) -> list[tuple[int, int]]:
    """A range in at most `parts` ranges of equal length (the last may be shorter)."""
    length = to_pos - from_pos + 1
    if length <= 0:
        return []
    step = -(-length // max(1, parts))
    return [(a, min(a + step - 1, to_pos)) for a in range(from_pos, to_pos + 1, step)]


def check_span(span: int, most: int = SPAN_MAX) -> None:
    """Raises RangeTooWide."""
    if span > most:
        raise RangeTooWide(span=span, most=most)


class _Gap(msgspec.Struct):
    from_pos: int
    to_pos: int
    opened_at: datetime


GAP = text(
    """
    SELECT CAST(facts ->> 'from_pos' AS bigint) AS from_pos,
           CAST(facts ->> 'to_pos' AS bigint) AS to_pos, opened_at
      FROM exception
     WHERE warehouse_id = :warehouse_id AND code = 'stream_gap' AND subject = :subject
       AND state = 'open'
    """
)


async def note_compared(
    tx: Tx, stamp: Stamp, consumer: str, ranges: Sequence[Range], differing: Sequence[Differing],
    head: Head,
) -> None:  # fmt: skip
    """A consumer that differs is an exception until it compares the same range and is equal.

    The gap is what of it the log holds: what was let go, or has not come yet, nobody can compare.
    Looking closer at a known gap is no news. Emits exception.opened, exception.resolved.
    """
    subject = f"consumer/{consumer}"
    gap = await row(tx, GAP, _Gap, warehouse_id=stamp.warehouse_id, subject=subject)
    spans = [
        (max(each.from_pos, head.first_pos), min(each.to_pos, head.head_pos)) for each in differing
    ]
    spans = [(low, high) for low, high in spans if low <= high]
    if spans:
        low, high = min(low for low, _ in spans), max(high for _, high in spans)
        if gap is None or low < gap.from_pos or high > gap.to_pos:
            facts = {"from_pos": min(low, gap.from_pos) if gap else low,
                     "to_pos": max(high, gap.to_pos) if gap else high}  # fmt: skip
            await life.open_exception(
                tx, stamp, "stream_gap", subject, facts, screen="/office/reconciliation"
            )
    elif gap is not None and _cover(ranges, max(gap.from_pos, head.first_pos), gap.to_pos):
        cure = "The consumer compared the range again and holds the same."
        await life.resolve_cured(tx, stamp, "stream_gap", subject, cure)


def _cover(ranges: Sequence[Range], from_pos: int, to_pos: int) -> bool:
    """Whether the ranges, told with hash or ids, leave no position of the gap out."""
    at = from_pos
    for each in sorted(ranges, key=lambda each: each.from_pos):
        if (each.hash or each.ids is not None) and each.from_pos <= at <= each.to_pos:
            at = each.to_pos + 1
    return at > to_pos
