"""The statements of releasing and pulling back waves."""

from sqlalchemy import text

from wms.inventory.allocations import PROMISABLE

# Primary keys and the natural key of lines. No lock: what is decided is decided again under it.
ITEMS_OF = text(
    """
    SELECT DISTINCT item_id AS id FROM order_line
     WHERE warehouse_id = :warehouse_id AND order_id = ANY (CAST(:ids AS bigint[])) AND waiting > 0
    """
)
DEMANDS = text(
    """
    SELECT l.order_id, l.id AS order_line_id, l.line_no, l.item_id, i.sku, l.waiting AS qty,
           l.promised, NOT o.allow_partial AS whole
      FROM outbound_order o
      JOIN order_line l ON l.warehouse_id = o.warehouse_id AND l.order_id = o.id AND l.waiting > 0
      JOIN item i ON i.id = l.item_id
     WHERE o.warehouse_id = :warehouse_id AND o.id = ANY (CAST(:ids AS bigint[]))
     ORDER BY o.priority DESC, o.cutoff_at, o.id, l.id
    """
)
INSERT_WAVE = text(
    """
    INSERT INTO wave (warehouse_id, cutoff_at, created_at, created_by)
    VALUES (:warehouse_id, :cutoff_at, :at, :user_id)
    RETURNING id
    """
)
SET_CAUSE = text(
    """
    UPDATE outbound_order SET cause = :cause
     WHERE warehouse_id = :warehouse_id AND id = ANY (CAST(:ids AS bigint[])) AND cause <> :cause
    """
)

# Served by outbound_order_wave_ix, then order_line's natural key and allocation_open_line_ix.
WAVE_ORDERS = text(
    """
    SELECT o.id AS order_id, extract(epoch FROM o.cutoff_at)::bigint AS due_s, o.priority
      FROM outbound_order o
     WHERE o.warehouse_id = :warehouse_id AND o.wave_id = :wave_id AND o.state = 'open'
     ORDER BY o.priority DESC, o.cutoff_at, o.id
    """
)
WAVE_PICKS = text(
    """
    SELECT a.id AS allocation_id, l.order_id, l.id AS order_line_id, l.item_id, b.lot_id, b.lpn_id,
           b.bin_id, b.id AS balance_id, p.pick_sequence, a.qty,
           coalesce(e.length_mm, 0) AS length_mm, coalesce(e.width_mm, 0) AS width_mm,
           coalesce(e.height_mm, 0) AS height_mm, coalesce(e.weight_g, 0) AS weight_g
      FROM outbound_order o
      JOIN order_line l ON l.warehouse_id = o.warehouse_id AND l.order_id = o.id
      JOIN allocation a ON a.warehouse_id = o.warehouse_id AND a.order_line_id = l.id AND a.qty > 0
      JOIN balance b ON b.warehouse_id = o.warehouse_id AND b.id = a.balance_id
      JOIN bin p ON p.warehouse_id = o.warehouse_id AND p.id = b.bin_id
      LEFT JOIN pack_level e ON e.item_id = l.item_id AND e.level = 'each'
     WHERE o.warehouse_id = :warehouse_id AND o.wave_id = :wave_id AND o.state = 'open'
     ORDER BY a.id
    """
)
# Stock of the same kind as these balances (item, lot, day of receipt, pick face or reserve) in
# other bins, with the balances themselves. balance's key, then balance_item_ix for each item.
OFFERS = text(
    f"""
    WITH home AS (
      SELECT b.id, b.bin_id, b.lpn_id, b.item_id, b.lot_id, p.pick_sequence, p.kind AS face,
             CAST(b.received_at AT TIME ZONE w.timezone AS date) AS day
        FROM balance b
        JOIN bin p ON p.warehouse_id = b.warehouse_id AND p.id = b.bin_id
        JOIN warehouse w ON w.id = b.warehouse_id
       WHERE b.warehouse_id = :warehouse_id AND b.id = ANY (CAST(:ids AS bigint[]))
         AND b.serial = ''
    ), need AS (
      SELECT DISTINCT item_id FROM home
    ), stock AS (
      SELECT b.id, b.bin_id, b.lpn_id, b.item_id, b.lot_id, p.pick_sequence, p.kind AS face,
             CAST(b.received_at AT TIME ZONE w.timezone AS date) AS day,
             b.on_hand - b.allocated AS free
      {PROMISABLE}
         AND b.serial = ''
    ), every AS (
      SELECT h.*, coalesce(s.free, 0) AS free, true AS promised
        FROM home h LEFT JOIN stock s ON s.id = h.id
      UNION ALL
      SELECT s.*, false FROM stock s WHERE s.id <> ALL (CAST(:ids AS bigint[]))
    ), ranked AS (
      SELECT *, dense_rank() OVER (ORDER BY item_id, lot_id, day, face) AS kind,
             bool_or(promised) OVER k AS wanted, min(bin_id) OVER k < max(bin_id) OVER k AS several,
             row_number() OVER (
               PARTITION BY item_id, lot_id, day, face ORDER BY promised DESC, free DESC, id) AS n
        FROM every
      WINDOW k AS (PARTITION BY item_id, lot_id, day, face)
    )
    SELECT id AS balance_id, kind, bin_id, lpn_id, pick_sequence, free
      FROM ranked WHERE wanted AND several AND n <= :most
     ORDER BY kind, pick_sequence, id
    """
)
# What is promised, picked already or just being packed; what is short by then stays out.
CONTENTS = text(
    """
    SELECT l.order_id, l.item_id, CAST(sum(l.allocated + l.picked) AS int) AS qty,
           coalesce(e.length_mm, 0) AS length_mm, coalesce(e.width_mm, 0) AS width_mm,
           coalesce(e.height_mm, 0) AS height_mm, coalesce(e.weight_g, 0) AS weight_g,
           i.fragile, i.upright, i.separation, i.flat, i.own_container, i.carton_qty_max,
           e.load_max_g
      FROM outbound_order o
      JOIN order_line l ON l.warehouse_id = o.warehouse_id AND l.order_id = o.id
       AND l.allocated + l.picked > 0
      JOIN item i ON i.id = l.item_id
      LEFT JOIN pack_level e ON e.item_id = i.id AND e.level = 'each'
     WHERE o.warehouse_id = :warehouse_id AND o.wave_id = :wave_id
       AND o.state IN ('released', 'picking', 'picked')
       AND NOT EXISTS (SELECT 1 FROM planned_carton c
                        WHERE c.warehouse_id = o.warehouse_id AND c.order_id = o.id)
     GROUP BY o.priority, o.cutoff_at, l.order_id, l.item_id, e.length_mm, e.width_mm, e.height_mm,
              e.weight_g, e.load_max_g, i.fragile, i.upright, i.separation, i.flat,
              i.own_container, i.carton_qty_max
     ORDER BY o.priority DESC, o.cutoff_at, l.order_id, l.item_id
    """
)
CARTON_TYPES = text(
    """
    SELECT code, inner_length_mm, inner_width_mm, inner_height_mm, outer_length_mm, outer_width_mm,
           outer_height_mm, tare_g, gross_max_g, cost_minor
      FROM carton_type ORDER BY id
    """
)
SETTING = text(
    "SELECT cart_slots, tote_mm3, tote_g, plan_seconds FROM wave_setting"
    " WHERE warehouse_id = :warehouse_id"
)

