"""Choose a set of boxes for a load: cheapest single box, else several, then improve by repacking.

Problem: boxes of several types and prices; every piece of the load in exactly one box; total price
as low as possible. The pieces are kinds of `Goods`; all rules of placing are those of `spaces`.
Guarantees: same seed and rounds, same choice; more rounds never a dearer one; the price is never
above one box for each piece. `bound` is a valid lower bound of the price.
"""

import numpy as np
from msgspec import Struct

from wms.planning.packing import Filling, Goods, pack_box
from wms.planning.stop import StopRule

POLICIES = ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


class Box(Struct, frozen=True, eq=False):
    """One type of box. Limits: most weight of contents in g, volume in mm3, pieces.

    With `gross_price` a box costs at least that much for each gram of gross weight.
    """

    inner: np.ndarray
    limits: np.ndarray
    price: int
    tare_g: int
    gross_price: int = 0
    stock: int | None = None

    def price_of(self, weight_g: int) -> int:
        """Return the price of this box with contents of a weight."""
        return max(self.price, self.gross_price * (weight_g + self.tare_g))


class Choice(Struct, frozen=True, eq=False):
    """The boxes chosen (index of the type, what is in it), pieces left over, and the proof."""

    boxes: tuple[tuple[int, Filling], ...]
    left: np.ndarray
    price: int
    bound: int
    stopped_because: str


class Search:
    """One run: the problem, its stock of boxes, and how hard to try."""

    def __init__(self, goods: Goods, types: tuple[Box, ...], support_min: float, seed: int):
        self.goods = goods
        self.types = types
        self.support_min = support_min
        self.seed = seed
        self.order = sorted(range(len(types)), key=lambda i: types[i].price)
        self.fits = np.array(
            [[box_fits(box, goods, k) for k in range(len(goods))] for box in types]
        )

    def price(self, boxes: list[tuple[int, Filling]]) -> int:
        return sum(
            self.types[index].price_of(int(filling.counts @ self.goods.weight))
            for index, filling in boxes
        )

    def can_hold(self, index: int, counts: np.ndarray) -> bool:
        """Say whether a box passes the simple tests for a whole load."""
        limits = self.types[index].limits
        return bool(
            self.fits[index][counts > 0].all()
            and counts @ self.goods.weight <= limits[0]
            and counts @ self.goods.volume <= limits[1]
            and counts.sum() <= limits[2]
        )

    def pack(self, index: int, counts: np.ndarray, rounds: int) -> Filling:
        box = self.types[index]
        kept = np.where(self.fits[index], counts, 0)
        return pack_box(
            self.goods, kept, box.inner, box.limits, self.support_min, rounds=rounds, seed=self.seed
        )

    def find_one(
        self, counts: np.ndarray, stock: list[float], below: float, rounds: int
    ) -> tuple[int, Filling] | None:
        """Return the cheapest box, below a price, that takes a whole load."""
        weight = int(counts @ self.goods.weight)
        for index in self.order:
            if self.types[index].price_of(weight) >= below:
                continue
            if stock[index] >= 1 and self.can_hold(index, counts):
                filling = self.pack(index, counts, rounds)
                if (filling.counts == counts).all():
                    return index, filling
        return None

    def fill_many(
        self, counts: np.ndarray, stock: list[float], policy: tuple[float, float], rounds: int
    ) -> tuple[list[tuple[int, Filling]], np.ndarray]:
        """Fill box after box, each time the one that gives most for its price."""
        boxes: list[tuple[int, Filling]] = []
        left = counts.copy()
        stock = list(stock)
        whole = np.array([max(1, counts @ self.goods.volume), max(1, counts @ self.goods.weight)])
        while left.any():
            best: tuple[float, int, Filling] | None = None
            for index in self.order:
                if stock[index] < 1 or not (left[self.fits[index]] > 0).any():
                    continue
                filling = self.pack(index, left, rounds)
                if not filling.counts.any():
                    continue
                weight = int(filling.counts @ self.goods.weight)
                gain = (
                    policy[0] * (filling.counts @ self.goods.volume) / whole[0]
                    + policy[1] * weight / whole[1]
                )
                worth = float(gain / self.types[index].price_of(weight))
                if best is None or worth > best[0]:
                    best = worth, index, filling
            if best is None:
                break
            boxes.append(best[1:])
            stock[best[1]] -= 1
            left = left - best[2].counts
        return self.shrink(boxes, stock, rounds), left

    def shrink(
        self, boxes: list[tuple[int, Filling]], stock: list[float], rounds: int
    ) -> list[tuple[int, Filling]]:
        """Move the contents of each box into a cheaper type where that is possible."""
        shrunk = []
        for index, filling in boxes:
            price = self.types[index].price_of(int(filling.counts @ self.goods.weight))
            cheaper = self.find_one(filling.counts, stock, price, rounds)
            if cheaper is not None:
                stock[index] += 1
                stock[cheaper[0]] -= 1
            shrunk.append(cheaper or (index, filling))
        return shrunk

    def construct(
        self, counts: np.ndarray, stock: list[float], below: float, rounds: int
    ) -> tuple[list[tuple[int, Filling]], np.ndarray]:
        """Return the best of the simple plans for a load."""
        plans = []
        one = self.find_one(counts, stock, below, rounds)
        if one is not None:
            plans.append(([one], np.zeros_like(counts)))
            if self.price([one]) <= 2 * self.types[self.order[0]].price:
                return plans[0]
        plans += [self.fill_many(counts, stock, policy, 0) for policy in POLICIES]
        return min(plans, key=lambda plan: (int(plan[1].sum()), self.price(plan[0])))


