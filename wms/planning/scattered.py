"""Which bins to take each item from, decided together with the tour (scattered storage).

Problem: every item wanted lies in several bins; choose bins that cover the demand and the tour
through them, least walk. Lifting to bins above reach counts as the walk that takes as long. Units:
mm, base units.
Guarantees: every demand met exactly when the stock allows, else what there is and `short` says
what is missing; the tour is the exact one for the chosen bins; same seed and rounds, same plan;
more rounds never longer. Not guaranteed: that no better choice exists (`proven` False).
Source: `scattered_search`.
"""

import math
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from wms.planning import scattered_ruin as ruin
from wms.planning import scattered_search as inner
from wms.planning.batch import as_station, estimate_layout
from wms.planning.floor import COLUMNS, LEVELS, SPURS, WORD_PTR, FloorMap, compile_floor
from wms.planning.route import Route, plan_route
from wms.planning.scattered_beam import BETTER, COMPLETE, new_beam, start, step_on
from wms.planning.scattered_course import grain_of, new_course, new_stall
from wms.planning.scattered_dive import dives, new_hold
from wms.planning.scattered_prices import BOUND, SLACK, bargain, look_ahead, offer_pay
from wms.planning.stop import MaxRounds, StopRule, Watch
from wms.planning.travel import AisleLine, CrossAisle, Layout, Place, Spot

DEFAULT_STOP = MaxRounds(20)
# A piece of work is a few milliseconds: rounds of prices (first and before each beam), dives, tries
# of a ruin (fewer where there is much to choose from), steps of a beam (fewer the wider it is).
BARGAINS, HAGGLES = 40, 20
DIVES, FIRST_DIVES = 10, 1
# Dives go on from the best plan every so often, and a ruin follows every so many of them.
DIVES_GO_ON, DIVES_A_RUIN = 4, 3
TRIES, TRIES_LEAST, FEW_OFFERS = 20, 6, 250
WIDTH, WIDTH_GROWTH, WIDTH_MOST = 24, 3, 8192
LABELS = 1000
ROUNDING = 0.25
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
    bound_mm: float = 0

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
    lifts = {spot: layout.lift_mm(spot) for spot in places}
    found = _choose(floor, goal, usable, places, lifts, watch, seed)
    picks = _picks(goal, [row for row, on in zip(usable, found.chosen, strict=True) if on])
    route = plan_route(layout, [pick.spot for pick in picks], start, end)
    turn = {spot: number for number, spot in enumerate(route.order)}
    picks = sorted(picks, key=lambda pick: turn.get(pick.spot, len(turn)))
    # Where all there is must be taken, the tour alone says what is proven.
    forced = all(found.chosen) and sum(goal.values()) == sum(there.values())
    exact = rough is layout and _walks_as_searched(layout, start, end)
    lifting = sum(lifts[pick.spot] for pick in picks)
    bound = route.bound_mm + lifting if forced else found.bound if exact else 0
    proven = route.proven and bound >= route.distance_mm + lifting
    return ScatteredPlan(
        tuple(picks), route, short, found.reason, found.rounds, proven, bound
    )  # fmt: skip


def _walks_as_searched(layout: Layout, start: str, end: str) -> bool:
    """The search goes from station to station, one of them at most on an open floor."""
    here, there = layout.place(start), layout.place(end)
    if here is None or there is None or here.column >= 0 or there.column >= 0:
        return False
    return here == there or not (here.open_floor and there.open_floor)


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


