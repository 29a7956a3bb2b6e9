"""The database itself refuses what must never be: each invariant, broken on purpose with raw SQL.

Numbers are those of the invariants in the feature list: 1 to 8, 10, 12, 14 and 15. A refused
statement must also have changed nothing. Run as the owner of the tables, like the application.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from tests import world as build
from tests.inventory.at_work import at_work
from tests.world import World
from wms.db import Db
from wms.embedded import EmbeddedPostgres
from wms.events.outbox import emit
from wms.verify import run_verify

OWN = "WM002"  # our guards: append-only, follows from other rows, for ever
STOCK = "WM001"  # not there, or promised
CHECK, FOREIGN, UNIQUE = "23514", "23503", "23505"


def bin_id(code: str) -> str:
    return f"(SELECT id FROM bin WHERE code = '{code}')"


def item_id(sku: str) -> str:
    return f"(SELECT id FROM item WHERE sku = '{sku}')"


def lot_id(code: str) -> str:
    return f"(SELECT id FROM lot WHERE code = '{code}')"


def balance_id(sku: str, place: str) -> str:
    return (
        f"(SELECT id FROM balance WHERE item_id = {item_id(sku)} AND bin_id = {bin_id(place)}"
        " AND on_hand > 0)"
    )


def movement(sku: str, source: str, target: str, qty: int = 1, **columns: str) -> str:
    values = {
        "warehouse_id": "1", "at": "now()", "kind": "'move'", "from_bin_id": bin_id(source),
        "to_bin_id": bin_id(target), "item_id": item_id(sku), "qty": str(qty),
        "owner_id": f"(SELECT owner_id FROM item WHERE sku = '{sku}')",
    } | columns  # fmt: skip
    return f"INSERT INTO movement ({', '.join(values)}) VALUES ({', '.join(values.values())})"


def promise(balance: str, qty: int) -> str:
    return (
        "INSERT INTO allocation (warehouse_id, order_line_id, balance_id, qty)"
        f" VALUES (1, (SELECT id FROM order_line), {balance}, {qty})"
    )


ON_SHELF = balance_id("LAMP", "A-01-03")  # 5 on hand, 1 of them promised, 1 waits
PLATE = "(SELECT id FROM lpn WHERE kind = 'pallet')"
TOUR = "INSERT INTO tour (warehouse_id, kind, state, due_at, rank_at, created_at"
CLAIMED = (
    f"{TOUR}, claimed_by, lease_until, goods_in_hand) VALUES (1, 'pick', 'claimed', now(), now(),"
    " now(), 3, now() + interval '1 hour', true)"
)
NEW_PLATE = (
    "INSERT INTO lpn (warehouse_id, code, kind, state, bin_id, parent_id)"
    f" VALUES (1, 'LP-X', 'case', 'open', {bin_id('R-01-01')}, {PLATE})"
)
LOT = "INSERT INTO lot (warehouse_id, owner_id, item_id, code, expires_on, received_at)"
SCAN = (
    "INSERT INTO scan (warehouse_id, key, device, user_id, at, ref, codes, body_hash, ok, answer)"
    " VALUES (1, '01890000-0000-7000-8000-000000000001', 'd', 1, now(), 'pick/1', '{}', 'x', true,"
    " '{}')"
)

# name: (statements that are fine, ..., the statement that is refused), what refuses it
BREAKS: dict[str, tuple[tuple[str, ...], str]] = {
    "1 a balance is written": (("UPDATE balance SET on_hand = on_hand + 1",), OWN),
    "1 a balance is made up": (
        (
            "INSERT INTO balance (warehouse_id, bin_id, owner_id, item_id, on_hand, received_at)"
            f" SELECT 1, {bin_id('A-02-01')}, owner_id, id, 5, now() FROM item WHERE sku = 'MUG'",
        ),
        OWN,
    ),
    "1 a balance is dropped": (("DELETE FROM balance",), OWN),
    "1 all balances are dropped": (("TRUNCATE balance",), OWN),
    "1 a movement is changed": (("UPDATE movement SET qty = qty + 1",), OWN),
    "1 a movement is taken out": (("DELETE FROM movement",), OWN),
    "1 the movements are taken out": (("TRUNCATE movement",), OWN),
    "1 a movement moves nothing": ((movement("LAMP", "A-01-03", "A-01-03"),), CHECK),
    "1 a movement into nowhere": (
        (movement("LAMP", "A-01-03", "A-01-04", to_bin_id="999999"),), FOREIGN,
    ),
    "1 a bin leaves the ledger": (
        (f"UPDATE bin SET kind = 'scrap' WHERE id = {bin_id('A-01-03')}",), OWN,
    ),
    "1 a bin of movements is deleted": ((f"DELETE FROM bin WHERE id = {bin_id('SUPPLIER')}",), OWN),
    "2 a promise is written by hand": (("UPDATE balance SET allocated = on_hand",), OWN),
    "2 more is promised than is there": (
        ("UPDATE order_line SET ordered = 60, waiting = waiting + 55", promise(ON_SHELF, 50)),
        CHECK,
    ),
    "2 more is promised than is free": (
        ("UPDATE order_line SET ordered = 60, waiting = waiting + 55", promise(ON_SHELF, 5)),
        CHECK,
    ),
    "2 promised goods go elsewhere": ((movement("LAMP", "A-01-03", "A-01-04", 5),), STOCK),
    "2 goods on hold are promised": (
        (
            movement("LAMP", "A-01-03", "A-01-03", 4, to_status="'hold'"),
            promise(f"(SELECT id FROM balance WHERE status = 'hold')", 1),  # noqa: F541
        ),
        CHECK,
    ),
    "2 another item is promised": ((promise(balance_id("MUG", "R-01-01"), 1),), STOCK),
    "2 an open promise is deleted": (("DELETE FROM allocation",), OWN),
    "2 the promises are deleted": (("TRUNCATE allocation",), OWN),
    "2 a promise is pointed elsewhere": (
        (f"UPDATE allocation SET balance_id = {balance_id('MUG', 'R-01-01')}",), OWN,
    ),
    "2 more is picked than promised": (
        (movement("LAMP", "A-01-03", "HAND-PIA", 2, kind="'pick'",
                  allocation_id="(SELECT id FROM allocation)"),),
        STOCK,
    ),
    "2 a promise is used for other stock": (
        (movement("MUG", "R-01-01", "HAND-PIA", 1, kind="'pick'", from_lpn_id=PLATE,
                  allocation_id="(SELECT id FROM allocation)"),),
        STOCK,
    ),
    "3 parts of a line do not add up": (("UPDATE order_line SET short = 1",), CHECK),
    "3 a part is negative": (
        ("UPDATE order_line SET picked = -1, waiting = waiting + picked + 1",), CHECK,
    ),
    "3 a line is allocated by hand": (
        ("UPDATE order_line SET allocated = allocated + 1, waiting = waiting - 1",), OWN,
    ),
    "3 a line begins allocated": (
        (
            "INSERT INTO order_line (warehouse_id, order_id, line_no, owner_id, item_id, ordered,"
            " allocated) SELECT 1, order_id, '9', owner_id, item_id, 1, 1 FROM order_line",
        ),
        OWN,
    ),
    "3 more is allocated than waits": ((promise(ON_SHELF, 2),), CHECK),
    "4 a scan is recorded twice": ((SCAN, SCAN), UNIQUE),
    "4 a stored answer is changed": ((SCAN, "UPDATE scan SET answer = '[]'"), OWN),
    "4 a scan is deleted": ((SCAN, "DELETE FROM scan"), OWN),
    "4 the scans are deleted": (("TRUNCATE scan",), OWN),
    "5 a claim has no lease": (
        (f"{TOUR}, claimed_by) VALUES (1, 'pick', 'claimed', now(), now(), now(), 3)",), CHECK,
    ),
    "5 a lease has no claim": (
        (f"{TOUR}, claimed_by, lease_until) VALUES (1, 'pick', 'ready', now(), now(), now(), 3,"
         " now())",),
        CHECK,
    ),
    "5 goods in hand pass to another person": ((CLAIMED, "UPDATE tour SET claimed_by = 4"), OWN),
    "5 goods in hand fall back to the pool": (
        (CLAIMED, "UPDATE tour SET state = 'ready', claimed_by = NULL, lease_until = NULL"), OWN,
    ),
    "6 a plate leaves its goods": (
        (f"UPDATE lpn SET bin_id = {bin_id('CLARIFY')} WHERE kind = 'pallet'",), FOREIGN,
    ),
    "6 goods leave their plate": (
        (movement("MUG", "R-01-01", "CLARIFY", 1, from_lpn_id=PLATE, to_lpn_id=PLATE),), FOREIGN,
    ),
    "6 a plate stands on one elsewhere": (
        (NEW_PLATE, f"UPDATE lpn SET bin_id = {bin_id('CLARIFY')} WHERE kind = 'case'"), FOREIGN,
    ),
    "6 a plate stands on itself": (("UPDATE lpn SET parent_id = id",), CHECK),
    "6 plates stand on each other": (
        (NEW_PLATE, "UPDATE lpn SET parent_id = (SELECT id FROM lpn WHERE code = 'LP-X')"
                    " WHERE kind = 'pallet'"),
        CHECK,
    ),
    "6 a plate that left comes back": (
        (NEW_PLATE, "UPDATE lpn SET state = 'shipped' WHERE code = 'LP-X'",
         "UPDATE lpn SET state = 'open' WHERE code = 'LP-X'"),
        OWN,
    ),
    "7 a lot with a second expiry": (
        (f"{LOT} SELECT 1, owner_id, id, 'L1', '2030-01-01', now() FROM item WHERE sku = 'BEANS'",),
        UNIQUE,
    ),
    "7 a lot's expiry is changed": (("UPDATE lot SET expires_on = '2030-01-01'",), OWN),
    "7 a lot becomes another item's": ((f"UPDATE lot SET item_id = {item_id('FILTER')}",), OWN),
    "7 goods are booked under another item's lot": (
        (movement("FILTER", "SUPPLIER", "A-02-01", 1, lot_id=lot_id("L1")),), FOREIGN,
    ),
    "7 a lot of another owner": (
        (f"{LOT} SELECT 1, {'(SELECT min(id) FROM owner)'}, id, 'L9', NULL, now() FROM item"
         " WHERE sku = 'BEANS'",),
        FOREIGN,
    ),
    "8 a serial comes in twice": (
        (movement("GPS", "SUPPLIER", "A-02-01", 1, serial="'SN1'"),), UNIQUE,
    ),
    "8 a serial is two units": (
        (movement("GPS", "SUPPLIER", "A-02-01", 2, serial="'SN2'"),), CHECK,
    ),
    "10 more leaves than is there": ((movement("BEANS", "A-01-01", "A-02-01", 11,
                                               lot_id=lot_id("L1")),), STOCK),
    "10 goods leave an empty bin": ((movement("LAMP", "A-02-05", "A-02-06"),), STOCK),
    "10 goods leave under another status": (
        (movement("LAMP", "A-01-03", "SCRAP", 1, from_status="'damaged'", to_status="'damaged'"),),
        STOCK,
    ),
    "10 goods leave as another owner's": (
        (movement("LAMP", "A-01-03", "A-02-01", owner_id="(SELECT max(id) FROM owner)"),), STOCK,
    ),
    "10 goods come in as another owner's": (
        (movement("LAMP", "SUPPLIER", "A-01-03", owner_id="(SELECT max(id) FROM owner)"),), FOREIGN,
    ),
    "10 goods come in as another owner's, to a new bin": (
        (movement("LAMP", "SUPPLIER", "A-02-01", owner_id="(SELECT max(id) FROM owner)"),), FOREIGN,
    ),
    "10 nothing outside is promised": (
        (movement("LAMP", "SUPPLIER", "A-02-01", allocation_id="1"),), CHECK,
    ),
    "12 an event waiting to be sealed is changed": (("UPDATE outbox SET data = '{}'",), OWN),
    "12 an event waiting to be sealed is deleted": (("DELETE FROM outbox",), OWN),
    "12 the sealed log is emptied": (("TRUNCATE event_log",), OWN),
    "14 a quantity is zero": ((movement("LAMP", "A-01-03", "A-01-04", 0),), CHECK),
    "14 a quantity is negative": ((movement("LAMP", "A-01-03", "A-01-04", -1),), CHECK),
    "15 a warehouse is in no time zone": (
        ("UPDATE warehouse SET timezone = 'Mars/Base'",), "22023",
    ),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def busy(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[World]:
    """One warehouse at work for all refusals: they change nothing, and each test looks."""
    connection = await asyncpg.connect(postgres.url())
    await connection.execute(f"CREATE DATABASE invariants TEMPLATE {template}")
    db = Db(postgres.url("invariants"))
    world = await build.small_warehouse(db)
    await at_work(world)
    async with db.transaction() as tx:
        await emit(tx, build.stamp(world), "test.ping", "warehouse/W1", {"n": 1})
    yield world
    await db.close()
    await connection.execute("DROP DATABASE invariants WITH (FORCE)")
    await connection.close()


async def picture(connection: Any) -> dict[str, list[str]]:
    """Everything the ledger says, to see that a refused statement left nothing."""
    tables = ("balance", "movement", "allocation", "order_line", "lpn", "lot", "scan", "tour",
              "outbox", "bin", "warehouse")  # fmt: skip
    return {
        table: sorted(map(repr, await connection.fetch(f"SELECT * FROM {table}")))
        for table in tables
    }


async def attempt(connection: Any, statements: tuple[str, ...]) -> None:
    """One transaction up to its commit, where deferred constraints are looked at."""
    async with connection.transaction():
        for statement in statements:
            await connection.execute(statement)


@pytest.mark.parametrize("name", BREAKS)
async def test_the_database_refuses(busy: World, name: str) -> None:
    statements, expected = BREAKS[name]
    connection = await asyncpg.connect(busy.db.url)
    try:
        before = await picture(connection)
        with pytest.raises(asyncpg.PostgresError) as refused:
            await attempt(connection, statements)
        assert refused.value.sqlstate == expected, refused.value
        assert await picture(connection) == before
    finally:
        await connection.close()


@pytest.mark.parametrize("name", [name for name, (first, _) in BREAKS.items() if len(first) > 1])
async def test_what_leads_up_to_a_refusal_is_fine_by_itself(busy: World, name: str) -> None:
    """Else the test above might see another refusal than the one it is about."""
    async with busy.db.engine.connect() as connection:
        for statement in BREAKS[name][0][:-1]:
            await connection.exec_driver_sql(statement)
        await connection.rollback()


async def test_after_all_refusals_the_ledger_holds(busy: World) -> None:
    assert await run_verify(busy.db) == []


async def test_outside_the_house_may_be_negative_and_a_correction_may_name_its_reason(
    world: World,
) -> None:
    """The named exceptions of 10 and 7."""
    await at_work(world)
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql(movement("LAMP", "CUSTOMER", "CLARIFY", 3))
        await tx.exec_driver_sql(movement("LAMP", "CLARIFY", "SCRAP", 3))
        await tx.exec_driver_sql("SET LOCAL wms.lot_correction = 'label misread, count 17'")
        await tx.exec_driver_sql("UPDATE lot SET expires_on = '2030-01-01'")
    assert await build.on_hand(world, "LAMP", "CLARIFY") == 0
    # no order asked for the three that came from the customer: verify says so, and nothing else
    assert {problem.check for problem in await run_verify(world.db)} == {"shipped is what left"}


async def test_a_named_hand_over_passes_goods_in_hand(world: World) -> None:
    """The named exception of 5."""
    async with world.db.transaction() as tx:
        await tx.exec_driver_sql(CLAIMED)
        await tx.exec_driver_sql("UPDATE tour SET claimed_by = 4, cause = 'handover:PIA'")


async def test_two_people_cannot_close_a_ring_of_plates_together(world: World) -> None:
    """6, with two transactions that each see a harmless half of the ring."""
    for code in ("P1", "P2"):
        await build.plate(world, code, kind="pallet")
    nest = "UPDATE lpn SET parent_id = (SELECT id FROM lpn WHERE code LIKE 'LP-{}-%') WHERE code LIKE 'LP-{}-%'"  # noqa: E501
    one, two = [await asyncpg.connect(world.db.url) for _ in range(2)]
    try:
        ends = await asyncio.gather(
            attempt(one, (nest.format("P1", "P2"), "SELECT pg_sleep(0.05)")),
            attempt(two, (nest.format("P2", "P1"), "SELECT pg_sleep(0.05)")),
            return_exceptions=True,
        )
    finally:
        await one.close()
        await two.close()
    refused = [end for end in ends if end is not None]
    assert len(refused) == 1
    assert getattr(refused[0], "sqlstate", "") in ("40P01", CHECK)


EXACT = """
    SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns
     WHERE table_schema IN ('public', 'wms_part')
       AND data_type IN ('real', 'double precision', 'money', 'timestamp without time zone')
