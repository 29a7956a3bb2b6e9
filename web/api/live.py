"""The log as it grows, and the log as a file.

Below /v1/warehouses/{code}/events:
    GET  /live?after=&types=&owner=     Server-Sent Events; `id` is the position
    GET  /export?day=2026-03-02         one day as NDJSON, with what proves it whole

A stream goes on after `Last-Event-ID`, after `after`, or from now. It is woken when events are
sealed in this process and looks by itself for those of others.
"""

import time
import zlib
from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.response import Stream

from web.api.asked import POS_MAX, day, number
from web.api.describe import describe
from web.api.feed import EVENTS, Pos, Reading, check_reached, reading_of
from web.api.security import REQUEST
from web.numbers import whole
from web.paging import BadPage
from web.session import client_of
from wms.errors import Busy, Denied, Refused
from wms.events import export, wake
from wms.events.envelope import Envelope, LogRow
from wms.events.export import BlockLine, EndLine, Line
from wms.events.queries import read_log

STREAMS_MAX, EACH_MAX = 64, 8  # in one process, and of one partner in it
POLL_S, BEAT_S, READ = 1.0, 15.0, 100
RETRY_MS = 2000  # how long a reader waits before it connects again
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
Day = Annotated[date, msgspec.Meta(description="A day of UTC, by the time of sealing.")]


class TooManyStreams(Refused):
    say = "There are {most} open streams already. Close one, or poll with `after`."


class Streams:
    """How many streams are open in this process, by partner."""

    def __init__(self) -> None:
        self.open: dict[str, int] = {}

    def check(self, partner: str) -> None:
        """Raises TooManyStreams."""
        if self.open.get(partner, 0) >= EACH_MAX:
            raise TooManyStreams(most=EACH_MAX)
        if sum(self.open.values()) >= STREAMS_MAX:
            raise TooManyStreams(most=STREAMS_MAX)

    def count(self, partner: str, n: int) -> None:
        self.open[partner] = self.open.get(partner, 0) + n


def _streams(request: REQUEST) -> Streams:
    state = request.app.state
    if "streams" not in state:
        state["streams"] = Streams()
    return state["streams"]


@get(f"{EVENTS}/live", summary="Follow the event log as Server-Sent Events", **describe(
    "events:read", answers={200: Envelope}, answer_media="text/event-stream",
    query={"after": Pos, "types": str, "owner": str},
    refuses=("bad-request", "forbidden-owner", "rate-limited", "refused"),
))  # fmt: skip
async def follow(request: REQUEST) -> Stream:
    """Each message is an event; a comment now and then says that all is well and how far it is."""
    reading = await reading_of(request)
    streams = _streams(request)
    streams.check(reading.partner.client.code)
    after = await _start(request, reading)
    stream = _follow(request, reading, streams, after)
    return Stream(stream, media_type="text/event-stream", headers=HEADERS)


async def _start(request: REQUEST, reading: Reading) -> int:
    """Where to go on. Raises BadPage, AheadOfLog."""
    head = (await read_log(reading.partner.db, reading.warehouse_id, POS_MAX, 1)).head
    after = _asked(request, head)
    check_reached(after, head)
    return after


def _asked(request: REQUEST, head: int) -> int:
    """Raises BadPage."""
    last = request.headers.get("last-event-id", "")
    if last:
        pos = whole(last, POS_MAX)
        if pos is None:
            raise BadPage(name="Last-Event-ID", value=last[:40])
        return pos
    if "after" in request.query_params:
        return number(request, "after")
    return head


async def _follow(
    request: REQUEST, reading: Reading, streams: Streams, after: int
) -> AsyncIterator[bytes]:
    partner = reading.partner.client.code
    streams.count(partner, 1)
    try:
        with wake.reading() as reader:
            yield f"retry: {RETRY_MS}\n\n".encode()
            beat_at = 0.0
            while not reader.ended:
                reader.woken.clear()
                try:
                    page = await read_log(
                        reading.partner.db, reading.warehouse_id, after, READ,
                        types=reading.types, owners=reading.owners,
                    )  # fmt: skip
                except (Busy, OSError):
                    await reader.rest(POLL_S)
                    continue
                if page.rows:
                    yield b"".join(_message(row, reading) for row in page.rows)
                after = page.next_after
                if time.monotonic() >= beat_at:
                    if not await _may_go_on(request, reading):
                        return
                    yield f": {page.head}\nid: {after}\n\n".encode()
                    beat_at = time.monotonic() + BEAT_S
                if page.caught_up:
                    await reader.rest(POLL_S)
    finally:
        streams.count(partner, -1)


async def _may_go_on(request: REQUEST, reading: Reading) -> bool:
    """False once the key was revoked, or opens something else than when the stream began."""
    try:
        return await client_of(request) == reading.partner.client
    except Denied:
        return False
    except (Busy, OSError):
        return True


def _message(row: LogRow, reading: Reading) -> bytes:
    data = reading.show(row).replace(b"\n", b" ")
    return b"id: %d\ndata: %s\n\n" % (row.pos, data)


@get(f"{EVENTS}/export", summary="One day of the log as a file", **describe(
    "events:read", answers={200: Line | BlockLine | EndLine}, query={"day": Day},
    answer_media="application/x-ndjson",
    refuses=("bad-request", "forbidden-owner", "rate-limited"),
))  # fmt: skip
async def export_day(request: REQUEST) -> Stream:
    """A line for each position with its leaf hash (without the event where the partner may not see
    it), then the blocks that vouch for them, then a line that says the file is whole."""
    reading = await reading_of(request)
    streams = _streams(request)
    streams.check(reading.partner.client.code)
    asked = day(request, "day")
    async with reading.partner.db.reading() as tx:
        span = await export.find_span(tx, reading.warehouse_id, asked)

    def show(row: LogRow) -> bytes | None:
        other = reading.owners is not None and row.owner not in reading.owners
        if other or (reading.types is not None and row.type not in reading.types):
            return None
        return reading.show(row)

    lines = export.write_day(reading.partner.db, reading.warehouse_id, asked, span, show)
    code = request.path_params["code"]
    headers = {
        **HEADERS, "content-disposition": f'attachment; filename="{code}-{asked}.ndjson"',
    }  # fmt: skip
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        lines = _squeezed(lines)
    counted = _counted(lines, streams, reading.partner.client.code)
    return Stream(counted, media_type="application/x-ndjson", headers=headers)


async def _squeezed(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same as gzip, part by part."""
    squeeze = zlib.compressobj(wbits=31)
    async for part in parts:
        if made := squeeze.compress(part):
            yield made
    yield squeeze.flush()


async def _counted(
    parts: AsyncIterator[bytes], streams: Streams, partner: str
) -> AsyncIterator[bytes]:
    streams.count(partner, 1)
    try:
        async for part in parts:
            yield part
    finally:
        streams.count(partner, -1)


HANDLERS: list[Any] = [follow, export_day]
