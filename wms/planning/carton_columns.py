"""Several boxes for a load with many equal pieces: patterns priced by a linear program.

Problem: cover the pieces of every kind by filled boxes ("columns") at the least price. Columns are
loads found by the block beam for the values (duals) that the linear program gives to kinds; an
integer program then picks boxes among all columns found.

Units: those of `carton_choice`. Guarantees: every column is a valid filling; same rounds, same
columns. Not guaranteed: that no better column exists, since the beam is a heuristic.
Source: column generation, Gilmore and Gomory, Operations Research 9 (1961).
"""

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from wms.planning.block_search import BlockSearch
from wms.planning.repack import Types
from wms.planning.spaces import Goods, limit_counts
from wms.planning.stop import Watch, seconds_left

SCALE = 1_000_000
BLOCKS_MAX = 1000
LOADS_KEPT = 6
WIDTHS = (2, 8, 24)
EFFORT_MAX = 12_000
# Deterministic seconds of the integer program, so that the same rounds give the same plan.
INTEGER_EFFORT = 0.4
ENDLESS_S = 3600.0
EPSILON = 1e-6


class Column(Struct, frozen=True, eq=False):
    """One filled box: type, price, pieces of each kind and their rows."""

    type: int
    price: int
    counts: np.ndarray
    rows: np.ndarray


