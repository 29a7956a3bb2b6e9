"""How far an order's picking is: the one place that counts its open picks down to `picked`."""

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.events.outbox import emit
from wms.stamp import Stamp


class _Progress(msgspec.Struct):
    external_id: str
    owner_code: str
    version: int
    state: str
    started: bool
    picks_open: int


# Locks the order's row. `started` and the state follow the same rules as pick_sql.CONFIRM_PICK;
# an order of which nothing was found at all ends `shorted`.
SETTLE = text(
    """
    WITH before AS (
      SELECT o.id, o.state, o.owner_id, o.picks_open + :change AS left_open,
             EXISTS (SELECT 1 FROM order_line l WHERE l.warehouse_id = o.warehouse_id
                      AND l.order_id = o.id AND l.picked + l.packed + l.shipped > 0) AS has_goods
        FROM outbound_order o
       WHERE o.warehouse_id = :warehouse_id AND o.id = :id
         FOR UPDATE
    )
    UPDATE outbound_order o
       SET picks_open = b.left_open,
           state = CASE WHEN b.state NOT IN ('released', 'picking') THEN b.state
                        WHEN b.left_open > 0 THEN 'picking'
                        WHEN b.has_goods THEN 'picked' ELSE 'shorted' END,
           version = o.version + (b.state = 'released' AND b.has_goods)::int
                   + (b.left_open = 0 AND b.state IN ('released', 'picking'))::int
      FROM before b JOIN owner w ON w.id = b.owner_id
     WHERE o.warehouse_id = :warehouse_id AND o.id = b.id
    RETURNING o.external_id, w.code AS owner_code, o.version, o.state, o.picks_open,
              b.state = 'released' AND b.has_goods AS started
    """
)


async def settle_picks(tx: Tx, stamp: Stamp, order_id: int, change: int) -> str:
    """Add `change` to the order's open picks; returns its state afterwards.

    Locks the order. Emits order.pick_started, order.picked or order.shorted.
    """
    got = await row(tx, SETTLE, _Progress, warehouse_id=stamp.warehouse_id, id=order_id,
                    change=change)  # fmt: skip
    assert got is not None
    key = f"order/{got.owner_code}/{got.external_id}"
    ended = {"picked": "order.picked", "shorted": "order.shorted"}.get(got.state)
    told = [("order.pick_started", "picking")] if got.started else []
    if got.picks_open == 0 and ended:
        told.append((ended, got.state))
    for n, (type, status) in enumerate(told, got.version - len(told) + 1):
        order = {"external_id": got.external_id, "owner": got.owner_code, "version": n,
                 "status": status}  # fmt: skip
        await emit(tx, stamp, type, key, {"order": order}, owner=got.owner_code, keyseq=n)
    return got.state
