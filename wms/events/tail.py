"""The newest stretch of each stream, read once for all who follow it in this process.

Twenty endpoints that are woken by one seal would each read the same rows. The first of them reads;
the others find the rows in memory. Who is further behind than the stretch reaches reads for itself,
narrowed by its own filters. What must stay true: positions are served without
a gap, and "caught up" is only said of a look at the log that began after the question.
"""

import asyncio
import time
from bisect import bisect_right

from wms.db import Db
from wms.events.envelope import LogRow
from wms.events.queries import Page, read_log
from wms.events.subscription import Subscription

KEPT_MAX = 2_000  # rows a warehouse; a follower further behind is catching up


class Stretch:
    """Rows `start` to `head` of one stream, all of them."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.begin(0)

    def begin(self, pos: int) -> None:
        """Start anew behind a position: whoever is in front says where the stretch is."""
        self.start, self.head = pos + 1, pos
        self.rows: list[LogRow] = []
        self.looked_at = float("-inf")  # began the last look that found the head of the log

    def after(self, pos: int, limit: int) -> list[LogRow]:
        begin = bisect_right(self.rows, pos, key=_pos)
        return self.rows[begin : begin + limit]

    def extend(self, page: Page, began: float) -> None:
        self.rows += page.rows
        self.head = page.next_after
        if page.caught_up:
            self.looked_at = began
        if len(self.rows) > KEPT_MAX:
            del self.rows[: len(self.rows) - KEPT_MAX]
            self.start = self.rows[0].pos


class Tails:
    """Stretches by warehouse; one of these a process and database (`Db.memory`)."""

    def __init__(self) -> None:
        self.of: dict[int, Stretch] = {}


async def read_on(
    db: Db, warehouse_id: int, after: int, limit: int, asked_at: float, wanted: Subscription
) -> Page:
    """Events after a position: all of them, or only `wanted` ones of a past not kept here.

    `asked_at` (monotonic seconds) is when the follower wanted to know: a look at the log that began
    later answers it.
    """
    tails: Tails = db.memory(Tails)
    stretch = tails.of.setdefault(warehouse_id, Stretch())
    async with stretch.lock:
        if after + 1 >= stretch.start:
            return await _of_stretch(db, warehouse_id, stretch, after, limit, asked_at)
    return await read_log(db, warehouse_id, after, limit, types=wanted.types,
                          owners=wanted.owners, about=wanted.about_me)  # fmt: skip


async def _of_stretch(
    db: Db, warehouse_id: int, stretch: Stretch, after: int, limit: int, asked_at: float
) -> Page:
    if after > stretch.head:
        stretch.begin(after)
    found = stretch.after(after, limit)
    if not found and stretch.looked_at < asked_at:
        began = time.monotonic()
        stretch.extend(await read_log(db, warehouse_id, stretch.head, limit), began)
        found = stretch.after(after, limit)
    next_after = found[-1].pos if found else stretch.head
    return Page(
        rows=found, head=stretch.head, first=stretch.start, next_after=next_after,
        caught_up=next_after == stretch.head and stretch.looked_at >= asked_at,
    )  # fmt: skip


def _pos(row: LogRow) -> int:
    return row.pos