def warm_up() -> bool:
    """Plan a small hall with every loop, so that all machine code is there; True when proven."""
    aisles = tuple(AisleLine(str(x), x * 3000, 0, 9000) for x in range(3))
    spots = [Spot(f"{x}.{y}", x * 3000, y * 1000, 0, str(x)) for x in range(3) for y in (2, 5)]
    layout = Layout(aisles, (CrossAisle(0), CrossAisle(9000)), (*spots, Spot("depot", 0, 0)))
    stock = [Stock("item", spot.id, 1) for spot in spots]
    plan = plan_scattered(layout, [Demand("item", 2)], stock, "depot", "depot")
    places = {spot.id: place for spot in spots if (place := layout.place(spot.id))}
    station = as_station(layout, layout.place("depot"), "depot")
    floor = compile_floor(layout.grid, places.values(), station, station)
    # So small a choice may be settled before the beams and ruins begin.
    search = _Search(floor, {"item": 2}, stock, places, dict.fromkeys(places, 0), 0)
    search._mend()
    search._dive(0.0, fresh=True)
    search._look_ahead()
    for _ in search._beam(WIDTH):
        search._ruin(1)
    return plan.proven


def _choose(
    floor: FloorMap,
    goal: dict[str, int],
    usable: list[Stock],
    places: dict[str, Place],
    lifts: dict[str, int],
    watch: Watch,
    seed: int,
) -> "_Choice":
    """Search over the choices; 1 for every row of stock that is used."""
    if not goal:
        return _Choice([], 0, "nothing to do", 0, True)
    search = _Search(floor, goal, usable, places, lifts, seed)
    pieces, rounds = search.pieces(seed), 0
    while True:
        reason = watch(float(search.length))
        if reason is None and len(usable) == len(goal):
            reason = "no choice"
        if reason is None and search.proven:
            reason = "optimal"
        if reason is not None:
            chosen = [int(on) for on in search.best]
            return _Choice(chosen, rounds, reason, search.bound, search.proven)
        rounds += 1
        next(pieces)


class _Choice(NamedTuple):
    chosen: list[int]
    rounds: int
    reason: str
    bound: float
    proven: bool


