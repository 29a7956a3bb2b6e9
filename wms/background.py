"""The worker: a process of its own that seals and delivers events and runs the chores.

A server keeps one beside itself, so that no scan waits for a delivery. It may die at any moment: it
is started again, and what it held is taken over by leases. It ends with its server, however that
one ends; `wms worker` runs one on another machine.
"""

import asyncio
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import uvloop

from wms.db import Db
from wms.events import tracing
from wms.events.line import Line
from wms.events.worker import run_events
from wms.planning import pool
from wms.settings import Settings, read_settings
from wms.worker import run_chores

END_S, KILL_S = 6.0, 8.0  # for what is under way when told to stop; then it ends anyhow
RESTS_S = (0.2, 1.0, 5.0, 15.0, 60.0)  # before the next start, by deaths in a row
WELL_S = 60.0  # one that lived so long does not count as dying again
log = logging.getLogger("wms.worker")


async def work(settings: Settings, stop: asyncio.Event) -> None:
    """Seal, deliver and run the chores until `stop`. Raises what ended any of them before."""
    if settings.otel:
        tracing.trace_deliveries()
    gc.freeze()  # what the start made stays: looking through it would stop the seal
    db = Db(settings.database_url, settings.pool_size)
    line = asyncio.create_task(Line(db.url).run(), name="line")
    parts = [
        asyncio.create_task(run_events(db, settings, stop), name="events"),
        asyncio.create_task(run_chores(db, stop), name="chores"),
    ]
    told = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([told, line, *parts], return_when=asyncio.FIRST_COMPLETED)
        for part in (line, *parts):
            if part.done():
                part.result()
    finally:
        stop.set()
        await asyncio.wait(parts, timeout=END_S)
        for task in (line, told, *parts):
            task.cancel()
        await asyncio.to_thread(pool.close)
        await db.close()


def run_worker(settings: Settings, *, orphan: bool = False) -> None:
    """Work in this process until a signal, or (`orphan`) until our standard input ends."""

    async def life() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        if orphan:
            threading.Thread(target=_watch, args=(loop, stop), daemon=True).start()
        await work(settings, stop)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(life())


def _watch(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """The server holds our standard input open; its end, however it comes, is ours too."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(stop.set)
    time.sleep(KILL_S)
    os._exit(1)


def work_until_orphaned() -> None:
    """The life of the worker beside a server, with the settings of the environment."""
    run_worker(read_settings(), orphan=True)


class Keeper:
    """Keeps one worker process alive beside a server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Start it, start it again whenever it dies, and end it after `stop`."""
        while not stop.is_set():
            began = time.monotonic()
            self.process = self._start()
            try:
                code = await self._life(self.process, stop)
            finally:
                self.process.kill()  # when this is cancelled; one that has ended does not mind
                _close_input(self.process)
            if stop.is_set():
                return
            self.deaths = 1 if time.monotonic() - began > WELL_S else self.deaths + 1
            rest_s = RESTS_S[min(self.deaths, len(RESTS_S)) - 1]
            log.error("the worker ended with %s; the next starts in %s s", code, rest_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), rest_s)

    async def _life(self, process: subprocess.Popen[bytes], stop: asyncio.Event) -> int:
        """Until it has ended, by itself or because of `stop`; its exit code."""
        ended = asyncio.create_task(asyncio.to_thread(process.wait))
        told = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([ended, told], return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                await asyncio.to_thread(_end, process)
            return await ended
        finally:
            told.cancel()

    def _start(self) -> subprocess.Popen[bytes]:
        """In a process group of its own: a terminal's Ctrl-C is for the server, which tells it."""
        code = "from wms.background import work_until_orphaned; work_until_orphaned()"
        environment = {**os.environ, **self._settings.environment()}
        return subprocess.Popen([sys.executable, "-c", code], env=environment,
                                stdin=subprocess.PIPE, process_group=0)  # fmt: skip


def _end(process: subprocess.Popen[bytes]) -> None:
    """The end of its input tells it; who does not hear is killed."""
    _close_input(process)
    try:
        process.wait(KILL_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _close_input(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None, "piped"
    with suppress(OSError):
        process.stdin.close()
