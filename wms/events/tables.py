"""Rows of the event engine: outbox, sealed log, hash chain, endpoints, cursors, parked deliveries.

Events live in `outbox` for minutes and in `event_log` for the retention; deliveries have no row
unless they failed: an endpoint is one cursor per lane (docs/decisions/event-log-and-cursors.md).
"""

from typing import Any

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
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

from wms.db import col, floor_table, metadata


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_kw: object) -> str:
        return "XID8"


def _warehouse(*, key: bool = True) -> Column[int]:
    reference = [ForeignKey("warehouse.id")]
    return Column("warehouse_id", Integer, *reference, primary_key=key, nullable=False)


def _at(name: str, **kw: Any) -> Column[Any]:
    return col(name, DateTime(timezone=True), **kw)


ENDPOINT_STATES = ("unverified", "active", "paused", "suspended", "blocked")
MODES = ("ordered", "unordered", "batch")
MEDIA = ("json", "cloudevents")
PARKED_STATES = ("due", "waiting", "inflight", "dead")
VERDICTS = ("processed", "rejected", "deferred")
REPLAY_STATES = ("running", "done", "cancelled")
REPLAY_MODES = ("same_id", "probe")

# Partitioned by `slot`: three children in schema wms_part written in turn by the clock and
# truncated once sealed, so nothing is deleted row by row. The identity has CACHE 1: the sealer
# orders by it. Its only index serves the sealer.
outbox = Table(
    "outbox",
    metadata,
    _warehouse(),
    Column("xid", Xid8(), primary_key=True, server_default=text("pg_current_xact_id()")),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("slot", SmallInteger, primary_key=True, server_default=text("outbox_slot()")),
    col("event_id", Uuid),
    col("type", Text),
    col("okey", Text),  # ordering key: events of one key are delivered in commit order
    col("keyseq", BigInteger, null=True),  # document version
    col("subject", Text),
    col("owner", Text, default="''"),  # stock owner's code
    _at("occurred_at"),
    _at("recorded_at", default="now()"),
    col("actor", Text, default="''"),
    col("correlation_id", Text, default="''"),
    col("causation_id", Text, default="''"),
    col("data", Text),  # JSON exactly as it will be sent
    col("traceparent", Text, default="''"),
    col("test", Boolean, default="false"),
)

# Partitioned by week of `sealed_at` in schema wms_part; append-only; dropped whole.
# No foreign key: its rows come from the outbox, which has one.
event_log = Table(
    "event_log",
    metadata,
    Column("warehouse_id", Integer, primary_key=True, autoincrement=False),
    Column("pos", BigInteger, primary_key=True, autoincrement=False),  # gapless per warehouse
    Column("sealed_at", DateTime(timezone=True), primary_key=True),
    col("event_id", Uuid),
    col("lane", SmallInteger),  # 0..63 from the ordering key
    col("type", Text),
    col("okey", Text),
    col("keyseq", BigInteger, null=True),
    col("subject", Text),
    col("owner", Text),
    _at("occurred_at"),
    _at("recorded_at"),
    col("actor", Text),
    col("correlation_id", Text),
    col("causation_id", Text),
    col("data", Text),
    col("traceparent", Text),
    col("test", Boolean),
    Index("event_log_event_ix", "warehouse_id", "event_id"),
    Index("event_log_okey_ix", "warehouse_id", "okey", "pos"),
    Index(
        "event_log_correlation_ix",
        "warehouse_id",
        "correlation_id",
        postgresql_where=text("correlation_id <> ''"),
    ),
)

seal_state = Table(
    "seal_state",  # one row a warehouse: how far the stream is sealed
    metadata,
    _warehouse(),
    col("snap", Text, default="'3:3:'"),  # pg_snapshot whose visible rows are all sealed
    col("snap_next", Text, null=True),  # snapshot being sealed in several bites
    col("after_id", BigInteger, default="0"),  # outbox id reached inside snap_next
    col("pos", BigInteger, default="0"),
    col("block_no", BigInteger, default="0"),
    col("block_pos", BigInteger, default="0"),  # last position inside a closed block
    col("block_hash", LargeBinary, default=r"'\x'"),
    _at("created_at", default="now()"),
    col("first_pos", BigInteger, default="1"),  # what came before was dropped with its partition
)

seal_block = Table(
    "seal_block",  # append-only: Merkle root of a run of the log, chained to the block before
    metadata,
    _warehouse(),
    Column("block_no", BigInteger, primary_key=True, autoincrement=False),
    col("from_pos", BigInteger),
    col("to_pos", BigInteger),
    col("root", LargeBinary),
    col("prev_hash", LargeBinary),
    col("hash", LargeBinary),
    _at("sealed_at"),
    Index("seal_block_at_ix", "warehouse_id", "sealed_at"),
)

