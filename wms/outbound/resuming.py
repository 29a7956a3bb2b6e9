"""Outbound work that must exist and does not: after a hold, and as a net under everything else."""

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.outbound import loads
from wms.outbound.order_events import OrderHead, find_order
from wms.outbound.packing import direct_packing
from wms.outbound.putback import create_putback
from wms.stamp import Stamp


class _Id(msgspec.Struct):
    id: int


# Served by outbound_order_open_ix, task_order_open_ix and lpn_warehouse_id_order_id_ix.
UNPACKED = text(
    """
    SELECT o.id FROM outbound_order o
     WHERE o.warehouse_id = :warehouse_id AND o.state NOT IN ('shipped', 'shorted', 'cancelled')
       AND o.state = 'picked' AND o.hold_reason = '' AND o.cancel_requested = ''
       AND NOT EXISTS (SELECT 1 FROM task t WHERE t.warehouse_id = o.warehouse_id
                        AND t.order_id = o.id AND t.kind = 'pack' AND t.state = 'open')
       AND EXISTS (SELECT 1 FROM lpn l JOIN bin b ON b.warehouse_id = l.warehouse_id
                                                AND b.id = l.bin_id AND b.kind = 'pack'
                    WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id
                      AND l.state = 'open')
     ORDER BY o.id LIMIT 100
    """
)
# Served by shipment_carton_waiting_ix: one carton of each carrier that has no open load.
UNLOADED = text(
    """
    SELECT DISTINCT ON (s.carrier_id) s.order_id AS id
      FROM shipment_carton s
      JOIN lpn l ON l.warehouse_id = s.warehouse_id AND l.id = s.lpn_id AND l.state = 'closed'
      JOIN outbound_order o ON o.warehouse_id = s.warehouse_id AND o.id = s.order_id
       AND o.hold_reason = '' AND o.cancel_requested = ''
     WHERE s.warehouse_id = :warehouse_id AND s.load_id IS NULL
       AND NOT EXISTS (SELECT 1 FROM load d WHERE d.warehouse_id = s.warehouse_id
                        AND d.carrier_id = s.carrier_id AND d.state = 'open')
     ORDER BY s.carrier_id, o.cutoff_at, s.id
    """
)
# Served by outbound_order_open_ix and lpn_warehouse_id_order_id_ix.
NOT_RETURNED = text(
    """
    SELECT o.id FROM outbound_order o
     WHERE o.warehouse_id = :warehouse_id AND o.state NOT IN ('shipped', 'shorted', 'cancelled')
       AND o.cancel_requested <> ''
       AND EXISTS (SELECT 1 FROM lpn l
                     JOIN bin b ON b.warehouse_id = l.warehouse_id AND b.id = l.bin_id
                      AND b.kind <> 'hand'
                     JOIN balance s ON s.warehouse_id = l.warehouse_id AND s.lpn_id = l.id
                      AND s.on_hand > 0
                    WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id
                      AND l.state IN ('open', 'closed')
                      AND NOT EXISTS (SELECT 1 FROM task t WHERE t.warehouse_id = l.warehouse_id
                                       AND t.lpn_id = l.id AND t.state = 'open'
                                       AND t.kind = 'putback'))
     ORDER BY o.id LIMIT 100
       FOR NO KEY UPDATE OF o SKIP LOCKED
    """
)


async def go_on(tx: Tx, stamp: Stamp, order: OrderHead) -> None:
    """An order goes on after a hold: what stands at a bench is packed, what is closed is loaded.

    Locks: call it with the order taken. Emits load.opened.
    """
    await direct_packing(tx, stamp, order.id)
    await _open_loads(tx, stamp)


async def restore_work(tx: Tx, stamp: Stamp) -> int:
    """Direct work that is missing, whatever the reason; how many pieces of it.

    A chore: it finds nothing on a good day.
    """
    made = 0
    for each in await rows(tx, UNPACKED, _Id, warehouse_id=stamp.warehouse_id):
        made += await direct_packing(tx, stamp, each.id) is not None
    for each in await rows(tx, NOT_RETURNED, _Id, warehouse_id=stamp.warehouse_id):
        order = await find_order(tx, stamp, each.id)
        made += order is not None and await create_putback(tx, stamp, order) is not None
    return made + await _open_loads(tx, stamp)


async def _open_loads(tx: Tx, stamp: Stamp) -> int:
    waiting = await rows(tx, UNLOADED, _Id, warehouse_id=stamp.warehouse_id)
    for each in waiting:
        order = await find_order(tx, stamp, each.id)
        assert order is not None
        lane = await loads.get_lane(tx, stamp, order.carrier_id, order.service)
        await loads.open_load_for(tx, stamp, order, lane)
    return len(waiting)
