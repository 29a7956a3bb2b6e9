"""More partners for a test: one that sees some owners only, one that lacks a scope."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
from litestar import Litestar

from tests.world import World
from wms.access.clients import create_client
from wms.access.rules import SCOPES


@asynccontextmanager
async def partner(
    app: Litestar,
    world: World,
    code: str,
    *,
    owners: Sequence[str] = (),
    scopes: Sequence[str] = tuple(SCOPES),
) -> AsyncIterator[httpx.AsyncClient]:
    """A partner of these owners (none named: all) with these scopes."""
    async with world.db.transaction() as tx:
        key = await create_client(
            tx, code, warehouse_ids=[world.warehouse_id], scopes=scopes,
            owner_ids=[world.owners[each] for each in owners],
        )  # fmt: skip
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://wms.test", headers=headers
    ) as client:
        yield client
