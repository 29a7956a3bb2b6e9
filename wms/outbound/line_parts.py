"""Moving quantities between the parts of order lines: picked to packed, packed to shipped, others.

What must stay true: the parts of a line always add up to what was ordered (a CHECK); goods of one
item are booked on the lines of their order in the order of the lines.
"""

from collections.abc import Iterable
from functools import cache

import msgspec
import sqlalchemy as sa

from wms.db import Tx, rows
from wms.errors import Conflict
from wms.outbound.tables import LINE_PARTS
from wms.stamp import Stamp


class LinesDiffer(Conflict):
    say = "The order's lines no longer hold {qty} {part}: look again."


class Want(msgspec.Struct, frozen=True):
    """So many base units of an item of an order."""

    order_id: int
    item_id: int
    qty: int


class Shifted(msgspec.Struct, frozen=True):
    """What was booked on one line."""

    id: int
    order_id: int
    line_no: str
    qty: int


@cache
def _shift(part: str, to: str) -> sa.TextClause:
    """Served by the unique key (warehouse, order, line_no). The caller holds the order's row, so
    nobody else changes the parts after picking; the CHECKs refuse what would not add up."""
    assert {part, to} <= set(LINE_PARTS), "parts of an order line"
    return sa.text(
        f"""
        WITH want AS (
          SELECT * FROM unnest(CAST(:order_ids AS bigint[]), CAST(:item_ids AS bigint[]),
                               CAST(:qtys AS bigint[])) AS w (order_id, item_id, qty)
        ), part AS (
          SELECT l.id, l.{part} AS has, w.qty AS want,
                 sum(l.{part}) OVER (PARTITION BY l.order_id, l.item_id ORDER BY l.id) - l.{part}
                   AS before
            FROM want w
            JOIN order_line l ON l.warehouse_id = :warehouse_id AND l.order_id = w.order_id
                             AND l.item_id = w.item_id
           WHERE l.{part} > 0
        ), taken AS (
          SELECT id, CAST(least(has, want - before) AS int) AS qty FROM part WHERE before < want
        )
        UPDATE order_line l SET {part} = l.{part} - t.qty, {to} = l.{to} + t.qty
          FROM taken t
         WHERE l.warehouse_id = :warehouse_id AND l.id = t.id
        RETURNING l.id, l.order_id, l.line_no, t.qty
        """
    )


async def shift(tx: Tx, stamp: Stamp, wants: Iterable[Want], part: str, to: str) -> list[Shifted]:
    """Book quantities from one part of the lines to another, in one statement.

    Locks the lines; hold their orders first. Raises LinesDiffer when a part does not hold them.
    """
    sums: dict[tuple[int, int], int] = {}
    for want in wants:
        key = want.order_id, want.item_id
        sums[key] = sums.get(key, 0) + want.qty
    if not sums:
        return []
    done = await rows(
        tx,
        _shift(part, to),
        Shifted,
        warehouse_id=stamp.warehouse_id,
        order_ids=[order_id for order_id, _ in sums],
        item_ids=[item_id for _, item_id in sums],
        qtys=list(sums.values()),
    )
    if sum(each.qty for each in done) != sum(sums.values()):
        raise LinesDiffer(qty=sum(sums.values()), part=part)
    return sorted(done, key=lambda each: each.id)
