"""Small layouts and brute-force answers for the planning tests."""

import math
from itertools import permutations

from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot, path_mm

PITCH, CELL = 3000, 1000


def hall(columns: int, cells: int, crosses: tuple[int, ...] = (), **changes) -> Layout:
    """Aisles `columns` wide with `cells` bins each, a cross aisle at both ends and at `crosses`.

    Bin "a-k" is cell k of aisle a; stations "depot" (below aisle 0) and "dock" (above the last).
    """
    top = (cells + 1) * CELL
    spots = tuple(
        Spot(f"{a}-{k}", a * PITCH, (k + 1) * CELL, 0, str(a))
        for a in range(columns)
        for k in range(cells)
    )
    stations = (
        Spot("depot", 0, -500),
        Spot("dock", (columns - 1) * PITCH + 700, top + 300),
    )
    ys = (0, top, *(at * CELL + 500 for at in crosses))
    return Layout(
        aisles=changes.get("aisles")
        or tuple(AisleLine(str(a), a * PITCH, 0, top) for a in range(columns)),
        cross_aisles=changes.get("cross_aisles") or tuple(CrossAisle(y) for y in ys),
        spots=spots + changes.get("stations", stations),
    )


def shortest_by_trying(layout: Layout, stops, start: str, end: str) -> float:
    """Length over every order of the stops."""
    return min(
        (path_mm(layout, (start, *order, end)) for order in permutations(dict.fromkeys(stops))),
        default=math.inf,
    )
