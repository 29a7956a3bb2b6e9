"""The tours of a wave, pure: totes, batches, walking order. Numbers in, plan out.

Runs in a planning worker (`plan_tours`) or, when that takes too long, here by the simple rule
(`plan_simply`). Units: mm, g, base units, seconds. Guarantees of both: every picked unit is in
exactly one task; a slot of a cart serves one order; no tote gets more than its volume and weight,
except a single unit that is too large for any.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from wms.outbound.wave_bins import choose_bins
from wms.outbound.wave_due import Shift, plan_due, try_out
from wms.outbound.wave_parts import (
    Pick,
    PlannedTask,
    PlannedTour,
    Portion,
    Problem,
    WaveOrder,
    WavePlan,
)
from wms.planning.batch import BatchLine, BatchOrder, Cart, Stowed, Tour, plan_batches
from wms.planning.pool import tell
from wms.planning.route import plan_route
from wms.planning.stop import Heard, MaxSeconds, NoImprovement, any_of
from wms.planning.travel import Layout
from wms.planning.wave import WaveTour

CHUNK = 120  # cart loads batched together
STALE_ROUNDS = 12
BATCHING = 0.6  # of the time, where the rest may be needed to keep due times
HOPELESS = 0.3  # of a window late: there is too much work, and only shorter walks help
CHOOSING = 0.3  # of the time, where equal stock lies in other bins too
LONGER = 1.1  # pickers may be free so much later for it, or the next trucks would pay


def fill_totes(picks: Sequence[Pick], tote_mm3: int, tote_g: int) -> list[list[Portion]]:
    """The picks of one order in totes: a line whole where it fits, split where it must be."""
    totes: list[list[Portion]] = []
    room: list[tuple[int, int]] = []

    def fits(free: tuple[int, int], pick: Pick) -> int:
        by_volume = free[0] // pick.unit_mm3 if pick.unit_mm3 else pick.qty
        by_weight = free[1] // pick.weight_g if pick.weight_g else pick.qty
        return min(by_volume, by_weight)

    def put(number: int, pick: Pick, qty: int) -> None:
        totes[number].append(Portion(pick, qty))
        free = room[number]
        room[number] = (free[0] - qty * pick.unit_mm3, free[1] - qty * pick.weight_g)

    for pick in picks:
        left = pick.qty
        whole = next((n for n, free in enumerate(room) if fits(free, pick) >= left), None)
        if whole is not None:
            put(whole, pick, left)
            continue
        while left > 0:
            totes.append([])
            room.append((tote_mm3, tote_g))
            part = max(1, min(left, fits(room[-1], pick)))
            put(len(totes) - 1, pick, part)
            left -= part
    return totes


class _Load(msgspec.Struct, frozen=True):
    """What of an order rides on one cart: all of it, or as many totes as a cart has slots."""

    name: str
    order: WaveOrder
    totes: list[list[Portion]]


def cart_loads(problem: Problem) -> list[_Load]:
    """Orders in totes, cut into cart loads."""
    of_order: dict[int, list[Pick]] = {}
    for pick in sorted(problem.picks, key=lambda p: (p.pick_sequence, p.bin_id, p.allocation_id)):
        of_order.setdefault(pick.order_id, []).append(pick)
    loads: list[_Load] = []
    for order in problem.orders:
        totes = fill_totes(of_order.get(order.order_id, ()), problem.tote_mm3, problem.tote_g)
        for first in range(0, len(totes), problem.cart_slots):
            part = totes[first : first + problem.cart_slots]
            loads.append(_Load(f"{order.order_id}.{first}", order, part))
    return loads


def plan_simply(problem: Problem) -> WavePlan:
    """Orders by urgency onto carts as they come, picks in the bins' own sequence."""
    carts = _fill_carts(problem, cart_loads(problem))
    tours = tuple(_tour(cart, {}, 0) for cart in carts)
    return WavePlan(tours, "in sequence", "simple rule", 0)


def _fill_carts(problem: Problem, loads: Sequence[_Load]) -> list[list[_Load]]:
    """The simple rule: the most urgent load first, a new cart when the next does not fit."""
    ranked = sorted(loads, key=lambda load: (*load.order.urgency, load.name))
    carts: list[list[_Load]] = []
    used = problem.cart_slots + 1
    for load in ranked:
        if used + len(load.totes) > problem.cart_slots:
            carts.append([])
            used = 0
        carts[-1].append(load)
        used += len(load.totes)
    return carts


