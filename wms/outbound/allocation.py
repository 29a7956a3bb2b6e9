"""Hard allocation: real bins for order lines, for a whole wave at once and for a single short.

What must stay true: nothing is promised twice, and rotation holds over all lines served together.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.inventory import allocations
from wms.inventory.allocations import Promise, Stock
from wms.masterdata.floor_plan import walks_from_depot
from wms.outbound import rules
from wms.outbound.orders import standing
from wms.outbound.rules import Demand
from wms.stamp import Stamp

ROUNDS = 3  # a round that waited for others may find less than it looked at


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """An order line with a part that waits."""

    order_id: int
    order_line_id: int
    line_no: str
    item_id: int
    sku: str
    qty: int
    promised: int
    whole: bool


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


async def allocate_lines(tx: Tx, stamp: Stamp, lines: Sequence[Line]) -> list[Promise]:
    """Promise bins to lines in the order given.

    A line gets its soft promise, and more only from what no other order was promised. Orders with
    `whole` lines get everything or nothing. Lock the items and the orders first.
    Locks balances in key order. Eight statements at most, however many lines.
    """
    promises: list[Promise] = []
    got: dict[int, int] = {}
    wanted = [_demand(each, 0) for each in lines]
    for _ in range(ROUNDS):
        items = sorted({demand.item_id for demand in wanted})
        if not items:
            break
        stand = await standing(tx, stamp, items)
        spare = {item_id: each.spare for item_id, each in stand.items()}
        needs: dict[int, int] = {}
        for demand in wanted:
            needs[demand.item_id] = needs.get(demand.item_id, 0) + demand.qty
        stocks = await allocations.lock_stock(tx, stamp, needs)
        walks = await _walks(tx, stamp, stocks)
        choice = rules.choose(wanted, stocks, spare, walks)
        promises += await allocations.allocate(tx, stamp, choice.takes, stocks)
        got = sum_by_line(promises)
        seen: dict[int, int] = {}
        for stock in stocks:
            seen[stock.item_id] = seen.get(stock.item_id, 0) + stock.free
        # Worth another look only where others promised goods while this one waited for them.
        lost = {i for i in items if seen.get(i, 0) < min(needs[i], stand[i].free)}
        again = {demand.order_id for demand in wanted if demand.item_id in lost}
        wanted = [
            _demand(each, got.get(each.order_line_id, 0))
            for each in lines
            if each.order_id in again and got.get(each.order_line_id, 0) < each.qty
        ]
    return promises


async def _walks(tx: Tx, stamp: Stamp, stocks: Sequence[Stock]) -> dict[int, float]:
    """How far each bin is, where an item lies in several that rotation holds equal."""
    places: dict[tuple[int, rules.Rank], set[int]] = {}
    for stock in stocks:
        places.setdefault((stock.item_id, rules.rank(stock)), set()).add(stock.bin_id)
    chosen_among = {bin_id for bins in places.values() if len(bins) > 1 for bin_id in bins}
    return await walks_from_depot(tx, stamp, sorted(chosen_among)) if chosen_among else {}


def sum_by_line(promises: Sequence[Promise]) -> dict[int, int]:
    """How much each order line was promised."""
    got: dict[int, int] = {}
    for promise in promises:
        got[promise.order_line_id] = got.get(promise.order_line_id, 0) + promise.qty
    return got


def _demand(line: Line, got: int) -> Demand:
    return Demand(
        order_id=line.order_id,
        order_line_id=line.order_line_id,
        item_id=line.item_id,
        qty=line.qty - got,
        promised=max(0, line.promised - got),
        whole=line.whole,
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
        choice = rules.choose([demand], stocks, walks=await _walks(tx, stamp, stocks))
        promises += await allocations.allocate(tx, stamp, choice.takes, stocks)
        if not choice.missing:
            break
    return promises
