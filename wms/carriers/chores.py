"""What runs by itself: statuses meet their cartons, kept webhooks are read, old ones forgotten."""

from datetime import UTC, datetime

from sqlalchemy import text

from wms.carriers import hooks, milestones
from wms.db import Db
from wms.ids import uuid7
from wms.stamp import Stamp

WAREHOUSES = text("SELECT id FROM warehouse ORDER BY id")


async def follow_carriers(db: Db) -> int:
    """One transaction for each warehouse and each message."""
    done = 0
    at = datetime.now(UTC)
    async with db.reading() as tx:
        warehouses = list((await tx.execute(WAREHOUSES)).scalars())
        waiting = await hooks.list_waiting(tx, at)
    for each in waiting:
        async with db.transaction() as tx:
            done += len(await hooks.read_message(tx, _stamp(0, at), each.id, each.message_id))
    for warehouse_id in warehouses:
        async with db.transaction() as tx:
            done += await milestones.match_parked(tx, _stamp(warehouse_id, at))
    async with db.transaction() as tx:
        return done + await milestones.forget_parked(tx, at)


def _stamp(warehouse_id: int, at: datetime) -> Stamp:
    return Stamp(warehouse_id=warehouse_id, at=at, key=uuid7(), actor="system:carriers")
