"""Delivers one warehouse's stream to one endpoint, from the lanes this worker holds.

Read a window of the log, send keys side by side and each key in order, write what came of it in
batches. A failing message parks its key; a failing endpoint stops everything where it is, and the
cursor keeps its place. One coroutine does all the reading and writing; requests are tasks.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import deque

from wms.db import Db
from wms.errors import Busy
from wms.events import health_log, outcomes, parking, rules
from wms.events.egress import Egress
from wms.events.envelope import LogRow, Site, public_id, render
from wms.events.leases import EndpointRow, Held, LeaseLost, fence
from wms.events.outcomes import Batch
from wms.events.parking import ParkedRow, Place
from wms.events.queries import read_log
from wms.events.rules import Health, Tuning, Verdict
from wms.events.subscription import Subscription
from wms.events.webhooks import Outcome, Sender
from wms.events.window import SENDING, Item, Window

log = logging.getLogger("wms.events")


class Delivery:
    """Lives from a claim of lanes to their release; `run` is its whole life."""

    def __init__(
        self,
        db: Db,
        endpoint: EndpointRow,
        site: Site,
        held: list[Held],
        egress: Egress,
        tuning: Tuning,
    ) -> None:
        """Raises BadUrl when the endpoint's address may not be called."""
        self.db = db
        self.endpoint = endpoint
        self.site = site
        self.held = {lane.lane: lane for lane in held}
        self.tuning = tuning
        self.warehouse_id = held[0].warehouse_id
        self.window = Window({lane.lane: lane.pos for lane in held}, endpoint.lanes)
        self.health = Health(tuning, endpoint.max_inflight)
        self.sender = Sender(
            endpoint.url, egress, endpoint.timeout_ms / 1000, endpoint.max_inflight
        )
        mine = [lane for lane in range(64) if lane & self.window.mask in self.held]
        self.place = Place(self.warehouse_id, endpoint.id, mine, endpoint.on_dead == "block_key")
        self.subscription = Subscription(endpoint)
        self.batch = Batch()
        self.stopping = False
        self.woken = asyncio.Event()
        self.lease_until = time.monotonic() + tuning.lease_s
        self.at_head = False
        self._written = {lane.lane: lane.pos for lane in held}
        self._batch_since = 0.0
        self._inflight: set[asyncio.Task[None]] = set()
        self._drains: dict[str, deque[Item]] = {}
        self._drain_ready: deque[str] = deque()
        self._drained: set[str] = set()
        self._parked_at = 0.0  # when parked rows are looked at next
        self._read_at = 0.0
        self._tokens, self._tokens_at = 1.0, time.monotonic()
        self._health = health_log.HealthLog(self.warehouse_id, endpoint)

    def wake(self, parked: bool = False) -> None:
        """Something may be there to do: new events, or (`parked`) a retry asked for by a person."""
        self.at_head = False
        if parked:
            self._parked_at = 0.0
        self.woken.set()

    def renewed(self) -> None:
        self.lease_until = time.monotonic() + self.tuning.lease_s

    def stop(self) -> None:
        """End after the requests under way; `run` then returns."""
        self.stopping = True
        self.woken.set()

    async def run(self) -> None:
        """Deliver until `stop`. Raises LeaseLost when another worker took the lanes."""
        try:
            await self._begin()
            while not self.stopping:
                self.woken.clear()
                try:
                    await self._turn()
                except (Busy, OSError) as error:
                    log.info("endpoint %s waits for the database: %s", self.endpoint.code, error)
                    await asyncio.sleep(0.5)
                await self._rest()
            await self._finish()
        finally:
            for task in self._inflight:
                task.cancel()
            await self.sender.close()

    async def _begin(self) -> None:
        async with self.db.transaction() as tx:
            self.window.blocked = await parking.resume(tx, self.place)
            await self._health.load(tx, self.health)

    async def _turn(self) -> None:
        self._launch()
        await self._feed_parked()
        await self._refill()
        self._launch()
        self._relieve()
        await self._flush_if_due()

    async def _finish(self) -> None:
        if self._inflight:
            await asyncio.wait(self._inflight, timeout=2)
        if self._inflight:
            for task in self._inflight:
                task.cancel()
            await asyncio.wait(self._inflight, timeout=1)
        with contextlib.suppress(Busy, OSError):
            await self._flush()

    # ---- reading -------------------------------------------------------------------------------

    async def _refill(self) -> None:
        now = time.monotonic()
        if self.at_head and now < self._read_at + self.tuning.seal_idle_s:
            return
        while len(self.window) < self.tuning.read_size and not self.stopping:
            self._read_at = now
            self.at_head = await self._read()
            if self.at_head:
                return

    async def _read(self) -> bool:
        """Read on; True when the head of the stream was reached."""
        limit = self.tuning.read_size
        page = await read_log(
            self.db, self.warehouse_id, self.window.read_pos, limit,
            types=self.subscription.types, owners=self.subscription.owners,
            about=self.subscription.about_me,
        )  # fmt: skip
        for row in page.rows:
            if self.window.is_mine(row) and self.subscription.wants(row):
                waits = self.window.add(row, self._key(row))
                if waits is not None:
                    self._park(waits, "waiting", None, None)
        self.window.read_pos = page.next_after
        return page.caught_up

    def _key(self, row: LogRow) -> str:
        return row.okey if self.endpoint.mode != "unordered" else f"#{row.pos}"

    async def _feed_parked(self) -> None:
        """Bring due retries into play, and free keys that have nothing parked any more."""
        now = time.monotonic()
        if self._drained:
            await self._flush()
            drained, self._drained = self._drained, set()
            still = await self._list_blocked(drained)
            for key in drained - still:
                self.window.unblock(key)
            self._parked_at = 0.0
        if now < self._parked_at or not self.health.room(now, len(self._inflight)):
            return
        async with self.db.reading() as tx:
            keys = await parking.list_due(tx, self.place, 64)
            fresh = [key for key in keys if key not in self._drains]
            rows = await parking.load(tx, self.place, fresh) if fresh else []
        often = min(1.0, self.tuning.full.delays[0])
        self._parked_at = now + (often if self.window.blocked else self.tuning.look_s)
        # What was answered while we read is not written yet: its rows would be sent twice.
        busy = self._drains.keys() | self._drained
        for row in rows:
            if row.key not in busy:
                self._drain(row)

    def _drain(self, row: ParkedRow) -> None:
        if row.key not in self._drains:
            self._drains[row.key] = deque()
            self._drain_ready.append(row.key)
            self.window.blocked.add(row.key)
        self._drains[row.key].append(Item(row, row.key, "retry", row.n))

    async def _list_blocked(self, keys: set[str]) -> set[str]:
        async with self.db.reading() as tx:
            return await parking.list_blocked(tx, self.place, keys)

    # ---- sending -------------------------------------------------------------------------------

    def _launch(self) -> None:
        now = time.monotonic()
        leased = now + self.endpoint.timeout_ms / 1000 <= self.lease_until
        if self.stopping or self._health.state or not leased:
            return
        room = self.health.room(now, len(self._inflight))
        while room > 0 and self._may_spend(now):
            item = self._next_item()
            if item is None:
                return
            item.began = now
            task = asyncio.create_task(self._send(item))
            self._inflight.add(task)
            task.add_done_callback(self._inflight.discard)
            room -= 1

    def _may_spend(self, now: float) -> bool:
        """The rate limit: a bucket of one second."""
        rate = self.endpoint.rate_per_s
        if rate is None:
            return True
        self._tokens = min(max(rate, 1), self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now
        return self._tokens >= 1

    def _next_item(self) -> Item | None:
        """Due retries first, because keys wait behind them; but a probe is a fresh event."""
        if self.health.step and self.window.has_ready():
            return self._spend(self.window.take())
        if self._drain_ready:
            return self._spend(self._drains[self._drain_ready.popleft()].popleft())
        return self._spend(self.window.take())

    def _spend(self, item: Item | None) -> Item | None:
        if item is not None:
            self._tokens -= 1
        return item

    async def _send(self, item: Item) -> None:
        row = item.row
        extra = {
            "webhook-type": row.type,
            "webhook-attempt": str(item.n + 1),
            "webhook-pos": str(row.pos),
        }
        if row.traceparent:
            extra["traceparent"] = row.traceparent
        outcome = await self.sender.post(public_id(row.event_id), render(row, self.site), extra)
        self._settle(item, outcome)
        self.woken.set()

    def _settle(self, item: Item, outcome: Outcome) -> None:
        """Take one answer in."""
        now = time.monotonic()
        retry = item.trigger == "retry"
        verdict = self.health.judge(
            outcome.outcome, item.key, now, item.began, outcome.retry_after, retry
        )
        if outcome.control == "disable":
            self._health.want_state("paused", "the receiver asked for it")
        if outcome.outcome != rules.OK or self.endpoint.log_attempts == "all":
            self.batch.log(item, outcome)
        self._batch_since = self._batch_since or now
        if verdict is Verdict.OK:
            self.batch.delivered += 1
            self._delivered(item)
        elif verdict in (Verdict.MESSAGE, Verdict.FINAL):
            self._failed(item, outcome, final=verdict is Verdict.FINAL)
        else:
            if verdict is Verdict.SUSPEND:
                self._health.want_state("suspended", "410 Gone, twice")
            elif verdict is Verdict.BLOCK:
                self._health.want_state("blocked", outcome.detail)
            self._kept(item)

    def _delivered(self, item: Item) -> None:
        if not item.parked:
            self.window.done(item)
            return
        self.batch.unpark(item)
        self._end_drain(item, go_on=True)

    def _failed(self, item: Item, outcome: Outcome, final: bool) -> None:
        """The message failed: its key waits for the retry, or goes on without it."""
        schedule = self.tuning.schedule(outcome.outcome)
        wait_s = None if final else schedule.delay(item.n + 1, random.random())
        if wait_s is not None and outcome.retry_after:
            wait_s = max(wait_s, min(outcome.retry_after, self.tuning.retry_after_max_s))
        state = "dead" if wait_s is None else "due"
        first_time = not item.parked
        self._park(item, state, outcome, wait_s)
        if first_time:
            self._block(item)
        if state == "dead":
            self.batch.dead.append((item, outcome))
            self.batch.promotes.add(item.key)
        if not first_time or state == "dead":
            self._end_drain(item, go_on=False)

    def _kept(self, item: Item) -> None:
        """The endpoint failed: the event stays where it is and costs nothing."""
        if not item.parked:
            self.window.put_back(item)
            return
        if item.trigger != "retry":  # parked at the soft deadline
            self._park(item, "due", None, 0.0)
        self._end_drain(item, go_on=False)

    def _park(self, item: Item, state: str, outcome: Outcome | None, wait_s: float | None) -> None:
        self._batch_since = self._batch_since or time.monotonic()
        self.batch.park(item, state, outcome, wait_s)

    def _block(self, item: Item) -> None:
        for later in self.window.park(item):
            self._park(later, "waiting", None, None)

    def _end_drain(self, item: Item, go_on: bool) -> None:
        """After a parked event was answered: the next of its key, or look at the key anew."""
        queue = self._drains.get(item.key)
        if go_on and queue:
            self._drain_ready.append(item.key)
            return
        self._drains.pop(item.key, None)
        self._drained.add(item.key)

    def _relieve(self) -> None:
        """An answer that keeps many finished events waiting gets a row, so the cursor moves on."""
        head = self.window.head()
        if head is None or head.state != SENDING:
            return
        late = time.monotonic() - head.began > self.tuning.soft_deadline_s
        if late and self.window.done_behind() >= self.tuning.soft_backlog:
            self._park(head, "inflight", None, None)
            self._block(head)

    # ---- writing -------------------------------------------------------------------------------

    async def _flush_if_due(self) -> None:
        now = time.monotonic()
        waiting = len(self.batch.attempts) + self.batch.delivered + len(self.batch.parks)
        idle = not self._inflight and not self.window.has_ready()
        if (
            self._health.is_due(self.health)
            or (
                self._batch_since
                and (
                    idle
                    or waiting >= self.tuning.flush_size
                    or now - self._batch_since >= self.tuning.flush_s
                )
            )
            or (self.at_head and idle and self._moved())
        ):
            await self._flush()

    def _moved(self) -> dict[int, int]:
        return {
            lane: pos for lane, pos in self.window.cursors().items() if pos > self._written[lane]
        }

    async def _flush(self) -> None:
        """One transaction: fence, cursors, parked rows, attempts, health."""
        moved = self._moved()
        batch, self.batch = self.batch, Batch()
        self._batch_since = 0.0
        dirty = self._health.is_due(self.health)
        if not moved and not batch and not dirty:
            return
        lanes = moved if moved and not batch.parked else {**self._written, **moved}
        fenced = {lane: (pos, self.held[lane].epoch) for lane, pos in lanes.items()}
        try:
            async with self.db.transaction() as tx:
                await fence(tx, self.warehouse_id, self.endpoint.id, fenced, self.tuning.lease_s)
                await outcomes.write(tx, self.place, batch, self.endpoint.code)
                if dirty:
                    await self._health.save(tx, self.health)
        except LeaseLost:
            raise
        except BaseException:
            batch.absorb(self.batch)
            self.batch = batch
            self._batch_since = self._batch_since or time.monotonic()
            raise
        self._written.update(moved)
        if dirty and self._health.saved():
            self.stop()

    async def _rest(self) -> None:
        """Sleep until woken or until the next thing is due."""
        if self.stopping or self.woken.is_set():
            return
        now = time.monotonic()
        waits = [self.tuning.seal_idle_s, max(0.0, self._parked_at - now)]
        if self._batch_since:
            waits.append(max(0.0, self._batch_since + self.tuning.flush_s - now))
        if now < self.health.until and (self.window.has_ready() or self._drain_ready):
            waits.append(self.health.until - now)
        elif self._drain_ready or self.window.has_ready():
            waits.append(0.05 if self.endpoint.rate_per_s else 0.2)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.woken.wait(), max(0.001, min(waits)))
