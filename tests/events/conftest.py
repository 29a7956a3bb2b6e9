"""What the event tests share: a warehouse row, quick times, a receiver, endpoints that hear."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import pytest_asyncio
import sqlalchemy as sa
from litestar import Litestar

from tests.conftest import execute
from tests.events.receiver import Receiver
from web import errors
from web.api import deliveries, event_data, feed, live, receipts, replays
from web.api import endpoints as endpoints_api
from wms.access.clients import create_client
from wms.access.rules import SCOPES
from wms.db import Db, Tx, insert
from wms.embedded import EmbeddedPostgres
from wms.events import endpoints
from wms.events.endpoints import verify
from wms.events.groups import doc
from wms.events.keys import Vault
from wms.events.new_endpoint import NewEndpoint
from wms.events.outbox import emit
from wms.events.payload_documents import OrderUpdated
from wms.events.rules import Schedule, Tuning
from wms.ids import uuid7
from wms.masterdata.tables import warehouse
from wms.settings import Settings
from wms.stamp import Stamp

QUICK = Tuning(
    full=Schedule((0.05, 0.1, 0.1, 0.2, 0.2), jitter=0),
    consumer=Schedule((0.05, 0.1), jitter=0),
    breaker_s=(0.02, 0.05, 0.1, 0.2),
    gone_s=0.2,
    seal_busy_s=0.005,
    seal_idle_s=0.05,
    flush_s=0.01,
    place_s=0.02,
    supervise_s=0.05,
    look_s=0.1,
    fault_rest_s=0.1,
    chores_s=0.5,
    block_wait_s=0.1,
)


def stamp(warehouse_id: int, **more: Any) -> Stamp:
    values = {"warehouse_id": warehouse_id, "at": datetime.now(UTC), "key": uuid7()}
    return Stamp(**{**values, "actor": "user:PIA", "device": "RF-1", **more})


async def tell(tx: Tx, warehouse_id: int, key: str, keyseq: int | None = None, **more: Any) -> None:
    """Emit one order event."""
    data = OrderUpdated(order=doc("order", 1, key, owner="ACME", version=keyseq or 1))
    more = {"owner": "ACME", "keyseq": keyseq, **more}
    await emit(tx, stamp(warehouse_id), "order.updated", f"order/{key}", data, **more)


@dataclass
class Bed:
    """One database with one warehouse."""

    db: Db
    settings: Settings
    warehouse_id: int
    site: str

    async def tell(self, *keys: str) -> None:
        """Emit one event for each key, each in a transaction of its own."""
        for key in keys:
            async with self.db.transaction() as tx:
                await tell(tx, self.warehouse_id, key)

    async def value(self, statement: str, **values: Any) -> Any:
        async with self.db.reading() as tx:
            return (await tx.execute(sa.text(statement), values)).scalar()

    async def subscribe(self, receiver: Receiver, name: str = "erp", **more: Any) -> str:
        """A verified endpoint `name-<site>` of this warehouse; the receiver learns its secret."""
        code = f"{name}-{self.site}"
        values: dict[str, Any] = {
            "code": code, "url": receiver.url, "types": ["order.*"], "warehouses": [self.site],
        }  # fmt: skip
        values |= more
        new = msgspec.convert(values, NewEndpoint)
        egress = endpoints.egress_of(self.settings)
        async with self.db.transaction() as tx:
            made = await endpoints.create(
                tx, new, Vault(self.settings), egress, "user:ADA", datetime.now(UTC)
            )
        receiver.secret = made.secret
        await verify(self.db, self.settings, code, "user:ADA")
        return code


async def add_warehouse(db: Db, code: str) -> int:
    async with db.transaction() as tx:
        return await insert(tx, warehouse, code=code, name=code)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def events_db(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[Db]:
    """One database for all event tests; each test is a warehouse of its own in it."""
    name = f"events{uuid4().hex[:12]}"
    await execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    db = Db(postgres.url(name))
    endpoints.ENDPOINTS_MAX = 10_000  # every test adds its own
    yield db
    await db.close()


@pytest_asyncio.fixture(loop_scope="session")
async def bed(events_db: Db, tmp_path: Path) -> AsyncIterator[Bed]:
    settings = Settings(data_dir=tmp_path, egress_allow="127.0.0.0/8")
    code = f"W{uuid4().hex[:6]}"
    yield Bed(events_db, settings, await add_warehouse(events_db, code), code)
    async with events_db.transaction() as tx:
        await tx.execute(sa.text("UPDATE endpoint SET state = 'paused'"))
        await tx.execute(sa.text("UPDATE parked SET state = 'dead', next_at = NULL"))


@pytest_asyncio.fixture(loop_scope="session")
async def own_bed(fresh_db: Db, tmp_path: Path) -> Bed:
    """A database of its own, for tests that break or empty tables."""
    settings = Settings(data_dir=tmp_path, egress_allow="127.0.0.0/8")
    return Bed(fresh_db, settings, await add_warehouse(fresh_db, "W1"), "W1")


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    made = await Receiver().start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def app(bed: Bed) -> Litestar:
    """The events API alone."""
    parts = (feed, event_data, live, endpoints_api, deliveries, receipts, replays)
    made = Litestar(
        route_handlers=[handler for part in parts for handler in part.HANDLERS],
        exception_handlers=errors.EXCEPTION_HANDLERS,
        openapi_config=None,
    )
    made.state.settings = bed.settings
    made.state.db = bed.db
    return made


async def partner_of(app: Litestar, bed: Bed, name: str, **more: Any) -> httpx.AsyncClient:
    """A client with a key of its own."""
    more.setdefault("scopes", sorted(SCOPES.keys() - {"masks:admin"}))
    async with bed.db.transaction() as tx:
        code = f"{name}-{bed.site}"
        key = await create_client(tx, code, warehouse_ids=[bed.warehouse_id], **more)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test",
        headers={"authorization": f"Bearer {key}"},
    )


@pytest_asyncio.fixture(loop_scope="session")
async def erp(app: Litestar, bed: Bed) -> AsyncIterator[httpx.AsyncClient]:
    async with await partner_of(app, bed, "erp") as client:
        yield client


@pytest.fixture
def quick() -> Tuning:
    return QUICK
