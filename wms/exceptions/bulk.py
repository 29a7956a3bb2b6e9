"""Many exceptions with one reason: for a cause that was mended once and had shown itself often."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.exceptions import life
from wms.exceptions.rules import ReasonMissing
from wms.stamp import Stamp


class _Open(msgspec.Struct):
    id: int


# By primary key, in the order in which every act takes them.
TAKE_OPEN = text(
    """
    SELECT id FROM exception
     WHERE warehouse_id = :warehouse_id AND id = ANY (CAST(:ids AS bigint[])) AND state = 'open'
     ORDER BY id FOR UPDATE
    """
)


async def end_many(
    tx: Tx, stamp: Stamp, ids: Sequence[int], state: str, why: str
) -> list[int]:
    """Resolve or discard those that are still open; which they were.

    Locks them by id. Emits exception.resolved for each. Raises ReasonMissing.
    """
    if not why.strip():
        raise ReasonMissing()
    act = life.discard if state == "discarded" else life.resolve
    found = await rows(tx, TAKE_OPEN, _Open, warehouse_id=stamp.warehouse_id, ids=list(ids))
    for each in found:
        await act(tx, stamp, each.id, why)
    return [each.id for each in found]
