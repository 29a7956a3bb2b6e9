"""The ledger guards itself: movements move the balances, history is append-only

Takes no lock worth naming: the tables are new. From here on `balance` and the promised parts of
an order line change only through `movement` and `allocation` rows, whoever writes the SQL.
"""

from alembic import op

revision = "0002_ledger"
down_revision = "0001_schema"
branch_labels = None
depends_on = None

APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: write a correcting row instead', TG_TABLE_NAME
    USING ERRCODE = 'WM002';
END $$;
"""

# One movement: debit the source, consume its promise, credit the target, then the order line. Locks
# go balances in the order (bin, license plate, status), promise, line: opposite moves of one item,
# and promises beside picks, queue instead of deadlocking. What is not there unpromised is told
# apart (WM001) from what can never be (23xxx).
APPLY_MOVEMENT = """
CREATE FUNCTION apply_movement() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  from_kind text;
  to_kind text;
  source record;
  consumed int := 0;
  line_id bigint;
BEGIN
  SELECT kind INTO from_kind FROM bin
   WHERE warehouse_id = NEW.warehouse_id AND id = NEW.from_bin_id;
  SELECT kind INTO to_kind FROM bin
   WHERE warehouse_id = NEW.warehouse_id AND id = NEW.to_bin_id;
  IF from_kind IS NULL OR to_kind IS NULL THEN
    RAISE EXCEPTION 'movement names a bin that does not exist' USING ERRCODE = '23503';
  END IF;
  IF (NEW.from_bin_id, NEW.from_lpn_id, NEW.from_status)
     IS NOT DISTINCT FROM (NEW.to_bin_id, NEW.to_lpn_id, NEW.to_status) THEN
    RAISE EXCEPTION 'movement moves nothing' USING ERRCODE = '23514';
  END IF;

  IF from_kind NOT IN ('supplier', 'customer', 'adjustment', 'scrap') THEN
    IF (NEW.from_bin_id, coalesce(NEW.from_lpn_id, 0), NEW.from_status)
       > (NEW.to_bin_id, coalesce(NEW.to_lpn_id, 0), NEW.to_status) THEN
      PERFORM 1 FROM balance
        WHERE warehouse_id = NEW.warehouse_id AND bin_id = NEW.to_bin_id
          AND item_id = NEW.item_id AND lot_id IS NOT DISTINCT FROM NEW.lot_id
          AND lpn_id IS NOT DISTINCT FROM NEW.to_lpn_id AND serial = NEW.serial
          AND status = NEW.to_status
        FOR UPDATE;
    END IF;
    IF NEW.allocation_id IS NOT NULL THEN
      consumed := NEW.qty;
    END IF;
    UPDATE balance
       SET on_hand = on_hand - NEW.qty, allocated = allocated - consumed
     WHERE warehouse_id = NEW.warehouse_id AND bin_id = NEW.from_bin_id
       AND item_id = NEW.item_id AND lot_id IS NOT DISTINCT FROM NEW.lot_id
       AND lpn_id IS NOT DISTINCT FROM NEW.from_lpn_id AND serial = NEW.serial
       AND status = NEW.from_status AND owner_id = NEW.owner_id
       AND allocated >= consumed AND on_hand - NEW.qty >= allocated - consumed
    RETURNING id, on_hand, received_at INTO source;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the place does not hold % of it unpromised', NEW.qty
        USING ERRCODE = 'WM001';
    END IF;
    NEW.received_at := source.received_at;
    IF consumed > 0 THEN
      UPDATE allocation a SET qty = a.qty - consumed
       WHERE a.warehouse_id = NEW.warehouse_id AND a.id = NEW.allocation_id
         AND a.balance_id = source.id AND a.qty >= consumed
      RETURNING a.order_line_id INTO line_id;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'the promise is for other stock, or for less' USING ERRCODE = 'WM001';
      END IF;
    END IF;
    IF source.on_hand = 0 AND NEW.from_lpn_id IS NOT NULL THEN
      DELETE FROM balance WHERE warehouse_id = NEW.warehouse_id AND id = source.id;
    END IF;
  ELSIF NEW.allocation_id IS NOT NULL THEN
    RAISE EXCEPTION 'nothing outside the ledger is promised' USING ERRCODE = '23514';
  END IF;

  IF to_kind NOT IN ('supplier', 'customer', 'adjustment', 'scrap') THEN
    INSERT INTO balance AS b (warehouse_id, bin_id, lpn_id, owner_id, item_id, lot_id, serial,
                              status, on_hand, received_at)
    VALUES (NEW.warehouse_id, NEW.to_bin_id, NEW.to_lpn_id, NEW.owner_id, NEW.item_id, NEW.lot_id,
            NEW.serial, NEW.to_status, NEW.qty, coalesce(NEW.received_at, NEW.at))
    ON CONFLICT (warehouse_id, bin_id, item_id, lot_id, lpn_id, serial, status) DO UPDATE
      SET on_hand = b.on_hand + excluded.on_hand,
          received_at = CASE WHEN b.on_hand = 0 THEN excluded.received_at
                             ELSE least(b.received_at, excluded.received_at) END
      WHERE b.owner_id = excluded.owner_id;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the item belongs to another owner' USING ERRCODE = '23503';
    END IF;
  END IF;
  IF consumed > 0 THEN
    UPDATE order_line SET allocated = allocated - consumed, picked = picked + consumed
     WHERE warehouse_id = NEW.warehouse_id AND id = line_id;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER apply_movement BEFORE INSERT ON movement
  FOR EACH ROW EXECUTE FUNCTION apply_movement();
