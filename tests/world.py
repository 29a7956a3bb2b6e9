"""Builders: a warehouse in a few words, stock here, an order for that.

They write rows with plain SQL and the ledger, so that a test of one room needs no other room.
Add a builder when two tests of different rooms need the same thing.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from wms import barcodes
from wms.access import signin
from wms.access.hashing import pin_hash, secret_hash
from wms.access.tables import ROLES, app_user
from wms.db import Db, Tx, insert, insert_many
from wms.ids import uuid7
from wms.inbound import tables as inbound
from wms.inventory import ledger
from wms.inventory import tables as inventory
from wms.inventory.ledger import Goods, Place
from wms.masterdata import tables as master
from wms.outbound import tables as outbound
from wms.stamp import Stamp

PIN = "2468"
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

OWNERS = {"ACME": "Acme Outdoor", "BREW": "Brew & Bean"}
# sku: owner, description, tracking and other columns
ITEMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "TENT": ("ACME", "Two-person tent", {"velocity": "b"}),
    "MUG": ("ACME", "Enamel mug", {"velocity": "a", "fragile": True}),
    "LAMP": ("ACME", "Head lamp", {"velocity": "a"}),
    "ROPE": ("ACME", "Climbing rope 60 m", {}),
    "GPS": ("ACME", "GPS watch", {"serial_tracked": True}),
    "BEANS": (
        "BREW",
        "Coffee beans 1 kg",
        {
            "lot_tracked": True,
            "expiry_tracked": True,
            "rotation": "fefo",
            "min_days_receipt": 30,
            "velocity": "a",
        },
    ),
    "FILTER": ("BREW", "Paper filters, 100", {"velocity": "b"}),
    "GRINDER": ("BREW", "Hand grinder", {"upright": True}),
}
CASES = {"MUG": 12, "BEANS": 6}  # items that also come in cases, with a barcode of their own
SIZES_MM = {"TENT": (500, 200, 180), "ROPE": (300, 200, 120)}  # others: 120 x 100 x 80
CARTONS = {"S": (200, 150, 100), "M": (300, 200, 200), "L": (600, 400, 400)}
CARRIERS = {"PARCEL": time(15, 0), "FREIGHT": time(17, 30)}
USERS = {
    "RITA": ["receiver"],
    "PAUL": ["putaway"],
    "PIA": ["picker"],
    "PETE": ["picker"],
    "PAT": ["packer"],
    "LEO": ["loader"],
    "CARL": ["counter"],
    "CORA": ["counter"],
    "SUE": ["supervisor"],
    "ADA": list(ROLES),
}


@dataclass
class World:
    """Ids by the codes a test reads; `db` is the test's own database."""

    db: Db
    warehouse_id: int = 0
    zones: dict[str, int] = field(default_factory=dict)
    bins: dict[str, int] = field(default_factory=dict)
    owners: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    item_owners: dict[str, int] = field(default_factory=dict)  # sku -> owner id
    carriers: dict[str, int] = field(default_factory=dict)
    cartons: dict[str, int] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    lots: dict[tuple[str, str], int] = field(default_factory=dict)  # (sku, lot code) -> id
    lpns: dict[str, int] = field(default_factory=dict)
    at: datetime = NOW


def badge(user: str) -> str:
    """The badge label of a user of the small warehouse; the PIN of all is PIN."""
    return barcodes.label("BD", f"B.{user}")


def gtin(sku: str, level: str = "each") -> str:
    """The GTIN-14 of an item of the small warehouse."""
    number = list(ITEMS).index(sku) + 1
    body = f"{0 if level == 'each' else 1}952123400{number:03d}"
    return body + barcodes.gs1_check_digit(body)


def bin_label(code: str) -> str:
    return barcodes.label("BN", code)


@cache
def _pin() -> bytes:
    return pin_hash(PIN, b"salt of the test")


