"""Cycle counts: asked for with a cause, counted blind, recounted, posted as adjustments."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    text,
)

from wms.db import col, floor_key, floor_table

COUNT_STATES = ("requested", "recount", "review", "posted", "cancelled")

count = floor_table(
    "count",
    col("bin_id", BigInteger),
    col("state", Text, default="'requested'"),
    col("cause", Text),  # short | zero | plan | supervisor | dispute
    col("round", SmallInteger, default="1"),
    col("requested_at", DateTime(timezone=True)),
    col("requested_by", BigInteger, ForeignKey("app_user.id"), null=True),
    col("counted_by", BigInteger, ForeignKey("app_user.id"), null=True),
    col("decided_by", BigInteger, ForeignKey("app_user.id"), null=True),
    col("posted_at", DateTime(timezone=True), null=True),
    CheckConstraint(f"state in {COUNT_STATES}", name="state_known"),
    CheckConstraint(
        "decided_by is null or counted_by is null or decided_by <> counted_by",
        name="never_approved_by_the_counter",
    ),
    floor_key("bin_id", "bin"),
    Index("count_one_open_per_bin", "warehouse_id", "bin_id", unique=True, postgresql_where=text(
        "state in ('requested', 'recount', 'review')")),
)  # fmt: skip

count_line = floor_table(
    "count_line",
    col("count_id", BigInteger),
    col("round", SmallInteger),
    col("owner_id", BigInteger),
    col("item_id", BigInteger),
    col("lot_id", BigInteger, null=True),
    col("lpn_id", BigInteger, null=True),
    col("serial", Text, default="''"),
    col("booked", Integer),  # ledger number when the bin was counted
    col("counted", Integer),
    col("user_id", BigInteger, ForeignKey("app_user.id")),
    col("at", DateTime(timezone=True)),
    CheckConstraint("booked >= 0 and counted >= 0", name="never_negative"),
    floor_key("count_id", "count"),
    Index("count_line_count_ix", "warehouse_id", "count_id"),
)
