"""People, their roles, the sessions of devices, partner systems, and the audit log.

Badges, PINs and keys are stored hashed; the keys that sign tokens are sealed.
"""

from sqlalchemy import (
    ARRAY,
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
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from wms.db import col, metadata

ROLES = ("receiver", "putaway", "picker", "packer", "loader", "counter", "supervisor", "admin")

app_user = Table(
    "app_user",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    col("code", Text, unique=True),
    col("name", Text),
    col("badge_hash", LargeBinary, unique=True),
    col("pin_hash", LargeBinary),
    col("roles", ARRAY(Text)),
    col("active", Boolean, default="true"),
    col("failed_pins", SmallInteger, default="0"),
    col("email", Text, null=True),  # who this is to the identity provider of the office
    CheckConstraint(f"roles <@ array{list(ROLES)}", name="roles_known"),
    Index("app_user_email_ix", text("lower(email)"), unique=True),
)

session = Table(
    "session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    col("user_id", BigInteger, ForeignKey("app_user.id")),
    col("warehouse_id", Integer, ForeignKey("warehouse.id")),
    col("device", Text),
    col("started_at", DateTime(timezone=True)),
    col("expires_at", DateTime(timezone=True)),
    col("bin_id", BigInteger, null=True),  # where the person last scanned, for nearness
    Index("session_user_id_ix", "user_id"),
    Index("session_expires_at_ix", "expires_at"),
)

api_client = Table(
    "api_client",  # a partner system; what it may open, and how it proves who it is besides a key
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    col("code", Text, unique=True),
    col("warehouse_ids", ARRAY(Integer)),
    col("owner_ids", ARRAY(BigInteger)),
    col("scopes", ARRAY(Text)),
    col("active", Boolean, default="true"),
    col("jwks", JSONB, default="""'{"keys": []}'"""),  # public keys of its assertions (RFC 7523)
    col("certificates", ARRAY(Text), default="'{}'"),  # SHA-256 thumbprints (RFC 8705)
)

api_key = Table(
    "api_key",  # shown once and stored hashed; at most two of a client live at a time
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    col("client_id", BigInteger, ForeignKey("api_client.id")),
    col("kid", Text, unique=True),  # the part of the key that may be seen
    col("key_hash", LargeBinary, unique=True),
    col("peppered", Boolean),  # keys of before had no pepper
    col("made_by", Text),
    col("made_at", DateTime(timezone=True), default="now()"),
    col("expires_at", DateTime(timezone=True)),
    col("used_at", DateTime(timezone=True), null=True),  # to the minute
    col("revoked_at", DateTime(timezone=True), null=True),
    CheckConstraint("expires_at <= made_at + interval '366 days'", name="expires"),
    Index("api_key_client_id_ix", "client_id"),
)

token_key = Table(
    "token_key",  # signs access tokens; the private half is sealed with the installation's key
    metadata,
    Column("kid", Text, primary_key=True),
    col("sealed", LargeBinary),
    col("public", JSONB),
    col("signs_from", DateTime(timezone=True)),
    col("expires_at", DateTime(timezone=True), null=True),  # set when a newer one takes over
)

assertion_seen = Table(
    "assertion_seen",  # an assertion is taken once
    metadata,
    Column("client_id", BigInteger, ForeignKey("api_client.id"), primary_key=True),
    Column("jti_hash", LargeBinary, primary_key=True),
    col("expires_at", DateTime(timezone=True)),
    Index("assertion_seen_expires_at_ix", "expires_at"),
)

audit_entry = Table(
    "audit_entry",  # append-only: who changed or read what, outside the ledger and the event log
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    col("at", DateTime(timezone=True), default="clock_timestamp()"),
    col("warehouse_id", Integer, ForeignKey("warehouse.id"), null=True),
    col("actor", Text),
    col("act", Text),
    col("subject", Text),
    col("before", JSONB, null=True),
    col("after", JSONB, null=True),
    col("why", Text, default="''"),
    col("origin", Text, default="''"),
    col("request_id", Text, default="''"),
    Index("audit_entry_subject_ix", "subject", "id"),
    Index("audit_entry_actor_ix", "actor", "id"),
)
