"""Which orders walk together: orders to tours of one cart each.

Problem: every order whole in exactly one tour, cart limits kept, least total walk; hot orders
never ride with late ones. Units: mm, g, base units, seconds (due times on any common scale).
Guarantees: every order in exactly one tour; limits kept in every tour with `fits`; an order larger
than a cart walks alone and is marked; never longer than first-come batches by the same router;
same seed and rounds, same plan, and more rounds never a longer one.
Source: savings with exact tours, then annealed exchanges (`batch_search`).
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from msgspec import Struct

from wms.planning.batch_run import Search, first_come
from wms.planning.floor import FloorMap, compile_floor
from wms.planning.route import plan_route
from wms.planning.route_dp import LEVELS_MAX
from wms.planning.stop import MaxRounds, StopRule, Watch
from wms.planning.travel import Layout, Place

DEFAULT_STOP = MaxRounds(20)
# Orders searched together; fewer where there are very many, so that a whole day takes seconds.
WINDOW, MANY, WINDOW_OF_MANY = 250, 1500, 120


class BatchLine(Struct, frozen=True):
    """One line of an order at one bin; volume and weight are totals of the line."""

    ref: str
    spot: str
    qty: int
    volume_mm3: int = 0
    weight_g: int = 0


class BatchOrder(Struct, frozen=True):
    """An order that is picked whole. A larger `priority` is more urgent.

    `boxes` is the least number of cart slots it takes; its volume may ask for more. Orders of
    different zones never ride together.
    """

    id: str
    lines: tuple[BatchLine, ...]
    due_s: int | None = None
    priority: int = 0
    boxes: int = 1
    zone: str = ""


class Cart(Struct, frozen=True):
    """What one tour can carry; None means no limit. A slot holds goods of one order only."""

    slots: int
    volume_max_mm3_per_slot: int | None = None
    weight_max_g: int | None = None
    units_max: int | None = None
    orders_max: int | None = None

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise ValueError(f"slots must be >= 1, not {self.slots}")
        for name in ("volume_max_mm3_per_slot", "weight_max_g", "units_max", "orders_max"):
            bound = getattr(self, name)
            if bound is not None and bound < 1:
                raise ValueError(f"{name} must be >= 1, not {bound}")


class Stowed(Struct, frozen=True):
    """An order and the cart slots (from 0) that are its own."""

    order: str
    slots: tuple[int, ...]


class Tour(Struct, frozen=True):
    """One cart's trip. `fits` is False only for a single order larger than the cart."""

    orders: tuple[Stowed, ...]
    stops: tuple[str, ...]
    distance_mm: float
    due_s: int | None
    priority: int
    fits: bool = True
    unreachable: tuple[str, ...] = ()


class Batches(Struct, frozen=True):
    """All tours, most urgent first. `bound_mm` is a proven lower bound on the total walk."""

    tours: tuple[Tour, ...]
    distance_mm: float
    method: str
    stopped: str
    rounds: int
    bound_mm: float = 0
    proven: bool = False
    feasible: bool = True