endpoint = Table(
    "endpoint",  # a subscriber; global, because one ERP hears several warehouses
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    col("code", Text, unique=True),
    col("name", Text, default="''"),
    col("url", Text),
    col("state", Text, default="'unverified'"),
    col("warehouses", ARRAY(Text), default="'{}'"),  # codes; empty means all
    col("types", ARRAY(Text), default="'{*}'"),  # patterns: order.shipped, order.*, *
    col("owners", ARRAY(Text), default="'{}'"),  # stock owners; empty means all
    col("predicate", JSONB, null=True),
    col("mode", Text, default="'ordered'"),
    col("media", Text, default="'json'"),  # what the content-type header says
    col("lanes", SmallInteger, default="1"),
    col("max_batch", SmallInteger, default="100"),
    col("max_inflight", SmallInteger, default="32"),
    col("rate_per_s", Integer, null=True),
    col("timeout_ms", Integer, default="15000"),
    col("mask_profile", Text, default="'default'"),
    col("major_pins", JSONB, default="'{}'"),
    col("conflate", Boolean, default="false"),
    col("on_dead", Text, default="'continue'"),
    col("log_attempts", Text, default="'all'"),
    col("allow", ARRAY(Text), default="'{}'"),  # CIDRs an admin allowed for this endpoint
    col("auth", JSONB, null=True),  # sealed, on top of the signature
    col("team", Text, default="''"),
    col("contact", Text, default="''"),
    col("nonce", Text, default="''"),  # what verification must echo
    col("breaker", Text, default="'closed'"),
    col("open_in", ARRAY(Integer), default="'{}'"),  # warehouses that it is open for
    col("breaker_step", SmallInteger, default="0"),
    _at("breaker_until", null=True),
    _at("failing_since", null=True),
    _at("noticed_at", null=True),  # when its owner was last told that it fails
    col("last_class", Text, default="''"),
    _at("gone_at", null=True),  # first 410
    _at("verified_at", null=True),
    _at("created_at"),
    col("created_by", Text, default="''"),
    col("probes", Integer, default="0"),  # raised by a person: look now whether it answers
    CheckConstraint(f"state in {ENDPOINT_STATES}", name="state_known"),
    CheckConstraint(f"mode in {MODES}", name="mode_known"),
    CheckConstraint(f"media in {MEDIA}", name="media_known"),
    CheckConstraint("lanes in (1, 2, 4, 8, 16, 32, 64)", name="lanes_power_of_two"),
    CheckConstraint("on_dead in ('continue', 'block_key')", name="on_dead_known"),
    CheckConstraint("log_attempts in ('all', 'failures')", name="log_attempts_known"),
    CheckConstraint("max_inflight between 1 and 256", name="max_inflight_sane"),
    CheckConstraint("breaker in ('closed', 'open')", name="breaker_known"),
)

endpoint_secret = Table(
    "endpoint_secret",
    metadata,
    Column("endpoint_id", BigInteger, ForeignKey("endpoint.id"), primary_key=True),
    Column("kid", Text, primary_key=True),
    col("alg", Text),
    col("sealed", LargeBinary),  # encrypted with the installation's key, never in clear
    _at("active_from"),
    _at("expires_at", null=True),
    _at("noticed_at", null=True),  # when its owner was last told that it ends
    CheckConstraint("alg in ('v1', 'v1a')", name="alg_known"),
)

delivery_cursor = Table(
    "delivery_cursor",  # all that a subscriber costs; epoch fences a stale owner
    metadata,
    _warehouse(),
    Column("endpoint_id", BigInteger, ForeignKey("endpoint.id"), primary_key=True),
    Column("lane", SmallInteger, primary_key=True, autoincrement=False),
    col("pos", BigInteger),
    col("epoch", BigInteger, default="0"),
    col("lease_owner", Text, default="''"),
    _at("lease_until", null=True),
)

parked = Table(
    "parked",  # deliveries that failed, and those of the same key that wait behind them
    metadata,
    _warehouse(),
    Column("endpoint_id", BigInteger, ForeignKey("endpoint.id"), primary_key=True),
    Column("okey", Text, primary_key=True),
    Column("pos", BigInteger, primary_key=True, autoincrement=False),
    col("lane", SmallInteger),
    col("event_id", Uuid),
    col("type", Text),
    col("state", Text),
    col("n", SmallInteger, default="0"),  # attempts made
    _at("next_at", null=True),
    _at("first_failed_at", null=True),
    col("last_class", Text, default="''"),
    col("last_status", Integer, default="0"),
    CheckConstraint(f"state in {PARKED_STATES}", name="state_known"),
    CheckConstraint("(state = 'due') = (next_at is not null)", name="due_has_a_time"),
    Index("parked_state_ix", "warehouse_id", "endpoint_id", "state", "next_at"),
)

