"""The worker as a process of its own: killed, orphaned, told to stop; hints between processes."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec

from tests.events.conftest import Bed
from tests.events.receiver import Receiver
from tests.events.test_delivery import until
from wms.background import Keeper
from wms.events import wake
from wms.events.line import CHANNEL, Line
from wms.settings import Settings

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
