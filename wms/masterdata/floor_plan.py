"""The walkable warehouse as planning knows it: one model of walks for tours, bins and faces.

Whoever asks how far something is (putaway, allocation, waves, slotting) asks here. Where the hall
was not drawn (no aisles, no cross aisles, no station) there is no map, and callers say what then.
"""

from collections.abc import Iterable

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot
from wms.stamp import Stamp

AISLES = text(
    """
    SELECT CAST(id AS text) AS id, x_mm, least(y_from_mm, y_to_mm) AS y_from_mm,
           greatest(y_from_mm, y_to_mm) AS y_to_mm, direction, blocked
      FROM aisle WHERE warehouse_id = :warehouse_id ORDER BY id
    """
)
CROSS_AISLES = text("SELECT y_mm FROM cross_aisle WHERE warehouse_id = :warehouse_id ORDER BY y_mm")
SPOTS = text(
    """
    SELECT CAST(id AS text) AS id, x_mm, y_mm, z_mm, CAST(aisle_id AS text) AS aisle_id
      FROM bin WHERE warehouse_id = :warehouse_id AND id = ANY (CAST(:ids AS bigint[])) ORDER BY id
    """
)
# Carts start and end at a pack station; without one, at the dock.
DEPOT = text(
    """
    SELECT CAST(id AS text) AS id, x_mm, y_mm, z_mm, CAST(NULL AS text) AS aisle_id
      FROM bin WHERE warehouse_id = :warehouse_id AND kind IN ('pack', 'dock') AND NOT blocked
     ORDER BY kind <> 'pack', code LIMIT 1
    """
)


class _Level(msgspec.Struct):
    y_mm: int


async def load_layout(tx: Tx, stamp: Stamp, bin_ids: list[int]) -> tuple[Layout | None, str]:
    """The map with these bins and the depot, and the depot's name; spots are bin ids as text."""
    here = {"warehouse_id": stamp.warehouse_id}
    aisles = await rows(tx, AISLES, AisleLine, **here)
    levels = await rows(tx, CROSS_AISLES, _Level, **here)
    depot = await row(tx, DEPOT, Spot, **here)
    if depot is None or not aisles or not levels:
        return None, ""
    spots = await rows(tx, SPOTS, Spot, **here, ids=[i for i in bin_ids if str(i) != depot.id])
    crosses = tuple(CrossAisle(level.y_mm) for level in levels)
    return Layout(tuple(aisles), crosses, (*spots, depot)), depot.id


async def walks_from_depot(tx: Tx, stamp: Stamp, bin_ids: list[int]) -> dict[int, float]:
    """The walk to each bin as `walks_on` has it, in four reads; empty without a map."""
    return walks_on(*await load_layout(tx, stamp, bin_ids), bin_ids)


def walks_on(layout: Layout | None, depot: str, bin_ids: Iterable[int]) -> dict[int, float]:
    """The shortest walk in mm from the depot to each bin; empty without a map.

    Lifting at a bin above reach counts as the walk that takes as long.
    """
    if layout is None:
        return {}
    return {
        bin_id: layout.distance_mm(depot, str(bin_id)) + layout.lift_mm(str(bin_id))
        for bin_id in bin_ids
    }
