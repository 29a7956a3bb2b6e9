"""Cycle counts: asked for with a cause, counted blind, recounted, posted as adjustments."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from wms.db import col, floor_key, floor_table

REQUEST_STATES = ("posted", "counting", "waiting", "refused")
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

adjustment_request = floor_table(
    "adjustment_request",  # a correction that another system asks for, and what became of it
    col("client", Text),
    col("request_id", Text),
    col("fingerprint", LargeBinary),  # of the document: the same id may not ask for another thing
    col("state", Text),
    col("owner_id", BigInteger, ForeignKey("owner.id")),
    col("item_id", BigInteger, ForeignKey("item.id")),
    col("bin_id", BigInteger, null=True),
    col("lot_code", Text, default="''"),
    col("serial", Text, default="''"),
    col("status", Text, default="'available'"),
    col("to_status", Text, default="''"),  # empty: the quantity changes, not the status
    col("qty", Integer),  # signed when the quantity changes
    col("reason", Text),
    col("note", Text, default="''"),
    col("count_ids", ARRAY(BigInteger), default="'{}'"),
    col("requested_at", DateTime(timezone=True)),
    col("decided_at", DateTime(timezone=True), null=True),
    col("decided_by", BigInteger, ForeignKey("app_user.id"), null=True),
    CheckConstraint(f"state in {REQUEST_STATES}", name="state_known"),
    CheckConstraint("qty <> 0", name="asks_for_something"),
    CheckConstraint("to_status = '' or qty > 0", name="a_status_is_given_to_units"),
    floor_key("bin_id", "bin"),
    UniqueConstraint("warehouse_id", "client", "request_id"),
    Index("adjustment_request_waiting_ix", "warehouse_id", "id", postgresql_where=text(
        "state = 'waiting'")),
)  # fmt: skip
