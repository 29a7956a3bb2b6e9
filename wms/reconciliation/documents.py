"""Documents against what became of them: orders in against shipped, announced against received.

A day is the warehouse's own. Per day and owner everything that came in is either shipped, short,
cancelled or still open, so the columns add up to the first one; what does not, has a name and age.
"""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.stamp import Stamp

DAYS_MAX = 92
DIFFERENCES_MAX = 200
AGES = ("under 1 h", "1 to 4 h", "4 to 24 h", "1 to 3 days", "over 3 days")


class OrdersOfDay(msgspec.Struct, kw_only=True):
    """Orders that came in on a day, and where they and their units are now."""

    day: date
    owner: str
    received: int
    shipped: int
    shorted: int
    cancelled: int
    open: int
    units_ordered: int
    units_shipped: int
    units_short: int
    units_cancelled: int
    units_open: int


class DeliveriesOfDay(msgspec.Struct, kw_only=True):
    """Deliveries expected on a day, and what came of them."""

    day: date
    owner: str
    expected: int
    closed: int
    cancelled: int
    open: int
    units_expected: int
    units_received: int


class Difference(msgspec.Struct, kw_only=True):
    """A document that is not settled: what is missing or too much, and since when."""

    kind: str
    owner: str
    external_id: str
    state: str
    expected: int
    done: int
    since: datetime
    age_minutes: int


class Waiting(msgspec.Struct, kw_only=True):
    """Unsettled things of one kind by age; `ages` follow AGES."""

    kind: str
    text: str
    count: int
    ages: list[int]
    oldest_at: datetime | None


