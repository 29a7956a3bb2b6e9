"""License plates: find, create, relocate. What a plate holds is always where the plate is."""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import NotFound
from wms.inventory import ledger
from wms.inventory.ledger import Goods, Place
from wms.stamp import Stamp


class UnknownPlate(NotFound):
    say = "No license plate {code} in this warehouse. Scan it again, or use a new label."


class Lpn(msgspec.Struct, kw_only=True):
    """A license plate and the bin it stands in."""

    id: int
    code: str
    kind: str
    state: str
    bin_id: int
    bin_code: str
    owner_id: int | None
    order_id: int | None


FIND = text(
    """
    SELECT l.id, l.code, l.kind, l.state, l.bin_id, b.code AS bin_code, l.owner_id, l.order_id
      FROM lpn l JOIN bin b ON b.warehouse_id = l.warehouse_id AND b.id = l.bin_id
     WHERE l.warehouse_id = :warehouse_id AND l.code = :code
    """
)
TAKE = text(
    """
    SELECT l.id, l.code, l.kind, l.state, l.bin_id, b.code AS bin_code, l.owner_id, l.order_id
      FROM lpn l JOIN bin b ON b.warehouse_id = l.warehouse_id AND b.id = l.bin_id
     WHERE l.warehouse_id = :warehouse_id AND l.code = :code
       FOR UPDATE OF l
    """
)
CREATE = text(
    """
    INSERT INTO lpn (warehouse_id, code, kind, state, bin_id, owner_id, order_id)
    VALUES (:warehouse_id, :code, :kind, :state, :bin_id, :owner_id, :order_id)
    ON CONFLICT (warehouse_id, code) DO NOTHING
    """
)
RELOCATE = text(
    "UPDATE lpn SET bin_id = :bin_id WHERE warehouse_id = :warehouse_id AND id = :id"
)


async def find_lpn(tx: Tx, stamp: Stamp, code: str) -> Lpn | None:
    return await row(tx, FIND, Lpn, warehouse_id=stamp.warehouse_id, code=code)


async def take_lpn(tx: Tx, stamp: Stamp, code: str) -> Lpn:
    """The plate, its row locked. Raises UnknownPlate."""
    found = await row(tx, TAKE, Lpn, warehouse_id=stamp.warehouse_id, code=code)
    if found is None:
        raise UnknownPlate(code=code)
    return found


async def take_or_create_lpn(
    tx: Tx,
    stamp: Stamp,
    code: str,
    kind: str,
    bin_id: int,
    *,
    state: str = "open",
    owner_id: int | None = None,
    order_id: int | None = None,
) -> Lpn:
    """The plate, created in `bin_id` if the label is new; its row locked either way."""
    await tx.execute(
        CREATE,
        {
            "warehouse_id": stamp.warehouse_id,
            "code": code,
            "kind": kind,
            "state": state,
            "bin_id": bin_id,
            "owner_id": owner_id,
            "order_id": order_id,
        },
    )
    return await take_lpn(tx, stamp, code)


async def relocate(
    tx: Tx, stamp: Stamp, lpn: Lpn, bin_id: int, kind: str, *, task_id: int | None = None
) -> list[ledger.Content]:
    """Move a plate with all it holds to another bin; returns what it holds, and its movements.

    Promises on its stock stay valid only when there are none to re-point: allocated stock refuses.
    Locks the plate's balances; take the plate first.
    """
    held = await ledger.contents(tx, stamp, lpn.id)
    values = {"warehouse_id": stamp.warehouse_id, "id": lpn.id, "bin_id": bin_id}
    await tx.execute(RELOCATE, values)
    for content in held if bin_id != lpn.bin_id else ():
        goods = Goods(
            owner_id=content.owner_id,
            item_id=content.item_id,
            qty=content.qty,
            lot_id=content.lot_id,
            serial=content.serial,
            status=content.status,
        )
        source, target = Place(lpn.bin_id, lpn.id), Place(bin_id, lpn.id)
        content.movement_id = await ledger.move(
            tx, stamp, kind, goods, source, target, task_id=task_id
        )
    return held


LIST_AT = text(
    """
    SELECT l.id, l.code, l.kind, l.state, l.bin_id, b.code AS bin_code, l.owner_id, l.order_id
      FROM lpn l JOIN bin b ON b.warehouse_id = l.warehouse_id AND b.id = l.bin_id
     WHERE l.warehouse_id = :warehouse_id AND l.bin_id = :bin_id
       AND l.state <> 'shipped' AND l.state <> 'void'
     ORDER BY l.code
     LIMIT 200
    """
)


async def list_lpns_at(tx: Tx, stamp: Stamp, bin_id: int) -> list[Lpn]:
    """Up to 200 plates standing in a bin."""
    return await rows(tx, LIST_AT, Lpn, warehouse_id=stamp.warehouse_id, bin_id=bin_id)
