"""What no packing can beat: which sets of boxes cannot hold a load, and so the least price.

A set of boxes ("goal") is excluded when volume, weight, number of pieces, or the volume under a
family of dual feasible functions says that the load cannot fit. Goals are given in order of price,
so the price of the first one that is not excluded bounds every plan.

Source: dual feasible functions, Fekete and Schepers, Mathematical Methods of Operations Research 60
(2004); the share of a piece is its least over the turns that it may take.
"""

import heapq
from collections.abc import Callable, Iterator

import numpy as np

from wms.planning.compiled import ready
from wms.planning.jit import kernel
from wms.planning.spaces import Goods

FUNCTIONS = 6
EPSILON = 1e-9
GOALS_MAX = 4000


@kernel
def transform(function, x):
    """Return a dual feasible function of a length as share of the box edge."""
    if function == 0:
        return x
    if function == 1:
        # longer than half
        if x > 0.5:
            return 1.0
        return 0.5 if x == 0.5 else 0.0
    if function <= 3:
        # long ones count whole, short ones not at all
        small = 1.0 / 3.0 if function == 2 else 0.2
        if x > 1.0 - small:
            return 1.0
        return x if x >= small else 0.0
    # stairs of k + 1 steps
    k = function - 2
    stairs = (k + 1) * x
    whole = np.floor(stairs + 1e-12)
    if abs(stairs - whole) < 1e-12:
        return x
    return whole / k


@kernel
def list_shares(turns, turn_count, box, shares):
    """Write shares[functions, kind]: the least part of a box that a piece takes; 2 if none fits."""
    values = np.empty((6, 3, FUNCTIONS))
    for kind in range(turns.shape[0]):
        shares[:, kind] = 2.0
        for turn in range(turn_count[kind]):
            edge = turns[kind, turn]
            if edge[0] > box[0] or edge[1] > box[1] or edge[2] > box[2]:
                continue
            for axis in range(3):
                for f in range(FUNCTIONS):
                    values[turn, axis, f] = transform(f, edge[axis] / box[axis])
            at = 0
            for a in range(FUNCTIONS):
                for b in range(FUNCTIONS):
                    for c in range(FUNCTIONS):
                        share = values[turn, 0, a] * values[turn, 1, b] * values[turn, 2, c]
                        if share < shares[at, kind]:
                            shares[at, kind] = share
                        at += 1


class Goals:
    """The sets of boxes that may hold a load, cheapest first.

    A goal is a tuple of type numbers. Prices are the sums of the types' own prices.
    """

    def __init__(
        self,
        goods: Goods,
        counts: np.ndarray,
        inner: np.ndarray,
        limits: np.ndarray,
        prices: np.ndarray,
        fits: np.ndarray,
        stock: list[float],
    ):
        self.goods, self.inner, self.fits = goods, inner, fits
        self.kinds = np.flatnonzero(counts)
        self.counts = counts[self.kinds]
        self.limits = limits.astype(float)
        self.prices = prices
        self.stock = stock
        sizes = (goods.weight, goods.volume, np.ones(goods.kinds, np.int64))
        self.needs = np.array([size[self.kinds] for size in sizes], float)
        # Weight, volume and pieces of the load, each with the most that a box of a type takes.
        need = (self.needs @ self.counts).tolist()
        self.needed = list(zip(need, self.limits.T.tolist(), strict=True))
        self.order = [int(t) for t in np.argsort(prices, kind="stable")]
        self.usable = fits[:, self.kinds] == 1
        most = goods.box_max[self.kinds] if len(goods.box_max) else self.counts
        self.boxes_min = int((-(-self.counts // most)).max())
        self.shares: dict[int, np.ndarray] = {}

    def list_open(
        self,
        boxes_max: int,
        most: int = GOALS_MAX,
        is_over: Callable[[], bool] = lambda: False,
    ) -> Iterator[tuple[int, tuple[int, ...] | None]]:
        """Give price and goal of sets that are not excluded, cheapest first.

        After so many sets looked at, or when time is over, it gives the price reached and no goal,
        and ends; so it does at once where no set of `boxes_max` boxes of several types can hold the
        load.
        """
        need = self.needs @ self.counts
        boxes = max(float((need / self.limits.max(axis=0)).max()), self.boxes_min)
        if boxes > boxes_max and len(self.order) > 1:
            rates = (self.prices[:, None] / self.limits).min(axis=0)
            yield max(int((need * rates).max()), int(np.ceil(boxes)) * int(self.prices.min())), None
            return
        heap: list[tuple[int, tuple[int, ...]]] = [(int(self.prices[self.order[0]]), (0,))]
        for _ in range(most):
            if not heap:
                return
            if is_over():
                break
            price, places = heapq.heappop(heap)
            goal = tuple(self.order[at] for at in places)
            if places[-1] + 1 < len(self.order):
                step = self.prices[self.order[places[-1] + 1]] - self.prices[goal[-1]]
                heapq.heappush(heap, (price + int(step), (*places[:-1], places[-1] + 1)))
            heapq.heappush(heap, (price + int(self.prices[goal[-1]]), (*places, places[-1])))
            if not self.is_excluded(goal):
                yield price, goal
        yield heap[0][0], None

    def is_excluded(self, goal: tuple[int, ...]) -> bool:
        """Say whether a set of boxes certainly cannot hold the load."""
        # Most sets end here, so this is done without arrays.
        if len(goal) < self.boxes_min:
            return True
        if any(need > sum(rooms[t] for t in goal) for need, rooms in self.needed):
            return True
        if any(goal.count(t) > self.stock[t] for t in set(goal)):
            return True
        kinds = sorted(set(goal))
        usable = self.usable[kinds]
        if not usable.any(axis=0).all():
            return True
        # Pieces that fit only some of the types must find room in boxes of those types.
        for t, fitting in zip(kinds, usable, strict=True):
            others = self.limits[[u for u in goal if u != t]].sum(axis=0)
            if (self.needs[:, ~fitting] @ self.counts[~fitting] > others).any():
                return True
        least = np.minimum.reduce([self.get_shares(t) for t in kinds])
        return bool((least @ self.counts > len(goal) + EPSILON).any())

    def get_shares(self, t: int) -> np.ndarray:
        """Return the shares of a type's box that pieces take, by functions and kind."""
        if t not in self.shares:
            shares = np.empty((FUNCTIONS**3, len(self.kinds)))
            goods = self.goods
            ready(list_shares)(
                goods.turns[self.kinds], goods.turn_count[self.kinds], self.inner[t], shares
            )
            self.shares[t] = shares
        return self.shares[t]
