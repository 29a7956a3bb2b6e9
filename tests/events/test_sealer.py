"""Sealed is exactly what committed: no gap, commit order per key, whoever seals and dies."""

import asyncio
import random
from contextlib import suppress

import pytest
import sqlalchemy as sa

from tests.events.conftest import Bed, add_warehouse, tell
from wms.db import Db, Tx, rows
from wms.errors import Busy
from wms.events import sealer
from wms.events.envelope import LogRow
from wms.events.queries import COLUMNS
from wms.events.verify import verify_log
from wms.verify import run_verify

LOG = sa.text(f"SELECT {COLUMNS} FROM event_log WHERE warehouse_id = :warehouse_id ORDER BY pos")


async def seal(db: Db, warehouse_id: int, bite: int = 1000) -> int:
    async with db.transaction() as tx:
        return await sealer.seal(tx, warehouse_id, bite)


async def read_all(bed: Bed) -> list[LogRow]:
    async with bed.db.reading() as tx:
        return await rows(tx, LOG, LogRow, warehouse_id=bed.warehouse_id)


async def check(bed: Bed) -> list[LogRow]:
    """The log after all promises were verified."""
    async with bed.db.transaction() as tx:
        assert await verify_log(tx, bed.warehouse_id) == []
    return await read_all(bed)


async def test_events_get_positions_in_the_order_they_were_written(bed: Bed):
    await bed.tell("A", "B", "A")
    assert await seal(bed.db, bed.warehouse_id) == 3
    assert [(row.pos, row.okey) for row in await check(bed)] == [
        (1, "order/A"), (2, "order/B"), (3, "order/A"),
    ]  # fmt: skip


async def test_a_rolled_back_act_leaves_no_event(bed: Bed):
    with suppress(RuntimeError):
        async with bed.db.transaction() as tx:
            await tell(tx, bed.warehouse_id, "GONE")
            raise RuntimeError
    await bed.tell("KEPT")
    await seal(bed.db, bed.warehouse_id)
    assert [row.okey for row in await check(bed)] == ["order/KEPT"]


async def test_nothing_new_writes_nothing(bed: Bed):
    await bed.tell("A")
    await seal(bed.db, bed.warehouse_id)
    row = "SELECT xmin::text FROM seal_state WHERE warehouse_id = :id"
    before = await bed.value(row, id=bed.warehouse_id)
    assert await seal(bed.db, bed.warehouse_id) == 0
    assert await bed.value(row, id=bed.warehouse_id) == before


async def test_an_event_written_early_and_committed_late_is_not_lost(bed: Bed):
    async with bed.db.transaction() as early:
        await tell(early, bed.warehouse_id, "EARLY")
        await bed.tell("LATER")
        assert await seal(bed.db, bed.warehouse_id) == 1
        async with bed.db.reading() as tx:
            assert bed.warehouse_id not in await sealer.list_pending(tx)
    async with bed.db.reading() as tx:
        assert bed.warehouse_id in await sealer.list_pending(tx)
    assert await seal(bed.db, bed.warehouse_id) == 1
    assert [row.okey for row in await check(bed)] == ["order/LATER", "order/EARLY"]


async def test_a_backlog_is_sealed_in_bites(bed: Bed):
    async with bed.db.transaction() as tx:
        for number in range(25):
            await tell(tx, bed.warehouse_id, f"K{number % 3}")
    assert await seal(bed.db, bed.warehouse_id, 10) == 10
    await bed.tell("NEW")  # comes after the snapshot the bites work on
    bites = [await seal(bed.db, bed.warehouse_id, 10) for _ in range(4)]
    assert bites == [10, 5, 1, 0]
    assert (await check(bed))[-1].okey == "order/NEW"


async def test_streams_of_warehouses_are_apart(bed: Bed):
    other = await add_warehouse(bed.db, f"{bed.site}B")
    await bed.tell("A")
    async with bed.db.transaction() as tx:
        await tell(tx, other, "B")
    for warehouse_id in (bed.warehouse_id, other):
        assert await seal(bed.db, warehouse_id) == 1
    assert [row.pos for row in await check(bed)] == [1]


async def _write(bed: Bed, seed: int, committed: list[tuple[str, int]]) -> None:
    """One writer: takes a version under the key's lock, dawdles, commits or rolls back."""
    dice = random.Random(seed)
    for _ in range(12):
        key = dice.randrange(4)
        try:
            async with bed.db.transaction() as tx:
                if dice.random() < 0.3:  # an early transaction id
                    await tx.execute(sa.text("SELECT pg_current_xact_id()"))
                    await asyncio.sleep(dice.random() * 0.02)
                version = (await tx.execute(BUMP, {"key": key})).scalar_one()
                await tell(tx, bed.warehouse_id, f"K{key}", version)
                await asyncio.sleep(dice.random() * 0.01)
                if dice.random() < 0.2:
                    raise Busy
            committed.append((f"order/K{key}", version))
        except Busy:
            pass


BUMP = sa.text("UPDATE doc SET version = version + 1 WHERE key = :key RETURNING version")