class Columns:
    """The pool of filled boxes for one load and what is made of it."""

    def __init__(
        self,
        goods: Goods,
        counts: np.ndarray,
        types: Types,
        free: np.ndarray,
        supported: bool,
        watch: Watch,
    ):
        # Loaded here because it takes most of a second, and few orders come this way.
        from ortools.linear_solver import pywraplp

        self.goods, self.counts, self.types = goods, counts, types
        self.free, self.supported, self.watch = free, supported, watch
        self.kinds = np.flatnonzero(counts)
        self.pool: list[Column] = []
        self.known: set[tuple[int, ...]] = set()
        self.searches: dict[tuple[int, bool], BlockSearch] = {}
        self.unit = float(types.price.min())
        self.solver = pywraplp.Solver.CreateSolver("GLOP")
        most = self.solver.infinity()
        self.demand = [self.solver.Constraint(float(counts[kind]), most) for kind in self.kinds]
        self.stock = {
            t: self.solver.Constraint(-most, float(free[t]))
            for t in range(len(types.price))
            if free[t] < counts.sum()
        }
        self.solver.Objective().SetMinimization()

    def add(self, t: int, rows: np.ndarray) -> bool:
        """Enter a filled box; say whether it is new."""
        counts = np.bincount(rows[:, 0], minlength=self.goods.kinds)
        key = (t, *counts.tolist())
        if key in self.known:
            return False
        self.known.add(key)
        weight = int(counts @ self.goods.weight) + int(self.types.tare[t])
        price = max(int(self.types.price[t]), int(self.types.gross_price[t]) * weight)
        self.pool.append(Column(t, price, counts, rows))
        share = self.solver.NumVar(0, self.solver.infinity(), "")
        self.solver.Objective().SetCoefficient(share, price / self.unit)
        for row, kind in zip(self.demand, self.kinds, strict=True):
            row.SetCoefficient(share, float(counts[kind]))
        if t in self.stock:
            self.stock[t].SetCoefficient(share, 1)
        return True

    def generate(self) -> Iterator[bool]:
        """Add columns, one beam at a time; True each time the pool is ready for a new plan."""
        for width in WIDTHS:
            for air in (False, True) if not self.supported else (False,):
                stale = 0
                while stale < 2:
                    found = False
                    self.solver.Solve()
                    duals = np.zeros(self.goods.kinds)
                    duals[self.kinds] = [row.dual_value() for row in self.demand]
                    for t in range(len(self.types.price)):
                        found = self.price_type(t, duals, width, air) or found
                        yield False
                    stale = 0 if found else stale + 2
                yield True

    def price_type(self, t: int, duals: np.ndarray, width: int, air: bool) -> bool:
        """Search loads of a type worth more than their price; say whether one is new."""
        counts = limit_counts(self.goods, np.where(self.types.fits[t] == 1, self.counts, 0))
        if not counts.any():
            return False
        value = np.maximum(1, (duals * SCALE).astype(np.int64))
        search = self.searches.get((t, air))
        if search is None:
            search = BlockSearch(
                self.goods,
                counts,
                self.types.inner[t],
                value=value,
                weight_max=int(self.types.limits[t, 0]),
                volume_max=int(self.types.limits[t, 1]),
                pieces_max=int(self.types.limits[t, 2]),
                fill_min=0.97 if air else 1.0,
                supported=self.supported,
                limit=BLOCKS_MAX,
                keep=LOADS_KEPT,
            )
            self.searches[t, air] = search
        search.restart(counts, value)
        width = max(1, min(width, EFFORT_MAX // len(search.blocks.value)))
        for _ in search.run(width):
            if seconds_left(self.watch) <= 0:
                break
        new = False
        for rank in range(LOADS_KEPT):
            rows = np.array(search.list_placed(rank), np.int64).reshape(-1, 7)
            if not len(rows):
                break
            worth = duals[rows[:, 0]].sum() * self.unit
            if worth > self.types.price[t] * (1 + EPSILON):
                new = self.add(t, rows) or new
        return new

    def choose(self, below: int) -> list[Column]:
        """Return the cheapest columns that cover all pieces, if cheaper than a price."""
        from ortools.sat.python import cp_model

        # Prices as millionths of the cheapest box: sums of the true ones would leave 64 bits.
        prices = [max(1, round(column.price / self.unit * SCALE)) for column in self.pool]
        most = int(below / self.unit * SCALE) + 1
        model = cp_model.CpModel()
        number = [model.new_int_var(0, most // price, "") for price in prices]
        table = np.array([column.counts for column in self.pool])
        for kind in self.kinds:
            using = np.flatnonzero(table[:, kind])
            model.add(sum(int(table[c, kind]) * number[c] for c in using) >= int(self.counts[kind]))
        for t in self.stock:
            model.add(
                sum(n for n, c in zip(number, self.pool, strict=True) if c.type == t)
                <= int(self.free[t])
            )
        total = sum(price * n for price, n in zip(prices, number, strict=True))
        model.add(total <= most)
        model.minimize(total)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        solver.parameters.max_deterministic_time = INTEGER_EFFORT
        solver.parameters.max_time_in_seconds = min(max(seconds_left(self.watch), 0.0), ENDLESS_S)
        if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return []
        return [
            column
            for column, n in zip(self.pool, number, strict=True)
            for _ in range(solver.value(n))
        ]

    def take_surplus(self, chosen: list[Column]) -> list[Column] | None:
        """Take out what is packed twice, from the top; None if something stands on it."""
        surplus = sum((column.counts for column in chosen), -self.counts)
        result = []
        for column in chosen:
            rows = column.rows
            while True:
                spare = [r for r in range(len(rows)) if surplus[rows[r, 0]] > 0]
                free = [r for r in spare if not carries(rows, r)]
                if not free:
                    break
                top = max(free, key=lambda r: (rows[r, 3] + rows[r, 6], r))
                surplus[rows[top, 0]] -= 1
                rows = np.delete(rows, top, axis=0)
            if len(rows):
                counts = np.bincount(rows[:, 0], minlength=self.goods.kinds)
                result.append(Column(column.type, column.price, counts, rows))
        return None if (surplus > 0).any() else result


def carries(rows: np.ndarray, r: int) -> bool:
    """Say whether another piece stands on a piece."""
    x, y, z, dx, dy, dz = rows[r, 1:]
    on = rows[rows[:, 3] == z + dz]
    return bool(
        (
            (on[:, 1] < x + dx)
            & (on[:, 1] + on[:, 4] > x)
            & (on[:, 2] < y + dy)
            & (on[:, 2] + on[:, 5] > y)
        ).any()
    )