"""

GUARD_BALANCE = """
CREATE FUNCTION guard_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'balance follows from movement and allocation rows: write those'
    USING ERRCODE = 'WM002';
END $$;
CREATE TRIGGER guard_balance_write BEFORE INSERT OR UPDATE ON balance
  FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION guard_balance();
CREATE TRIGGER guard_balance_delete BEFORE DELETE ON balance
  FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND (OLD.on_hand > 0 OR OLD.allocated > 0))
  EXECUTE FUNCTION guard_balance();
CREATE TRIGGER guard_balance_truncate BEFORE TRUNCATE ON balance
  FOR EACH STATEMENT EXECUTE FUNCTION guard_balance();
"""

# A promise made, shrunk or withdrawn keeps balance and order line in step. Consumption by a
# movement happens inside apply_movement, so these fire for direct statements only.
APPLY_ALLOCATION = """
CREATE FUNCTION apply_allocation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  change int := NEW.qty - CASE WHEN TG_OP = 'INSERT' THEN 0 ELSE OLD.qty END;
BEGIN
  IF TG_OP = 'UPDATE' AND (OLD.balance_id, OLD.order_line_id)
     IS DISTINCT FROM (NEW.balance_id, NEW.order_line_id) THEN
    RAISE EXCEPTION 'a promise is released and made anew, never re-pointed' USING ERRCODE = 'WM002';
  END IF;
  UPDATE balance SET allocated = allocated + change
   WHERE warehouse_id = NEW.warehouse_id AND id = NEW.balance_id
     AND (item_id, owner_id) = (SELECT item_id, owner_id FROM order_line
          WHERE warehouse_id = NEW.warehouse_id AND id = NEW.order_line_id);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such stock for that line' USING ERRCODE = 'WM001';
  END IF;
  UPDATE order_line SET allocated = allocated + change, waiting = waiting - change,
         promised = least(greatest(promised - change, 0), waiting - change)
   WHERE warehouse_id = NEW.warehouse_id AND id = NEW.order_line_id;
  RETURN NEW;
END $$;
CREATE TRIGGER apply_allocation_insert BEFORE INSERT ON allocation
  FOR EACH ROW EXECUTE FUNCTION apply_allocation();
CREATE TRIGGER apply_allocation_update BEFORE UPDATE ON allocation
  FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION apply_allocation();
CREATE FUNCTION guard_allocation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'an open promise is released (qty = 0), not deleted' USING ERRCODE = 'WM002';
END $$;
CREATE TRIGGER guard_allocation_delete BEFORE DELETE ON allocation
  FOR EACH ROW WHEN (OLD.qty > 0) EXECUTE FUNCTION guard_allocation();
CREATE TRIGGER guard_allocation_truncate BEFORE TRUNCATE ON allocation
  FOR EACH STATEMENT EXECUTE FUNCTION guard_allocation();
CREATE FUNCTION guard_line_parts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the allocated part of a line follows from allocation rows'
    USING ERRCODE = 'WM002';
END $$;
CREATE TRIGGER guard_line_allocated BEFORE UPDATE ON order_line
  FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND OLD.allocated <> NEW.allocated)
  EXECUTE FUNCTION guard_line_parts();
CREATE TRIGGER guard_line_allocated_insert BEFORE INSERT ON order_line
  FOR EACH ROW WHEN (NEW.allocated <> 0) EXECUTE FUNCTION guard_line_parts();
