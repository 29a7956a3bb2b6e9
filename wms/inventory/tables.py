"""Stock: lots, license plates, balances, movements and allocations.

Only triggers write `balance.on_hand`: a movement is inserted and the database moves the balance
in the same statement (see the ledger migration). So stock is always the sum of movements.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from wms.db import col, floor_key, floor_table

STATUSES = ("available", "damaged", "hold", "disputed", "quarantine")
LPN_KINDS = ("pallet", "case", "tote", "carton", "cart")
LPN_STATES = ("free", "open", "closed", "loaded", "shipped", "void")
MOVEMENT_KINDS = (
    "receipt", "putaway", "pick", "drop", "pack", "load", "ship", "move", "replenish",
    "putback", "status", "count", "adjust", "reverse",
)  # fmt: skip

lot = floor_table(
    "lot",
    col("owner_id", BigInteger),
    col("item_id", BigInteger),
    col("code", Text),
    col("expires_on", Date, null=True),
    col("received_at", DateTime(timezone=True)),
    col("recalled", Boolean, default="false"),
    ForeignKeyConstraint(["item_id", "owner_id"], ["item.id", "item.owner_id"]),
    UniqueConstraint("warehouse_id", "owner_id", "item_id", "code"),
    UniqueConstraint("warehouse_id", "id", "item_id"),
)

lpn = floor_table(
    "lpn",
    col("code", Text),
    col("kind", Text),
    col("state", Text, default="'free'"),
    col("bin_id", BigInteger),
    col("parent_id", BigInteger, null=True),
    col("owner_id", BigInteger, ForeignKey("owner.id"), null=True),
    col("order_id", BigInteger, null=True),  # the order a tote or carton is bound to
    col("carton_type_id", BigInteger, ForeignKey("carton_type.id"), null=True),
    col("weight_g", Integer, null=True),
    CheckConstraint(f"kind in {LPN_KINDS}", name="kind_known"),
    CheckConstraint(f"state in {LPN_STATES}", name="state_known"),
    CheckConstraint("parent_id <> id", name="not_its_own_parent"),
    floor_key("bin_id", "bin"),
    floor_key(
        "parent_id bin_id", "lpn", "id bin_id", deferrable=True, initially="DEFERRED",
        name="lpn_parent_shares_the_place",
    ),
    UniqueConstraint("warehouse_id", "code"),
    UniqueConstraint("warehouse_id", "id", "bin_id"),
    Index("lpn_warehouse_id_bin_id_ix", "warehouse_id", "bin_id", postgresql_where=text(
        "state <> 'shipped' and state <> 'void'")),
    Index("lpn_warehouse_id_order_id_ix", "warehouse_id", "order_id", postgresql_where=text(
        "order_id is not null")),
)  # fmt: skip

balance = floor_table(
    "balance",
    col("bin_id", BigInteger),
    col("lpn_id", BigInteger, null=True),
    col("owner_id", BigInteger),
    col("item_id", BigInteger),
    col("lot_id", BigInteger, null=True),
    col("serial", Text, default="''"),
    col("status", Text, default="'available'"),
    col("on_hand", Integer),
    col("allocated", Integer, default="0"),
    col("received_at", DateTime(timezone=True)),  # oldest receipt in here; travels with the goods
    CheckConstraint("on_hand >= 0", name="on_hand_never_negative"),
    CheckConstraint("allocated between 0 and on_hand", name="allocated_within_on_hand"),
    CheckConstraint("serial = '' or on_hand <= 1", name="a_serial_is_one_unit"),
    CheckConstraint("allocated = 0 or status = 'available'", name="only_available_is_allocated"),
    CheckConstraint(f"status in {STATUSES}", name="status_known"),
    ForeignKeyConstraint(["item_id", "owner_id"], ["item.id", "item.owner_id"]),
    floor_key("bin_id", "bin"),
    floor_key("lot_id item_id", "lot", "id item_id"),
    floor_key(
        "lpn_id bin_id", "lpn", "id bin_id", deferrable=True, initially="DEFERRED",
        name="balance_shares_the_place_of_its_lpn",
    ),
    Index(
        "balance_place_key", "warehouse_id", "bin_id", "item_id", "lot_id", "lpn_id", "serial",
        "status", unique=True, postgresql_nulls_not_distinct=True,
    ),
    Index(
        "balance_serial_once", "warehouse_id", "owner_id", "item_id", "serial", unique=True,
        postgresql_where=text("serial <> '' and on_hand > 0"),
    ),
    Index(
        "balance_item_ix", "warehouse_id", "item_id", "status",
        postgresql_where=text("on_hand > 0"),
    ),
    Index(
        "balance_lpn_ix", "warehouse_id", "lpn_id", postgresql_where=text("lpn_id is not null"),
    ),
)  # fmt: skip

movement = floor_table(
    "movement",
    col("at", DateTime(timezone=True)),
    col("kind", Text),
    col("from_bin_id", BigInteger),
    col("from_lpn_id", BigInteger, null=True),
    col("to_bin_id", BigInteger),
    col("to_lpn_id", BigInteger, null=True),
    col("owner_id", BigInteger),
    col("item_id", BigInteger),
    col("lot_id", BigInteger, null=True),
    col("serial", Text, default="''"),
    col("from_status", Text, default="'available'"),
    col("to_status", Text, default="'available'"),
    col("qty", Integer),
    col("reason", Text, default="''"),
    col("allocation_id", BigInteger, null=True),  # the promise this movement consumes
    col("task_id", BigInteger, null=True),
    col("scan_key", Uuid, null=True),
    col("user_id", BigInteger, null=True),
    col("reverses_id", BigInteger, null=True),
    col("received_at", DateTime(timezone=True), null=True),  # set for goods that enter
    CheckConstraint("qty > 0", name="qty_positive"),
    CheckConstraint("serial = '' or qty = 1", name="a_serial_is_one_unit"),
    CheckConstraint(f"kind in {MOVEMENT_KINDS}", name="kind_known"),
    Index("movement_item_ix", "warehouse_id", "item_id", "id"),
    Index("movement_task_ix", "warehouse_id", "task_id", postgresql_where=text(
        "task_id is not null")),
)  # fmt: skip

allocation = floor_table(
    "allocation",
    col("order_line_id", BigInteger),
    col("balance_id", BigInteger),
    col("qty", Integer),  # still promised; consumed and released parts leave it
    CheckConstraint("qty >= 0", name="qty_never_negative"),
    floor_key("order_line_id", "order_line"),
    Index("allocation_open_line_ix", "warehouse_id", "order_line_id", postgresql_where=text(
        "qty > 0")),
    Index("allocation_open_balance_ix", "warehouse_id", "balance_id", postgresql_where=text(
        "qty > 0")),
)  # fmt: skip
