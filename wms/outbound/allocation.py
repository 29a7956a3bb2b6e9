"""Hard allocation: real bins for order lines, for a whole wave at once and for a single short.

What must stay true: nothing is promised twice, and rotation holds over all lines served together.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.inventory import allocations
from wms.inventory.allocations import Promise
from wms.outbound import rules
from wms.outbound.rules import Demand
from wms.stamp import Stamp

ROUNDS = 3  # a round that waited for others may find less than it looked at


class _Line(msgspec.Struct):
    order_id: int
    item_id: int


LINE = text(
    "SELECT order_id, item_id FROM order_line WHERE warehouse_id = :warehouse_id AND id = :id"
)
# Orders that are stopped get no new promise. The row is locked after the balances, as in a pick.
STILL_WANTED = text(
    """
    SELECT o.id AS order_id, 0 AS item_id FROM outbound_order o
     WHERE o.warehouse_id = :warehouse_id AND o.id = :id AND o.cancel_requested = ''
       AND o.state NOT IN ('held', 'cancelled', 'shipped', 'shorted')
       FOR NO KEY UPDATE
    """
)


async def reallocate(
    tx: Tx,
    stamp: Stamp,
    order_line_id: int,
    qty: int,
    not_balance_ids: Sequence[int] = (),
) -> list[Promise]:
    """Promise up to `qty` of a line's waiting part from other balances, at once; may be none.

    For shorts and damaged goods: release the missing part first, so that it waits. An order on the
    floor goes before orders that only hold a soft promise, so those are not held back here.
    Locks balances in key order, then the order, then the line.
    """
    line = await row(tx, LINE, _Line, warehouse_id=stamp.warehouse_id, id=order_line_id)
    if line is None or qty <= 0:
        return []
    promises: list[Promise] = []
    for _ in range(ROUNDS):
        left = qty - sum(promise.qty for promise in promises)
        stocks = await allocations.lock_stock(tx, stamp, {line.item_id: left}, not_balance_ids)
        if not stocks:
            break
        values = {"warehouse_id": stamp.warehouse_id, "id": line.order_id}
        if await row(tx, STILL_WANTED, _Line, **values) is None:
            break
        demand = Demand(
            order_id=line.order_id, order_line_id=order_line_id, item_id=line.item_id, qty=left
        )
        choice = rules.choose([demand], stocks)
        promises += await allocations.allocate(tx, stamp, choice.takes, stocks)
        if not choice.missing:
            break
    return promises
