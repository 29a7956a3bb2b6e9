"""Planning in a worker process: results come back, overruns and crashes do not hurt the caller."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from wms.planning.pool import PlanFailed, PlanPool, PlanTimeout, tell


@pytest.fixture
def pool():
    pool = PlanPool()
    yield pool
    pool.close()


async def test_a_result_and_an_error_come_back_and_a_crash_is_survived(pool):
    assert await pool.offload(divmod, 7, 2, timeout_s=30) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await pool.offload(divmod, 7, 0, timeout_s=30)
    with pytest.raises(PlanFailed):
        await pool.offload(os._exit, 3, timeout_s=30)
    assert await pool.offload(divmod, 9, 2, timeout_s=30) == (4, 1)


async def test_work_that_overruns_is_given_up_and_the_next_call_is_served(pool):
    assert await pool.offload(abs, -1, timeout_s=30) == 1
    with pytest.raises(PlanTimeout):
        await pool.offload(time.sleep, 60, timeout_s=0.2)
    assert await pool.offload(abs, -2, timeout_s=30) == 2


async def test_work_that_queues_behind_an_overrun_is_done_by_the_next_worker(pool):
    await pool.offload(len, [1], timeout_s=30)
    overrun = asyncio.create_task(pool.offload(time.sleep, 30, timeout_s=0.5))
    await asyncio.sleep(0.05)
    queued = [pool.offload(len, [1] * n, timeout_s=30) for n in range(4)]
    assert await asyncio.gather(*queued) == [0, 1, 2, 3]
    with pytest.raises(PlanTimeout):
        await overrun


async def test_an_impatient_caller_does_not_end_a_worker_that_is_starting():
    pool = PlanPool(prepare=partial(time.sleep, 0.5))
    try:
        for _ in range(3):
            with pytest.raises(PlanTimeout):
                await pool.offload(abs, -1, timeout_s=0.05)
        first = pool._executor
        assert await pool.offload(abs, -1, timeout_s=30) == 1
        assert pool._executor is first
    finally:
        pool.close()


async def test_after_an_overrun_the_next_worker_prepares_before_anybody_asks():
    pool = PlanPool(prepare=partial(time.sleep, 0.2))
    try:
        with pytest.raises(PlanTimeout):
            await pool.offload(time.sleep, 60, timeout_s=5)
        await asyncio.sleep(3)
        assert await pool.offload(abs, -1, timeout_s=1) == 1
    finally:
        pool.close()


def improve_for_ever(mark: str) -> int:
    """A search that gets better and better and never ends."""
    best = 0
    while True:
        best += 1
        tell(partial(int, best))
        Path(mark).write_text(str(best))
        time.sleep(0.05)


async def told_something(pool: PlanPool) -> int:
    """Once the worker has told a plan: its process id."""
    while all(name.endswith(".new") for name in os.listdir(pool._directory)):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    [pid] = pool._executor._processes
    return pid


async def test_of_a_worker_killed_in_the_middle_the_best_plan_so_far_is_the_answer(pool, tmp_path):
    await pool.offload(abs, -1, timeout_s=60)
    going = asyncio.create_task(
        pool.offload(improve_for_ever, str(tmp_path / "mark"), timeout_s=120)
    )
    os.kill(await told_something(pool), signal.SIGKILL)
    best = await going
    assert 1 <= best <= int((tmp_path / "mark").read_text()) + 1
    assert await pool.offload(abs, -2, timeout_s=60) == 2


async def test_of_a_worker_that_is_stopped_and_late_the_best_plan_so_far_is_the_answer(
    pool, tmp_path
):
    await pool.offload(abs, -1, timeout_s=60)
    going = asyncio.create_task(pool.offload(improve_for_ever, str(tmp_path / "m"), timeout_s=6))
    worker = await told_something(pool)
    os.kill(worker, signal.SIGSTOP)
    assert await going >= 1
    assert await pool.offload(abs, -2, timeout_s=60) == 2
    assert worker not in pool._executor._processes


async def test_closing_is_quiet_and_starts_no_worker_again(caplog):
    pool = PlanPool(prepare=partial(time.sleep, 60))
    cancelled, waiting = (
        asyncio.create_task(pool.offload(abs, -1, timeout_s=120)) for _ in range(2)
    )
    while pool._executor is None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    await asyncio.sleep(0.01)
    await asyncio.to_thread(pool.close)
    with pytest.raises(PlanFailed):
        await waiting
    del cancelled, waiting
    gc.collect()
    assert pool._executor is None
    assert not caplog.records


def plan_once_and_be_killed() -> None:
    """A server that has planned once and then dies without a chance to clean up."""

    async def worker() -> int:
        return await PlanPool().offload(os.getpid, timeout_s=30)

    print(asyncio.run(worker()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_ends_when_its_server_is_killed():
    code = "from tests.planning.test_pool import plan_once_and_be_killed as run; run()"
    server = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False)
    assert server.returncode == -signal.SIGKILL
    worker = int(server.stdout)
    end = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists():
        assert time.monotonic() < end, "the planning worker outlived its server"
        time.sleep(0.02)
