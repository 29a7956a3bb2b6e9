"""Runs planning in a worker process, so that the event loop never waits for it.

One spawned worker by default, started at the first call, replaced when it crashes or overruns.
What must stay true: `offload` returns or raises within about `timeout_s`. A planner tells its best
plan as it goes (`tell`); where the worker dies or is late, the last one told is the answer, and a
caller that gets `PlanTimeout` uses the simple rule. A plan that came too late is thrown away.
"""

import asyncio
import multiprocessing
import os
import pickle
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4
from weakref import WeakKeyDictionary

T = TypeVar("T")


class PlanTimeout(Exception):
    """Planning took longer than the caller can wait; use the simple rule."""


class PlanFailed(Exception):
    """The worker process died twice on this problem; use the simple rule."""


TELL_S = 0.5  # at the most so often
TELL_SHARE = 20  # and so seldom that telling takes one part in twenty of the time


class _Ear:
    """The file of one call, in which its worker leaves the best plan so far; whole or not there."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.next = time.perf_counter() + TELL_S

    def hear(self, plan: Callable[[], object]) -> None:
        began = time.perf_counter()
        if began < self.next:
            return
        fresh = Path(f"{self.path}.new")
        fresh.write_bytes(pickle.dumps(plan()))
        fresh.replace(self.path)
        end = time.perf_counter()
        self.next = end + max(TELL_S, TELL_SHARE * (end - began))


_ear: _Ear | None = None


def tell(plan: Callable[[], object]) -> None:
    """In a worker: `plan()` is the best so far, should no more come. It is asked now and then."""
    if _ear is not None:
        _ear.hear(plan)


def _run_heard(path: str, fn: Callable[..., T], args: tuple[Any, ...]) -> T:
    """Run one call in a worker, with a place to tell."""
    global _ear
    _ear = _Ear(path)
    try:
        return fn(*args)
    finally:
        _ear = None


def _end_with_parent(directory: str) -> None:
    """Let this worker die when its server is killed and can no longer end it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the server ends its workers
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("a planning worker runs in a process of its own")

    def watch() -> None:
        parent.join()
        shutil.rmtree(directory, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class PlanPool:
    """A small set of worker processes for pure planning functions.

    `prepare` runs in each new worker before its first work (imports, compiled kernels); nobody's
    patience is counted against it, or an impatient caller would end every worker while it starts.
    """

    def __init__(self, workers: int = 1, prepare: Callable[[], object] = os.getpid) -> None:
        if workers < 1:
            raise ValueError(f"workers must be >= 1, not {workers}")
        self.workers = workers
        self.prepare = prepare
        self._executor: ProcessPoolExecutor | None = None
        self._directory = ""
        self._closed = 0  # times; who waits meanwhile is told, and starts no worker
        self._prepared: list[Future[object]] = []
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )

    def _home(self) -> str:
        """Where workers leave the plans they tell."""
        self._directory = self._directory or tempfile.mkdtemp(prefix="wms-plans-")
        return self._directory

    def _running(self) -> ProcessPoolExecutor:
        if self._executor is None:
            spawn = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(
                self.workers, mp_context=spawn, initializer=_end_with_parent,
                initargs=(self._home(),),
            )  # fmt: skip
            self._prepared = [self._executor.submit(self.prepare) for _ in range(self.workers)]
        return self._executor

    def _discard(self, executor: ProcessPoolExecutor) -> None:
        """End an executor with what it runs; the next one prepares itself at once."""
        workers = _processes(executor)
        executor.shutdown(wait=False, cancel_futures=True)
        for process in workers:
            process.kill()  # also one that was stopped and hears nothing
        if self._executor is executor:
            self._executor = None
            self._running()

    async def offload(self, fn: Callable[..., T], *args: Any, timeout_s: float) -> T:
        """Run `fn(*args)` in a worker. Arguments and result travel by pickle.

        Answers the last plan told where the worker dies or is late. Else raises PlanTimeout after
        `timeout_s`, PlanFailed when the worker died twice, and whatever `fn` itself raises.
        """
        loop = asyncio.get_running_loop()
        turns = self._turns.setdefault(loop, asyncio.Semaphore(self.workers))
        end = loop.time() + timeout_s
        try:
            async with asyncio.timeout_at(end):
                await turns.acquire()
        except TimeoutError:
            raise PlanTimeout(f"no planning worker was free within {timeout_s} s") from None
        closed = self._closed
        told = f"{self._home()}/{uuid4().hex}"
        trouble: Exception = PlanFailed("the planning worker died twice")
        try:
            for _attempt in (1, 2):
                try:
                    return await self._run(fn, args, end, told)
                except BrokenProcessPool:
                    if closed != self._closed:
                        raise PlanFailed("planning has ended") from None
                except TimeoutError:
                    trouble = PlanTimeout(f"no plan after {timeout_s} s")
                for plan in await asyncio.to_thread(_last_told, told):
                    return plan
                if isinstance(trouble, PlanTimeout):
                    break
            raise trouble
        finally:
            turns.release()
            _forget(told)

    async def _run(
        self, fn: Callable[..., T], args: tuple[Any, ...], end: float, told: str
    ) -> T:
        """With a worker of one's own: whoever overruns ends that work, and nobody else's."""
        executor = self._running()
        begun = False
        try:
            async with asyncio.timeout_at(end):
                for each in self._prepared:
                    ready = asyncio.wrap_future(each)
                    ready.add_done_callback(_heed)
                    await asyncio.shield(ready)
                begun = True
                return await asyncio.wrap_future(executor.submit(_run_heard, told, fn, args))
        except (TimeoutError, asyncio.CancelledError):
            if begun:
                self._discard(executor)
            raise
        except BrokenProcessPool:
            self._discard(executor)
            raise

    @property
    def is_ready(self) -> bool:
        """True when a worker is prepared, so that a short question need not wait for one."""
        return self._executor is not None and all(each.done() for each in self._prepared)

    def close(self) -> None:
        """End the workers; waits for the processes to be gone."""
        executor, self._executor = self._executor, None
        self._prepared, self._closed = [], self._closed + 1
        if executor is not None:
            for process in _processes(executor):
                process.kill()
            executor.shutdown(wait=True, cancel_futures=True)
        directory, self._directory = self._directory, ""
        if directory:
            shutil.rmtree(directory, ignore_errors=True)


