"""What is on the floor for the trucks: open pick tours, orders that have to leave, who works.

Reads only: what a forecast is made from, and when each picker is free for the tours of a new wave.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.outbound.crew import Crew, load_crew
from wms.outbound.forecast import Due, Pace, Trip, free_times
from wms.outbound.wave_due import Shift
from wms.stamp import Stamp


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """What is on the floor for the trucks, and who works on it."""

    trips: tuple[Trip, ...]
    dues: tuple[Due, ...]
    crew: Crew


class _Trip(msgspec.Struct):
    rank: float
    claimed_by: int | None
    metres: int
    tasks: int
    open: int
    orders: list[int]


# Open tours only: tour_ready_ix and tour_claimed_ix hold nothing else.
TRIPS = text(
    """
    SELECT CAST(extract(epoch FROM u.rank_at) AS float8) AS rank, u.claimed_by, u.metres, t.tasks,
           t.open, t.orders
      FROM tour u
     CROSS JOIN LATERAL (
       SELECT count(*) AS tasks, count(*) FILTER (WHERE k.state = 'open') AS open,
              coalesce(array_agg(DISTINCT k.order_id) FILTER (WHERE k.state = 'open'), '{}')
                AS orders
         FROM task k
        WHERE k.warehouse_id = u.warehouse_id AND k.tour_id = u.id AND k.order_id IS NOT NULL) t
     WHERE u.warehouse_id = :warehouse_id AND u.kind = 'pick' AND u.state IN ('ready', 'claimed')
     ORDER BY u.rank_at, u.id
    """
)
# outbound_order_open_ix; what is held or on its way back leaves with no truck.
DUES = text(
    """
    SELECT o.id AS order_id, o.external_id, o.cutoff_at, o.carrier_id, c.code AS carrier,
           o.state = 'packed' AS packed, o.state = 'open' AS fresh
      FROM outbound_order o JOIN carrier c ON c.id = o.carrier_id
     WHERE o.warehouse_id = :warehouse_id AND o.hold_reason = '' AND o.cancel_requested = ''
       AND (o.state IN ('released', 'picking', 'picked', 'packed')
            OR o.id = ANY (CAST(:ids AS bigint[])))
       AND o.state NOT IN ('shipped', 'shorted', 'cancelled')
     ORDER BY o.id
    """
)

async def load_floor(tx: Tx, stamp: Stamp, order_ids: Sequence[int] = ()) -> Floor:
    """Open tours, orders that have to leave (with those of a release to come), and the crew."""
    here = {"warehouse_id": stamp.warehouse_id}
    crew = await load_crew(tx, stamp)
    found = await rows(tx, TRIPS, _Trip, **here)
    dues = await rows(tx, DUES, Due, **here, ids=list(order_ids))
    return Floor(
        trips=tuple(_trip(each, crew.pace) for each in found), dues=tuple(dues), crew=crew
    )


def _trip(found: _Trip, pace: Pace) -> Trip:
    """What of a tour is left: a begun one by its share of open picks."""
    whole = pace.tour_s(found.metres, found.tasks)
    left = whole * found.open / found.tasks if found.tasks else 0.0
    return Trip(rank=found.rank, work_s=left, orders=tuple(found.orders), by=found.claimed_by)


def shift_of(at_s: float, floor: Floor, rank: float) -> Shift:
    """When each picker is free for tours of this rank: after what they hold and what goes before.

    Units: epoch seconds.
    """
    pace = floor.crew.pace
    before = [trip for trip in floor.trips if trip.by is not None or trip.rank < rank]
    return Shift(
        now_s=round(at_s),
        ready_s=tuple(free_times(before, floor.crew.people)),
        setup_s=pace.slower * pace.setup_s,
        per_line_s=pace.slower * pace.per_task_s,
        walk_mm_s=max(1, round(pace.walk_mm_s / pace.slower)),
    )
