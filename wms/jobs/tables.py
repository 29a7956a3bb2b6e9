"""Jobs: many lines that a partner sent at once, done in chunks, with their outcomes.

And every request that brought a document, as it came."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from wms.db import col, floor_key, floor_table

KEPT_STATES = ("received", "done", "refused", "failed")

job = floor_table(
    "job",
    col("client", Text),
    col("owner_ids", ARRAY(BigInteger)),  # what the client's key opened when it asked
    col("kind", Text),
    col("owner", Text, default="''"),  # the one of the path, for items
    col("mode", Text),
    col("state", Text, default="'waiting'"),
    col("correlation_id", Text, default="''"),
    *[col(name, Integer, default="0") for name in ("lines", "done", "accepted", "rejected")],
    col("errors", JSONB, default="'[]'"),  # the first hundred
    col("created_at", DateTime(timezone=True)),
    col("started_at", DateTime(timezone=True), null=True),
    col("finished_at", DateTime(timezone=True), null=True),
    CheckConstraint("state in ('waiting', 'running', 'done')", name="state_known"),
    Index("job_open_ix", "warehouse_id", "id", postgresql_where=text("state <> 'done'")),
)

job_chunk = floor_table(
    "job_chunk",  # a run of lines; its outcomes are written with their effect
    col("job_id", BigInteger),
    col("first_line", Integer),
    col("lines", Text),
    col("outcomes", Text, null=True),
    floor_key("job_id", "job"),
    UniqueConstraint("warehouse_id", "job_id", "first_line"),
)

inbound_kept = floor_table(
    "inbound_kept",  # a request that brings a document, byte for byte, before anybody reads it
    col("request_id", UUID),  # as the sender was told in X-Request-Id
    col("sender", Text),  # code of the partner
    col("owner_ids", ARRAY(BigInteger)),  # what its key opened when it asked; none: all
    col("method", Text),
    col("target", Text),  # path and query
    col("media", Text),
    col("subject", Text),  # what an exception about it is called; empty: letters tell of it
    col("correlation_id", Text, default="''"),
    col("size", Integer),
    col("body", LargeBinary),  # emptied when it is done and large
    col("state", Text, default="'received'"),
    col("status", SmallInteger, null=True),  # of the answer
    col("answer", Text, default="''"),  # what a refusal said
    col("original_id", BigInteger, null=True),  # the one that a person sent again
    col("sent_by", Text, default="''"),  # user:<code>, then
    col("at", DateTime(timezone=True)),
    col("settled_at", DateTime(timezone=True), null=True),
    CheckConstraint(f"state in {KEPT_STATES}", name="state_known"),
    floor_key("original_id", "inbound_kept"),
    Index("inbound_kept_at_ix", "warehouse_id", "at"),
    Index("inbound_kept_trouble_ix", "warehouse_id", "id", postgresql_where=text(
        "state <> 'done'")),
    Index("inbound_kept_original_ix", "warehouse_id", "original_id", postgresql_where=text(
        "original_id IS NOT NULL")),
)  # fmt: skip