_MINE = """
     (cardinality(CAST(:owner_ids AS bigint[])) = 0
      OR {table}.owner_id = ANY (CAST(:owner_ids AS bigint[])))
"""
_ZONE = "(SELECT timezone FROM warehouse WHERE id = :warehouse_id)"
_SPAN = """
     {column} >= CAST(:from_day AS date)::timestamp AT TIME ZONE zone
       AND {column} < (CAST(:to_day AS date) + 1)::timestamp AT TIME ZONE zone
"""
TODAY = text(f"SELECT CAST(CAST(:at AS timestamptz) AT TIME ZONE {_ZONE} AS date)")
# Walks the orders of the span once; lines by their order.
ORDERS = text(
    f"""
    WITH mine AS (
      SELECT o.id, o.owner_id, o.state, CAST(o.created_at AT TIME ZONE zone AS date) AS day
        FROM outbound_order o, (SELECT {_ZONE} AS zone) z
       WHERE o.warehouse_id = :warehouse_id AND {_SPAN.format(column="o.created_at")}
         AND {_MINE.format(table="o")}
    ), units AS (
      SELECT l.order_id, sum(l.ordered) AS ordered, sum(l.shipped) AS shipped,
             sum(l.short) AS short, sum(l.cancelled) AS cancelled
        FROM mine JOIN order_line l ON l.warehouse_id = :warehouse_id AND l.order_id = mine.id
       GROUP BY l.order_id
    )
    SELECT m.day, w.code AS owner, count(*) AS received,
           count(*) FILTER (WHERE m.state = 'shipped') AS shipped,
           count(*) FILTER (WHERE m.state = 'shorted') AS shorted,
           count(*) FILTER (WHERE m.state = 'cancelled') AS cancelled,
           count(*) FILTER (WHERE m.state NOT IN ('shipped', 'shorted', 'cancelled')) AS open,
           CAST(coalesce(sum(u.ordered), 0) AS bigint) AS units_ordered,
           CAST(coalesce(sum(u.shipped), 0) AS bigint) AS units_shipped,
           CAST(coalesce(sum(u.short), 0) AS bigint) AS units_short,
           CAST(coalesce(sum(u.cancelled), 0) AS bigint) AS units_cancelled,
           CAST(coalesce(sum(u.ordered - u.shipped - u.short - u.cancelled), 0) AS bigint)
             AS units_open
      FROM mine m JOIN owner w ON w.id = m.owner_id LEFT JOIN units u ON u.order_id = m.id
     GROUP BY m.day, w.code ORDER BY m.day, w.code
    """
)
DELIVERIES = text(
    f"""
    WITH mine AS (
      SELECT a.id, a.owner_id, a.state, CAST(a.expected_at AT TIME ZONE zone AS date) AS day
        FROM asn a, (SELECT {_ZONE} AS zone) z
       WHERE a.warehouse_id = :warehouse_id AND {_SPAN.format(column="a.expected_at")}
         AND {_MINE.format(table="a")}
    ), units AS (
      SELECT l.asn_id, sum(l.qty) AS qty, sum(l.received) AS received
        FROM mine JOIN asn_line l ON l.warehouse_id = :warehouse_id AND l.asn_id = mine.id
       GROUP BY l.asn_id
    )
    SELECT m.day, w.code AS owner, count(*) AS expected,
           count(*) FILTER (WHERE m.state = 'closed') AS closed,
           count(*) FILTER (WHERE m.state = 'cancelled') AS cancelled,
           count(*) FILTER (WHERE m.state IN ('open', 'receiving')) AS open,
           CAST(coalesce(sum(u.qty), 0) AS bigint) AS units_expected,
           CAST(coalesce(sum(u.received), 0) AS bigint) AS units_received
      FROM mine m JOIN owner w ON w.id = m.owner_id LEFT JOIN units u ON u.asn_id = m.id
     GROUP BY m.day, w.code ORDER BY m.day, w.code
    """
)
# outbound_order_open_ix and asn_open_ix hold only what is open; closed deliveries of the span.
_LATE_ORDERS = f"""
    SELECT 'order_late' AS kind, w.code AS owner, o.external_id, o.state, o.cutoff_at AS since,
           o.id, true AS is_order
      FROM outbound_order o JOIN owner w ON w.id = o.owner_id
     WHERE o.warehouse_id = :warehouse_id AND o.cutoff_at < :at
       AND o.state NOT IN ('shipped', 'shorted', 'cancelled') AND {_MINE.format(table="o")}
"""
_SHORT_ORDERS = f"""
    SELECT 'order_short' AS kind, w.code AS owner, o.external_id, o.state,
           coalesce(o.shipped_at, o.cutoff_at) AS since, o.id, true AS is_order
      FROM outbound_order o, (SELECT {_ZONE} AS zone) z, owner w
     WHERE w.id = o.owner_id AND o.warehouse_id = :warehouse_id
       AND o.state IN ('shipped', 'shorted') AND {_SPAN.format(column="o.created_at")}
       AND {_MINE.format(table="o")}
       AND EXISTS (SELECT 1 FROM order_line l
                    WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id AND l.short > 0)
"""
_LATE_DELIVERIES = f"""
    SELECT 'delivery_overdue' AS kind, w.code AS owner, a.external_id, a.state,
           a.expected_at AS since, a.id, false AS is_order
      FROM asn a JOIN owner w ON w.id = a.owner_id
     WHERE a.warehouse_id = :warehouse_id AND a.state IN ('open', 'receiving')
       AND a.expected_at < :at AND {_MINE.format(table="a")}
"""
_DIFFERING_DELIVERIES = f"""
    SELECT 'delivery_differs' AS kind, w.code AS owner, a.external_id, a.state,
           a.closed_at AS since, a.id, false AS is_order
      FROM asn a, (SELECT {_ZONE} AS zone) z, owner w
     WHERE w.id = a.owner_id AND a.warehouse_id = :warehouse_id AND a.state = 'closed'
       AND a.closed_at IS NOT NULL AND {_SPAN.format(column="a.expected_at")}
       AND {_MINE.format(table="a")}
       AND EXISTS (SELECT 1 FROM asn_line l
                    WHERE l.warehouse_id = a.warehouse_id AND l.asn_id = a.id
                      AND l.received <> l.qty)
"""
DIFFERENCES = text(
    f"""
    WITH found AS MATERIALIZED (
      SELECT * FROM ({_LATE_ORDERS} UNION ALL {_LATE_DELIVERIES}
                     UNION ALL {_SHORT_ORDERS} UNION ALL {_DIFFERING_DELIVERIES}) x
       ORDER BY since, id LIMIT {DIFFERENCES_MAX}
    )
    SELECT f.kind, f.owner, f.external_id, f.state, f.since,
           CAST(extract(epoch FROM CAST(:at AS timestamptz) - f.since) / 60 AS bigint)
             AS age_minutes,
           CASE WHEN f.is_order
                THEN (SELECT coalesce(sum(l.ordered), 0) FROM order_line l
                       WHERE l.warehouse_id = :warehouse_id AND l.order_id = f.id)
                ELSE (SELECT coalesce(sum(l.qty), 0) FROM asn_line l
                       WHERE l.warehouse_id = :warehouse_id AND l.asn_id = f.id) END AS expected,
           CASE WHEN f.is_order
                THEN (SELECT coalesce(sum(l.shipped), 0) FROM order_line l
                       WHERE l.warehouse_id = :warehouse_id AND l.order_id = f.id)
                ELSE (SELECT coalesce(sum(l.received), 0) FROM asn_line l
                       WHERE l.warehouse_id = :warehouse_id AND l.asn_id = f.id) END AS done
      FROM found f ORDER BY f.since, f.id
    """
)
KINDS = {
    "order_late": "Orders that should have left",
    "delivery_overdue": "Deliveries that should have come",
    "refused_document": "Refused documents that nobody settled",
    "dead_letter": "Events that could not be delivered",
    "exception": "Open exceptions",
    "disputed_stock": "Goods that a picker did not find",
    "count_open": "Counts that are not settled",
}
_OF_OWNER = """
    (cardinality(CAST(:owner_ids AS bigint[])) = 0
     OR {column} IN (SELECT code FROM owner WHERE id = ANY (CAST(:owner_ids AS bigint[]))))
"""
_ALL_OWNERS = "cardinality(CAST(:owner_ids AS bigint[])) = 0"
# Each branch reads an index that holds only what is open, or a small table.
BACKLOG = text(
    f"""
    WITH waits AS (
      SELECT kind, since FROM ({_LATE_ORDERS}) o
       UNION ALL SELECT kind, since FROM ({_LATE_DELIVERIES}) a
       UNION ALL
      SELECT 'refused_document', l.at FROM inbound_letter l
        JOIN exception e ON e.warehouse_id = l.warehouse_id AND e.id = l.exception_id
         AND e.state = 'open'
       WHERE l.warehouse_id = :warehouse_id AND l.state = 'failed'
         AND {_OF_OWNER.format(column="l.owner")}
       UNION ALL
      SELECT 'refused_document', e.opened_at FROM exception e
       WHERE e.warehouse_id = :warehouse_id AND e.state = 'open'
         AND e.code IN ('document_refused', 'document_unfinished', 'lines_refused', 'file_failed')
         AND {_OF_OWNER.format(column="e.owner")}
       UNION ALL
      SELECT 'dead_letter', coalesce(p.first_failed_at, :at) FROM parked p
       WHERE p.warehouse_id = :warehouse_id AND p.state = 'dead' AND {_ALL_OWNERS}
       UNION ALL
      SELECT 'exception', e.opened_at FROM exception e
       WHERE e.warehouse_id = :warehouse_id AND e.state = 'open'
         AND {_OF_OWNER.format(column="e.owner")}
       UNION ALL
      SELECT 'disputed_stock', b.received_at FROM balance b
       WHERE b.warehouse_id = :warehouse_id AND b.on_hand > 0 AND b.status = 'disputed'
         AND {_MINE.format(table="b")}
       UNION ALL
      SELECT 'count_open', c.requested_at FROM count c
       WHERE c.warehouse_id = :warehouse_id AND c.state NOT IN ('posted', 'cancelled')
         AND {_ALL_OWNERS}
    ), aged AS (
      SELECT kind, since,
             extract(epoch FROM CAST(:at AS timestamptz) - since) / 3600 AS hours FROM waits
    )
    SELECT kind, count(*) AS count, min(since) AS oldest_at,
           ARRAY[count(*) FILTER (WHERE hours < 1),
                 count(*) FILTER (WHERE hours >= 1 AND hours < 4),
                 count(*) FILTER (WHERE hours >= 4 AND hours < 24),
                 count(*) FILTER (WHERE hours >= 24 AND hours < 72),
                 count(*) FILTER (WHERE hours >= 72)] AS ages
      FROM aged GROUP BY kind
    """
)


