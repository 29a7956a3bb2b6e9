"""A person on the floor in a test: asks for a packet, sends an act, each in its own transaction."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa

from tests import world as build
from tests.world import World
from wms.db import Tx
from wms.ids import uuid7
from wms.stamp import Stamp
from wms.steps import Act, Answer, Packet
from wms.tasks import engine
from wms.tasks.engine import Tour

Confirm = Callable[[Tx, Stamp, Act], Awaitable[Answer]]
PacketOf = Callable[[Tx, Stamp, str], Awaitable[Packet]]


async def send(
    world: World, user: str, confirm: Confirm, ref: str, *scans: str, path: str = "",
    version: int = 1,
) -> Answer:  # fmt: skip
    """Send one act; commits, or raises what the procedure raises."""
    key = uuid7()
    act = Act(key=str(key), ref=ref, version=version, scans=scans, path=path)
    async with world.db.transaction() as tx:
        return await confirm(tx, build.stamp(world, user, key=key), act)


async def look(world: World, user: str, packet_of: PacketOf, ident: object) -> Packet:
    async with world.db.reading() as tx:
        return await packet_of(tx, build.stamp(world, user), str(ident))


async def claim(world: World, user: str, kind: str) -> Tour | None:
    async with world.db.transaction() as tx:
        return await engine.claim_next(tx, build.stamp(world, user), [kind])


async def table(world: World, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """All rows of a statement, `:w` bound to the warehouse."""
    async with world.db.reading() as tx:
        found = await tx.execute(sa.text(statement), {"w": world.warehouse_id, **values})
        return [tuple(row) for row in found]


async def events(world: World, *types: str) -> list[dict[str, Any]]:
    """The data of all events of these types, in order."""
    found = await table(
        world,
        "SELECT data FROM outbox WHERE warehouse_id = :w AND type = ANY(:types) ORDER BY id",
        types=list(types),
    )
    return [json.loads(data) for (data,) in found]


async def ledger_holds(world: World) -> None:
    """Every balance is the sum of its movements, and nothing came from nowhere."""
    wrong = await table(
        world,
        """
        WITH virtual AS (SELECT id FROM bin WHERE warehouse_id = :w
                          AND kind IN ('supplier', 'customer', 'adjustment', 'scrap')),
        parts AS (
          SELECT to_bin_id AS bin_id, to_lpn_id AS lpn_id, item_id, lot_id, serial,
                 to_status AS status, qty FROM movement WHERE warehouse_id = :w
          UNION ALL
          SELECT from_bin_id, from_lpn_id, item_id, lot_id, serial, from_status, -qty
            FROM movement WHERE warehouse_id = :w
          UNION ALL
          SELECT bin_id, lpn_id, item_id, lot_id, serial, status, -on_hand
            FROM balance WHERE warehouse_id = :w)
        SELECT bin_id, lpn_id, item_id, lot_id, serial, status, sum(qty) FROM parts
         WHERE bin_id NOT IN (SELECT id FROM virtual)
         GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(qty) <> 0
        """,
    )
    assert wrong == []
