"""Adds owners, items, pack levels, barcodes, carton types and carriers: the global master data."""

from collections.abc import Sequence

import sqlalchemy as sa

from wms import barcodes
from wms.bulk import Put, ids_by_code, put_missing
from wms.db import Tx
from wms.masterdata import csv_forms as forms
from wms.masterdata.tables import barcode, carrier, carton_type, item, owner, pack_level

ItemIds = dict[tuple[str, str], tuple[int, int]]  # owner code, sku -> owner id, item id


async def item_ids(tx: Tx) -> ItemIds:
    query = sa.select(owner.c.code, item.c.sku, owner.c.id.label("owner_id"), item.c.id).join_from(
        item, owner, item.c.owner_id == owner.c.id
    )
    return {(row.code, row.sku): (row.owner_id, row.id) for row in await tx.execute(query)}


async def put_owners(tx: Tx, owners: Sequence[forms.OwnerForm]) -> Put:
    offered = [{"code": form.code, "name": form.name} for form in owners]
    return await put_missing(tx, owner, ["code"], offered)


async def put_items(tx: Tx, items: Sequence[forms.ItemForm]) -> Put:
    owner_ids = await ids_by_code(tx, owner)
    columns = [name for name in item.c.keys() if name in forms.ItemForm.__struct_fields__]  # noqa: SIM118
    offered = [
        {"owner_id": owner_ids[form.owner]} | {name: getattr(form, name) for name in columns}
        for form in items
    ]
    return await put_missing(tx, item, ["owner_id", "sku"], offered)


async def put_pack_levels(tx: Tx, levels: Sequence[forms.PackLevelForm]) -> Put:
    ids = await item_ids(tx)
    offered = [
        {
            "item_id": ids[form.owner, form.sku][1],
            "level": form.level,
            "base_qty": form.base_qty,
            "length_mm": form.length_mm,
            "width_mm": form.width_mm,
            "height_mm": form.height_mm,
            "weight_g": form.weight_g,
            "load_max_g": form.load_max_g,
        }
        for form in levels
    ]
    return await put_missing(tx, pack_level, ["item_id", "level"], offered)


async def put_barcodes(tx: Tx, codes: Sequence[forms.BarcodeForm]) -> Put:
    """Stored in normal form (wms.barcodes.read), as scans are looked up."""
    ids = await item_ids(tx)
    offered = [
        {
            "value": barcodes.read(form.value).code,
            "item_id": ids[form.owner, form.sku][1],
            "level": form.level,
        }
        for form in codes
    ]
    return await put_missing(tx, barcode, ["value", "item_id"], offered)


async def put_carton_types(tx: Tx, cartons: Sequence[forms.CartonTypeForm]) -> Put:
    offered = [
        {name: getattr(form, name) for name in forms.CartonTypeForm.__struct_fields__}
        for form in cartons
    ]
    return await put_missing(tx, carton_type, ["code"], offered)


async def put_carriers(tx: Tx, carriers: Sequence[forms.CarrierForm]) -> Put:
    offered = [{"code": form.code, "name": form.name} for form in carriers]
    return await put_missing(tx, carrier, ["code"], offered)
