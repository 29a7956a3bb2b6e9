"""What carriers say of shipments that left: milestones, proofs of delivery, connections.

Milestones that name a shipment of this house are floor rows; those that name none yet wait in
`milestone_parked`, which belongs to no warehouse because nobody knows which one is meant.
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
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from wms.db import col, floor_key, floor_table, metadata

POD_KINDS = ("signature", "photo", "edi", "scan")
MESSAGE_STATES = ("received", "done", "failed")

milestone = floor_table(
    "milestone",  # append-only: one carrier status of one carton
    col("dedupe_key", LargeBinary),  # sha256 of what makes it the same status, sent again
    col("order_id", BigInteger),
    col("load_id", BigInteger),  # 0 while its carton is on no load
    col("lpn_id", BigInteger),
    col("source", Text),
    col("carrier", Text),
    col("tracking_no", Text),
    col("code", Text),  # canonical; `other` where the mapping knows no better
    col("raw_code", Text),
    col("reason", Text, default="''"),
    col("occurred_at", DateTime(timezone=True)),
    col("utc_offset_min", Integer, default="0"),  # the clock of the place where it happened
    col("received_at", DateTime(timezone=True)),
    col("place", Text, default="''"),
    col("estimated_at", DateTime(timezone=True), null=True),
    col("out_of_order", Boolean, default="false"),
    col("doubt", Text, default="''"),  # kept, and not used for the state: future, before_departure
    floor_key("order_id", "outbound_order"),
    floor_key("lpn_id", "lpn"),
    UniqueConstraint("warehouse_id", "dedupe_key"),
    Index("milestone_shipment_ix", "warehouse_id", "order_id", "load_id", "occurred_at", "id"),
)

milestone_parked = Table(
    "milestone_parked",  # of a tracking number that no carton has yet
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    col("dedupe_key", LargeBinary, unique=True),
    col("client", Text),
    col("warehouse_ids", ARRAY(Integer)),
    col("owner_ids", ARRAY(BigInteger)),
    col("tracking_no", Text),
    col("document", JSONB),
    col("received_at", DateTime(timezone=True)),
    Index("milestone_parked_tracking_ix", "tracking_no"),
    Index("milestone_parked_received_ix", "received_at"),
)

milestone_code = Table(
    "milestone_code",  # a carrier's own words for a canonical code
    metadata,
    Column("source", Text, primary_key=True),
    Column("raw_code", Text, primary_key=True),
    col("code", Text),
)

pod = floor_table(
    "pod",  # proof of delivery, as it came
    col("order_id", BigInteger),
    col("load_id", BigInteger),
    col("sha256", LargeBinary),
    col("kind", Text),
    col("media", Text),
    col("name", Text, default="''"),
    col("bytes", LargeBinary),
    col("signed_by", Text, default="''"),
    col("at", DateTime(timezone=True)),
    col("clean", Boolean, default="true"),
    col("exceptions", JSONB, default="'[]'"),
    col("received_at", DateTime(timezone=True)),
    CheckConstraint(f"kind in {POD_KINDS}", name="kind_known"),
    floor_key("order_id", "outbound_order"),
    UniqueConstraint("warehouse_id", "order_id", "load_id", "sha256"),
)

hook_connection = Table(
    "hook_connection",  # somebody who calls us with signed webhooks
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    col("code", Text, unique=True),
    col("client", Text),
    col("warehouse_ids", ARRAY(Integer)),
    col("owner_ids", ARRAY(BigInteger)),
    col("source", Text),
    col("members", JSONB, default="'{}'"),  # our member -> JSON Pointer into their body
    col("kid", Text),
    col("sealed", LargeBinary),
    col("active", Boolean, default="true"),
)

hook_message = Table(
    "hook_message",  # every signed call, as it came
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    col("connection_id", BigInteger, ForeignKey("hook_connection.id")),
    col("message_id", Text),
    col("body", LargeBinary),
    col("state", Text, default="'received'"),
    col("report", JSONB, default="'[]'"),
    col("received_at", DateTime(timezone=True)),
    CheckConstraint(f"state in {MESSAGE_STATES}", name="state_known"),
    UniqueConstraint("connection_id", "message_id"),
)
