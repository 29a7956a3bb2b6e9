"""When the orders of each cutoff will be picked and packed, by the people on the floor now. Pure.

The floor is run ahead as it works: whoever is free takes the most urgent tour, an order is packed
when its last tour is in, packers take the one that leaves first. Units: seconds from now.
Guarantees: never late for want of looking (a cutoff is late only if this run of the floor is), same
facts same answer. Not modelled: breaks, shorts, loading.
"""

import heapq
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

import msgspec

MORE_MAX = 24  # people asked for at most
SURE_TOURS = 5  # so many tours weigh as much as the plan's own figures
SLOWEST, QUICKEST = 6.0, 0.02  # of the plan's time: what may be believed of the scans
METRES_A_TASK = 12.0  # where a tour was made without a walk
STARTED_PACKING = 0.5


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long work takes here: the plan's figures times what the last tours really took."""

    setup_s: float = 60.0
    per_task_s: float = 10.0
    walk_mm_s: int = 1000
    slower: float = 1.0
    tours: int = 0  # measured; 0 means that nobody has picked yet
    pack_s: float = 75.0
    packs: int = 0

    def tour_s(self, metres: float, tasks: int) -> float:
        """A whole tour of so many picks."""
        walked = metres or METRES_A_TASK * tasks
        plain = self.setup_s + 1000 * walked / self.walk_mm_s + self.per_task_s * tasks
        return self.slower * plain


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A tour somebody finished."""

    kind: str
    took_s: float
    metres: int
    tasks: int


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """A tour to walk. `rank` is the order of claims, smaller first; `by` holds it already."""

    rank: float
    work_s: float
    orders: tuple[int, ...]
    by: int | None = None


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """An order that has to leave."""

    order_id: int
    external_id: str
    cutoff_at: datetime
    carrier_id: int
    carrier: str
    packed: bool = False
    fresh: bool = False  # not released yet


class People(msgspec.Struct, frozen=True, kw_only=True):
    """Who works now; `pickers` by id. Where nobody does, one person of each kind is assumed."""

    pickers: tuple[int, ...] = ()
    packers: int = 0
    packing: int = 0  # of the packers, those who have an order before them


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """An order that will not be packed when its truck leaves."""

    order_id: int
    external_id: str
    by_s: float


class CutoffForecast(msgspec.Struct, frozen=True, kw_only=True):
    """One truck: what is left to do for it, when that is done, and who misses it."""

    cutoff_at: datetime
    carrier_id: int
    carrier: str
    orders: int
    packed: int
    fresh: int
    done_at: datetime
    spare_s: float
    missed: int  # orders whose truck is gone already
    late: tuple[Late, ...]


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """All cutoffs with work left, and the people it would take to keep them."""

    at: datetime
    cutoffs: tuple[CutoffForecast, ...] = ()
    people: People = People()
    pace: Pace = Pace()
    rough: bool = False  # walks are guessed, not planned
    more_pickers: int = 0
    more_packers: int = 0
    enough: bool = True  # with those people nobody is late

    @property
    def late(self) -> int:
        return sum(len(cutoff.late) for cutoff in self.cutoffs)


def measure(done: Sequence[Done], plan: Pace | None = None) -> Pace:
    """The pace of the last tours; few of them are believed less than the plan's own figures."""
    plan = plan or Pace()
    picks = [each for each in done if each.kind == "pick" and each.tasks and each.took_s > 0]
    packs = [each.took_s for each in done if each.kind == "pack" and each.took_s > 0]
    if picks:
        share = median(each.took_s / plan.tour_s(each.metres, each.tasks) for each in picks)
        slower = (SURE_TOURS + len(picks) * share) / (SURE_TOURS + len(picks))
        slower = min(max(slower, QUICKEST), SLOWEST)
        plan = msgspec.structs.replace(plan, slower=slower, tours=len(picks))
    if packs:
        pack_s = (SURE_TOURS * plan.pack_s + len(packs) * median(packs)) / (SURE_TOURS + len(packs))
        plan = msgspec.structs.replace(plan, pack_s=pack_s, packs=len(packs))
    return plan


def run_ahead(
    trips: Sequence[Trip], dues: Sequence[Due], people: People, pace: Pace
) -> dict[int, float]:
    """When each order is packed, in seconds from now; packed ones at 0."""
    picked = pick_ends(trips, people)
    packed = {due.order_id: 0.0 for due in dues if due.packed}
    waiting = sorted(
        (picked.get(due.order_id, 0.0), due.cutoff_at, due.order_id)
        for due in dues if not due.packed
    )  # fmt: skip
    busy = min(people.packing, people.packers)
    free = [STARTED_PACKING * pace.pack_s] * busy + [0.0] * max(people.packers - busy, busy == 0)
    heapq.heapify(free)
    ready: list[tuple[datetime, int]] = []
    at, now = 0, 0.0
    while at < len(waiting) or ready:
        now = max(now, heapq.heappop(free))
        if not ready:
            now = max(now, waiting[at][0])
        while at < len(waiting) and waiting[at][0] <= now:
            heapq.heappush(ready, waiting[at][1:])
            at += 1
        packed[heapq.heappop(ready)[1]] = now + pace.pack_s
        heapq.heappush(free, now + pace.pack_s)
    return packed


