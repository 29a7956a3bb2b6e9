"""What totes and cartons hold, as the bench and the way back read it."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text

from wms.barcodes import read
from wms.db import Tx, rows
from wms.errors import Refused
from wms.events.groups import Stk, stk
from wms.inventory.ledger import Goods
from wms.stamp import Stamp


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """One balance in a container. `codes` are the item's barcodes, `code_qtys` what each counts."""

    lpn_id: int
    lpn_code: str
    lpn_kind: str
    bin_id: int
    owner_id: int
    owner_code: str
    item_id: int
    sku: str
    description: str
    serial_tracked: bool
    lot_id: int | None
    lot_code: str
    recalled: bool  # its lot: it must not leave
    serial: str
    status: str
    qty: int
    unit_g: int
    unit_mm: tuple[int, int, int]
    separation: str
    own_container: bool  # it ships in its own package
    codes: list[str]
    code_qtys: list[int]

    def goods(self, qty: int) -> Goods:
        return Goods(
            owner_id=self.owner_id,
            item_id=self.item_id,
            qty=qty,
            lot_id=self.lot_id,
            serial=self.serial,
            status=self.status,
        )

    def stk(self, qty: int, status: str = "") -> Stk:
        return stk(
            self.sku, self.owner_code, qty, lot=self.lot_code, serial=self.serial,
            status=status or self.status,
        )  # fmt: skip

    @property
    def stock_key(self) -> str:
        return f"stock/{self.owner_code}/{self.sku}"


# Served by balance_lpn_ix, primary keys and barcode_item_id_ix. Reads only: the order's row, held
# by every act on its containers, keeps them still.
CONTENTS = text(
    """
    SELECT l.id AS lpn_id, l.code AS lpn_code, l.kind AS lpn_kind, b.bin_id, b.owner_id,
           w.code AS owner_code, b.item_id, i.sku, i.description, i.serial_tracked, b.lot_id,
           coalesce(t.code, '') AS lot_code, coalesce(t.recalled, false) AS recalled, b.serial,
           b.status, b.on_hand AS qty,
           coalesce(p.weight_g, 0) AS unit_g,
           ARRAY[coalesce(p.length_mm, 0), coalesce(p.width_mm, 0), coalesce(p.height_mm, 0)]
             AS unit_mm, i.separation, i.own_container,
           ARRAY(SELECT c.value FROM barcode c WHERE c.item_id = b.item_id ORDER BY c.value)
             AS codes,
           ARRAY(SELECT coalesce(k.base_qty, 1) FROM barcode c
                   LEFT JOIN pack_level k ON k.item_id = c.item_id AND k.level = c.level
                  WHERE c.item_id = b.item_id ORDER BY c.value) AS code_qtys
      FROM balance b
      JOIN lpn l ON l.warehouse_id = b.warehouse_id AND l.id = b.lpn_id
      JOIN item i ON i.id = b.item_id
      JOIN owner w ON w.id = b.owner_id
      LEFT JOIN lot t ON t.warehouse_id = b.warehouse_id AND t.id = b.lot_id
      LEFT JOIN pack_level p ON p.item_id = b.item_id AND p.level = 'each'
     WHERE b.warehouse_id = :warehouse_id AND b.lpn_id = ANY (CAST(:lpn_ids AS bigint[]))
       AND b.on_hand > 0
     ORDER BY l.id, i.sku, t.code, b.serial
    """
)


async def list_contents(tx: Tx, stamp: Stamp, lpn_ids: Sequence[int]) -> list[Content]:
    """Everything these containers hold."""
    return await rows(
        tx, CONTENTS, Content, warehouse_id=stamp.warehouse_id, lpn_ids=list(lpn_ids)
    )


def normal(code: str) -> str:
    """The form in which a scan of this code is looked up."""
    try:
        return read(code).code
    except Refused:
        return code
