"""Hard promises: which balance serves which order line. Made, lowered, never re-pointed.

Inserting an `allocation` row promises the stock and turns the line's waiting part into allocated;
lowering its quantity releases both. The database keeps the two sides in step (migration 0002), so
what must stay true, `0 <= allocated <= on_hand`, holds whoever writes.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.stamp import Stamp


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """A balance that may be promised, locked. `expires_on` is set for items rotated by expiry."""

    balance_id: int
    bin_id: int
    lpn_id: int | None
    owner_id: int
    item_id: int
    lot_id: int | None
    free: int
    expires_on: date | None
    received_on: date  # local day of the warehouse: the grain of first in, first out
    bin_kind: str
    pick_sequence: int


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """So much of one balance for one order line."""

    order_line_id: int
    balance_id: int
    qty: int


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """A hard promise as picking needs it: what, how much, and where it lies."""

    allocation_id: int
    order_line_id: int
    balance_id: int
    bin_id: int
    lpn_id: int | None
    item_id: int
    lot_id: int | None
    qty: int


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """What a release gave back to the pool."""

    allocation_id: int
    order_line_id: int
    balance_id: int
    qty: int


# What may be promised at all: available goods in a pick or reserve bin that can be reached, of a
# lot that is neither recalled nor past its last good day (valid through the day itself).
PROMISABLE = """
  FROM need n
  JOIN item i ON i.id = n.item_id
  JOIN balance b ON b.warehouse_id = :warehouse_id AND b.item_id = n.item_id
   AND b.status = 'available' AND b.on_hand > 0 AND b.on_hand > b.allocated
  JOIN bin p ON p.warehouse_id = :warehouse_id AND p.id = b.bin_id
   AND p.kind IN ('pick', 'reserve') AND NOT p.blocked
  LEFT JOIN aisle a ON a.warehouse_id = :warehouse_id AND a.id = p.aisle_id
  LEFT JOIN lot l ON l.warehouse_id = :warehouse_id AND l.id = b.lot_id
 CROSS JOIN (SELECT timezone, CAST(CAST(:at AS timestamptz) AT TIME ZONE timezone AS date) AS today
               FROM warehouse WHERE id = :warehouse_id) w
 WHERE NOT coalesce(a.blocked, false)
   AND NOT coalesce(l.recalled, false)
   AND coalesce(l.expires_on, w.today) >= w.today
