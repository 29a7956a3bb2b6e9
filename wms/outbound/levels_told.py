"""Tells inventory.level_changed: an item's stock in absolute numbers, after it changed.

No floor act waits for this. What is sealed names the items whose stock may have changed; their
levels are read anew and told when they differ from what was told last. A slow walk over all items
finds what no event tells: dates that passed, recalls, stock that was loaded. Rule: `as_of_pos` and
`version` of an item only rise, so a consumer keeps the newest and forgets the rest.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Db, Tx, row, rows
from wms.events import catalog
from wms.events.outbox import emit_many, outbox_row
from wms.outbound import levels
from wms.outbound.levels import Level
from wms.stamp import Stamp

SPAN = 5_000  # positions of one run
SWEEP = 1_000  # items of one run of the slow walk
PART = 500  # items read at once

# Types without a key of stock, and where they name what changed.
OF_ORDER = tuple(name for name in catalog.TYPES if name.startswith("order."))
OF_SHIPMENT = ("shipment.created", "shipment.voided", "shipment.departed")
OF_ASN = ("asn.accepted", "asn.updated", "asn.cancelled")
OF_RECEIPT = ("receipt.line_received", "receipt.completed")
OF_BIN = ("location.updated", "location.blocked", "location.unblocked")


class _Span(msgspec.Struct):
    pos: int
    head: int
    swept_item_id: int


class _Item(msgspec.Struct):
    id: int


class _Told(msgspec.Struct):
    item_id: int
    version: int
    numbers: dict[str, Any]


class _House(msgspec.Struct):
    item_id: int
    statuses: dict[str, int]
    inbound: int


BEHIND = text(
    """
    SELECT s.warehouse_id AS id
      FROM seal_state s LEFT JOIN stock_level_cursor c ON c.warehouse_id = s.warehouse_id
     WHERE c.pos IS DISTINCT FROM s.pos OR c.swept_item_id < 0 ORDER BY s.warehouse_id
    """
)
# It begins at the head with a first walk at once, which tells what there is already.
BEGIN = text(
    """
    INSERT INTO stock_level_cursor (warehouse_id, pos, swept_item_id)
    SELECT warehouse_id, pos, -1 FROM seal_state WHERE warehouse_id = :warehouse_id
    ON CONFLICT DO NOTHING
    """
)
# One teller of a warehouse at a time; the other processes go on.
TAKE = text(
    """
    SELECT c.pos, s.pos AS head, c.swept_item_id
      FROM stock_level_cursor c JOIN seal_state s ON s.warehouse_id = c.warehouse_id
     WHERE c.warehouse_id = :warehouse_id FOR UPDATE OF c SKIP LOCKED
    """
)
# Primary key of event_log over the span; then unique keys of what the ordering keys name, lines by
# their document, balances of a bin by balance_place_key. Owner and SKU of a stock key are apart
# by its second slash: codes of owners have none.
TOUCHED = text(
    """
    WITH fresh AS MATERIALIZED (
      SELECT DISTINCT okey, CASE WHEN okey LIKE 'stock/%' THEN 'stock' ELSE type END AS type
        FROM event_log
       WHERE warehouse_id = :warehouse_id AND pos > :pos AND pos <= :upto AND NOT test
         AND (okey LIKE 'stock/%' AND type <> 'inventory.level_changed'
              OR type = ANY (CAST(:types AS text[])))
    ), keyed AS MATERIALIZED (
      SELECT type, split_part(okey, '/', 2) AS head,
             substr(okey, length(split_part(okey, '/', 1)) + length(split_part(okey, '/', 2)) + 3)
               AS rest
        FROM fresh
    ), orders AS (
      SELECT o.id FROM keyed k
        JOIN owner w ON w.code = k.head
        JOIN outbound_order o ON o.warehouse_id = :warehouse_id AND o.owner_id = w.id
         AND o.external_id = k.rest
       WHERE k.type = ANY (CAST(:of_order AS text[]))
       UNION
      SELECT CAST(split_part(k.head, '-', 1) AS bigint) FROM keyed k
       WHERE k.type = ANY (CAST(:of_shipment AS text[])) AND k.head ~ '^[0-9]{1,18}-'
    ), asns AS (
      SELECT a.id FROM keyed k
        JOIN owner w ON w.code = k.head
        JOIN asn a ON a.warehouse_id = :warehouse_id AND a.owner_id = w.id
         AND a.external_id = k.rest
       WHERE k.type = ANY (CAST(:of_asn AS text[]))
       UNION
      SELECT CAST(k.head AS bigint) FROM keyed k
       WHERE k.type = ANY (CAST(:of_receipt AS text[])) AND k.head ~ '^[0-9]{1,18}$'
    )
    SELECT i.id FROM keyed k
      JOIN owner w ON w.code = k.head
      JOIN item i ON i.owner_id = w.id AND i.sku = k.rest
     WHERE k.type = 'stock'
     UNION
    SELECT l.item_id FROM orders o
      JOIN order_line l ON l.warehouse_id = :warehouse_id AND l.order_id = o.id
     UNION
    SELECT l.item_id FROM asns a
      JOIN asn_line l ON l.warehouse_id = :warehouse_id AND l.asn_id = a.id
     UNION
    SELECT r.item_id FROM asns a
      JOIN receipt_line r ON r.warehouse_id = :warehouse_id AND r.asn_id = a.id
     UNION
    SELECT b.item_id FROM keyed k
      JOIN bin p ON p.warehouse_id = :warehouse_id AND p.code = k.head
      JOIN balance b ON b.warehouse_id = p.warehouse_id AND b.bin_id = p.id
     WHERE k.type = ANY (CAST(:of_bin AS text[]))
     ORDER BY 1
    """
)
ADVANCE = text("UPDATE stock_level_cursor SET pos = :pos WHERE warehouse_id = :warehouse_id")
# Items with stock or with numbers told before, in the order of their ids.
NEXT_ITEMS = text(
    """
    SELECT i.id FROM item i
     WHERE i.id > :after
       AND (EXISTS (SELECT 1 FROM balance b WHERE b.warehouse_id = :warehouse_id
                       AND b.item_id = i.id AND b.on_hand > 0)
            OR EXISTS (SELECT 1 FROM stock_level s WHERE s.warehouse_id = :warehouse_id
                          AND s.item_id = i.id))
     ORDER BY i.id LIMIT :limit
    """
)
SWEPT = text(
    "UPDATE stock_level_cursor SET swept_item_id = :item_id WHERE warehouse_id = :warehouse_id"
)
# balance_item_ix, and the lines of the few deliveries that are open (asn_open_ix).
HOUSE = text(
    """
    SELECT i.id AS item_id, coalesce(s.statuses, '{}') AS statuses, coalesce(c.qty, 0) AS inbound
      FROM unnest(CAST(:ids AS bigint[])) i (id)
      LEFT JOIN (
        SELECT x.item_id, jsonb_object_agg(x.status, x.qty) AS statuses
          FROM (SELECT item_id, status, sum(on_hand) AS qty FROM balance
                 WHERE warehouse_id = :warehouse_id AND on_hand > 0
                   AND item_id = ANY (CAST(:ids AS bigint[]))
                 GROUP BY item_id, status) x
         GROUP BY x.item_id) s ON s.item_id = i.id
      LEFT JOIN (
        SELECT l.item_id, sum(greatest(l.qty - l.received, 0)) AS qty
          FROM asn a JOIN asn_line l ON l.warehouse_id = a.warehouse_id AND l.asn_id = a.id
         WHERE a.warehouse_id = :warehouse_id AND a.state IN ('open', 'receiving')
           AND l.item_id = ANY (CAST(:ids AS bigint[]))
         GROUP BY l.item_id) c ON c.item_id = i.id
    """
)
TOLD = text(
    """
    SELECT item_id, version, numbers FROM stock_level
     WHERE warehouse_id = :warehouse_id AND item_id = ANY (CAST(:ids AS bigint[]))
    """
)
KEEP = text(
    """
    INSERT INTO stock_level (warehouse_id, item_id, version, as_of_pos, numbers)
    VALUES (:warehouse_id, :item_id, :version, :pos, CAST(:numbers AS jsonb))
    ON CONFLICT (warehouse_id, item_id) DO UPDATE
       SET version = excluded.version, as_of_pos = excluded.as_of_pos, numbers = excluded.numbers
    """
)


async def list_behind(db: Db) -> list[int]:
    """Warehouses with sealed events that were not looked at for levels."""
    async with db.reading() as tx:
        return [each.id for each in await rows(tx, BEHIND, _Item)]


async def tell_levels(tx: Tx, stamp: Stamp) -> int:
    """Read the log on; how many levels were told. Locks the cursor. Emits
    inventory.level_changed."""
    here = {"warehouse_id": stamp.warehouse_id}
    span = await _take(tx, stamp)
    if span is not None and span.swept_item_id < 0:
        return await _sweep(tx, stamp, span)
    if span is None or span.pos >= span.head:
        return 0
    upto = min(span.head, span.pos + SPAN)
    types = {"of_order": OF_ORDER, "of_shipment": OF_SHIPMENT, "of_asn": OF_ASN,
             "of_receipt": OF_RECEIPT, "of_bin": OF_BIN}  # fmt: skip
    found = await rows(
        tx, TOUCHED, _Item, **here, pos=span.pos, upto=upto,
        types=[name for names in types.values() for name in names],
        **{kind: list(names) for kind, names in types.items()},
    )  # fmt: skip
    done = await _tell(tx, stamp, [each.id for each in found], span.head)
    await tx.execute(ADVANCE, {**here, "pos": upto})
    return done


async def sweep_levels(tx: Tx, stamp: Stamp) -> int:
    """A stretch of the walk over all items; how many levels were told. Locks the cursor."""
    span = await _take(tx, stamp)
    return 0 if span is None else await _sweep(tx, stamp, span)


async def _sweep(tx: Tx, stamp: Stamp, span: _Span) -> int:
    """In the first walk the place is negative; it ends at 0, from where all others begin."""
    here = {"warehouse_id": stamp.warehouse_id}
    after = abs(span.swept_item_id) if span.swept_item_id < -1 else max(0, span.swept_item_id)
    found = await rows(tx, NEXT_ITEMS, _Item, **here, after=after, limit=SWEEP)
    done = await _tell(tx, stamp, [each.id for each in found], span.head)
    last = found[-1].id if len(found) == SWEEP else 0
    if span.swept_item_id < 0:
        last = -last
    if last != span.swept_item_id:
        await tx.execute(SWEPT, {**here, "item_id": last})
    return done


async def _take(tx: Tx, stamp: Stamp) -> _Span | None:
    here = {"warehouse_id": stamp.warehouse_id}
    span = await row(tx, TAKE, _Span, **here)
    if span is None:
        await tx.execute(BEGIN, here)
        span = await row(tx, TAKE, _Span, **here)
    return span


async def _tell(tx: Tx, stamp: Stamp, item_ids: Sequence[int], pos: int) -> int:
    """`pos` was read before the numbers, so they hold every event up to it."""
    done = 0
    for begin in range(0, len(item_ids), PART):
        done += await _tell_part(tx, stamp, list(item_ids[begin : begin + PART]), pos)
    return done


async def _tell_part(tx: Tx, stamp: Stamp, ids: list[int], pos: int) -> int:
    here = {"warehouse_id": stamp.warehouse_id, "ids": ids}
    house = {each.item_id: each for each in await rows(tx, HOUSE, _House, **here)}
    told = {each.item_id: each for each in await rows(tx, TOLD, _Told, **here)}
    events: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    for level in await levels.list_levels_of(tx, stamp, ids):
        numbers = _numbers(level, house[level.item_id])
        last = told.get(level.item_id)
        if numbers == (last.numbers if last else _NOTHING):
            continue
        version = last.version + 1 if last else 1
        data = catalog.InventoryLevelChanged(
            sku=level.sku, owner=level.owner, version=version, as_of_pos=pos, **numbers
        )
        key = f"stock/{level.owner}/{level.sku}"
        events.append(
            outbox_row(stamp, "inventory.level_changed", key, data, owner=level.owner)
        )
        kept.append({
            "warehouse_id": stamp.warehouse_id, "item_id": level.item_id, "version": version,
            "pos": pos, "numbers": msgspec.json.encode(numbers).decode(),
        })  # fmt: skip
    if kept:
        await tx.execute(KEEP, kept)
        await emit_many(tx, events)
    return len(kept)


_OF_LEVEL = ("on_hand", "allocated", "available", "promised", "available_to_promise", "stopped",
             "elsewhere")  # fmt: skip
_NOTHING: dict[str, Any] = {
    **dict.fromkeys(_OF_LEVEL, 0), "on_hold": 0, "damaged": 0, "inbound": 0, "statuses": {},
}  # fmt: skip


def _numbers(level: Level, house: _House) -> dict[str, Any]:
    return {
        **{name: getattr(level, name) for name in _OF_LEVEL},
        "on_hold": house.statuses.get("hold", 0), "damaged": house.statuses.get("damaged", 0),
        "inbound": house.inbound, "statuses": house.statuses,
    }  # fmt: skip
