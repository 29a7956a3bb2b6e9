"""Which bins to take each item from, decided together with the tour (scattered storage).

Problem: every item wanted lies in several bins; choose bins that cover the demand and the tour
through them, least walk. Units: mm, base units.
Guarantees: every demand met exactly when the stock allows, else what there is and `short` says
what is missing; the tour is the exact one for the chosen bins; same seed and rounds, same plan;
more rounds never longer. Not guaranteed: that no better choice exists (`proven` False).
Source: `scattered_search`.
"""

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from wms.planning import scattered_search as inner
from wms.planning.batch import as_station, estimate_layout
from wms.planning.floor import COLUMNS, LEVELS, WORD_PTR, FloorMap, compile_floor
from wms.planning.route import Route, plan_route
from wms.planning.stop import MaxRounds, StopRule, Watch
from wms.planning.travel import Layout, Place

DEFAULT_STOP = MaxRounds(20)
TRIES = 20
# First choices from what lies as near to the start as these shares of the items are to be had.
NEAR_SHARES = (0.7, 1.0)
THRESHOLDS = (0.0, 0.0, 0.01, 0.03)


class Demand(Struct, frozen=True):
    """So many base units of an item are wanted."""

    item: str
    qty: int

    def __post_init__(self) -> None:
        if self.qty < 1:
            raise ValueError(f"qty must be >= 1, not {self.qty}")


class Stock(Struct, frozen=True):
    """So many base units of an item may be taken from a bin."""

    item: str
    spot: str
    qty: int


class Pick(Struct, frozen=True):
    """Take so many base units of an item from a bin."""

    item: str
    spot: str
    qty: int


class ScatteredPlan(Struct, frozen=True):
    """The picks and the tour through them; `short` lists (item, missing) where stock lacks."""

    picks: tuple[Pick, ...]
    route: Route
    short: tuple[tuple[str, int], ...]
    stopped: str
    rounds: int
    proven: bool = False

    @property
    def feasible(self) -> bool:
        """True when every demand is met and every bin can be reached."""
        return not self.short and self.route.feasible


def plan_scattered(
    layout: Layout,
    demand: Sequence[Demand],
    stock: Sequence[Stock],
    start: str,
    end: str,
    stop: StopRule = DEFAULT_STOP,
    seed: int = 0,
) -> ScatteredPlan:
    """Bins and tour for the demand. Raises ValueError for repeated items or unknown bins."""
    wanted = {line.item: line.qty for line in demand}
    if len(wanted) != len(demand):
        raise ValueError("items of the demand must be unique")
    watch = stop()
    rough = estimate_layout(layout)
    places: dict[str, Place] = {}
    usable: list[Stock] = []
    for row in stock:
        place = rough.place(row.spot)
        if row.item in wanted and row.qty > 0 and place is not None and place.column >= 0:
            places[row.spot] = place
            usable.append(row)
    there = dict.fromkeys(wanted, 0)
    for row in usable:
        there[row.item] += row.qty
    short = tuple((item, qty - there[item]) for item, qty in wanted.items() if there[item] < qty)
    goal = {item: min(qty, there[item]) for item, qty in wanted.items() if there[item]}
    number_of = {item: number for number, item in enumerate(goal)}
    usable.sort(key=lambda row: number_of[row.item])
    floor = compile_floor(
        rough.grid,
        sorted(set(places.values()), key=lambda p: (p.column, p.slot, p.y)),
        as_station(rough, rough.place(start), "start"),
        as_station(rough, rough.place(end), "end"),
    )
    home = as_station(rough, rough.place(start), "start").x
    away = [abs(rough.grid.xs[places[row.spot].column] - home) for row in usable]
    chosen, rounds, reason = _choose(floor, goal, usable, away, places, watch, seed)
    picks = _picks(goal, [row for row, on in zip(usable, chosen, strict=True) if on])
    route = plan_route(layout, [pick.spot for pick in picks], start, end)
    turn = {spot: number for number, spot in enumerate(route.order)}
    picks = sorted(picks, key=lambda pick: turn.get(pick.spot, len(turn)))
    forced = all(bool(on) for on in chosen) and sum(goal.values()) == sum(there.values())
    return ScatteredPlan(tuple(picks), route, short, reason, rounds, forced and route.proven)


