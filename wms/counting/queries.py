"""Counts that wait for a supervisor, as the office reads them."""

from datetime import datetime

import msgspec

from wms.counting import count_sql as sql
from wms.db import Tx, rows
from wms.stamp import Stamp


class ReviewLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a count that two people counted differently."""

    id: int
    bin_code: str
    cause: str
    requested_at: datetime
    counted_by: str
    sku: str
    lot_code: str
    lpn_code: str
    serial: str
    booked: int
    counted: int
    first_delta: int


async def list_reviews(tx: Tx, stamp: Stamp) -> list[ReviewLine]:
    """The lines of all counts in review, oldest count first; at most 200."""
    return await rows(tx, sql.TO_REVIEW, ReviewLine, warehouse_id=stamp.warehouse_id)
