"""Directed work: tours (what one person does in one trip) and their tasks, of every kind.

All work is a tour; a putaway or a count is a tour of one task. Claims are leases on tours.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from wms.db import col, floor_key, floor_table

TASK_KINDS = ("putaway", "pick", "pack", "load", "count", "putback", "replenish")
TOUR_STATES = ("planned", "ready", "claimed", "done", "cancelled")
TASK_STATES = ("open", "done", "skipped", "cancelled")

tour = floor_table(
    "tour",
    col("kind", Text),
    col("zone_id", BigInteger, null=True),
    col("wave_id", BigInteger, null=True),
    col("state", Text, default="'ready'"),
    col("cause", Text, default="''"),  # why it waits: machine-readable
    col("priority", SmallInteger, default="0"),  # minutes ahead of its due time
    col("due_at", DateTime(timezone=True)),
    col("rank_at", DateTime(timezone=True)),  # due_at - priority: the order of candidates
    col("bin_id", BigInteger, null=True),  # where it starts, for nearness
    col("end_bin_id", BigInteger, null=True),  # where it ended: the person stands there
    col("only_user_id", BigInteger, ForeignKey("app_user.id"), null=True),
    col("not_user_id", BigInteger, ForeignKey("app_user.id"), null=True),
    col("claimed_by", BigInteger, ForeignKey("app_user.id"), null=True),
    col("device", Text, default="''"),
    col("claimed_at", DateTime(timezone=True), null=True),
    col("lease_until", DateTime(timezone=True), null=True),
    col("goods_in_hand", Boolean, default="false"),
    col("score", JSONB, null=True),
    col("metres", Integer, default="0"),
    col("created_at", DateTime(timezone=True)),
    col("done_at", DateTime(timezone=True), null=True),
    CheckConstraint(f"kind in {TASK_KINDS}", name="kind_known"),
    CheckConstraint(f"state in {TOUR_STATES}", name="state_known"),
    CheckConstraint(
        "(state = 'claimed') = (claimed_by is not null and lease_until is not null)"
        " or state in ('done', 'cancelled')",
        name="claimed_means_leased",
    ),
    floor_key("zone_id", "zone"),
    floor_key("bin_id", "bin"),
    Index(
        "tour_ready_ix", "warehouse_id", "kind", "rank_at", "id",
        postgresql_where=text("state = 'ready'"),
    ),
    Index(
        "tour_claimed_ix", "warehouse_id", "claimed_by",
        postgresql_where=text("state = 'claimed'"),
    ),
    Index(
        "tour_last_ix", "warehouse_id", "claimed_by", "done_at",
        postgresql_where=text("state = 'done'"),
    ),
    Index(
        "tour_wave_ix", "warehouse_id", "wave_id", postgresql_where=text("wave_id is not null"),
    ),
)  # fmt: skip

task = floor_table(
    "task",
    col("tour_id", BigInteger),
    col("seq", Integer),
    col("kind", Text),
    col("state", Text, default="'open'"),
    col("version", Integer, default="1"),
    col("item_id", BigInteger, null=True),
    col("lot_id", BigInteger, null=True),
    col("from_bin_id", BigInteger, null=True),
    col("to_bin_id", BigInteger, null=True),
    col("lpn_id", BigInteger, null=True),
    col("qty", Integer, default="0"),
    col("qty_done", Integer, default="0"),
    col("order_id", BigInteger, null=True),
    col("order_line_id", BigInteger, null=True),
    col("allocation_id", BigInteger, null=True),
    col("count_id", BigInteger, null=True),
    col("slot", SmallInteger, null=True),  # which tote of the cart
    col("reason", Text, default="''"),
    col("created_at", DateTime(timezone=True)),
    col("done_at", DateTime(timezone=True), null=True),
    col("done_by", BigInteger, ForeignKey("app_user.id"), null=True),
    CheckConstraint(f"kind in {TASK_KINDS}", name="kind_known"),
    CheckConstraint(f"state in {TASK_STATES}", name="state_known"),
    CheckConstraint("qty_done between 0 and qty or qty = 0", name="done_within_asked"),
    CheckConstraint("(state = 'open') = (done_at is null)", name="done_at_when_final"),
    floor_key("tour_id", "tour"),
    floor_key("from_bin_id", "bin"),
    floor_key("to_bin_id", "bin"),
    floor_key("lpn_id", "lpn"),
    UniqueConstraint("warehouse_id", "tour_id", "seq"),
    Index(
        "task_order_open_ix", "warehouse_id", "order_id", postgresql_where=text("state = 'open'"),
    ),
    Index("task_lpn_open_ix", "warehouse_id", "lpn_id", postgresql_where=text("state = 'open'")),
    Index(
        "task_to_bin_open_ix", "warehouse_id", "to_bin_id",
        postgresql_where=text("state = 'open'"),
    ),
    Index(
        "task_from_bin_open_ix", "warehouse_id", "from_bin_id",
        postgresql_where=text("state = 'open'"),
    ),
)  # fmt: skip

tour_slot = floor_table(
    "tour_slot",  # one place on the cart: the order it serves and the tote bound to it
    col("tour_id", BigInteger),
    col("slot", SmallInteger),
    col("order_id", BigInteger),
    col("lpn_id", BigInteger, null=True),
    floor_key("tour_id", "tour"),
    floor_key("lpn_id", "lpn"),
    UniqueConstraint("warehouse_id", "tour_id", "slot"),
)
