"""Kills between any two statements, late commits, rollbacks, held snapshots, failing receivers.

Afterwards: sealed is what committed, positions have no gap, each key was heard in order, nothing
is lost, and what came twice came under its own id.
"""

import asyncio
import os
import random
from contextlib import AsyncExitStack, suppress
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.event import listen

from tests.events.conftest import Bed, tell
from tests.events.receiver import Receiver
from tests.events.test_delivery import parked
from tests.events.test_sealer import BUMP, read_all
from wms.db import Db
from wms.errors import Busy
from wms.events.rules import Schedule, Tuning
from wms.events.verify import verify_log
from wms.events.worker import drain, run_events

# Every write of the engine; a process dies before it, or after it and before its commit.
WRITES = (
    "INSERT INTO event_log", "UPDATE seal_state", "INSERT INTO seal_block",
    "UPDATE delivery_cursor", "INSERT INTO parked", "UPDATE parked", "DELETE FROM parked",
    "INSERT INTO attempt", "INSERT INTO outbox",
)  # fmt: skip
KEYS, LATE, POISON = range(5), (5, 6), 7  # keys of `doc`; the poison key is never taken
SEEDS = range(1, 1 + int(os.environ.get("WMS_FAULT_SEEDS", "1")))  # one takes ten seconds
FAILS_TWICE = "order/K0"  # every other version; the next one would be taken at once


