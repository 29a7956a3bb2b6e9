"""What a delivery writes: attempts at once, its place in the log seldom, and all when it ends.

A replay's progress is written seldom, too, but its end at once and with the final count.
"""

import asyncio

import msgspec
import pytest

from tests.events.conftest import Bed
from tests.events.receiver import Receiver
from tests.events.test_delivery import until
from tests.events.test_depth import replay
from wms.events import replays, wake
from wms.events.queries import get_endpoint
from wms.events.rules import Tuning
from wms.events.worker import drain, run_events

CURSOR = "SELECT pos FROM delivery_cursor WHERE warehouse_id = :id"
ATTEMPTS = "SELECT count(*) FROM attempt WHERE warehouse_id = :id"
LAST = "SELECT max(pos) FROM event_log WHERE warehouse_id = :id AND type = 'order.updated'"


@pytest.mark.parametrize("killed", [False, True])
async def test_attempts_are_logged_while_the_cursor_rests_and_only_a_kill_repeats_events(
    bed: Bed, receiver: Receiver, quick: Tuning, killed: bool
):
    await bed.subscribe(receiver)
    before = await bed.value(CURSOR, id=bed.warehouse_id)
    stop = asyncio.Event()
    seldom = msgspec.structs.replace(quick, place_s=3600.0)
    work = asyncio.create_task(run_events(bed.db, bed.settings, stop, seldom))
    await bed.tell(*[f"K{n % 5}" for n in range(30)])

    async def is_logged() -> bool:
        return await bed.value(ATTEMPTS, id=bed.warehouse_id) == 30

    await until(is_logged)
    last = await bed.value(LAST, id=bed.warehouse_id)
    assert await bed.value(CURSOR, id=bed.warehouse_id) == before
    if killed:
        work.cancel()
    else:
        stop.set()
    await asyncio.gather(work, return_exceptions=True)
    assert (await bed.value(CURSOR, id=bed.warehouse_id) >= last) is not killed
    assert await drain(bed.db, bed.settings, quick)
    assert await bed.value(CURSOR, id=bed.warehouse_id) >= last
    first, again = receiver.got[:30], receiver.got[30:]
    assert {got.id for got in again} == ({got.id for got in first} if killed else set())
    assert len(again) == (30 if killed else 0)
    for places in (first, again):
        for key in {got.key for got in places}:
            mine = [got.sequence for got in places if got.key == key]
            assert mine == sorted(mine)


REPLAYED = "SELECT concat_ws(' ', state, done, total) FROM replay WHERE id = :id"


async def test_a_replay_is_done_with_its_final_count_and_a_cancelled_one_counts_what_was_sent(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    code = await bed.subscribe(receiver)
    await bed.tell("A", "B", "A")
    assert await drain(bed.db, bed.settings, quick)
    stop = asyncio.Event()
    seldom = msgspec.structs.replace(quick, place_s=3600.0)
    work = asyncio.create_task(run_events(bed.db, bed.settings, stop, seldom))
    first = await replay(bed, code, okey="order/A")

    async def has_ended() -> bool:
        return (await bed.value(REPLAYED, id=first)).split()[0] == "done"

    await until(has_ended)
    assert await bed.value(REPLAYED, id=first) == "done 2 2"
    held = asyncio.Event()
    receiver.fault = lambda body, seen: held if body["partitionkey"] == "order/B" else None
    second = await replay(bed, code, types=["order.*"], from_pos=1)

    async def are_answered() -> bool:
        return await bed.value(f"{ATTEMPTS} AND trigger = 'replay'", id=bed.warehouse_id) == 4

    await until(are_answered)  # both of A; of these one is before B, which gets no answer
    async with bed.db.transaction() as tx:
        endpoint = await get_endpoint(tx, code)
        assert await replays.cancel(tx, bed.warehouse_id, endpoint.id, second)
    wake.reload()

    async def is_counted() -> bool:
        return await bed.value(REPLAYED, id=second) == "cancelled 1 3"

    await until(is_counted)
    held.set()
    stop.set()
    await work
