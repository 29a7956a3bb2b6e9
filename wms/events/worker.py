"""The event worker of a process: seals every stream, delivers to every endpoint, keeps house.

Any number of processes may run one; they share the work by locks and leases, and any may die at
any moment. `run_events` is the whole life, `drain` runs one until nothing is left to deliver.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
from sqlalchemy import text

from wms.db import Db
from wms.errors import Busy, WmsError
from wms.events import endpoints, leases, notices, retention, sealer, wake
from wms.events.delivery import Delivery
from wms.events.envelope import Site
from wms.events.keys import Secret, Vault
from wms.events.leases import EndpointRow, Held, LeaseLost, LifeSign
from wms.events.links import Links
from wms.events.masks import Mask
from wms.events.queries import list_sites
from wms.events.rules import Tuning
from wms.settings import Settings

log = logging.getLogger("wms.events")

Place = tuple[int, int]  # warehouse id, endpoint id
T = TypeVar("T")


class Running(msgspec.Struct):
    """A delivery at work, or one that failed and rests until `again_at`."""

    delivery: Delivery
    task: asyncio.Task[None]
    again_at: float | None = None


class EventWorker:
    """Sealer, deliveries and chores of one process."""

    def __init__(self, db: Db, settings: Settings, tuning: Tuning | None = None) -> None:
        self.db = db
        self.settings = settings
        self.tuning = tuning or Tuning()
        self.life = LifeSign(db.url, secrets.randbelow(2**31 - 1) + 1)
        self.name = str(self.life.number)
        self.running: dict[Place, Running] = {}
        self.seal_now = asyncio.Event()
        self.supervise_now = asyncio.Event()
        self._vault: Vault | None = None
        self._renewed_at = 0.0
        self._ensured_at = -1e9
        self._retain_at = 0.0
        self._known: set[int] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then finish what is under way and give the leases back."""
        wake.join(self)
        loops = [
            asyncio.create_task(self._seal_loop(stop), name="sealer"),
            asyncio.create_task(self._every(self.tuning.block_wait_s / 2, self.close_blocks, stop)),
            asyncio.create_task(
                self._every(self.tuning.supervise_s, self.supervise, stop, self.supervise_now)
            ),
            asyncio.create_task(self._every(self.tuning.chores_s, self.keep_house, stop)),
            asyncio.create_task(self._every(self.tuning.chores_s, self.tell_owners, stop)),
        ]
        try:
            await asyncio.gather(*loops)
        finally:
            wake.leave(self)
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            if stop.is_set():
                await self._end_all()
            else:
                self.kill()
            await self.life.drop()

    def kill(self) -> None:
        """Drop everything as a dying process would: nothing more is written."""
        for running in self.running.values():
            running.task.cancel()
        self.running.clear()

    def look(self) -> None:
        """Events got their positions, here or by another process."""
        for running in self.running.values():
            running.delivery.wake()

    # ---- sealing -------------------------------------------------------------------------------

    async def _seal_loop(self, stop: asyncio.Event) -> None:
        wait_s = self.tuning.seal_busy_s
        await _safely("partitions", self._make_partitions)
        while not stop.is_set():
            began = time.monotonic()
            self.seal_now.clear()
            found, sealed = await _safely("sealer", self.seal_pending) or (0, 0)
            if sealed:
                wake.sealed()
            busy, idle = self.tuning.seal_busy_s, self.tuning.seal_idle_s
            wait_s = busy if found else min(wait_s * 2, idle)
            if await _either(stop, self.seal_now, wait_s):
                wait_s = busy / 2  # many hints, one transaction
                await asyncio.sleep(began + wait_s - time.monotonic())

    async def seal(self) -> int:
        """Seal every stream that has something new; returns how many events."""
        return (await self.seal_pending())[1]

    async def seal_pending(self) -> tuple[int, int]:
        """Seal; how many streams had something new, and how many events were sealed. Somebody else
        may hold a stream: then it has something new and nothing was sealed."""
        pool = await self.db.hot()
        pending = await pool.fetch(sealer.PENDING)
        sealed = 0
        for found in pending:
            async with self.db.transaction() as tx:
                sealed += await sealer.seal(tx, found["id"])
        return len(pending), sealed

    async def close_blocks(self) -> int:
        """Close what is due into hash-chained blocks."""
        async with self.db.reading() as tx:
            due = await sealer.list_blocks_due(tx, self.tuning.block_wait_s)
        closed = 0
        for warehouse_id in due:
            closed += await sealer.close_blocks(self.db, warehouse_id)
        return closed

    # ---- deliveries ----------------------------------------------------------------------------

    async def supervise(self) -> None:
        """Match what runs with the endpoints there are: stop, claim, start, renew."""
        if await self.life.hold():
            self.kill()
        async with self.db.reading() as tx:
            active = {endpoint.id: endpoint for endpoint in await leases.list_active(tx)}
            sealed = await endpoints.live_secrets(tx, list(active))
            sites = await list_sites(tx)
        if not active and not self.running:
            return
        self._vault = self._vault or Vault(self.settings)
        keys: dict[int, list[Secret]] = {id: [] for id in active}
        for secret in sealed:
            keys[secret.endpoint_id].append(self._vault.open(secret))
        await self._reap(active)
        held = await self._claim(set(active))
        for place, lanes in held.items():
            if place[1] in active and place[0] in sites:
                await self._start(active[place[1]], sites, lanes)
            else:  # it was resumed since we looked: next time
                await self._release(place)
        for (_, endpoint_id), running in self.running.items():
            running.delivery.sender.secrets = keys.get(endpoint_id, [])

    async def _reap(self, active: dict[int, EndpointRow]) -> None:
        """Take out deliveries that ended, and end those whose endpoint changed or is not active."""
        for place, running in list(self.running.items()):
            if running.task.done():
                if running.again_at is None:
                    running.again_at = time.monotonic() + self._rest_of(place, running.task)
                if time.monotonic() >= running.again_at:
                    await self._give_back(place)
            elif active.get(place[1]) != running.delivery.endpoint:
                running.delivery.stop()
                await asyncio.wait([running.task], timeout=5)
                running.task.cancel()
                await self._give_back(place)

    def _rest_of(self, place: Place, task: asyncio.Task[None]) -> float:
        """Seconds an ended delivery rests: a fault of ours must not become a flood of repeats."""
        error = None if task.cancelled() else task.exception()
        if error is None or isinstance(error, LeaseLost):
            return 0.0
        log.error("delivery to %s failed", place, exc_info=error)
        return self.tuning.fault_rest_s

    async def _give_back(self, place: Place) -> None:
        del self.running[place]
        await self._release(place)

    async def _release(self, place: Place) -> None:
        async with self.db.transaction() as tx:
            await leases.release(tx, self.name, *place)

    async def _claim(self, active: set[int]) -> dict[Place, list[Held]]:
        """Free lanes, by place; renews what is held when a third of the lease is over."""
        now = time.monotonic()
        async with self.db.transaction() as tx:
            if active != self._known or now - self._ensured_at > self.tuning.chores_s:
                await leases.ensure_cursors(tx)
                self._known, self._ensured_at = active, now
            claimed = await leases.claim(tx, self.name, self.tuning.lease_s)
            if now - self._renewed_at > self.tuning.lease_s / 3:
                sites = {place[0] for place in self.running}
                kept = await leases.renew(tx, self.name, self.tuning.lease_s, sites)
                self._renewed_at = now
                known = self.running.keys() | {_place(lane) for lane in claimed}
                for place in {_place(lane) for lane in kept} - known:  # nobody works on it
                    await leases.release(tx, self.name, *place)
                for running in self.running.values():
                    running.delivery.renewed()
        found: dict[Place, list[Held]] = {}
        for lane in claimed:
            found.setdefault(_place(lane), []).append(lane)
        return found

    async def _start(self, endpoint: EndpointRow, sites: dict[int, str], lanes: list[Held]) -> None:
        place = (lanes[0].warehouse_id, endpoint.id)
        if place in self.running:  # more lanes of a delivery at work: begin it anew with all
            await self._stop_one(place)
            return
        egress = endpoints.egress_of(self.settings, endpoint.allow)
        site = Site(sites[place[0]], self.settings.base_url)
        try:
            assert self._vault is not None, "supervise made it"
            mask = Mask(endpoint.mask_profile, self._vault.mask_key)
            links = Links(site, endpoint.code, self._vault.link_key)
            delivery = Delivery(self.db, endpoint, links, lanes, egress, mask, self.tuning)
        except WmsError as error:
            log.error("endpoint %s cannot be called: %s", endpoint.code, error)
            async with self.db.transaction() as tx:
                await endpoints.block(tx, endpoint.code, str(error))
            await self._release(place)
            return
        task = asyncio.create_task(delivery.run(), name=f"deliver {endpoint.code}@{site.code}")
        self.running[place] = Running(delivery, task)

    async def _stop_one(self, place: Place) -> None:
        running = self.running[place]
        running.delivery.stop()
        await asyncio.wait([running.task], timeout=5)
        running.task.cancel()
        await self._give_back(place)

    async def _end_all(self) -> None:
        for running in self.running.values():
            running.delivery.stop()
        tasks = [running.task for running in self.running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for place, running in list(self.running.items()):
            running.task.cancel()
            with contextlib.suppress(Busy, OSError):
                await self._give_back(place)

    # ---- chores --------------------------------------------------------------------------------

    async def keep_house(self) -> None:
        """Partitions for the weeks to come; sealed outbox children are emptied; old weeks go."""
        await self._make_partitions()
        async with self.db.reading() as tx:
            idle = await sealer.list_idle_slots(tx)
        for slot in idle:
            with contextlib.suppress(Busy):
                async with self.db.transaction() as tx:
                    await sealer.empty_slot(tx, slot)
        if time.monotonic() >= self._retain_at:
            self._retain_at = time.monotonic() + self.tuning.retention_s
            keep = timedelta(days=self.settings.event_retention_days)
            most = timedelta(days=self.settings.event_retention_max_days)
            for child in await retention.drop_old(self.db, keep, most):
                log.info("%s was dropped", child)

    async def tell_owners(self) -> int:
        """Of endpoints that fail for long, and of signing keys that end; how many notices."""
        at, suspend = datetime.now(UTC), timedelta(seconds=self.tuning.suspend_s)
        async with self.db.transaction() as tx:
            told = await notices.tell_failing(tx, at, suspend)
            return told + await notices.tell_ending(tx, at)

    async def _make_partitions(self) -> None:
        async with self.db.transaction() as tx:
            await sealer.ensure_partitions(tx)

    async def _every(
        self,
        seconds: float,
        work: Callable[[], Awaitable[object]],
        stop: asyncio.Event,
        now: asyncio.Event | None = None,
    ) -> None:
        now = now or asyncio.Event()
        while not stop.is_set():
            now.clear()
            await _safely(work.__name__, work)
            await _either(stop, now, seconds)


def _place(lane: Held) -> Place:
    return lane.warehouse_id, lane.endpoint_id


async def _safely(name: str, work: Callable[[], Awaitable[T]]) -> T | None:
    """A loop outlives every failure of one round; the next round finds the same work."""
    try:
        return await work()
    except (Busy, OSError) as error:
        log.info("%s waits: %s", name, error)
    except Exception:
        log.exception("%s failed; it goes on", name)
        await asyncio.sleep(0.5)
    return None


async def _either(stop: asyncio.Event, hint: asyncio.Event, seconds: float) -> bool:
    """Sleep until one of the two or the time; True when it was the hint."""
    waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(hint.wait())]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return hint.is_set()
    finally:
        for wait in waits:
            wait.cancel()