class _Aged(msgspec.Struct):
    kind: str
    count: int
    oldest_at: datetime
    ages: list[int]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Days, both included, and the owners a reader is narrowed to (none: all)."""

    from_day: date
    to_day: date
    owner_ids: Sequence[int] = ()


def _values(stamp: Stamp, span: Span) -> dict[str, object]:
    return {
        "warehouse_id": stamp.warehouse_id, "from_day": span.from_day, "to_day": span.to_day,
        "owner_ids": list(span.owner_ids),
    }  # fmt: skip


async def get_today(tx: Tx, stamp: Stamp) -> date:
    """The day in the warehouse."""
    values = {"warehouse_id": stamp.warehouse_id, "at": stamp.at}
    return (await tx.execute(TODAY, values)).scalar_one()


async def list_orders(tx: Tx, stamp: Stamp, span: Span) -> list[OrdersOfDay]:
    """By the day an order came in."""
    return await rows(tx, ORDERS, OrdersOfDay, **_values(stamp, span))


async def list_deliveries(tx: Tx, stamp: Stamp, span: Span) -> list[DeliveriesOfDay]:
    """By the day a delivery was expected."""
    return await rows(tx, DELIVERIES, DeliveriesOfDay, **_values(stamp, span))


async def list_differences(tx: Tx, stamp: Stamp, span: Span) -> list[Difference]:
    """The oldest first: what is late now, orders of the span that left short, and deliveries of
    it that came otherwise."""
    return await rows(tx, DIFFERENCES, Difference, at=stamp.at, **_values(stamp, span))


async def list_backlog(tx: Tx, stamp: Stamp, owner_ids: Sequence[int] = ()) -> list[Waiting]:
    """Everything unsettled by kind and age; every kind is there, also with nothing in it."""
    found = await rows(
        tx, BACKLOG, _Aged, warehouse_id=stamp.warehouse_id, at=stamp.at, owner_ids=list(owner_ids)
    )
    aged = {each.kind: each for each in found}
    none = _Aged("", 0, stamp.at, [0] * len(AGES))
    return [
        Waiting(
            kind=kind, text=said, count=aged.get(kind, none).count,
            ages=aged.get(kind, none).ages,
            oldest_at=aged[kind].oldest_at if kind in aged else None,
        )
        for kind, said in KINDS.items()
    ]  # fmt: skip
