"""Exceptions with an owner and a due time, their history, and inbound documents that failed."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from wms.db import col, floor_key, floor_table, metadata

STATES = ("open", "resolved", "discarded")
SEVERITIES = ("low", "normal", "high", "critical")
LETTER_STATES = ("failed", "superseded", "accepted", "discarded")

exception = floor_table(
    "exception",  # one row a (code, subject): the same trouble again re-opens it
    col("code", Text),
    col("subject", Text),
    col("owner", Text, default="''"),  # stock owner's code
    col("team", Text),
    col("severity", Text),
    col("state", Text, default="'open'"),
    col("facts", JSONB, default="'{}'"),
    col("screen", Text, default="''"),  # where a person looks at the cause
    col("times", Integer, default="1"),  # how often it was reported
    col("reopened", Integer, default="0"),
    col("opened_at", DateTime(timezone=True)),
    col("last_at", DateTime(timezone=True)),  # last report; an older cure does not end it
    col("due_at", DateTime(timezone=True)),
    col("escalated_at", DateTime(timezone=True), null=True),
    col("assignee_id", BigInteger, ForeignKey("app_user.id"), null=True),
    col("ended_at", DateTime(timezone=True), null=True),
    col("ended_by", Text, default="''"),
    col("ended_how", Text, default="''"),
    CheckConstraint(f"state in {STATES}", name="state_known"),
    CheckConstraint(f"severity in {SEVERITIES}", name="severity_known"),
    CheckConstraint("(state = 'open') = (ended_at is null)", name="open_has_no_end"),
    UniqueConstraint("warehouse_id", "code", "subject"),
    Index("exception_open_ix", "warehouse_id", "due_at", "id", postgresql_where=text(
        "state = 'open'")),
    Index("exception_to_escalate_ix", "warehouse_id", "due_at", postgresql_where=text(
        "state = 'open' and escalated_at is null")),
    Index("exception_ended_ix", "warehouse_id", "ended_at", "id", postgresql_where=text(
        "state <> 'open'")),
)  # fmt: skip

exception_step = floor_table(
    "exception_step",  # append-only: who did what, when
    col("exception_id", BigInteger),
    col("at", DateTime(timezone=True)),
    col("actor", Text),
    col("did", Text),
    col("note", Text, default="''"),
    floor_key("exception_id", "exception"),
    Index("exception_step_exception_ix", "warehouse_id", "exception_id", "id"),
)

inbound_letter = floor_table(
    "inbound_letter",  # a document that failed, byte for byte as far as it is text
    col("exception_id", BigInteger),
    col("kind", Text),
    col("owner", Text),
    col("external_id", Text),
    col("sender", Text),  # partner:<code> or user:<code>
    col("channel", Text, default="'api'"),
    col("body", Text),
    col("errors", JSONB, default="'[]'"),
    col("state", Text, default="'failed'"),
    col("original_id", BigInteger, null=True),  # the letter this one corrects
    col("at", DateTime(timezone=True)),
    CheckConstraint(f"state in {LETTER_STATES}", name="state_known"),
    floor_key("exception_id", "exception"),
    floor_key("original_id", "inbound_letter"),
    Index("inbound_letter_exception_ix", "warehouse_id", "exception_id", "id"),
)

exception_cursor = Table(
    "exception_cursor",  # how far the event log was read for exceptions
    metadata,
    Column("warehouse_id", Integer, ForeignKey("warehouse.id"), primary_key=True),
    col("pos", BigInteger),
)