def slots_needed(order: BatchOrder, cart: Cart) -> int:
    """Cart slots an order takes: by its boxes, or by its volume where that asks for more."""
    volume = sum(line.volume_mm3 for line in order.lines)
    per_slot = cart.volume_max_mm3_per_slot
    return max(order.boxes, 1, -(-volume // per_slot) if per_slot else 1)


def load_of(order: BatchOrder, cart: Cart) -> tuple[int, ...]:
    """What the order uses of each limit: slots, weight, units, orders."""
    return (
        slots_needed(order, cart),
        sum(line.weight_g for line in order.lines),
        sum(line.qty for line in order.lines),
        1,
    )


def caps_of(cart: Cart) -> tuple[int, ...]:
    """The limits in the order of `load_of`."""
    bounds = (cart.slots, cart.weight_max_g, cart.units_max, cart.orders_max)
    return tuple(1 << 50 if bound is None else bound for bound in bounds)


def urgency_groups(orders: Sequence[BatchOrder], spread_s: int) -> list[list[int]]:
    """Orders that may ride together: same priority and zone, due within `spread_s`.

    The most urgent group comes first.
    """
    ranked = sorted(
        range(len(orders)),
        key=lambda k: (-orders[k].priority, orders[k].zone, _due(orders[k]), k),
    )
    groups: list[list[int]] = []
    for k in ranked:
        first = orders[groups[-1][0]] if groups else None
        if (
            first is not None
            and (first.priority, first.zone) == (orders[k].priority, orders[k].zone)
            and (_due(orders[k]) == _due(first) or _due(orders[k]) - _due(first) <= spread_s)
        ):
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


def _due(order: BatchOrder) -> float:
    return math.inf if order.due_s is None else order.due_s


def as_station(layout: Layout, place: Place | None, name: str) -> Place:
    """A tour end for the length estimates; a bin in an aisle counts from its nearest mouth."""
    if place is None:
        raise ValueError(f"{name} must be reachable")
    if place.column < 0:
        return place
    (column, level), spur = min(layout.grid.exits(place), key=lambda leg: leg[1])
    return Place(-1, -1, place.y, level, layout.grid.xs[column], int(spur))


def estimate_layout(layout: Layout) -> Layout:
    """The layout the searches count on: two-way, at most as many cross aisles as are exact."""
    grid = layout.grid
    if not grid.one_way and len(grid.ys) <= LEVELS_MAX:
        return layout
    step = (len(grid.ys) - 1) / max(1, min(len(grid.ys), LEVELS_MAX) - 1)
    keep = {grid.ys[round(k * step)] for k in range(min(len(grid.ys), LEVELS_MAX))}
    return Layout(
        tuple(
            type(a)(a.id, a.x_mm, a.y_from_mm, a.y_to_mm, "both", a.blocked) for a in layout.aisles
        ),
        tuple(cross for cross in layout.cross_aisles if cross.y_mm in keep),
        layout.spots,
        layout.join_mm,
        layout.pace,
    )


def compile_orders(
    layout: Layout, orders: Sequence[BatchOrder], start: str, end: str
) -> tuple[FloorMap, list[list[Place]]]:
    """The floor for the searches, and per order the places that can be reached."""
    rough = estimate_layout(layout)
    places = {line.spot: rough.place(line.spot) for order in orders for line in order.lines}
    found = {place for place in places.values() if place is not None}
    floor = compile_floor(
        rough.grid,
        sorted(found, key=lambda p: (p.column, p.slot, p.y, p.level, p.x)),
        as_station(rough, rough.place(start), "start"),
        as_station(rough, rough.place(end), "end"),
    )
    reached = [[p for line in o.lines if (p := places[line.spot]) is not None] for o in orders]
    return floor, reached


def plan_batches(
    layout: Layout,
    orders: Sequence[BatchOrder],
    cart: Cart,
    start: str,
    end: str,
    stop: StopRule = DEFAULT_STOP,
    seed: int = 0,
    due_spread_s: int = 3600,
) -> Batches:
    """Tours for all orders. Raises ValueError for unknown spots, repeated ids, bad limits."""
    if len({order.id for order in orders}) != len(orders):
        raise ValueError("order ids must be unique")
    if not orders:
        return Batches((), 0, "empty", "nothing to do", 0, proven=True)
    watch = stop()
    floor, reached = compile_orders(layout, orders, start, end)
    caps = np.array(caps_of(cart), np.int64)
    parts: list[tuple[list[int], Search]] = []
    urgent = urgency_groups(orders, due_spread_s)
    for rows in (part for group in urgent for part in _windows(group, reached)):
        masks = np.array([floor.mask(reached[k]) for k in rows])
        loads = np.array([load_of(orders[k], cart) for k in rows], np.int64)
        parts.append((rows, Search(floor, masks, loads, caps, seed + len(parts))))
    rounds, reason = _search([search for _, search in parts], watch)
    groups = [[rows[k] for k in group] for rows, search in parts for group in search.members()]
    ends = (start, end)
    tours = [_tour(layout, [orders[k] for k in group], cart, ends) for group in groups]
    if len(parts) > len(urgent):
        tours = _not_worse_than_first_come(layout, orders, cart, ends, urgent, tours)
    assert sorted(k for group in groups for k in group) == list(range(len(orders)))
    total = sum(tour.distance_mm for tour in tours)
    good = all(tour.fits and not tour.unreachable for tour in tours) and total < math.inf
    bound = max((tour.distance_mm for tour in tours if len(tour.orders) == 1), default=0)
    return Batches(tuple(tours), total, "savings + annealing", reason, rounds, bound, False, good)


def _windows(rows: list[int], reached: list[list[Place]]) -> list[list[int]]:
    """Many orders are searched in parts of neighbours: a search grows with their square."""
    if len(rows) <= WINDOW:
        return [rows]

    def middle(row: int) -> tuple[float, float, int]:
        places = reached[row]
        count = max(1, len(places))
        return sum(p.column for p in places) / count, sum(p.y for p in places) / count, row

    ranked = sorted(rows, key=middle)
    turn = {row: number for number, row in enumerate(rows)}
    parts = -(-len(rows) // (WINDOW if len(rows) <= MANY else WINDOW_OF_MANY))
    cuts = [len(rows) * k // parts for k in range(parts + 1)]
    return [sorted(ranked[a:b], key=turn.__getitem__) for a, b in pairwise(cuts)]


def _not_worse_than_first_come(
    layout: Layout,
    orders: Sequence[BatchOrder],
    cart: Cart,
    ends: tuple[str, str],
    urgent: list[list[int]],
    tours: list[Tour],
) -> list[Tour]:
    """The tours, or those of the simple rule where cutting into windows did worse than it."""
    simple: list[Tour] = []
    for rows in urgent:
        loads = np.array([load_of(orders[k], cart) for k in rows], np.int64)
        group = first_come(loads, np.array(caps_of(cart), np.int64))
        for number in range(int(group[-1]) + 1):
            riders = [orders[k] for k, g in zip(rows, group, strict=True) if g == number]
            simple.append(_tour(layout, riders, cart, ends))
    return min(tours, simple, key=lambda plan: sum(tour.distance_mm for tour in plan))


def _search(parts: list[Search], watch: Watch) -> tuple[int, str]:
    """Rounds, each for one part in turn, until the rule says stop."""
    rounds = 0
    while True:
        reason = watch(float(sum(part.cost for part in parts)))
        if reason is not None:
            return rounds, reason
        if all(part.settled for part in parts):
            return rounds, "nothing to improve"
        open_parts = [part for part in parts if not part.settled]
        open_parts[rounds % len(open_parts)].improve()
        rounds += 1


def _tour(layout: Layout, orders: list[BatchOrder], cart: Cart, ends: tuple[str, str]) -> Tour:
    """Route and slots of one group."""
    spots = [line.spot for order in orders for line in order.lines]
    route = plan_route(layout, spots, *ends)
    stowed, used = [], 0
    for order in orders:
        need = slots_needed(order, cart)
        stowed.append(Stowed(order.id, tuple(range(used, used + need))))
        used += need
    sums = [sum(column) for column in zip(*(load_of(o, cart) for o in orders), strict=True)]
    fits = all(load <= cap for load, cap in zip(sums, caps_of(cart), strict=True))
    assert fits or len(orders) == 1
    dues = [order.due_s for order in orders if order.due_s is not None]
    return Tour(
        tuple(stowed),
        route.order,
        route.distance_mm,
        min(dues, default=None),
        max(order.priority for order in orders),
        fits,
        route.unreachable,
    )
