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
from datetime import UTC, datetime

from wms.db import Db
from wms.errors import Busy
from wms.events import health_log, outcomes, parking, rules, spans
from wms.events.bodies import Request, pack, unpack
from wms.events.catalog import TYPES
from wms.events.egress import Egress
from wms.events.envelope import LogRow
from wms.events.leases import EndpointRow, Held, LeaseLost, fence, require_held
from wms.events.links import Links
from wms.events.masks import Mask
from wms.events.outcomes import Batch
from wms.events.parking import Place
from wms.events.replays import Replaying
from wms.events.retries import Retries
from wms.events.rules import Health, Tuning, Verdict
from wms.events.subscription import Subscription
from wms.events.tail import read_on
from wms.events.webhooks import Outcome, Sender, content_type
from wms.events.window import SENDING, Item, Window, take_together

log = logging.getLogger("wms.events")

CONFLATE_AFTER_S = 5.0  # an endpoint this far behind gets only the newest of level events


class Delivery:
    """Lives from a claim of lanes to their release; `run` is its whole life."""

    def __init__(
        self,
        db: Db,
        endpoint: EndpointRow,
        links: Links,
        held: list[Held],
        egress: Egress,
        mask: Mask,
        tuning: Tuning,
    ) -> None:
        """Raises BadUrl when the endpoint's address may not be called."""
        self.db = db
        self.endpoint = endpoint
        self.links = links
        self.mask = mask
        self.held = {lane.lane: lane for lane in held}
        self.tuning = tuning
        self.warehouse_id = held[0].warehouse_id
        self.window = Window({lane.lane: lane.pos for lane in held}, endpoint.lanes)
        self.health = Health(tuning, endpoint.max_inflight)
        self.sender = Sender(
            endpoint.url, egress, endpoint.timeout_ms / 1000, endpoint.max_inflight,
            content_type(endpoint.media, endpoint.mode),
        )  # fmt: skip
        mine = [lane for lane in range(64) if lane & self.window.mask in self.held]
        self.place = Place(self.warehouse_id, endpoint.id, mine, endpoint.on_dead == "block_key")
        self.subscription = Subscription(endpoint)
        self.retries = Retries(db, self.place, tuning, self.window)
        self.replay = Replaying(db, self.place, self.window, self.subscription)
        self.batch = Batch()
        self.stopping = self.at_head = False
        self.woken = asyncio.Event()
        self.lease_until = time.monotonic() + tuning.lease_s
        self._written = {lane.lane: lane.pos for lane in held}
        self._batch_since = self._read_at = 0.0
        self._inflight: set[asyncio.Task[None]] = set()
        # What was looked at since `_asked_at` is what we want to know.
        self._asked_at = self._placed_at = time.monotonic()
        self._request_max = endpoint.max_batch if endpoint.mode == "batch" else 1
        self._tokens, self._tokens_at = 1.0, self._asked_at
        self._health = health_log.HealthLog(self.warehouse_id, endpoint)

    def wake(self, parked: bool = False) -> None:
        """Something may be there to do: new events, or (`parked`) what a person asked for."""
        self.at_head, self._asked_at = False, time.monotonic()
        if parked:
            self.retries.look_at = self.replay.look_at = 0.0
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
            async with self.db.transaction() as tx:
                self.window.blocked |= await parking.resume(tx, self.place)
                await self._health.load(tx, self.health)
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

    async def _turn(self) -> None:
        self._launch()
        await self._feed_parked()
        await self._refill()
        await self._feed_replay()
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
        if self.at_head:
            self._asked_at = now
        while len(self.window) < self.tuning.read_size and not self.stopping:
            asked_at, self._read_at = self._asked_at, now
            caught_up = await self._read(asked_at)
            self.at_head = caught_up and asked_at == self._asked_at  # nobody woke us meanwhile
            if caught_up:
                return

    async def _read(self, asked_at: float) -> bool:
        """Read on; True when the head of the stream was reached."""
        page = await read_on(
            self.db, self.warehouse_id, self.window.read_pos, self.tuning.read_size, asked_at,
            self.subscription,
        )  # fmt: skip
        for row in page.rows:
            if self.window.is_mine(row) and self.subscription.wants(row):
                self._add(row)
        self.window.read_pos = page.next_after
        return page.caught_up

    def _add(self, row: LogRow) -> None:
        key = row.okey if self.endpoint.mode != "unordered" else f"#{row.pos}"
        waits = self.window.add(row, key)
        if waits is not None:
            self._park(waits, "waiting", None, None)
        elif self.endpoint.conflate and TYPES[row.type].level:
            age = datetime.now(UTC) - row.recorded_at
            if age.total_seconds() > CONFLATE_AFTER_S:
                self.window.conflate(key)

    async def _feed_parked(self) -> None:
        """Bring due retries into play, and free keys that have nothing parked any more."""
        if self.retries.has_ended:
            await self._flush()
            await self.retries.free()
        now = time.monotonic()
        if now >= self.retries.look_at and self.health.room(now, len(self._inflight)):
            await self.retries.feed(now)

    async def _feed_replay(self) -> None:
        if self.health.is_open or len(self.held) < self.endpoint.lanes:
            return  # only who holds all lanes can keep a key from being under way twice
        for item in await self.replay.feed(time.monotonic(), self.tuning.look_s):
            self._park(item, "waiting", None, None)

    # ---- sending -------------------------------------------------------------------------------

    def _launch(self) -> None:
        now = time.monotonic()
        leased = now + self.endpoint.timeout_ms / 1000 <= self.lease_until
        if self.stopping or self._health.state or not leased:
            return
        room = self.health.room(now, len(self._inflight))
        while room > 0 and self._may_spend(now):
            request = self._next_request()
            if not request.items:
                return
            self._tokens -= len(request.items)
            for item in request.items:
                item.began = now
            task = asyncio.create_task(self._send(request))
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

    def _next_request(self) -> Request:
        """Due retries first, because keys wait behind them; but a probe is a fresh event. A replay
        only goes where the live stream leaves room."""
        fresh_first = bool(self.health.step) and self.window.has_ready()
        parked = None if fresh_first else self.retries.take()
        if parked is not None:
            return pack([parked], self.endpoint.mode, self.links, self.mask)
        most = 1 if self.health.step else self._request_max
        items = take_together([self.window, self.replay.window], most)
        return pack(items, self.endpoint.mode, self.links, self.mask)

    async def _send(self, request: Request) -> None:
        outcome = await spans.post(self.sender, self.endpoint.code, request)
        self._settle(request, outcome)
        self.woken.set()

    # ---- answers -------------------------------------------------------------------------------

    def _settle(self, request: Request, outcome: Outcome) -> None:
        """Take one answer in."""
        now = time.monotonic()
        first = request.items[0]
        verdict = self.health.judge(
            outcome.outcome, first.key, now, first.began, outcome.retry_after,
            first.trigger == "retry",
        )  # fmt: skip
        self._batch_since = self._batch_since or now
        if outcome.control == "disable":
            self._health.want_state("paused", "the receiver asked for it")
        elif verdict is Verdict.SUSPEND:
            self._health.want_state("suspended", "410 Gone, twice")
        elif verdict is Verdict.BLOCK:
            self._health.want_state("blocked", outcome.detail)
        if len(request.items) > 1 and verdict in (Verdict.MESSAGE, Verdict.FINAL):
            # One of them is at fault, or they are too many: halves find out.
            self._request_max = len(request.items) // 2
            verdict = Verdict.ENDPOINT
        elif verdict is Verdict.OK and request.batch_id:
            self._request_max = min(self._request_max * 2, self.endpoint.max_batch)
        halted: set[str] = set()
        for item, each in unpack(request, outcome):
            if each.outcome != rules.OK or self.endpoint.log_attempts == "all":
                self.batch.log(item, each, request.batch_id)
            if item.key not in halted and not self._settle_one(item, each, verdict):
                halted.add(item.key)

    def _settle_one(self, item: Item, outcome: Outcome, verdict: Verdict) -> bool:
        """True when the key may go on inside this request."""
        if verdict is Verdict.OK and outcome.outcome == rules.OK:
            self._delivered(item)
            return True
        if verdict in (Verdict.OK, Verdict.MESSAGE, Verdict.FINAL):
            self._failed(item, outcome, final=outcome.outcome == rules.ABORTED)
        else:
            self._kept(item)
        return False

    def _window_of(self, item: Item) -> Window:
        return self.replay.window if item.trigger == "replay" else self.window

    def _delivered(self, item: Item) -> None:
        if item.trigger == "replay":
            self.replay.answered(item)
        if item.parked:
            self.batch.unpark(item)
            self.retries.answered(item, go_on=True)
        else:
            self._window_of(item).done(item)

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
            self.retries.answered(item, go_on=False)

    def _kept(self, item: Item) -> None:
        """The endpoint failed: the event stays where it is and costs nothing."""
        if not item.parked:
            self._window_of(item).put_back(item)
            return
        if item.trigger != "retry":  # parked at the soft deadline
            self._park(item, "due", None, 0.0)
        self.retries.answered(item, go_on=False)

    def _park(self, item: Item, state: str, outcome: Outcome | None, wait_s: float | None) -> None:
        self._batch_since = self._batch_since or time.monotonic()
        self.batch.park(item, state, outcome, wait_s)

    def _block(self, item: Item) -> None:
        """Later events of its key wait for it, in the live stream and in a replay."""
        window = self._window_of(item)
        other = self.window if window is self.replay.window else self.replay.window
        for later in [*window.park(item), *other.evict(item.key)]:
            self._park(later, "waiting", None, None)

    def _relieve(self) -> None:
        """An answer that keeps many finished events waiting gets a row, so the cursor moves on."""
        head = self.window.head()
        if head is None or head.state != SENDING:
            return
        late = time.monotonic() - head.began > self.tuning.soft_deadline_s
        most = self.tuning.soft_backlog
        if late and self._request_max == 1 and self.window.done_behind() >= most:
            self._park(head, "inflight", None, None)
            self._block(head)

    # ---- writing -------------------------------------------------------------------------------

    async def _flush_if_due(self) -> None:
        """Many answers, one transaction; the cursor goes on less often than attempts are added."""
        now = time.monotonic()
        place = now - self._placed_at >= self.tuning.place_s or self.replay.has_ended
        waiting = len(self.batch.attempts) + len(self.batch.parks)
        full = waiting >= self.tuning.flush_size or self._health.is_due(self.health)
        if place or full or 0 < self._batch_since <= now - self.tuning.flush_s:
            await self._flush(place)

    def _moved(self) -> dict[int, int]:
        cursors = self.window.cursors().items()
        return {lane: pos for lane, pos in cursors if pos > self._written[lane]}

    async def _flush(self, place: bool = True) -> None:
        """One transaction: fence, parked rows, attempts, health; the cursor and a replay's progress
        when they have their `place` in it. Parked rows and health always come with the cursor."""
        dirty = self._health.is_due(self.health)
        place = place or dirty or self.batch.parked
        moved = self._moved() if place else {}
        batch, self.batch = self.batch, Batch()
        self._batch_since = 0.0
        self._placed_at = time.monotonic() if place else self._placed_at
        progress = self.replay.progress() if place else None
        if not (moved or batch or dirty or progress):
            return
        lanes = moved if moved and not batch.parked else {**self._written, **moved}
        fenced = {lane: (pos, self.held[lane].epoch) for lane, pos in lanes.items()}
        try:
            async with self.db.transaction() as tx:
                where = (tx, self.warehouse_id, self.endpoint.id, fenced)
                await (fence(*where, self.tuning.lease_s) if place else require_held(*where))
                await outcomes.write(tx, self.place, batch, self.endpoint.code)
                if progress:
                    await self.replay.save(tx, progress)
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
        if progress:
            self.replay.saved(progress)
        if dirty and self._health.saved():
            self.stop()

    async def _rest(self) -> None:
        """Sleep until woken or until the next thing is due."""
        if self.stopping or self.woken.is_set():
            return
        now = time.monotonic()
        waits = [self.tuning.seal_idle_s, max(0.0, self.retries.look_at - now)]
        if self._batch_since:
            waits.append(max(0.0, self._batch_since + self.tuning.flush_s - now))
        if self.window.has_ready() or self.retries.has_ready():
            soon = 0.05 if self.endpoint.rate_per_s else 0.2
            waits.append(max(soon, self.health.until - now))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.woken.wait(), max(0.001, min(waits)))
