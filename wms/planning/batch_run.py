"""The anytime run of the batch search: first plans, then cycles of falling heat.

Owns the schedule only: `improve` is one round (all groupings of a few orders, of many a fixed
number of moves or one step of pricing), so that a plan depends on the number of rounds and the
seed alone, and a longer run passes through every shorter one (the seconds left only cut an integer
program short).
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from wms.planning import batch_exact
from wms.planning import batch_search as inner
from wms.planning.batch_master import Master
from wms.planning.floor import FloorMap

MOVES = 2000
HOT, COLD, FIRST_CYCLE, LONGER = 0.03, 0.001, 50, 1.6
# A cycle that finds nothing is followed by a hotter one, so that small cases do not get stuck.
HOTTER, HOTTEST = 2.5, 16.0
# Tours are priced from the fourth cycle on: pricing is slow to begin, and worth it where carts hold
# few of many orders.
PRICED_FROM, PRICED_LEAST, RIDERS_MOST, RIDERS_MEAN = 320, 8, 40, 5


def first_come(loads: np.ndarray, caps: np.ndarray) -> np.ndarray:
    """Group numbers of the simple rule: fill the cart in the given order, then take the next."""
    wanted, number, used = np.zeros(len(loads), np.int64), 0, np.zeros(loads.shape[1], np.int64)
    for row in range(len(loads)):
        if row and (used + loads[row] > caps).any():
            number, used = number + 1, np.zeros_like(used)
        used = used + loads[row]
        wanted[row] = number
    return wanted


def most_riders(loads: np.ndarray, caps: np.ndarray) -> int:
    """No cart holds more orders than this."""
    sums = np.cumsum(np.sort(loads, axis=0), axis=0)
    return max(1, int((sums <= caps).sum(axis=0).min()))


class Search:
    """The search over one set of orders."""

    def __init__(
        self,
        floor: FloorMap,
        masks: np.ndarray,
        loads: np.ndarray,
        caps: np.ndarray,
        seed: int,
        priced: bool = True,
    ) -> None:
        self.flat, self.work = floor.flat, floor.work()
        self.store = inner.new_store(floor, masks, loads, caps, seed)
        self.memo = inner.new_memo()
        self.count, self.caps, self.seed = len(loads), caps, seed
        self.riders, self.priced = most_riders(loads, caps), priced
        self._regroup(np.arange(self.count))
        self._alone = self._tours()
        inner.savings(self.flat, self.store, self.work)
        self.best = self._where().copy()
        total = self._regroup(self.best)
        simple = first_come(loads, caps)
        alone = self._regroup(simple)
        if alone < total:
            self.best, total = simple, alone
        self.costs = np.array([total, total])
        self.left, self.cycle, self.heat, self.cooling = 0, FIRST_CYCLE, 0.0, 1.0
        self.boost, self.before = 1.0, total + 1
        self.master: Master | None = None
        self.pricing: Iterator[list[list[int]]] | None = None
        self.proven, self.few = self.count < 2, self.count <= batch_exact.ORDERS_MOST

    def _regroup(self, wanted: np.ndarray) -> int:
        return int(inner.regroup(self.flat, self.store, self.memo, self.work, wanted))

    def _where(self) -> np.ndarray:
        first = self.store[inner.WHERE]
        return self.store[first : first + self.count]

    def _tours(self) -> np.ndarray:
        first, size = int(self.store[inner.GROUPS]), int(self.store[inner.GROUP_SIZE])
        return self.store[first + inner.COST : first + size * self.count : size].copy()

    def tours_alone(self) -> np.ndarray:
        """Length of the tour of every order on its own."""
        return self._alone

    @property
    def cost(self) -> int:
        """Length of the best grouping so far."""
        return int(self.costs[1])

    @property
    def settled(self) -> bool:
        """True when no grouping is shorter."""
        return self.proven

    def improve(self, left: Callable[[], float] = lambda: math.inf) -> None:
        """One round; cycles get longer and longer, each from the best grouping so far.

        Between two cycles tours are priced. `left` says how many seconds there are.
        """
        if self.settled:
            return
        if self.few:
            self._prove()
            return
        if self.pricing is not None:
            self._price()
            return
        if self.left == 0:
            self.costs[0] = self._regroup(self.best)
            self.left = self.cycle
            self.boost = 1.0 if self.cost < self.before else self.boost * HOTTER
            self.boost = self.boost if self.boost <= HOTTEST else 1.0
            self.before = self.cost
            hot = HOT * self.boost
            self.heat = hot * self.cost / len(set(self.best.tolist()))
            self.cooling = (COLD / hot) ** (1 / (self.cycle * MOVES))
            self.cycle = int(self.cycle * LONGER)
        self.left -= 1
        self.heat = inner.anneal(
            self.flat,
            self.store,
            self.memo,
            self.work,
            self.best,
            self.costs,
            MOVES,
            self.heat,
            self.cooling,
        )
        if self.left == 0 and self._is_priced():
            self.pricing = self._new_pricing(left)

    def _prove(self) -> None:
        """Try all groupings of a few orders."""
        self.few = False
        wanted = batch_exact.best_groups(self.flat, self.store, self.memo, self.work)
        if wanted.min() >= 0:
            self.proven = True
            total = self._regroup(wanted)
            if total < self.cost:
                self.best, self.costs[1] = wanted, total

    def _is_priced(self) -> bool:
        """Say whether pricing tours is worth its time for these orders."""
        mean = self.count / len(set(self.best.tolist()))
        return (
            self.priced
            and self.cycle > PRICED_FROM
            and self.count >= PRICED_LEAST
            and mean <= RIDERS_MEAN
            and self.riders <= RIDERS_MOST
        )

    def _new_pricing(self, left: Callable[[], float]) -> Iterator[list[list[int]]]:
        """Steps that price tours, beginning with those of the best grouping."""
        shared = self.flat, self.store, self.memo, self.work
        self.master = self.master or Master(shared, self.riders, self._alone, self.seed)
        self._regroup(self.best)
        tours, groups = self._tours(), self.members()
        costs = [int(tours[self.best[group[0]]]) for group in groups]
        return self.master.improve(groups, costs, left)

    def _price(self) -> None:
        """One step of pricing; keeps what is better."""
        try:
            groups = next(self.pricing or iter(()))
        except StopIteration:
            self.pricing = None
            return
        if groups:
            wanted = np.zeros(self.count, np.int64)
            for number, group in enumerate(groups):
                wanted[group] = number
            total = self._regroup(wanted)
            if total < self.cost:
                self.best, self.costs[1] = wanted, total

    def members(self) -> list[list[int]]:
        """Rows of each group of the best grouping."""
        found: dict[int, list[int]] = {}
        for row, number in enumerate(self.best):
            found.setdefault(int(number), []).append(row)
        return sorted(found.values())