"""
LOCAL_TIMES = """
    SELECT table_name || '.' || column_name FROM information_schema.columns
     WHERE table_schema = 'public' AND data_type = 'time without time zone'
"""


async def test_quantities_and_money_are_exact_and_times_have_a_zone(busy: World) -> None:
    """14 and 15, for every column there is; only a carrier's daily cutoff is wall-clock time."""
    async with busy.db.reading() as tx:
        assert (await tx.exec_driver_sql(EXACT)).scalars().all() == []
        assert (await tx.exec_driver_sql(LOCAL_TIMES)).scalars().all() == ["cutoff.at"]


async def test_an_event_of_a_rolled_back_act_was_never_there(world: World) -> None:
    """12: an event is written in the transaction of its movement, under that transaction's id."""
    stamp = build.stamp(world)
    async with world.db.engine.connect() as connection:
        await emit(connection, stamp, "test.ping", "warehouse/W1", {"n": 2})
        await connection.rollback()
    assert await build.scalar(world, "SELECT count(*) FROM outbox WHERE warehouse_id = :w") == 0
    async with world.db.transaction() as tx:
        await emit(tx, stamp, "test.ping", "warehouse/W1", {"n": 3})
        same = "SELECT bool_and(xid = pg_current_xact_id()) FROM outbox"
        assert (await tx.exec_driver_sql(same)).scalar_one() is True
