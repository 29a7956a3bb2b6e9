"""`wms verify` is silent on a warehouse at work and names each thing that is broken behind it."""

import pytest

from tests import world as build
from tests.inventory.at_work import at_work
from tests.world import World
from wms.events.outbox import emit
from wms.events.sealer import ensure_partitions, seal
from wms.verify import run_verify


async def broken(world: World, *statements: str) -> list[tuple[str, str, str, str]]:
    """What verify says after changes that no program could make: all guards are switched off."""
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in statements:
            done = await tx.exec_driver_sql(statement)
            assert done.rowcount, statement
    found = await run_verify(world.db)
    return [(it.check, it.where, it.expected, it.found) for it in found]


async def test_a_warehouse_at_work_holds(world: World) -> None:
    await at_work(world)
    assert await run_verify(world.db) == []


LAMPS = "item_id = (SELECT id FROM item WHERE sku = 'LAMP')"
SHELF = "bin_id = (SELECT id FROM bin WHERE code = 'A-01-03')"
BREAKS = {
    "a balance changed": (
        f"UPDATE balance SET on_hand = 6 WHERE {LAMPS} AND {SHELF}",
        ("balance is the sum of its movements", "A-01-03 LAMP available", "5", "6"),
    ),
    "a balance lost": (
        "DELETE FROM balance WHERE serial = 'SN1'",
        ("balance is the sum of its movements", "A-01-02 GPS SN1 available", "1", "0"),
    ),
    "a movement lost": (
        "DELETE FROM movement WHERE serial = 'SN1'",
        ("balance is the sum of its movements", "A-01-02 GPS SN1 available", "0", "1"),
    ),
    "a promise lost": (
        "UPDATE allocation SET qty = 0",
        ("order line is promised as allocated", "order line 1", "0", "1"),
    ),
    "a line miscounted": (
        "UPDATE order_line SET allocated = 2, waiting = 0",
        ("order line is promised as allocated", "order line 1", "1", "2"),
    ),
    "a unit said to be shipped": (
        "UPDATE order_line SET shipped = 1, waiting = 0",
        ("shipped is what left", "LAMP", "0", "1"),
    ),
    "a pick not counted": (
        "UPDATE outbound_order SET picks_open = 1",
        ("open picks are counted", "order O-1", "0", "1"),
    ),
    "a plate gone with its goods": (
        "UPDATE lpn SET state = 'void'",
        ("plates that are gone hold nothing", "plate LP-P1-O is void", "0", "24"),
    ),
    "a movement to nowhere": (
        "UPDATE movement SET to_bin_id = 999 WHERE serial = 'SN1'",
        ("movement names what exists", "movement 2", "bins, item and owner that exist",
         "something that does not"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
async def test_what_is_broken_behind_the_guards_is_named(world: World, name: str) -> None:
    await at_work(world)
    statement, expected = BREAKS[name]
    assert expected in await broken(world, statement)


async def test_a_plate_that_is_not_where_its_goods_are(world: World) -> None:
    await at_work(world)
    bin_id = world.bins["CLARIFY"]
    found = await broken(world, f"UPDATE lpn SET bin_id = {bin_id}")
    assert [row[0] for row in found] == ["plate and content share the place"]


async def test_a_plate_that_stands_on_itself(world: World) -> None:
    await at_work(world)
    unguarded = "ALTER TABLE lpn DROP CONSTRAINT lpn_not_its_own_parent"
    found = await broken(world, unguarded, "UPDATE lpn SET parent_id = id")
    assert [row[:2] for row in found] == [("plates do not stand on themselves", "plate LP-P1-O")]


async def test_a_serial_that_is_there_twice(world: World) -> None:
    await at_work(world)
    copy = (
        "INSERT INTO balance (warehouse_id, bin_id, owner_id, item_id, serial, on_hand,"
        " received_at) SELECT warehouse_id, {bin}, owner_id, item_id, serial, 1, received_at"
        " FROM balance WHERE serial = 'SN1'"
    ).format(bin=world.bins["CLARIFY"])
    found = await broken(world, "DROP INDEX balance_serial_once", copy)
    assert ("serial is there once", "GPS SN1", "1", "2") in found


async def test_a_sealed_event_that_is_gone(world: World) -> None:
    async with world.db.transaction() as tx:
        await ensure_partitions(tx)
        for number in (1, 2, 3):
            await emit(tx, build.stamp(world), "test.ping", "warehouse/W1", {"n": number})
    async with world.db.transaction() as tx:
        assert await seal(tx, world.warehouse_id) == 3
    assert await run_verify(world.db) == []
    found = await broken(world, "DELETE FROM event_log WHERE pos = 2")
    assert ("event log: gap", "3", "", "follows 1") in found
