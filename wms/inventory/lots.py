"""Lots: one owner, item and lot code has one best-before date for ever (invariant 7)."""

from datetime import date

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.errors import Refused
from wms.stamp import Stamp


class LotExpiryDiffers(Refused):
    say = (
        "Lot {lot} is known with best before {known}, not {given}. Check the label; call your lead."
    )


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """A production batch in this warehouse."""

    id: int
    code: str
    expires_on: date | None
    recalled: bool


# The unique key decides between two people who bring the first case of a lot at the same moment.
CREATE = text(
    """
    INSERT INTO lot (warehouse_id, owner_id, item_id, code, expires_on, received_at)
    VALUES (:warehouse_id, :owner_id, :item_id, :code, :expires_on, :at)
    ON CONFLICT (warehouse_id, owner_id, item_id, code) DO NOTHING
    """
)
FIND = text(
    """
    SELECT id, code, expires_on, recalled FROM lot
     WHERE warehouse_id = :warehouse_id AND owner_id = :owner_id AND item_id = :item_id
       AND code = :code
    """
)


async def find_lot(tx: Tx, stamp: Stamp, owner_id: int, item_id: int, code: str) -> Lot | None:
    values = {"warehouse_id": stamp.warehouse_id, "owner_id": owner_id, "item_id": item_id}
    return await row(tx, FIND, Lot, **values, code=code)


async def find_or_create_lot(
    tx: Tx, stamp: Stamp, owner_id: int, item_id: int, code: str, expires_on: date | None
) -> Lot:
    """The lot, made when it is new. Raises LotExpiryDiffers when it is known with another date."""
    values = {
        "warehouse_id": stamp.warehouse_id,
        "owner_id": owner_id,
        "item_id": item_id,
        "code": code,
        "expires_on": expires_on,
        "at": stamp.at,
    }
    found = await find_lot(tx, stamp, owner_id, item_id, code)
    if found is None:
        await tx.execute(CREATE, values)
        found = await find_lot(tx, stamp, owner_id, item_id, code)
        assert found is not None
    if expires_on is not None and found.expires_on != expires_on:
        raise LotExpiryDiffers(lot=code, known=found.expires_on, given=expires_on)
    return found
