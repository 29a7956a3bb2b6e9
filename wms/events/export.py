"""The log as files: one day as NDJSON that can be verified, and the blocks that vouch for it.

Every position of the day has a line with its leaf hash; the event itself stands in it when the
reader may see it. So a reader of some owners can still prove that nothing is missing or changed.
Read page by page: what a day needs in memory does not grow with the day.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, time, timedelta

import msgspec
from sqlalchemy import text

from wms.db import Db, Tx, row, rows
from wms.errors import NotFound
from wms.events.envelope import LogRow
from wms.events.queries import COLUMNS

PAGE = 500


class DayGone(NotFound):
    say = "Events of {day} are no longer kept."


class BlockView(msgspec.Struct, kw_only=True):
    """A block; hashes in hexadecimal. `hash` is SHA-256 over
    `warehouse:block_no:from_pos:to_pos:` in text, then the bytes of root and prev_hash."""

    block_no: int
    from_pos: int
    to_pos: int
    root: str
    prev_hash: str
    hash: str
    sealed_at: datetime


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One event of an export; without `event` when the reader may not see it."""

    pos: int
    leaf: str
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class BlockLine(msgspec.Struct):
    """A block that holds events of the day; at its ends it may reach into the days beside it."""

    block: BlockView


class End(msgspec.Struct, kw_only=True):
    """What the whole export held; a file without this line is cut off."""

    day: date
    from_pos: int
    to_pos: int
    events: int
    blocks: int


class EndLine(msgspec.Struct):
    """The last line."""

    end: End


class Span(msgspec.Struct, kw_only=True):
    """Where a day begins and ends: events after `after`, sealed before `until`; blocks after
    `after_block`."""

    after: int
    after_block: int
    head: int
    first: int
    since: datetime
    until: datetime


class _Leaf(LogRow, kw_only=True):
    leaf: str


BLOCK_COLUMNS = """block_no, from_pos, to_pos, encode(root, 'hex') AS root,
           encode(prev_hash, 'hex') AS prev_hash, encode(hash, 'hex') AS hash, sealed_at"""

# Primary key of seal_block.
BLOCKS = text(
    f"""
    SELECT {BLOCK_COLUMNS} FROM seal_block
     WHERE warehouse_id = :warehouse_id AND block_no > :after ORDER BY block_no LIMIT :limit
    """
)

# seal_block_at_ix: a block closed before the day holds only events from before it.
SPAN = text(
    """
    SELECT coalesce(b.to_pos, 0) AS after, coalesce(b.block_no, 0) AS after_block,
           s.pos AS head, s.first_pos AS first, CAST(:since AS timestamptz) AS since,
           CAST(:until AS timestamptz) AS until
      FROM seal_state s
      LEFT JOIN LATERAL (SELECT to_pos, block_no FROM seal_block b
                          WHERE b.warehouse_id = s.warehouse_id AND b.sealed_at < :since
                          ORDER BY b.sealed_at DESC LIMIT 1) b ON true
     WHERE s.warehouse_id = :warehouse_id
    """
)

# Primary key of event_log in order; partitions of other weeks are not touched.
PAGE_OF_DAY = text(
    f"""
    SELECT {COLUMNS}, encode(event_leaf(e), 'hex') AS leaf FROM event_log e
     WHERE e.warehouse_id = :warehouse_id AND e.pos > :after
       AND e.sealed_at >= :since AND e.sealed_at < :until
     ORDER BY e.pos LIMIT :limit
    """
)

# Primary key of seal_block, from the first block closed since the day began.
BLOCKS_OF = text(
    f"""
    SELECT {BLOCK_COLUMNS} FROM seal_block
     WHERE warehouse_id = :warehouse_id AND block_no > :after
       AND to_pos >= :from_pos AND from_pos <= :to_pos
     ORDER BY block_no LIMIT :limit
    """
)


async def list_blocks(tx: Tx, warehouse_id: int, after: int, limit: int) -> list[BlockView]:
    values = {"warehouse_id": warehouse_id, "after": after, "limit": limit}
    return await rows(tx, BLOCKS, BlockView, **values)


async def find_span(tx: Tx, warehouse_id: int, day: date) -> Span:
    """Where a day (UTC, by the time of sealing) lies in the log. Raises DayGone."""
    since = datetime.combine(day, time(), UTC)
    until = since + timedelta(days=1)
    values = {"warehouse_id": warehouse_id, "since": since, "until": until}
    found = await row(tx, SPAN, Span, **values)
    if found is None:
        return Span(after=0, after_block=0, head=0, first=1, since=since, until=until)
    if found.first > 1 and not await _is_kept(tx, warehouse_id, found):
        raise DayGone(day=day)
    return found


KEPT = text(
    """
    SELECT EXISTS (SELECT 1 FROM event_log e
                    WHERE e.warehouse_id = :warehouse_id AND e.pos = :first
                      AND e.sealed_at < :until)
    """
)


async def _is_kept(tx: Tx, warehouse_id: int, span: Span) -> bool:
    values = {"warehouse_id": warehouse_id, "first": span.first, "until": span.until}
    return span.first > span.head or (await tx.execute(KEPT, values)).scalar_one()


async def write_day(
    db: Db, warehouse_id: int, day: date, span: Span, show: Callable[[LogRow], bytes | None]
) -> AsyncIterator[bytes]:
    """The lines of a day, some at a time: its events in order, their blocks, the end."""
    place = {"warehouse_id": warehouse_id, "since": span.since, "until": span.until}
    after, first, events = span.after, 0, 0
    while True:
        async with db.reading() as tx:
            page = await rows(tx, PAGE_OF_DAY, _Leaf, **place, after=after, limit=PAGE)
        if page:
            first, after = first or page[0].pos, page[-1].pos
            events += len(page)
            yield b"".join(_line(each, show) for each in page)
        if len(page) < PAGE:
            break
    last, blocks, number = after if events else 0, 0, span.after_block
    while events:
        async with db.reading() as tx:
            found = await rows(
                tx, BLOCKS_OF, BlockView, warehouse_id=warehouse_id, after=number,
                from_pos=first, to_pos=last, limit=PAGE,
            )  # fmt: skip
        if found:
            number = found[-1].block_no
            blocks += len(found)
            yield b"".join(msgspec.json.encode(BlockLine(each)) + b"\n" for each in found)
        if len(found) < PAGE:
            break
    end = End(day=day, from_pos=first, to_pos=last, events=events, blocks=blocks)
    yield msgspec.json.encode(EndLine(end)) + b"\n"


def _line(row: _Leaf, show: Callable[[LogRow], bytes | None]) -> bytes:
    shown = show(row)
    line = Line(pos=row.pos, leaf=row.leaf)
    if shown is not None:
        line.event = msgspec.Raw(shown)
    return msgspec.json.encode(line) + b"\n"
