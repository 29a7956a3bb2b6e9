"""The application in the test's own loop, and partners that talk to it."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from litestar import Litestar

from tests.world import World
from web.app import create_app
from wms.access.clients import create_client
from wms.access.rules import SCOPES
from wms.settings import Settings


@pytest_asyncio.fixture(loop_scope="session")
async def app(world: World) -> AsyncIterator[Litestar]:
    made = create_app(Settings(database_url=world.db.url, pool_size=4), background=False)
    yield made
    await made.state.db.close()


@pytest_asyncio.fixture(loop_scope="session")
async def erp(app: Litestar, world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A partner with every scope."""
    async with world.db.transaction() as tx:
        key = await create_client(
            tx, "ERP", warehouse_ids=[world.warehouse_id], scopes=tuple(SCOPES)
        )
    headers = {"Authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://wms.test", headers=headers
    ) as client:
        yield client
