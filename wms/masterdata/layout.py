"""Builds a warehouse: zones, aisles, bins, cutoffs. Bins that nobody lists are made here too.

Every warehouse has four virtual bins (the world outside the ledger) and one `hand` bin for each
person, so that goods somebody carries are always somewhere.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import text

from wms import barcodes
from wms.bulk import Put, ids_by_code, put_missing
from wms.db import Tx, insert
from wms.masterdata import csv_forms as forms
from wms.masterdata.tables import (
    VIRTUAL_KINDS,
    aisle,
    bin_,
    cross_aisle,
    cutoff,
    warehouse,
    wave_setting,
    zone,
)

HAND_BINS = text(
    """
    INSERT INTO bin (warehouse_id, code, kind)
    SELECT :warehouse_id, 'HAND-' || u.code, 'hand' FROM app_user u ORDER BY u.id
    ON CONFLICT (warehouse_id, code) DO NOTHING
    """
)
LOCK = text("SELECT id FROM warehouse WHERE code = :code FOR UPDATE")


def hand_bin_code(user_code: str) -> str:
    return f"HAND-{user_code}"


async def put_warehouse(tx: Tx, form: forms.WarehouseForm) -> tuple[int, Put]:
    """The warehouse and its id, its row locked so that two loads of it queue."""
    values = {
        "code": form.code,
        "name": form.name,
        "timezone": form.timezone,
        "gs1_prefix": form.gs1_prefix,
    }
    put = await put_missing(tx, warehouse, ["code"], [values])
    warehouse_id: int = (await tx.execute(LOCK, {"code": form.code})).scalar_one()
    if put.added:
        await insert(
            tx, wave_setting, returning="warehouse_id", warehouse_id=warehouse_id,
            cart_slots=form.cart_slots, tote_mm3=form.tote_mm3, tote_g=form.tote_g,
            plan_seconds=form.plan_seconds,
        )  # fmt: skip
    return warehouse_id, put


async def put_zones(tx: Tx, warehouse_id: int, zones: Sequence[forms.ZoneForm]) -> Put:
    offered = [
        {"warehouse_id": warehouse_id, "code": form.code, "name": form.name} for form in zones
    ]
    return await put_missing(tx, zone, ["code"], offered)


async def put_aisles(tx: Tx, warehouse_id: int, aisles: Sequence[forms.AisleForm]) -> Put:
    zone_ids = await ids_by_code(tx, zone, warehouse_id)
    offered = [
        {
            "warehouse_id": warehouse_id,
            "zone_id": zone_ids[form.zone],
            "code": form.code,
            "x_mm": form.x_mm,
            "y_from_mm": form.y_from_mm,
            "y_to_mm": form.y_to_mm,
            "direction": form.direction,
        }
        for form in aisles
    ]
    return await put_missing(tx, aisle, ["code"], offered)


async def put_cross_aisles(tx: Tx, warehouse_id: int, lines: Sequence[forms.CrossAisleForm]) -> Put:
    offered = [{"warehouse_id": warehouse_id, "y_mm": form.y_mm} for form in lines]
    return await put_missing(tx, cross_aisle, ["y_mm"], offered)


async def put_bins(tx: Tx, warehouse_id: int, bins: Sequence[forms.BinForm]) -> Put:
    """The listed bins; the virtual ones beside them."""
    zone_ids = await ids_by_code(tx, zone, warehouse_id)
    aisle_ids = await ids_by_code(tx, aisle, warehouse_id)
    offered = [_bin_row(warehouse_id, form, zone_ids, aisle_ids) for form in bins]
    put = await put_missing(tx, bin_, ["code"], offered)
    taken = {row["kind"] for row in await _virtual_bins(tx, warehouse_id)}
    virtual = [
        {"warehouse_id": warehouse_id, "code": kind.upper(), "kind": kind}
        for kind in VIRTUAL_KINDS
        if kind not in taken
    ]
    await put_missing(tx, bin_, ["code"], virtual)
    return put


async def _virtual_bins(tx: Tx, warehouse_id: int) -> Sequence[Any]:
    query = sa.select(bin_.c.kind).where(
        bin_.c.warehouse_id == warehouse_id, bin_.c.kind.in_(VIRTUAL_KINDS)
    )
    return (await tx.execute(query)).mappings().all()


def _bin_row(
    warehouse_id: int, form: forms.BinForm, zone_ids: dict[str, int], aisle_ids: dict[str, int]
) -> dict[str, Any]:
    return {
        "warehouse_id": warehouse_id,
        "zone_id": zone_ids.get(form.zone),
        "aisle_id": aisle_ids.get(form.aisle),
        "code": form.code,
        "kind": form.kind,
        "x_mm": form.x_mm,
        "y_mm": form.y_mm,
        "z_mm": form.z_mm,
        "pick_sequence": form.pick_sequence,
        "check_digits": form.check_digits or barcodes.check_digits(form.code),
        "capacity_mm3": form.capacity_mm3,
        "capacity_g": form.capacity_g,
        "capacity_lpns": form.capacity_lpns,
        "mix_items": form.mix_items,
        "mix_lots": form.mix_lots,
    }


async def put_hand_bins(tx: Tx, warehouse_id: int) -> int:
    """A hand bin for every user who has none here; returns how many were made."""
    return (await tx.execute(HAND_BINS, {"warehouse_id": warehouse_id})).rowcount


async def put_cutoffs(
    tx: Tx, warehouse_id: int, cutoffs: Sequence[forms.CutoffForm], carrier_ids: dict[str, int]
) -> Put:
    bin_ids = await ids_by_code(tx, bin_, warehouse_id)
    offered = [
        {
            "warehouse_id": warehouse_id,
            "carrier_id": carrier_ids[form.carrier],
            "service": form.service,
            "at": form.at,
            "dock_id": bin_ids[form.dock],
        }
        for form in cutoffs
    ]
    return await put_missing(tx, cutoff, ["carrier_id", "service"], offered)
