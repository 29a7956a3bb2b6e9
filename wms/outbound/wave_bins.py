"""From which of several equal bins each tour takes its goods, decided together with its walk; pure.

Allocation promised a bin for every pick; rotation holds others equal to it (`Offer`). Tours choose
in turn, each from what nobody was promised, from what it gave up itself and what earlier tours
did. A tour that gains nothing keeps its bins, so what was promised is always enough. Picks that
would come apart count too: a stop more is worth `STOP_M` of walk, and lifting to a high bin is
worth the walk that takes as long. Units: metres, seconds.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from wms.outbound.wave_parts import Offer, PlannedTask, PlannedTour, Problem
from wms.planning.scattered import Demand, Stock, plan_scattered
from wms.planning.stop import MaxSeconds, NoImprovement, any_of
from wms.planning.travel import Layout

STOP_M = 10  # one more task takes a picker as long as so many metres
SWEEPS = 3  # tours that chose later free what earlier ones would have liked
STALE_ROUNDS = 40
SHARES = 4  # of the time that is left for a tour: most need less


class _Shelves:
    """What may be taken of each kind of stock while tours choose."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self.at = {offer.balance_id: offer for offer in offers}
        self.left = {offer.balance_id: offer.free for offer in offers}
        self.kinds: dict[int, list[Offer]] = defaultdict(list)
        for offer in offers:
            self.kinds[offer.kind].append(offer)

    def kind(self, task: PlannedTask) -> int | None:
        """The kind of stock a task may choose from; none where its bin is the only one."""
        offer = self.at.get(task.pick.balance_id)
        return offer.kind if offer else None

    def give_back(self, tasks: Iterable[PlannedTask], sign: int = 1) -> None:
        for task in tasks:
            if task.pick.balance_id in self.left:
                self.left[task.pick.balance_id] += sign * task.qty


def choose_bins(
    problem: Problem, tours: Sequence[PlannedTour], end: float, clock: Callable[[], float],
    hear: Callable[[Sequence[PlannedTour]], None] = lambda tours: None,
) -> list[PlannedTour]:  # fmt: skip
    """The tours, none of them more work, through the bins that suit each best; until `end`.

    `hear` is told of the tours as they are so far.
    """
    found, layout = list(tours), problem.layout
    if layout is None or not problem.offers:
        return found
    shelves = _Shelves(problem.offers)
    for _ in range(SWEEPS):
        open_to = [n for n, tour in enumerate(found) if _has_choice(shelves, tour)]
        better = False
        for turn, number in enumerate(open_to):
            left = end - clock()
            if left <= 0:
                return found
            share = min(left, SHARES * left / (len(open_to) - turn))
            tour = _choose(layout, problem.depot, shelves, found[number], share)
            better |= tour is not found[number]
            found[number] = tour
            hear(found)
        if not better:
            break
    return found


def _has_choice(shelves: _Shelves, tour: PlannedTour) -> bool:
    """True where a bin that the tour does not visit has anything of what it takes."""
    visited = {task.pick.bin_id for task in tour.tasks}
    kinds = {kind for task in tour.tasks if (kind := shelves.kind(task)) is not None}
    return any(
        shelves.left[offer.balance_id] > 0 and offer.bin_id not in visited
        for kind in kinds
        for offer in shelves.kinds[kind]
    )


def _choose(
    layout: Layout, depot: str, shelves: _Shelves, tour: PlannedTour, seconds: float
) -> PlannedTour:
    """The tour through other bins where that is less work, else as it is."""
    shelves.give_back(tour.tasks)
    wanted: Counter[str] = Counter()
    for task in tour.tasks:
        wanted[_name(shelves, task)] += task.qty
    stock = [
        Stock(_name(shelves, task), str(task.pick.bin_id), task.qty)
        for task in tour.tasks if shelves.kind(task) is None
    ]  # fmt: skip
    room: dict[tuple[str, str], list[Offer]] = defaultdict(list)
    for kind in sorted({kind for task in tour.tasks if (kind := shelves.kind(task)) is not None}):
        for offer in shelves.kinds[kind]:
            if shelves.left[offer.balance_id] > 0:
                room[f"k{kind}", str(offer.bin_id)].append(offer)
    stock += [
        Stock(item, spot, sum(shelves.left[offer.balance_id] for offer in offers))
        for (item, spot), offers in room.items()
    ]
    stop = any_of(MaxSeconds(seconds), NoImprovement(STALE_ROUNDS))
    demand = [Demand(item, qty) for item, qty in wanted.items()]
    plan = plan_scattered(layout, demand, _joined(stock), depot, depot, stop)
    chosen = tour
    if plan.feasible:
        taken = {(pick.item, pick.spot): pick.qty for pick in plan.picks}
        tasks = _share_out(shelves, tour.tasks, taken, room)
        place = {spot: number for number, spot in enumerate(plan.route.order)}
        tasks.sort(key=lambda task: (place[str(task.pick.bin_id)], task.pick.item_id, task.slot))
        metres = round(plan.route.distance_mm / 1000)
        other = msgspec.structs.replace(tour, tasks=tuple(tasks), metres=metres)
        before, after = _work_m(layout, tour), _work_m(layout, other)
        stops = STOP_M * (len(tour.tasks) - len(tasks))
        if after <= before and after < before + stops:
            chosen = other
    shelves.give_back(chosen.tasks, -1)
    return chosen


