"""Orders by cutoff and waves by progress, as a supervisor reads them, and what a release would do.

Reads only, each bounded. `what_if` asks the same rule that allocation uses, without any lock: it
says what would happen if the button were pressed now.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.inventory.allocations import Stock
from wms.outbound import rules, wave_sql
from wms.outbound.allocation import Line
from wms.outbound.orders import standing
from wms.outbound.rules import Demand
from wms.stamp import Stamp

CUTOFFS_MAX = 60
WAVES_MAX = 50
SHOWN_PAST = timedelta(hours=12)
IN_WORK = ("open", "held", "released", "picking", "picked", "packed")


class Site(msgspec.Struct, kw_only=True):
    """The warehouse a page is about."""

    code: str
    name: str
    timezone: str


class Cutoff(msgspec.Struct, kw_only=True):
    """Orders of one carrier that leave at one time, by how far they are."""

    cutoff_at: datetime
    carrier_id: int
    carrier: str
    orders: int
    units: int
    open: int
    blocked: int  # open, and no stock was found when last tried
    held: int
    released: int
    picking: int
    picked: int
    packed: int
    shipped: int
    ended: int  # short or cancelled


class WaveRow(msgspec.Struct, kw_only=True):
    """A wave and how far it is."""

    id: int
    state: str
    cutoff_at: datetime
    created_at: datetime
    created_by: str
    released_at: datetime | None
    done_at: datetime | None
    plan: dict[str, Any]
    orders: int
    orders_done: int
    tasks: int
    tasks_done: int
    tours: int
    tours_ready: int
    tours_claimed: int


class TourRow(msgspec.Struct, kw_only=True):
    """A tour of a wave."""

    id: int
    state: str
    claimed_by: str
    metres: int
    due_at: datetime
    tasks: int
    tasks_done: int
    units: int
    orders: int
    first_bin: str
    last_bin: str


class Missing(msgspec.Struct, kw_only=True):
    """An item of which a release could not promise all, and where the rest may be.

    `cause`: out_of_stock | promised_to_others | in_putaway | stopped.
    """

    sku: str
    description: str
    owner: str
    wanted: int
    got: int
    free: int
    claimed: int
    elsewhere: int
    stopped: int
    cause: str = ""


class WhatIf(msgspec.Struct, kw_only=True):
    """What a release of these orders would do now."""

    orders: int = 0
    lines: int = 0
    units: int = 0
    orders_whole: int = 0
    orders_part: int = 0
    orders_none: int = 0
    units_got: int = 0
    missing: list[Missing] = []


SITE = text("SELECT code, name, timezone FROM warehouse WHERE id = :warehouse_id")
# Served by outbound_order_cutoff_ix from half a day back; the sums by order_line's natural key.
CUTOFFS = text(
    """
    SELECT o.cutoff_at, o.carrier_id, c.code AS carrier, count(*) AS orders,
           CAST(coalesce(sum(u.units), 0) AS bigint) AS units,
           count(*) FILTER (WHERE o.state = 'open') AS open,
           count(*) FILTER (WHERE o.state = 'open' AND o.cause = 'out_of_stock') AS blocked,
           count(*) FILTER (WHERE o.state = 'held') AS held,
           count(*) FILTER (WHERE o.state = 'released') AS released,
           count(*) FILTER (WHERE o.state = 'picking') AS picking,
           count(*) FILTER (WHERE o.state = 'picked') AS picked,
           count(*) FILTER (WHERE o.state = 'packed') AS packed,
           count(*) FILTER (WHERE o.state = 'shipped') AS shipped,
           count(*) FILTER (WHERE o.state IN ('shorted', 'cancelled')) AS ended
      FROM (SELECT * FROM outbound_order
             WHERE warehouse_id = :warehouse_id AND cutoff_at >= :since
            UNION ALL
            SELECT * FROM outbound_order
             WHERE warehouse_id = :warehouse_id AND cutoff_at < :since
               AND state NOT IN ('shipped', 'shorted', 'cancelled')) o
      JOIN carrier c ON c.id = o.carrier_id
      LEFT JOIN LATERAL (SELECT sum(l.ordered) AS units FROM order_line l
                          WHERE l.warehouse_id = o.warehouse_id AND l.order_id = o.id) u ON true
     GROUP BY o.cutoff_at, o.carrier_id, c.code
     ORDER BY o.cutoff_at, c.code LIMIT :limit
    """
)
_WAVE = """
    SELECT w.id, w.state, w.cutoff_at, w.created_at, coalesce(a.code, '') AS created_by,
           w.released_at, w.done_at, w.plan, coalesce(o.orders, 0) AS orders,
           coalesce(o.done, 0) AS orders_done, coalesce(t.tasks, 0) AS tasks,
           coalesce(t.done, 0) AS tasks_done, coalesce(t.tours, 0) AS tours,
           coalesce(t.ready, 0) AS tours_ready, coalesce(t.claimed, 0) AS tours_claimed
      FROM wave w
      LEFT JOIN app_user a ON a.id = w.created_by
      LEFT JOIN LATERAL (
        SELECT count(*) AS orders,
               count(*) FILTER (WHERE state NOT IN ('open', 'held', 'released', 'picking')) AS done
          FROM outbound_order o WHERE o.warehouse_id = w.warehouse_id AND o.wave_id = w.id
      ) o ON true
      LEFT JOIN LATERAL (
        SELECT count(DISTINCT u.id) AS tours,
               count(DISTINCT u.id) FILTER (WHERE u.state = 'ready') AS ready,
               count(DISTINCT u.id) FILTER (WHERE u.state = 'claimed') AS claimed,
               count(k.id) FILTER (WHERE k.state <> 'cancelled') AS tasks,
               count(k.id) FILTER (WHERE k.state = 'done') AS done
          FROM tour u JOIN task k ON k.warehouse_id = u.warehouse_id AND k.tour_id = u.id
         WHERE u.warehouse_id = w.warehouse_id AND u.wave_id = w.id AND u.state <> 'cancelled'
      ) t ON true
