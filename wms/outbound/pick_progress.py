"""How far an order's picking is: the one place that counts its open picks down to `picked`."""

from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.events import catalog
from wms.events.groups import Line, doc, reason
from wms.events.outbox import emit
from wms.events.payload_documents import OrderEvent
from wms.stamp import Stamp


class Cut(msgspec.Struct, frozen=True):
    """So many units of a line that no bin has."""

    line: Line
    qty: int


class _Progress(msgspec.Struct):
    id: int
    external_id: str
    owner_code: str
    correlation_id: str
    version: int
    state: str
    started: bool
    finished: bool
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
         FOR NO KEY UPDATE
    )
    UPDATE outbound_order o
       SET picks_open = b.left_open,
           state = CASE WHEN b.state NOT IN ('released', 'picking') THEN b.state
                        WHEN b.left_open > 0 THEN 'picking'
                        WHEN b.has_goods THEN 'picked' ELSE 'shorted' END,
           version = o.version + :cuts + (b.state = 'released' AND b.has_goods)::int
                   + (b.left_open = 0 AND b.has_goods
                      AND b.state IN ('released', 'picking'))::int
      FROM before b JOIN owner w ON w.id = b.owner_id
     WHERE o.warehouse_id = :warehouse_id AND o.id = b.id
    RETURNING o.id, o.external_id, w.code AS owner_code, o.correlation_id, o.version, o.state,
              o.picks_open,
              b.state = 'released' AND b.has_goods AS started,
              b.left_open = 0 AND b.has_goods AND b.state IN ('released', 'picking') AS finished
    """
)


async def settle_picks(
    tx: Tx, stamp: Stamp, order_id: int, change: int, cut: Cut | None = None
) -> str:
    """Add `change` to the order's open picks; returns its state afterwards.

    Locks the order. Emits order.shorted (for `cut`), order.pick_started, order.picked.
    """
    values = {"warehouse_id": stamp.warehouse_id, "id": order_id, "change": change,
              "cuts": int(cut is not None)}  # fmt: skip
    got = await row(tx, SETTLE, _Progress, **values)
    assert got is not None
    version = got.version - got.started - got.finished - int(cut is not None)
    told: list[tuple[str, type[OrderEvent], str, dict[str, Any]]] = []
    if got.started:
        told.append(("order.pick_started", catalog.OrderPickStarted, "picking", {}))
    if cut is not None:
        facts = {"line": cut.line, "qty": cut.qty, "reason": reason("not_found")}
        told.append(("order.shorted", catalog.OrderShorted, got.state, facts))
    if got.finished:
        told.append(("order.picked", catalog.OrderPicked, "picked", {}))
    for name, shape, status, facts in told:
        version += 1
        order = doc("order", got.id, got.external_id, owner=got.owner_code, version=version,
                    status=status)  # fmt: skip
        await emit(tx, stamp, name, f"order/{got.owner_code}/{got.external_id}",
                   shape(order=order, **facts), owner=got.owner_code, keyseq=version,
                   correlation_id=got.correlation_id)  # fmt: skip
    return got.state
