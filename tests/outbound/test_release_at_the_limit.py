"""A release with the real planning worker: no time, no worker, no hall; the wave goes out all the
same, and says how it was planned."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest_asyncio
import sqlalchemy as sa

from tests import world as w
from tests.outbound.test_wave_plan import LAYOUT, check, pick
from tests.outbound.test_waves import orders_of, seed
from tests.world import World
from wms.outbound import waves
from wms.outbound.wave_parts import Problem, WaveOrder
from wms.outbound.wave_plan import plan_tours
from wms.outbound.waves import Wave
from wms.planning import pool


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def own_worker() -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(pool.close)


async def allow(world: World, seconds: int) -> None:
    async with world.db.transaction() as tx:
        await tx.execute(sa.text("UPDATE wave_setting SET plan_seconds = :s"), {"s": seconds})


def workers() -> list[int]:
    executor = pool._shared._executor
    return list((getattr(executor, "_processes", None) or {}) if executor else {})


async def is_whole(world: World, wave: Wave) -> None:
    """All that was promised is in tasks, and the orders are on the floor."""
    assert (wave.orders, wave.tasks, wave.units) == (2, 4, 12)
    assert {state for state, *_ in (await orders_of(world)).values()} == {"released", "open"}
    assert await w.scalar(world, "SELECT sum(qty) FROM task WHERE warehouse_id = :w") == 12


async def test_a_worker_killed_in_the_middle_is_replaced_and_the_wave_goes_out(
    world: World,
) -> None:
    ids = await seed(world)
    await allow(world, 1)
    going = asyncio.create_task(waves.release(world.db, w.stamp(world, "SUE"), ids))
    while not going.done() and not workers():  # noqa: ASYNC110 (the pool has no event for it)
        await asyncio.sleep(0.005)
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    await is_whole(world, await going)


async def test_a_large_wave_whose_worker_is_killed_keeps_the_best_plan_so_far() -> None:
    orders = tuple(WaveOrder(order_id=n, due_s=0, priority=0) for n in range(2400))
    picks = tuple(pick(allocation_id=n, order_id=n, bin_id=10 + n % 30) for n in range(2400))
    problem = Problem(
        orders=orders, picks=picks, layout=LAYOUT, depot="depot", cart_slots=4,
        tote_mm3=20_000_000, tote_g=6000, seconds=100,
    )  # fmt: skip
    going = asyncio.create_task(pool.offload(plan_tours, problem, timeout_s=300))
    home = pool._shared._home()
    while not going.done() and all(name.endswith(".new") for name in os.listdir(home)):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    plan = await going
    check(problem, plan)
    assert (plan.stopped, plan.metres > 0) == ("so far", True)


async def test_no_time_at_all_still_gives_routed_tours(world: World) -> None:
    ids = await seed(world)
    await allow(world, 0)
    await pool.offload(os.getpid, timeout_s=60)
    wave = await waves.release(world.db, w.stamp(world, "SUE"), ids)
    await is_whole(world, wave)
    assert wave.metres > 0 or wave.method.startswith("in sequence")
