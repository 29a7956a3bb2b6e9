"""The integration team's exceptions follow the delivery tables: they open and end by themselves."""

from typing import Any

import httpx

from tests import world as w
from tests.exceptions.conftest import sealed
from tests.exceptions.test_life import HERE, now, tell
from tests.world import World
from wms.db import Tx
from wms.events.catalog import TestPing
from wms.exceptions import deliveries, life

ENDPOINT = """
    INSERT INTO endpoint (code, url, state, created_at)
    VALUES ('erp', 'http://erp.test', 'active', now()) RETURNING id
"""


async def looked(world: World) -> int:
    async with world.db.transaction() as tx:
        stamp = now(world, actor="system:exceptions")
        return await deliveries.open_delivery_exceptions(tx, stamp)


async def run(world: World, *statements: str) -> None:
    async with world.db.transaction() as tx:
        await _run(tx, *statements)


async def _run(tx: Tx, *statements: str) -> None:
    for statement in statements:
        await tx.exec_driver_sql(statement)


async def open_now(erp: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    found = (await erp.get(HERE, params={"team": "integration"})).json()["exceptions"]
    return {each["code"]: each for each in found}


async def dead(world: World, *positions: int) -> None:
    for pos in positions:
        await run(world, f"""
            INSERT INTO parked (warehouse_id, endpoint_id, okey, pos, lane, event_id, type, state,
                                n, first_failed_at, last_class)
            SELECT {world.warehouse_id}, id, 'order/{pos}', {pos}, 0, gen_random_uuid(),
                   'order.held', 'dead', 12, now(), 'timeout' FROM endpoint
        """)  # fmt: skip


async def test_dead_letters_open_one_exception_a_cause_and_end_when_none_is_left(
    world: World, erp: httpx.AsyncClient
) -> None:
    await run(world, ENDPOINT)
    await dead(world, 1, 2)
    assert (await looked(world), await looked(world)) == (1, 0)
    found = (await open_now(erp))["dead_letters"]
    assert (found["subject"], found["facts"]["count"]) == ("endpoint/erp/timeout", 2)
    await dead(world, 3)
    await looked(world)
    assert (await open_now(erp))["dead_letters"]["times"] == 2
    await run(world, "DELETE FROM parked")
    await looked(world)
    assert await open_now(erp) == {}
    how = await w.scalar(world, "SELECT ended_how FROM exception WHERE warehouse_id = :w")
    assert how == "All of them are delivered or discarded."


async def test_what_a_person_gave_up_stays_so_until_it_gets_worse(
    world: World, erp: httpx.AsyncClient
) -> None:
    await run(world, ENDPOINT)
    await dead(world, 1)
    await looked(world)
    found = (await open_now(erp))["dead_letters"]
    async with world.db.transaction() as tx:
        await life.discard(tx, now(world), int(found["id"]), "old test system")
    assert await looked(world) == 0
    await dead(world, 2)
    await looked(world)
    assert (await open_now(erp))["dead_letters"]["reopened"] == 1


async def test_an_endpoint_that_fails_for_long_is_somebodys_until_it_answers(
    world: World, erp: httpx.AsyncClient
) -> None:
    await run(world, ENDPOINT, f"""
        INSERT INTO delivery_cursor (warehouse_id, endpoint_id, lane, pos)
        SELECT {world.warehouse_id}, id, 0, 0 FROM endpoint
    """, """
        UPDATE endpoint SET breaker = 'open', failing_since = now() - interval '2 hours',
               contact = 'edi@acme.test'
    """)  # fmt: skip
    assert await looked(world) == 0  # its owner was not told yet
    await run(world, "UPDATE endpoint SET noticed_at = now()")
    assert (await looked(world), await looked(world)) == (1, 0)
    found = (await open_now(erp))["endpoint_failing"]
    assert (found["subject"], found["facts"]["stage"]) == ("endpoint/erp", 2)
    await run(world, "UPDATE endpoint SET breaker = 'closed', failing_since = NULL")
    await looked(world)
    assert await open_now(erp) == {}


async def test_a_stopped_endpoint_and_a_rejected_event_are_somebodys_until_they_are_cured(
    world: World, erp: httpx.AsyncClient
) -> None:
    await tell(world, "test.ping", "endpoint/erp", TestPing())
    await sealed(world)
    await run(world, ENDPOINT, f"""
        INSERT INTO delivery_cursor (warehouse_id, endpoint_id, lane, pos)
        SELECT {world.warehouse_id}, id, 0, 0 FROM endpoint
    """, "UPDATE endpoint SET state = 'suspended'", """
        INSERT INTO event_receipt (warehouse_id, source, event_id, type, okey, verdict, code, at,
                                   first_at)
        SELECT warehouse_id, 'endpoint/erp', event_id, type, okey, 'rejected', 'no-such-item',
               now(), now() FROM event_log
    """)  # fmt: skip
    await looked(world)
    found = await open_now(erp)
    assert found["endpoint_stopped"]["severity"] == "critical"
    assert found["receipt_rejected"]["facts"]["code"] == "no-such-item"
    await run(
        world, "UPDATE endpoint SET state = 'active'",
        "UPDATE event_receipt SET verdict = 'processed'",
    )  # fmt: skip
    await looked(world)
    assert await open_now(erp) == {}
