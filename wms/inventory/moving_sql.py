"""The statements of moving, and stock and bins as they read them."""

import msgspec
from sqlalchemy import text


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """One balance at the source with what a move must know of it."""

    owner_id: int
    owner_code: str
    item_id: int
    sku: str
    description: str
    lot_id: int | None
    lot_code: str
    lpn_id: int | None
    serial: str
    status: str
    on_hand: int
    allocated: int
    unit_mm3: int
    unit_g: int
    separation: str
    codes: list[str]

    @property
    def free(self) -> int:
        return 0 if self.status == "disputed" else self.on_hand - self.allocated

    @property
    def mark(self) -> str:
        return self.serial or self.lot_code


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """A bin as source or target."""

    id: int
    code: str
    kind: str
    check_digits: str


class Id(msgspec.Struct):
    id: int


class PlateCode(msgspec.Struct):
    code: str


FIND_SPOT = text(
    "SELECT id, code, kind, check_digits FROM bin"
    " WHERE warehouse_id = :warehouse_id AND code = :code"
)
SPOT = text(
    "SELECT id, code, kind, check_digits FROM bin WHERE warehouse_id = :warehouse_id AND id = :id"
)
PLATE_CODE = text("SELECT code FROM lpn WHERE warehouse_id = :warehouse_id AND id = :id")
# task_lpn_open_ix
WAITING = text(
    """
    SELECT id FROM task WHERE warehouse_id = :warehouse_id AND lpn_id = :lpn_id AND state = 'open'
     LIMIT 1
    """
)
_STOCK = """
    SELECT x.owner_id, w.code AS owner_code, x.item_id, i.sku, i.description, x.lot_id,
           coalesce(l.code, '') AS lot_code, x.lpn_id, x.serial, x.status, x.on_hand, x.allocated,
           CAST(coalesce(p.length_mm::bigint * p.width_mm * p.height_mm, 0) AS bigint)
             AS unit_mm3,
           coalesce(p.weight_g, 0) AS unit_g, i.separation,
           ARRAY(SELECT c.value FROM barcode c WHERE c.item_id = x.item_id ORDER BY 1) AS codes
      FROM balance x
      JOIN item i ON i.id = x.item_id
      JOIN owner w ON w.id = x.owner_id
      LEFT JOIN lot l ON l.warehouse_id = x.warehouse_id AND l.id = x.lot_id
      LEFT JOIN pack_level p ON p.item_id = x.item_id AND p.level = 'each'
     WHERE x.warehouse_id = :warehouse_id AND x.on_hand > 0
"""
_RANK = "ORDER BY i.sku, l.code, x.serial, x.status <> 'available', x.status, x.id"
# balance_place_key and balance_lpn_ix.
LOOSE = text(f"{_STOCK} AND x.bin_id = :id AND x.lpn_id IS NULL {_RANK}")
ON_PLATE = text(f"{_STOCK} AND x.lpn_id = :id {_RANK}")
TAKE_LOOSE = text(f"{_STOCK} AND x.bin_id = :id AND x.lpn_id IS NULL {_RANK} FOR UPDATE OF x")
TAKE_ON_PLATE = text(f"{_STOCK} AND x.lpn_id = :id {_RANK} FOR UPDATE OF x")