# The wave's row is the latch: whoever finds it planning and locks it writes the tours, once.
TAKE_PLANNING = text(
    """
    SELECT id, cutoff_at FROM wave
     WHERE warehouse_id = :warehouse_id AND id = :wave_id AND state = 'planning'
       FOR UPDATE
    """
)
TAKE_MEMBERS = text(
    """
    SELECT id, state, hold_reason, cancel_requested, cutoff_at, priority FROM outbound_order
     WHERE warehouse_id = :warehouse_id AND wave_id = :wave_id
     ORDER BY id
       FOR NO KEY UPDATE
    """
)
OPEN_PROMISES = text(
    """
    SELECT a.id, l.order_id, a.qty
      FROM outbound_order o
      JOIN order_line l ON l.warehouse_id = o.warehouse_id AND l.order_id = o.id
      JOIN allocation a ON a.warehouse_id = o.warehouse_id AND a.order_line_id = l.id AND a.qty > 0
     WHERE o.warehouse_id = :warehouse_id AND o.wave_id = :wave_id
    """
)
INSERT_CARTONS = text(
    """
    INSERT INTO planned_carton (warehouse_id, order_id, number, carton_type_id, placements,
                                weight_g)
    SELECT :warehouse_id, t.order_id, t.number, c.id, CAST(t.placements AS jsonb), t.weight_g
      FROM unnest(CAST(:order_ids AS bigint[]), CAST(:numbers AS smallint[]),
                  CAST(:codes AS text[]), CAST(:placements AS text[]), CAST(:weights AS int[]))
        AS t (order_id, number, code, placements, weight_g)
      JOIN carton_type c ON c.code = t.code
    ON CONFLICT (warehouse_id, order_id, number) DO NOTHING
    """
)
BOXED = text(
    """
    UPDATE wave SET plan = plan || jsonb_build_object('cartons', CAST(:cartons AS int))
     WHERE warehouse_id = :warehouse_id AND id = :wave_id
    """
)
# A plan written again belongs to an order that was pulled back and changed: the old one goes.
FORGET_CARTONS = text(
    """
    DELETE FROM planned_carton
     WHERE warehouse_id = :warehouse_id AND order_id = ANY (CAST(:ids AS bigint[]))
    """
)
UNBOXED = text(
    """
    SELECT id FROM wave
     WHERE warehouse_id = :warehouse_id AND state = 'released' AND NOT plan ? 'cartons'
       AND released_at < :before AND released_at > :since ORDER BY id LIMIT 5
    """
)
RELEASE_ORDERS = text(
    """
    UPDATE outbound_order o
       SET state = 'released', picks_open = t.picks, version = o.version + 1,
           cause = CASE WHEN EXISTS (SELECT 1 FROM order_line l
                                      WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id
                                        AND l.waiting > 0) THEN 'part_out_of_stock' ELSE '' END
      FROM unnest(CAST(:ids AS bigint[]), CAST(:picks AS int[])) AS t (id, picks)
     WHERE o.warehouse_id = :warehouse_id AND o.id = t.id
    RETURNING o.id, o.version
    """
)
WAVE_RELEASED = text(
    """
    UPDATE wave SET state = 'released', released_at = :at, plan = CAST(:plan AS jsonb)
     WHERE warehouse_id = :warehouse_id AND id = :wave_id
    """
)
WAVE_PULLED = text(
    """
    UPDATE wave SET state = 'pulled', done_at = :at
     WHERE warehouse_id = :warehouse_id AND id = :wave_id
    """
)

