"""The ledger as partners read it: movements in the order of their ids, and a whole snapshot.

An act draws its ids before it commits, so a movement seen later may have a smaller id. A walk
from the start holds everything up to the position its first page names; who wants to follow the
floor reads the event log after that position.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import text

from wms.db import Db, Tx, rows
from wms.stamp import Stamp

PAGE_MAX = 1000
BATCH = 2000


class MovementEntry(msgspec.Struct, kw_only=True):
    """One movement; virtual bins (supplier, customer, adjustment, scrap) are the world outside."""

    id: str
    at: datetime
    kind: str
    owner: str
    sku: str
    lot: str
    serial: str
    qty: int
    from_bin: str
    from_lpn: str
    from_status: str
    to_bin: str
    to_lpn: str
    to_status: str
    reason: str
    task_id: str
    user: str
    reverses_id: str


class SnapshotLine(msgspec.Struct, kw_only=True):
    """One balance of a snapshot."""

    owner: str
    sku: str
    bin: str
    lpn: str
    lot: str
    serial: str
    status: str
    on_hand: int
    allocated: int


class Total(msgspec.Struct, kw_only=True):
    status: str
    on_hand: int
    allocated: int
    rows: int


class SnapshotHead(msgspec.Struct, kw_only=True):
    """First line of a snapshot: as of when, and what the lines must add up to."""

    warehouse: str
    as_of: datetime
    as_of_pos: int
    owner: str
    rows: int
    totals: list[Total]


# The primary key walks; with an item it is movement_item_ix.
MOVEMENTS = text(
    """
    SELECT CAST(m.id AS text) AS id, m.at, m.kind, w.code AS owner, i.sku,
           coalesce(l.code, '') AS lot, m.serial, m.qty,
           f.code AS from_bin, coalesce(fl.code, '') AS from_lpn, m.from_status,
           t.code AS to_bin, coalesce(tl.code, '') AS to_lpn, m.to_status, m.reason,
           coalesce(CAST(m.task_id AS text), '') AS task_id, coalesce(u.code, '') AS user,
           coalesce(CAST(m.reverses_id AS text), '') AS reverses_id
      FROM movement m
      JOIN item i ON i.id = m.item_id
      JOIN owner w ON w.id = m.owner_id
      JOIN bin f ON f.warehouse_id = m.warehouse_id AND f.id = m.from_bin_id
      JOIN bin t ON t.warehouse_id = m.warehouse_id AND t.id = m.to_bin_id
      LEFT JOIN lpn fl ON fl.warehouse_id = m.warehouse_id AND fl.id = m.from_lpn_id
      LEFT JOIN lpn tl ON tl.warehouse_id = m.warehouse_id AND tl.id = m.to_lpn_id
      LEFT JOIN lot l ON l.warehouse_id = m.warehouse_id AND l.id = m.lot_id
      LEFT JOIN app_user u ON u.id = m.user_id
     WHERE m.warehouse_id = :warehouse_id AND m.id > :after
       AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
            OR m.owner_id = ANY (CAST(:owner_ids AS bigint[])))
       AND (CAST(:owner AS text) = '' OR w.code = :owner)
       AND (CAST(:sku AS text) = ''
            OR m.item_id IN (SELECT id FROM item WHERE sku = :sku))
     ORDER BY m.id LIMIT :limit
    """
)
_MINE = """
       AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
            OR b.owner_id = ANY (CAST(:owner_ids AS bigint[])))
       AND (CAST(:owner AS text) = '' OR w.code = :owner)
"""
SITE = text("SELECT code FROM warehouse WHERE id = :warehouse_id")
POSITION = text("SELECT pos FROM seal_state WHERE warehouse_id = :warehouse_id")
TOTALS = text(
    f"""
    SELECT b.status, sum(b.on_hand) AS on_hand, sum(b.allocated) AS allocated, count(*) AS rows
      FROM balance b JOIN owner w ON w.id = b.owner_id
     WHERE b.warehouse_id = :warehouse_id AND b.on_hand > 0 {_MINE}
     GROUP BY b.status ORDER BY b.status
    """
)
# The primary key walks the whole warehouse once; read in batches through one cursor.
SNAPSHOT = text(
    f"""
    SELECT w.code AS owner, i.sku, p.code AS bin, coalesce(n.code, '') AS lpn,
           coalesce(l.code, '') AS lot, b.serial, b.status, b.on_hand, b.allocated
      FROM balance b
      JOIN item i ON i.id = b.item_id
      JOIN owner w ON w.id = b.owner_id
      JOIN bin p ON p.warehouse_id = b.warehouse_id AND p.id = b.bin_id
      LEFT JOIN lpn n ON n.warehouse_id = b.warehouse_id AND n.id = b.lpn_id
      LEFT JOIN lot l ON l.warehouse_id = b.warehouse_id AND l.id = b.lot_id
     WHERE b.warehouse_id = :warehouse_id AND b.on_hand > 0 {_MINE}
     ORDER BY b.id
    """
)


async def list_movements(
    tx: Tx,
    stamp: Stamp,
    *,
    after: int = 0,
    owner: str = "",
    sku: str = "",
    owner_ids: Sequence[int] = (),
    limit: int = 100,
) -> list[MovementEntry]:
    """Movements after an id."""
    return await rows(
        tx, MOVEMENTS, MovementEntry, warehouse_id=stamp.warehouse_id, after=after, owner=owner,
        sku=sku, owner_ids=list(owner_ids), limit=min(limit, PAGE_MAX),
    )  # fmt: skip


async def snapshot(
    db: Db, stamp: Stamp, *, owner: str = "", owner_ids: Sequence[int] = ()
) -> AsyncIterator[bytes]:
    """All stock at one moment as NDJSON: the head, then a line for each balance.

    One repeatable-read transaction, so the lines add up to the head whatever the floor does.
    """
    values = {"warehouse_id": stamp.warehouse_id, "owner": owner, "owner_ids": list(owner_ids)}
    async with db.reading() as tx:
        await tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        code = (await tx.execute(SITE, {"warehouse_id": stamp.warehouse_id})).scalar_one()
        sealed = (await tx.execute(POSITION, {"warehouse_id": stamp.warehouse_id})).scalar()
        totals = await rows(tx, TOTALS, Total, **values)
        head = SnapshotHead(
            warehouse=code, as_of=stamp.at, as_of_pos=sealed or 0, owner=owner,
            rows=sum(each.rows for each in totals), totals=totals,
        )  # fmt: skip
        yield msgspec.json.encode(head) + b"\n"
        found = await tx.stream(SNAPSHOT, values)
        async for batch in found.mappings().partitions(BATCH):
            yield b"".join(
                msgspec.json.encode(msgspec.convert(dict(each), SnapshotLine)) + b"\n"
                for each in batch
            )
