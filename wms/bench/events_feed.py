"""Events for the bench: written as the floor writes them, at a rate or all at once; and endpoints.

Each event belongs to one of OWNERS owners, so that an endpoint can be given its share.
"""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime

import asyncpg
import msgspec

from wms.db import Db
from wms.events import endpoints, sealer
from wms.events.endpoints import NewEndpoint, egress_of
from wms.events.keys import Vault
from wms.events.line import CHANNEL
from wms.events.wake import RELOAD
from wms.settings import Settings

OWNERS = 20
TICK_S = 0.01

DATA = (
    '{"movement_id":"","stock":{"sku":"SKU1","owner":"OWN","base_qty":1,"qty":"1","stock_status":'
    '"available"},"to":{"bin":"HAND-U1","lpn":"B-T1"},"from":{"bin":"B1017"},"purpose":"pick",'
    '"task_id":"97","order":{"id":"4711","type":"order","version":1,"external_id":"B-4711"},'
    '"who":{"user":"user:U1","device":"712bf064-d438-4c00-b23c-21b33afa1f9e"}}'
)
WRITE = f"""
    INSERT INTO outbox (warehouse_id, event_id, type, okey, keyseq, subject, owner, occurred_at,
                        recorded_at, actor, correlation_id, causation_id, data, traceparent, test)
    SELECT 1, gen_random_uuid(), 'inventory.moved', k.key, NULL, k.key, k.owner,
           clock_timestamp(), clock_timestamp(), 'user:U1', '', '', '{DATA}', '', false
      FROM (SELECT 'stock/OWN/SKU' || floor(random() * 5000) AS key,
                   'O' || floor(random() * {OWNERS}) AS owner
              FROM generate_series(1, $1::int) n) k
"""
# How long events of a stretch of the log waited for their position, in milliseconds.
LAG = """
    SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY lag), 0) AS p50,
           coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY lag), 0) AS p99,
           coalesce(max(lag), 0) AS most, count(*) AS n
      FROM (SELECT extract(epoch FROM sealed_at - recorded_at)::float8 * 1000 AS lag
              FROM event_log WHERE warehouse_id = 1 AND pos > $1 AND type = 'inventory.moved') x
"""


class Lag(msgspec.Struct, frozen=True):
    """Milliseconds from recorded to sealed."""

    p50: float
    p99: float
    most: float
    n: int


class Feed:
    """Writes events into warehouse 1 of a database."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def open(self) -> "Feed":
        self.sql = await asyncpg.connect(self.url)
        return self

    async def close(self) -> None:
        await self.sql.close()

    async def write(self, n: int) -> None:
        await self.sql.execute(WRITE, n)

    async def run(self, per_s: float, seconds: float) -> int:
        """Write at a rate, a transaction every TICK_S; returns how many were written."""
        began, written = time.perf_counter(), 0
        while (now := time.perf_counter() - began) < seconds:
            due = int(now * per_s) - written
            if due > 0:
                await self.write(due)
                written += due
            await asyncio.sleep(TICK_S)
        return written

    async def head(self) -> int:
        found = await self.sql.fetchval("SELECT pos FROM seal_state WHERE warehouse_id = 1")
        return found or 0

    async def lag(self, after: int) -> Lag:
        found = await self.sql.fetchrow(LAG, after)
        assert found is not None, "aggregates answer one row"
        return Lag(*(round(value, 1) for value in found.values()))

    async def settle(self, seconds: float = 60.0) -> None:
        """Until every endpoint that works has heard everything, or the time is over."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            behind = await self.sql.fetchval(
                "SELECT count(*) FROM delivery_cursor c JOIN seal_state s USING (warehouse_id)"
                " JOIN endpoint e ON e.id = c.endpoint_id"
                " WHERE e.state = 'active' AND c.pos < s.pos"
            )
            if not behind and not await self.sql.fetch(sealer.PENDING):
                return
            await asyncio.sleep(0.1)

    async def state(self, code: str, state: str, *, skip: bool = True) -> None:
        """Endpoints with such codes go to a state, (`skip`) at the head of the log."""
        if skip:
            await self.sql.execute(
                "UPDATE delivery_cursor c SET pos = s.pos FROM seal_state s, endpoint e"
                " WHERE s.warehouse_id = c.warehouse_id AND e.id = c.endpoint_id"
                " AND e.code LIKE $1 AND e.state <> 'active'", code,
            )  # fmt: skip
        await self.sql.execute("UPDATE endpoint SET state = $1 WHERE code LIKE $2", state, code)
        await self.sql.execute("SELECT pg_notify($1, $2)", CHANNEL, RELOAD)
        if skip:
            await asyncio.sleep(1.5)  # until workers saw it


async def subscribe(
    db: Db, settings: Settings, code: str, url: str, owners: list[str], **more: object
) -> None:
    """An endpoint that hears from now on, taken as verified."""
    asked = {"code": code, "url": url, "owners": owners, "types": ["inventory.moved"],
             "log_attempts": "failures", **more}
    new = msgspec.convert(asked, NewEndpoint)
    async with db.transaction() as tx:
        await endpoints.create(
            tx, new, Vault(settings), egress_of(settings), "system:bench", datetime.now(UTC)
        )


async def hold_snapshot(url: str, seconds: float) -> None:
    """A reader that keeps its snapshot open, as a long report does."""
    connection = await asyncpg.connect(url)
    with suppress(asyncio.CancelledError):
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetchval("SELECT count(*) FROM outbox")
            await asyncio.sleep(seconds)
    await connection.close()
