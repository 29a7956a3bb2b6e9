"""Owners are told of endpoints that fail and of signing keys that end: each stage once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from tests.events.conftest import Bed
from tests.events.receiver import Receiver
from tests.events.test_delivery import until, working
from wms.events import endpoints, notices
from wms.events.keys import Vault
from wms.events.rules import Tuning
from wms.events.worker import EventWorker


async def told_now(bed: Bed, code: str) -> bool:
    """What the chore of any process does: whether this endpoint's owner was told of something."""
    before = await last_notice(bed, code)
    await EventWorker(bed.db, bed.settings).tell_owners()
    return await last_notice(bed, code) != before


async def last_notice(bed: Bed, code: str) -> datetime | None:
    found: datetime | None = await bed.value(
        "SELECT noticed_at FROM endpoint WHERE code = :code", code=code
    )
    return found


async def age(bed: Bed, code: str, **long: float) -> None:
    """As if its failure had begun, and been told of, that much earlier."""
    async with bed.db.transaction() as tx:
        await tx.execute(
            sa.text("UPDATE endpoint SET failing_since = failing_since - CAST(:long AS interval),"
                    " noticed_at = noticed_at - CAST(:long AS interval) WHERE code = :code"),
            {"long": timedelta(**long), "code": code},
        )  # fmt: skip


async def events_of(bed: Bed, type: str) -> list[dict[str, Any]]:
    await EventWorker(bed.db, bed.settings).seal()
    async with bed.db.reading() as tx:
        found = await tx.execute(
            sa.text("SELECT data FROM event_log WHERE warehouse_id = :id AND type = :type"
                    " ORDER BY pos"), {"id": bed.warehouse_id, "type": type},
        )  # fmt: skip
        return [json.loads(data) for data in found.scalars()]


async def test_a_failing_endpoint_is_told_of_four_times_then_stops_and_goes_on_in_order(
    bed: Bed, quick: Tuning
):
    receiver = await Receiver().start()
    code = await bed.subscribe(receiver)
    port = int(receiver.url.split(":")[2].split("/")[0])
    await receiver.stop()
    rare = msgspec.structs.replace(quick, chores_s=3600)

    async def is_(column: str, wanted: str) -> bool:
        return await bed.value(f"SELECT {column} FROM endpoint WHERE code = :c", c=code) == wanted

    async with working(bed, rare):
        await bed.tell("A", "B", "A")
        await until(lambda: is_("breaker", "open"))
    assert not await told_now(bed, code)
    await age(bed, code, minutes=16)
    async with working(bed, rare):  # a process that starts anew knows since when it fails

        async def is_told() -> bool:
            return len(await events_of(bed, "endpoint.failing")) == 1

        await until(is_told)
    assert not await told_now(bed, code)
    for long in (timedelta(minutes=50), timedelta(hours=24), timedelta(hours=48)):
        await age(bed, code, hours=long.total_seconds() / 3600)
        assert [await told_now(bed, code), await told_now(bed, code)] == [True, False]
    found = await events_of(bed, "endpoint.failing")
    assert [each["stage"] for each in found] == [1, 2, 3, 4]
    assert (found[0]["minutes_failing"], found[0]["cause"]) == (16, "network")
    assert found[0]["lag_events"] >= 3
    await age(bed, code, hours=49)  # 121 hours by now
    async with working(bed, rare):
        await until(lambda: is_("state", "suspended"))
    assert not await told_now(bed, code)
    await receiver.start(port)
    async with bed.db.transaction() as tx:
        await endpoints.resume(tx, code, "user:ADA", datetime.now(UTC))
    async with working(bed, rare):
        await receiver.wait_for(3)
    await receiver.stop()
    assert [got.sequence for got in receiver.got if got.key == "order/A"] == [3, 5]


async def test_only_what_fails_now_is_told_of_and_the_next_failure_begins_anew(
    bed: Bed, receiver: Receiver
):
    code = await bed.subscribe(receiver)
    fails = sa.text("UPDATE endpoint SET breaker = :breaker, noticed_at = :noticed,"
                    " failing_since = now() - interval '2 hours' WHERE code = :code")  # fmt: skip
    before = datetime.now(UTC) - timedelta(hours=5)
    for breaker, noticed, told in (
        ("closed", None, False), ("open", None, True), ("open", before, True),
        ("open", before + timedelta(hours=4.5), False),
    ):  # fmt: skip
        async with bed.db.transaction() as tx:
            values = {"breaker": breaker, "noticed": noticed, "code": code}
            await tx.execute(fails, values)
        assert await told_now(bed, code) is told
    found = await events_of(bed, "endpoint.failing")
    assert [each["stage"] for each in found] == [2, 2]  # told late, it is told once


async def test_a_signing_key_that_ends_is_told_of_a_week_and_a_day_before(
    bed: Bed, receiver: Receiver
):
    code = await bed.subscribe(receiver)
    now = datetime.now(UTC)
    async with bed.db.transaction() as tx:
        made = await endpoints.add_secret(
            tx, code, Vault(bed.settings), "user:ADA", now, overlap_days=10
        )
    told = []
    for days in (2.9, 3.1, 8.9, 9.1, 9.2, 10.1):
        async with bed.db.transaction() as tx:
            await notices.tell_ending(tx, now + timedelta(days=days))
        told.append(len(await events_of(bed, "secret.expiring")))
    assert told == [0, 1, 1, 2, 2, 2]
    first, last = await events_of(bed, "secret.expiring")
    assert first == last
    assert (first["endpoint_id"], first["live_keys"]) == (code, 1)
    assert first["kid"] != made.kid
