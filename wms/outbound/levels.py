"""Stock as a partner asks for it: levels per item with what is promised, and balances per bin.

`as_of_pos` is the sealed position of the event log when it was read: events after it are changes
that the numbers may or may not hold yet, events up to it they do hold.
"""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.stamp import Stamp

PAGE_MAX = 500


class Level(msgspec.Struct, kw_only=True):
    """One item: on hand in bins that serve orders, by what it is free for.

    available = on_hand - allocated; available_to_promise leaves out soft promises too, and is
    negative where goods were lost after they were promised. `stopped` is on hand, but damaged, on
    hold, disputed, quarantined, recalled or past its date.
    """

    owner: str
    sku: str
    description: str
    on_hand: int
    allocated: int
    available: int
    promised: int
    available_to_promise: int
    stopped: int
    elsewhere: int  # on docks, carts, benches and in lanes


class ItemLevel(Level, kw_only=True):
    """A level with the item it is of."""

    item_id: int


class Balance(msgspec.Struct, kw_only=True):
    """One balance: item, lot, serial and status in one bin or plate."""

    id: str
    owner: str
    sku: str
    bin: str
    bin_kind: str
    lpn: str
    lot: str
    expires_on: date | None
    serial: str
    status: str
    on_hand: int
    allocated: int
    received_at: datetime


class _Position(msgspec.Struct):
    pos: int


POSITION = text("SELECT pos FROM seal_state WHERE warehouse_id = :warehouse_id")
# balance_item_ix and order_line_promised_ix serve each page's items.
_LEVELS = """
    WITH page AS MATERIALIZED (
      SELECT i.id, w.code AS owner, i.sku, i.description
        FROM item i JOIN owner w ON w.id = i.owner_id
       WHERE {which}
    ), today AS (
      SELECT CAST(CAST(:at AS timestamptz) AT TIME ZONE timezone AS date) AS day
        FROM warehouse WHERE id = :warehouse_id
    ), stock AS (
      SELECT b.item_id, b.on_hand, b.allocated, p.kind IN ('pick', 'reserve') AS stored,
             b.status = 'available' AND NOT p.blocked AND NOT coalesce(l.recalled, false)
               AND coalesce(l.expires_on, t.day) >= t.day AS good
        FROM page
        JOIN balance b ON b.warehouse_id = :warehouse_id AND b.item_id = page.id AND b.on_hand > 0
        JOIN bin p ON p.warehouse_id = b.warehouse_id AND p.id = b.bin_id
        LEFT JOIN lot l ON l.warehouse_id = b.warehouse_id AND l.id = b.lot_id
       CROSS JOIN today t
    ), summed AS (
      SELECT item_id,
             coalesce(sum(on_hand) FILTER (WHERE stored AND good), 0) AS on_hand,
             coalesce(sum(allocated) FILTER (WHERE stored AND good), 0) AS allocated,
             coalesce(sum(on_hand) FILTER (WHERE NOT good), 0) AS stopped,
             coalesce(sum(on_hand) FILTER (WHERE good AND NOT stored), 0) AS elsewhere
        FROM stock GROUP BY item_id
    ), claimed AS (
      SELECT l.item_id, sum(l.promised) AS promised
        FROM page JOIN order_line l ON l.warehouse_id = :warehouse_id AND l.item_id = page.id
       WHERE l.promised > 0 GROUP BY l.item_id
    )
    SELECT page.id AS item_id, page.owner, page.sku, page.description,
           coalesce(s.on_hand, 0) AS on_hand, coalesce(s.allocated, 0) AS allocated,
           coalesce(s.on_hand - s.allocated, 0) AS available,
           coalesce(c.promised, 0) AS promised,
           coalesce(s.on_hand - s.allocated, 0) - coalesce(c.promised, 0) AS available_to_promise,
           coalesce(s.stopped, 0) AS stopped, coalesce(s.elsewhere, 0) AS elsewhere
      FROM page
      LEFT JOIN summed s ON s.item_id = page.id
      LEFT JOIN claimed c ON c.item_id = page.id
     ORDER BY page.owner, page.sku
"""
# Walks items by (owner, sku).
LEVELS = text(
    _LEVELS.format(
        which="""(w.code, i.sku) > (:after_owner, :after_sku)
         AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
              OR i.owner_id = ANY (CAST(:owner_ids AS bigint[])))
         AND (CAST(:owner AS text) = '' OR w.code = :owner)
         AND (CAST(:sku AS text) = '' OR i.sku = :sku)
       ORDER BY w.code, i.sku LIMIT :limit"""
    )
)
LEVELS_OF = text(_LEVELS.format(which="i.id = ANY (CAST(:item_ids AS bigint[]))"))
# The primary key is the order of the walk.
BALANCES = text(
    """
    SELECT CAST(b.id AS text) AS id, w.code AS owner, i.sku, p.code AS bin, p.kind AS bin_kind,
           coalesce(n.code, '') AS lpn, coalesce(l.code, '') AS lot, l.expires_on, b.serial,
           b.status, b.on_hand, b.allocated, b.received_at
      FROM balance b
      JOIN item i ON i.id = b.item_id
      JOIN owner w ON w.id = b.owner_id
      JOIN bin p ON p.warehouse_id = b.warehouse_id AND p.id = b.bin_id
      LEFT JOIN lpn n ON n.warehouse_id = b.warehouse_id AND n.id = b.lpn_id
      LEFT JOIN lot l ON l.warehouse_id = b.warehouse_id AND l.id = b.lot_id
     WHERE b.warehouse_id = :warehouse_id AND b.on_hand > 0 AND b.id > :after
       AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
            OR b.owner_id = ANY (CAST(:owner_ids AS bigint[])))
       AND (CAST(:owner AS text) = '' OR w.code = :owner)
       AND (CAST(:sku AS text) = '' OR i.sku = :sku)
     ORDER BY b.id LIMIT :limit
    """
)


