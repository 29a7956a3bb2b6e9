"""One endpoint that hears two warehouses: two deliveries, one row that tells how it is."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
from aiohttp import web

from tests.events.conftest import Bed, add_warehouse
from tests.events.receiver import Receiver
from tests.events.test_delivery import until, working
from tests.events.test_notices import age, events_of, told_now
from wms.events import endpoints
from wms.events.rules import Tuning

ROW = "SELECT concat_ws(' ', breaker, cardinality(open_in)) FROM endpoint WHERE code = :code"
SINCE = "SELECT failing_since FROM endpoint WHERE code = :code"
STEP = "SELECT breaker_step FROM endpoint WHERE code = :code"


async def beside(bed: Bed) -> Bed:
    """A second warehouse in the same database."""
    code = f"W{uuid4().hex[:6]}"
    return replace(bed, warehouse_id=await add_warehouse(bed.db, code), site=code)


async def subscribed(bed: Bed, receiver: Receiver) -> tuple[Bed, str]:
    other = await beside(bed)
    return other, await bed.subscribe(receiver, warehouses=[bed.site, other.site])


async def told(bed: Bed) -> list[str]:
    """What became of the endpoint, as this warehouse's log has it."""
    names = ("breaker_opened", "breaker_closed", "failing", "paused", "resumed")
    found = [(name, await events_of(bed, f"endpoint.{name}")) for name in names]
    return [name for name, events in found for _ in events]


async def test_a_breaker_is_open_until_both_warehouses_get_an_answer_and_is_told_once_in_each(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    other, code = await subscribed(bed, receiver)
    refused = ["order/A", "order/B"]
    receiver.fault = lambda body, seen: (
        web.Response(status=401) if body["partitionkey"] in refused else None
    )

    async def row(statement: str = ROW) -> object:
        return await bed.value(statement, code=code)

    async def is_(wanted: str) -> bool:
        return await row() == wanted

    async with working(bed, msgspec.structs.replace(quick, chores_s=3600.0)):
        await bed.tell("A", "A")
        await other.tell("B", "B")
        await until(lambda: is_("open 2"))
        since: datetime = await bed.value(SINCE, code=code)
        refused.remove("order/A")
        await until(lambda: is_("open 1"))
        steps = await bed.value(STEP, code=code)

        async def goes_on_trying() -> bool:
            assert await row() == "open 1", "the other one still fails"
            return await bed.value(STEP, code=code) > steps + 1

        await until(goes_on_trying)
        assert await row(SINCE) == since
        await age(bed, code, minutes=16)
        assert [await told_now(bed, code), await told_now(bed, code)] == [True, False]
        refused.clear()
        await until(lambda: is_("closed 0"))
        await receiver.wait_for(4)
    for each in (bed, other):
        assert await told(each) == ["breaker_opened", "breaker_closed", "failing"]
    assert await row(SINCE) is None


async def test_pause_and_resume_act_on_both_warehouses_and_are_told_in_each(
    bed: Bed, receiver: Receiver, quick: Tuning
):
    other, code = await subscribed(bed, receiver)
    receiver.fault = lambda body, seen: web.Response(
        status=500, headers={"webhook-delivery": "disable"}
    )

    async def is_paused() -> bool:
        return await bed.value("SELECT state FROM endpoint WHERE code = :c", c=code) == "paused"

    async with working(bed, quick) as worker:
        await bed.tell("A", "A")
        await other.tell("B", "B")
        await until(is_paused)

        async def rest() -> bool:
            return not worker.running

        await until(rest)
        receiver.fault, asked = None, receiver.requests
        await bed.tell("A")
        await other.tell("B")
        assert [await told(each) for each in (bed, other)] == [["paused"]] * 2
        assert receiver.requests == asked
        async with bed.db.transaction() as tx:
            await endpoints.resume(tx, code, "user:ADA", datetime.now(UTC))
        await receiver.wait_for(6)
    assert [await told(each) for each in (bed, other)] == [["paused", "resumed"]] * 2
    assert receiver.overlaps == 0
    assert all(places == sorted(places) for places in receiver.first_order().values())
