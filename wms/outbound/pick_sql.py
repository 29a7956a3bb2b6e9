"""The statements of picking. The two hot ones run on raw asyncpg, so they use $n parameters."""

from sqlalchemy import text

# Primary keys throughout; item codes come from barcode_item_id_ix. One row a pick.
_PICK = """
    SELECT t.id, t.tour_id, t.seq, t.version, t.state, t.qty, t.qty_done, t.slot,
           u.state AS tour_state, u.claimed_by,
           t.order_id, o.external_id AS order_no, o.correlation_id,
           o.owner_id, w.code AS owner_code,
           t.order_line_id, t.allocation_id,
           t.item_id, i.sku, i.description,
           ARRAY(SELECT c.value FROM barcode c WHERE c.item_id = t.item_id) AS item_codes,
           t.lot_id, coalesce(x.code, '') AS lot_code,
           coalesce(x.expires_on::text, '') AS expires_on,
           coalesce(s.serial, '') AS serial,
           b.id AS bin_id, b.code AS bin_code, b.check_digits,
           t.lpn_id, coalesce(p.code, '') AS lpn_code,
           q.lpn_id AS tote_id, coalesce(r.code, '') AS tote_code, r.bin_id AS hand_bin_id
      FROM task t
      JOIN tour u ON u.warehouse_id = t.warehouse_id AND u.id = t.tour_id
      JOIN outbound_order o ON o.warehouse_id = t.warehouse_id AND o.id = t.order_id
      JOIN owner w ON w.id = o.owner_id
      JOIN item i ON i.id = t.item_id
      JOIN bin b ON b.warehouse_id = t.warehouse_id AND b.id = t.from_bin_id
      LEFT JOIN lot x ON x.warehouse_id = t.warehouse_id AND x.id = t.lot_id
      LEFT JOIN allocation a ON a.warehouse_id = t.warehouse_id AND a.id = t.allocation_id
      LEFT JOIN balance s ON s.warehouse_id = t.warehouse_id AND s.id = a.balance_id
      LEFT JOIN lpn p ON p.warehouse_id = t.warehouse_id AND p.id = t.lpn_id
      LEFT JOIN tour_slot q ON q.warehouse_id = t.warehouse_id AND q.tour_id = t.tour_id
                           AND q.slot = t.slot
      LEFT JOIN lpn r ON r.warehouse_id = t.warehouse_id AND r.id = q.lpn_id
"""
LOAD_TOUR_OF = (
    f"{_PICK} WHERE t.warehouse_id = $1 AND t.tour_id ="
    " (SELECT tour_id FROM task WHERE warehouse_id = $1 AND id = $2)"
)
STORED = "SELECT body_hash, answer FROM scan WHERE warehouse_id = $1 AND key = $2"
LOAD_PICKS = text(
    f"{_PICK} WHERE t.warehouse_id = :warehouse_id AND t.tour_id = :tour_id ORDER BY t.seq"
)
LOAD_ONE = text(f"{_PICK} WHERE t.warehouse_id = :warehouse_id AND t.id = :id")

# The confirming scan as ONE statement = one transaction: task, movement (whose trigger moves both
# balances and consumes the promise), order, tour, events, scan with its answer. Everything hangs
# on `done`: when the task is no longer open, ours and at this version, nothing is written at all.
# Locks: task -> balances (source, tote) -> order -> tour (first pick only). The order's row is
# last but one, so exactly one pick sees `picks_open` reach 0.
CONFIRM_PICK = """
    WITH done AS (
      UPDATE task t SET state = 'done', qty_done = t.qty, version = t.version + 1, done_at = $5,
             done_by = $4
        FROM tour u
       WHERE t.warehouse_id = $1 AND t.id = $2 AND t.version = $3 AND t.state = 'open'
         AND u.warehouse_id = $1 AND u.id = t.tour_id
         AND u.state = 'claimed' AND u.claimed_by = $4
      RETURNING t.id, t.tour_id, t.order_id, t.from_bin_id, t.lpn_id, t.item_id, t.lot_id,
                t.allocation_id, u.goods_in_hand, u.lease_until
    ), moved AS (
      INSERT INTO movement (warehouse_id, at, kind, from_bin_id, from_lpn_id, to_bin_id, to_lpn_id,
                            owner_id, item_id, lot_id, serial, qty, allocation_id, task_id,
                            scan_key, user_id)
      SELECT $1, $5, 'pick', d.from_bin_id, d.lpn_id, $6, $7, $8, d.item_id, d.lot_id, $9, $10,
             d.allocation_id, d.id, $11, $4
        FROM done d
      RETURNING id
    ), before AS (
      SELECT o.id, o.state, o.picks_open, m.id AS movement_id
        FROM moved m, done d
        JOIN outbound_order o ON o.warehouse_id = $1 AND o.id = d.order_id
         FOR NO KEY UPDATE OF o
    ), counted AS (
      UPDATE outbound_order o
         SET picks_open = o.picks_open - 1,
             state = CASE WHEN o.state NOT IN ('released', 'picking') THEN o.state
                          WHEN b.picks_open = 1 THEN 'picked' ELSE 'picking' END,
             version = o.version + (b.state = 'released')::int + (b.picks_open = 1)::int
        FROM before b
       WHERE o.warehouse_id = $1 AND o.id = b.id
      RETURNING o.version, b.state = 'released' AS started, b.picks_open = 1 AS finished,
                b.movement_id
    ), tour_touched AS (
      UPDATE tour SET goods_in_hand = true, lease_until = $5 + interval '15 minutes'
        FROM done d
       WHERE tour.warehouse_id = $1 AND tour.id = d.tour_id
         AND (NOT d.goods_in_hand OR d.lease_until < $5 + interval '7 minutes')
    ), told AS (
      INSERT INTO outbox (warehouse_id, event_id, type, okey, keyseq, subject, owner, occurred_at,
                          recorded_at, actor, causation_id, correlation_id, traceparent, data)
      SELECT $1, e.event_id, e.type, e.okey, e.keyseq, e.okey, $12, $13, $5, $14, $11::text,
             $29, $30, e.data
        FROM (
          SELECT 1 AS n, $15::uuid AS event_id, 'inventory.moved' AS type, $16 AS okey,
                 NULL::bigint AS keyseq,
                 '{"movement_id":"' || c.movement_id || '",' || $17 AS data FROM counted c
          UNION ALL
          SELECT 2, $18::uuid, 'order.pick_started', $20, c.version - c.finished::int,
                 $21 || (c.version - c.finished::int) || ',"status":"picking"}}'
            FROM counted c WHERE c.started
          UNION ALL
          SELECT 3, $19::uuid, 'order.picked', $20, c.version,
                 $21 || c.version || ',"status":"picked"}}'
            FROM counted c WHERE c.finished
        ) e ORDER BY e.n
    ), evidence AS (
      INSERT INTO scan (warehouse_id, key, device, seq, user_id, at, device_at, ref, path, codes,
                        body_hash, ok, answer)
      SELECT $1, $11, $22, $23, $4, $5, $24, $25, '', $26, $27, true, $28 FROM done
    )
    SELECT movement_id, started, finished FROM counted
"""

