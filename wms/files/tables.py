"""Files as they came, what became of them, and how columns of partners become members of ours."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from wms.db import col, floor_table, metadata

FILE_KINDS = ("orders", "asns", "items", "milestones")
FILE_MODES = ("atomic", "partial")
FILE_STATES = ("received", "checked", "done", "partial", "failed")

inbound_file = floor_table(
    "inbound_file",
    col("sender", Text),  # partner:<code>, user:<code> or drop:<folder>
    col("owner_ids", ARRAY(BigInteger), default="'{}'"),  # what the sender may touch; none: all
    col("kind", Text),  # as its sender said; one that nobody knows fails when it is read
    col("name", Text),
    col("mapping", Text, default="''"),  # as that
    col("mode", Text),
    col("dry_run", Boolean, default="false"),
    col("sha256", LargeBinary),
    col("control_no", Text, default="''"),
    col("bytes", LargeBinary),
    col("state", Text, default="'received'"),
    col("report", JSONB, default="'{}'"),  # counts, and the first errors
    col("errors", Text, default="''"),  # NDJSON: a line for each document that did not go in
    col("received_at", DateTime(timezone=True)),
    col("claimed_until", DateTime(timezone=True), null=True),
    col("done_at", DateTime(timezone=True), null=True),
    col("tries", Integer, default="0"),
    CheckConstraint(f"mode in {FILE_MODES}", name="mode_known"),
    CheckConstraint(f"state in {FILE_STATES}", name="state_known"),
    Index("inbound_file_once", "warehouse_id", "sender", "kind", "sha256", unique=True,
          postgresql_where=text("not dry_run")),
    Index("inbound_file_control_once", "warehouse_id", "sender", "kind", "control_no",
          unique=True, postgresql_where=text(
              "control_no <> '' and state in ('done', 'partial')")),
    Index("inbound_file_open_ix", "warehouse_id", "received_at", postgresql_where=text(
        "state = 'received'")),
)  # fmt: skip

file_mapping = Table(
    "file_mapping",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    col("client", Text),  # whose; an empty one is everybody's
    col("name", Text),
    col("version", Integer, default="1"),
    col("kind", Text),
    col("mapping", JSONB),
    col("changed_at", DateTime(timezone=True)),
    UniqueConstraint("client", "name"),
    CheckConstraint(f"kind in {FILE_KINDS}", name="kind_known"),
)
