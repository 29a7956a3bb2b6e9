"""Which ordering keys tell an order's story: its own, its wave, tours, loads and shipments."""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.stamp import Stamp


class OrderKeys(msgspec.Struct, kw_only=True):
    """An order found by its number. `shared` are keys of papers that other orders stand on too."""

    id: int
    external_id: str
    own: list[str]
    shared: list[str]
    correlation_id: str


# The unique number per owner, owner by owner, and the unique SSCC; tours by tour_wave_ix and the
# unique (tour, seq) of their tasks. Two owners may use one number: the newer order counts.
FIND = text(
    """
    WITH found AS MATERIALIZED (
      SELECT o.warehouse_id, o.id FROM owner w
        JOIN outbound_order o ON o.warehouse_id = :warehouse_id AND o.owner_id = w.id
         AND o.external_id = :number
       WHERE CAST(:owner AS text) = '' OR w.code = :owner
       UNION
      SELECT c.warehouse_id, c.order_id FROM shipment_carton c
       WHERE c.warehouse_id = :warehouse_id AND c.sscc = :number)
    SELECT o.id, o.external_id, o.correlation_id,
           array['order/' || w.code || '/' || o.external_id]
             || array(SELECT DISTINCT 'shipment/' || o.id || '-' || c.load_id
                        FROM shipment_carton c WHERE c.warehouse_id = o.warehouse_id
                         AND c.order_id = o.id AND c.load_id IS NOT NULL) AS own,
           array(SELECT 'wave/' || o.wave_id WHERE o.wave_id IS NOT NULL)
             || array(SELECT DISTINCT 'tour/' || t.id FROM tour t
                       WHERE t.warehouse_id = o.warehouse_id AND t.wave_id = o.wave_id
                         AND EXISTS (SELECT 1 FROM task k WHERE k.warehouse_id = t.warehouse_id
                                      AND k.tour_id = t.id AND k.order_id = o.id))
             || array(SELECT DISTINCT 'load/' || c.load_id
                        FROM shipment_carton c WHERE c.warehouse_id = o.warehouse_id
                         AND c.order_id = o.id AND c.load_id IS NOT NULL) AS shared
      FROM found f
      JOIN outbound_order o ON o.warehouse_id = f.warehouse_id AND o.id = f.id
      JOIN owner w ON w.id = o.owner_id
     ORDER BY o.id DESC LIMIT 1
    """
)


async def find_order_keys(
    tx: Tx, stamp: Stamp, number: str, owner: str = ""
) -> OrderKeys | None:
    """The newest order of this number (of that owner, if named), or with a carton of this SSCC."""
    values = {"warehouse_id": stamp.warehouse_id, "number": number, "owner": owner}
    return await row(tx, FIND, OrderKeys, **values)