SLOTS = text(
    """
    SELECT s.slot, o.external_id AS order_no, coalesce(l.code, '') AS tote_code
      FROM tour_slot s
      JOIN outbound_order o ON o.warehouse_id = s.warehouse_id AND o.id = s.order_id
      LEFT JOIN lpn l ON l.warehouse_id = s.warehouse_id AND l.id = s.lpn_id
     WHERE s.warehouse_id = :warehouse_id AND s.tour_id = :tour_id
     ORDER BY s.slot
    """
)
STATIONS = text(
    """
    SELECT id, code, check_digits FROM bin
     WHERE warehouse_id = :warehouse_id AND kind = 'pack' AND NOT blocked ORDER BY code LIMIT 50
    """
)
TAKE_SLOT = text(
    """
    SELECT id, order_id, lpn_id FROM tour_slot
     WHERE warehouse_id = :warehouse_id AND tour_id = :tour_id AND slot = :slot FOR UPDATE
    """
)
BIND_SLOT = text(
    "UPDATE tour_slot SET lpn_id = :lpn_id WHERE warehouse_id = :warehouse_id AND id = :id"
)
BIND_LPN = text(
    """
    UPDATE lpn SET state = 'open', order_id = :order_id, bin_id = :bin_id
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
TOUR_TOTES = text(
    """
    SELECT s.lpn_id, l.code, s.order_id
      FROM tour_slot s JOIN lpn l ON l.warehouse_id = s.warehouse_id AND l.id = s.lpn_id
     WHERE s.warehouse_id = :warehouse_id AND s.tour_id = :tour_id
     ORDER BY s.lpn_id
       FOR UPDATE OF l
    """
)
FREE_EMPTY = text(
    """
    UPDATE lpn SET state = 'free', order_id = NULL
     WHERE warehouse_id = :warehouse_id AND id = :id
       AND NOT EXISTS (SELECT 1 FROM balance WHERE warehouse_id = :warehouse_id AND lpn_id = :id)
    RETURNING id
    """
)
# The order's row is locked first, so of two pickers dropping its last totes one creates the work.
READY_TO_PACK = text(
    """
    SELECT o.id, o.state, o.cutoff_at, o.priority, o.cancel_requested,
           ARRAY(SELECT l.id FROM lpn l JOIN bin b ON b.warehouse_id = l.warehouse_id
                                                  AND b.id = l.bin_id
                  WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id AND l.kind = 'tote'
                    AND l.state = 'open' AND b.kind = 'pack' ORDER BY l.id) AS totes,
           EXISTS (SELECT 1 FROM lpn l JOIN bin b ON b.warehouse_id = l.warehouse_id
                                                 AND b.id = l.bin_id
                    WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id
                      AND l.kind = 'tote' AND l.state = 'open' AND b.kind = 'hand') AS in_hand
      FROM (SELECT * FROM outbound_order WHERE warehouse_id = :warehouse_id AND id = :id
               FOR NO KEY UPDATE) o
    """
)
PARTIAL = text(
    """
    UPDATE task SET qty_done = qty_done + :qty, version = version + 1
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
GOODS_IN_HAND = text(
    "UPDATE tour SET goods_in_hand = true WHERE warehouse_id = :warehouse_id AND id = :id"
    " AND NOT goods_in_hand"
)
