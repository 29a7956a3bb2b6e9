"""A day in a warehouse, driven from outside: partner, supervisor and crew against a real server.

The server is a process of its own; when it dies it is started again, as an init system would.
Whoever kills what, the day must come to its end with nothing lost and nothing doubled.
"""

import asyncio
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random

import aiohttp
import msgspec
from sqlalchemy import text

from wms.access.clients import create_client, renew_key
from wms.access.installation import pepper
from wms.barcodes import label
from wms.db import Db
from wms.errors import Conflict, WmsError
from wms.events import endpoints
from wms.events.keys import Vault
from wms.events.worker import is_drained
from wms.load import load_directory
from wms.masterdata import csv_forms as forms
from wms.masterdata.csv_read import Folder, read_folder
from wms.outbound import levels_told
from wms.serve import start_child
from wms.settings import Settings
from wms.simulator import desk, report
from wms.simulator.device import Chances, Device, Tally
from wms.simulator.person import Day, Person
from wms.simulator.receiver import Receiver, secret_bytes
from wms.simulator.report import DayReport

Tell = Callable[[DayReport, str], None]
QUIET_S = 8.0  # nothing changes for so long and no work is open: the day is over


class NotLoaded(WmsError):
    say = "{problems} problems in the data; the first: {first}"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `wms demo` was asked for. `pace_s`: seconds a person needs for a step."""

    data: Path
    orders: int | None
    workers: int
    pace_s: float = 0.0
    seed: int = 1
    exit: bool = False
    chances: Chances = Chances()
    limit_s: float = 3600.0


class _Kept(msgspec.Struct):
    """What a demo needs to go on after it was killed."""

    port: int
    secret: str
    key: str


class Theatre:
    """Everything of one running day."""

    def __init__(self, settings: Settings, options: Options, tell: Tell) -> None:
        self.settings, self.options, self.tell = settings, options, tell
        self.base = f"http://{settings.host}:{settings.port}"
        self.db = Db(settings.database_url)
        self.tally = Tally()
        self.receiver = Receiver(desk.memory_file(settings.data_dir))
        self.folder: Folder = read_folder(options.data, datetime.now(UTC))
        self.papers = desk.read_papers(self.folder, options.orders)
        self.warehouse_id = 0
        self.server: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self.ended = asyncio.Event()
        self._labels = count(int(time.time()) % 10_000_000 * 1000)
        self.day = Day(self.papers.sights, lambda kind: f"{next(self._labels)}", self._look,
                       pace_s=options.pace_s)  # fmt: skip

    async def run(self) -> DayReport:
        """The whole day; returns when it is over (or at the limit)."""
        start = time.monotonic()
        loaded = await load_directory(self.db, self.options.data)
        if loaded.problems:
            raise NotLoaded(problems=len(loaded.problems), first=loaded.problems[0])
        async with self.db.reading() as tx:
            found = await tx.execute(
                text("SELECT id FROM warehouse WHERE code = :code"), {"code": self.papers.warehouse}
            )
            self.warehouse_id = found.scalar_one()
        key = await self._subscribe()
        keeper = asyncio.create_task(self._keep_serving())
        await self._answers()
        people = await self._crew()
        work = [asyncio.create_task(person.work()) for person in people]
        desks = [asyncio.create_task(self._partner(key)), asyncio.create_task(self._supervise())]
        try:
            await self._until_over(start, [*work, *desks, keeper])
            self.day.over = True
            await asyncio.gather(*work, *desks)
            await self._until_delivered()
        finally:
            self.day.over = True
            self.ended.set()
            await asyncio.gather(*work, *desks, keeper, return_exceptions=True)
            for person in people:
                await person.device.close()
        result = await report.final_report(
            self.db, self.warehouse_id, self.tally, self.receiver, self.day.troubles,
            time.monotonic() - start,
        )  # fmt: skip
        await self.receiver.stop()
        await self.db.close()
        return result

    async def _subscribe(self) -> str:
        """The demo's endpoint and API key; a demo that was killed keeps what it had."""
        file = self.settings.data_dir / "demo.json"
        if file.exists():
            kept = msgspec.json.decode(file.read_bytes(), type=_Kept)
            self.receiver.secret = secret_bytes(kept.secret)
            await self.receiver.start(port=kept.port)
            return kept.key
        url = await self.receiver.start()
        at = datetime.now(UTC)
        async with self.db.transaction() as tx:
            try:
                key = await create_client(tx, "demo-erp", warehouse_ids=[self.warehouse_id],
                                          pepper=pepper(self.settings))  # fmt: skip
            except Conflict:
                key = await renew_key(tx, "demo-erp", pepper=pepper(self.settings))
            new = endpoints.NewEndpoint(code="demo", url=url, name="Demo receiver", lanes=4,
                                        types=["*"], start="beginning")  # fmt: skip
            made = await endpoints.create(
                tx, new, Vault(self.settings), endpoints.egress_of(self.settings),
                "system:demo", at,
            )  # fmt: skip
        self.receiver.secret = secret_bytes(made.secret)
        await endpoints.verify(self.db, self.settings, "demo", "system:demo")
        port = int(url.rpartition(":")[2].partition("/")[0])
        file.write_bytes(msgspec.json.encode(_Kept(port, made.secret, key)))
        return key

    async def _keep_serving(self) -> None:
        """The server process, started again whenever it ends before the day does."""
        while not self.ended.is_set():
            self.server = start_child(self.settings)
            while self.server.poll() is None and not self.ended.is_set():  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # a process has no event
            if not self.ended.is_set():
                self.restarts += 1
            self.server.terminate()
            await asyncio.to_thread(self.server.wait, 20)
            assert self.server.stdin is not None
            self.server.stdin.close()

    async def _answers(self) -> None:
        async with aiohttp.ClientSession() as http:
            for _ in range(300):
                try:
                    async with http.get(f"{self.base}/floor/login"):
                        return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.1)
        raise TimeoutError("the server did not answer within 30 s")

    async def _crew(self) -> list[Person]:
        people = []
        crew = desk.crew_of(self.folder.of(forms.UserForm), self.options.workers)
        for n, user in enumerate(crew):
            rng = Random(self.options.seed * 1000 + n)
            device = Device(self.base, rng, self.options.chances, self.tally)
            await device.sign_in(label("BD", user.badge), user.pin)
            people.append(Person(self.day, device, user.name, frozenset(user.roles)))
        return people

    async def _partner(self, key: str) -> None:
        """The ERP's morning: deliveries are announced, orders come in."""
        erp = desk.Erp(self.base, self.papers.warehouse, key)
        try:
            for asn in self.papers.asns:
                await erp.announce(asn)
            for order in self.papers.orders:
                await erp.order(order)
                if self.options.pace_s:
                    await asyncio.sleep(self.options.pace_s / 4)
        finally:
            await erp.close()

    async def _supervise(self) -> None:
        """Release what waits, a wave at a time, through the office page."""
        supervisor = next(
            user for user in self.folder.of(forms.UserForm) if "supervisor" in user.roles
        )
        rng = Random(self.options.seed)
        device = Device(self.base, rng, Chances(), Tally())
        await device.sign_in(label("BD", supervisor.badge), supervisor.pin)
        try:
            while not self.day.over:
                async with self.db.reading() as tx:
                    worth_it = await desk.can_release(tx, self.warehouse_id)
                if worth_it:
                    await desk.release_waiting(device)
                await asyncio.sleep(1.5 + self.options.pace_s * 10)
        finally:
            await device.close()

    async def _look(self, bin_code: str) -> list[desk.Seen]:
        """What lies in a bin, for the eyes of somebody who counts it."""
        async with self.db.reading() as tx:
            return await desk.look_into(tx, self.warehouse_id, bin_code)

    async def _until_over(self, start: float, tasks: list[asyncio.Task[None]]) -> None:
        quiet_since = time.monotonic()
        before: tuple[int, ...] = ()
        while time.monotonic() - start < self.options.limit_s:
            for task in tasks:
                if task.done() and task.exception() is not None:
                    raise task.exception() or RuntimeError
            now = await report.totals(self.db, self.warehouse_id)
            self.tell(now, "")
            seen = (now.orders, now.scans - now.scans_rejected, now.orders_shipped)
            if seen != before:
                before, quiet_since = seen, time.monotonic()
            if self.options.exit and await self._is_over(now, time.monotonic() - quiet_since):
                return
            await asyncio.sleep(0.5)
        self.day.troubles.append(f"not over after {self.options.limit_s:.0f} s")

    async def _is_over(self, now: DayReport, quiet_s: float) -> bool:
        """All orders ended or explained, and nothing left to do that could change it."""
        if now.orders < len(self.papers.orders) or now.orders_unexplained:
            return quiet_s > QUIET_S * 20
        open_ = await report.open_tours(self.db, self.warehouse_id)
        return not open_ or quiet_s > QUIET_S

    async def _until_delivered(self) -> None:
        """Every committed event at the receiver, also those of the last chores."""
        ends = time.monotonic() + 120
        settled = 0
        while time.monotonic() < ends and settled < 3:
            done = await is_drained(self.db) and not (
                await report.open_waves(self.db, self.warehouse_id)
                or await levels_told.list_behind(self.db)
            )
            settled = settled + 1 if done else 0
            self.tell(await report.totals(self.db, self.warehouse_id), "delivering events")
            await asyncio.sleep(0.5)


async def run_day(settings: Settings, options: Options, tell: Tell) -> DayReport:
    """Run a day on these settings (a migrated database, a free port)."""
    return await Theatre(settings, options, tell).run()