async def _make_docs(bed: Bed) -> None:
    async with bed.db.transaction() as tx:
        await tx.execute(sa.text("CREATE TABLE IF NOT EXISTS doc (key int UNIQUE, version int)"))
        await tx.execute(sa.text("DELETE FROM doc"))
        await tx.execute(sa.text("INSERT INTO doc SELECT generate_series(0, 3), 0"))


async def _seal_and_die(bed: Bed, stop: asyncio.Event, seed: int) -> None:
    """A sealer that is killed at any statement, again and again."""
    dice = random.Random(seed)
    while not stop.is_set():
        task = asyncio.create_task(_seal_all(bed, dice.choice([3, 1000])))
        if dice.random() < 0.5:
            await asyncio.sleep(dice.random() * 0.008)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0.001)


async def _seal_all(bed: Bed, bite: int) -> None:
    await seal(bed.db, bed.warehouse_id, bite)
    await sealer.close_blocks(bed.db, bed.warehouse_id)


async def _seal_the_rest(bed: Bed) -> None:
    """Until nothing is pending; the session of a killed sealer may hold its lock for a moment."""
    for _ in range(500):
        async with bed.db.reading() as tx:
            if bed.warehouse_id not in await sealer.list_pending(tx):
                return
        await seal(bed.db, bed.warehouse_id)


@pytest.mark.parametrize("seed", [1, 2])
async def test_two_dying_sealers_and_six_writers_seal_what_committed(bed: Bed, seed: int):
    """The harness of decision 2: early ids, long transactions, rollbacks, kills."""
    await _make_docs(bed)
    committed: list[tuple[str, int]] = []
    stop = asyncio.Event()
    sealers = [asyncio.create_task(_seal_and_die(bed, stop, seed * 10 + n)) for n in range(2)]
    await asyncio.gather(*(_write(bed, seed * 100 + n, committed) for n in range(6)))
    stop.set()
    await asyncio.gather(*sealers)
    await _seal_the_rest(bed)
    log = await check(bed)
    assert sorted((row.okey, row.keyseq or 0) for row in log) == sorted(committed)


async def test_only_one_of_two_sealers_works(bed: Bed):
    await bed.tell("A")
    async with bed.db.transaction() as one, bed.db.transaction() as two:
        assert await sealer.seal(one, bed.warehouse_id) == 1
        assert await sealer.seal(two, bed.warehouse_id) == 0
    assert len(await check(bed)) == 1


async def test_a_sealed_event_cannot_be_changed_or_removed(own_bed: Bed):
    await own_bed.tell("A")
    await seal(own_bed.db, own_bed.warehouse_id)
    for statement in (
        "UPDATE event_log SET data = '{}'",
        "DELETE FROM event_log",
        "TRUNCATE event_log",
        "UPDATE outbox SET data = '{}'",
        "DELETE FROM outbox",
    ):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            async with own_bed.db.transaction() as tx:
                await tx.execute(sa.text(statement))
    child = await own_bed.value("SELECT tableoid::regclass::text FROM event_log")
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        async with own_bed.db.transaction() as tx:
            await tx.execute(sa.text(f"TRUNCATE {child}"))


async def _blocks(bed: Bed, n: int) -> None:
    await bed.tell(*[f"K{number % 2}" for number in range(n)])
    await seal(bed.db, bed.warehouse_id)
    await sealer.close_blocks(bed.db, bed.warehouse_id)


async def test_blocks_chain_and_tell_a_changed_event(own_bed: Bed):
    for _ in range(3):
        await _blocks(own_bed, 5)
    assert await own_bed.value("SELECT count(*) FROM seal_block") == 3
    await check(own_bed)
    async with own_bed.db.transaction() as tx:
        await tx.execute(sa.text("ALTER TABLE event_log DISABLE TRIGGER append_only"))
        await tx.execute(sa.text("UPDATE event_log SET data = '[]' WHERE pos = 7"))
        found = await verify_log(tx, own_bed.warehouse_id)
    event_id = await own_bed.value("SELECT event_id FROM event_log WHERE pos = 7")
    assert [(problem.kind, problem.where) for problem in found] == [("root", "block 2, position 7")]
    assert found[0].detail.startswith(f"evt_{event_id.hex} (order.updated) was written after")
    assert [flaw.check for flaw in await run_verify(own_bed.db)] == ["event log: root"]


async def test_a_changed_event_that_nothing_gives_away_is_told_by_its_block(own_bed: Bed):
    await _blocks(own_bed, 5)
    async with own_bed.db.transaction() as tx:  # as in a restored database: all rows are anew
        await tx.execute(sa.text("ALTER TABLE event_log DISABLE TRIGGER append_only"))
        change = "UPDATE event_log SET data = CASE pos WHEN 3 THEN '[]' ELSE data END"
        await tx.execute(sa.text(change))
        found = await verify_log(tx, own_bed.warehouse_id)
        assert [(each.where, each.detail) for each in found] == [
            ("block 1", "some of the events 1 to 5 were changed")
        ]
        await tx.execute(sa.text("DELETE FROM event_log WHERE pos = 4"))
        found = await verify_log(tx, own_bed.warehouse_id)
    assert ("block 1, position 4", "the event is gone") in [
        (each.where, each.detail) for each in found
    ]


