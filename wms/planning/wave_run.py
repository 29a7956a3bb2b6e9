"""The anytime run of the wave search: a first plan by rank, then cycles of falling heat.

Owns the schedule only: a round is a fixed number of moves, so that a plan depends on the number
of rounds and the seed alone, and a longer run passes through every shorter one.
"""

from collections.abc import Callable

import numpy as np

from wms.planning import wave_search as inner
from wms.planning.batch_run import Search
from wms.planning.batch_search import COST, GROUP_SIZE, GROUPS
from wms.planning.stop import Watch, offer

MOVES, FIRST_CYCLE, LONGER = 2000, 50, 1.6
# A cycle that finds nothing is followed by a hotter one, so that small cases do not get stuck.
HOTTER, HOTTEST = 2.5, 7.0


class WaveSearch:
    """The search for one wave; `search` brings orders, floor and who suits whom."""

    def __init__(self, search: Search, loads: np.ndarray, shift: np.ndarray) -> None:
        self.flat, self.store, self.memo = search.flat, search.store, search.memo
        self.work, self.count, self.shift = search.work, search.count, shift
        self.crew = int(shift[inner.PEOPLE])
        self.best = self._first_plan(search, loads)
        self.costs = np.array([0, 1 << 60, 1 << 60])
        self._go_on_from_best()
        late = int(self._part(inner.LATE, self.crew).sum())
        weight = int(shift[inner.WEIGHT])
        self.costs[1:] = late, self.costs[0] - weight * late

    def _part(self, table: int, size: int) -> np.ndarray:
        first = int(self.shift[table])
        return self.shift[first : first + size]

    def _first_plan(self, search: Search, loads: np.ndarray) -> np.ndarray:
        """Carts filled in the order of ranks, each to the picker who is free first."""
        rank, work, zones = (
            self._part(table, self.count)
            for table in (inner.ORDER_RANK, inner.ORDER_WORK, inner.ORDER_ZONE)
        )
        free, allowed = (
            self._part(inner.READY, self.crew).copy(),
            self._part(inner.ALLOWED, self.crew),
        )
        alone = search.tours_alone()
        plan = np.zeros((self.count, 2), np.int64)
        used, zone, group, who = np.zeros(loads.shape[1], np.int64), -1, -1, 0
        for row in sorted(range(self.count), key=lambda k: (rank[k], zones[k], k)):
            if group < 0 or zone != zones[row] or (used + loads[row] > search.caps).any():
                group, zone, used = row, int(zones[row]), np.zeros_like(used)
                able = [w for w in range(self.crew) if allowed[w] >> zone & 1]
                who = min(able, key=lambda w: (free[w], w))
                free[who] += self.shift[inner.SETUP]
            used = used + loads[row]
            # A joint tour is a good deal shorter than the tours of its orders alone.
            free[who] += work[row] + alone[row] * 1000 // self._part(inner.PACE, zone + 1)[-1] // 4
            plan[row] = group, who
        return plan

    def _go_on_from_best(self) -> None:
        self.costs[0] = inner.replan(
            self.flat, self.store, self.shift, self.memo, self.work, self.best
        )

    def run(self, watch: Watch, made: Callable[[], object]) -> tuple[int, str]:
        """Rounds until the rule says stop; how many, and why. `made` is the best plan so far."""
        rounds, left, cycle, heat, cooling = 0, 0, FIRST_CYCLE, 0.0, 1.0
        boost, before = 1.0, (1 << 62, 0)
        weight = int(self.shift[inner.WEIGHT])
        while True:
            reason = watch(float(self.costs[2] + weight * self.costs[1]))
            if reason is not None:
                return rounds, reason
            if self.count < 2 and self.crew < 2:
                return rounds, "nothing to improve"
            if left == 0:
                self._go_on_from_best()
                now = (int(self.costs[1]), int(self.costs[2]))
                boost = 1.0 if now < before else boost * HOTTER
                boost, before = boost if boost <= HOTTEST else 1.0, now
                hot = inner.HOT * boost
                left, heat = cycle, hot * self._mean_walk_ms()
                cooling = (inner.COLD / hot) ** (1 / (cycle * MOVES))
                cycle = int(cycle * LONGER)
            rounds, left = rounds + 1, left - 1
            heat = inner.anneal_wave(
                self.flat,
                self.store,
                self.shift,
                self.memo,
                self.work,
                self.best,
                self.costs,
                MOVES,
                heat,
                cooling,
            )
            offer(watch, made)

    def _mean_walk_ms(self) -> float:
        """Walking time of a tour of the best plan, on average."""
        numbers = sorted({int(number) for number in self.best[:, 0]})
        size = int(self.store[GROUP_SIZE])
        walks = [int(self.store[self.store[GROUPS] + n * size + COST]) for n in numbers]
        pace = int(self._part(inner.PACE, 1)[0])
        return max(1, sum(walks)) * 1000 / pace / len(numbers)

    def sequences(self) -> list[list[list[int]]]:
        """Per picker his groups of order rows; looks only, so that a search may go on."""
        rows: dict[int, list[int]] = {}
        for row, number in enumerate(self.best[:, 0]):
            rows.setdefault(int(number), []).append(row)
        turns: list[list[list[int]]] = [[] for _ in range(self.crew)]
        for group in rows.values():
            turns[int(self.best[group[0], 1])].append(group)
        return turns