async def log_position(tx: Tx, stamp: Stamp) -> int:
    """How far the warehouse's event log is sealed. Read it before the numbers."""
    found = await row(tx, POSITION, _Position, warehouse_id=stamp.warehouse_id)
    return 0 if found is None else found.pos


async def list_levels(
    tx: Tx,
    stamp: Stamp,
    *,
    after: tuple[str, str] = ("", ""),
    owner: str = "",
    sku: str = "",
    owner_ids: Sequence[int] = (),
    limit: int = 100,
) -> list[Level]:
    """Levels of items in the order of owner and sku, from after a place in it."""
    return await rows(
        tx, LEVELS, Level, warehouse_id=stamp.warehouse_id, at=stamp.at, after_owner=after[0],
        after_sku=after[1], owner=owner, sku=sku, owner_ids=list(owner_ids),
        limit=min(limit, PAGE_MAX),
    )  # fmt: skip


async def list_levels_of(tx: Tx, stamp: Stamp, item_ids: Sequence[int]) -> list[ItemLevel]:
    """Levels of these items, also of those without stock."""
    values = {"warehouse_id": stamp.warehouse_id, "at": stamp.at, "item_ids": list(item_ids)}
    return await rows(tx, LEVELS_OF, ItemLevel, **values)


async def list_balances(
    tx: Tx,
    stamp: Stamp,
    *,
    after: int = 0,
    owner: str = "",
    sku: str = "",
    owner_ids: Sequence[int] = (),
    limit: int = 100,
) -> list[Balance]:
    """Balances in the order they were made, from after one of them."""
    return await rows(
        tx, BALANCES, Balance, warehouse_id=stamp.warehouse_id, after=after, owner=owner, sku=sku,
        owner_ids=list(owner_ids), limit=min(limit, PAGE_MAX),
    )  # fmt: skip