"""

# Served by balance_item_ix. Only as many balances are locked as the rotation needs: those whose
# strictly earlier ranks do not cover the need. Locks in the order of the movement trigger
# (bin, license plate), so a wave and a picker queue instead of deadlocking.
_ROTATED = f"""
    WITH need AS (
      SELECT * FROM unnest(CAST(:item_ids AS bigint[]), CAST(:qtys AS bigint[])) AS n (item_id, qty)
    ), ranked AS (
      SELECT b.id, n.qty, p.kind AS bin_kind, p.pick_sequence,
             CASE i.rotation WHEN 'fefo' THEN l.expires_on END AS expires_on,
             CAST(b.received_at AT TIME ZONE w.timezone AS date) AS received_on,
             coalesce(sum(b.on_hand - b.allocated) OVER (
               PARTITION BY b.item_id
               ORDER BY CASE i.rotation WHEN 'fefo' THEN l.expires_on END,
                        CAST(b.received_at AT TIME ZONE w.timezone AS date), p.kind
               GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS earlier
      {PROMISABLE}
         AND b.id <> ALL (CAST(:not_balance_ids AS bigint[]))
    )
    SELECT b.id AS balance_id, b.bin_id, b.lpn_id, b.owner_id, b.item_id, b.lot_id,
           b.on_hand - b.allocated AS free, r.expires_on, r.received_on, r.bin_kind,
           r.pick_sequence
      FROM ranked r JOIN balance b ON b.warehouse_id = :warehouse_id AND b.id = r.id
     WHERE r.earlier < r.qty AND b.on_hand > b.allocated AND b.status = 'available'
     ORDER BY b.bin_id, coalesce(b.lpn_id, 0), b.item_id, b.id
"""
LOCK_STOCK = text(f"{_ROTATED} FOR UPDATE OF b")
LOOK_AT_STOCK = text(_ROTATED)

# Served by balance_item_ix; reads only.
AVAILABLE = text(
    f"""
    WITH need AS (SELECT unnest(CAST(:item_ids AS bigint[])) AS item_id)
    SELECT b.item_id, sum(b.on_hand - b.allocated) AS qty
    {PROMISABLE}
     GROUP BY b.item_id
    """
)

# Balances are locked before (LOCK_STOCK); the trigger then locks each line, whose order the caller
# holds or is about to lock.
ALLOCATE = text(
    """
    INSERT INTO allocation (warehouse_id, order_line_id, balance_id, qty)
    SELECT :warehouse_id, t.order_line_id, t.balance_id, t.qty
      FROM unnest(CAST(:order_line_ids AS bigint[]), CAST(:balance_ids AS bigint[]),
                  CAST(:qtys AS int[])) AS t (order_line_id, balance_id, qty)
    RETURNING id, order_line_id, balance_id, qty
    """
)

# Balances are locked in their own order first, so that two releases queue instead of deadlocking.
LOCK_PROMISED = text(
    """
    SELECT a.id AS allocation_id, a.order_line_id, a.balance_id, a.qty
      FROM allocation a
      JOIN balance b ON b.warehouse_id = a.warehouse_id AND b.id = a.balance_id
     WHERE a.warehouse_id = :warehouse_id AND a.id = ANY (CAST(:ids AS bigint[])) AND a.qty > 0
     ORDER BY b.bin_id, coalesce(b.lpn_id, 0), b.item_id, b.id, a.id
       FOR UPDATE OF b, a
    """
)
RELEASE = text(
    """
    UPDATE allocation SET qty = allocation.qty - t.qty
      FROM unnest(CAST(:ids AS bigint[]), CAST(:qtys AS int[])) AS t (id, qty)
     WHERE allocation.warehouse_id = :warehouse_id AND allocation.id = t.id
    """
)

# Newest promises give way first: who was promised earlier keeps the goods that are there.
PROMISED_ON = text(
    """
    SELECT id AS allocation_id, order_line_id, balance_id, qty FROM allocation
     WHERE warehouse_id = :warehouse_id AND balance_id = :balance_id AND qty > 0
     ORDER BY id DESC
       FOR UPDATE
    """
)
LOCK_BALANCE = text(
    "SELECT id AS balance_id, allocated AS qty FROM balance"
    " WHERE warehouse_id = :warehouse_id AND id = :balance_id FOR UPDATE"
)


class _Sum(msgspec.Struct):
    item_id: int
    qty: int


class _Made(msgspec.Struct):
    id: int
    order_line_id: int
    balance_id: int
    qty: int


class _Held(msgspec.Struct):
    balance_id: int
    qty: int


async def available(tx: Tx, stamp: Stamp, item_ids: Sequence[int]) -> dict[int, int]:
    """Unpromised goods of each item that an order could get today, over all bins."""
    found = await rows(
        tx, AVAILABLE, _Sum, warehouse_id=stamp.warehouse_id, at=stamp.at, item_ids=list(item_ids)
    )
    return {each.item_id: each.qty for each in found}


async def lock_stock(
    tx: Tx, stamp: Stamp, needs: Mapping[int, int], not_balance_ids: Sequence[int] = ()
) -> list[Stock]:
    """The balances that rotation would use for so much of each item.

    Locks them. May return less than is needed when others promised while it waited.
    """
    return await rows(tx, LOCK_STOCK, Stock, **_asked(stamp, needs, not_balance_ids))


async def look_at_stock(tx: Tx, stamp: Stamp, needs: Mapping[int, int]) -> list[Stock]:
    """The same balances, without a lock: what a promise would find now."""
    return await rows(tx, LOOK_AT_STOCK, Stock, **_asked(stamp, needs, ()))


def _asked(
    stamp: Stamp, needs: Mapping[int, int], not_balance_ids: Sequence[int]
) -> dict[str, Any]:
    return {
        "warehouse_id": stamp.warehouse_id,
        "at": stamp.at,
        "item_ids": list(needs),
        "qtys": list(needs.values()),
        "not_balance_ids": list(not_balance_ids),
    }


async def allocate(
    tx: Tx, stamp: Stamp, takes: Sequence[Take], stocks: Sequence[Stock]
) -> list[Promise]:
    """Promise stock that `lock_stock` returned to order lines, in one statement.

    Raises StockMoved or RuleBroken when the stock or the waiting part of a line does not cover it.
    """
    if not takes:
        return []
    place = {stock.balance_id: stock for stock in stocks}
    made = await rows(
        tx,
        ALLOCATE,
        _Made,
        warehouse_id=stamp.warehouse_id,
        order_line_ids=[take.order_line_id for take in takes],
        balance_ids=[take.balance_id for take in takes],
        qtys=[take.qty for take in takes],
    )
    return [
        Promise(
            allocation_id=each.id,
            order_line_id=each.order_line_id,
            balance_id=each.balance_id,
            bin_id=place[each.balance_id].bin_id,
            lpn_id=place[each.balance_id].lpn_id,
            item_id=place[each.balance_id].item_id,
            lot_id=place[each.balance_id].lot_id,
            qty=each.qty,
        )
        for each in made
    ]


async def release(tx: Tx, stamp: Stamp, allocation_ids: Sequence[int]) -> list[Released]:
    """Give up what is left of these promises; the lines wait again.

    Locks their balances in key order, then allocations and lines.
    """
    held = await rows(
        tx, LOCK_PROMISED, Released, warehouse_id=stamp.warehouse_id, ids=list(allocation_ids)
    )
    await _lower(tx, stamp, held)
    return held


async def release_part(tx: Tx, stamp: Stamp, allocation_id: int, qty: int) -> None:
    """Lower one promise by `qty`; that much of the line waits again."""
    await tx.execute(
        RELEASE, {"warehouse_id": stamp.warehouse_id, "ids": [allocation_id], "qtys": [qty]}
    )


async def release_excess(tx: Tx, stamp: Stamp, balance_id: int, keep: int) -> list[Released]:
    """Lower promises on a balance, newest first, until at most `keep` is promised.

    For a count that finds less than the ledger says: call it before the adjusting movement.
    Locks the balance and its promises.
    """
    values = {"warehouse_id": stamp.warehouse_id, "balance_id": balance_id}
    held = await rows(tx, LOCK_BALANCE, _Held, **values)
    excess = held[0].qty - keep if held else 0
    given: list[Released] = []
    for promise in await rows(tx, PROMISED_ON, Released, **values) if excess > 0 else ():
        part = min(promise.qty, excess)
        if part > 0:
            given.append(msgspec.structs.replace(promise, qty=part))
            excess -= part
    await _lower(tx, stamp, given)
    return given


async def _lower(tx: Tx, stamp: Stamp, given: Sequence[Released]) -> None:
    if given:
        await tx.execute(
            RELEASE,
            {
                "warehouse_id": stamp.warehouse_id,
                "ids": [each.allocation_id for each in given],
                "qtys": [each.qty for each in given],
            },
        )
