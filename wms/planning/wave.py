"""A wave for several pickers: which orders walk together, who walks, and in which sequence.

Problem: every order whole in one tour, every tour with one picker, pickers work one tour after the
other from their ready time. A tour takes setup + walk + handling. Least total working time with
all due times kept (hard), or least working time + `late_weight` x seconds late (soft).
Units: mm, g, seconds. Guarantees: limits and zones kept; with hard due times a less late plan is
never given up for a shorter one, and `feasible` says whether all are kept; same seed and rounds,
same plan. Source: `wave_run`; workload is levelled afterwards without making anybody late.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import Struct, field

from wms.planning import wave_search as inner
from wms.planning.batch import (
    BatchOrder,
    Cart,
    Stowed,
    caps_of,
    compile_orders,
    load_of,
    slots_needed,
)
from wms.planning.batch_run import Search
from wms.planning.route import Route, plan_route
from wms.planning.stop import MaxRounds, StopRule
from wms.planning.travel import Layout
from wms.planning.wave_run import WaveSearch

DEFAULT_STOP = MaxRounds(50)
HARD_WEIGHT = 20
STEEP, LEVELS = 100, 4  # of priorities; more different ones share a level with their neighbours
MINUTE_S = 60


class Picker(Struct, frozen=True):
    """A person; `zones` None means that any zone is allowed."""

    id: str
    ready_s: int = 0
    zones: tuple[str, ...] | None = None


class Work(Struct, frozen=True):
    """How long things take; walking speed may differ by zone."""

    setup_s: float = 60
    per_line_s: float = 8
    per_unit_s: float = 0
    walk_mm_s: int = 1000
    zone_walk_mm_s: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.walk_mm_s < 1 or any(speed < 1 for speed in self.zone_walk_mm_s.values()):
            raise ValueError("walk_mm_s must be >= 1")
        if min(self.setup_s, self.per_line_s, self.per_unit_s) < 0:
            raise ValueError("setup_s, per_line_s and per_unit_s must be >= 0")

    def speed(self, zone: str) -> int:
        """Walking speed in a zone."""
        return self.zone_walk_mm_s.get(zone, self.walk_mm_s)


class WaveTour(Struct, frozen=True):
    """One tour of one picker, with its predicted times."""

    picker: str
    orders: tuple[Stowed, ...]
    stops: tuple[str, ...]
    distance_mm: float
    start_s: float
    finish_s: float
    due_s: int | None


class Cutoff(Struct, frozen=True):
    """Prediction for one due time: how many orders, when the last is done, how many late."""

    due_s: int
    orders: int
    finish_s: float
    late: int


class Wave(Struct, frozen=True):
    """The plan: tours by picker in sequence; `work_s` is the sum of all tour times."""

    tours: tuple[WaveTour, ...]
    work_s: float
    late_s: float
    cutoffs: tuple[Cutoff, ...]
    busy_s: tuple[tuple[str, float], ...]
    stopped: str
    rounds: int
    feasible: bool


def plan_wave(
    layout: Layout,
    orders: Sequence[BatchOrder],
    cart: Cart,
    pickers: Sequence[Picker],
    work: Work,
    start: str,
    end: str,
    stop: StopRule = DEFAULT_STOP,
    seed: int = 0,
    late_weight: int | None = None,
) -> Wave:
    """Tours, pickers and sequence. `late_weight` None means that due times are hard.

    Raises ValueError for repeated ids, unknown spots, no pickers, a zone that nobody may enter.
    """
    _check(orders, pickers)
    if not orders:
        return Wave((), 0, 0, (), tuple((p.id, 0.0) for p in pickers), "nothing to do", 0, True)
    watch = stop()
    floor, reached = compile_orders(layout, orders, start, end)
    masks = np.array([floor.mask(stops) for stops in reached])
    loads = np.array([load_of(order, cart) for order in orders], np.int64)
    search = Search(floor, masks, loads, np.array(caps_of(cart), np.int64), seed)
    run = WaveSearch(search, loads, _shift(layout, orders, pickers, work, late_weight))

    def made(rounds: int = 0, reason: str = "so far") -> Wave:
        told = (run.sequences(), rounds, reason)
        return _result(layout, orders, cart, pickers, work, (start, end), told)

    return made(*run.run(watch, made))


def _check(orders: Sequence[BatchOrder], pickers: Sequence[Picker]) -> None:
    if len({order.id for order in orders}) != len(orders):
        raise ValueError("order ids must be unique")
    if not pickers or len({picker.id for picker in pickers}) != len(pickers):
        raise ValueError("pickers must be at least one, with unique ids")
    for zone in {order.zone for order in orders}:
        if not any(p.zones is None or zone in p.zones for p in pickers):
            raise ValueError(f"zone must be allowed to at least one picker: {zone!r}")


def _shift(
    layout: Layout,
    orders: Sequence[BatchOrder],
    pickers: Sequence[Picker],
    work: Work,
    late_weight: int | None,
) -> np.ndarray:
    """Due times, work and zones of the orders, and who may work where, for the search."""
    zones = {zone: number for number, zone in enumerate(sorted({o.zone for o in orders}))}
    rows = [
        (
            inner.NEVER if order.due_s is None else order.due_s * 1000,
            round(1000 * handling_s(layout, order, work)),
            zones[order.zone],
            _rank_ms(order),
            weight,
        )
        for order, weight in zip(orders, _weights(orders), strict=True)
    ]
    people = [
        (p.ready_s * 1000, sum(1 << n for z, n in zones.items() if p.zones is None or z in p.zones))
        for p in pickers
    ]
    late = HARD_WEIGHT if late_weight is None else late_weight
    mixed = len({order.priority for order in orders}) > 1
    return inner.new_shift(
        np.array(rows, np.int64),
        np.array([work.speed(zone) for zone in zones]),
        np.array([round(1000 * work.setup_s), late, int(late_weight is None), int(mixed)]),
        np.array(people, np.int64),
    )


def _rank_ms(order: BatchOrder) -> int:
    """Its place among others: the due time less the minutes of its priority."""
    due = inner.NEVER if order.due_s is None else order.due_s * 1000
    return due - 1000 * MINUTE_S * order.priority


def _weights(orders: Sequence[BatchOrder]) -> list[int]:
    """How much a second late weighs for each order."""
    known = sorted({order.priority for order in orders})
    shared = max(len(known), LEVELS)
    level = {priority: place * LEVELS // shared for place, priority in enumerate(known)}
    return [STEEP ** level[order.priority] for order in orders]


def handling_s(layout: Layout, order: BatchOrder, work: Work) -> float:
    """Seconds at the bins for one order: lines, units, and levels above reach."""
    return sum(
        work.per_line_s + work.per_unit_s * line.qty + layout.access_s(line.spot)
        for line in order.lines
    )


class _Trip(Struct):
    """One tour while it is being levelled: rows, route, how long, due, and how urgent."""

    rows: list[int]
    route: Route
    time_s: float
    due_s: float
    zone: str
    rank: float
    weight: int
    urgent_s: float


def _result(
    layout: Layout,
    orders: Sequence[BatchOrder],
    cart: Cart,
    pickers: Sequence[Picker],
    work: Work,
    ends: tuple[str, str],
    told: tuple[list[list[list[int]]], int, str],
) -> Wave:
    """Exact routes and times; predictions per due time."""
    sequences, rounds, reason = told
    weights = _weights(orders)
    trips = [[_trip(layout, orders, work, ends, rows, weights) for rows in turns]
             for turns in sequences]  # fmt: skip
    _level(trips, pickers)
    tours, done, busy = [], {}, []
    for picker, turns in zip(pickers, trips, strict=True):
        now = float(picker.ready_s)
        for trip in _in_turn(turns, now)[0]:
            end = now + trip.time_s
            due = None if trip.due_s == float("inf") else int(trip.due_s)
            stowed = _stow([orders[row] for row in trip.rows], cart)
            route = trip.route
            tours.append(WaveTour(picker.id, stowed, route.order, route.distance_mm, now, end, due))
            done.update(dict.fromkeys(trip.rows, end))
            now = end
        busy.append((picker.id, now - picker.ready_s))
    assert sorted(done) == list(range(len(orders)))
    cutoffs, late_s = _cutoffs(orders, done)
    caps = caps_of(cart)
    fits = all(
        load <= cap for o in orders for load, cap in zip(load_of(o, cart), caps, strict=True)
    )
    reached = all(trip.route.feasible for turns in trips for trip in turns)
    total = sum(time for _, time in busy)
    good = fits and reached and not late_s
    return Wave(tuple(tours), total, late_s, cutoffs, tuple(busy), reason, rounds, good)


def _trip(
    layout: Layout, orders: Sequence[BatchOrder], work: Work, ends: tuple[str, str],
    rows: list[int], weights: Sequence[int],
) -> _Trip:  # fmt: skip
    route = plan_route(layout, [ln.spot for row in rows for ln in orders[row].lines], *ends)
    zone = orders[rows[0]].zone
    time = work.setup_s + route.distance_mm / work.speed(zone)
    time += sum(handling_s(layout, orders[row], work) for row in rows)
    dues = {row: _due_s(orders[row]) for row in rows}
    due, weight = min(dues.values()), max(weights[row] for row in rows)
    ahead = MINUTE_S * max(orders[row].priority for row in rows)
    rank = min(due, inner.NEVER / 1000) - ahead
    urgent = min(dues[row] for row in rows if weights[row] == weight)
    return _Trip(rows, route, time, due, zone, rank, weight, urgent)


def _due_s(order: BatchOrder) -> float:
    return float("inf") if order.due_s is None else float(order.due_s)


def _stow(orders: list[BatchOrder], cart: Cart) -> tuple[Stowed, ...]:
    stowed, used = [], 0
    for order in orders:
        need = slots_needed(order, cart)
        stowed.append(Stowed(order.id, tuple(range(used, used + need))))
        used += need
    return tuple(stowed)


def _cutoffs(
    orders: Sequence[BatchOrder], done: dict[int, float]
) -> tuple[tuple[Cutoff, ...], float]:
    """Predicted finish per due time, and the seconds late over all orders."""
    found: dict[int, list[float]] = {}
    for row, order in enumerate(orders):
        if order.due_s is not None:
            found.setdefault(order.due_s, []).append(done[row])
    cutoffs = tuple(
        Cutoff(due, len(ends), max(ends), sum(end > due + 1e-6 for end in ends))
        for due, ends in sorted(found.items())
    )
    late = sum(max(0.0, end - due) for due, ends in found.items() for end in ends)
    return cutoffs, late if late > 1e-6 else 0.0


SEQUENCES: tuple[Callable[[_Trip], tuple[float, float]], ...] = (
    lambda trip: (trip.rank, trip.due_s),
    lambda trip: (trip.due_s, trip.due_s),
    lambda trip: (-trip.weight, trip.urgent_s),
)


def _in_turn(trips: list[_Trip], ready_s: float) -> tuple[list[_Trip], float]:
    """The tours of a picker in the sequence in which the search saw them, and how late they are."""
    best: tuple[list[_Trip], float] = ([], float("inf"))
    for key in SEQUENCES:
        turns = sorted(trips, key=key)
        now, late = ready_s, 0.0
        for trip in turns:
            now += trip.time_s
            late += max(0.0, now - trip.due_s)
            late += (trip.weight - 1) * max(0.0, now - trip.urgent_s)
        if late < best[1]:
            best = turns, late
        if best[1] <= 0:
            break
    return best


def _lateness(trips: list[_Trip], ready_s: float) -> float:
    return _in_turn(trips, ready_s)[1]


def _level(trips: list[list[_Trip]], pickers: Sequence[Picker]) -> None:
    """Give tours of the busiest picker to others while that lowers his end and delays nobody."""

    def end(who: int) -> float:
        return pickers[who].ready_s + sum(trip.time_s for trip in trips[who])

    while True:
        last = max(range(len(pickers)), key=end)
        late = _lateness(trips[last], pickers[last].ready_s)
        moves = []
        for who, picker in enumerate(pickers):
            for trip in trips[last] if who != last else ():
                if picker.zones is not None and trip.zone not in picker.zones:
                    continue
                here = [other for other in trips[last] if other is not trip]
                there = [*trips[who], trip]
                before = late + _lateness(trips[who], picker.ready_s)
                after = _lateness(here, pickers[last].ready_s)
                after += _lateness(there, picker.ready_s)
                worst = max(end(last) - trip.time_s, end(who) + trip.time_s)
                if worst < end(last) - 1e-6 and after <= before + 1e-6:
                    moves.append((worst, who, here, there))
        if not moves:
            return
        _, who, here, there = min(moves, key=lambda move: move[:2])
        trips[last], trips[who] = here, there