def stamp(world: World, user: str = "PIA", **changes: Any) -> Stamp:
    """A stamp with a fresh request key at the world's time; `changes` override any part."""
    values: dict[str, Any] = {
        "warehouse_id": world.warehouse_id,
        "at": world.at,
        "key": uuid7(),
        "user_id": world.users[user],
        "actor": f"user:{user}",
        "device": f"device-{user}",
    }
    return Stamp(**values | changes)


async def small_warehouse(db: Db, code: str = "W1") -> World:
    """One warehouse of 2 aisles, 20 pick bins and 8 reserve bins; 2 owners, 8 items, 10 users."""
    world = World(db)
    async with db.transaction() as tx:
        await _layout(tx, world, code)
        await _catalog(tx, world)
        await _people(tx, world)
        await _carriers(tx, world)
    return world


async def _layout(tx: Tx, world: World, code: str) -> None:
    world.warehouse_id = await insert(
        tx, master.warehouse, code=code, name=f"Warehouse {code}", timezone="Europe/Berlin",
        gs1_prefix="9521234",
    )  # fmt: skip
    wid = world.warehouse_id
    await insert(tx, master.wave_setting, returning="warehouse_id", warehouse_id=wid)
    zone_id = await insert(tx, master.zone, warehouse_id=wid, code="A", name="Shelves")
    world.zones["A"] = zone_id
    for y_mm in (0, 11_000):
        await insert(tx, master.cross_aisle, warehouse_id=wid, y_mm=y_mm)
    bins: list[dict[str, Any]] = []
    for number in (1, 2):
        x_mm = number * 3000
        aisle_id = await insert(
            tx, master.aisle, warehouse_id=wid, zone_id=zone_id, code=f"0{number}", x_mm=x_mm,
            y_from_mm=0, y_to_mm=11_000,
        )  # fmt: skip
        for bay in range(1, 11):
            place = {"zone_id": zone_id, "aisle_id": aisle_id, "x_mm": x_mm, "y_mm": bay * 1000}
            sequence = {"pick_sequence": number * 100 + bay}
            bins.append(_bin(f"A-0{number}-{bay:02d}", "pick", **place, **sequence))
            if bay % 3 == 1:
                bins.append(_bin(f"R-0{number}-{bay:02d}", "reserve", z_mm=3000, **place))
    for name, kind in (
        ("DOCK-1", "dock"), ("STAGE-IN", "stage_in"), ("CLARIFY", "clarify"), ("PACK-1", "pack"),
        ("OUT-PARCEL", "stage_out"), ("OUT-FREIGHT", "stage_out"), ("DOCK-PARCEL", "dock"),
        ("DOCK-FREIGHT", "dock"), ("SUPPLIER", "supplier"), ("CUSTOMER", "customer"),
        ("ADJUSTMENT", "adjustment"), ("SCRAP", "scrap"),
        *[(f"HAND-{user}", "hand") for user in USERS],
    ):  # fmt: skip
        bins.append(_bin(name, kind))
    await insert_many(tx, master.bin_, [{"warehouse_id": wid, **row} for row in bins])
    found = await tx.execute(
        sa.select(master.bin_.c.code, master.bin_.c.id).where(master.bin_.c.warehouse_id == wid)
    )
    world.bins = {row.code: row.id for row in found}


def _bin(code: str, kind: str, **columns: Any) -> dict[str, Any]:
    blank = {"zone_id": None, "aisle_id": None, "x_mm": 0, "y_mm": 0, "z_mm": 0, "pick_sequence": 0}
    return {
        "code": code, "kind": kind, "check_digits": barcodes.check_digits(code), **blank | columns,
    }  # fmt: skip