class Mortal:
    """A process's database that is lost at a moment that is chosen, and with it the process."""

    def __init__(self, db: Db) -> None:
        self.db = db
        self.dead = asyncio.Event()
        self._left, self._write, self._at_commit = -1, "", False
        engine = db.engine.sync_engine
        listen(engine, "before_cursor_execute", self._statement)
        listen(engine, "commit", self._commit)

    def dies_after(self, statements: int) -> None:
        self.dead.clear()
        self._left, self._write, self._at_commit = statements, "", False

    def dies_at(self, write: str, *, at_commit: bool) -> None:
        """Before the write, or between it and its commit."""
        self.dead.clear()
        self._left, self._write, self._at_commit = -1, write, at_commit

    def _statement(self, connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if self._write and self._write in statement:
            if not self._at_commit:
                self._die()
            connection.info["doomed"] = True
        self._step()

    def _commit(self, connection: Any) -> None:
        if connection.info.pop("doomed", False) and self._write:
            self._die()
        self._step()

    def _step(self) -> None:
        if self.dead.is_set() or self._left == 0:
            self._die()
        self._left -= 1

    def _die(self) -> None:
        self.dead.set()
        raise ConnectionResetError("this process is dead")

    async def live(self, bed: Bed, tuning: Tuning) -> bool:
        """Seal and deliver until death; False when the moment never came."""
        task = asyncio.create_task(run_events(self.db, bed.settings, asyncio.Event(), tuning))
        with suppress(TimeoutError):
            await asyncio.wait_for(self.dead.wait(), 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return self.dead.is_set()


class Writers:
    """What acts did; `committed` holds (key, version) of those that came through."""

    def __init__(self, bed: Bed, dice: random.Random) -> None:
        self.bed = bed
        self.dice = dice
        self.committed: list[tuple[str, int]] = []

    async def write(self, key: int, late: asyncio.Event | None = None) -> None:
        """One act: takes the next version under the key's lock; rolled back now and then."""
        with suppress(Busy):
            async with self.bed.db.transaction() as tx:
                version = (await tx.execute(BUMP, {"key": key})).scalar_one()
                await tell(tx, self.bed.warehouse_id, f"K{key}", version)
                if late is not None:
                    await late.wait()
                if self.dice.random() < 0.15:
                    raise Busy
            self.committed.append((f"order/K{key}", version))

    async def work(self) -> None:
        for key in (0, POISON, *(self.dice.choice(KEYS) for _ in range(3))):
            await self.write(key)


async def prepare(bed: Bed) -> None:
    async with bed.db.transaction() as tx:
        await tx.execute(sa.text("CREATE TABLE doc (key int UNIQUE, version int)"))
        await tx.execute(sa.text("INSERT INTO doc SELECT generate_series(0, 9), 0"))


def _fault(dice: random.Random, body: dict[str, Any], seen: int) -> web.Response | float | None:
    key = body["partitionkey"]
    stubborn = key == FAILS_TWICE and int(body["keyseq"]) % 2 and seen < 2
    if key == f"order/K{POISON}" or stubborn:
        return web.Response(status=422)
    roll = dice.random()
    if roll < 0.03:
        return web.Response(status=500)
    return 0.02 if roll < 0.06 else None


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_kill_between_any_two_statements_loses_reorders_and_invents_nothing(
    own_bed: Bed, receiver: Receiver, quick: Tuning, seed: int
):
    dice = random.Random(seed)
    bed = own_bed
    await prepare(bed)
    writers = Writers(bed, dice)
    receiver.fault = lambda body, seen: _fault(dice, body, seen)
    await bed.subscribe(receiver, lanes=4)
    mortal = Mortal(Db(bed.db.url))
    moments: list[Any] = [(write, late) for write in WRITES for late in (False, True)]
    moments += [dice.randrange(1, 60) for _ in range(6)]
    dice.shuffle(moments)
    async with AsyncExitStack() as stack:
        held = await stack.enter_async_context(bed.db.engine.connect())
        await held.execution_options(isolation_level="REPEATABLE READ")
        await held.execute(sa.text("SELECT count(*) FROM warehouse"))  # seen all the way through
        for number, moment in enumerate(moments):
            go = asyncio.Event()
            late = asyncio.create_task(writers.write(LATE[number % 2], go))
            await writers.work()
            if isinstance(moment, int):
                mortal.dies_after(moment)
            else:
                mortal.dies_at(moment[0], at_commit=moment[1])
            assert await mortal.live(bed, quick), f"{moment} never came"
            go.set()
            await late
        await mortal.db.close()
        assert await drain(bed.db, bed.settings, quick, 30)
    await _check(bed, receiver, writers.committed)


async def _check(bed: Bed, receiver: Receiver, committed: list[tuple[str, int]]) -> None:
    poison = f"order/K{POISON}"
    await all_came(bed, receiver, committed, but=poison)
    dead = await parked(bed)
    assert {(okey, state) for okey, state, _ in dead} == {(poison, "dead")}
    assert len(dead) == sum(key == poison for key, _ in committed)
    told = "SELECT count(*) FROM event_log WHERE type = 'delivery.exhausted'"
    assert await bed.value(told) == len(dead)


async def all_came(
    bed: Bed, receiver: Receiver, committed: list[tuple[str, int]], but: str = ""
) -> None:
    """Sealed is what committed; all `but` one key was taken, in order, twice only by its own id."""
    async with bed.db.reading() as tx:
        assert await verify_log(tx, bed.warehouse_id) == []
    log = [row for row in await read_all(bed) if row.type == "order.updated"]
    assert sorted((row.okey, row.keyseq or 0) for row in log) == sorted(committed)
    taken = {(got.key, got.keyseq) for got in receiver.got}
    assert taken == {each for each in committed if each[0] != but}
    assert all(places == sorted(places) for places in receiver.first_order().values())
    assert receiver.unverified == 0
    assert all(got.headers["webhook-id"] == got.id for got in receiver.got)
    bodies = {(got.id, str(got.body)) for got in receiver.got}
    assert len(bodies) == len({got.id for got in receiver.got}) == len(taken)


async def test_who_takes_over_keeps_later_events_behind_one_that_waits_for_its_retry(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    patient = msgspec.structs.replace(quick, consumer=Schedule((600.0, 600.0), jitter=0))
    await bed.subscribe(receiver)
    receiver.fault = lambda body, seen: web.Response(status=422) if body["keyseq"] == "1" else None
    for version in (1, 2):
        async with bed.db.transaction() as tx:
            await tell(tx, bed.warehouse_id, "K", version)
        stopping = asyncio.Event()
        task = asyncio.create_task(run_events(bed.db, bed.settings, stopping, patient))
        async with asyncio.timeout(30):
            while len(await parked(bed)) < version and not receiver.got:  # noqa: ASYNC110 (rows have no event)
                await asyncio.sleep(0.02)
        stopping.set()
        await task
    assert receiver.got == []
    assert [state for _, state, _ in await parked(bed)] == ["due", "waiting"]