"""

# A license plate never holds itself, directly or through what it stands on (the plates above are
# locked on the way up, so two people cannot close a ring together), and one that left the house is
# never opened again. A claim with goods in hand passes only by a named hand-over.
GUARD_LPN_AND_TOUR = """
CREATE FUNCTION guard_lpn() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  above bigint := NEW.parent_id;
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.state IN ('shipped', 'void') AND NEW.state <> OLD.state THEN
    RAISE EXCEPTION 'license plate % is % for ever', OLD.code, OLD.state USING ERRCODE = 'WM002';
  END IF;
  WHILE above IS NOT NULL LOOP
    IF above = NEW.id THEN
      RAISE EXCEPTION 'license plate % would stand on itself', NEW.code USING ERRCODE = '23514';
    END IF;
    SELECT parent_id INTO above FROM lpn
     WHERE warehouse_id = NEW.warehouse_id AND id = above FOR NO KEY UPDATE;
  END LOOP;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_lpn BEFORE INSERT OR UPDATE OF parent_id, state ON lpn
  FOR EACH ROW EXECUTE FUNCTION guard_lpn();
CREATE FUNCTION guard_tour() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'goods are in hand: tour % passes only by a named hand-over', OLD.id
    USING ERRCODE = 'WM002';
END $$;
CREATE TRIGGER guard_tour BEFORE UPDATE OF claimed_by ON tour
  FOR EACH ROW WHEN (OLD.state = 'claimed' AND OLD.goods_in_hand AND NEW.goods_in_hand
    AND NEW.claimed_by IS DISTINCT FROM OLD.claimed_by AND NEW.cause NOT LIKE 'handover:%')
  EXECUTE FUNCTION guard_tour();
"""

# A lot keeps its expiry, item and owner: it changes only inside an act that says why, in
# `wms.lot_correction`. A bin keeps its side of the ledger's border, and is blocked, not deleted:
# movements name it for ever. A warehouse's calendar is one that PostgreSQL knows.
GUARD_MASTER_DATA = """
CREATE FUNCTION guard_lot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'lot % keeps its expiry, item and owner', OLD.code USING ERRCODE = 'WM002';
END $$;
CREATE TRIGGER guard_lot BEFORE UPDATE ON lot
  FOR EACH ROW WHEN (
    (OLD.owner_id, OLD.item_id, OLD.code, OLD.expires_on)
      IS DISTINCT FROM (NEW.owner_id, NEW.item_id, NEW.code, NEW.expires_on)
    AND coalesce(current_setting('wms.lot_correction', true), '') = '')
  EXECUTE FUNCTION guard_lot();
ALTER TABLE lot ADD CONSTRAINT lot_warehouse_id_id_item_id_key UNIQUE (warehouse_id, id, item_id);
ALTER TABLE balance DROP CONSTRAINT balance_warehouse_id_lot_id_fkey;
ALTER TABLE balance ADD CONSTRAINT balance_warehouse_id_lot_id_item_id_fkey
  FOREIGN KEY (warehouse_id, lot_id, item_id) REFERENCES lot (warehouse_id, id, item_id);
CREATE FUNCTION guard_bin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'bin % stays: movements name it. Block it instead', OLD.code
    USING ERRCODE = 'WM002';
END $$;
CREATE TRIGGER guard_bin_kind BEFORE UPDATE OF kind ON bin
  FOR EACH ROW WHEN (
    (OLD.kind IN ('supplier', 'customer', 'adjustment', 'scrap'))
      <> (NEW.kind IN ('supplier', 'customer', 'adjustment', 'scrap')))
  EXECUTE FUNCTION guard_bin();
CREATE TRIGGER guard_bin_delete BEFORE DELETE ON bin
  FOR EACH ROW EXECUTE FUNCTION guard_bin();
CREATE FUNCTION guard_timezone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM now() AT TIME ZONE NEW.timezone;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_timezone BEFORE INSERT OR UPDATE OF timezone ON warehouse
  FOR EACH ROW EXECUTE FUNCTION guard_timezone();
"""

FREEZE = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def run(script: str) -> None:
    """asyncpg prepares one statement at a time, so a script is cut at its top-level ends."""
    part: list[str] = []
    quoted = False
    for line in script.strip().splitlines():
        quoted ^= line.count("$$") % 2 == 1
        part.append(line)
        if not quoted and line.rstrip().endswith(";"):
            op.execute("\n".join(part))
            part = []


def upgrade() -> None:
    run(APPEND_ONLY)
    run(APPLY_MOVEMENT)
    run(GUARD_BALANCE)
    run(APPLY_ALLOCATION)
    run(GUARD_LPN_AND_TOUR)
    run(GUARD_MASTER_DATA)
    for table in ("movement", "scan", "receipt_line", "count_line"):
        run(FREEZE.format(table=table))
    run("ALTER TABLE balance SET (fillfactor = 80);")
    run("ALTER TABLE task SET (fillfactor = 80);")
    run("ALTER TABLE tour SET (fillfactor = 80);")
    run("ALTER TABLE order_line SET (fillfactor = 80);")
    run("ALTER TABLE outbound_order SET (fillfactor = 80);")
