"""What the world hears about items: in every warehouse, for each has a log of its own."""

from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.events import catalog
from wms.events.outbox import emit_many, outbox_row
from wms.events.payload_master import ItemLevel
from wms.masterdata.item_documents import ItemRead
from wms.stamp import Stamp


class _Id(msgspec.Struct):
    id: int


WAREHOUSES = text("SELECT id FROM warehouse ORDER BY id")


async def tell_item(
    tx: Tx,
    stamp: Stamp,
    type: str,
    item: ItemRead,
    changed: list[str],
    source: str,
    source_version: int | None,
) -> None:
    """item.created or item.updated, with the item as it is now."""
    shape = catalog.ItemCreated if type == "item.created" else catalog.ItemUpdated
    data = shape(
        item_id=item.id, owner=item.owner, sku=item.sku, version=item.version,
        description=item.description, lot_tracked=item.lot_tracked,
        serial_tracked=item.serial_tracked, expiry_tracked=item.expiry_tracked,
        fragile=item.fragile, upright=item.upright, flat=item.flat, separation=item.separation,
        own_container=item.own_container, carton_qty_max=item.carton_qty_max,
        levels=[ItemLevel(**msgspec.structs.asdict(level)) for level in item.levels],
        changed_fields=changed, source=source, source_version=source_version,
    )  # fmt: skip
    key = f"item/{item.owner}/{item.sku}"
    await tell_everywhere(tx, stamp, type, key, data, item.owner, item.version)


async def tell_everywhere(
    tx: Tx,
    stamp: Stamp,
    type: str,
    key: str,
    data: Any,
    owner: str = "",
    keyseq: int | None = None,
) -> None:
    """One event in the log of each warehouse."""
    await emit_many(tx, [
        outbox_row(
            msgspec.structs.replace(stamp, warehouse_id=each.id), type, key, data, owner=owner,
            keyseq=keyseq,
        )
        for each in await rows(tx, WAREHOUSES, _Id)
    ])  # fmt: skip