def _work_m(layout: Layout, tour: PlannedTour) -> float:
    """The walk of a tour, and its lifting as walk."""
    lifted = {(task.pick.item_id, task.pick.bin_id) for task in tour.tasks}
    lift = sum(layout.lift_mm(str(bin_id)) for _, bin_id in lifted) / 1000
    return tour.metres + lift


def _name(shelves: _Shelves, task: PlannedTask) -> str:
    """What the search for a tour calls the goods of a task."""
    kind = shelves.kind(task)
    return f"b{task.pick.balance_id}" if kind is None else f"k{kind}"


def _joined(stock: Iterable[Stock]) -> list[Stock]:
    """One row for each item in a bin."""
    sums: Counter[tuple[str, str]] = Counter()
    for row in stock:
        sums[row.item, row.spot] += row.qty
    return [Stock(item, spot, qty) for (item, spot), qty in sums.items()]


def _share_out(
    shelves: _Shelves,
    tasks: Sequence[PlannedTask],
    taken: Mapping[tuple[str, str], int],
    room: Mapping[tuple[str, str], Sequence[Offer]],
) -> list[PlannedTask]:
    """The tasks from the chosen bins: large ones first, each whole where a balance has enough."""
    parts: dict[str, list[tuple[Offer, int]]] = defaultdict(list)
    for (item, spot), qty in taken.items():
        for offer in sorted(room.get((item, spot), ()), key=lambda o: -shelves.left[o.balance_id]):
            part = min(qty, shelves.left[offer.balance_id])
            if part > 0:
                parts[item].append((offer, part))
                qty -= part
    shared: list[PlannedTask] = []
    for task in sorted(_merged(tasks), key=lambda task: -task.qty):
        if shelves.kind(task) is None:
            shared.append(task)
            continue
        mine, left = parts[_name(shelves, task)], task.qty
        while left:
            # Where it lies now, if that was chosen again; else the tightest that holds it all.
            number = min(range(len(mine)), key=lambda n: (
                mine[n][1] < left, mine[n][0].balance_id != task.pick.balance_id,
                mine[n][1] if mine[n][1] >= left else -mine[n][1],
            ))  # fmt: skip
            offer, there = mine[number]
            qty = min(left, there)
            shared.append(_moved(task, offer, qty))
            left -= qty
            mine[number] = (offer, there - qty)
            if qty == there:
                del mine[number]
    return shared


def _merged(tasks: Iterable[PlannedTask]) -> list[PlannedTask]:
    """What choosing once before took apart, as one task again."""
    found: dict[tuple[int, int], PlannedTask] = {}
    for task in tasks:
        key = (task.promised.allocation_id, task.slot)
        before = found.get(key)
        found[key] = task if before is None else msgspec.structs.replace(
            before, qty=before.qty + task.qty
        )  # fmt: skip
    return list(found.values())


def _moved(task: PlannedTask, offer: Offer, qty: int) -> PlannedTask:
    """So much of a task from another balance; the promise it spends stays the same."""
    home = task.promised
    if offer.balance_id == home.balance_id:
        return PlannedTask(home, qty, task.slot)
    pick = msgspec.structs.replace(
        home, balance_id=offer.balance_id, bin_id=offer.bin_id, lpn_id=offer.lpn_id,
        pick_sequence=offer.pick_sequence,
    )  # fmt: skip
    return PlannedTask(pick, qty, task.slot, home)
