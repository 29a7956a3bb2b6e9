"""Warehouses and their layout (floor tables), and the small global master data.

Quantities are integers in the item's base unit; lengths mm, weights g, volumes mm3.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Time,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from wms.db import col, floor_key, floor_table, metadata


def _global(name: str, *parts: object) -> Table:
    return Table(name, metadata, Column("id", BigInteger, Identity(), primary_key=True), *parts)  # type: ignore[arg-type]


warehouse = Table(
    "warehouse",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    col("code", Text, unique=True),
    col("name", Text),
    col("timezone", Text, default="'UTC'"),
    col("gs1_prefix", Text, default="'0000000'"),  # company prefix of the SSCCs we issue
)

owner = _global(
    "owner",
    col("code", Text, unique=True),
    col("name", Text),
)

item = _global(
    "item",
    col("owner_id", BigInteger, ForeignKey("owner.id")),
    col("sku", Text),
    col("description", Text),
    col("lot_tracked", Boolean, default="false"),
    col("serial_tracked", Boolean, default="false"),
    col("expiry_tracked", Boolean, default="false"),
    col("min_days_receipt", Integer, default="0"),  # remaining shelf life asked at receipt
    col("rotation", Text, default="'fifo'"),
    col("fragile", Boolean, default="false"),
    col("upright", Boolean, default="false"),
    col("flat", Boolean, default="false"),  # lies on its largest side
    col("own_container", Boolean, default="false"),  # ships in its own package
    col("carton_qty_max", Integer, null=True),  # most of it in one carton; null is no limit
    col("separation", Text, default="''"),  # hazard or temperature class that must not mix
    col("velocity", Text, default="'c'"),  # a fast, b medium, c slow
    col("version", Integer, default="1"),
    col("updated_at", DateTime(timezone=True), default="now()"),
    CheckConstraint("rotation in ('fefo','fifo')", name="rotation_known"),
    CheckConstraint("velocity in ('a','b','c')", name="velocity_known"),
    CheckConstraint("not expiry_tracked or lot_tracked", name="expiry_belongs_to_a_lot"),
    CheckConstraint("not (upright and flat)", name="stands_one_way"),
    CheckConstraint("carton_qty_max > 0", name="carton_qty_max_positive"),
    UniqueConstraint("owner_id", "sku"),
    UniqueConstraint("id", "owner_id"),
    Index("item_updated_ix", "owner_id", "updated_at", "id"),
)

item_source = Table(
    "item_source",  # the newest version of each sender of an item
    metadata,
    Column("item_id", BigInteger, ForeignKey("item.id"), primary_key=True),
    Column("source", Text, primary_key=True),
    col("source_version", BigInteger),
)

item_field_owner = Table(
    "item_field_owner",  # which sender may set a class of fields; others propose
    metadata,
    Column("owner_id", BigInteger, ForeignKey("owner.id"), primary_key=True),
    Column("field_class", Text, primary_key=True),
    col("source", Text),
)

item_proposal = _global(
    "item_proposal",
    col("item_id", BigInteger, ForeignKey("item.id")),
    col("field", Text),  # see item_documents.flat
    col("value", JSONB),
    col("source", Text),
    col("state", Text, default="'open'"),
    col("at", DateTime(timezone=True)),
    col("decided_at", DateTime(timezone=True), null=True),
    col("decided_by", Text, default="''"),
    CheckConstraint("state in ('open', 'accepted', 'declined')", name="state_known"),
    Index("item_proposal_open_ix", "item_id", "field", "source", unique=True,
          postgresql_where=text("state = 'open'")),
)  # fmt: skip

party = _global(
    "party",  # a consignee or supplier as its owner knows it
    col("owner_id", BigInteger, ForeignKey("owner.id")),
    col("external_id", Text),
    col("document", JSONB),
    col("version", Integer, default="1"),
    col("source_version", BigInteger, default="0"),
    col("updated_at", DateTime(timezone=True), default="now()"),
    UniqueConstraint("owner_id", "external_id"),
    Index("party_updated_ix", "owner_id", "updated_at", "id"),
)

pack_level = Table(
    "pack_level",
    metadata,
    Column("item_id", BigInteger, ForeignKey("item.id"), primary_key=True),
    Column("level", Text, primary_key=True),
    col("base_qty", Integer),
    col("length_mm", Integer),
    col("width_mm", Integer),
    col("height_mm", Integer),
    col("weight_g", Integer),
    col("load_max_g", Integer, null=True),  # most that may rest on one; null is no limit
    CheckConstraint("level in ('each','inner','case','pallet')", name="level_known"),
    CheckConstraint("base_qty > 0", name="base_qty_positive"),
    CheckConstraint("level <> 'each' or base_qty = 1", name="each_is_one"),
    CheckConstraint("load_max_g >= 0", name="load_max_not_negative"),
)

barcode = Table(
    "barcode",
    metadata,
    Column("value", Text, primary_key=True),  # normal form, see wms.barcodes.read
    Column("item_id", BigInteger, ForeignKey("item.id"), primary_key=True),
    col("level", Text),
    Index("barcode_item_id_ix", "item_id"),
)

carton_type = _global(
    "carton_type",
    col("code", Text, unique=True),
    *[
        col(f"{side}_{axis}_mm", Integer)
        for side in ("inner", "outer")
        for axis in ("length", "width", "height")
    ],
    col("tare_g", Integer),
    col("gross_max_g", Integer),
    col("cost_minor", Integer, default="0"),
)

carrier = _global("carrier", col("code", Text, unique=True), col("name", Text))

cutoff = floor_table(
    "cutoff",
    col("carrier_id", BigInteger, ForeignKey("carrier.id")),
    col("service", Text, default="'standard'"),
    col("at", Time),  # local time of the warehouse
    col("dock_id", BigInteger),
    floor_key("dock_id", "bin"),
    UniqueConstraint("warehouse_id", "carrier_id", "service"),
)

zone = floor_table(
    "zone", col("code", Text), col("name", Text), UniqueConstraint("warehouse_id", "code")
)

aisle = floor_table(
    "aisle",
    col("zone_id", BigInteger),
    col("code", Text),
    col("x_mm", Integer),
    col("y_from_mm", Integer),
    col("y_to_mm", Integer),
    col("direction", Text, default="'both'"),
    col("blocked", Boolean, default="false"),
    CheckConstraint("direction in ('both','up','down')", name="direction_known"),
    floor_key("zone_id", "zone"),
    UniqueConstraint("warehouse_id", "code"),
)

cross_aisle = floor_table(
    "cross_aisle", col("y_mm", Integer), UniqueConstraint("warehouse_id", "y_mm")
)

BIN_KINDS = (
    "pick", "reserve",  # storage
    "dock", "stage_in", "clarify", "hand", "pack", "stage_out",  # real places goods pass through
    "supplier", "customer", "adjustment", "scrap",  # virtual: the world outside the ledger
)  # fmt: skip
VIRTUAL_KINDS = BIN_KINDS[-4:]

bin_ = floor_table(
    "bin",
    col("zone_id", BigInteger, null=True),
    col("aisle_id", BigInteger, null=True),
    col("code", Text),
    col("kind", Text),
    col("x_mm", Integer, default="0"),
    col("y_mm", Integer, default="0"),
    col("z_mm", Integer, default="0"),
    col("pick_sequence", Integer, default="0"),
    col("check_digits", Text, default="''"),
    col("capacity_mm3", BigInteger, null=True),
    col("capacity_g", BigInteger, null=True),
    col("capacity_lpns", SmallInteger, null=True),
    col("mix_items", Boolean, default="true"),
    col("mix_lots", Boolean, default="true"),
    col("blocked", Boolean, default="false"),
    col("version", Integer, default="1"),
    col("source_version", BigInteger, default="0"),
    col("updated_at", DateTime(timezone=True), default="now()"),
    CheckConstraint(f"kind in {BIN_KINDS}", name="kind_known"),
    floor_key("zone_id", "zone"),
    floor_key("aisle_id", "aisle"),
    UniqueConstraint("warehouse_id", "code"),
    Index("bin_warehouse_id_kind_ix", "warehouse_id", "kind"),
    Index("bin_updated_ix", "warehouse_id", "updated_at", "id"),
)

wave_setting = Table(
    "wave_setting",  # one row a warehouse: how pick tours are built
    metadata,
    Column("warehouse_id", Integer, ForeignKey("warehouse.id"), primary_key=True),
    col("cart_slots", SmallInteger, default="8"),
    col("tote_mm3", BigInteger, default="60000000"),
    col("tote_g", Integer, default="20000"),
    col("plan_seconds", SmallInteger, default="5"),
)
