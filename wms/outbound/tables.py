"""Orders and their lines, waves, loads.

The parts of an order line always add up to what was ordered (a CHECK), so no unit can be lost
between promise and truck: waiting -> allocated -> picked -> packed -> shipped, or short, cancelled.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from wms.db import col, floor_key, floor_table, metadata

ORDER_STATES = (
    "open", "held", "released", "picking", "picked", "packed", "shipped", "shorted", "cancelled",
)  # fmt: skip
WAVE_STATES = ("planning", "released", "complete", "pulled")
LOAD_STATES = ("open", "departed")
LINE_PARTS = ("waiting", "allocated", "picked", "packed", "shipped", "short", "cancelled")

outbound_order = floor_table(
    "outbound_order",
    col("owner_id", BigInteger, ForeignKey("owner.id")),
    col("external_id", Text),
    col("state", Text, default="'open'"),
    col("hold_reason", Text, default="''"),
    col("cancel_requested", Text, default="''"),  # reason, once asked for
    col("version", Integer, default="1"),
    col("source_version", BigInteger, default="0"),
    col("priority", SmallInteger, default="0"),
    col("allow_partial", Boolean, default="true"),  # else it is released whole or not at all
    col("carrier_id", BigInteger, ForeignKey("carrier.id")),
    col("service", Text, default="'standard'"),
    col("cutoff_at", DateTime(timezone=True)),
    col("ship_to", JSONB, default="'{}'"),
    col("wave_id", BigInteger, null=True),
    col("picks_open", Integer, default="0"),  # open pick tasks; reaching 0 makes it picked
    col("cause", Text, default="''"),  # why it is not further: machine-readable
    col("correlation_id", Text, default="''"),
    col("created_at", DateTime(timezone=True)),
    col("shipped_at", DateTime(timezone=True), null=True),
    CheckConstraint(f"state in {ORDER_STATES}", name="state_known"),
    CheckConstraint("picks_open >= 0", name="picks_open_never_negative"),
    floor_key("wave_id", "wave"),
    UniqueConstraint("warehouse_id", "owner_id", "external_id"),
    Index("outbound_order_open_ix", "warehouse_id", "cutoff_at", "id", postgresql_where=text(
        "state not in ('shipped', 'shorted', 'cancelled')")),
    Index("outbound_order_cutoff_ix", "warehouse_id", "cutoff_at", "id"),
    Index("outbound_order_wave_ix", "warehouse_id", "wave_id", postgresql_where=text(
        "wave_id is not null")),
)  # fmt: skip

order_cancel = floor_table(
    "order_cancel",  # what partners asked to cancel; not applied: the order is not known yet
    col("owner_id", BigInteger, ForeignKey("owner.id")),
    col("external_id", Text),
    col("cancel_ref", Text),
    col("client", Text),
    col("reason", Text),
    col("lines", JSONB, default="'[]'"),
    col("at", DateTime(timezone=True)),
    col("applied_at", DateTime(timezone=True), null=True),
    col("answer", Text),
    UniqueConstraint("warehouse_id", "owner_id", "external_id", "cancel_ref"),
)

order_line = floor_table(
    "order_line",
    col("order_id", BigInteger),
    col("line_no", Text),
    col("owner_id", BigInteger),
    col("item_id", BigInteger),
    col("ordered", Integer),
    *[col(part, Integer, default="0") for part in LINE_PARTS],
    col("promised", Integer, default="0"),  # soft promise inside `waiting`
    CheckConstraint("ordered > 0", name="ordered_positive"),
    CheckConstraint(" + ".join(LINE_PARTS) + " = ordered", name="parts_add_up"),
    CheckConstraint(
        " and ".join(f"{part} >= 0" for part in LINE_PARTS), name="parts_never_negative"
    ),
    CheckConstraint("promised between 0 and waiting", name="promise_within_waiting"),
    ForeignKeyConstraint(["item_id", "owner_id"], ["item.id", "item.owner_id"]),
    floor_key("order_id", "outbound_order"),
    UniqueConstraint("warehouse_id", "order_id", "line_no"),
    Index("order_line_promised_ix", "warehouse_id", "item_id", postgresql_where=text(
        "promised > 0")),
)  # fmt: skip

wave = floor_table(
    "wave",
    col("state", Text, default="'planning'"),
    col("cutoff_at", DateTime(timezone=True)),
    col("created_at", DateTime(timezone=True)),
    col("created_by", BigInteger, ForeignKey("app_user.id"), null=True),
    col("released_at", DateTime(timezone=True), null=True),
    col("done_at", DateTime(timezone=True), null=True),
    col("plan", JSONB, default="'{}'"),  # what the planner answered: metres, tours, seconds
    CheckConstraint(f"state in {WAVE_STATES}", name="state_known"),
)

planned_carton = floor_table(
    "planned_carton",  # what cartonization proposed for an order; packers may override
    col("order_id", BigInteger),
    col("number", SmallInteger),
    col("carton_type_id", BigInteger, ForeignKey("carton_type.id")),
    col("placements", JSONB, default="'[]'"),
    col("weight_g", Integer, default="0"),
    floor_key("order_id", "outbound_order"),
    UniqueConstraint("warehouse_id", "order_id", "number"),
)

load = floor_table(
    "load",
    col("carrier_id", BigInteger, ForeignKey("carrier.id")),
    col("dock_id", BigInteger),
    col("state", Text, default="'open'"),
    col("opened_at", DateTime(timezone=True)),
    col("departed_at", DateTime(timezone=True), null=True),
    col("seal", Text, default="''"),
    col("tour_id", BigInteger, null=True),  # the work of loading it
    CheckConstraint(f"state in {LOAD_STATES}", name="state_known"),
    floor_key("dock_id", "bin"),
    floor_key("tour_id", "tour"),
    UniqueConstraint("warehouse_id", "tour_id"),
    Index("load_one_open_per_carrier", "warehouse_id", "carrier_id", unique=True,
          postgresql_where=text("state = 'open'")),
)  # fmt: skip

shipment_carton = floor_table(
    "shipment_carton",  # a closed carton: label, weight, and the load that took it
    col("order_id", BigInteger),
    col("lpn_id", BigInteger),
    col("sscc", Text),
    col("tracking_no", Text),
    col("carrier_id", BigInteger, ForeignKey("carrier.id")),
    col("carton_type_id", BigInteger, ForeignKey("carton_type.id")),
    col("weight_g", Integer),
    col("load_id", BigInteger, null=True),
    col("closed_at", DateTime(timezone=True)),
    floor_key("order_id", "outbound_order"),
    floor_key("lpn_id", "lpn"),
    floor_key("load_id", "load"),
    UniqueConstraint("warehouse_id", "lpn_id"),
    UniqueConstraint("warehouse_id", "sscc"),
    Index("shipment_carton_order_ix", "warehouse_id", "order_id"),
    Index("shipment_carton_load_ix", "warehouse_id", "load_id"),
    Index("shipment_carton_tracking_ix", "warehouse_id", "tracking_no"),
    Index("shipment_carton_waiting_ix", "warehouse_id", "carrier_id", postgresql_where=text(
        "load_id is null")),
)

stock_level = Table(
    "stock_level",  # what was told of an item last: only what differs is told again
    metadata,
    Column("warehouse_id", Integer, ForeignKey("warehouse.id"), primary_key=True),
    Column("item_id", BigInteger, ForeignKey("item.id"), primary_key=True, autoincrement=False),
    col("version", BigInteger),
    col("as_of_pos", BigInteger),
    col("numbers", JSONB),
)

stock_level_cursor = Table(
    "stock_level_cursor",  # how far the event log was read for levels, and items were swept
    metadata,
    Column("warehouse_id", Integer, ForeignKey("warehouse.id"), primary_key=True),
    col("pos", BigInteger),
    col("swept_item_id", BigInteger, default="0"),
)
