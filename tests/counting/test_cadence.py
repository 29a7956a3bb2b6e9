"""Planned counts: whose turn it is."""

from datetime import timedelta

from tests import world as build
from tests.floor.acting import table
from tests.world import World
from wms.counting.cadence import OPEN_MAX, plan_counts


async def plan(world: World, days: int) -> int:
    async with world.db.transaction() as tx:
        return await plan_counts(tx, build.stamp(world, "SUE", at=world.at + timedelta(days)))


async def wanted(world: World) -> set[int]:
    return {bin_id for (bin_id,) in await table(world, "SELECT bin_id FROM count")}


async def test_bins_of_fast_movers_come_first_and_each_in_its_turn(world: World) -> None:
    await build.stock(world, "MUG", "A-01-01", 10)  # a: 30 days
    await build.stock(world, "TENT", "A-01-02", 2)  # b: 90 days
    await build.stock(world, "ROPE", "A-01-03", 2)  # c: 180 days
    assert await plan(world, 29) == 0
    assert await plan(world, 31) == 1
    assert await wanted(world) == {world.bins["A-01-01"]}
    assert await plan(world, 32) == 0  # it is wanted already
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql(
            "UPDATE count SET state = 'posted', posted_at = requested_at + interval '1 hour'"
        )
    assert await plan(world, 60) == 0
    assert await plan(world, 62) == 1
    assert await plan(world, 181) == 2


async def test_planned_counts_never_become_a_pile(world: World) -> None:
    for code in world.bins:
        if code.startswith(("A-", "R-")):
            await build.stock(world, "MUG", code, 1)
    assert await plan(world, 40) == OPEN_MAX
    assert await plan(world, 40) == 0