async def run_events(
    db: Db, settings: Settings, stop: asyncio.Event, tuning: Tuning | None = None
) -> None:
    """Seal and deliver for all warehouses until `stop` is set."""
    await EventWorker(db, settings, tuning).run(stop)


# Nothing to seal, no active endpoint behind its stream, nothing parked that will be tried again.
IS_DRAINED = text(
    """
    SELECT NOT EXISTS (
             SELECT 1 FROM endpoint e
               JOIN warehouse w ON e.warehouses = '{}' OR w.code = ANY (e.warehouses)
               JOIN seal_state s ON s.warehouse_id = w.id AND s.pos > 0
              WHERE e.state = 'active'
                AND (SELECT count(*) FROM delivery_cursor c
                      WHERE c.warehouse_id = w.id AND c.endpoint_id = e.id AND c.pos >= s.pos)
                    < e.lanes)
       AND NOT EXISTS (
             SELECT 1 FROM parked p JOIN endpoint e ON e.id = p.endpoint_id AND e.state = 'active'
              WHERE p.state <> 'dead')
    """
)


async def is_drained(db: Db) -> bool:
    """True when every event that was committed has a position and is delivered or dead."""
    pool = await db.hot()
    if await pool.fetch(sealer.PENDING):
        return False
    async with db.reading() as tx:
        return (await tx.execute(IS_DRAINED)).scalar_one()


async def drain(
    db: Db, settings: Settings, tuning: Tuning | None = None, timeout_s: float = 60
) -> bool:
    """Run a worker until nothing is left to seal or deliver; False when the time ran out.

    Work that another process holds is waited for, not taken.
    """
    stop = asyncio.Event()
    work = asyncio.create_task(run_events(db, settings, stop, tuning))
    ends = time.monotonic() + timeout_s
    try:
        while time.monotonic() < ends and not work.done():
            if await is_drained(db):
                return True
            await asyncio.sleep(0.05)
        return False
    finally:
        stop.set()
        await work
