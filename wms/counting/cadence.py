"""Planned counts: every bin with stock is counted in its turn, fast movers' bins more often."""

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.stamp import Stamp
from wms.tasks.wanted import request_count

CADENCE_DAYS = {"a": 30, "b": 90, "c": 180}  # by the fastest item in the bin
OPEN_MAX = 20  # planned counts waiting at once: they fill quiet minutes, they are no work pile


class _Bin(msgspec.Struct):
    id: int


# One pass over the stocked bins; the most overdue first. A bin that was never counted is due one
# cadence after its oldest goods came.
DUE = text(
    """
    WITH stocked AS (
      SELECT x.bin_id, min(i.velocity) AS velocity, min(x.received_at) AS since
        FROM balance x JOIN item i ON i.id = x.item_id
       WHERE x.warehouse_id = :warehouse_id AND x.on_hand > 0
       GROUP BY x.bin_id
    ), counted AS (
      SELECT bin_id, max(posted_at) AS at, bool_or(state IN ('requested', 'recount', 'review'))
               AS is_open
        FROM count WHERE warehouse_id = :warehouse_id GROUP BY bin_id
    ), waiting AS (
      SELECT count(*) AS n FROM count
       WHERE warehouse_id = :warehouse_id AND cause = 'plan' AND state = 'requested'
    )
    SELECT b.id
      FROM stocked s
      JOIN bin b ON b.warehouse_id = :warehouse_id AND b.id = s.bin_id
       AND b.kind IN ('pick', 'reserve') AND NOT b.blocked
      LEFT JOIN counted c ON c.bin_id = s.bin_id
     CROSS JOIN waiting w
     CROSS JOIN LATERAL (
       SELECT greatest(coalesce(c.at, s.since), s.since) + make_interval(days =>
         CASE s.velocity WHEN 'a' THEN CAST(:a_days AS int)
           WHEN 'b' THEN CAST(:b_days AS int) ELSE CAST(:c_days AS int) END) AS at) due
     WHERE due.at < :at AND NOT coalesce(c.is_open, false)
     ORDER BY due.at, b.id
     LIMIT greatest(CAST(:open_max AS int) - (SELECT n FROM waiting), 0)
    """
)


async def plan_counts(tx: Tx, stamp: Stamp) -> int:
    """Ask for the counts that are due, as many as fit beside those still open; how many.

    A chore. Emits count.started.
    """
    due = await rows(
        tx, DUE, _Bin, warehouse_id=stamp.warehouse_id, at=stamp.at, open_max=OPEN_MAX,
        a_days=CADENCE_DAYS["a"], b_days=CADENCE_DAYS["b"], c_days=CADENCE_DAYS["c"],
    )  # fmt: skip
    for each in due:
        await request_count(tx, stamp, each.id, "plan")
    return len(due)
