"""What is where: contents of a bin or plate, stock of an item by bin, history, documents in short.

Reads only, one statement per answer, each bounded: screens show the first LIMIT rows.
"""

from datetime import date, datetime

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.stamp import Stamp

LIMIT = 50


class StockLine(msgspec.Struct, frozen=True, kw_only=True):
    """Stock of one item, lot, serial and status in one bin, loose or on one plate."""

    bin_code: str
    lpn_code: str
    owner_code: str
    sku: str
    description: str
    lot_code: str
    expires_on: date | None
    serial: str
    status: str
    on_hand: int
    allocated: int


class MovementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One movement as people read it."""

    at: datetime
    kind: str
    sku: str
    qty: int
    from_bin: str
    to_bin: str
    user_code: str
    reason: str


class DocumentLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an order or ASN: asked for, done, and what is left to do."""

    line_no: str
    sku: str
    qty: int
    done: int


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The head of an order or ASN."""

    id: int
    external_id: str
    owner_code: str
    state: str
    due_at: datetime
    cause: str


_STOCK = """
    SELECT b.code AS bin_code, coalesce(p.code, '') AS lpn_code, w.code AS owner_code, i.sku,
           i.description, coalesce(l.code, '') AS lot_code, l.expires_on, x.serial, x.status,
           x.on_hand, x.allocated
      FROM balance x
      JOIN bin b ON b.warehouse_id = x.warehouse_id AND b.id = x.bin_id
      JOIN item i ON i.id = x.item_id
      JOIN owner w ON w.id = x.owner_id
      LEFT JOIN lpn p ON p.warehouse_id = x.warehouse_id AND p.id = x.lpn_id
      LEFT JOIN lot l ON l.warehouse_id = x.warehouse_id AND l.id = x.lot_id
     WHERE x.warehouse_id = :warehouse_id AND x.on_hand > 0
"""
# balance_place_key, balance_lpn_ix and balance_item_ix in turn.
IN_BIN = text(f"{_STOCK} AND x.bin_id = :id ORDER BY p.code, i.sku, l.code LIMIT {LIMIT}")
ON_PLATE = text(f"{_STOCK} AND x.lpn_id = :id ORDER BY i.sku, l.code LIMIT {LIMIT}")
OF_ITEM = text(f"{_STOCK} AND x.item_id = :id ORDER BY x.status, b.code, l.code LIMIT {LIMIT}")
OF_LOT = text(f"{_STOCK} AND x.item_id = :item_id AND x.lot_id = :id ORDER BY b.code LIMIT {LIMIT}")

# movement_item_ix backwards for an item; for a plate, the items that it carries or carried.
_HISTORY = """
    SELECT m.at, m.kind, i.sku, m.qty, f.code AS from_bin, t.code AS to_bin,
           coalesce(u.code, '') AS user_code, m.reason
      FROM movement m
      JOIN item i ON i.id = m.item_id
      JOIN bin f ON f.warehouse_id = m.warehouse_id AND f.id = m.from_bin_id
      JOIN bin t ON t.warehouse_id = m.warehouse_id AND t.id = m.to_bin_id
      LEFT JOIN app_user u ON u.id = m.user_id
     WHERE m.warehouse_id = :warehouse_id
"""
ITEM_HISTORY = text(f"{_HISTORY} AND m.item_id = :id ORDER BY m.id DESC LIMIT 20")
PLATE_HISTORY = text(
    f"""
    {_HISTORY}
       AND m.item_id IN (SELECT r.item_id FROM receipt_line r
                          WHERE r.warehouse_id = :warehouse_id AND r.lpn_id = :id
                          UNION
                         SELECT x.item_id FROM balance x
                          WHERE x.warehouse_id = :warehouse_id AND x.lpn_id = :id)
       AND (m.from_lpn_id = :id OR m.to_lpn_id = :id)
     ORDER BY m.id DESC LIMIT 20
    """
)

ORDER = text(
    """
    SELECT o.id, o.external_id, w.code AS owner_code, o.state, o.cutoff_at AS due_at,
           coalesce(nullif(o.hold_reason, ''), o.cause) AS cause
      FROM outbound_order o JOIN owner w ON w.id = o.owner_id
     WHERE o.warehouse_id = :warehouse_id AND o.id = :id
    """
)
ORDER_LINES = text(
    """
    SELECT l.line_no, i.sku, l.ordered AS qty, l.picked + l.packed + l.shipped AS done
      FROM order_line l JOIN item i ON i.id = l.item_id
     WHERE l.warehouse_id = :warehouse_id AND l.order_id = :id ORDER BY l.id LIMIT 50
    """
)
ASN = text(
    """
    SELECT a.id, a.external_id, w.code AS owner_code, a.state, a.expected_at AS due_at,
           a.supplier AS cause
      FROM asn a JOIN owner w ON w.id = a.owner_id
     WHERE a.warehouse_id = :warehouse_id AND a.id = :id
    """
)
# The lines with most left to come first.
ASN_LINES = text(
    """
    SELECT l.line_no, i.sku, l.qty, l.received AS done
      FROM asn_line l JOIN item i ON i.id = l.item_id
     WHERE l.warehouse_id = :warehouse_id AND l.asn_id = :id
     ORDER BY l.qty - l.received DESC, l.id LIMIT 50
    """
)


async def list_in_bin(tx: Tx, stamp: Stamp, bin_id: int) -> list[StockLine]:
    return await rows(tx, IN_BIN, StockLine, warehouse_id=stamp.warehouse_id, id=bin_id)


async def list_on_plate(tx: Tx, stamp: Stamp, lpn_id: int) -> list[StockLine]:
    return await rows(tx, ON_PLATE, StockLine, warehouse_id=stamp.warehouse_id, id=lpn_id)


async def list_of_item(tx: Tx, stamp: Stamp, item_id: int) -> list[StockLine]:
    return await rows(tx, OF_ITEM, StockLine, warehouse_id=stamp.warehouse_id, id=item_id)


async def list_of_lot(tx: Tx, stamp: Stamp, item_id: int, lot_id: int) -> list[StockLine]:
    values = {"warehouse_id": stamp.warehouse_id, "item_id": item_id, "id": lot_id}
    return await rows(tx, OF_LOT, StockLine, **values)


async def list_item_history(tx: Tx, stamp: Stamp, item_id: int) -> list[MovementLine]:
    """The last 20 movements of an item."""
    return await rows(tx, ITEM_HISTORY, MovementLine, warehouse_id=stamp.warehouse_id, id=item_id)


async def list_plate_history(tx: Tx, stamp: Stamp, lpn_id: int) -> list[MovementLine]:
    """The last 20 movements onto, with or off a plate."""
    return await rows(tx, PLATE_HISTORY, MovementLine, warehouse_id=stamp.warehouse_id, id=lpn_id)


async def find_order(tx: Tx, stamp: Stamp, order_id: int) -> Document | None:
    return await row(tx, ORDER, Document, warehouse_id=stamp.warehouse_id, id=order_id)


async def list_order_lines(tx: Tx, stamp: Stamp, order_id: int) -> list[DocumentLine]:
    return await rows(tx, ORDER_LINES, DocumentLine, warehouse_id=stamp.warehouse_id, id=order_id)


async def find_asn(tx: Tx, stamp: Stamp, asn_id: int) -> Document | None:
    return await row(tx, ASN, Document, warehouse_id=stamp.warehouse_id, id=asn_id)


async def list_asn_lines(tx: Tx, stamp: Stamp, asn_id: int) -> list[DocumentLine]:
    return await rows(tx, ASN_LINES, DocumentLine, warehouse_id=stamp.warehouse_id, id=asn_id)
