"""Which ordering keys tell the story of an announced delivery: the notice and its receipt."""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.stamp import Stamp


class AsnKeys(msgspec.Struct, kw_only=True):
    """A notice found by its number."""

    external_id: str
    keys: list[str]
    correlation_id: str


# The unique number per owner, owner by owner; the newest counts.
FIND = text(
    """
    SELECT a.external_id, a.correlation_id,
           array['asn/' || w.code || '/' || a.external_id, 'receipt/' || a.id] AS keys
      FROM owner w
      JOIN asn a ON a.warehouse_id = :warehouse_id AND a.owner_id = w.id
       AND a.external_id = :number
     WHERE CAST(:owner AS text) = '' OR w.code = :owner
     ORDER BY a.id DESC LIMIT 1
    """
)


async def find_asn_keys(tx: Tx, stamp: Stamp, number: str, owner: str = "") -> AsnKeys | None:
    """The newest notice of this number (of that owner, when one is named)."""
    values = {"warehouse_id": stamp.warehouse_id, "number": number, "owner": owner}
    return await row(tx, FIND, AsnKeys, **values)