# Append-only log of every HTTP attempt, partitioned by week of `at` in schema wms_part.
attempt = Table(
    "attempt",
    metadata,
    Column("warehouse_id", Integer, primary_key=True, autoincrement=False),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    col("endpoint_id", BigInteger),
    col("pos", BigInteger),
    col("event_id", Uuid),
    col("type", Text),
    col("okey", Text),
    col("n", SmallInteger),
    col("trigger", Text),  # live | retry | probe | replay | test
    col("status", Integer),  # 0 when no answer came
    col("class", Text),
    col("detail", Text, default="''"),
    col("ip", Text, default="''"),
    col("dns_ms", Integer, null=True),
    col("connect_ms", Integer, null=True),
    col("ttfb_ms", Integer, null=True),
    col("total_ms", Integer),
    col("head", JSONB, null=True),  # allow-listed answer headers
    col("body", Text, default="''"),  # first 4 KiB of the answer
    col("kids", ARRAY(Text), default="'{}'"),
    col("batch_id", Text, default="''"),
    Index("attempt_endpoint_ix", "warehouse_id", "endpoint_id", "at"),
    Index("attempt_event_ix", "warehouse_id", "event_id"),
)

event_receipt = Table(
    "event_receipt",  # what the subscriber's own system says it did with the event; last word
    metadata,
    _warehouse(),
    Column("source", Text, primary_key=True),  # endpoint/<code> or consumer/<partner>/<name>
    Column("event_id", Uuid, primary_key=True),
    col("endpoint_id", BigInteger, ForeignKey("endpoint.id"), null=True),
    col("type", Text, default="''"),
    col("okey", Text, default="''"),
    col("pos", BigInteger, default="0"),
    col("verdict", Text),
    col("code", Text, default="''"),
    col("detail", Text, default="''"),
    _at("at"),
    col("by", Text, default="''"),
    _at("first_at"),
    col("history", JSONB, default="'[]'"),  # verdicts before this one, newest last
    CheckConstraint(f"verdict in {VERDICTS}", name="verdict_known"),
    Index("event_receipt_event_ix", "warehouse_id", "event_id"),
    Index("event_receipt_source_ix", "warehouse_id", "source", "at"),
    Index(
        "event_receipt_rejected_ix",
        "warehouse_id",
        "at",
        postgresql_where=text("verdict = 'rejected'"),
    ),
)

event_consumer = Table(
    "event_consumer",  # cursors of those who pull; a name is its partner's own
    metadata,
    _warehouse(),
    Column("client", Text, primary_key=True, server_default=text("''")),
    Column("name", Text, primary_key=True),
    col("pos", BigInteger, default="0"),
    _at("updated_at"),
    _at("suspended_at", null=True),  # it slept longer than the log is kept
)

delivery_discarded = Table(
    "delivery_discarded",  # dead deliveries that a person gave up
    metadata,
    _warehouse(),
    Column("endpoint_id", BigInteger, ForeignKey("endpoint.id"), primary_key=True),
    Column("pos", BigInteger, primary_key=True, autoincrement=False),
    col("okey", Text),
    col("event_id", Uuid),
    col("type", Text),
    col("n", SmallInteger),
    _at("first_failed_at", null=True),
    col("last_class", Text),
    col("last_status", Integer),
    col("by", Text),
    col("reason", Text),
    _at("at"),
)

replay = floor_table(
    "replay",
    col("endpoint_id", BigInteger, ForeignKey("endpoint.id")),
    col("selector", JSONB),
    col("missing_only", Boolean, default="false"),
    col("state", Text, default="'running'"),
    col("from_pos", BigInteger),
    col("pos", BigInteger),  # progress
    col("to_pos", BigInteger),
    col("total", BigInteger),
    col("done", BigInteger, default="0"),
    col("requested_by", Text, default="''"),
    col("reason", Text, default="''"),
    _at("at"),
    _at("done_at", null=True),
    col("mode", Text, default="'same_id'"),  # probe: only the first event is sent
    col("rate_per_s", Integer, default="100"),
    CheckConstraint(f"state in {REPLAY_STATES}", name="state_known"),
    CheckConstraint(f"mode in {REPLAY_MODES}", name="mode_known"),
    CheckConstraint("rate_per_s between 1 and 10000", name="rate_sane"),
    Index(
        "replay_running_ix",
        "warehouse_id",
        "endpoint_id",
        postgresql_where=text("state = 'running'"),
    ),
)


# So that comparing the schema with the migrations knows the type when it reads it back.
ischema_names["xid8"] = Xid8