"""
# The newest waves by primary key; their tours by tour_wave_ix, orders by outbound_order_wave_ix.
WAVES = text(f"{_WAVE} WHERE w.warehouse_id = :warehouse_id ORDER BY w.id DESC LIMIT :limit")
WAVE = text(f"{_WAVE} WHERE w.warehouse_id = :warehouse_id AND w.id = :wave_id")
TOURS = text(
    """
    SELECT u.id, u.state, coalesce(a.name, '') AS claimed_by, u.metres, u.due_at,
           count(t.id) FILTER (WHERE t.state <> 'cancelled') AS tasks,
           count(t.id) FILTER (WHERE t.state = 'done') AS tasks_done,
           coalesce(sum(t.qty) FILTER (WHERE t.state <> 'cancelled'), 0) AS units,
           count(DISTINCT t.order_id) AS orders,
           coalesce((array_agg(b.code ORDER BY t.seq))[1], '') AS first_bin,
           coalesce((array_agg(b.code ORDER BY t.seq DESC))[1], '') AS last_bin
      FROM tour u
      JOIN task t ON t.warehouse_id = u.warehouse_id AND t.tour_id = u.id
      LEFT JOIN bin b ON b.warehouse_id = t.warehouse_id AND b.id = t.from_bin_id
      LEFT JOIN app_user a ON a.id = u.claimed_by
     WHERE u.warehouse_id = :warehouse_id AND u.wave_id = :wave_id AND u.state <> 'cancelled'
     GROUP BY u.id, u.state, a.name, u.metres, u.due_at
     ORDER BY u.state = 'done', u.due_at, u.id LIMIT 500
    """
)
# Served by outbound_order_open_ix.
CANDIDATES = text(
    """
    SELECT o.id FROM outbound_order o
     WHERE o.warehouse_id = :warehouse_id AND o.state = 'open' AND o.wave_id IS NULL
       AND o.hold_reason = '' AND o.cancel_requested = ''
       AND (CAST(:cutoff_at AS timestamptz) IS NULL OR o.cutoff_at = :cutoff_at)
       AND (CAST(:carrier_id AS bigint) IS NULL OR o.carrier_id = :carrier_id)
     ORDER BY o.priority DESC, o.cutoff_at, o.id LIMIT :limit
    """
)
ITEM_FACTS = text(
    """
    SELECT i.id, i.sku, i.description, w.code AS owner,
           coalesce(sum(b.on_hand) FILTER (
             WHERE b.status = 'available' AND p.kind NOT IN ('pick', 'reserve')), 0) AS elsewhere,
           coalesce(sum(b.on_hand) FILTER (
             WHERE p.kind IN ('pick', 'reserve')
               AND (b.status <> 'available' OR p.blocked OR coalesce(l.recalled, false))), 0)
             AS stopped
      FROM item i JOIN owner w ON w.id = i.owner_id
      LEFT JOIN balance b ON b.warehouse_id = :warehouse_id AND b.item_id = i.id AND b.on_hand > 0
       AND b.allocated = 0
      LEFT JOIN bin p ON p.warehouse_id = b.warehouse_id AND p.id = b.bin_id
      LEFT JOIN lot l ON l.warehouse_id = b.warehouse_id AND l.id = b.lot_id
     WHERE i.id = ANY (CAST(:item_ids AS bigint[]))
     GROUP BY i.id, i.sku, i.description, w.code
    """
)


# Served by outbound_order_open_ix.
STATES = text(
    """
    SELECT state, cause, count(*) AS orders, min(cutoff_at) AS cutoff_at FROM outbound_order
     WHERE warehouse_id = :warehouse_id AND state NOT IN ('shipped', 'shorted', 'cancelled')
     GROUP BY state, cause
    """
)


class Cause(msgspec.Struct, kw_only=True):
    """Open orders that wait for the same thing; the next cutoff among them."""

    state: str
    cause: str
    orders: int
    cutoff_at: datetime


class _Id(msgspec.Struct):
    id: int


class _Facts(msgspec.Struct):
    id: int
    sku: str
    description: str
    owner: str
    elsewhere: int
    stopped: int


async def get_site(tx: Tx, stamp: Stamp) -> Site:
    found = await row(tx, SITE, Site, warehouse_id=stamp.warehouse_id)
    assert found is not None
    return found


async def list_cutoffs(tx: Tx, stamp: Stamp) -> list[Cutoff]:
    """Cutoffs from half a day back, and older ones with work left; at most 60."""
    return await rows(
        tx, CUTOFFS, Cutoff, warehouse_id=stamp.warehouse_id, since=stamp.at - SHOWN_PAST,
        limit=CUTOFFS_MAX,
    )  # fmt: skip


async def list_causes(tx: Tx, stamp: Stamp) -> list[Cause]:
    """Open orders by state and cause, most urgent first."""
    found = await rows(tx, STATES, Cause, warehouse_id=stamp.warehouse_id)
    return sorted(found, key=lambda each: (each.cutoff_at, each.state, each.cause))


async def count_states(tx: Tx, stamp: Stamp) -> dict[str, int]:
    """How many open orders are in each state, in the order of their life."""
    counted: dict[str, int] = dict.fromkeys(IN_WORK, 0)
    for each in await list_causes(tx, stamp):
        counted[each.state] += each.orders
    return counted


async def list_waves(tx: Tx, stamp: Stamp) -> list[WaveRow]:
    """The newest 50 waves."""
    return await rows(tx, WAVES, WaveRow, warehouse_id=stamp.warehouse_id, limit=WAVES_MAX)


async def find_wave(tx: Tx, stamp: Stamp, wave_id: int) -> WaveRow | None:
    return await row(tx, WAVE, WaveRow, warehouse_id=stamp.warehouse_id, wave_id=wave_id)


async def list_tours(tx: Tx, stamp: Stamp, wave_id: int) -> list[TourRow]:
    """Up to 500 tours of a wave, open ones first."""
    return await rows(tx, TOURS, TourRow, warehouse_id=stamp.warehouse_id, wave_id=wave_id)


async def list_candidates(
    tx: Tx,
    stamp: Stamp,
    *,
    cutoff_at: datetime | None = None,
    carrier_id: int | None = None,
    limit: int = 5000,
) -> list[int]:
    """Orders that could be released, most urgent first."""
    found = await rows(
        tx, CANDIDATES, _Id, warehouse_id=stamp.warehouse_id, cutoff_at=cutoff_at,
        carrier_id=carrier_id, limit=limit,
    )  # fmt: skip
    return [each.id for each in found]


async def what_if(tx: Tx, stamp: Stamp, order_ids: Sequence[int]) -> WhatIf:
    """What releasing these orders would give, by the rule of allocation. No lock, no promise."""
    lines = await rows(
        tx, wave_sql.DEMANDS, Line, warehouse_id=stamp.warehouse_id, ids=list(order_ids)
    )
    if not lines:
        return WhatIf()
    items = sorted({line.item_id for line in lines})
    stand = await standing(tx, stamp, items)
    shelf = [_as_stock(item_id, each.free) for item_id, each in stand.items() if each.free > 0]
    spare = {item_id: each.spare for item_id, each in stand.items()}
    demands = [
        Demand(
            order_id=line.order_id, order_line_id=line.order_line_id, item_id=line.item_id,
            qty=line.qty, promised=line.promised, whole=line.whole,
        )
        for line in lines
    ]  # fmt: skip
    got: dict[int, int] = {}
    for take in rules.choose(demands, shelf, spare).takes:
        got[take.order_line_id] = got.get(take.order_line_id, 0) + take.qty
    wanted_of: dict[int, int] = {}
    got_of: dict[int, int] = {}
    order_wants: dict[int, int] = {}
    order_gets: dict[int, int] = {}
    for line in lines:
        have = got.get(line.order_line_id, 0)
        wanted_of[line.item_id] = wanted_of.get(line.item_id, 0) + line.qty
        got_of[line.item_id] = got_of.get(line.item_id, 0) + have
        order_wants[line.order_id] = order_wants.get(line.order_id, 0) + line.qty
        order_gets[line.order_id] = order_gets.get(line.order_id, 0) + have
    lacking = [item_id for item_id in items if got_of[item_id] < wanted_of[item_id]]
    facts = await rows(
        tx, ITEM_FACTS, _Facts, warehouse_id=stamp.warehouse_id, item_ids=lacking
    )
    missing = [
        Missing(
            sku=fact.sku, description=fact.description, owner=fact.owner,
            wanted=wanted_of[fact.id], got=got_of[fact.id], free=stand[fact.id].free,
            claimed=stand[fact.id].claimed, elsewhere=fact.elsewhere, stopped=fact.stopped,
        )
        for fact in facts
    ]  # fmt: skip
    for each in missing:
        each.cause = rules.why_missing(each.free, each.got, each.elsewhere, each.stopped)
    missing.sort(key=lambda each: (each.got - each.wanted, each.sku))
    return WhatIf(
        orders=len(order_wants),
        lines=len(lines),
        units=sum(wanted_of.values()),
        orders_whole=sum(order_gets[o] == n for o, n in order_wants.items()),
        orders_part=sum(0 < order_gets[o] < n for o, n in order_wants.items()),
        orders_none=sum(order_gets[o] == 0 for o in order_wants),
        units_got=sum(got_of.values()),
        missing=missing,
    )


def _as_stock(item_id: int, free: int) -> Stock:
    """All goods of an item as one balance: what if asks how many, not which."""
    return Stock(
        balance_id=item_id, bin_id=0, lpn_id=None, owner_id=0, item_id=item_id, lot_id=None,
        free=free, expires_on=None, received_on=date.min, bin_kind="pick", pick_sequence=0,
    )  # fmt: skip
