"""What the event tests share: one warehouse row, quick times, a receiver, an endpoint that hears."""

import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.events.receiver import Receiver
from wms.db import Db, Tx, insert
from wms.events import endpoints
from wms.events.endpoints import NewEndpoint
from wms.events.groups import doc
from wms.events.keys import Vault
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
    supervise_s=0.05,
    look_s=0.1,
    chores_s=0.5,
    block_wait_s=0.1,
)


def stamp(warehouse_id: int, **more: Any) -> Stamp:
    values = {"warehouse_id": warehouse_id, "at": datetime.now(UTC), "key": uuid7()}
    return Stamp(**{**values, "actor": "user:PIA", "device": "RF-1", **more})


async def tell(tx: Tx, warehouse_id: int, key: str, keyseq: int | None = None, **more: Any) -> None:
    """Emit one order event."""
    data = OrderUpdated(order=doc("order", 1, key, owner="ACME", version=keyseq or 1))
    await emit(tx, stamp(warehouse_id), "order.updated", f"order/{key}", data, keyseq=keyseq,
               owner="ACME", **more)  # fmt: skip


@dataclass
class Bed:
    """One database with one warehouse."""

    db: Db
    settings: Settings
    warehouse_id: int

    async def tell(self, *keys: str) -> None:
        """Emit one event for each key, each in a transaction of its own."""
        for key in keys:
            async with self.db.transaction() as tx:
                await tell(tx, self.warehouse_id, key)

    async def value(self, statement: str, **values: Any) -> Any:
        import sqlalchemy as sa

        async with self.db.reading() as tx:
            return (await tx.execute(sa.text(statement), values)).scalar()

    async def subscribe(self, receiver: Receiver, code: str = "erp", **more: Any) -> str:
        """A verified endpoint; the receiver learns its secret."""
        values: dict[str, Any] = {"code": code, "url": receiver.url, **more}
        new = msgspec.convert(values, NewEndpoint)
        egress = endpoints.egress_of(self.settings)
        async with self.db.transaction() as tx:
            made = await endpoints.create(
                tx, new, Vault(self.settings), egress, "user:ADA", datetime.now(UTC)
            )
        receiver.secret = made.secret
        await endpoints.verify(self.db, self.settings, code, "user:ADA")
        return made.secret


async def add_warehouse(db: Db, code: str) -> int:
    async with db.transaction() as tx:
        return await insert(tx, warehouse, code=code, name=code)


@pytest_asyncio.fixture(loop_scope="session")
async def bed(fresh_db: Db, tmp_path: Path) -> Bed:
    settings = Settings(data_dir=tmp_path, egress_allow="127.0.0.0/8")
    return Bed(fresh_db, settings, await add_warehouse(fresh_db, "W1"))


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    made = await Receiver().start()
    yield made
    await made.stop()


@pytest.fixture
def quick() -> Tuning:
    return QUICK


__all__ = ["Bed", "Callable", "sys"]
