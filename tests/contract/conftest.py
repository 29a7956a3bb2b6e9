"""One application on a real port with a warehouse behind it, for tests that speak HTTP to it."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
import uvicorn

from tests import world as w
from tests.conftest import execute
from tests.world import World, small_warehouse
from web.app import create_app
from wms.access.clients import create_client
from wms.access.rules import SCOPES
from wms.db import Db
from wms.embedded import EmbeddedPostgres
from wms.partner.client import Client
from wms.settings import Settings


@dataclass
class Served:
    """Where it listens, a key with every scope, and the world behind it."""

    url: str
    key: str
    world: World
    settings: Settings

    def client(self, **more: Any) -> Client:
        """The client that partners use."""
        return Client(self.url, self.key, "W1", **more)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    """The application in a thread of its own, as a partner meets it."""
    name = f"contract{uuid4().hex[:12]}"
    await execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    db = Db(postgres.url(name))
    world = await small_warehouse(db)
    await w.stock(world, "MUG", "A-01-01", 500)
    async with db.transaction() as tx:
        key = await create_client(
            tx, "ERP", warehouse_ids=[world.warehouse_id], scopes=tuple(SCOPES)
        )
    settings = Settings(
        database_url=postgres.url(name), pool_size=4, egress_allow="127.0.0.0/8",
        data_dir=tmp_path_factory.mktemp("installation"),
    )  # fmt: skip
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, background=False), log_level="critical", access_log=False
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    await asyncio.to_thread(_wait_for, server)
    yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", key, world, settings)
    server.should_exit = True
    await asyncio.to_thread(thread.join, 10)
    await db.close()
    await execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def _wait_for(server: uvicorn.Server) -> None:
    until = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < until, "the server did not start"
        time.sleep(0.02)
