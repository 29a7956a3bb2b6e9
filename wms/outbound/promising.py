"""What an order would get if it came now: which lines can be filled, and when it would leave."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.outbound.order_documents import OrderDoc, Outcome
from wms.stamp import Stamp


class LinePromise(msgspec.Struct, frozen=True, kw_only=True):
    """Of `qty` asked, `fillable` are here and promised to nobody else."""

    line_no: str
    sku: str
    qty: int
    fillable: int


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a dry run. `leaves_at` is none when nothing of it could leave.

    `outcome` is what the same document would be answered with now.
    """

    outcome: str
    fill_rate: float
    leaves_at: datetime | None
    ships_whole: bool
    lines: Sequence[LinePromise]


class _Line(msgspec.Struct):
    line_no: str
    sku: str
    qty: int
    fillable: int


LINES = text(
    """
    SELECT l.line_no, i.sku, l.ordered AS qty,
           l.promised + l.allocated + l.picked + l.packed + l.shipped AS fillable
      FROM order_line l JOIN item i ON i.id = l.item_id
     WHERE l.warehouse_id = :warehouse_id AND l.order_id = CAST(:order_id AS bigint)
     ORDER BY l.id
    """
)


async def promise(tx: Tx, stamp: Stamp, document: OrderDoc, outcome: Outcome) -> Promise:
    """What `orders.accept` has just promised in this transaction, which is rolled back after."""
    lines: list[_Line] = []
    if outcome.id:
        lines = await rows(
            tx, LINES, _Line, warehouse_id=stamp.warehouse_id, order_id=int(outcome.id)
        )
    asked = sum(each.qty for each in lines)
    filled = sum(each.fillable for each in lines)
    whole = bool(lines) and filled == asked
    leaves = filled > 0 and (whole or document.allow_partial)
    return Promise(
        outcome=outcome.outcome, fill_rate=round(filled / asked, 4) if asked else 0.0,
        leaves_at=outcome.cutoff_at if leaves else None, ships_whole=whole,
        lines=[
            LinePromise(
                line_no=each.line_no, sku=each.sku, qty=each.qty, fillable=each.fillable
            )
            for each in lines
        ],
    )  # fmt: skip