@pytest.mark.parametrize(
    ("harm", "kinds"),
    [
        ("DELETE FROM event_log WHERE pos = 3", {"gap", "root"}),
        ("DELETE FROM event_log WHERE pos = 5", {"end", "root"}),
        ("UPDATE event_log SET event_id = (SELECT event_id FROM event_log WHERE pos = 1)"
         " WHERE pos = 2", {"twin", "root"}),
        ("DELETE FROM seal_block", {"chain"}),
        ("UPDATE seal_block SET to_pos = 4", {"hash", "root", "chain"}),
    ],
)  # fmt: skip
async def test_verify_names_what_is_wrong(own_bed: Bed, harm: str, kinds: set[str]):
    await _blocks(own_bed, 5)
    async with own_bed.db.transaction() as tx:
        for table in ("event_log", "seal_block"):
            await tx.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER append_only"))
        await tx.execute(sa.text(harm))
        found = await verify_log(tx, own_bed.warehouse_id)
    assert {problem.kind for problem in found} <= kinds
    assert found


async def test_versions_of_a_key_must_be_gapless(bed: Bed):
    async with bed.db.transaction() as tx:
        for version in (1, 2, 4):
            await tell(tx, bed.warehouse_id, "A", version)
        await tell(tx, bed.warehouse_id, "A", None)
    await seal(bed.db, bed.warehouse_id)
    async with bed.db.reading() as tx:
        found = await verify_log(tx, bed.warehouse_id)
    assert [problem.kind for problem in found] == ["version"]


async def _slot_of(bed: Bed) -> int:
    return await bed.value("SELECT slot FROM outbox LIMIT 1")


async def _fake_clock(tx: Tx, slot: int) -> None:
    await tx.execute(
        sa.text(
            "CREATE OR REPLACE FUNCTION outbox_slot() RETURNS smallint LANGUAGE sql STABLE AS"
            f" $$ SELECT {slot}::smallint $$"
        )
    )


async def _rotate(bed: Bed) -> list[int]:
    """What the worker's chore does; returns the slots that were emptied."""
    emptied: list[int] = []
    async with bed.db.reading() as tx:
        idle = await sealer.list_idle_slots(tx)
    for slot in idle:
        async with bed.db.transaction() as tx:
            if await sealer.empty_slot(tx, slot):
                emptied.append(slot)
    return emptied


async def test_sealed_outbox_children_are_emptied_and_unsealed_ones_never(own_bed: Bed):
    await own_bed.tell("A")
    slot = await _slot_of(own_bed)
    async with own_bed.db.transaction() as tx:
        await _fake_clock(tx, (slot + 1) % 3)
    assert await _rotate(own_bed) == []  # not sealed yet
    await seal(own_bed.db, own_bed.warehouse_id)
    await own_bed.tell("B")
    assert await _rotate(own_bed) == [slot]
    assert await own_bed.value("SELECT count(*) FROM outbox") == 1
    assert await seal(own_bed.db, own_bed.warehouse_id) == 1
    assert [row.okey for row in await check(own_bed)] == ["order/A", "order/B"]


async def test_a_child_in_use_by_an_open_act_is_left_alone(own_bed: Bed):
    await own_bed.tell("A")
    await seal(own_bed.db, own_bed.warehouse_id)
    slot = await _slot_of(own_bed)
    async with own_bed.db.transaction() as slow:
        await tell(slow, own_bed.warehouse_id, "SLOW")
        async with own_bed.db.transaction() as tx:
            await _fake_clock(tx, (slot + 1) % 3)
        async with own_bed.db.reading() as tx:
            assert await sealer.list_idle_slots(tx) == [slot]
        with pytest.raises(Busy):
            async with own_bed.db.transaction() as tx:
                await sealer.empty_slot(tx, slot)
    assert await _rotate(own_bed) == []  # the act committed: its event is not sealed yet
    await seal(own_bed.db, own_bed.warehouse_id)
    assert await _rotate(own_bed) == [slot]
    assert [row.okey for row in await check(own_bed)] == ["order/A", "order/SLOW"]


async def test_a_held_snapshot_keeps_nothing_from_being_sealed_or_emptied(own_bed: Bed):
    async with own_bed.db.engine.connect() as held:
        await held.execution_options(isolation_level="REPEATABLE READ")
        await held.execute(sa.text("SELECT count(*) FROM warehouse"))
        await own_bed.tell("A", "B")
        assert await seal(own_bed.db, own_bed.warehouse_id) == 2
        slot = await _slot_of(own_bed)
        async with own_bed.db.transaction() as tx:
            await _fake_clock(tx, (slot + 1) % 3)
        assert await _rotate(own_bed) == [slot]
    assert len(await check(own_bed)) == 2
