"""What outbound shows: one order with everything about it, and lists of orders.

Lists are bounded and walk by key, so page 1,000 costs what page 1 costs.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.stamp import Stamp

PAGE_MAX = 200


class OrderLine(msgspec.Struct, kw_only=True):
    """A line and where its units are; the parts always add up to `ordered`."""

    line_no: str
    sku: str
    description: str
    ordered: int
    promised: int
    waiting: int
    allocated: int
    picked: int
    packed: int
    shipped: int
    short: int
    cancelled: int


class Carton(msgspec.Struct, kw_only=True):
    """A closed carton."""

    lpn: str
    sscc: str
    tracking_no: str
    type: str
    weight_g: int
    state: str
    load_id: str


class OrderEvent(msgspec.Struct, kw_only=True):
    """One event of the order. `position` is its place in the warehouse's log, 0 until sealed."""

    type: str
    version: int | None
    at: datetime
    actor: str
    position: int
    data: dict[str, Any]


class Order(msgspec.Struct, kw_only=True):
    """One order with lines, cartons and its history."""

    id: str
    owner: str
    external_id: str
    state: str
    cause: str
    hold_reason: str
    cancel_requested: str
    version: int
    source_version: int
    priority: int
    allow_partial: bool
    carrier: str
    service: str
    cutoff_at: datetime
    ship_to: dict[str, str]
    wave_id: str
    picks_open: int
    created_at: datetime
    shipped_at: datetime | None
    correlation_id: str
    lines: list[OrderLine] = []
    cartons: list[Carton] = []
    events: list[OrderEvent] = []


class OrderRow(msgspec.Struct, kw_only=True):
    """One order in a list."""

    id: str
    owner: str
    external_id: str
    state: str
    cause: str
    hold_reason: str
    cancel_requested: str
    version: int
    priority: int
    carrier: str
    service: str
    cutoff_at: datetime
    wave_id: str
    lines: int
    units: int
    promised: int
    waiting: int
    done: int
    short: int


