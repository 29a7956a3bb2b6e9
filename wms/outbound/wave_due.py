"""Tours against the clock: who is late when the floor takes them by urgency, and joint planning.

Batches by least walk are kept as long as nobody is late with them. Where somebody would be, the
window is planned again with deadlines (`planning.wave`: batches, pickers and sequence together),
and the plan with fewer late orders wins, those of the highest priority first. Pure.
Units: epoch seconds for due times, else seconds.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from wms.planning.batch import BatchOrder, Cart
from wms.planning.stop import Heard, MaxSeconds
from wms.planning.travel import Layout
from wms.planning.wave import Picker, Wave, WaveTour, Work, plan_wave

T = TypeVar("T")


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """The pickers: when each is free, in seconds from `now_s`, and how fast they work."""

    now_s: int
    ready_s: tuple[float, ...]
    setup_s: float
    per_line_s: float
    walk_mm_s: int

    def tour_s(self, metres: float, tasks: int) -> float:
        return self.setup_s + 1000 * metres / self.walk_mm_s + self.per_line_s * tasks


class Trial(msgspec.Struct, frozen=True):
    """Tours taken by urgency by whoever is free: how late, and when each picker is free after.

    `late` counts late orders of each priority, the highest first.
    """

    late: tuple[int, ...]
    late_s: float
    ready_s: tuple[float, ...]

    @property
    def late_orders(self) -> int:
        return sum(self.late)

    @property
    def cost(self) -> tuple[tuple[int, ...], float]:
        return self.late, self.late_s


def try_out(
    tours: Sequence[T],
    works: Callable[[T], tuple[float, Sequence[int]]],
    shift: Shift,
    due_s: Mapping[int, int],
    priority: Mapping[int, int],
) -> Trial:
    """Give the tours, in their order, to whoever is free. `works` tells seconds and orders of one.

    Orders whose truck is gone already are not counted: nothing can be done about them here.
    """
    free = list(shift.ready_s) or [0.0]
    heapq.heapify(free)
    ends: dict[int, float] = {}
    for tour in tours:
        seconds, orders = works(tour)
        end = heapq.heappop(free) + seconds
        heapq.heappush(free, end)
        for order_id in orders:
            ends[order_id] = max(ends.get(order_id, 0.0), end)
    late = {o: shift.now_s + end - due_s[o] for o, end in ends.items()
            if shift.now_s < due_s[o] < shift.now_s + end}  # fmt: skip
    count = Counter(priority[order_id] for order_id in late)
    ranks = sorted(set(priority.values()), reverse=True)
    return Trial(tuple(count[each] for each in ranks), sum(late.values()), tuple(sorted(free)))


def plan_due(
    layout: Layout,
    orders: Sequence[BatchOrder],
    cart: Cart,
    depot: str,
    shift: Shift,
    seconds: float,
    hear: Callable[[Callable[[], Sequence[WaveTour]]], None],
) -> Sequence[WaveTour]:
    """Tours planned with deadlines; `hear` may ask for those so far."""
    pickers = [Picker(str(n), round(ready)) for n, ready in enumerate(shift.ready_s or (0.0,))]
    timed = [
        msgspec.structs.replace(order, due_s=_from_now(order.due_s, shift)) for order in orders
    ]
    work = Work(setup_s=shift.setup_s, per_line_s=shift.per_line_s, walk_mm_s=shift.walk_mm_s)

    def heard(made: Callable[[], Wave]) -> None:
        hear(lambda: made().tours)

    stop = Heard(MaxSeconds(seconds), heard)
    return plan_wave(layout, timed, cart, pickers, work, depot, depot, stop).tours


def _from_now(due_s: int | None, shift: Shift) -> int | None:
    """Seconds left; none for a truck that is gone, which nobody can be late for any more."""
    left = None if due_s is None else due_s - shift.now_s
    return left if left is not None and left > 0 else None