async def _catalog(tx: Tx, world: World) -> None:
    for code, name in OWNERS.items():
        world.owners[code] = await insert(tx, master.owner, code=code, name=name)
    for sku, (owner, description, columns) in ITEMS.items():
        owner_id = world.owners[owner]
        item_id = await insert(
            tx, master.item, owner_id=owner_id, sku=sku, description=description, **columns
        )
        world.items[sku], world.item_owners[sku] = item_id, owner_id
        length, width, height = SIZES_MM.get(sku, (120, 100, 80))
        levels = [("each", 1)] + ([("case", CASES[sku])] if sku in CASES else [])
        for level, qty in levels:
            await insert(
                tx, master.pack_level, returning="level", item_id=item_id, level=level,
                base_qty=qty, length_mm=length * (1 if qty == 1 else 3),
                width_mm=width * (1 if qty == 1 else 2), height_mm=height * (1 if qty == 1 else 2),
                weight_g=400 * qty,
            )  # fmt: skip
            await insert(
                tx, master.barcode, returning="value", value=gtin(sku, level), item_id=item_id,
                level=level,
            )  # fmt: skip
    for code, (length, width, height) in CARTONS.items():
        sides = {"length": length, "width": width, "height": height}
        world.cartons[code] = await insert(
            tx, master.carton_type, code=code, tare_g=150, gross_max_g=25_000,
            **{f"inner_{axis}_mm": side for axis, side in sides.items()},
            **{f"outer_{axis}_mm": side + 10 for axis, side in sides.items()},
        )  # fmt: skip


async def _people(tx: Tx, world: World) -> None:
    for code, roles in USERS.items():
        world.users[code] = await insert(
            tx, app_user, code=code, name=code.title(), badge_hash=secret_hash(badge(code)),
            pin_hash=_pin(), roles=roles,
        )  # fmt: skip


async def _carriers(tx: Tx, world: World) -> None:
    for code, at in CARRIERS.items():
        carrier_id = await insert(tx, master.carrier, code=code, name=code.title())
        world.carriers[code] = carrier_id
        await insert(
            tx, master.cutoff, warehouse_id=world.warehouse_id, carrier_id=carrier_id, at=at,
            dock_id=world.bins[f"DOCK-{code}"],
        )  # fmt: skip


async def plate(
    world: World, code: str, bin: str = "STAGE-IN", kind: str = "tote", state: str = "free"
) -> str:
    """A license plate standing in a bin; returns its label, which is its code: `TT-…` or `LP-…`."""
    label = barcodes.label("TT" if kind == "tote" else "LP", code)
    async with world.db.transaction() as tx:
        world.lpns[code] = await insert(
            tx, inventory.lpn, warehouse_id=world.warehouse_id, code=label, kind=kind, state=state,
            bin_id=world.bins[bin],
        )  # fmt: skip
    return label


async def lot_id(world: World, tx: Tx, sku: str, code: str, expires: date | None = None) -> int:
    """The lot's id, made when missing; expiry defaults to a year from the world's day."""
    known = world.lots.get((sku, code))
    if known is None:
        known = world.lots[sku, code] = await insert(
            tx, inventory.lot, warehouse_id=world.warehouse_id, owner_id=world.item_owners[sku],
            item_id=world.items[sku], code=code, received_at=world.at,
            expires_on=expires or world.at.date() + timedelta(days=365),
        )  # fmt: skip
    return known


async def stock(
    world: World,
    sku: str,
    bin: str,
    qty: int,
    lot: str = "",
    *,
    expires: date | None = None,
    serial: str = "",
    status: str = "available",
    lpn: str = "",
    at: datetime | None = None,
) -> int:
    """Receive goods from the supplier straight into a bin; returns the balance id.

    `lpn` names a plate made by `plate`; `at` is the receipt time that FIFO sees.
    """
    who = stamp(world, "RITA", at=at or world.at)
    async with world.db.transaction() as tx:
        goods = Goods(
            owner_id=world.item_owners[sku],
            item_id=world.items[sku],
            qty=qty,
            lot_id=await lot_id(world, tx, sku, lot, expires) if lot else None,
            serial=serial,
            status=status,
        )
        target = Place(world.bins[bin], world.lpns[lpn] if lpn else None)
        await ledger.move(tx, who, "receipt", goods, Place(world.bins["SUPPLIER"]), target)
        columns = inventory.balance.c
        found = await tx.execute(
            sa.select(columns.id).where(
                columns.warehouse_id == world.warehouse_id,
                columns.bin_id == target.bin_id,
                columns.lpn_id.is_not_distinct_from(target.lpn_id),
                columns.item_id == goods.item_id,
                columns.lot_id.is_not_distinct_from(goods.lot_id),
                columns.serial == serial,
                columns.status == status,
            )
        )
        return found.scalar_one()


