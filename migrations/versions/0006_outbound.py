"""Stopped orders never leave; orders say whether they may ship in part; API requests are remembered

Adds one column with a constant default (no rewrite) and one new table; the triggers take a short
lock on `shipment_carton` and `lpn`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006_outbound"
down_revision = "0002_ledger"
branch_labels = None
depends_on = None

# Pack close writes the carton's row, loading names its load, departure ships the plate: at each of
# the three the order's row is locked, so a hold or cancellation comes wholly before or after.
GUARD_STOPPED = [
    """
    CREATE FUNCTION refuse_stopped(of_warehouse int, of_order bigint, of_lpn bigint) RETURNS void
    LANGUAGE plpgsql AS $$
    DECLARE
      o record;
    BEGIN
      SELECT external_id, state, hold_reason, cancel_requested INTO o FROM outbound_order
       WHERE warehouse_id = of_warehouse AND id = of_order FOR NO KEY UPDATE;
      IF o.hold_reason <> '' OR o.cancel_requested <> '' OR o.state IN ('held', 'cancelled') THEN
        RAISE EXCEPTION 'order % is held or cancelled: its goods stay here', o.external_id
          USING ERRCODE = '23514', CONSTRAINT = 'stopped_orders_never_leave';
      END IF;
      IF EXISTS (SELECT 1 FROM balance b
                   JOIN lot l ON l.warehouse_id = b.warehouse_id AND l.id = b.lot_id
                  WHERE b.warehouse_id = of_warehouse AND b.lpn_id = of_lpn AND b.on_hand > 0
                    AND l.recalled) THEN
        RAISE EXCEPTION 'order % holds a recalled lot', o.external_id
          USING ERRCODE = '23514', CONSTRAINT = 'recalled_lots_never_leave';
      END IF;
    END $$
    """,
    """
    CREATE FUNCTION guard_carton() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM refuse_stopped(NEW.warehouse_id, NEW.order_id, NEW.lpn_id);
      RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER guard_carton_closed BEFORE INSERT ON shipment_carton
      FOR EACH ROW EXECUTE FUNCTION guard_carton()
    """,
    """
    CREATE TRIGGER guard_carton_loaded BEFORE UPDATE OF load_id ON shipment_carton
      FOR EACH ROW WHEN (NEW.load_id IS NOT NULL AND NEW.load_id IS DISTINCT FROM OLD.load_id)
      EXECUTE FUNCTION guard_carton()
    """,
    """
    CREATE FUNCTION guard_lpn_leaving() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM refuse_stopped(NEW.warehouse_id, NEW.order_id, NEW.id);
      RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER guard_lpn_leaving BEFORE UPDATE OF state ON lpn
      FOR EACH ROW WHEN (NEW.order_id IS NOT NULL AND NEW.state IN ('loaded', 'shipped')
        AND NEW.state <> OLD.state)
      EXECUTE FUNCTION guard_lpn_leaving()
    """,
]

# A wave makes or withdraws thousands of promises in one statement: balances and lines follow once
# a statement, not once a row (a third of the time). Balances before lines, as a movement does.
# Consumption by a movement happens inside apply_movement, at trigger depth 1, and is not seen here.
PROMISES_BY_STATEMENT = [
    "DROP TRIGGER apply_allocation_insert ON allocation",
    "DROP TRIGGER apply_allocation_update ON allocation",
    "DROP FUNCTION apply_allocation()",
    """
    CREATE FUNCTION guard_repointed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'a promise is released and made anew, never re-pointed'
        USING ERRCODE = 'WM002';
    END $$
    """,
    """
    CREATE TRIGGER guard_repointed BEFORE UPDATE ON allocation
      FOR EACH ROW WHEN ((OLD.warehouse_id, OLD.balance_id, OLD.order_line_id)
        IS DISTINCT FROM (NEW.warehouse_id, NEW.balance_id, NEW.order_line_id))
      EXECUTE FUNCTION guard_repointed()
    """,
    """
    CREATE FUNCTION apply_promises() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT 1 FROM made m
                   LEFT JOIN order_line l
                     ON l.warehouse_id = m.warehouse_id AND l.id = m.order_line_id
                   LEFT JOIN balance b
                     ON b.warehouse_id = m.warehouse_id AND b.id = m.balance_id
                    AND (b.item_id, b.owner_id) = (l.item_id, l.owner_id)
                  WHERE b.id IS NULL) THEN
        RAISE EXCEPTION 'no such stock for that line' USING ERRCODE = 'WM001';
      END IF;
      UPDATE balance b SET allocated = b.allocated + t.qty
        FROM (SELECT warehouse_id, balance_id, sum(qty) AS qty FROM made GROUP BY 1, 2) t
       WHERE b.warehouse_id = t.warehouse_id AND b.id = t.balance_id;
      UPDATE order_line l
         SET allocated = l.allocated + t.qty, waiting = l.waiting - t.qty,
             promised = least(greatest(l.promised - t.qty, 0), l.waiting - t.qty)
        FROM (SELECT warehouse_id, order_line_id, sum(qty) AS qty FROM made GROUP BY 1, 2) t
       WHERE l.warehouse_id = t.warehouse_id AND l.id = t.order_line_id;
      RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER apply_promises AFTER INSERT ON allocation
      REFERENCING NEW TABLE AS made
      FOR EACH STATEMENT EXECUTE FUNCTION apply_promises()
    """,
    """
    CREATE FUNCTION apply_changed_promises() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE balance b SET allocated = b.allocated + t.qty
        FROM (SELECT n.warehouse_id, n.balance_id, sum(n.qty - o.qty) AS qty
                FROM made n JOIN was o ON o.warehouse_id = n.warehouse_id AND o.id = n.id
               GROUP BY 1, 2) t
       WHERE b.warehouse_id = t.warehouse_id AND b.id = t.balance_id AND t.qty <> 0;
      UPDATE order_line l
         SET allocated = l.allocated + t.qty, waiting = l.waiting - t.qty,
             promised = least(greatest(l.promised - t.qty, 0), l.waiting - t.qty)
        FROM (SELECT n.warehouse_id, n.order_line_id, sum(n.qty - o.qty) AS qty
                FROM made n JOIN was o ON o.warehouse_id = n.warehouse_id AND o.id = n.id
               GROUP BY 1, 2) t
       WHERE l.warehouse_id = t.warehouse_id AND l.id = t.order_line_id AND t.qty <> 0;
      RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER apply_changed_promises AFTER UPDATE ON allocation
      REFERENCING OLD TABLE AS was NEW TABLE AS made
      FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
      EXECUTE FUNCTION apply_changed_promises()
    """,
]


def upgrade() -> None:
    op.add_column(
        "outbound_order",
        sa.Column("allow_partial", sa.Boolean(), server_default=sa.text("true"), nullable=False),
    )
    op.create_index(
        "outbound_order_cutoff_ix", "outbound_order", ["warehouse_id", "cutoff_at", "id"]
    )
    op.create_table(
        "api_request",
        sa.Column("warehouse_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False, cache=32), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["warehouse_id"], ["warehouse.id"], name=op.f("api_request_warehouse_id_fkey")
        ),
        sa.PrimaryKeyConstraint("warehouse_id", "id", name=op.f("api_request_pkey")),
        sa.UniqueConstraint(
            "warehouse_id", "client", "key", name=op.f("api_request_warehouse_id_client_key_key")
        ),
    )
    for statement in GUARD_STOPPED + PROMISES_BY_STATEMENT:
        op.execute(statement)
