"""What becomes of a license plate as people work with it: closed, opened again, void.

A plate is void when its goods were taken off it for good; a void label is never used again.
"""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.errors import NotFound
from wms.inventory.lpns import Lpn
from wms.masterdata.layout import hand_bin_code
from wms.stamp import Stamp


class NoHand(NotFound):
    say = "There is no bin {code} for what this person carries. Load the users of this warehouse."


class _Id(msgspec.Struct):
    id: int


TAKE_BY_ID = text(
    """
    SELECT l.id, l.code, l.kind, l.state, l.bin_id, b.code AS bin_code, l.owner_id, l.order_id
      FROM lpn l JOIN bin b ON b.warehouse_id = l.warehouse_id AND b.id = l.bin_id
     WHERE l.warehouse_id = :warehouse_id AND l.id = :id
       FOR UPDATE OF l
    """
)
SET_STATE = text(
    """
    UPDATE lpn SET state = :state, owner_id = coalesce(:owner_id, owner_id)
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
# A tote goes back to the pool; a label of one use is void.
EMPTIED = text(
    """
    UPDATE lpn SET state = CASE kind WHEN 'tote' THEN 'free' ELSE 'void' END, parent_id = NULL,
           owner_id = NULL
     WHERE warehouse_id = :warehouse_id AND id = :id
       AND NOT EXISTS (SELECT 1 FROM balance b WHERE b.warehouse_id = :warehouse_id
                        AND b.lpn_id = :id AND b.on_hand > 0)
    RETURNING id
    """
)
HAND_BIN = text("SELECT id FROM bin WHERE warehouse_id = :warehouse_id AND code = :code")


async def take_plate(tx: Tx, stamp: Stamp, lpn_id: int) -> Lpn:
    """The plate by its id, its row locked."""
    found = await row(tx, TAKE_BY_ID, Lpn, warehouse_id=stamp.warehouse_id, id=lpn_id)
    assert found is not None, f"license plate {lpn_id} exists"
    return found


async def set_state(
    tx: Tx, stamp: Stamp, lpn_id: int, state: str, *, owner_id: int | None = None
) -> None:
    """Set the state of a taken plate, and whose goods it carries."""
    values = {"warehouse_id": stamp.warehouse_id, "id": lpn_id, "state": state}
    await tx.execute(SET_STATE, {**values, "owner_id": owner_id})


async def retire_when_empty(tx: Tx, stamp: Stamp, lpn_id: int) -> bool:
    """Void a taken plate (free a tote) that holds nothing any more; True when it did."""
    return await row(tx, EMPTIED, _Id, warehouse_id=stamp.warehouse_id, id=lpn_id) is not None


async def hand_bin(tx: Tx, stamp: Stamp) -> int:
    """The bin that stands for this person's hands. Raises NoHand."""
    return await hand_bin_of(tx, stamp, stamp.actor.partition(":")[2])


async def hand_bin_of(tx: Tx, stamp: Stamp, user_code: str) -> int:
    """The bin that stands for the hands of a person. Raises NoHand."""
    code = hand_bin_code(user_code)
    found = await row(tx, HAND_BIN, _Id, warehouse_id=stamp.warehouse_id, code=code)
    if found is None:
        raise NoHand(code=code)
    return found.id
