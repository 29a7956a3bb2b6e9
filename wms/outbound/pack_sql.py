"""The statements of packing."""

from datetime import datetime

import msgspec
from sqlalchemy import text


class Ready(msgspec.Struct, kw_only=True):
    """A picked order with what of it stands at the pack benches."""

    cutoff_at: datetime
    priority: int
    bin_id: int | None
    lpn_ids: list[int]


# The number is drawn from the plates' own sequence, so cartons share no counter row.
NEXT_PLATE = text(
    """
    SELECT nextval(pg_get_serial_sequence('lpn', 'id')) AS id, gs1_prefix AS prefix
      FROM warehouse WHERE id = :warehouse_id
    """
)
NEW_CARTON = text(
    """
    INSERT INTO lpn (warehouse_id, id, code, kind, state, bin_id, owner_id, order_id,
                     carton_type_id)
    VALUES (:warehouse_id, :id, :code, 'carton', 'open', :bin_id, :owner_id, :order_id,
            :carton_type_id)
    """
)
SET_TYPE = text(
    """
    UPDATE lpn SET carton_type_id = :carton_type_id
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'open'
    """
)
CLOSE_PLATE = text(
    """
    UPDATE lpn SET state = 'closed', weight_g = :weight_g
     WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'open'
    """
)
NEW_SHIPMENT_CARTON = text(
    """
    INSERT INTO shipment_carton (warehouse_id, order_id, lpn_id, sscc, tracking_no, carrier_id,
                                 carton_type_id, weight_g, closed_at)
    VALUES (:warehouse_id, :order_id, :lpn_id, :sscc, :tracking_no, :carrier_id,
            :carton_type_id, :weight_g, :at)
    """
)
# Served by lpn_warehouse_id_order_id_ix and task_order_open_ix; locks the order, so two who ask
# at once make one tour.
READY = text(
    """
    SELECT o.cutoff_at, o.priority,
           (SELECT min(l.bin_id) FROM lpn l JOIN bin b ON b.warehouse_id = l.warehouse_id
                                                     AND b.id = l.bin_id AND b.kind = 'pack'
             WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id AND l.state = 'open')
             AS bin_id,
           ARRAY(SELECT l.id FROM lpn l JOIN bin b ON b.warehouse_id = l.warehouse_id
                                                  AND b.id = l.bin_id AND b.kind = 'pack'
                  WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id
                    AND l.kind IN ('tote', 'carton') AND l.state = 'open' ORDER BY l.id) AS lpn_ids
      FROM (SELECT * FROM outbound_order
             WHERE warehouse_id = :warehouse_id AND id = :id AND state = 'picked'
               AND hold_reason = '' AND cancel_requested = ''
               FOR NO KEY UPDATE) o
     WHERE NOT EXISTS (SELECT 1 FROM task t WHERE t.warehouse_id = o.warehouse_id
                        AND t.order_id = o.id AND t.kind = 'pack' AND t.state = 'open')
       AND NOT EXISTS (SELECT 1 FROM lpn l JOIN bin b ON b.warehouse_id = l.warehouse_id
                                                     AND b.id = l.bin_id AND b.kind = 'hand'
                        WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id
                          AND l.state = 'open')
    """
)
