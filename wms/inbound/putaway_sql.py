"""The statements of putaway."""

from sqlalchemy import text

_PUTS = """
    SELECT t.id, t.tour_id, t.version, t.state, t.item_id, coalesce(i.sku, '') AS sku,
           coalesce(i.description, '') AS description,
           ARRAY(SELECT c.value FROM barcode c WHERE c.item_id = t.item_id) AS item_codes,
           t.lot_id, coalesce(l.code, '') AS lot_code, t.qty, t.qty_done,
           p.id AS lpn_id, p.code AS lpn_code, p.bin_id AS lpn_bin_id,
           held.contents, held.items > 1 AS mixed,
           b.id AS to_bin_id, coalesce(b.code, '') AS to_code,
           coalesce(b.check_digits, '') AS check_digits,
           coalesce((SELECT c.code FROM bin c WHERE c.warehouse_id = t.warehouse_id
             AND c.kind = 'clarify' ORDER BY c.id LIMIT 1), '') AS clarify_code,
           t.reason, u.goods_in_hand,
           coalesce((SELECT a.correlation_id FROM receipt_line r
                       JOIN asn a ON a.warehouse_id = r.warehouse_id AND a.id = r.asn_id
                      WHERE r.warehouse_id = t.warehouse_id AND r.lpn_id = p.id
                      ORDER BY r.id DESC LIMIT 1), '') AS correlation_id,
           (SELECT count(*) FROM task o WHERE o.warehouse_id = t.warehouse_id
             AND o.tour_id = t.tour_id AND o.state = 'open') AS puts_open
      FROM task t
      JOIN tour u ON u.warehouse_id = t.warehouse_id AND u.id = t.tour_id
      JOIN lpn p ON p.warehouse_id = t.warehouse_id AND p.id = t.lpn_id
      LEFT JOIN item i ON i.id = t.item_id
      LEFT JOIN lot l ON l.warehouse_id = t.warehouse_id AND l.id = t.lot_id
      LEFT JOIN bin b ON b.warehouse_id = t.warehouse_id AND b.id = t.to_bin_id
     CROSS JOIN LATERAL (
       SELECT count(DISTINCT (x.item_id, x.lot_id)) AS items,
              coalesce(string_agg(x.on_hand || ' × ' || y.sku, ', ' ORDER BY y.sku), '')
                AS contents
         FROM balance x JOIN item y ON y.id = x.item_id
        WHERE x.warehouse_id = p.warehouse_id AND x.lpn_id = p.id AND x.on_hand > 0) held
     WHERE t.warehouse_id = :warehouse_id
"""
LOAD_PUTS = text(f"{_PUTS} AND t.tour_id = :tour_id ORDER BY t.seq")
LOAD_PUT = text(f"{_PUTS} AND t.id = :id")

# bin_warehouse_id_kind_ix, then balance_place_key and task_to_bin_open_ix bin by bin. Of each sort
# (kind, empty or not) only the bins nearest to where the velocity belongs are looked at further.
CANDIDATES = text(
    """
    WITH start AS (
      SELECT x_mm, y_mm FROM bin WHERE warehouse_id = :warehouse_id AND id = :from_bin_id
    ), pack AS (
      SELECT avg(x_mm) AS x_mm, avg(y_mm) AS y_mm FROM bin
       WHERE warehouse_id = :warehouse_id AND kind = 'pack'
    ), storage AS (
      SELECT b.id, b.kind,
             (abs(b.x_mm - s.x_mm) + abs(b.y_mm - s.y_mm) + b.z_mm) / 1000.0 AS from_stage_m,
             (abs(b.x_mm - coalesce(p.x_mm, s.x_mm)) + abs(b.y_mm - coalesce(p.y_mm, s.y_mm))
               + b.z_mm) / 1000.0 AS to_pack_m
        FROM bin b
        LEFT JOIN aisle a ON a.warehouse_id = b.warehouse_id AND a.id = b.aisle_id
       CROSS JOIN start s CROSS JOIN pack p
       WHERE b.warehouse_id = :warehouse_id AND b.kind IN ('pick', 'reserve') AND NOT b.blocked
         AND NOT coalesce(a.blocked, false)
         AND b.id <> ALL (CAST(:not_bin_ids AS bigint[]))
    ), looked AS (
      SELECT s.*, coalesce(inside.same, false) OR coalesce(coming.same, false) AS same,
             coalesce(inside.same, coming.same) IS NOT NULL AS taken,
             abs(s.to_pack_m - :ideal * far.m) AS off_place, far.m AS farthest_m
        FROM storage s
       CROSS JOIN (SELECT max(to_pack_m) AS m FROM storage) far
       CROSS JOIN LATERAL (
         SELECT bool_or(x.item_id = ANY (CAST(:item_ids AS bigint[]))) AS same FROM balance x
          WHERE x.warehouse_id = :warehouse_id AND x.bin_id = s.id AND x.on_hand > 0) inside
       CROSS JOIN LATERAL (
         SELECT bool_or(coalesce(t.item_id = ANY (CAST(:item_ids AS bigint[])), false)) AS same
           FROM task t
          WHERE t.warehouse_id = :warehouse_id AND t.to_bin_id = s.id AND t.state = 'open') coming
    ), ranked AS (
      SELECT *, row_number() OVER (PARTITION BY kind, taken ORDER BY off_place, id) AS place
        FROM looked
    )
    SELECT id AS bin_id, CAST(from_stage_m AS float8) AS from_stage_m,
           CAST(to_pack_m AS float8) AS to_pack_m, CAST(farthest_m AS float8) AS farthest_m
      FROM ranked WHERE same OR place <= 25
     ORDER BY same DESC, id LIMIT 200
    """
)
FULL_BINS = text(
    """
    SELECT bin_id, full_mm3 FROM bin_full
     WHERE warehouse_id = :warehouse_id AND bin_id = ANY (CAST(:ids AS bigint[]))
    """
)
# What it held when somebody saw that nothing more goes in is its capacity; it may be learned again.
SEEN_FULL = text(
    """
    INSERT INTO bin_full (warehouse_id, bin_id, full_mm3, seen_at, seen_by)
    VALUES (:warehouse_id, :bin_id, :full_mm3, :at, :user_id)
    ON CONFLICT (warehouse_id, bin_id)
    DO UPDATE SET full_mm3 = excluded.full_mm3, seen_at = excluded.seen_at,
                  seen_by = excluded.seen_by
    """
)
# Somebody put goods into it after all: it is full no more.
FULL_NO_MORE = text("DELETE FROM bin_full WHERE warehouse_id = :warehouse_id AND bin_id = :bin_id")
FIND_BIN = text("SELECT id FROM bin WHERE warehouse_id = :warehouse_id AND code = :code")
OPEN_PUTS = text(
    "SELECT id FROM task"
    " WHERE warehouse_id = :warehouse_id AND tour_id = :tour_id AND state = 'open'"
)
BLOCK_BIN = text("UPDATE bin SET blocked = true WHERE warehouse_id = :warehouse_id AND id = :id")
RETARGET = text(
    """
    UPDATE task SET to_bin_id = CAST(:to_bin_id AS bigint), item_id = CAST(:item_id AS bigint),
           lot_id = CAST(:lot_id AS bigint), qty = :qty, qty_done = :qty_done, reason = :reason,
           version = version + 1
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
IN_HAND = text(
    "UPDATE tour SET goods_in_hand = true WHERE warehouse_id = :warehouse_id AND id = :id"
)
