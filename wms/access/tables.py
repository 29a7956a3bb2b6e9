"""People, their roles, and the sessions of devices. Badges and PINs are stored hashed."""

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
)

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
    CheckConstraint(f"roles <@ array{list(ROLES)}", name="roles_known"),
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
    "api_client",  # a partner system and its key; the key is shown once and stored hashed
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    col("code", Text, unique=True),
    col("key_hash", LargeBinary, unique=True),
    col("warehouse_ids", ARRAY(Integer)),
    col("owner_ids", ARRAY(BigInteger)),
    col("scopes", ARRAY(Text)),
    col("active", Boolean, default="true"),
)