def _processes(executor: ProcessPoolExecutor) -> list[multiprocessing.Process]:
    return list((getattr(executor, "_processes", None) or {}).values())


def _last_told(path: str) -> list[Any]:
    """The last plan that a worker told, if it told one."""
    try:
        return [pickle.loads(Path(path).read_bytes())]
    except FileNotFoundError:
        return []


def _forget(path: str) -> None:
    for name in (path, f"{path}.new"):
        Path(name).unlink(missing_ok=True)


def _heed(done: asyncio.Future[Any]) -> None:
    """Whoever waited may be gone: nobody is told then that a worker was ended, and that is well."""
    if not done.cancelled():
        done.exception()


_shared = PlanPool()


async def start(prepare: Callable[[], object], timeout_s: float) -> None:
    """Start the process-wide pool, each of whose workers prepares itself this way.

    Raises PlanTimeout, PlanFailed, and what `prepare` raises.
    """
    _shared.prepare = prepare
    await _shared.offload(os.getpid, timeout_s=timeout_s)


async def offload(fn: Callable[..., T], *args: Any, timeout_s: float) -> T:
    """`PlanPool.offload` on the process-wide pool."""
    return await _shared.offload(fn, *args, timeout_s=timeout_s)


def is_ready() -> bool:
    """`PlanPool.is_ready` of the process-wide pool."""
    return _shared.is_ready


def close() -> None:
    """Clean shutdown of the process-wide pool; it starts again at the next `offload`."""
    _shared.close()
