"""Visiting order of the pick places of one tour.

Problem: shortest walk from start through all stops to end. Units: mm.
Guarantees: every reachable stop exactly once; stops that cannot be reached are named, not
dropped silently; `proven` is True only where the length is the optimum (dynamic program, or all
orders tried). Source: `route_dp` (exact), `route_improve` (one-way aisles, very many cross aisles).
"""

import math
from collections.abc import Sequence

from msgspec import Struct

from wms.planning.route_dp import LEVELS_MAX, shortest_walk
from wms.planning.route_improve import length_of, order_places
from wms.planning.stop import MaxRounds, StopRule
from wms.planning.travel import Layout, Place
from wms.planning.walk import Node, trail

DEFAULT_STOP = MaxRounds(20)


class Route(Struct, frozen=True):
    """One tour: stops in walking order, without start and end.

    `unreachable` stops are in no order; `feasible` is False when there are any or when the end
    cannot be reached. `bound_mm` is a proven lower bound on the length.
    """

    order: tuple[str, ...]
    distance_mm: float
    method: str
    proven: bool
    stopped: str
    bound_mm: float = 0
    unreachable: tuple[str, ...] = ()
    feasible: bool = True


def plan_route(
    layout: Layout,
    stops: Sequence[str],
    start: str,
    end: str,
    stop: StopRule = DEFAULT_STOP,
    seed: int = 0,
) -> Route:
    """The shortest tour through the stops; a stop named twice is visited once.

    Raises ValueError for an id that is not in the layout.
    """
    here, there = layout.place(start), layout.place(end)
    wanted = list(dict.fromkeys(stops))
    places = {spot: layout.place(spot) for spot in wanted}
    lost = tuple(spot for spot, place in places.items() if place is None)
    if here is None or there is None:
        return Route(
            (), math.inf, "none", False, "start or end cannot be reached", 0, tuple(wanted), False
        )
    found = {spot: place for spot, place in places.items() if place is not None}
    two_hubs = here.open_floor and there.open_floor and here != there
    if layout.grid.one_way or two_hubs or len(layout.grid.ys) > LEVELS_MAX:
        return _ordered_by_matrix(layout, found, start, end, stop, seed, lost)
    return _ordered_by_walk(layout, found, here, there, lost)


def _ordered_by_walk(
    layout: Layout, found: dict[str, Place], start: Place, end: Place, lost: tuple[str, ...]
) -> Route:
    """Exact: the cheapest multigraph, then one walk along it."""
    grid = layout.grid
    inner = [place for place in dict.fromkeys(found.values()) if place not in (start, end)]
    if not inner and start == end:
        return Route(tuple(found), 0, "exact", True, "optimal", 0, lost, not lost)
    walk = shortest_walk(grid, inner, start, end)
    if walk.length is None:
        return Route((), math.inf, "none", False, "no walk exists", 0, (*found, *lost), False)
    at: dict[Node, list[str]] = {}
    index = {x: number for number, x in enumerate(walk.xs)}
    first: list[str] = []
    for spot, place in found.items():
        if place in (start, end):
            first.append(spot)
        elif place.column < 0:
            at.setdefault((index[place.x], grid.ys[place.level], 0), []).append(spot)
        else:
            at.setdefault((index[grid.xs[place.column]], place.y, 1), []).append(spot)
    order = [spot for spot in first if found[spot] == start]
    for node in trail(walk):
        order.extend(at.pop(node, ()))
    order.extend(spot for spot in first if found[spot] != start)
    return Route(tuple(order), walk.length, "exact", True, "optimal", walk.length, lost, not lost)


def _ordered_by_matrix(
    layout: Layout,
    found: dict[str, Place],
    start: str,
    end: str,
    stop: StopRule,
    seed: int,
    lost: tuple[str, ...],
) -> Route:
    """Search on distances, for one-way aisles and layouts beyond the exact router."""
    groups: dict[Place, list[str]] = {}
    for spot, place in found.items():
        groups.setdefault(place, []).append(spot)
    ids = [start, *(spots[0] for spots in groups.values()), end]
    far = [[layout.distance_mm(one, two) for two in ids] for one in ids]
    order, proven, reason = order_places(far, stop, seed)
    length = length_of(far, order)
    stops = tuple(spot for row in order for spot in groups[found[ids[row]]])
    bound = length if proven else 0
    feasible = not lost and length < math.inf
    return Route(stops, length, "search", proven, reason, bound, lost, feasible)
