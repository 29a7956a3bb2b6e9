"""Look-ups of master data for screens, labels, the simulator and the API."""

from datetime import time

import msgspec
from sqlalchemy import text

from wms import barcodes
from wms.db import Tx, row, rows
from wms.errors import NotFound


class NoSuchWarehouse(NotFound):
    say = "There is no warehouse {code}."


class Warehouse(msgspec.Struct, frozen=True, kw_only=True):
    """A site; `timezone` is the calendar of its cutoffs and days."""

    id: int
    code: str
    name: str
    timezone: str
    gs1_prefix: str


class BinLabel(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on the label of a bin."""

    code: str
    kind: str
    zone: str | None
    aisle: str | None
    check_digits: str
    pick_sequence: int

    @property
    def label(self) -> str:
        """The text of its barcode."""
        return barcodes.label("BN", self.code)


class ItemCard(msgspec.Struct, frozen=True, kw_only=True):
    """An item and the barcodes of its pack levels, as (level, value, eaches)."""

    id: int
    owner: str
    sku: str
    description: str
    lot_tracked: bool
    serial_tracked: bool
    expiry_tracked: bool
    codes: tuple[tuple[str, str, int], ...]


class Departure(msgspec.Struct, frozen=True, kw_only=True):
    """When a carrier's service leaves, every day, in the warehouse's time."""

    carrier: str
    name: str
    service: str
    at: time
    dock: str | None


WAREHOUSES = text("SELECT id, code, name, timezone, gs1_prefix FROM warehouse ORDER BY id")
WAREHOUSE = text("SELECT id, code, name, timezone, gs1_prefix FROM warehouse WHERE code = :code")
BIN_LABELS = text(
    """
    SELECT b.code, b.kind, z.code AS zone, a.code AS aisle, b.check_digits, b.pick_sequence
      FROM bin b
      LEFT JOIN zone z ON z.warehouse_id = b.warehouse_id AND z.id = b.zone_id
      LEFT JOIN aisle a ON a.warehouse_id = b.warehouse_id AND a.id = b.aisle_id
     WHERE b.warehouse_id = :warehouse_id
       AND b.kind NOT IN ('supplier', 'customer', 'adjustment', 'scrap', 'hand')
       AND (CAST(:zone AS text) = '' OR z.code = :zone)
     ORDER BY z.code NULLS LAST, b.pick_sequence, b.code
    """
)
# Served by item_owner_id_sku_key and barcode_item_id_ix.
ITEM = text(
    """
    SELECT i.id, o.code AS owner, i.sku, i.description, i.lot_tracked, i.serial_tracked,
           i.expiry_tracked,
           coalesce((SELECT json_agg(json_build_array(b.level, b.value, p.base_qty)
                              ORDER BY p.base_qty, b.value)
                       FROM barcode b
                       JOIN pack_level p ON p.item_id = b.item_id AND p.level = b.level
                      WHERE b.item_id = i.id), '[]') AS codes
      FROM item i JOIN owner o ON o.id = i.owner_id
     WHERE o.code = :owner AND i.sku = :sku
    """
)
DEPARTURES = text(
    """
    SELECT c.code AS carrier, c.name, k.service, k.at, d.code AS dock
      FROM cutoff k
      JOIN carrier c ON c.id = k.carrier_id
      LEFT JOIN bin d ON d.warehouse_id = k.warehouse_id AND d.id = k.dock_id
     WHERE k.warehouse_id = :warehouse_id
     ORDER BY k.at, c.code, k.service
    """
)


async def list_warehouses(tx: Tx) -> list[Warehouse]:
    return await rows(tx, WAREHOUSES, Warehouse)


async def get_warehouse(tx: Tx, code: str) -> Warehouse:
    """Raises NoSuchWarehouse."""
    found = await row(tx, WAREHOUSE, Warehouse, code=code)
    if found is None:
        raise NoSuchWarehouse(code=code)
    return found


async def list_bin_labels(tx: Tx, warehouse_id: int, zone: str = "") -> list[BinLabel]:
    """The bins one can stand in front of, in walking order; of one zone if it is named."""
    return await rows(tx, BIN_LABELS, BinLabel, warehouse_id=warehouse_id, zone=zone)


async def find_item(tx: Tx, owner: str, sku: str) -> ItemCard | None:
    return await row(tx, ITEM, ItemCard, owner=owner, sku=sku)


async def list_departures(tx: Tx, warehouse_id: int) -> list[Departure]:
    """The daily cutoffs, the earliest first."""
    return await rows(tx, DEPARTURES, Departure, warehouse_id=warehouse_id)