def _picks(goal: dict[str, int], rows: list[Stock]) -> list[Pick]:
    """Quantities: the fullest of the chosen bins first, so that few bins are opened."""
    left, picks = dict(goal), []
    for row in sorted(rows, key=lambda r: -r.qty):
        qty = min(left[row.item], row.qty)
        if qty:
            left[row.item] -= qty
            picks.append(Pick(row.item, row.spot, qty))
    assert not any(left.values())
    return picks


def _choose(
    floor: FloorMap,
    goal: dict[str, int],
    usable: list[Stock],
    away: list[int],
    places: dict[str, Place],
    watch: Watch,
    seed: int,
) -> tuple[list[int], int, str]:
    """Search over the choices; 1 for every row of stock that is used."""
    if not goal:
        return [], 0, "nothing to do"
    shelf = _shelf(floor, goal, usable, places, seed)
    flat, work = floor.flat, floor.work()
    # Few choices first: what must be visited anyway attracts the rest.
    choices = Counter(row.item for row in usable)
    scarce = [number for number, item in sorted(enumerate(goal), key=lambda pair: choices[pair[1]])]
    first = int(shelf[inner.CHOSEN])
    chosen = shelf[first : first + len(usable)]
    plans = []
    for together in (False, True):
        length = int(inner.construct(flat, shelf, work, np.array(scarce), together))
        plans.append((length, chosen.copy()))
    for rows in _near_first(goal, usable, away):
        # Only what lies near the start: short tours that the cheapest next bin leads away from.
        part = _shelf(floor, goal, [usable[row] for row in rows], places, seed)
        length = int(inner.construct(flat, part, work, np.array(scarce), False))
        near = np.zeros(len(usable), np.int64)
        near[rows] = part[int(part[inner.CHOSEN]) :][: len(rows)]
        plans.append((length, near))
    length, best = min(plans, key=lambda plan: plan[0])
    kept = best.copy()
    costs, rounds = np.array([length, length]), 0
    inner.restart(shelf, best, kept, costs)
    luck = random.Random(seed)
    while True:
        reason = watch(float(costs[1]))
        if reason is not None:
            return [int(on) for on in best], rounds, reason
        if len(usable) == len(goal):
            return [int(on) for on in best], rounds, "no choice"
        rounds += 1
        threshold = THRESHOLDS[luck.randrange(len(THRESHOLDS))]
        if rounds % 8 == 0:
            inner.restart(shelf, best, kept, costs)
        inner.ruin_and_recreate(flat, shelf, work, best, kept, costs, TRIES, threshold)


def _near_first(goal: dict[str, int], usable: list[Stock], away: list[int]) -> list[list[int]]:
    """Rows of stock within some distances sideways of the start, each part enough for the demand.

    An item that is not to be had within the distance may be taken as near as it is.
    """
    left, reach = dict(goal), dict.fromkeys(goal, 0)
    for row in sorted(range(len(usable)), key=lambda row: away[row]):
        if left[usable[row].item] > 0:
            left[usable[row].item] -= usable[row].qty
            reach[usable[row].item] = away[row]
    ranked = sorted(reach.values())
    limits = {ranked[int(share * (len(ranked) - 1))] for share in NEAR_SHARES}
    parts = [
        [row for row, far in enumerate(away) if far <= max(limit, reach[usable[row].item])]
        for limit in sorted(limits)
    ]
    return [rows for rows in parts if len(rows) < len(usable)]


def _shelf(
    floor: FloorMap, goal: dict[str, int], usable: list[Stock], places: dict[str, Place], seed: int
) -> np.ndarray:
    """The rows of stock as offers on the floor."""
    numbers = {item: number for number, item in enumerate(goal)}
    flat = floor.flat
    slots = int(flat[LEVELS]) + 1
    ptr = flat[flat[WORD_PTR] : flat[WORD_PTR] + int(flat[COLUMNS]) * slots + 1]
    offers = np.zeros((len(usable), inner.OFFER_SIZE), np.int64)
    slot_of = np.searchsorted(ptr, np.arange(floor.words), "right") - 1
    for number, row in enumerate(usable):
        word, bit = floor.bits[places[row.spot]]
        column = slot_of[word] // slots
        offers[number] = (numbers[row.item], word, bit, column, row.qty)
    return inner.new_shelf(flat, offers, np.array(list(goal.values())), floor.words, seed)