# Pull back: tasks before tours, as a pick locks them; tours are only taken while nobody has them.
TAKE_WAVE = text(
    """
    SELECT id, state FROM wave WHERE warehouse_id = :warehouse_id AND id = :wave_id FOR UPDATE
    """
)
TAKE_TASKS = text(
    """
    SELECT t.id, t.tour_id, t.order_id
      FROM tour u
      JOIN task t ON t.warehouse_id = u.warehouse_id AND t.tour_id = u.id AND t.state = 'open'
     WHERE u.warehouse_id = :warehouse_id AND u.wave_id = :wave_id AND u.kind = 'pick'
       AND u.state IN ('planned', 'ready')
     ORDER BY t.id
       FOR UPDATE OF t
    """
)
# Orders of the wave with a pick that is done, or open in a tour that somebody has.
STARTED = text(
    """
    SELECT DISTINCT t.order_id AS id
      FROM tour u
      JOIN task t ON t.warehouse_id = u.warehouse_id AND t.tour_id = u.id
     WHERE u.warehouse_id = :warehouse_id AND u.wave_id = :wave_id AND u.kind = 'pick'
       AND (t.state = 'done' OR t.state = 'open' AND u.id <> ALL (CAST(:tour_ids AS bigint[])))
    """
)
TAKE_FREE_TOURS = text(
    """
    SELECT id FROM tour
     WHERE warehouse_id = :warehouse_id AND wave_id = :wave_id AND kind = 'pick'
       AND state IN ('planned', 'ready')
     ORDER BY id
       FOR UPDATE
    """
)
PROMISES_OF = text(
    """
    SELECT a.id FROM order_line l
      JOIN allocation a ON a.warehouse_id = l.warehouse_id AND a.order_line_id = l.id AND a.qty > 0
     WHERE l.warehouse_id = :warehouse_id AND l.order_id = ANY (CAST(:ids AS bigint[]))
     ORDER BY a.id
    """
)

STALE = text(
    """
    SELECT id FROM wave
     WHERE warehouse_id = :warehouse_id AND state = 'planning' AND created_at < :before ORDER BY id
    """
)
COMPLETE = text(
    """
    UPDATE wave w SET state = 'complete', done_at = :at
     WHERE w.warehouse_id = :warehouse_id AND w.state = 'released'
       AND NOT EXISTS (SELECT 1 FROM tour u
                        WHERE u.warehouse_id = w.warehouse_id AND u.wave_id = w.id
                          AND u.state IN ('planned', 'ready', 'claimed'))
    RETURNING id, cutoff_at, plan
    """
)
WAREHOUSES = text("SELECT id FROM warehouse ORDER BY id")
