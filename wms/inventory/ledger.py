"""The only writer of movements; the database moves the balances with them (migration 0002).

Goods enter from and leave to virtual bins, so per item, lot and owner everything sums to zero.
Every movement tells the world `inventory.moved` (or the kind's own event, from its procedure).
"""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.errors import NotFound
from wms.stamp import Stamp


class Place(msgspec.Struct, frozen=True):
    """Where goods are: a bin, or a license plate standing in a bin."""

    bin_id: int
    lpn_id: int | None = None


class Goods(msgspec.Struct, frozen=True, kw_only=True):
    """What is moved: quantity in base units of one item, lot, serial and owner."""

    owner_id: int
    item_id: int
    qty: int
    lot_id: int | None = None
    serial: str = ""
    status: str = "available"


class NoVirtualBin(NotFound):
    say = "This warehouse has no {kind} bin; load its layout first."


class _Id(msgspec.Struct):
    id: int


# Served by the primary keys and balance_place_key; locks are taken inside the trigger in the
# order (bin, license plate). Sort several movements by source before sending them.
MOVE = text(
    """
    INSERT INTO movement (warehouse_id, at, kind, from_bin_id, from_lpn_id, to_bin_id, to_lpn_id,
                          owner_id, item_id, lot_id, serial, from_status, to_status, qty, reason,
                          allocation_id, task_id, scan_key, user_id, reverses_id, received_at)
    VALUES (:warehouse_id, :at, :kind, :from_bin_id, :from_lpn_id, :to_bin_id, :to_lpn_id,
            :owner_id, :item_id, :lot_id, :serial, :from_status, :to_status, :qty, :reason,
            :allocation_id, :task_id, :scan_key, :user_id, :reverses_id, :received_at)
    RETURNING id
    """
)

MOVE_QUIETLY = text(MOVE.text.rpartition("RETURNING")[0])

VIRTUAL_BIN = text(
    "SELECT id FROM bin WHERE warehouse_id = :warehouse_id AND kind = :kind ORDER BY id LIMIT 1"
)

CONTENTS = text(
    """
    SELECT owner_id, item_id, lot_id, serial, status, on_hand AS qty, allocated, id AS balance_id
      FROM balance
     WHERE warehouse_id = :warehouse_id AND lpn_id = :lpn_id AND on_hand > 0
     ORDER BY item_id, lot_id, serial, status
       FOR UPDATE
    """
)


class Content(msgspec.Struct, kw_only=True):
    """One balance on a license plate; `movement_id` once it was moved."""

    owner_id: int
    item_id: int
    lot_id: int | None
    serial: str
    status: str
    qty: int
    allocated: int
    balance_id: int
    movement_id: int = 0

    @property
    def goods(self) -> tuple[int, int, int | None, str, str]:
        """What it is: owner, item, lot, serial, status."""
        return self.owner_id, self.item_id, self.lot_id, self.serial, self.status


async def move(
    tx: Tx,
    stamp: Stamp,
    kind: str,
    goods: Goods,
    source: Place,
    target: Place,
    *,
    to_status: str | None = None,
    reason: str = "",
    allocation_id: int | None = None,
    task_id: int | None = None,
    reverses_id: int | None = None,
) -> int:
    """Move goods; returns the movement id.

    `allocation_id` consumes that promise (and turns the order line's allocated into picked).
    Raises StockMoved when the source does not hold them unpromised.
    """
    values = movement_row(
        stamp, kind, goods, source, target, to_status=to_status, reason=reason,
        allocation_id=allocation_id, task_id=task_id, reverses_id=reverses_id,
    )  # fmt: skip
    return (await tx.execute(MOVE, values)).scalar_one()


async def move_many(tx: Tx, movements: list[dict[str, Any]]) -> None:
    """Many movements built with `movement_row`, in their order, without waiting between them."""
    if movements:
        await tx.execute(MOVE_QUIETLY, movements)


def movement_row(
    stamp: Stamp,
    kind: str,
    goods: Goods,
    source: Place,
    target: Place,
    *,
    to_status: str | None = None,
    reason: str = "",
    allocation_id: int | None = None,
    task_id: int | None = None,
    reverses_id: int | None = None,
    received_at: datetime | None = None,
) -> dict[str, Any]:
    """One movement as the values of MOVE. `received_at`: how old goods that enter already are."""
    return {
        "warehouse_id": stamp.warehouse_id,
        "at": stamp.at,
        "kind": kind,
        "from_bin_id": source.bin_id,
        "from_lpn_id": source.lpn_id,
        "to_bin_id": target.bin_id,
        "to_lpn_id": target.lpn_id,
        "owner_id": goods.owner_id,
        "item_id": goods.item_id,
        "lot_id": goods.lot_id,
        "serial": goods.serial,
        "from_status": goods.status,
        "to_status": to_status or goods.status,
        "qty": goods.qty,
        "reason": reason,
        "allocation_id": allocation_id,
        "task_id": task_id,
        "scan_key": stamp.key,
        "user_id": stamp.user_id,
        "reverses_id": reverses_id,
        "received_at": received_at,
    }


async def virtual_place(tx: Tx, stamp: Stamp, kind: str) -> Place:
    """The outside world: `supplier`, `customer`, `adjustment` or `scrap`. Raises NoVirtualBin."""
    found = await row(tx, VIRTUAL_BIN, _Id, warehouse_id=stamp.warehouse_id, kind=kind)
    if found is None:
        raise NoVirtualBin(kind=kind)
    return Place(found.id)


async def contents(tx: Tx, stamp: Stamp, lpn_id: int) -> list[Content]:
    """What a license plate holds. Locks those balances."""
    return await rows(tx, CONTENTS, Content, warehouse_id=stamp.warehouse_id, lpn_id=lpn_id)