_HEAD = """
  CAST(o.id AS text) AS id, w.code AS owner, o.external_id, o.state, o.cause, o.hold_reason,
  o.cancel_requested, o.version, o.priority, c.code AS carrier, o.service, o.cutoff_at,
  coalesce(CAST(o.wave_id AS text), '') AS wave_id
"""
ORDER = text(
    f"""
    SELECT {_HEAD}, o.source_version, o.allow_partial, o.ship_to, o.picks_open, o.created_at,
           o.shipped_at, o.correlation_id
      FROM outbound_order o JOIN owner w ON w.id = o.owner_id JOIN carrier c ON c.id = o.carrier_id
     WHERE o.warehouse_id = :warehouse_id AND o.id = :id
    """
)
LINES = text(
    """
    SELECT l.line_no, i.sku, i.description, l.ordered, l.promised, l.waiting, l.allocated,
           l.picked, l.packed, l.shipped, l.short, l.cancelled
      FROM order_line l JOIN item i ON i.id = l.item_id
     WHERE l.warehouse_id = :warehouse_id AND l.order_id = :id ORDER BY l.id
    """
)
CARTONS = text(
    """
    SELECT p.code AS lpn, s.sscc, s.tracking_no, t.code AS type, s.weight_g, p.state,
           coalesce(CAST(s.load_id AS text), '') AS load_id
      FROM shipment_carton s
      JOIN lpn p ON p.warehouse_id = s.warehouse_id AND p.id = s.lpn_id
      JOIN carton_type t ON t.id = s.carton_type_id
     WHERE s.warehouse_id = :warehouse_id AND s.order_id = :id ORDER BY s.id
    """
)
# Served by event_log_okey_ix; what is not sealed yet is read from the outbox, which is minutes old
# and has no index on the key.
EVENTS = text(
    """
    SELECT type, keyseq AS version, occurred_at AS at, actor, position,
           CAST(data AS jsonb) AS data
      FROM (
        SELECT e.event_id, e.type, e.keyseq, e.occurred_at, e.actor, e.data, e.pos AS position
          FROM event_log e WHERE e.warehouse_id = :warehouse_id AND e.okey = :okey
        UNION ALL
        SELECT b.event_id, b.type, b.keyseq, b.occurred_at, b.actor, b.data, 0
          FROM outbox b WHERE b.warehouse_id = :warehouse_id AND b.okey = :okey
           AND NOT EXISTS (SELECT 1 FROM event_log e WHERE e.warehouse_id = b.warehouse_id
                            AND e.event_id = b.event_id)
      ) x
     ORDER BY at, keyseq NULLS LAST LIMIT 500
    """
)
# Served by outbound_order_open_ix for open orders, else by the primary key.
LIST = text(
    f"""
    SELECT {_HEAD}, s.lines, s.units, s.promised, s.waiting, s.done, s.short
      FROM (SELECT * FROM outbound_order
             WHERE warehouse_id = :warehouse_id
               AND (CAST(:state AS text) = '' AND state NOT IN ('shipped', 'shorted', 'cancelled')
                    OR state = :state)
               AND (CAST(:cutoff_at AS timestamptz) IS NULL OR cutoff_at = :cutoff_at)
               AND (CAST(:cause AS text) = '' OR cause = :cause)
               AND (CAST(:carrier_id AS bigint) IS NULL OR carrier_id = :carrier_id)
               AND (CAST(:wave_id AS bigint) IS NULL OR wave_id = :wave_id)
               AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
                    OR owner_id = ANY (CAST(:owner_ids AS bigint[])))
               AND (CAST(:like AS text) = '' OR external_id ILIKE :like)
               AND (cutoff_at, id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS bigint))
             ORDER BY cutoff_at, id LIMIT :limit) o
      JOIN owner w ON w.id = o.owner_id
      JOIN carrier c ON c.id = o.carrier_id
     CROSS JOIN LATERAL (
       SELECT count(*) AS lines, coalesce(sum(l.ordered), 0) AS units,
              coalesce(sum(l.promised), 0) AS promised, coalesce(sum(l.waiting), 0) AS waiting,
              coalesce(sum(l.picked + l.packed + l.shipped), 0) AS done,
              coalesce(sum(l.short), 0) AS short
         FROM order_line l WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id) s
     ORDER BY o.cutoff_at, o.id
    """
)


async def find_order(tx: Tx, stamp: Stamp, order_id: int) -> Order | None:
    """Everything about one order, or None."""
    here = {"warehouse_id": stamp.warehouse_id, "id": order_id}
    order = await row(tx, ORDER, Order, **here)
    if order is None:
        return None
    order.lines = await rows(tx, LINES, OrderLine, **here)
    order.cartons = await rows(tx, CARTONS, Carton, **here)
    okey = f"order/{order.owner}/{order.external_id}"
    order.events = await rows(
        tx, EVENTS, OrderEvent, warehouse_id=stamp.warehouse_id, okey=okey
    )
    return order


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which orders. No state means all that are not at an end."""

    state: str = ""
    cutoff_at: datetime | None = None
    cause: str = ""
    carrier_id: int | None = None
    wave_id: int | None = None
    search: str = ""


async def list_orders(
    tx: Tx,
    stamp: Stamp,
    which: Filter,
    *,
    after: tuple[datetime, int] | None = None,
    limit: int = 50,
    owner_ids: Sequence[int] = (),
) -> list[OrderRow]:
    """Orders by cutoff, then id, from after a place in that order."""
    text_like = which.search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return await rows(
        tx,
        LIST,
        OrderRow,
        warehouse_id=stamp.warehouse_id,
        state=which.state,
        cutoff_at=which.cutoff_at,
        cause=which.cause,
        carrier_id=which.carrier_id,
        wave_id=which.wave_id,
        owner_ids=list(owner_ids),
        like=f"%{text_like}%" if which.search else "",
        after_at=after[0] if after else datetime.min.replace(year=1970, tzinfo=stamp.at.tzinfo),
        after_id=after[1] if after else 0,
        limit=min(limit, PAGE_MAX),
    )
