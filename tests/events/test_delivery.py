"""Deliveries against a real receiver: order, retries, outages, dead letters, restarts."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import pytest
import sqlalchemy as sa
from aiohttp import web

from tests.events.conftest import Bed, tell
from tests.events.receiver import Receiver
from wms.events import endpoints, worker
from wms.events.rules import Schedule, Tuning
from wms.events.webhooks import content_type
from wms.events.worker import EventWorker, drain


@asynccontextmanager
async def working(bed: Bed, tuning: Tuning) -> AsyncIterator[EventWorker]:
    """A worker that runs for the length of the block."""
    stop = asyncio.Event()
    made = EventWorker(bed.db, bed.settings, tuning)
    task = asyncio.create_task(made.run(stop))
    try:
        yield made
    finally:
        stop.set()
        await task


async def until(test, seconds: float = 30) -> None:
    """Poll a question of the database until it answers yes."""
    ends = time.monotonic() + seconds
    while not await test():
        assert time.monotonic() < ends, "the question was never answered with yes"
        await asyncio.sleep(0.01)


async def parked(bed: Bed) -> list[tuple[str, str, int]]:
    async with bed.db.reading() as tx:
        found = await tx.execute(
            sa.text(
                "SELECT okey, state, n FROM parked WHERE warehouse_id = :id ORDER BY okey, pos"
            ),
            {"id": bed.warehouse_id},
        )
        return [(row.okey, row.state, row.n) for row in found]


async def test_every_event_arrives_signed_and_in_order_of_its_key(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    await bed.subscribe(receiver)
    keys = [f"K{n % 7}" for n in range(60)]
    await bed.tell(*keys)
    assert await drain(bed.db, bed.settings, quick)
    assert receiver.unverified == 0
    assert len(receiver.got) == 60
    assert all(places == sorted(places) for places in receiver.first_order().values())
    assert receiver.overlaps == 0
    assert await parked(bed) == []


async def test_headers_repeat_the_body_and_attempts_are_logged(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    await bed.subscribe(receiver)
    receiver.fault = lambda body, seen: (
        web.Response(status=503, text="not\x00 now") if not seen else None
    )
    await bed.tell("A")
    assert await drain(bed.db, bed.settings, quick)
    got = receiver.got[0]
    assert got.headers["webhook-id"] == got.id
    assert got.headers["webhook-type"] == "order.updated"
    assert got.headers["webhook-attempt"] == "2"
    async with bed.db.reading() as tx:
        found = await tx.execute(
            sa.text("SELECT n, status, class, trigger, body, total_ms FROM attempt"
                    " WHERE warehouse_id = :id ORDER BY id"), {"id": bed.warehouse_id},
        )  # fmt: skip
        rows = [(row.n, row.status, row[2], row.trigger, row.body) for row in found]
    assert rows == [(1, 503, "server_error", "live", "not now"), (2, 204, "ok", "retry", "")]


async def test_a_receiver_may_ask_for_the_content_type_of_cloudevents(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    await bed.subscribe(receiver, media="cloudevents")
    await bed.tell("A")
    assert await drain(bed.db, bed.settings, quick)
    assert receiver.got[0].headers["content-type"] == "application/cloudevents+json"
    assert (receiver.unverified, content_type("json", "batch")) == (0, "application/json")
    assert content_type("cloudevents", "batch") == "application/cloudevents-batch+json"


async def test_a_failing_message_delays_only_its_own_key(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    """Two events of BAD and one of GOOD: the second BAD waits behind the first, GOOD does not."""
    await bed.subscribe(receiver)
    healed = asyncio.Event()
    receiver.fault = lambda body, seen: (
        web.Response(status=422)
        if body["partitionkey"] == "order/BAD" and not healed.is_set()
        else None
    )
    slow = msgspec.structs.replace(quick, consumer=Schedule((0.3,) * 20, jitter=0))
    async with working(bed, slow):
        await bed.tell("BAD", "GOOD", "BAD", "GOOD")
        await receiver.wait_for(2)
        assert [got.key for got in receiver.got] == ["order/GOOD", "order/GOOD"]
        await until(lambda: _is(bed, [("order/BAD", "due"), ("order/BAD", "waiting")]))
        healed.set()
        await receiver.wait_for(4)
        await until(lambda: _is(bed, []))
    assert receiver.first_order()["order/BAD"] == sorted(receiver.first_order()["order/BAD"])


async def _is(bed: Bed, wanted: list[tuple[str, str]]) -> bool:
    return [row[:2] for row in await parked(bed)] == wanted


async def test_an_outage_costs_no_row_and_loses_nothing(bed: Bed, quick: Tuning):
    receiver = await Receiver().start()
    await bed.subscribe(receiver)
    port = int(receiver.url.split(":")[2].split("/")[0])
    await receiver.stop()
    async with working(bed, quick):
        await bed.tell(*[f"K{n}" for n in range(40)])
        await until(lambda: _breaker_is(bed, "open"))
        assert await parked(bed) == []
        await receiver.start(port)
        await receiver.wait_for(40)
        await until(lambda: _breaker_is(bed, "closed"))
    await receiver.stop()
    assert len(receiver.got) == 40
    assert await parked(bed) == []
    types = "SELECT string_agg(type, ' ' ORDER BY pos) FROM event_log WHERE warehouse_id = :id"
    await drain(bed.db, bed.settings, quick)
    told = await bed.value(types + " AND type LIKE 'endpoint.breaker%'", id=bed.warehouse_id)
    assert told == "endpoint.breaker_opened endpoint.breaker_closed"


async def _breaker_is(bed: Bed, state: str) -> bool:
    wanted = "SELECT breaker FROM endpoint WHERE code = :code"
    return await bed.value(wanted, code=f"erp-{bed.site}") == state


async def test_a_broken_server_parks_a_few_and_then_stops(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    """500 may be the message or the endpoint; four keys in a row without success say endpoint."""
    await bed.subscribe(receiver, max_inflight=1)
    down = asyncio.Event()
    receiver.fault = lambda body, seen: None if down.is_set() else web.Response(status=500)
    slow = msgspec.structs.replace(quick, full=Schedule((60,) * 3, jitter=0))
    async with working(bed, slow):
        await bed.tell(*[f"K{n}" for n in range(30)])
        await until(lambda: _breaker_is(bed, "open"))
        assert len(await parked(bed)) == 3
        down.set()
        await receiver.wait_for(27)
    assert len(await parked(bed)) == 3


async def test_an_exhausted_delivery_is_dead_told_and_lets_its_key_go_on(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    await bed.subscribe(receiver)
    receiver.fault = lambda body, seen: (
        web.Response(status=422) if body["sequence"].endswith("3") else None
    )
    await bed.tell("A", "A", "A")  # positions 1 and 2 are endpoint events
    assert await drain(bed.db, bed.settings, quick)
    assert [got.sequence for got in receiver.got] == [4, 5]
    assert await parked(bed) == [("order/A", "dead", 3)]
    data = await bed.value(
        "SELECT data FROM event_log WHERE type = 'delivery.exhausted' AND warehouse_id = :id",
        id=bed.warehouse_id,
    )
    assert '"attempts":3' in data


async def test_block_key_keeps_later_events_behind_a_dead_one(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    await bed.subscribe(receiver, on_dead="block_key")
    receiver.fault = lambda body, seen: (
        web.Response(status=422) if body["sequence"].endswith("3") else None
    )
    await bed.tell("A", "A", "B")
    async with working(bed, quick):
        await until(lambda: _is(bed, [("order/A", "dead"), ("order/A", "waiting")]))
        await receiver.wait_for(1)
    assert [got.key for got in receiver.got] == ["order/B"]


async def test_gone_twice_suspends_and_resume_goes_on_in_order(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    code = await bed.subscribe(receiver)
    gone = True
    receiver.fault = lambda body, seen: web.Response(status=410) if gone else None
    await bed.tell("A", "B", "A")
    async with working(bed, quick):
        await until(lambda: _state_is(bed, "suspended"))
        gone = False
        async with bed.db.transaction() as tx:
            await endpoints.resume(tx, code, "user:ADA", datetime.now(UTC))
        await receiver.wait_for(3)
    assert await parked(bed) == []


async def _state_is(bed: Bed, state: str) -> bool:
    wanted = "SELECT state FROM endpoint WHERE code = :code"
    return await bed.value(wanted, code=f"erp-{bed.site}") == state


async def test_retry_after_is_honoured(bed: Bed, receiver: Receiver, quick: Tuning):
    await bed.subscribe(receiver)
    times: list[float] = []

    def throttle(body: dict, seen: int) -> web.Response | None:
        times.append(time.monotonic())
        return web.Response(status=429, headers={"Retry-After": "1"}) if len(times) == 1 else None

    receiver.fault = throttle
    await bed.tell("A")
    assert await drain(bed.db, bed.settings, quick)
    assert times[1] - times[0] >= 1
    assert await parked(bed) == []


async def test_the_receiver_can_abort_defer_and_disable(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    await bed.subscribe(receiver)
    orders = {"order/ABORT": "abort-message", "order/DEFER": "defer=0.2", "order/OFF": "disable"}
    receiver.fault = lambda body, seen: (
        web.Response(headers={"webhook-delivery": orders[body["partitionkey"]]})
        if not seen
        else None
    )
    await bed.tell("ABORT", "DEFER")
    assert await drain(bed.db, bed.settings, quick)
    assert [got.key for got in receiver.got] == ["order/DEFER"]
    assert await parked(bed) == [("order/ABORT", "dead", 1)]
    async with working(bed, quick):
        await bed.tell("OFF")
        await until(lambda: _state_is(bed, "paused"))


async def test_a_redirect_is_never_followed(bed: Bed, receiver: Receiver, quick: Tuning):
    await bed.subscribe(receiver)
    elsewhere = await Receiver().start()
    receiver.fault = lambda body, seen: web.Response(
        status=307, headers={"location": elsewhere.url}
    )
    await bed.tell("A")
    assert await drain(bed.db, bed.settings, quick)
    assert elsewhere.requests == 0
    assert await parked(bed) == [("order/A", "dead", 3)]
    await elsewhere.stop()


async def test_a_slow_answer_moves_aside_when_others_wait(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    await bed.subscribe(receiver)
    done_thinking = asyncio.Event()
    receiver.fault = (
        lambda body, seen: done_thinking if body["partitionkey"] == "order/SLOW" else None
    )
    tuning = msgspec.structs.replace(quick, soft_deadline_s=0.1, soft_backlog=5)
    async with working(bed, tuning):
        await bed.tell("SLOW", *[f"K{n}" for n in range(20)], "SLOW")
        await until(lambda: _is(bed, [("order/SLOW", "inflight"), ("order/SLOW", "waiting")]))
        done_thinking.set()
        await receiver.wait_for(22)
        await until(lambda: _is(bed, []))
    assert len(receiver.got) == 22
    assert receiver.overlaps == 0


async def test_pause_keeps_the_place_and_skip_gives_it_up(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    code = await bed.subscribe(receiver)
    now = datetime.now(UTC)
    async with bed.db.transaction() as tx:
        await endpoints.pause(tx, code, "user:ADA", now)
    await bed.tell("A", "B")
    assert await drain(bed.db, bed.settings, quick)
    assert receiver.got == []
    async with bed.db.transaction() as tx:
        await endpoints.skip(tx, code, "user:ADA", now)
        await endpoints.resume(tx, code, "user:ADA", now)
    await bed.tell("C")
    assert await drain(bed.db, bed.settings, quick)
    assert [got.key for got in receiver.got] == ["order/C"]


KILLS = 8


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_or_reordered_when_workers_die_anywhere(
    bed: Bed, receiver: Receiver, quick: Tuning, seed: int
):
    """Receiver faults, worker kills between any two statements, rollbacks: G1, G2, G3, G5, G6."""
    dice = random.Random(seed)
    poison = {f"order/K{n}" for n in range(2)}

    def fault(body: dict, seen: int) -> web.Response | float | None:
        if body["partitionkey"] in poison and seen < 2:
            return web.Response(status=dice.choice([422, 500]))
        roll = dice.random()
        if roll < 0.03:
            return web.Response(status=500)
        return 0.05 if roll < 0.05 else None

    receiver.fault = fault
    await bed.subscribe(receiver, lanes=dice.choice([1, 4]))
    committed = 0
    long = msgspec.structs.replace(quick, full=Schedule((0.02,) * 30, jitter=0),
                                   consumer=Schedule((0.02,) * 30, jitter=0))  # fmt: skip
    for _ in range(KILLS):
        stop = asyncio.Event()
        doomed = asyncio.create_task(worker.run_events(bed.db, bed.settings, stop, long))
        for _ in range(15):
            try:
                async with bed.db.transaction() as tx:
                    await tell(tx, bed.warehouse_id, f"K{dice.randrange(8)}")
                    if dice.random() < 0.15:
                        raise OSError("rolled back")
                committed += 1
            except Exception:
                await asyncio.sleep(0)
        await asyncio.sleep(dice.random() * 0.3)
        doomed.cancel()
        await asyncio.gather(doomed, return_exceptions=True)
    assert await drain(bed.db, bed.settings, long, 30)
    assert len({got.id for got in receiver.got}) == committed
    order = receiver.first_order()
    assert all(places == sorted(places) for places in order.values())
    sealed = await bed.value(
        "SELECT count(*) FROM event_log WHERE warehouse_id = :id AND type = 'order.updated'",
        id=bed.warehouse_id,
    )
    assert sealed == committed
    assert await parked(bed) == []


async def test_two_workers_share_and_take_over(bed: Bed, receiver: Receiver, quick: Tuning):
    await bed.subscribe(receiver)
    stop = asyncio.Event()
    first = asyncio.create_task(worker.run_events(bed.db, bed.settings, stop, quick))
    async with working(bed, quick):
        await bed.tell("A", "B")
        await receiver.wait_for(2)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await bed.tell("A", "B")
        await receiver.wait_for(4)
    assert len({got.id for got in receiver.got}) == 4  # a kill may repeat, by the same id
    assert all(places == sorted(places) for places in receiver.first_order().values())