def pick_ends(trips: Sequence[Trip], people: People) -> dict[int, float]:
    """When the last pick of each order is in."""
    return _walk(trips, people)[0]


def free_times(trips: Sequence[Trip], people: People) -> list[float]:
    """When each picker is free after these tours, the first one first."""
    return sorted(_walk(trips, people)[1])


def _walk(trips: Sequence[Trip], people: People) -> tuple[dict[int, float], list[float]]:
    busy = {trip.by: trip.work_s for trip in trips if trip.by is not None}
    free = [busy.get(who, 0.0) for who in people.pickers] or [0.0]
    heapq.heapify(free)
    ends: dict[int, float] = {}
    for trip in sorted(trips, key=lambda trip: (trip.by is None, trip.rank)):
        end = trip.work_s if trip.by is not None else heapq.heappop(free) + trip.work_s
        if trip.by is None:
            heapq.heappush(free, end)
        for order_id in trip.orders:
            ends[order_id] = max(ends.get(order_id, 0.0), end)
    return ends, free


def predict(
    at: datetime, trips: Sequence[Trip], dues: Sequence[Due], people: People, pace: Pace,
    *, rough: bool = False,
) -> Forecast:  # fmt: skip
    """The forecast of every cutoff in `dues` with work left, and what would keep the late ones."""
    ends = run_ahead(trips, dues, people, pace)
    cutoffs = _by_cutoff(at, dues, ends)
    if not any(cutoff.late for cutoff in cutoffs):
        return Forecast(at=at, cutoffs=cutoffs, people=people, pace=pace, rough=rough)
    pickers, packers, enough = _needed(at, trips, dues, people, pace)
    return Forecast(
        at=at, cutoffs=cutoffs, people=people, pace=pace, rough=rough, more_pickers=pickers,
        more_packers=packers, enough=enough,
    )  # fmt: skip


def _by_cutoff(
    at: datetime, dues: Sequence[Due], ends: Mapping[int, float]
) -> tuple[CutoffForecast, ...]:
    groups: dict[tuple[datetime, str], list[Due]] = {}
    for due in dues:
        groups.setdefault((due.cutoff_at, due.carrier), []).append(due)
    found = []
    for (cutoff_at, carrier), group in sorted(groups.items()):
        left = [due for due in group if not due.packed]
        if not left:
            continue
        spare_of = _spare(at, left, ends)
        spare = min(spare_of.values())
        gone = cutoff_at <= at
        late = sorted((s, due) for due, s in spare_of.items() if s < 0) if not gone else []
        names = {due.order_id: due.external_id for due in left}
        found.append(CutoffForecast(
            cutoff_at=cutoff_at, carrier_id=group[0].carrier_id, carrier=carrier,
            orders=len(left), packed=len(group) - len(left), spare_s=spare,
            fresh=sum(due.fresh for due in left),
            done_at=cutoff_at - timedelta(seconds=spare), missed=len(left) if gone else 0,
            late=tuple(Late(order_id=o, external_id=names[o], by_s=-s) for s, o in late),
        ))  # fmt: skip
    return tuple(found)


def _spare(at: datetime, left: Sequence[Due], ends: Mapping[int, float]) -> dict[int, float]:
    return {d.order_id: (d.cutoff_at - at).total_seconds() - ends[d.order_id] for d in left}


def _needed(
    at: datetime, trips: Sequence[Trip], dues: Sequence[Due], people: People, pace: Pace
) -> tuple[int, int, bool]:
    """The fewest people more, pickers before packers; and whether they would be enough."""

    def late(pickers: int, packers: int) -> int:
        crew = msgspec.structs.replace(
            people,
            pickers=(*people.pickers, *range(-pickers - (not people.pickers), 0)),
            packers=max(people.packers, 1) + packers,
        )
        ends = run_ahead(trips, dues, crew, pace)
        return sum(
            ends[due.order_id] > (due.cutoff_at - at).total_seconds() > 0 for due in dues
        )

    packers = next((n for n in range(MORE_MAX) if not late(MORE_MAX, n)), MORE_MAX)
    pickers = next((n for n in range(MORE_MAX) if not late(n, packers)), MORE_MAX)
    return pickers, packers, not late(pickers, packers)
