"""A wave on the floor plan: aisles, bins with their picks, and the walk of chosen tours."""

import msgspec
from sqlalchemy import text

from wms.db import Tx, rows
from wms.stamp import Stamp


class MapBin(msgspec.Struct, kw_only=True):
    """A bin on the plan, and the picks of the wave in it."""

    id: int
    code: str
    kind: str
    x_mm: int
    y_mm: int
    aisle: bool
    open: int
    done: int


class MapAisle(msgspec.Struct, kw_only=True):
    """An aisle on the plan."""

    code: str
    x_mm: int
    y_from_mm: int
    y_to_mm: int
    blocked: bool


class WaveMap(msgspec.Struct, kw_only=True):
    """What a plan is drawn from; tours as bin ids in walking order."""

    aisles: list[MapAisle]
    crosses: list[int]
    bins: list[MapBin]
    tours: dict[int, list[int]]


class _Cross(msgspec.Struct):
    y_mm: int


class _Stop(msgspec.Struct):
    tour_id: int
    bin_id: int


AISLES = text(
    """
    SELECT code, x_mm, least(y_from_mm, y_to_mm) AS y_from_mm,
           greatest(y_from_mm, y_to_mm) AS y_to_mm, blocked
      FROM aisle WHERE warehouse_id = :warehouse_id ORDER BY x_mm, y_from_mm
    """
)
CROSSES = text("SELECT y_mm FROM cross_aisle WHERE warehouse_id = :warehouse_id ORDER BY y_mm")
# All bins that stand in an aisle, and the stations; tasks come over tour_wave_ix.
BINS = text(
    """
    SELECT b.id, b.code, b.kind, b.x_mm, b.y_mm, b.aisle_id IS NOT NULL AS aisle,
           coalesce(t.open, 0) AS open, coalesce(t.done, 0) AS done
      FROM bin b
      LEFT JOIN (
        SELECT k.from_bin_id, count(*) FILTER (WHERE k.state = 'open') AS open,
               count(*) FILTER (WHERE k.state = 'done') AS done
          FROM tour u JOIN task k ON k.warehouse_id = u.warehouse_id AND k.tour_id = u.id
         WHERE u.warehouse_id = :warehouse_id AND u.wave_id = :wave_id
         GROUP BY k.from_bin_id) t ON t.from_bin_id = b.id
     WHERE b.warehouse_id = :warehouse_id
       AND (b.aisle_id IS NOT NULL OR b.kind IN ('pack', 'dock', 'stage_out', 'stage_in'))
     ORDER BY b.id
    """
)
STOPS = text(
    """
    SELECT t.tour_id, t.from_bin_id AS bin_id
      FROM tour u JOIN task t ON t.warehouse_id = u.warehouse_id AND t.tour_id = u.id
     WHERE u.warehouse_id = :warehouse_id AND u.wave_id = :wave_id
       AND u.id = ANY (CAST(:tour_ids AS bigint[])) AND t.from_bin_id IS NOT NULL
       AND t.state <> 'cancelled'
     ORDER BY t.tour_id, t.seq
    """
)


async def load_map(tx: Tx, stamp: Stamp, wave_id: int, tour_ids: list[int]) -> WaveMap:
    """The plan of a wave with the walks of these tours."""
    here = {"warehouse_id": stamp.warehouse_id}
    tours: dict[int, list[int]] = {tour_id: [] for tour_id in tour_ids}
    stops = await rows(tx, STOPS, _Stop, **here, wave_id=wave_id, tour_ids=tour_ids)
    for stop in stops:
        tours[stop.tour_id].append(stop.bin_id)
    return WaveMap(
        aisles=await rows(tx, AISLES, MapAisle, **here),
        crosses=[each.y_mm for each in await rows(tx, CROSSES, _Cross, **here)],
        bins=await rows(tx, BINS, MapBin, **here, wave_id=wave_id),
        tours=tours,
    )