class _Search:
    """First a plan by cheapest places, then prices, then beams, dives and ruins in turn.

    Dives find good plans where there is much to choose from. The beams find where the tour goes,
    and prove it where the choices are few; ruin and recreate mends what they leave, which is more
    where an item is wanted several times. Each beam is wider than the one before.
    """

    def __init__(
        self,
        floor: FloorMap,
        goal: dict[str, int],
        usable: list[Stock],
        places: dict[str, Place],
        lifts: dict[str, int],
        seed: int,
    ) -> None:
        self.flat, self.spurs = floor.flat, int(floor.flat[SPURS])
        offers = _offers(floor, goal, usable, places, lifts)
        self.lifted = bool(offers[:, inner.LIFT_AT].any())
        demand = np.array(list(goal.values()))
        self.shelf = inner.new_shelf(self.flat, offers, demand, floor.words, seed)
        self.work = inner.new_work(self.flat)
        self.course = new_course(self.flat, offers)
        self.stall = new_stall(self.flat, self.course, offers, demand)
        # Few choices first: what must be visited anyway attracts the rest.
        scarce = np.argsort(np.bincount(offers[:, 0], minlength=len(goal)), kind="stable")
        length = int(inner.construct(self.flat, self.shelf, self.work, scarce, False))
        first = int(self.shelf[inner.CHOSEN])
        self.best = self.shelf[first : first + len(usable)].copy()
        self.kept = self.best.copy()
        self.costs = np.array([length, length])
        ruin.restart(self.shelf, self.best, self.kept, self.costs)
        self.hold = new_hold(self.course, self.stall, offers)
        self.grain = math.gcd(grain_of(self.flat, self.stall.height), *set(lifts.values()))
        self.complete = False

    @property
    def length(self) -> int:
        """Cost of the best choice so far: walk, and lifting as walk."""
        return int(self.costs[1])

    @property
    def bound(self) -> float:
        """No choice has a lower cost."""
        if self.complete:
            return self.length
        bound = float(self.stall.gauge[BOUND]) - SLACK
        return self.grain * math.ceil(bound / self.grain) + self.spurs

    @property
    def proven(self) -> bool:
        """True when no cheaper choice exists."""
        return self.bound >= self.length

    def pieces(self, seed: int) -> Iterator[None]:
        """All the work there is, in small pieces."""
        luck = random.Random(seed)
        if bargain(self.course, self.stall, self.length - self.spurs, BARGAINS):
            self._mend()
        yield
        for _ in range(FIRST_DIVES):
            self._dive(0.0, fresh=True)
            yield
        tries = max(TRIES_LEAST, min(TRIES, TRIES * FEW_OFFERS // len(self.best)))
        width, number = WIDTH, 0
        while True:
            bargain(self.course, self.stall, self.length - self.spurs, HAGGLES)
            self._look_ahead()
            for _ in self._beam(width):
                yield
                number += 1
                if number % DIVES_GO_ON == 0:
                    self.kept[:] = self.best
                    self.costs[0] = self.costs[1]
                self._dive(luck.choice(THRESHOLDS), fresh=False)
                yield
                if number % DIVES_A_RUIN == 0:
                    self._ruin(tries)
                    yield
                self._look_ahead()
            width = min(WIDTH_MOST, WIDTH_GROWTH * width)

    def _look_ahead(self) -> None:
        """What a beam needs to know of the rest of the tour."""
        self.stall.prices[:] = self.stall.best_prices
        offer_pay(self.stall)
        look_ahead(self.course, self.stall)

    def _dive(self, threshold: float, *, fresh: bool) -> None:
        """Some dives from a part of the plan, or from nothing."""
        dives(
            self.course, self.stall, self.hold, self.shelf,
            self.best, self.kept, self.costs, self.spurs, DIVES, threshold, fresh,
        )  # fmt: skip

    def _ruin(self, tries: int) -> None:
        """Ruin and recreate, from the best plan."""
        ruin.restart(self.shelf, self.best, self.kept, self.costs)
        ruin.ruin_and_recreate(
            self.flat, self.shelf, self.work, self.best, self.kept, self.costs, tries
        )

    def _beam(self, width: int) -> Iterator[None]:
        """One beam, and what it finds made into a plan."""
        course, stall, steps = self.course, self.stall, len(self.course.steps)
        beam = new_beam(width, steps, len(stall.demand), int(np.diff(stall.first).max()))
        start(stall, beam)
        pace = max(1, LABELS // width)
        for first in range(0, steps, pace):
            limit = self.length - self.spurs - self.grain + ROUNDING
            found = int(step_on(course, stall, beam, first, first + pace, limit))
            if found > 0 and found & BETTER:
                self._mend()
            # What is not worth its lifting at the prices is passed by: not all is tried.
            self.complete = found > 0 and found & COMPLETE > 0 and not self.lifted
            yield
            if found >= 0:
                return

    def _mend(self) -> None:
        """A plan from what the last tour of the prices or of a beam takes."""
        ruin.mend(
            self.flat, self.shelf, self.work, self.stall.order, self.stall.taken,
            self.best, self.kept, self.costs,
        )  # fmt: skip


def _offers(
    floor: FloorMap,
    goal: dict[str, int],
    usable: list[Stock],
    places: dict[str, Place],
    lifts: dict[str, int],
) -> np.ndarray:
    """The rows of stock as offers [item, word, bit, column, slot, supply, lift] on the floor."""
    numbers = {item: number for number, item in enumerate(goal)}
    flat = floor.flat
    slots = int(flat[LEVELS]) + 1
    ptr = flat[flat[WORD_PTR] : flat[WORD_PTR] + int(flat[COLUMNS]) * slots + 1]
    keys = (np.searchsorted(ptr, np.arange(floor.words), "right") - 1).tolist()
    rows = []
    for row in usable:
        word, bit = floor.bits[places[row.spot]]
        at = divmod(keys[word], slots)
        rows.append((numbers[row.item], word, bit, *at, row.qty, lifts[row.spot]))
    return np.array(rows, np.int64)
