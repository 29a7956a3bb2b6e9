"""The statements of receiving, and a delivery as they read it."""

from datetime import date, datetime

import msgspec
from sqlalchemy import TextClause, text

from wms.db import Tx, row, rows
from wms.inbound.rules import Line, NoSuchDelivery
from wms.stamp import Stamp


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery (ASN) and the bins its goods go through."""

    id: int
    external_id: str
    owner_id: int
    owner_code: str
    supplier: str
    state: str
    version: int
    over_tolerance_pct: int
    correlation_id: str
    started_at: datetime | None
    today: date  # in the warehouse's time zone
    dock_code: str
    stage_id: int | None
    stage_code: str
    clarify_id: int | None
    clarify_code: str


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A barcode of an item: which pack level it names and how many base units that is."""

    value: str
    item_id: int
    level: str
    qty: int


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page of a delivery asks and shows."""

    head: Head
    lines: list[Line]
    codes: list[Code]
    open_plates: list[str]


class Status(msgspec.Struct):
    status: str


class Id(msgspec.Struct):
    id: int


class Plate(msgspec.Struct):
    id: int
    code: str


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An item that no line announces."""

    id: int
    owner_id: int
    owner_code: str
    sku: str


class Waiting(msgspec.Struct):
    """An open putaway task of a plate with the state of its tour."""

    id: int
    tour_id: int
    tour_state: str


class Sums(msgspec.Struct):
    damaged: int
    over: int


class Recent(msgspec.Struct):
    user_code: str


