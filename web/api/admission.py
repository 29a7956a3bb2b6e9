"""Who may go on now: lanes bound what runs at once, buckets bound how fast one partner may ask.

A burst of orders shares a small lane, so it delays neither scans (which pass no lane at all) nor
cancellations and holds (which have their own). Within a lane partners take turns, so one of them
cannot keep the others waiting. A document that would wait too long is kept as a job; a read is
told to come back.

The connections of all lanes together stay below those of the process's pool: the rest is the
floor's.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil

import msgspec

from web.api.security import Partner
from wms.db import Db, Tx
from wms.errors import Busy, Refused

DOCUMENTS, URGENT, INBOX, READS = "documents", "urgent", "inbox", "reads"
# Of a pool of eight (and as many in reserve): how many at once, and how many may wait.
SHARES = {DOCUMENTS: (3, 1000), URGENT: (2, 5000), INBOX: (1, 2000), READS: (4, 200)}


class QueueFull(Busy):
    say = "Too many documents wait already. Send this again in a moment."


class TooManyRequests(Refused):
    say = (
        "Too many requests: at most {limit} at once, and {per_s} a second. "
        "Ask again in {retry_after_s} s."
    )

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.facts["retry_after_s"])}


class Rate(msgspec.Struct, frozen=True):
    """How fast one partner may ask, over time and in a burst."""

    per_s: float
    burst: int


RATES = {DOCUMENTS: Rate(200, 2000), READS: Rate(100, 500)}


class Bucket:
    """Tokens that come back over time."""

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self.tokens = float(rate.burst)
        self.at = now

    def take(self, now: float) -> float:
        """0 when a token was there, else the seconds until there is one."""
        grown = self.tokens + (now - self.at) * self.rate.per_s
        self.tokens, self.at = min(float(self.rate.burst), grown), now
        if self.tokens < 1:
            return (1 - self.tokens) / self.rate.per_s
        self.tokens -= 1
        return 0.0

    def left(self, now: float) -> tuple[int, int]:
        """Tokens there are, and the seconds until it is full (of an empty one, until the next)."""
        tokens = min(float(self.rate.burst), self.tokens + (now - self.at) * self.rate.per_s)
        missing = self.rate.burst - tokens if tokens >= 1 else 1 - tokens
        return int(tokens), ceil(missing / self.rate.per_s)


class Lane:
    """So many at once; the others wait, and partners take turns."""

    def __init__(self, at_once: int, queue_max: int) -> None:
        self.at_once = at_once
        self.queue_max = queue_max
        self.running = 0
        self.waiting = 0
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def full(self) -> bool:
        return self.waiting >= self.queue_max

    @asynccontextmanager
    async def turn(self, partner: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises QueueFull."""
        await self._enter(partner)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, partner: str) -> None:
        if self.running < self.at_once:
            self.running += 1
            return
        if self.full:
            raise QueueFull()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(partner, deque()).append(turn)
        self.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # the turn came as the caller went
            raise

    def _leave(self) -> None:
        """Hand the turn to the next partner's oldest request; who went away is passed over."""
        while self._queues:
            partner, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            self.waiting -= 1
            if queue:
                self._queues[partner] = queue  # to the end: the others are first
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1


class Admission:
    """Lanes and buckets of one process."""

    def __init__(self) -> None:
        self.lanes: dict[str, Lane] = {}
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def lane(self, name: str, pool_size: int) -> Lane:
        if name not in self.lanes:
            share, queue_max = SHARES[name]
            self.lanes[name] = Lane(max(1, share * pool_size // 8), queue_max)
        return self.lanes[name]

    def take(self, name: str, partner: str) -> float:
        """0 when the partner may go on, else the seconds to wait."""
        return self._bucket(name, partner).take(time.monotonic())

    def left(self, name: str, partner: str) -> tuple[int, int]:
        """What is left for the partner, and when there is more."""
        return self._bucket(name, partner).left(time.monotonic())

    def _bucket(self, name: str, partner: str) -> Bucket:
        key = (name, partner)
        if key not in self._buckets:
            if len(self._buckets) > 10_000:
                self._buckets.clear()
            self._buckets[key] = Bucket(RATES[name], time.monotonic())
        return self._buckets[key]


def lane_of(db: Db, name: str) -> Lane:
    """A lane of this process."""
    return db.memory(Admission).lane(name, db.pool_size)


@asynccontextmanager
async def turn(partner: Partner, name: str) -> AsyncIterator[None]:
    """A turn in a lane; no name, no waiting. Raises QueueFull."""
    if not name:
        yield
        return
    async with lane_of(partner.db, name).turn(partner.client.code):
        yield


def crowded(partner: Partner) -> bool:
    """Whether a document should become a job: its partner is too fast, or too many wait."""
    too_fast = partner.db.memory(Admission).take(DOCUMENTS, partner.client.code) > 0
    return too_fast or lane_of(partner.db, DOCUMENTS).full


@asynccontextmanager
async def reading(partner: Partner) -> AsyncIterator[Tx]:
    """A read-only transaction when it is this partner's turn. Raises TooManyRequests."""
    lane = require_reads(partner)
    async with lane.turn(partner.client.code), partner.db.reading() as tx:
        yield tx


def require_reads(partner: Partner) -> Lane:
    """The lane of reads, if this partner may ask one more now. Raises TooManyRequests."""
    wait_s = partner.db.memory(Admission).take(READS, partner.client.code)
    lane = lane_of(partner.db, READS)
    if wait_s > 0 or lane.full:
        rate = RATES[READS]
        raise TooManyRequests(
            limit=rate.burst, per_s=int(rate.per_s), retry_after_s=max(1, ceil(wait_s))
        )
    return lane


def limit_headers(db: Db, partner: str) -> dict[str, str]:
    """What a partner may ask, and what is left of it (draft-ietf-httpapi-ratelimit-headers-10).

    Over the quota a document becomes a job and a read is refused. The counts are this process's.
    """
    admission = db.memory(Admission)
    policies = [
        f'"{name}";q={rate.burst};w={ceil(rate.burst / rate.per_s)}' for name, rate in RATES.items()
    ]
    left = [(name, *admission.left(name, partner)) for name in RATES]
    return {
        "RateLimit-Policy": ", ".join(policies),
        "RateLimit": ", ".join(f'"{name}";r={tokens};t={wait}' for name, tokens, wait in left),
    }
