"""A served application, a partner behind a real connection, and logs of any length."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from tests.browser.rig import serving
from tests.world import World
from web.app import create_app
from wms.access.clients import create_client
from wms.settings import Settings

# As the sealer leaves it: gapless positions, ids at random, an hour for every 3,600 events.
FILL = """
    INSERT INTO event_log (warehouse_id, pos, sealed_at, event_id, lane, type, okey, keyseq,
                           subject, owner, occurred_at, recorded_at, actor, correlation_id,
                           causation_id, data, traceparent, test)
    SELECT {warehouse}, n, now(), gen_random_uuid(), 0, 'order.updated', 'order/ACME/1', NULL,
           '', 'ACME', now(), '2026-03-02 08:00Z'::timestamptz + n * interval '1 s', '', '', '',
           '{{}}', '', false
      FROM generate_series(1, {count}) n
"""
HEAD = """
    INSERT INTO seal_state (warehouse_id, pos) VALUES ({warehouse}, {count})
    ON CONFLICT (warehouse_id) DO UPDATE SET pos = excluded.pos
"""


async def fill_log(world: World, count: int) -> None:
    async with world.db.transaction() as tx:
        for statement in (FILL, HEAD):
            await tx.exec_driver_sql(statement.format(warehouse=world.warehouse_id, count=count))
    async with world.db.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).exec_driver_sql(
            "ANALYZE event_log"
        )


@pytest_asyncio.fixture(loop_scope="session")
async def partner(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A partner with every scope, over TCP."""
    app = create_app(Settings(database_url=world.db.url, pool_size=4), background=False)
    async with world.db.transaction() as tx:
        key = await create_client(tx, "ERP", warehouse_ids=[world.warehouse_id])
    async with (
        serving(app) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/v1/warehouses/W1",
            headers={"Authorization": f"Bearer {key}"}, timeout=60,
        ) as client,
    ):  # fmt: skip
        yield client
    await app.state.db.close()