# Goods wait for putaway nearest to their door.
HEAD = """
    SELECT a.id, a.external_id, a.owner_id, o.code AS owner_code, a.supplier, a.state, a.version,
           a.over_tolerance_pct, a.correlation_id, a.started_at,
           CAST(CAST(:at AS timestamptz) AT TIME ZONE w.timezone AS date) AS today,
           coalesce(d.code, '') AS dock_code,
           s.id AS stage_id, coalesce(s.code, '') AS stage_code,
           c.id AS clarify_id, coalesce(c.code, '') AS clarify_code
      FROM asn a
      JOIN owner o ON o.id = a.owner_id
      JOIN warehouse w ON w.id = a.warehouse_id
      LEFT JOIN bin d ON d.warehouse_id = a.warehouse_id AND d.id = a.dock_id
      LEFT JOIN LATERAL (
        SELECT b.id, b.code FROM bin b
         WHERE b.warehouse_id = a.warehouse_id AND b.kind = 'stage_in' AND NOT b.blocked
         ORDER BY abs(b.x_mm - d.x_mm) + abs(b.y_mm - d.y_mm), b.id LIMIT 1) s ON true
      LEFT JOIN LATERAL (
        SELECT b.id, b.code FROM bin b
         WHERE b.warehouse_id = a.warehouse_id AND b.kind = 'clarify'
         ORDER BY b.blocked, b.id LIMIT 1) c ON true
     WHERE a.warehouse_id = :warehouse_id AND a.id = :id
"""
LOOK = text(HEAD)
# Receivers share the delivery's row, so that closing it waits for every act and never overlaps one.
SHARE = text(f"{HEAD} FOR SHARE OF a")
CLOSE_TAKE = text(f"{HEAD} FOR NO KEY UPDATE OF a")
# Before SHARE, so that two first acts queue here instead of upgrading a shared lock each.
START = text(
    """
    UPDATE asn SET state = 'receiving', started_at = :at
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'open'
    RETURNING id
    """
)
CLOSE = text(
    """
    UPDATE asn SET state = 'closed', closed_at = :at, started_at = coalesce(started_at, :at)
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)

_LINE = """
    SELECT l.id, l.line_no, l.item_id, l.qty, l.received, l.lot_code, l.expires_on, l.sscc,
           i.sku, i.description, i.lot_tracked, i.serial_tracked, i.expiry_tracked,
           i.min_days_receipt
      FROM asn_line l JOIN item i ON i.id = l.item_id
     WHERE l.warehouse_id = :warehouse_id AND l.asn_id = :asn_id
"""
# asn_line_warehouse_id_asn_id_line_no_key.
LINES = text(f"{_LINE} ORDER BY l.id")
# Two receivers of one item queue here; the lines are locked in the order of their ids.
TAKE_LINES = text(
    f"{_LINE} AND l.item_id = ANY (CAST(:item_ids AS bigint[])) ORDER BY l.id FOR UPDATE OF l"
)
BOOK = text(
    """
    UPDATE asn_line SET received = asn_line.received + t.qty
      FROM unnest(CAST(:ids AS bigint[]), CAST(:qtys AS int[])) AS t (id, qty)
     WHERE asn_line.warehouse_id = :warehouse_id AND asn_line.id = t.id
    """
)
CODES = text(
    """
    SELECT b.value, b.item_id, b.level, coalesce(p.base_qty, 1) AS qty
      FROM (SELECT DISTINCT item_id FROM asn_line
             WHERE warehouse_id = :warehouse_id AND asn_id = :asn_id) l
      JOIN barcode b ON b.item_id = l.item_id
      LEFT JOIN pack_level p ON p.item_id = b.item_id AND p.level = b.level
     ORDER BY b.value
    """
)
OPEN_PLATES = text(
    """
    SELECT DISTINCT p.code, p.id FROM receipt_line r
      JOIN lpn p ON p.warehouse_id = r.warehouse_id AND p.id = r.lpn_id
     WHERE r.warehouse_id = :warehouse_id AND r.asn_id = :asn_id AND p.state = 'open'
     ORDER BY p.id
    """
)
# What one person filled last on this delivery, besides the plate in use.
MY_OTHER_PLATE = text(
    """
    SELECT p.id, p.code FROM receipt_line r
      JOIN lpn p ON p.warehouse_id = r.warehouse_id AND p.id = r.lpn_id
     WHERE r.warehouse_id = :warehouse_id AND r.asn_id = :asn_id AND r.user_id = :user_id
       AND p.state = 'open' AND p.bin_id = :bin_id AND p.id <> :lpn_id
     ORDER BY r.id DESC LIMIT 1
    """
)
STATUSES_ON = text(
    """
    SELECT DISTINCT status FROM balance
     WHERE warehouse_id = :warehouse_id AND lpn_id = :lpn_id AND on_hand > 0
    """
)
STAND = text("UPDATE lpn SET bin_id = :bin_id WHERE warehouse_id = :warehouse_id AND id = :id")
# balance_serial_once
SERIAL = text(
    """
    SELECT id FROM balance
     WHERE warehouse_id = :warehouse_id AND owner_id = :owner_id AND item_id = :item_id
       AND serial = :serial AND serial <> '' AND on_hand > 0
    """
)
# The delivery's own client first, when two share a code.
ITEM_OF_CODE = text(
    """
    SELECT i.id, i.owner_id, o.code AS owner_code, i.sku
      FROM item i JOIN owner o ON o.id = i.owner_id
     WHERE i.id IN (SELECT item_id FROM barcode WHERE value = :code)
        OR i.sku = :code
     ORDER BY i.owner_id <> :owner_id, i.id LIMIT 1
    """
)
# task_lpn_open_ix; the tour before the plate, as putaway does it.
WAITING = text(
    """
    SELECT t.id, t.tour_id, u.state AS tour_state
      FROM task t
      JOIN tour u ON u.warehouse_id = t.warehouse_id AND u.id = t.tour_id
      JOIN lpn p ON p.warehouse_id = t.warehouse_id AND p.id = t.lpn_id
     WHERE t.warehouse_id = :warehouse_id AND p.code = :code AND t.state = 'open'
       AND t.kind = 'putaway'
     ORDER BY t.id FOR UPDATE OF t, u
    """
)
SUMS = text(
    """
    SELECT coalesce(sum(qty) FILTER (WHERE condition = 'damaged'), 0) AS damaged,
           coalesce(sum(qty) FILTER (WHERE condition = 'over'), 0) AS over
      FROM receipt_line WHERE warehouse_id = :warehouse_id AND asn_id = :asn_id
    """
)
RECENT = text(
    """
    SELECT coalesce(u.code, '') AS user_code FROM receipt_line r
      LEFT JOIN app_user u ON u.id = r.user_id
     WHERE r.warehouse_id = :warehouse_id AND r.asn_id = :asn_id AND r.at > :since
       AND r.user_id IS DISTINCT FROM CAST(:user_id AS bigint)
     ORDER BY r.id DESC LIMIT 1
    """
)


async def read_head(tx: Tx, stamp: Stamp, ident: str, statement: TextClause) -> Head:
    """The delivery by its id, locked as the statement says. Raises NoSuchDelivery."""
    found = None
    if ident.isdigit():
        values = {"warehouse_id": stamp.warehouse_id, "at": stamp.at, "id": int(ident)}
        found = await row(tx, statement, Head, **values)
    if found is None:
        raise NoSuchDelivery(ident=ident)
    return found


async def read_delivery(tx: Tx, stamp: Stamp, head: Head) -> Delivery:
    values = {"warehouse_id": stamp.warehouse_id, "asn_id": head.id}
    return Delivery(
        head=head,
        lines=await rows(tx, LINES, Line, **values),
        codes=await rows(tx, CODES, Code, **values),
        open_plates=[plate.code for plate in await rows(tx, OPEN_PLATES, Plate, **values)],
    )
