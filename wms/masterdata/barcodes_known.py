"""What a barcode means: the items and levels that have it."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text

from wms import barcodes
from wms.db import Tx, rows
from wms.errors import NotFound


class UnknownBarcode(NotFound):
    say = "No item has the barcode {value}."


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """One owner's item; `base_qty` is how many base units the code stands for."""

    owner: str
    sku: str
    description: str
    level: str
    base_qty: int


# Served by the primary key of barcode.
FIND = text(
    """
    SELECT o.code AS owner, i.sku, i.description, b.level, coalesce(p.base_qty, 1) AS base_qty
      FROM barcode b
      JOIN item i ON i.id = b.item_id
      JOIN owner o ON o.id = i.owner_id
      LEFT JOIN pack_level p ON p.item_id = b.item_id AND p.level = b.level
     WHERE b.value = :code
       AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
            OR i.owner_id = ANY (CAST(:owner_ids AS bigint[])))
     ORDER BY o.code, i.sku
    """
)


async def meanings(
    tx: Tx, value: str, owner_ids: Sequence[int] = ()
) -> tuple[str, list[Meaning]]:
    """The code in normal form and all it stands for.

    Raises UnknownBarcode; MisreadLabel or BadGs1 for a code that cannot be right.
    """
    code = barcodes.read(value).code
    found = await rows(tx, FIND, Meaning, code=code, owner_ids=list(owner_ids))
    if not found:
        raise UnknownBarcode(value=value)
    return code, found
