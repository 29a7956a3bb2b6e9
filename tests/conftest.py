"""The embedded PostgreSQL of the test run, one migrated template, and a clone for each test.

Nothing may connect to the template: cloning would wait for it.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from tests.world import World, small_warehouse
from wms.db import Db, Tx
from wms.embedded import EmbeddedPostgres
from wms.migrate import upgrade

TEMPLATE = "template_wms"


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One server for the run, in a directory of its own (pytest's own may lose its rights)."""
    directory = Path(tempfile.mkdtemp(prefix="wms-test-"))
    server = EmbeddedPostgres(directory)
    yield server
    server.stop()
    shutil.rmtree(directory, ignore_errors=True)


async def execute(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(postgres: EmbeddedPostgres) -> str:
    """Name of a migrated, empty database to clone."""
    await execute(postgres, "ALTER SYSTEM SET fsync = off")  # no test pulls the plug
    await execute(postgres, "SELECT pg_reload_conf()")
    await execute(postgres, f"CREATE DATABASE {TEMPLATE}")
    with ThreadPoolExecutor(1) as pool:  # Alembic runs its own event loop
        pool.submit(upgrade, postgres.url(TEMPLATE)).result()
    return TEMPLATE


@pytest_asyncio.fixture(loop_scope="session")
async def database_url(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """URL of a migrated database of this test alone, dropped afterwards."""
    name = f"t{uuid4().hex[:16]}"
    await execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield postgres.url(name)
    await execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(loop_scope="session")
async def fresh_db(database_url: str) -> AsyncIterator[Db]:
    """A migrated, empty database of this test alone; real commits, real races."""
    db = Db(database_url)
    yield db
    await db.close()


@pytest_asyncio.fixture(loop_scope="session")
async def world(fresh_db: Db) -> World:
    """The small warehouse of tests/world.py in a database of this test alone."""
    return await small_warehouse(fresh_db)


@pytest_asyncio.fixture(loop_scope="session")
async def tx(world: World) -> AsyncIterator[Tx]:
    """An open transaction in the small warehouse, rolled back at the end."""
    async with world.db.engine.connect() as connection:
        transaction = await connection.begin()
        yield connection
        await transaction.rollback()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The type checker alone takes a minute: what begins first has company until it ends.
    Planning comes last, when the machine code it needs is there (`.ci/run` makes it meanwhile)."""
    items.sort(key=lambda item: ("repository" not in item.path.parts,
                                 "planning" in item.path.parts))  # fmt: skip
