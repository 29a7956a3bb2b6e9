"""Choose a set of boxes for a load: cheapest set that may hold it first, then improve by repacking.

Problem: boxes of several types and prices; every piece of the load in exactly one box; total price
as low as possible. The pieces are kinds of `Goods`; all rules of placing are those of `spaces`.
Guarantees: same seed and rounds, same choice; more rounds never a dearer one. `bound` is a valid
lower bound of the price of a complete plan.
Source: sets of boxes in order of price against dual feasible functions (`carton_bounds`), ruin and
recreate (`repack`), block beam for single boxes with many equal pieces (`block_search`).
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
from msgspec import Struct

from wms.planning.block_search import BlockSearch
from wms.planning.carton_bounds import Goals
from wms.planning.carton_columns import Columns
from wms.planning.carton_first import fill_greedily, price_all, try_goal
from wms.planning.compiled import is_warm, ready, seed_state
from wms.planning.packing import STYLES, Filling, pack_box, slice_of
from wms.planning.repack import Boxes, Method, Types, improve
from wms.planning.spaces import Goods, limit_counts
from wms.planning.stop import StopRule, Watch, seconds_left

ENDLESS = 1 << 40
# Sets of more boxes than this are too many to try one by one.
GOAL_BOXES_MAX = 3
GOALS_KEPT = 24
BLOCKS_MAX = 2000
# Rounds without a better plan before columns, which take longer, are built beside the repacking.
STALE_ROUNDS = 40
# How weight counts in first plans; a load this light, in boxes, needs only the first.
LEANS, LIGHT, MANY_PIECES = (0.0, 0.5, 0.9), 0.7, 60
# Styles of first plans of many pieces: those that alone gave the cheapest plans of shop orders.
FIRST_STYLES = (5, 2, 6)
BLOCK_WIDTHS = (4, 16, 64)
# Wide beams only where there are few ways to place anything, so that a bench does not wait.
BLOCK_EFFORT_MAX = 20_000
# Blocks and columns, the longest steps, are not begun with less time than this.
BLOCKS_S, COLUMNS_S = 0.02, 0.1


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


class Choice(Struct, frozen=True, eq=False):
    """The boxes chosen (index of the type, what is in it), pieces left over, and the proof."""

    boxes: tuple[tuple[int, Filling], ...]
    left: np.ndarray
    price: int
    bound: int
    stopped_because: str


class Search:
    """One run over one load. `boxes` is the best plan, `left` what found no box in it."""

    def __init__(
        self,
        goods: Goods,
        counts: np.ndarray,
        types: tuple[Box, ...],
        support_min: float,
        seed: int,
        watch: Watch,
    ):
        self.goods, self.counts, self.support_min = goods, counts, support_min
        self.watch = watch
        inner = np.array([t.inner for t in types])
        limits = np.array([t.limits for t in types])
        self.types = Types(
            inner=inner,
            limits=limits,
            price=np.array([t.price for t in types]),
            tare=np.array([t.tare_g for t in types]),
            gross_price=np.array([t.gross_price for t in types]),
            fits=which_fit(inner, limits, goods),
        )
        self.free = np.array([ENDLESS if t.stock is None else t.stock for t in types])
        self.state = np.array([seed_state(seed)])
        self.pieces = int(counts.sum())
        self.boxes = self.make_boxes()
        self.left = counts
        self.price = 0
        self.tried_blocks: dict[tuple[int, ...], int] = {}

    def is_over(self, least_s: float = 0.0) -> bool:
        """Say whether a clock leaves no more than so much; a round is broken off then."""
        return seconds_left(self.watch) <= least_s

    def make_boxes(self) -> Boxes:
        """Return room for a plan."""
        return Boxes(
            rows=np.zeros((self.pieces, 7), np.int64),
            start=np.zeros(self.pieces + 2, np.int64),
            kind=np.zeros(self.pieces + 1, np.int64),
            number=np.zeros(1, np.int64),
            stock=self.free.copy(),
        )

    def is_better(self, left: int, price: int) -> bool:
        """Say whether a plan beats the best: fewer pieces left over, or as few for less."""
        return (left, price) < (int(self.left.sum()), self.price)

    def keep(self, boxes: Boxes, left: np.ndarray) -> None:
        """Make a plan the best one if it is."""
        price = int(ready(price_all)(boxes, self.goods, self.types))
        if self.is_better(int(left.sum()), price):
            self.boxes, self.left, self.price = boxes, left, price

    def try_one(self, t: int, rounds: int) -> bool:
        """Try to pack the whole load into one box of a type."""
        filling = pack_box(
            self.goods,
            self.counts,
            self.types.inner[t],
            self.types.limits[t],
            self.support_min,
            rounds=rounds,
            seed=int(self.state[0]),
            is_over=self.is_over,
        )
        return self.keep_rows(filling.placed, [len(filling.placed)], [t])

    def keep_rows(self, rows: np.ndarray, ends: list[int], kinds: list[int]) -> bool:
        """Keep filled boxes as a plan if they hold the whole load."""
        if len(rows) < self.pieces:
            return False
        boxes = self.make_boxes()
        boxes.rows[:] = rows
        boxes.start[1 : len(ends) + 1] = ends
        boxes.kind[: len(kinds)] = kinds
        boxes.number[0] = len(kinds)
        np.subtract.at(boxes.stock, kinds, 1)
        self.keep(boxes, np.zeros_like(self.counts))
        return True

    def try_set(self, goal: tuple[int, ...], tries: int, grids: int = 0) -> bool:
        """Try to pack the whole load into the boxes of a goal, equal pieces singly or as grids."""
        types = np.array(goal)
        rows = np.empty((self.pieces + 1, 7), np.int64)
        ends = np.empty(len(goal), np.int64)
        method = Method(self.support_min, STYLES, 1, grids)
        at_once = slice_of(self.pieces)
        for done in range(0, tries, at_once):
            some = min(at_once, tries - done)
            if self.is_over():
                return False
            if ready(try_goal)(
                types, self.counts, self.goods, self.types, method, some, rows, ends, self.state
            ):
                break
        else:
            return False
        used = np.flatnonzero(np.diff(ends, prepend=0))
        return self.keep_rows(rows[: self.pieces], ends[used].tolist(), types[used].tolist())

    def try_blocks(self, goal: tuple[int, ...]) -> bool:
        """Try to pack the whole load by blocks, box after box, each time with a wider beam."""
        turn = self.tried_blocks.get(goal, 0)
        if turn >= len(BLOCK_WIDTHS) or not self.has_equal_pieces() or self.is_over(BLOCKS_S):
            return False
        self.tried_blocks[goal] = turn + 1
        left = self.counts.copy()
        rows: list[list[int]] = []
        ends: list[int] = []
        for t in sorted(goal, key=lambda t: -self.types.limits[t, 1]):
            rows += self.load_blocks(t, left, BLOCK_WIDTHS[turn], air=turn == 1)
            ends.append(len(rows))
            left = self.counts - np.bincount([row[0] for row in rows], minlength=len(left))
        kinds = sorted(goal, key=lambda t: -self.types.limits[t, 1])
        return not left.any() and self.keep_rows(np.array(rows), ends, kinds)

    def load_blocks(self, t: int, left: np.ndarray, width: int, air: bool) -> list[list[int]]:
        """Return the fullest load of one box by blocks."""
        counts = limit_counts(self.goods, np.where(self.types.fits[t] == 1, left, 0))
        if not counts.any():
            return []
        search = BlockSearch(
            self.goods,
            counts,
            self.types.inner[t],
            weight_max=int(self.types.limits[t, 0]),
            volume_max=int(self.types.limits[t, 1]),
            pieces_max=int(self.types.limits[t, 2]),
            fill_min=0.97 if air and not self.support_min else 1.0,
            supported=self.support_min > 0,
            limit=BLOCKS_MAX,
        )
        whole = int(counts @ self.goods.volume)
        width = max(1, min(width, BLOCK_EFFORT_MAX // len(search.blocks.value)))
        for value in search.run(width):
            if value == whole or self.is_over():
                break
        return search.list_placed()

    def try_goal(self, goal: tuple[int, ...], effort: int) -> bool:
        """Try a set of boxes with so much effort (1 is a first look)."""
        first, *others = goal
        if self.has_equal_pieces() and self.try_set(goal, 4 * effort, 1):
            return True
        if self.is_over():
            return False
        found = self.try_set(goal, 12 * effort) if others else self.try_one(first, 16 * effort)
        return found or (effort > 1 and self.try_blocks(goal))

    def has_equal_pieces(self) -> bool:
        """Say whether blocks of equal pieces are worth building, and may be."""
        kinds = int((self.counts > 0).sum())
        return self.pieces >= 2 * kinds and not len(self.goods.load_max) and is_warm()

    def generate_columns(self) -> Iterator[None]:
        """Build boxes by column generation in small steps, and keep plans made of them."""
        columns = Columns(
            self.goods, self.counts, self.types, self.free, self.support_min > 0, self.watch
        )
        for t, filling in self.list_boxes():
            columns.add(t, filling.placed)
        for is_round in columns.generate():
            if is_round:
                chosen = columns.take_surplus(columns.choose(self.price)) or []
                rows = [column.rows for column in chosen]
                ends = np.cumsum([len(part) for part in rows]).tolist()
                if rows:
                    self.keep_rows(np.concatenate(rows), ends, [c.type for c in chosen])
            yield

    def fill_greedily(self, leans: tuple[float, ...], tries: int = 1) -> None:
        """Make first plans box after box, by volume, by weight, or by both.

        Many pieces are placed as grids, each plan in one style: a mixture is worse than its parts.
        """
        methods = [Method(self.support_min, STYLES, tries)]
        if self.pieces > MANY_PIECES:
            styles = [STYLES[at : at + 1] for at in FIRST_STYLES]
            methods = [Method(self.support_min, style, 1, grids=1) for style in styles]
        for lean, method in product(leans, methods):
            if self.boxes.number[0] and self.is_over():
                break
            boxes = self.make_boxes()
            left = ready(fill_greedily)(
                self.counts, self.free, self.goods, self.types, method, lean, boxes, self.state
            )
            self.keep(boxes, left)

    def list_leans(self) -> tuple[float, ...]:
        """Return how much weight counts against volume; a large light load is looked at once."""
        weight = (self.counts @ self.goods.weight) / self.types.limits[:, 0].max()
        volume = (self.counts @ self.goods.volume) / self.types.limits[:, 1].max()
        light = weight < LIGHT * volume and self.pieces > MANY_PIECES
        return (0.0,) if light else LEANS

    def improve(self) -> None:
        """Empty and refill some boxes of the plan."""
        steps = max(2, min(60, 1200 // self.pieces))
        method = Method(self.support_min, STYLES, 2)
        self.price += int(
            ready(improve)(self.boxes, self.goods, self.types, method, steps, self.state)
        )

    def list_boxes(self) -> tuple[tuple[int, Filling], ...]:
        """Return the plan as type and filling of each box."""
        result = []
        for b in range(int(self.boxes.number[0])):
            rows = self.boxes.rows[self.boxes.start[b] : self.boxes.start[b + 1]]
            counts = np.bincount(rows[:, 0], minlength=self.goods.kinds)
            result.append((int(self.boxes.kind[b]), Filling(rows.copy(), counts)))
        return tuple(result)


def which_fit(inner: np.ndarray, limits: np.ndarray, goods: Goods) -> np.ndarray:
    """Say for each type and kind whether one piece fits into the empty box (0 or 1)."""
    turns = np.arange(goods.turns.shape[1]) < goods.turn_count[:, None]
    stands = (goods.turns <= inner[:, None, None]).all(axis=3) & turns
    sizes = np.stack((goods.weight, goods.volume, np.ones_like(goods.weight)), axis=1)
    within = (sizes <= limits[:, None]).all(axis=2)
    return (stands.any(axis=2) & within).astype(np.int64)


def choose_boxes(
    goods: Goods,
    counts: np.ndarray,
    types: tuple[Box, ...],
    support_min: float,
    stop: StopRule,
    seed: int,
) -> Choice:
    """Return the cheapest set of boxes found for a load until the rule says stop."""
    watch = stop()
    search = Search(goods, counts, types, support_min, seed, watch)
    reason = watch(np.inf)
    if reason is not None:
        # No time at all: one box after the other, by volume.
        search.fill_greedily(LEANS[:1])
        return Choice(search.list_boxes(), search.left, search.price, 0, reason)
    bound, goals = look_at_goals(search)
    effort = 1
    stale = 0
    columns: Iterator[None] | None = None
    while reason is None:
        complete = not search.left.any()
        goals = [goal for goal in goals if goal[0] < search.price or not complete]
        if complete and search.price <= bound:
            reason = "optimal"
            break
        reason = watch(float(search.price))
        if reason is not None:
            break
        effort = min(effort + 1, 8)
        for _, goal in goals:
            if search.is_over() or search.try_goal(goal, effort):
                break
        if search.boxes.number[0] > 1 and not search.is_over():
            before = search.price
            search.improve()
            stale = stale + 1 if search.price == before else 0
            ripe = complete and stale > STALE_ROUNDS and search.has_equal_pieces()
            if columns is None and ripe and not search.is_over(COLUMNS_S):
                columns = search.generate_columns()
            next(columns or iter(()), None)
    return Choice(search.list_boxes(), search.left, search.price, bound, reason)


def look_at_goals(search: Search) -> tuple[int, list[tuple[int, tuple[int, ...]]]]:
    """Make the first plan; return the bound and the sets that stay open, cheapest first."""
    goals = Goals(
        search.goods,
        search.counts,
        search.types.inner,
        search.types.limits,
        search.types.price,
        search.types.fits,
        search.free.tolist(),
    )
    bound = None
    kept: list[tuple[int, tuple[int, ...]]] = []
    for price, goal in goals.list_open(GOAL_BOXES_MAX, is_over=search.is_over):
        bound = price if bound is None else bound
        if goal is None or len(goal) > GOAL_BOXES_MAX or len(kept) >= GOALS_KEPT:
            break
        if search.is_over():
            break
        if search.try_goal(goal, 1):
            break
        kept.append((price, goal))
    if bound is None or search.left.any() or len(kept) > 0:
        search.fill_greedily(search.list_leans(), 3)
    return bound or 0, kept