def box_fits(box: Box, goods: Goods, kind: int) -> bool:
    """Say whether one piece of a kind fits into the empty box."""
    turns = goods.turns[kind, : goods.turn_count[kind]]
    return bool(
        (turns <= box.inner).all(axis=1).any()
        and goods.weight[kind] <= box.limits[0]
        and goods.volume[kind] <= box.limits[1]
        and box.limits[2] >= 1
    )


def bound_price(search: Search, counts: np.ndarray) -> int:
    """Return a price that no packing of the load undercuts.

    The dearest of: the cheapest box of the piece that needs most; volume, weight and pieces each at
    the best price a box offers for it.
    """
    goods, types = search.goods, search.types
    if not counts.any():
        return 0
    bound = 0
    for kind in np.flatnonzero(counts):
        bound = max(bound, min(box.price for i, box in enumerate(types) if search.fits[i][kind]))
    needs = (int(counts @ goods.weight), int(counts @ goods.volume), int(counts.sum()))
    for resource, need in enumerate(needs):
        bound = max(
            bound,
            *(
                min(-(-need * box.price // max(1, int(box.limits[resource]))) for box in types),
                min(-(-need // max(1, int(box.limits[resource]))) for box in types)
                * min(box.price for box in types),
            ),
        )
    holding = [types[i].price for i in search.order if search.can_hold(i, counts)]
    cheapest_two = 2 * min(box.price for box in types)
    return max(bound, min([*holding, cheapest_two]))


def choose_boxes(
    goods: Goods,
    counts: np.ndarray,
    types: tuple[Box, ...],
    support_min: float,
    stop: StopRule,
    seed: int,
) -> Choice:
    """Return the cheapest set of boxes found for a load until the rule says stop."""
    search = Search(goods, types, support_min, seed)
    stock = [float("inf") if box.stock is None else box.stock for box in types]
    watch = stop()
    bound = bound_price(search, counts)
    boxes, left = search.construct(counts, stock, float("inf"), rounds=20)
    price = search.price(boxes)
    for index, _ in boxes:
        stock[index] -= 1
    rounds = 0
    reason = None
    draw = np.random.default_rng(seed)
    while reason is None:
        if price <= bound and not left.any():
            reason = "optimal"
            break
        reason = watch(float(price))
        if reason is not None:
            break
        rounds += 1
        search.seed = seed + rounds
        picked = draw.choice(len(boxes), min(len(boxes), 1 + rounds % 3), replace=False)
        free = list(stock)
        for at in picked:
            free[boxes[at][0]] += 1
        part = left + sum(boxes[at][1].counts for at in picked)
        old = search.price([boxes[at] for at in picked])
        new, still = search.construct(part, free, float("inf"), rounds=50)
        if (int(still.sum()), search.price(new)) < (int(left.sum()), old):
            for index, _ in new:
                free[index] -= 1
            boxes = [box for at, box in enumerate(boxes) if at not in picked] + new
            left, stock = still, free
            price = search.price(boxes)
    return Choice(tuple(boxes), left, price, bound, reason)
