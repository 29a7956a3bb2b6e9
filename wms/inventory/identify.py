"""One answer to "what did I just scan", and what the warehouse knows about it.

A label of our own says what it is; a GTIN is an item; anything else is looked up in the order in
which people mean it: bin, plate, item, order, delivery, then lot and serial.
"""

from datetime import datetime

import msgspec
from sqlalchemy import text

from wms.access.hashing import secret_hash
from wms.barcodes import Reading, read
from wms.db import Tx, row, rows
from wms.errors import NotFound
from wms.inventory import queries
from wms.inventory.queries import DocumentLine, MovementLine, StockLine
from wms.stamp import Stamp


class UnknownCode(NotFound):
    say = "Nothing here has the code {scanned}. Scan another code on it, or call your lead."


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a code is: `kind` is bin | plate | item | lot | order | asn | user; its id stands in the
    field of that name. `also` counts other things with the same code."""

    kind: str
    code: str
    bin_id: int | None = None
    lpn_id: int | None = None
    item_id: int | None = None
    lot_id: int | None = None
    order_id: int | None = None
    asn_id: int | None = None
    user_id: int | None = None
    level: str = ""
    qty: int = 0
    also: int = 0


class Inquiry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a thing: rows of (label, value)."""

    title: str
    kind: str
    rows: list[tuple[str, str]]