def plan_tours(problem: Problem, clock: Callable[[], float] = time.perf_counter) -> WavePlan:
    """Batches by least walk and routes through each, nobody late who need not be, in `seconds`.

    Where the time is over before all was looked at, the rest rides as it comes, by shortest routes.
    Tours come in the order in which they should be taken.
    """
    last = clock() + problem.seconds
    if problem.layout is None:
        return plan_simply(problem)
    end = last - (CHOOSING if problem.offers else 0.0) * problem.seconds
    told = _SoFar(problem, problem.layout, _chunks(cart_loads(problem)))
    stopped, method, shift = "nothing to do", "batched and routed", problem.shift
    for number, loads in enumerate(told.chunks):
        share = (end - clock()) / (len(told.chunks) - number)
        if number and share <= 0:
            found, stopped = told.simple(number), "time"
        else:
            part = BATCHING if shift else 1.0
            found, stopped = _batched(told, loads, max(0.0, part * share))
        if shift is not None:
            found, ready, joint = _in_time(told, loads, found, shift, share)
            method = "batched, routed and sequenced for due times" if joint else method
            shift = msgspec.structs.replace(shift, ready_s=ready)
        told.tours += found
    tours = choose_bins(problem, told.tours, last, clock, told.hear_all)
    method += ", bins chosen with the tours" if tours != told.tours else ""
    return _plan(tours, method, stopped)


def _plan(tours: Sequence[PlannedTour], method: str, stopped: str) -> WavePlan:
    return WavePlan(tuple(tours), method, stopped, sum(tour.metres for tour in tours))


class _SoFar:
    """What is planned so far, told to whoever started this worker should it not live to the end."""

    def __init__(self, problem: Problem, layout: Layout, chunks: list[list[_Load]]) -> None:
        self.problem, self.layout, self.chunks = problem, layout, chunks
        self.tours: list[PlannedTour] = []
        self.known: dict[int, list[PlannedTour]] = {}

    def simple(self, number: int) -> list[PlannedTour]:
        """The loads of a group as they come, by shortest routes."""
        if number not in self.known:
            carts = _fill_carts(self.problem, self.chunks[number])
            self.known[number] = [_routed(self.problem, self.layout, cart) for cart in carts]
        return self.known[number]

    def hear(self, loads: list[_Load], found: Callable[[], Sequence[PlannedTour]]) -> None:
        """Tell of the tours of a group; those after it ride as they come."""

        def made() -> WavePlan:
            at = self.chunks.index(loads)
            rest = [tour for k in range(at + 1, len(self.chunks)) for tour in self.simple(k)]
            return _plan([*self.tours, *found(), *rest], "batched and routed", "so far")

        tell(made)

    def hear_all(self, tours: Sequence[PlannedTour]) -> None:
        tell(lambda: _plan(tours, "batched and routed, bins chosen with the tours", "so far"))


def _in_time(
    told: _SoFar, loads: list[_Load], found: list[PlannedTour], shift: Shift, share: float
) -> tuple[list[PlannedTour], tuple[float, ...], bool]:
    """The tours in the order of their urgency; planned with deadlines where somebody is late.

    Also when the pickers are free after them, and whether the plan with deadlines was better.
    """
    due_s = {load.order.order_id: load.order.due_s for load in loads}
    priority = {load.order.order_id: load.order.priority for load in loads}

    def works(tour: PlannedTour) -> tuple[float, list[int]]:
        return shift.tour_s(tour.metres, len(tour.tasks)), [order for _, order in tour.slots]

    found.sort(key=lambda tour: (_rank(tour, due_s), tour.tasks[0].pick.pick_sequence))
    trial = try_out(found, works, shift, due_s, priority)
    seconds = (1 - BATCHING) * share
    if not 0 < trial.late_orders <= HOPELESS * len(due_s) or seconds <= 0:
        return found, trial.ready_s, False
    of_name = {load.name: load for load in loads}

    def better(tours: Sequence[WaveTour]) -> tuple[list[PlannedTour], tuple[float, ...], bool]:
        joint = [_planned(of_name, tour.orders, tour.stops, tour.distance_mm) for tour in tours]
        joint.sort(key=lambda tour: _rank(tour, due_s))
        now = try_out(joint, works, shift, due_s, priority)
        if now.cost < trial.cost and sum(now.ready_s) <= LONGER * sum(trial.ready_s):
            return joint, now.ready_s, True
        return found, trial.ready_s, False

    cart = Cart(told.problem.cart_slots)
    return better(plan_due(
        told.layout, _orders(loads), cart, told.problem.depot, shift, seconds,
        lambda made: told.hear(loads, lambda: better(made())[0]),
    ))  # fmt: skip


