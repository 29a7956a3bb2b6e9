"""Opening stock: what lies in the warehouse on the day it starts, as movements from the supplier.

Only into a ledger without any movement; from then on stock comes in by receiving. It emits no
events: the partners who get them brought these numbers themselves.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import text

from wms.bulk import Put, put_missing
from wms.db import Tx
from wms.inventory import ledger
from wms.inventory.ledger import Goods, Place
from wms.inventory.tables import lot, lpn
from wms.stamp import Stamp

BEGUN = text("SELECT EXISTS (SELECT 1 FROM movement WHERE warehouse_id = :warehouse_id)")
# A plate that came with goods on it is whole; the owner is told by what it carries.
CLOSE_PLATES = text(
    """
    UPDATE lpn l SET state = 'closed', owner_id = held.owner_id
      FROM (SELECT b.lpn_id, min(b.owner_id) AS owner_id FROM balance b
             WHERE b.warehouse_id = :warehouse_id AND b.lpn_id IS NOT NULL GROUP BY b.lpn_id) held
     WHERE l.warehouse_id = :warehouse_id AND l.id = held.lpn_id AND l.kind <> 'tote'
    """
)


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """One heap of goods that is already here."""

    owner_id: int
    item_id: int
    bin_id: int
    qty: int
    lpn_id: int | None = None
    lot_code: str = ""
    expires_on: date | None = None
    serial: str = ""
    status: str = "available"
    received_at: datetime


async def has_begun(tx: Tx, warehouse_id: int) -> bool:
    """Whether the ledger of this warehouse holds any movement."""
    return (await tx.execute(BEGUN, {"warehouse_id": warehouse_id})).scalar_one()


async def put_plates(
    tx: Tx, warehouse_id: int, plates: Sequence[tuple[str, str, int]]
) -> tuple[Put, dict[str, int]]:
    """Free plates as (label, kind, bin id); returns the ids of all plates by label besides."""
    offered: list[dict[str, Any]] = [
        {"warehouse_id": warehouse_id, "code": label, "kind": kind, "bin_id": bin_id}
        for label, kind, bin_id in plates
    ]
    put = await put_missing(tx, lpn, ["code"], offered, apart=["bin_id"])
    query = sa.select(lpn.c.code, lpn.c.id).where(lpn.c.warehouse_id == warehouse_id)
    return put, {row.code: row.id for row in await tx.execute(query)}


async def open_stock(tx: Tx, stamp: Stamp, heaps: Sequence[Opening]) -> None:
    """Book every heap from the supplier; makes the lots. Call it where `has_begun` is False."""
    supplier = await ledger.virtual_place(tx, stamp, "supplier")
    lot_ids = await _put_lots(tx, stamp, heaps)
    movements = [
        ledger.movement_row(
            stamp,
            "receipt",
            Goods(
                owner_id=heap.owner_id,
                item_id=heap.item_id,
                qty=heap.qty,
                lot_id=lot_ids.get((heap.item_id, heap.lot_code)),
                serial=heap.serial,
                status=heap.status,
            ),
            supplier,
            Place(heap.bin_id, heap.lpn_id),
            reason="opening",
            received_at=heap.received_at,
        )
        for heap in heaps
    ]
    await ledger.move_many(tx, movements)
    await tx.execute(CLOSE_PLATES, {"warehouse_id": stamp.warehouse_id})


async def _put_lots(tx: Tx, stamp: Stamp, heaps: Sequence[Opening]) -> dict[tuple[int, str], int]:
    offered = {
        (heap.item_id, heap.lot_code): {
            "warehouse_id": stamp.warehouse_id,
            "owner_id": heap.owner_id,
            "item_id": heap.item_id,
            "code": heap.lot_code,
            "expires_on": heap.expires_on,
            "received_at": heap.received_at,
        }
        for heap in heaps
        if heap.lot_code
    }
    await put_missing(tx, lot, ["item_id", "code"], list(offered.values()))
    query = sa.select(lot.c.item_id, lot.c.code, lot.c.id).where(
        lot.c.warehouse_id == stamp.warehouse_id
    )
    return {(row.item_id, row.code): row.id for row in await tx.execute(query)}
