"""The statements of counting."""

from sqlalchemy import text

_COUNT = """
    SELECT t.id AS task_id, t.tour_id, t.version, c.id AS count_id, c.round, c.state, c.cause,
           b.id AS bin_id, b.code AS bin_code, b.check_digits
      FROM task t
      JOIN count c ON c.warehouse_id = t.warehouse_id AND c.id = t.count_id
      JOIN bin b ON b.warehouse_id = c.warehouse_id AND b.id = c.bin_id
     WHERE t.warehouse_id = :warehouse_id
"""
OF_TOUR = text(f"{_COUNT} AND t.tour_id = :tour_id AND t.state = 'open' ORDER BY t.seq")
# The count after its task, before the stock.
TAKE = text(f"{_COUNT} AND t.id = :id FOR UPDATE OF c")
TAKE_COUNT = text(
    """
    SELECT c.id, c.bin_id, c.state, c.cause, c.round, b.code AS bin_code
      FROM count c JOIN bin b ON b.warehouse_id = c.warehouse_id AND b.id = c.bin_id
     WHERE c.warehouse_id = :warehouse_id AND c.id = :id FOR UPDATE OF c
    """
)
# task_from_bin_open_ix: picks from the bin wait, task before stock as they lock it themselves.
HOLD_PICKS = text(
    """
    SELECT id FROM task
     WHERE warehouse_id = :warehouse_id AND from_bin_id = :bin_id AND state = 'open'
       AND kind = 'pick'
     ORDER BY id FOR UPDATE
    """
)
_BOOKED = """
    SELECT x.id, x.owner_id, w.code AS owner_code, x.item_id, i.sku, i.description, x.lot_id,
           coalesce(l.code, '') AS lot_code, x.lpn_id, coalesce(p.code, '') AS lpn_code, x.serial,
           x.status, x.on_hand, x.allocated, i.lot_tracked, i.serial_tracked,
           ARRAY(SELECT c.value FROM barcode c WHERE c.item_id = x.item_id ORDER BY 1) AS codes
      FROM balance x
      JOIN item i ON i.id = x.item_id
      JOIN owner w ON w.id = x.owner_id
      LEFT JOIN lot l ON l.warehouse_id = x.warehouse_id AND l.id = x.lot_id
      LEFT JOIN lpn p ON p.warehouse_id = x.warehouse_id AND p.id = x.lpn_id
     WHERE x.warehouse_id = :warehouse_id AND x.bin_id = :bin_id AND x.on_hand > 0
"""
# balance_place_key
BOOKED = text(f"{_BOOKED} ORDER BY x.item_id, x.lot_id, x.lpn_id, x.serial, x.status")
# In the order of the movement trigger (bin, license plate).
TAKE_BOOKED = text(
    f"""
    {_BOOKED}
     ORDER BY coalesce(x.lpn_id, 0), x.item_id, x.id
       FOR UPDATE OF x
    """
)
ROUND = text(
    """
    SELECT item_id, lot_id, lpn_id, serial, booked, counted FROM count_line
     WHERE warehouse_id = :warehouse_id AND count_id = :count_id AND round = :round
     ORDER BY id
    """
)
COUNTERS = text(
    """
    SELECT DISTINCT l.user_id, coalesce(u.code, '') AS code FROM count_line l
      LEFT JOIN app_user u ON u.id = l.user_id
     WHERE l.warehouse_id = :warehouse_id AND l.count_id = :count_id
     UNION
    SELECT c.counted_by, u.code FROM count c JOIN app_user u ON u.id = c.counted_by
     WHERE c.warehouse_id = :warehouse_id AND c.id = :count_id
    """
)
MOVE_ON = text(
    """
    UPDATE count SET state = :state, round = :round,
           counted_by = coalesce(CAST(:counted_by AS bigint), counted_by),
           decided_by = CAST(:decided_by AS bigint),
           posted_at = CASE WHEN :state = 'posted' THEN CAST(:at AS timestamptz) END
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
ITEM_OF_CODE = text(
    """
    SELECT i.id, i.owner_id, w.code AS owner_code, i.sku, i.description, i.lot_tracked,
           i.serial_tracked
      FROM item i JOIN owner w ON w.id = i.owner_id
     WHERE i.id IN (SELECT item_id FROM barcode WHERE value = :code) OR i.sku = :code
     ORDER BY i.id LIMIT 2
    """
)
ITEM = text(
    """
    SELECT i.id, i.owner_id, w.code AS owner_code, i.sku, i.description, i.lot_tracked,
           i.serial_tracked
      FROM item i JOIN owner w ON w.id = i.owner_id
     WHERE i.id = :id
    """
)
LOT_CODE = text("SELECT code FROM lot WHERE warehouse_id = :warehouse_id AND id = :id")
# balance_serial_once
SERIAL_ELSEWHERE = text(
    """
    SELECT x.id, x.bin_id, b.code AS bin_code, x.lpn_id, x.lot_id, x.status, x.allocated
      FROM balance x JOIN bin b ON b.warehouse_id = x.warehouse_id AND b.id = x.bin_id
     WHERE x.warehouse_id = :warehouse_id AND x.owner_id = :owner_id AND x.item_id = :item_id
       AND x.serial = :serial AND x.serial <> '' AND x.on_hand > 0 AND x.bin_id <> :bin_id
       FOR UPDATE OF x
    """
)
TO_REVIEW = text(
    """
    SELECT c.id, b.code AS bin_code, c.cause, c.requested_at, coalesce(u.code, '') AS counted_by,
           i.sku, coalesce(l.code, '') AS lot_code, coalesce(p.code, '') AS lpn_code, n.serial,
           n.booked, n.counted, coalesce(f.counted - f.booked, 0) AS first_delta
      FROM count c
      JOIN bin b ON b.warehouse_id = c.warehouse_id AND b.id = c.bin_id
      JOIN count_line n ON n.warehouse_id = c.warehouse_id AND n.count_id = c.id
       AND n.round = c.round
      JOIN item i ON i.id = n.item_id
      LEFT JOIN app_user u ON u.id = c.counted_by
      LEFT JOIN lot l ON l.warehouse_id = n.warehouse_id AND l.id = n.lot_id
      LEFT JOIN lpn p ON p.warehouse_id = n.warehouse_id AND p.id = n.lpn_id
      LEFT JOIN count_line f ON f.warehouse_id = n.warehouse_id AND f.count_id = n.count_id
       AND f.round = 1 AND f.item_id = n.item_id AND f.lot_id IS NOT DISTINCT FROM n.lot_id
       AND f.lpn_id IS NOT DISTINCT FROM n.lpn_id AND f.serial = n.serial
     WHERE c.warehouse_id = :warehouse_id AND c.state = 'review'
     ORDER BY c.requested_at, c.id, n.id LIMIT 200
    """
)