class DueAsn(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that may be received now."""

    id: int
    external_id: str
    owner_code: str
    supplier: str
    state: str
    expected_at: datetime
    lines: int
    qty: int
    received: int


class _Match(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    id: int
    code: str
    item_id: int | None = None
    level: str = ""
    qty: int = 0


# Unique keys of bin, lpn, barcode and the documents; items by SKU are a small table. Documents are
# asked owner by owner, because their natural key leads with the owner.
LOOK_UP = text(
    """
    SELECT 1 AS rank, 'bin' AS kind, id, code, CAST(NULL AS bigint) AS item_id, '' AS level,
           0 AS qty
      FROM bin WHERE warehouse_id = :warehouse_id AND code = :short
     UNION ALL
    SELECT 2, 'plate', id, code, NULL, '', 0
      FROM lpn WHERE warehouse_id = :warehouse_id AND code = :code
     UNION ALL
    SELECT 3, 'item', b.item_id, b.value, b.item_id, b.level, coalesce(p.base_qty, 1)
      FROM barcode b LEFT JOIN pack_level p ON p.item_id = b.item_id AND p.level = b.level
     WHERE b.value = :code
     UNION ALL
    SELECT 4, 'item', id, sku, id, 'each', 1 FROM item WHERE sku = :typed
     UNION ALL
    SELECT 5, 'order', o.id, o.external_id, NULL, '', 0
      FROM owner w JOIN outbound_order o
        ON o.warehouse_id = :warehouse_id AND o.owner_id = w.id AND o.external_id = :typed
     UNION ALL
    SELECT 6, 'asn', a.id, a.external_id, NULL, '', 0
      FROM owner w JOIN asn a
        ON a.warehouse_id = :warehouse_id AND a.owner_id = w.id AND a.external_id = :typed
     UNION ALL
    SELECT 7, 'asn', asn_id, sscc, NULL, '', 0
      FROM asn_line WHERE warehouse_id = :warehouse_id AND sscc = :code AND sscc <> ''
     UNION ALL
    SELECT 8, 'user', id, code, NULL, '', 0 FROM app_user
     WHERE badge_hash = CAST(:badge_hash AS bytea)
     ORDER BY rank, id LIMIT 20
    """
)
# Lots by code and serials in stock have no index of their own: asked only when nothing else fits.
LOOK_DEEPER = text(
    """
    SELECT 'lot' AS kind, id, code, item_id FROM lot
     WHERE warehouse_id = :warehouse_id AND code = :typed
     UNION ALL
    SELECT 'item', i.id, x.serial, i.id FROM item i JOIN balance x
        ON x.warehouse_id = :warehouse_id AND x.owner_id = i.owner_id AND x.item_id = i.id
       AND x.serial = :typed AND x.serial <> '' AND x.on_hand > 0
     WHERE i.serial_tracked
     LIMIT 20
    """
)
# asn_open_ix: open deliveries only, the next expected first.
DUE_ASNS = text(
    """
    SELECT a.id, a.external_id, w.code AS owner_code, a.supplier, a.state, a.expected_at,
           count(l.id) AS lines, coalesce(sum(l.qty), 0) AS qty,
           coalesce(sum(l.received), 0) AS received
      FROM (SELECT * FROM asn
             WHERE warehouse_id = :warehouse_id AND state IN ('open', 'receiving')
             ORDER BY expected_at LIMIT 20) a
      JOIN owner w ON w.id = a.owner_id
      LEFT JOIN asn_line l ON l.warehouse_id = a.warehouse_id AND l.asn_id = a.id
     GROUP BY a.id, a.external_id, w.code, a.supplier, a.state, a.expected_at
     ORDER BY a.state DESC, a.expected_at, a.id
    """
)
BIN = text(
    "SELECT kind, zone_id, blocked, check_digits FROM bin"
    " WHERE warehouse_id = :warehouse_id AND id = :id"
)
PLATE = text(
    """
    SELECT p.state, p.kind, b.code AS bin_code FROM lpn p
      JOIN bin b ON b.warehouse_id = p.warehouse_id AND b.id = p.bin_id
     WHERE p.warehouse_id = :warehouse_id AND p.id = :id
    """
)
ITEM = text("SELECT sku, description FROM item WHERE id = :id")
USER = text("SELECT code, name, roles FROM app_user WHERE id = :id")


async def identify(tx: Tx, stamp: Stamp, raw: str) -> Found:
    """What a scanned or keyed code is. Raises UnknownCode, MisreadLabel, BadGs1."""
    reading = read(raw)
    values = {
        "warehouse_id": stamp.warehouse_id,
        "code": reading.code,
        "short": _without_frame(reading),
        "typed": raw.strip(),
        "badge_hash": secret_hash(reading.code) if reading.kind == "BD" else b"",
    }
    matches = await rows(tx, LOOK_UP, _Match, **values)
    if not matches and reading.kind in ("raw", "gtin"):
        matches = await rows(tx, LOOK_DEEPER, _Match, **values)
    if not matches:
        raise UnknownCode(scanned=raw)
    return _found(matches[0], len({(each.kind, each.id) for each in matches}) - 1)


def _without_frame(reading: Reading) -> str:
    """The bin's code inside its label (`BN-A-01-02-X` is `A-01-02`), or what was keyed."""
    return reading.code[3:-2] if reading.kind == "BN" else reading.code.upper()


def _found(match: _Match, also: int) -> Found:
    field = {"bin": "bin_id", "plate": "lpn_id", "item": "item_id", "lot": "lot_id",
             "order": "order_id", "asn": "asn_id", "user": "user_id"}[match.kind]  # fmt: skip
    ids = {"item_id": match.item_id, field: match.id}
    return Found(kind=match.kind, code=match.code, level=match.level, qty=match.qty, also=also,
                 **ids)  # fmt: skip


async def list_due_asns(tx: Tx, stamp: Stamp) -> list[DueAsn]:
    """The 20 next deliveries that may be received, those in work first."""
    return await rows(tx, DUE_ASNS, DueAsn, warehouse_id=stamp.warehouse_id)


async def inquire(tx: Tx, stamp: Stamp, found: Found) -> Inquiry:
    """What is known about a thing that was identified."""
    match found.kind:
        case "bin":
            return await _about_bin(tx, stamp, found)
        case "plate":
            return await _about_plate(tx, stamp, found)
        case "item" | "lot":
            return await _about_item(tx, stamp, found)
        case "order" | "asn":
            return await _about_document(tx, stamp, found)
        case _:
            user = await row(tx, USER, _User, id=found.user_id)
            assert user is not None
            return Inquiry(title=user.name, kind="user", rows=[("Roles", ", ".join(user.roles))])


class _Bin(msgspec.Struct):
    kind: str
    zone_id: int | None
    blocked: bool
    check_digits: str


class _Plate(msgspec.Struct):
    state: str
    kind: str
    bin_code: str


class _Item(msgspec.Struct):
    sku: str
    description: str


class _User(msgspec.Struct):
    code: str
    name: str
    roles: list[str]


async def _about_bin(tx: Tx, stamp: Stamp, found: Found) -> Inquiry:
    assert found.bin_id is not None
    place = await row(tx, BIN, _Bin, warehouse_id=stamp.warehouse_id, id=found.bin_id)
    assert place is not None
    held = await queries.list_in_bin(tx, stamp, found.bin_id)
    head = [("Kind", place.kind + (", BLOCKED" if place.blocked else ""))]
    lines = [_stock_row(each, each.lpn_code or each.sku) for each in held]
    return Inquiry(title=found.code, kind="bin", rows=head + (lines or [("Contents", "empty")]))


async def _about_plate(tx: Tx, stamp: Stamp, found: Found) -> Inquiry:
    assert found.lpn_id is not None
    plate = await row(tx, PLATE, _Plate, warehouse_id=stamp.warehouse_id, id=found.lpn_id)
    assert plate is not None
    held = await queries.list_on_plate(tx, stamp, found.lpn_id)
    history = await queries.list_plate_history(tx, stamp, found.lpn_id)
    head = [("Stands in", plate.bin_code), ("State", f"{plate.kind}, {plate.state}")]
    lines = [_stock_row(each, each.sku) for each in held]
    return Inquiry(title=found.code, kind="plate",
                   rows=head + lines + [_history_row(each) for each in history])  # fmt: skip


async def _about_item(tx: Tx, stamp: Stamp, found: Found) -> Inquiry:
    assert found.item_id is not None
    item = await row(tx, ITEM, _Item, id=found.item_id)
    assert item is not None
    if found.lot_id is not None:
        held = await queries.list_of_lot(tx, stamp, found.item_id, found.lot_id)
    else:
        held = await queries.list_of_item(tx, stamp, found.item_id)
    on_hand, free = (
        sum(x.on_hand for x in held),
        sum(x.on_hand - x.allocated for x in held if x.status == "available"),
    )
    head = [("Item", item.description), ("On hand", f"{on_hand}, {free} free")]
    lines = [_stock_row(each, each.bin_code) for each in held]
    title = f"{item.sku} lot {found.code}" if found.lot_id is not None else item.sku
    return Inquiry(title=title, kind=found.kind, rows=head + lines)


async def _about_document(tx: Tx, stamp: Stamp, found: Found) -> Inquiry:
    lines: list[DocumentLine] = []
    document = None
    if found.order_id is not None:
        document = await queries.find_order(tx, stamp, found.order_id)
        lines = await queries.list_order_lines(tx, stamp, found.order_id)
    elif found.asn_id is not None:
        document = await queries.find_asn(tx, stamp, found.asn_id)
        lines = await queries.list_asn_lines(tx, stamp, found.asn_id)
    assert document is not None
    head = [("State", document.state), ("Due", f"{document.due_at:%Y-%m-%d %H:%M} UTC")]
    if document.cause:
        head.append(("Note", document.cause))
    done = [(f"{each.line_no} {each.sku}", f"{each.done} of {each.qty}") for each in lines]
    return Inquiry(title=document.external_id, kind=found.kind, rows=head + done)


def _stock_row(line: StockLine, label: str) -> tuple[str, str]:
    parts = [str(line.on_hand), line.sku if label == line.lpn_code else ""]
    if line.lot_code:
        parts.append(
            f"lot {line.lot_code}" + (f" until {line.expires_on}" if line.expires_on else "")
        )
    parts += [line.serial, line.status if line.status != "available" else ""]
    if line.allocated:
        parts.append(f"({line.allocated} promised)")
    return label, " ".join(part for part in parts if part)


def _history_row(line: MovementLine) -> tuple[str, str]:
    return (f"{line.at:%m-%d %H:%M} {line.kind}",
            f"{line.qty} {line.sku} {line.from_bin} to {line.to_bin} {line.user_code}")  # fmt: skip
