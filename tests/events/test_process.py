"""The worker as a process of its own: killed, orphaned, told to stop; hints between processes."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from aiohttp import web

from tests.events.conftest import Bed
from tests.events.receiver import Receiver
from tests.events.test_delivery import parked, until
from tests.events.test_faults import Writers, all_came, prepare
from wms import background
from wms.background import Keeper
from wms.events import wake
from wms.events.line import CHANNEL, Line
from wms.events.rules import Tuning
from wms.events.worker import drain
from wms.settings import Settings

KILLS = 3
SECONDS = 60  # a process starts in two; a loaded machine needs more


def settings_of(bed: Bed) -> Settings:
    return msgspec.structs.replace(bed.settings, database_url=bed.db.url, pool_size=2)


@asynccontextmanager
async def keeping(settings: Settings) -> AsyncIterator[Keeper]:
    stop = asyncio.Event()
    made = Keeper(settings)
    task = asyncio.create_task(made.run(stop))
    try:
        yield made
    finally:
        stop.set()
        await task


async def test_a_killed_worker_is_started_again_and_nothing_is_lost(
    own_bed: Bed, receiver: Receiver
):
    await own_bed.subscribe(receiver)

    async def came(n: int) -> None:
        async def all_are_there() -> bool:
            return len({got.sequence for got in receiver.got}) >= n

        await until(all_are_there, SECONDS)

    async with keeping(settings_of(own_bed)) as keeper:
        await own_bed.tell("A", "B", "A")
        await came(3)
        first = keeper.process
        assert first is not None
        first.send_signal(signal.SIGKILL)
        await own_bed.tell("A", "B", "A")
        await came(6)
        second = keeper.process
        assert second is not None
        assert second.pid != first.pid
        assert keeper.deaths == 1
    assert second.returncode == 0, "told to stop, it ends by itself"
    firsts = list(dict.fromkeys(got.sequence for got in receiver.got if got.key == "order/A"))
    assert firsts == sorted(firsts)
    assert receiver.unverified == 0


def _fault(dice: random.Random, body: dict[str, Any], seen: int) -> web.Response | float | None:
    """What a process gets over in seconds: it asks to rest, fails as a whole, hangs up, is slow."""
    if body["partitionkey"] == "order/K0" and body["keyseq"] == "2" and not seen:
        return web.Response(status=500)
    roll = dice.random()
    if roll < 0.02:
        return web.Response(status=dice.choice((401, 401, 401, 429)))
    return 0.05 if roll < 0.1 else None


async def test_a_process_killed_at_random_moments_loses_reorders_and_invents_nothing(
    own_bed: Bed, receiver: Receiver, quick: Tuning, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(background, "RESTS_S", (0.05,))
    dice, bed = random.Random(22), own_bed
    await prepare(bed)
    receiver.fault = lambda body, seen: _fault(dice, body, seen)
    await bed.subscribe(receiver, lanes=4)
    writers, enough = Writers(bed, dice), asyncio.Event()

    async def write() -> None:
        while not enough.is_set():
            await writers.work()
            await asyncio.sleep(0.2)

    async with keeping(settings_of(bed)) as keeper:
        writing = asyncio.create_task(write())
        for killed in range(KILLS):
            sent = receiver.requests

            async def is_sending(before: int = sent) -> bool:
                return receiver.requests > before + 2

            async def has_died(times: int = killed + 1) -> bool:
                return keeper.deaths == times

            await until(is_sending, SECONDS)
            await asyncio.sleep(dice.random() / 2)  # into any moment of its work
            assert keeper.process is not None
            keeper.process.send_signal(signal.SIGKILL)
            await until(has_died, SECONDS)
        enough.set()
        await writing
    assert await drain(bed.db, bed.settings, quick, SECONDS)
    await all_came(bed, receiver, writers.committed)
    assert await parked(bed) == []


SERVE = """
import asyncio, sys
from wms.background import Keeper
from wms.settings import read_settings

async def serve():
    keeper = Keeper(read_settings())
    task = asyncio.create_task(keeper.run(asyncio.Event()))
    while keeper.process is None:
        await asyncio.sleep(0.01)
    print(keeper.process.pid, flush=True)
    await task

asyncio.run(serve())
"""


def test_a_worker_ends_when_its_server_is_killed(database_url: str, tmp_path: Path):
    settings = Settings(database_url=database_url, data_dir=tmp_path, pool_size=2)
    environment = {**os.environ, **settings.environment()}
    server = subprocess.Popen([sys.executable, "-c", SERVE], env=environment,
                              stdout=subprocess.PIPE)  # fmt: skip
    assert server.stdout is not None
    assert int(server.stdout.readline())
    server.kill()
    server.communicate(timeout=SECONDS)  # the worker holds this output too: its end is both's


async def test_hints_go_from_process_to_process(own_bed: Bed):
    """A plain session stands for another process: what it hears and says."""
    line = Line(own_bed.db.url)
    running = asyncio.create_task(line.run())
    await asyncio.wait_for(line.is_open.wait(), SECONDS)
    other = await asyncpg.connect(own_bed.db.url)
    heard: asyncio.Queue[object] = asyncio.Queue()
    await other.add_listener(CHANNEL, lambda _c, _pid, _channel, word: heard.put_nowait(word))
    try:
        await own_bed.tell("A")
        assert await asyncio.wait_for(heard.get(), SECONDS) == wake.NUDGE
        with wake.reading() as reader:
            await other.execute("SELECT pg_notify($1, $2)", CHANNEL, wake.SEALED)
            await asyncio.wait_for(reader.woken.wait(), SECONDS)
    finally:
        running.cancel()
        await other.close()
