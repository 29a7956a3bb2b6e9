"""The night's work of a warehouse: its trial balance is published, and the ledger proves itself."""

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.exceptions.life import Found, keep_true
from wms.exceptions.rules import CODES
from wms.reconciliation import stock
from wms.stamp import Stamp

GAPS_MAX = 100


class _Gap(msgspec.Struct):
    owner: str
    sku: str
    status: str
    balances: int
    movements: int


# One pass over both: balances, and all movements by their two ends.
GAPS = text(
    f"""
    WITH real_bin AS MATERIALIZED (
      SELECT id FROM bin WHERE warehouse_id = :warehouse_id
         AND kind NOT IN ('supplier', 'customer', 'adjustment', 'scrap')
    ), moved AS (
      SELECT owner_id, item_id, status, sum(qty) AS qty FROM (
        SELECT owner_id, item_id, to_status AS status, qty FROM movement
         WHERE warehouse_id = :warehouse_id AND to_bin_id IN (SELECT id FROM real_bin)
         UNION ALL
        SELECT owner_id, item_id, from_status, -qty FROM movement
         WHERE warehouse_id = :warehouse_id AND from_bin_id IN (SELECT id FROM real_bin)) x
       GROUP BY 1, 2, 3
    ), held AS (
      SELECT owner_id, item_id, status, sum(on_hand) AS qty FROM balance
       WHERE warehouse_id = :warehouse_id GROUP BY 1, 2, 3
    ), gap AS (
      SELECT owner_id, item_id, status, coalesce(h.qty, 0) AS balances,
             coalesce(m.qty, 0) AS movements
        FROM held h FULL JOIN moved m USING (owner_id, item_id, status)
       WHERE coalesce(h.qty, 0) <> coalesce(m.qty, 0)
    )
    SELECT w.code AS owner, i.sku, g.status, g.balances, g.movements
      FROM gap g JOIN item i ON i.id = g.item_id JOIN owner w ON w.id = g.owner_id
     ORDER BY 1, 2, 3 LIMIT {GAPS_MAX}
    """
)


async def run(tx: Tx, stamp: Stamp) -> int:
    """Once a night: publish the trial balance and compare balances with movements.

    Emits inventory.snapshot_published, exception.opened, exception.resolved. Raises Busy.
    """
    if not await stock.is_due(tx, stamp):
        return 0
    await prove(tx, stamp)
    await stock.publish(tx, stamp)
    return 1


async def prove(tx: Tx, stamp: Stamp) -> int:
    """An exception for every item whose balances are not the sum of its movements; how many
    changed."""
    gaps = [
        Found(
            subject=f"stock/{each.owner}/{each.sku}/{each.status}", owner=each.owner,
            facts={"balances": each.balances, "movements": each.movements},
            screen="/office/reconciliation",
        )
        for each in await rows(tx, GAPS, _Gap, warehouse_id=stamp.warehouse_id)
    ]  # fmt: skip
    found = {each.subject: each for each in gaps}
    return await keep_true(tx, stamp, "stock_gap", found, CODES["stock_gap"].ends_when)
