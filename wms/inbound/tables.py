"""Announced deliveries (ASN), what really came (receipt lines), and bins that are seen full."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from wms.db import col, floor_key, floor_table, metadata

INBOUND_KINDS = ("asn", "po", "transfer")
ASN_STATES = ("open", "receiving", "closed", "cancelled")
CONDITIONS = ("good", "damaged", "over", "unknown")

asn = floor_table(
    "asn",
    col("owner_id", BigInteger, ForeignKey("owner.id")),
    col("external_id", Text),
    col("kind", Text, default="'asn'"),
    col("supplier", Text, default="''"),
    col("state", Text, default="'open'"),
    col("version", Integer, default="1"),
    col("source_version", BigInteger, default="0"),
    col("expected_at", DateTime(timezone=True)),
    col("dock_id", BigInteger, null=True),
    col("over_tolerance_pct", Integer, default="0"),
    col("correlation_id", Text, default="''"),
    col("created_at", DateTime(timezone=True)),
    col("started_at", DateTime(timezone=True), null=True),
    col("closed_at", DateTime(timezone=True), null=True),
    CheckConstraint(f"state in {ASN_STATES}", name="state_known"),
    CheckConstraint(f"kind in {INBOUND_KINDS}", name="kind_known"),
    floor_key("dock_id", "bin"),
    UniqueConstraint("warehouse_id", "owner_id", "external_id"),
    Index("asn_open_ix", "warehouse_id", "expected_at", postgresql_where=text(
        "state in ('open', 'receiving')")),
)  # fmt: skip

asn_line = floor_table(
    "asn_line",
    col("asn_id", BigInteger),
    col("line_no", Text),
    col("item_id", BigInteger, ForeignKey("item.id")),
    col("qty", Integer),
    col("received", Integer, default="0"),  # good and damaged units booked against this line
    col("lot_code", Text, default="''"),
    col("expires_on", Date, null=True),
    col("sscc", Text, default="''"),  # announced logistic unit that carries the line
    CheckConstraint("qty > 0", name="qty_positive"),
    CheckConstraint("received >= 0", name="received_never_negative"),
    floor_key("asn_id", "asn"),
    UniqueConstraint("warehouse_id", "asn_id", "line_no"),
    Index("asn_line_sscc_ix", "warehouse_id", "sscc", postgresql_where=text("sscc <> ''")),
)

receipt_line = floor_table(
    "receipt_line",  # append-only: one receiving act
    col("asn_id", BigInteger),
    col("asn_line_id", BigInteger, null=True),
    col("at", DateTime(timezone=True)),
    col("user_id", BigInteger, ForeignKey("app_user.id"), null=True),
    col("owner_id", BigInteger),
    col("item_id", BigInteger),
    col("lot_id", BigInteger, null=True),
    col("lpn_id", BigInteger),
    col("qty", Integer),
    col("condition", Text, default="'good'"),
    col("scan_key", Uuid, null=True),
    CheckConstraint("qty > 0", name="qty_positive"),
    CheckConstraint(f"condition in {CONDITIONS}", name="condition_known"),
    ForeignKeyConstraint(["item_id", "owner_id"], ["item.id", "item.owner_id"]),
    floor_key("asn_id", "asn"),
    floor_key("asn_line_id", "asn_line"),
    floor_key("lpn_id", "lpn"),
    Index("receipt_line_asn_ix", "warehouse_id", "asn_id"),
    Index("receipt_line_lpn_ix", "warehouse_id", "lpn_id"),
)

bin_full = Table(
    "bin_full",  # a bin that somebody saw full: what it held then is its capacity from then on
    metadata,
    Column("warehouse_id", Integer, ForeignKey("warehouse.id"), primary_key=True),
    Column("bin_id", BigInteger, primary_key=True),
    col("full_mm3", BigInteger),
    col("seen_at", DateTime(timezone=True)),
    col("seen_by", BigInteger, ForeignKey("app_user.id"), null=True),
    floor_key("bin_id", "bin"),
)

APPOINTMENT_STATES = ("booked", "arrived", "completed", "missed", "cancelled")

appointment = floor_table(
    "appointment",  # a carrier's time at a dock
    col("external_id", Text),
    col("client", Text),  # who made it
    col("state", Text, default="'booked'"),
    col("version", Integer, default="1"),
    col("source_version", BigInteger, default="0"),
    col("carrier_id", BigInteger, ForeignKey("carrier.id")),
    col("dock_id", BigInteger),
    col("direction", Text, default="'inbound'"),
    col("starts_at", DateTime(timezone=True)),
    col("ends_at", DateTime(timezone=True)),
    col("trailer_no", Text, default="''"),
    col("reason", Text, default="''"),
    col("arrived_at", DateTime(timezone=True), null=True),
    col("closed_at", DateTime(timezone=True), null=True),
    CheckConstraint(f"state in {APPOINTMENT_STATES}", name="state_known"),
    CheckConstraint("direction in ('inbound', 'outbound')", name="direction_known"),
    CheckConstraint("ends_at > starts_at", name="window_has_length"),
    floor_key("dock_id", "bin"),
    UniqueConstraint("warehouse_id", "external_id"),
    Index("appointment_start_ix", "warehouse_id", "starts_at", "id"),
)

appointment_asn = Table(
    "appointment_asn",  # what an appointment brings
    metadata,
    Column("warehouse_id", Integer, ForeignKey("warehouse.id"), primary_key=True),
    Column("appointment_id", BigInteger, primary_key=True),
    Column("asn_id", BigInteger, primary_key=True),
    floor_key("appointment_id", "appointment"),
    floor_key("asn_id", "asn"),
)

dock_slot = Table(
    "dock_slot",  # a quarter of an hour at a dock; the key lets nobody book it twice
    metadata,
    Column("warehouse_id", Integer, ForeignKey("warehouse.id"), primary_key=True),
    Column("dock_id", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    col("appointment_id", BigInteger),
    CheckConstraint("date_bin('15 minutes', at, '2000-01-01Z') = at", name="quarter_of_an_hour"),
    floor_key("dock_id", "bin"),
    floor_key("appointment_id", "appointment"),
    Index("dock_slot_appointment_ix", "warehouse_id", "appointment_id"),
)
