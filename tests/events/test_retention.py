"""Old weeks go whole, when nobody needs them; who sleeps too long is suspended and told."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.events.conftest import Bed, stamp
from tests.events.receiver import Receiver
from wms.events import consumers, endpoints, retention, sealer
from wms.events.consumers import ConsumerSuspended
from wms.events.rules import Tuning
from wms.events.verify import verify_log
from wms.events.worker import drain

# Sealed rows as they were long ago, in the partitions of their weeks.
BACK_DATE = """
    INSERT INTO event_log (warehouse_id, pos, sealed_at, event_id, lane, type, okey, keyseq,
                           subject, owner, occurred_at, recorded_at, actor, correlation_id,
                           causation_id, data, traceparent, test)
    SELECT :w, seal_state.pos + n, now() - make_interval(days => :days), gen_random_uuid(), 0,
           'order.updated', 'order/OLD' || n, NULL, 'order/OLD' || n, 'ACME', now(), now(), '', '',
           '', '{}', '', false
      FROM seal_state, generate_series(1, :n) n WHERE seal_state.warehouse_id = :w
"""


async def back_date(bed: Bed, days: int, n: int) -> None:
    """Log `n` events as if they had been sealed so many days ago."""
    values = {"w": bed.warehouse_id, "days": days, "n": n}
    async with bed.db.transaction() as tx:
        await sealer.take_stream(tx, bed.warehouse_id)
        for parent in ("event_log", "attempt"):
            made = "SELECT make_event_partition(:parent, now() - make_interval(days => :days))"
            await tx.execute(sa.text(made), {"parent": parent, "days": days})
        await tx.execute(sa.text(BACK_DATE), values)
        moved = "UPDATE seal_state SET pos = pos + :n WHERE warehouse_id = :w"
        await tx.execute(sa.text(moved), values)


async def drop(bed: Bed, keep: int = 90, most: int = 180) -> int:
    """How many weeks of the log were dropped; attempts do not count."""
    gone = await retention.drop_old(bed.db, timedelta(days=keep), timedelta(days=most))
    return sum(child.startswith("event_log") for child in gone)


async def positions(bed: Bed) -> list[int]:
    async with bed.db.reading() as tx:
        found = await tx.execute(sa.text("SELECT pos FROM event_log ORDER BY pos"))
        return list(found.scalars())


async def test_a_week_goes_when_it_is_old_and_nobody_needs_it(own_bed: Bed):
    await back_date(own_bed, 140, 3)
    await back_date(own_bed, 100, 2)
    await sealer.close_blocks(own_bed.db, own_bed.warehouse_id)  # one block over both weeks
    await own_bed.tell("NEW")
    async with own_bed.db.transaction() as tx:
        await sealer.seal(tx, own_bed.warehouse_id)
    attempts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'attempt'::regclass"
    before = await own_bed.value(attempts)
    assert await drop(own_bed, 120) == 1
    assert await positions(own_bed) == [4, 5, 6]
    assert await own_bed.value("SELECT first_pos FROM seal_state") == 4
    assert await own_bed.value(attempts) == before - 1
    async with own_bed.db.reading() as tx:
        assert await verify_log(tx, own_bed.warehouse_id) == []
    assert await drop(own_bed) == 1
    assert await drop(own_bed) == 0
    assert await positions(own_bed) == [6]
    async with own_bed.db.transaction() as tx:
        assert await verify_log(tx, own_bed.warehouse_id) == []
        await tx.execute(sa.text("UPDATE seal_state SET first_pos = 5"))
        assert {each.kind for each in await verify_log(tx, own_bed.warehouse_id)} >= {"end"}


async def test_a_paused_endpoint_keeps_the_log_until_the_longest_time(
    own_bed: Bed, receiver: Receiver, quick: Tuning
):
    code = await own_bed.subscribe(receiver, start="beginning")
    at = stamp(own_bed.warehouse_id).at
    async with own_bed.db.transaction() as tx:
        await endpoints.pause(tx, code, "user:ADA", at)
        await sealer.seal(tx, own_bed.warehouse_id)
    first = await own_bed.value("SELECT pos FROM seal_state")
    await back_date(own_bed, 100, 2)
    assert await drop(own_bed) == 0
    assert await drop(own_bed, 30, 60) == 1
    assert await own_bed.value("SELECT state FROM endpoint") == "suspended"
    told = "SELECT count(*) FROM outbox WHERE type = 'endpoint.suspended'"
    assert await own_bed.value(told) == 1
    async with own_bed.db.transaction() as tx:
        await endpoints.resume(tx, code, "user:ADA", at)
    skipped = "SELECT data::json ->> 'to_pos' FROM outbox WHERE type = 'endpoint.skipped'"
    assert await own_bed.value(skipped) == str(first + 2)
    await own_bed.tell("NEW")
    assert await drain(own_bed.db, own_bed.settings, quick)
    assert [got.key for got in receiver.got] == ["order/NEW"]


async def test_dead_deliveries_of_a_week_that_goes_stay_visible(
    own_bed: Bed, receiver: Receiver, quick: Tuning
):
    code = await own_bed.subscribe(receiver)
    await back_date(own_bed, 100, 2)
    async with own_bed.db.transaction() as tx:
        await tx.execute(sa.text("UPDATE delivery_cursor SET pos = 2"))
        await tx.execute(
            sa.text("INSERT INTO parked (warehouse_id, endpoint_id, okey, pos, lane, event_id,"
                    " type, state, n, next_at) SELECT e.warehouse_id, p.id, e.okey, e.pos, 0,"
                    " e.event_id, e.type, CASE pos WHEN 1 THEN 'dead' ELSE 'due' END, 3,"
                    " CASE pos WHEN 1 THEN NULL ELSE now() END FROM event_log e, endpoint p")
        )  # fmt: skip
    assert await drop(own_bed) == 0  # one of them will still be tried
    async with own_bed.db.transaction() as tx:
        await tx.execute(sa.text("UPDATE parked SET state = 'dead', next_at = NULL"))
    assert await drop(own_bed) == 1
    given_up = "SELECT string_agg(okey || ' ' || by, ', ' ORDER BY pos) FROM delivery_discarded"
    assert await own_bed.value(given_up) == (
        "order/OLD1 system:retention, order/OLD2 system:retention"
    )
    assert await own_bed.value("SELECT state FROM endpoint WHERE code = :c", c=code) == "active"


async def test_a_consumer_that_sleeps_too_long_is_suspended_until_it_seeks(own_bed: Bed):
    await back_date(own_bed, 100, 2)
    at = stamp(own_bed.warehouse_id)
    async with own_bed.db.transaction() as tx:
        await consumers.commit(tx, at, "erp", "bi", 1)
    assert await drop(own_bed) == 0
    assert await drop(own_bed, 30, 60) == 1
    told = "SELECT data::json ->> 'first_pos' FROM outbox WHERE type = 'consumer.suspended'"
    assert await own_bed.value(told) == "3"
    async with own_bed.db.transaction() as tx:
        with pytest.raises(ConsumerSuspended):
            await consumers.place_of(tx, own_bed.warehouse_id, "erp", "bi")
        with pytest.raises(ConsumerSuspended):
            await consumers.commit(tx, at, "erp", "bi", 2)
        found = await consumers.seek(tx, at, "erp", "bi", 2, None)
        assert (found.pos, found.suspended_at) == (2, None)
        assert await consumers.place_of(tx, own_bed.warehouse_id, "erp", "bi") == 2
