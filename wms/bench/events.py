"""`wms bench events`: sealing and delivery against what the bare means do on this machine.

A server with its worker seals and delivers as in operation, a receiver process takes real HTTP
requests, this process writes events. Floors are measured in the same run: one INSERT … SELECT for
sealing, bare POSTs of one process for deliveries, the scan without endpoints for what a scan pays.
"""

import asyncio
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import aiohttp
import msgspec

from wms.bench import confirm, ground
from wms.bench.events_feed import OWNERS, Feed, hold_snapshot, subscribe
from wms.bench.events_partner import LINES, Partners
from wms.bench.events_sink import HOST, Receiver
from wms.bench.load import Timed, run_load
from wms.db import Db
from wms.events import replays
from wms.events.queries import get_endpoint
from wms.events.worker import EventWorker
from wms.migrate import upgrade
from wms.serve import start_child
from wms.settings import Settings, read_settings

RATE = 500.0
LANES = 64
BACKLOG = 100_000
SCANS_A_S = 400  # at most so many by one client


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report. `ratio` relates `value` to `floor`; `met` is None without target."""

    test: str
    value: float
    unit: str
    target: str
    met: bool | None = None
    floor: float | None = None
    ratio: float | None = None
    note: str = ""


class Bench:
    """Everything of one run."""

    def __init__(
        self, url: str, settings: Settings, seconds: float, held_s: float, backlog: int = BACKLOG
    ) -> None:
        self.url, self.settings = url, settings
        self.seconds, self.held_s, self.backlog = seconds, held_s, backlog
        self.db = Db(url)
        self.feed = Feed(url)
        self.sink = Receiver()
        self.last = Receiver()  # the one that goes away
        self.rows: list[Row] = []
        self.server: subprocess.Popen[bytes] | None = None
        self.scans: Iterator[bytes] = iter(())
        self.badge = ""

    def note(self, test: str, value: float, unit: str, target: str, met: bool | None,
             floor: float | None = None, note: str = "") -> None:  # fmt: skip
        ratio = round(value / floor, 3) if floor else None
        self.rows.append(
            Row(test=test, value=round(value, 2), unit=unit, target=target, met=met,
                floor=None if floor is None else round(floor, 2), ratio=ratio, note=note)
        )  # fmt: skip

    # ---- sealing, in this process --------------------------------------------------------------

    async def sealing(self) -> None:
        n = int(10_000 * self.seconds)
        await self.feed.write(n)
        await self.feed.sql.execute("CREATE UNLOGGED TABLE bare AS SELECT * FROM outbox LIMIT 0")
        await self.feed.sql.execute("ALTER TABLE bare SET LOGGED")
        began = time.perf_counter()
        await self.feed.sql.execute("INSERT INTO bare SELECT * FROM outbox")
        bare = n / (time.perf_counter() - began)
        worker = EventWorker(self.db, self.settings)
        await worker.keep_house()
        began = time.perf_counter()
        while await worker.seal():
            pass
        rate = n / (time.perf_counter() - began)
        self.note("sealed events a second", rate, "/s", "≥ 20,000", rate >= 20_000, bare,
                  "floor: bare INSERT … SELECT")  # fmt: skip

    async def seal_lag(self) -> None:
        await self.feed.run(2000, 3)  # a worker that just began closes blocks and walks the stock
        await asyncio.sleep(1)
        before = await self.feed.head()
        await self.feed.run(2000, self.seconds)
        await asyncio.sleep(1)
        lag = await self.feed.lag(before)
        self.note("seal lag at 2,000/s, p99", lag.p99, "ms", "< 100", lag.p99 < 100,
                  note=f"p50 {lag.p50}, most {lag.most}")  # fmt: skip

    # ---- what a scan pays ----------------------------------------------------------------------

    async def start_server(self) -> None:
        acts = await ground.make_work(self.url, "E", int(SCANS_A_S * self.seconds), 1)
        self.server = start_child(self.settings)
        await confirm.answers(self.server, self.settings.port)
        await _quiet(self.server.pid)
        cookie = await confirm.sign_in(self.badge, self.settings.port)
        self.scans = confirm.requests(acts, [cookie], 1)[0]

    async def scan(self) -> Timed:
        """One picker scans, at most as many scans as were prepared for this part."""
        some = islice(self.scans, int(SCANS_A_S * self.seconds / 2))
        return await run_load(HOST, self.settings.port, [some], self.seconds, b'"ok":true')

    async def outbox_cost(self) -> None:
        times: list[float] = []
        await self.feed.sql.execute("BEGIN")
        for _ in range(max(200, int(100 * self.seconds))):
            began = time.perf_counter()
            await self.feed.write(2)  # a pick tells of the stock, and often of its order
            times.append(1000 * (time.perf_counter() - began))
        began = time.perf_counter()
        for _ in range(200):
            await self.feed.sql.execute("SELECT 1")
        trip = 1000 * (time.perf_counter() - began) / 200
        await self.feed.sql.execute("ROLLBACK")
        times.sort()
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        self.note("two events in a transaction, p50", p50, "ms", "≤ 0.3", p50 <= 0.3, trip,
                  f"floor: an empty round trip; p99 {p99:.2f} (≤ 1). A scan's own statement "
                  "writes them without a trip of their own")  # fmt: skip

    async def scan_cost(self) -> None:
        without = await self.scan()
        await self.feed.state("e%", "active")
        withed = await self.scan()
        self.note("scan p50, 20 endpoints hear it", withed.p50_ms, "ms", "+ ≤ 0.3 ms",
                  withed.p50_ms - without.p50_ms <= 0.3, without.p50_ms,
                  f"floor: no endpoint; p99 {withed.p99_ms:.1f} against {without.p99_ms:.1f}",
                  )  # fmt: skip

    # ---- delivery ------------------------------------------------------------------------------

    async def make_endpoints(self) -> None:
        await subscribe(self.db, self.settings, "one", self.sink.url("one"), [], lanes=LANES,
                        max_inflight=LANES)  # fmt: skip
        for n in range(OWNERS):
            receiver = self.last if n == OWNERS - 1 else self.sink
            await subscribe(self.db, self.settings, f"e{n:02d}", receiver.url(f"e{n:02d}"),
                            [f"O{n}", "OWN"])  # fmt: skip

    async def one_endpoint(self) -> None:
        bare = await bare_posts(self.sink.url("bare"), self.seconds)
        await self.feed.state("one", "active")
        await self.sink.stats()
        await self.feed.write(int(1000 * self.seconds))
        await self.feed.settle(20 * self.seconds + 20)
        stats = await self.sink.stats()
        await self.feed.state("one", "paused")
        self.note("ordered deliveries a second, one endpoint", stats.per_s, "/s", "≥ 2,000",
                  stats.per_s >= 2000, bare, "floor: bare aiohttp POSTs, 64 at a time")  # fmt: skip

    async def first_byte(self) -> float:
        """The rate that this machine delivers in time: 500/s, or the half, or the quarter."""
        rate = RATE
        while True:
            await self.sink.stats()
            await self.feed.run(rate, self.seconds)
            await self.feed.settle(30)
            stats = await self.sink.stats()
            met = stats.p50_ms <= 60 and stats.p99_ms <= 400
            note = f"{OWNERS} endpoints, each event to one of them"
            self.note(f"commit to first byte at {rate:.0f}/s, p50", stats.p50_ms, "ms", "≤ 60",
                      stats.p50_ms <= 60, note=note)  # fmt: skip
            self.note(f"commit to first byte at {rate:.0f}/s, p99", stats.p99_ms, "ms", "≤ 400",
                      stats.p99_ms <= 400)  # fmt: skip
            if met or rate <= RATE / 8:
                return rate
            rate /= 2

    async def outage(self, rate: float) -> None:
        """The last endpoint is away; the others must not notice, and nothing is written for it."""
        before = await self.feed.sql.fetchval("SELECT count(*) FROM parked")
        port = self.last.port
        self.last.stop()
        await self.sink.stats()
        await self.feed.run(rate / 2, self.seconds)
        others = await self.sink.stats()
        parked = await self.feed.sql.fetchval("SELECT count(*) FROM parked") - before
        self.last = Receiver(port)
        await self.feed.sql.execute("UPDATE endpoint SET probes = probes + 1")
        await self.feed.settle(60)
        self.note("rows written because of an outage", parked, "rows", "0", parked == 0,
                  note=f"the others' p99 {others.p99_ms} ms meanwhile")  # fmt: skip

    async def catch_up(self) -> None:
        """An endpoint that hears everything was away while a backlog grew."""
        before = await self.feed.head()
        await self.feed.write(self.backlog)
        while await self.feed.head() < before + self.backlog:  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.1)
        await self.sink.stats()
        began = time.perf_counter()
        await self.feed.state("one", "active", skip=False)
        await self.feed.settle(self.backlog / 50 + 60)
        per_s = self.backlog / (time.perf_counter() - began)
        came = (await self.sink.stats()).count
        await self.feed.state("one", "paused")
        self.note("catch-up of a backlog, one endpoint", per_s, "/s", "≥ 1,200", per_s >= 1200,
                  note=f"{came:,} of {self.backlog:,} events delivered; 4.3 M take "
                  f"{4.3e6 / per_s / 3600:.1f} h")  # fmt: skip

    async def preview(self) -> None:
        """What a replay of the whole log would send, counted."""
        async with self.db.reading() as tx:
            endpoint = await get_endpoint(tx, "one")
            began = time.perf_counter()
            found = await replays.preview(tx, 1, endpoint.id, replays.Selector())
            took = time.perf_counter() - began
        per_million = took * 1e6 / found.events
        self.note("preview of a replay, for 1 M events", per_million, "s", "< 1", per_million < 1,
                  note=f"counted {found.events:,} in {took:.2f} s")  # fmt: skip

    async def burst(self) -> None:
        calm = await self.scan()
        before = await self.feed.head()
        storm = asyncio.create_task(self.feed.run(50 * 20.0, self.seconds))
        busy = await self.scan()
        await storm
        await asyncio.sleep(1)
        lag = await self.feed.lag(before)
        self.note("seal lag in a 50× burst, most", lag.most, "ms", "< 2,000", lag.most < 2000,
                  note="20/s becomes 1,000/s")  # fmt: skip
        self.note("scan p50 in the burst", busy.p50_ms, "ms", "unchanged",
                  busy.p50_ms <= 1.2 * calm.p50_ms + 0.3, calm.p50_ms,
                  f"floor: calm; p99 {busy.p99_ms:.1f} against {calm.p99_ms:.1f}")  # fmt: skip
        await self.feed.settle(60)

    async def partners(self) -> None:
        """Orders, cancellations and statuses over the API, with scans beside them."""
        calm = await self.scan()
        partners = await Partners(self.db, self.feed.sql, self.settings.port).open()
        try:
            large = await partners.large_order()
            kinds, made = await partners.storm()
            published = await partners.statuses()
            burst = await partners.burst(self.scan, self.seconds)
        finally:
            await partners.close()
        self.note(f"an order of {LINES:,} lines, p50", large, "ms", "< 300", large < 300)
        self.note("orders made by 1,000 equal requests at once", made, "", "1",
                  made == kinds == 1, note=f"different answers: {kinds}")  # fmt: skip
        self.note("status of a carrier until published, p95", published, "ms", "< 1,000",
                  published < 1000)  # fmt: skip
        taken, scans = burst.orders / self.seconds, burst.scans
        self.note("scan p50 in a burst of orders", scans.p50_ms, "ms", "", None, calm.p50_ms,
                  f"floor: calm; {taken:.0f} orders a second by the API, {burst.kept} of "
                  f"{burst.orders} as jobs; p99 {scans.p99_ms:.1f} against {calm.p99_ms:.1f}",
                  )  # fmt: skip
        self.note("cancel p50 in a burst of orders", burst.cancel_p50, "ms", "", None,
                  burst.calm_cancel_p50, "floor: calm")  # fmt: skip
        await self.feed.settle(60)

    async def held_snapshot(self, rate: float) -> None:
        ages: list[float] = []
        for held in (False, True):
            hold = asyncio.create_task(hold_snapshot(self.url, self.held_s + 60)) if held else None
            await self.sink.stats()
            await self.feed.run(rate / 2, self.held_s if held else self.seconds)
            ages.append((await self.sink.stats()).p99_ms)
            if hold is not None:
                hold.cancel()
        free, kept = ages
        self.note("first byte p99 with a held snapshot", kept, "ms", "≤ + 20 %",
                  kept <= 1.2 * free + 5, free, f"floor: none held; held {self.held_s:.0f} s",
                  )  # fmt: skip

    async def run(self) -> list[Row]:
        await self.feed.open()
        try:
            await self.start_ground()
            await self.sealing()
            await self.make_endpoints()
            await self.outbox_cost()
            await self.start_server()
            await self.seal_lag()
            await self.scan_cost()
            await self.feed.state("e%", "paused")
            await self.one_endpoint()
            await self.catch_up()
            await self.preview()
            await self.feed.state("e%", "active")
            rate = await self.first_byte()
            await self.outage(rate)
            await self.burst()
            await self.partners()
            await self.held_snapshot(rate)
        finally:
            await self.stop()
        return self.rows

    async def start_ground(self) -> None:
        """A warehouse with one picker; everything that is told later happens there."""
        await asyncio.to_thread(upgrade, self.url)
        self.badge = (await ground.make_ground(self.url, 1)).badges[0]

    async def stop(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.wait(20)
        self.sink.stop()
        self.last.stop()
        await self.feed.close()
        await self.db.close()


async def _quiet(pid: int, seconds: float = 90.0) -> None:
    """Until the planning process of the server has warmed up: its CPU would be missing here."""
    until, before = time.monotonic() + seconds, -1.0
    while time.monotonic() < until:
        now = sum(confirm.cpu_s(child) for child in _planners(pid))
        if now == before:
            return
        before = now
        await asyncio.sleep(1)


def _planners(pid: int) -> list[int]:
    """Planning processes that any thread of a process started (Linux)."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for each in lists for child in each.read_text().split()]
    return [pid for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def bare_posts(url: str, seconds: float) -> float:
    """POSTs a second of a client that does nothing else, LANES at a time."""
    until, done = time.perf_counter() + seconds, 0
    body = b"x" * 1200

    async def lane(http: aiohttp.ClientSession) -> int:
        sent = 0
        while time.perf_counter() < until:
            async with http.post(url, data=body):
                sent += 1
        return sent

    connector = aiohttp.TCPConnector(limit=LANES)
    async with aiohttp.ClientSession(connector=connector) as http:
        began = time.perf_counter()
        done = sum(await asyncio.gather(*(lane(http) for _ in range(LANES))))
        return done / (time.perf_counter() - began)


async def run(
    server_url: str, seconds: float, held_s: float | None = None, backlog: int = BACKLOG
) -> list[Row]:
    """Measure in a database of its own on that server."""
    url = await ground.make_database(server_url, "wms_bench_events")
    with tempfile.TemporaryDirectory(prefix="wms-bench-") as data, socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
        free.close()
        settings = read_settings(
            database_url=url, port=port, host=HOST, data_dir=Path(data), egress_allow="127.0.0.0/8"
        )
        return await Bench(url, settings, seconds, held_s or seconds, backlog).run()
