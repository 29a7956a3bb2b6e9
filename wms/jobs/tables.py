"""Jobs: many lines that a partner sent at once, done in chunks, with their outcomes."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from wms.db import col, floor_key, floor_table

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
