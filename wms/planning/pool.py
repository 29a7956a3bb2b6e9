"""Runs planning in a worker process, so that the event loop never waits for it.

One spawned worker by default, started at the first call, replaced when it crashes or overruns.
What must stay true: `offload` returns or raises within about `timeout_s`; a caller that gets
`PlanTimeout` uses the simple rule, and a plan that came too late is thrown away.
"""

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class PlanTimeout(Exception):
    """Planning took longer than the caller can wait; use the simple rule."""


class PlanFailed(Exception):
    """The worker process died twice on this problem; use the simple rule."""


def _end_with_parent() -> None:
    """Let this worker die when its server is killed and can no longer end it."""
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("a planning worker runs in a process of its own")

    def watch() -> None:
        parent.join()
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
        self._prepared: list[Future[object]] = []
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )

    def _running(self) -> ProcessPoolExecutor:
        if self._executor is None:
            spawn = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(
                self.workers, mp_context=spawn, initializer=_end_with_parent
            )
            self._prepared = [self._executor.submit(self.prepare) for _ in range(self.workers)]
        return self._executor

    def _discard(self, executor: ProcessPoolExecutor) -> None:
        """End an executor with what it runs; the next one prepares itself at once."""
        workers = list((getattr(executor, "_processes", None) or {}).values())
        executor.shutdown(wait=False, cancel_futures=True)
        for process in workers:
            process.terminate()
        if self._executor is executor:
            self._executor = None
            self._running()

    async def offload(self, fn: Callable[..., T], *args: Any, timeout_s: float) -> T:
        """Run `fn(*args)` in a worker. Arguments and result travel by pickle.

        Raises PlanTimeout after `timeout_s`, PlanFailed when the worker died twice, and whatever
        `fn` itself raises.
        """
        loop = asyncio.get_running_loop()
        turns = self._turns.setdefault(loop, asyncio.Semaphore(self.workers))
        end = loop.time() + timeout_s
        try:
            async with asyncio.timeout_at(end):
                await turns.acquire()
        except TimeoutError:
            raise PlanTimeout(f"no planning worker was free within {timeout_s} s") from None
        try:
            for _attempt in (1, 2):
                try:
                    return await self._run(fn, args, end)
                except BrokenProcessPool:
                    continue
                except TimeoutError:
                    raise PlanTimeout(f"no plan after {timeout_s} s") from None
            raise PlanFailed("the planning worker died twice")
        finally:
            turns.release()

    async def _run(self, fn: Callable[..., T], args: tuple[Any, ...], end: float) -> T:
        """With a worker of one's own: whoever overruns ends that work, and nobody else's."""
        executor = self._running()
        begun = False
        try:
            async with asyncio.timeout_at(end):
                for each in self._prepared:
                    await asyncio.shield(asyncio.wrap_future(each))
                begun = True
                return await asyncio.wrap_future(executor.submit(fn, *args))
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
        if executor is not None:
            for process in list((getattr(executor, "_processes", None) or {}).values()):
                process.terminate()
            executor.shutdown(wait=True, cancel_futures=True)


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
