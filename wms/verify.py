"""`wms verify`: derives everything that follows from the movements again, and compares. Read-only.

Each check is one set-based statement that answers rows only where something does not hold, as
(place, what was derived, what is stored). It must see one moment: run it in one snapshot.
"""

import msgspec
import sqlalchemy as sa
from sqlalchemy import text

from wms.db import Db, Tx
from wms.events.verify import verify_log

LIMIT = 100  # rows shown of each check; one is enough to fail


class Problem(msgspec.Struct, frozen=True):
    """One row that does not hold."""

    check: str
    where: str
    expected: str
    found: str


# One pass over the movements and one over the balances, added up per key; real bins only.
BALANCES = """
    WITH flow AS (
      SELECT to_bin_id AS bin_id, to_lpn_id AS lpn_id, owner_id, item_id, lot_id, serial,
             to_status AS status, qty AS moved, 0 AS held
        FROM movement WHERE warehouse_id = :w
      UNION ALL
      SELECT from_bin_id, from_lpn_id, owner_id, item_id, lot_id, serial, from_status, -qty, 0
        FROM movement WHERE warehouse_id = :w
      UNION ALL
      SELECT bin_id, lpn_id, owner_id, item_id, lot_id, serial, status, 0, on_hand
        FROM balance WHERE warehouse_id = :w),
    wrong AS (
      SELECT bin_id, lpn_id, item_id, lot_id, serial, status, sum(moved) AS moved,
             sum(held) AS held
        FROM flow
       GROUP BY bin_id, lpn_id, owner_id, item_id, lot_id, serial, status
      HAVING sum(moved) <> sum(held))
    SELECT concat_ws(' ', b.code, l.code, i.sku, t.code, nullif(x.serial, ''), x.status) AS place,
           x.moved AS derived, x.held AS stored
      FROM wrong x
      JOIN bin b ON b.warehouse_id = :w AND b.id = x.bin_id
      JOIN item i ON i.id = x.item_id
      LEFT JOIN lpn l ON l.warehouse_id = :w AND l.id = x.lpn_id
      LEFT JOIN lot t ON t.warehouse_id = :w AND t.id = x.lot_id
     WHERE b.kind NOT IN ('supplier', 'customer', 'adjustment', 'scrap')
"""
NEVER_NEGATIVE = """
    SELECT concat_ws(' ', b.code, i.sku) AS place, '0 <= allocated <= on hand' AS derived,
           concat(x.allocated, ' of ', x.on_hand) AS stored
      FROM balance x
      JOIN bin b ON b.warehouse_id = x.warehouse_id AND b.id = x.bin_id
      JOIN item i ON i.id = x.item_id
     WHERE x.warehouse_id = :w AND NOT (x.allocated >= 0 AND x.allocated <= x.on_hand)
"""
ALLOCATED = """
    SELECT concat('balance ', k.id) AS place, sum(k.promised) AS derived, sum(k.stored) AS stored
      FROM (SELECT balance_id AS id, qty AS promised, 0 AS stored FROM allocation
             WHERE warehouse_id = :w AND qty > 0
            UNION ALL
            SELECT id, 0, allocated FROM balance WHERE warehouse_id = :w AND allocated <> 0) k
     GROUP BY k.id HAVING sum(k.promised) <> sum(k.stored)
"""
LINES = """
    SELECT concat('order line ', k.id) AS place, sum(k.promised) AS derived,
           sum(k.stored) AS stored
      FROM (SELECT order_line_id AS id, qty AS promised, 0 AS stored FROM allocation
             WHERE warehouse_id = :w AND qty > 0
            UNION ALL
            SELECT id, 0, allocated FROM order_line WHERE warehouse_id = :w AND allocated <> 0) k
     GROUP BY k.id HAVING sum(k.promised) <> sum(k.stored)
"""
LINE_PARTS = """
    SELECT concat('order line ', id) AS place, ordered AS derived,
           waiting + allocated + picked + packed + shipped + short + cancelled AS stored
      FROM order_line
     WHERE warehouse_id = :w
       AND waiting + allocated + picked + packed + shipped + short + cancelled <> ordered
"""
# What orders say has left is what the ledger saw leave, per item.
SHIPPED = """
    WITH told AS (
      SELECT item_id, shipped AS ordered, 0 AS moved FROM order_line
       WHERE warehouse_id = :w AND shipped > 0
      UNION ALL
      SELECT m.item_id, 0, CASE WHEN t.kind = 'customer' THEN m.qty ELSE -m.qty END
        FROM movement m
        JOIN bin f ON f.warehouse_id = m.warehouse_id AND f.id = m.from_bin_id
        JOIN bin t ON t.warehouse_id = m.warehouse_id AND t.id = m.to_bin_id
       WHERE m.warehouse_id = :w AND 'customer' IN (f.kind, t.kind))
    SELECT i.sku AS place, sum(x.moved) AS derived, sum(x.ordered) AS stored
      FROM told x JOIN item i ON i.id = x.item_id
     GROUP BY i.sku, x.item_id HAVING sum(x.moved) <> sum(x.ordered)
"""
OPEN_PICKS = """
    SELECT concat('order ', o.external_id) AS place, count(t.id) AS derived,
           o.picks_open AS stored
      FROM outbound_order o
      LEFT JOIN task t ON t.warehouse_id = o.warehouse_id AND t.order_id = o.id
           AND t.kind = 'pick' AND t.state = 'open'
     WHERE o.warehouse_id = :w
     GROUP BY o.warehouse_id, o.id, o.external_id, o.picks_open
    HAVING count(t.id) <> o.picks_open
"""
PLATE_PLACES = """
    SELECT concat('plate ', l.code) AS place, l.bin_id AS derived, b.bin_id AS stored
      FROM balance b JOIN lpn l ON l.warehouse_id = b.warehouse_id AND l.id = b.lpn_id
     WHERE b.warehouse_id = :w AND b.bin_id <> l.bin_id
    UNION ALL
    SELECT concat('plate ', l.code, ' on ', p.code), p.bin_id, l.bin_id
      FROM lpn l JOIN lpn p ON p.warehouse_id = l.warehouse_id AND p.id = l.parent_id
     WHERE l.warehouse_id = :w AND l.bin_id <> p.bin_id
"""
PLATE_LOOPS = """
    WITH RECURSIVE up (id, parent_id) AS (
      SELECT id, parent_id FROM lpn WHERE warehouse_id = :w AND parent_id IS NOT NULL
      UNION
      SELECT up.id, l.parent_id FROM up
        JOIN lpn l ON l.warehouse_id = :w AND l.id = up.parent_id
       WHERE l.parent_id IS NOT NULL)
    SELECT concat('plate ', l.code) AS place, 'no loop' AS derived, 'stands on itself' AS stored
      FROM up JOIN lpn l ON l.warehouse_id = :w AND l.id = up.id
     WHERE up.parent_id = up.id
"""
GONE_PLATES = """
    SELECT concat('plate ', l.code, ' is ', l.state) AS place, 0 AS derived,
           sum(b.on_hand) AS stored
      FROM balance b JOIN lpn l ON l.warehouse_id = b.warehouse_id AND l.id = b.lpn_id
     WHERE b.warehouse_id = :w AND b.on_hand > 0 AND l.state IN ('shipped', 'void')
     GROUP BY l.id, l.code, l.state
"""
SERIALS = """
    SELECT concat_ws(' ', i.sku, b.serial) AS place, 1 AS derived, sum(b.on_hand) AS stored
      FROM balance b JOIN item i ON i.id = b.item_id
     WHERE b.warehouse_id = :w AND b.serial <> '' AND b.on_hand > 0
     GROUP BY i.id, i.sku, b.owner_id, b.serial HAVING sum(b.on_hand) > 1
"""
MOVEMENTS = """
    SELECT concat('movement ', m.id) AS place, 'bins, item and owner that exist' AS derived,
           'something that does not' AS stored
      FROM movement m
      LEFT JOIN bin f ON f.warehouse_id = m.warehouse_id AND f.id = m.from_bin_id
      LEFT JOIN bin t ON t.warehouse_id = m.warehouse_id AND t.id = m.to_bin_id
      LEFT JOIN item i ON i.id = m.item_id AND i.owner_id = m.owner_id
     WHERE m.warehouse_id = :w AND (f.id IS NULL OR t.id IS NULL OR i.id IS NULL OR m.qty <= 0)
"""
CHECKS: dict[str, str] = {
    "balance is the sum of its movements": BALANCES,
    "balance is never negative": NEVER_NEGATIVE,
    "balance is promised as allocated": ALLOCATED,
    "order line is promised as allocated": LINES,
    "order line's parts add up": LINE_PARTS,
    "shipped is what left": SHIPPED,
    "open picks are counted": OPEN_PICKS,
    "plate and content share the place": PLATE_PLACES,
    "plates do not stand on themselves": PLATE_LOOPS,
    "plates that are gone hold nothing": GONE_PLATES,
    "serial is there once": SERIALS,
    "movement names what exists": MOVEMENTS,
}
WAREHOUSES = text("SELECT id FROM warehouse ORDER BY id")


async def verify(tx: Tx, warehouse_id: int) -> list[Problem]:
    """Everything that does not hold in a warehouse, up to LIMIT rows of each check.

    Of the event log all promises but one: that events are sealed soon. They wait safely while
    nothing runs, and that is no difference.
    """
    problems: list[Problem] = []
    for check, statement in CHECKS.items():
        limited = sa.text(f"{statement} LIMIT {LIMIT}")
        for row in await tx.execute(limited, {"w": warehouse_id}):
            problems.append(Problem(check, row.place, str(row.derived), str(row.stored)))
    for flaw in await verify_log(tx, warehouse_id):
        if flaw.kind != "unsealed":
            problems.append(Problem(f"event log: {flaw.kind}", flaw.where, "", flaw.detail))
    return problems


async def run_verify(db: Db) -> list[Problem]:
    """All warehouses, in one snapshot, so a floor at work is no false alarm."""
    async with db.reading() as tx:
        await tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        await tx.execute(text("SET LOCAL work_mem = '64MB'"))
        warehouse_ids = (await tx.execute(WAREHOUSES)).scalars().all()
        return [problem for id in warehouse_ids for problem in await verify(tx, id)]