def _rank(tour: PlannedTour, due_s: Mapping[int, int]) -> float:
    """The order in which the floor claims tours."""
    return min(due_s[order] for _, order in tour.slots) - 60.0 * tour.priority


def first_rank(orders: Sequence[WaveOrder]) -> float:
    """The most urgent order's place among tours."""
    return min((order.urgency[0] for order in orders), default=0.0)


def _chunks(loads: Sequence[_Load]) -> list[list[_Load]]:
    """Loads that may ride together, in groups that batching solves in a moment: by urgency, then
    by where in the warehouse they lie. The time of batching grows with the square of a group."""

    def where(load: _Load) -> float:
        picks = [part.pick.pick_sequence for tote in load.totes for part in tote]
        return sum(picks) / len(picks)

    ranked = sorted(loads, key=lambda load: (*load.order.urgency, where(load), load.name))
    count = -(-len(ranked) // CHUNK)
    size = -(-len(ranked) // count) if count else 1
    return [ranked[first : first + size] for first in range(0, len(ranked), size)]


def _batched(
    told: _SoFar, loads: list[_Load], seconds: float
) -> tuple[list[PlannedTour], str]:
    of_name = {load.name: load for load in loads}

    def planned(tours: Sequence[Tour]) -> list[PlannedTour]:
        return [
            _planned(of_name, tour.orders, tour.stops, 0 if tour.unreachable else tour.distance_mm)
            for tour in tours
        ]

    def heard(made: Callable[[], Sequence[Tour]]) -> None:
        told.hear(loads, lambda: planned(made()))

    stop = Heard(any_of(MaxSeconds(seconds), NoImprovement(STALE_ROUNDS)), heard)
    cart, depot = Cart(told.problem.cart_slots), told.problem.depot
    batches = plan_batches(told.layout, _orders(loads), cart, depot, depot, stop)
    return planned(batches.tours), batches.stopped


def _orders(loads: Sequence[_Load]) -> list[BatchOrder]:
    return [
        BatchOrder(
            load.name,
            tuple(
                BatchLine(str(part.pick.allocation_id), str(part.pick.bin_id), part.qty)
                for tote in load.totes
                for part in tote
            ),
            due_s=load.order.due_s,
            priority=load.order.priority,
            boxes=len(load.totes),
        )
        for load in loads
    ]


def _planned(
    of_name: Mapping[str, _Load], stowed: Sequence[Stowed], stops: Sequence[str], distance_mm: float
) -> PlannedTour:
    place = {spot: number for number, spot in enumerate(stops)}
    metres = round(distance_mm / 1000) if math.isfinite(distance_mm) else 0
    return _tour([of_name[each.order] for each in stowed], place, metres)


def _routed(problem: Problem, layout: Layout, loads: Sequence[_Load]) -> PlannedTour:
    """The shortest route of one cart."""
    spots = [str(part.pick.bin_id) for load in loads for tote in load.totes for part in tote]
    route = plan_route(layout, spots, problem.depot, problem.depot)
    metres = round(route.distance_mm / 1000) if route.feasible else 0
    return _tour(loads, {spot: number for number, spot in enumerate(route.order)}, metres)


def _tour(loads: Sequence[_Load], place: dict[str, int], metres: int) -> PlannedTour:
    """Tasks of a cart in the order of its stops; without stops, in the bins' own sequence."""
    tasks: list[PlannedTask] = []
    slots: list[tuple[int, int]] = []
    for load in loads:
        for tote in load.totes:
            slots.append((len(slots) + 1, load.order.order_id))
            tasks += [PlannedTask(part.pick, part.qty, len(slots)) for part in tote]
    last = len(place)
    tasks.sort(
        key=lambda task: (
            place.get(str(task.pick.bin_id), last),
            task.pick.pick_sequence,
            task.pick.bin_id,
            task.pick.item_id,
            task.slot,
        )
    )
    priority = max(load.order.priority for load in loads)
    return PlannedTour(tuple(tasks), tuple(slots), metres, priority)
