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
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

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
    """A small set of worker processes for pure planning functions."""

    def __init__(self, workers: int = 1) -> None:
        if workers < 1:
            raise ValueError(f"workers must be >= 1, not {workers}")
        self.workers = workers
        self._executor: ProcessPoolExecutor | None = None

    def _running(self) -> ProcessPoolExecutor:
        if self._executor is None:
            spawn = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(
                self.workers, mp_context=spawn, initializer=_end_with_parent
            )
        return self._executor

    def _discard(self, executor: ProcessPoolExecutor, *, kill: bool) -> None:
        """Forget an executor; with `kill` its running work is ended, not awaited."""
        if self._executor is executor:
            self._executor = None
        workers = list((getattr(executor, "_processes", None) or {}).values())
        executor.shutdown(wait=False, cancel_futures=True)
        if kill:
            for process in workers:
                process.terminate()

    async def offload(self, fn: Callable[..., T], *args: Any, timeout_s: float) -> T:
        """Run `fn(*args)` in a worker. Arguments and result travel by pickle.

        Raises PlanTimeout after `timeout_s`, PlanFailed when the worker died twice, and whatever
        `fn` itself raises.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        for attempt in (1, 2):
            executor = self._running()
            job = None
            try:
                job = executor.submit(fn, *args)
                return await asyncio.wait_for(asyncio.wrap_future(job), max(0.0, end - loop.time()))
            except TimeoutError:
                # Still queued: it was withdrawn. Running: the worker would go on with work nobody
                # waits for, so it is ended, and other callers' work is tried once more.
                if job is None or not job.cancelled():
                    self._discard(executor, kill=True)
                raise PlanTimeout(f"no plan after {timeout_s} s") from None
            except asyncio.CancelledError:
                # Withdrawn with the worker that another's overrun ended, or we are cancelled.
                task = asyncio.current_task()
                if job is None or not job.cancelled() or (task is not None and task.cancelling()):
                    raise
                if attempt == 2:
                    raise PlanFailed("the planning worker was ended twice") from None
            except BrokenProcessPool:
                self._discard(executor, kill=True)
                if attempt == 2:
                    raise PlanFailed("the planning worker died twice") from None
        raise AssertionError("unreachable")

    @property
    def is_running(self) -> bool:
        """True when a worker was started, so that a short question need not wait for one."""
        return self._executor is not None

    def close(self) -> None:
        """End the workers; waits for the processes to be gone."""
        executor, self._executor = self._executor, None
        if executor is not None:
            for process in list((getattr(executor, "_processes", None) or {}).values()):
                process.terminate()
            executor.shutdown(wait=True, cancel_futures=True)


_shared = PlanPool()


async def offload(fn: Callable[..., T], *args: Any, timeout_s: float) -> T:
    """`PlanPool.offload` on the process-wide pool."""
    return await _shared.offload(fn, *args, timeout_s=timeout_s)


def is_running() -> bool:
    """`PlanPool.is_running` of the process-wide pool."""
    return _shared.is_running


def close() -> None:
    """Clean shutdown of the process-wide pool; it starts again at the next `offload`."""
    _shared.close()