async def asn(
    world: World, external_id: str, *lines: tuple[str, int], **columns: Any
) -> dict[str, Any]:
    """An announced delivery of (sku, quantity) lines of one owner; ids as {"id", "lines"}."""
    owner_id = world.item_owners[lines[0][0]]
    values = {"expected_at": world.at, "created_at": world.at, **columns}
    async with world.db.transaction() as tx:
        asn_id = await insert(
            tx, inbound.asn, warehouse_id=world.warehouse_id, owner_id=owner_id,
            external_id=external_id, **values,
        )  # fmt: skip
        ids = [
            await insert(
                tx, inbound.asn_line, warehouse_id=world.warehouse_id, asn_id=asn_id,
                line_no=str(number), item_id=world.items[sku], qty=qty,
            )
            for number, (sku, qty) in enumerate(lines, 1)
        ]  # fmt: skip
    return {"id": asn_id, "lines": ids}


async def order(
    world: World, external_id: str, *lines: tuple[str, int], carrier: str = "PARCEL", **columns: Any
) -> dict[str, Any]:
    """An open order of (sku, quantity) lines, all waiting; ids as {"id", "lines"}."""
    owner_id = world.item_owners[lines[0][0]]
    values = {"cutoff_at": world.at + timedelta(hours=6), "created_at": world.at, **columns}
    async with world.db.transaction() as tx:
        order_id = await insert(
            tx, outbound.outbound_order, warehouse_id=world.warehouse_id, owner_id=owner_id,
            external_id=external_id, carrier_id=world.carriers[carrier], **values,
        )  # fmt: skip
        ids = [
            await insert(
                tx, outbound.order_line, warehouse_id=world.warehouse_id, order_id=order_id,
                line_no=str(number), owner_id=owner_id, item_id=world.items[sku], ordered=qty,
                waiting=qty,
            )
            for number, (sku, qty) in enumerate(lines, 1)
        ]  # fmt: skip
    return {"id": order_id, "lines": ids}


async def scalar(world: World, statement: str, **values: Any) -> Any:
    """One value of a statement, `:w` bound to the warehouse."""
    async with world.db.reading() as tx:
        return (await tx.execute(sa.text(statement), {"w": world.warehouse_id, **values})).scalar()


async def on_hand(world: World, sku: str, bin: str) -> int:
    """What the ledger holds of an item in a bin, over all lots, plates and statuses."""
    return await scalar(
        world,
        "SELECT coalesce(sum(on_hand), 0) FROM balance"
        " WHERE warehouse_id = :w AND bin_id = :bin AND item_id = :item",
        bin=world.bins[bin],
        item=world.items[sku],
    )


async def sign_in(world: World, user: str, device: str = "") -> str:
    """A session token of a user of the small warehouse, as the sign-in page would make it."""
    async with world.db.transaction() as tx:
        attempt = await signin.start_attempt(tx, badge(user), PIN)
    async with world.db.transaction() as tx:
        return await signin.open_session(tx, attempt, device or f"device-{user}", "W1", world.at)


async def small_warehouse_at(url: str) -> World:
    """The small warehouse in the database at `url`; close `world.db` afterwards."""
    return await small_warehouse(Db(url))
