"""Reads what planning needs to know about a wave: its promises, the layout, carts and cartons."""

import msgspec

from wms.db import Tx, row, rows
from wms.masterdata.floor_plan import load_layout
from wms.outbound import wave_sql as sql
from wms.outbound.carton_plan import BoxProblem, Content
from wms.outbound.floor_work import load_floor, shift_of
from wms.outbound.wave_parts import Offer, Pick, Problem, WaveOrder
from wms.outbound.wave_plan import first_rank
from wms.planning.cartonize import CartonType
from wms.stamp import Stamp

OFFERS_MOST = 40  # of each kind of stock: the fullest bins


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """How pick tours are built in a warehouse; the defaults of wave_setting where it has no row."""

    cart_slots: int = 8
    tote_mm3: int = 60_000_000
    tote_g: int = 20_000
    plan_seconds: int = 5


async def load_problem(tx: Tx, stamp: Stamp, wave_id: int) -> Problem:
    """The planning problem of a wave: its promises, the hall, the carts and the people."""
    values = {"warehouse_id": stamp.warehouse_id, "wave_id": wave_id}
    orders = await rows(tx, sql.WAVE_ORDERS, WaveOrder, **values)
    picks = await rows(tx, sql.WAVE_PICKS, Pick, **values)
    offers = await rows(
        tx, sql.OFFERS, Offer, warehouse_id=stamp.warehouse_id, at=stamp.at, most=OFFERS_MOST,
        ids=sorted({pick.balance_id for pick in picks}),
    )  # fmt: skip
    setting = await get_setting(tx, stamp)
    bins = {each.bin_id for found in (picks, offers) for each in found}
    layout, depot = await load_layout(tx, stamp, sorted(bins))
    floor = await load_floor(tx, stamp)
    return Problem(
        orders=tuple(orders),
        picks=tuple(picks),
        layout=layout,
        depot=depot,
        cart_slots=setting.cart_slots,
        tote_mm3=setting.tote_mm3,
        tote_g=setting.tote_g,
        seconds=setting.plan_seconds,
        shift=shift_of(stamp.at.timestamp(), floor, first_rank(orders)),
        offers=tuple(offers),
    )


async def load_boxes(tx: Tx, stamp: Stamp, wave_id: int) -> BoxProblem:
    """What the orders of a wave will be packed with, most urgent first."""
    values = {"warehouse_id": stamp.warehouse_id, "wave_id": wave_id}
    return BoxProblem(
        contents=tuple(await rows(tx, sql.CONTENTS, Content, **values)),
        carton_types=tuple(await rows(tx, sql.CARTON_TYPES, CartonType)),
        seconds=(await get_setting(tx, stamp)).plan_seconds,
    )


async def get_setting(tx: Tx, stamp: Stamp) -> Setting:
    found = await row(tx, sql.SETTING, Setting, warehouse_id=stamp.warehouse_id)
    return found or Setting()
