"""Exact shortest tours in aisle layouts by dynamic programming over the columns.

Problem: visit all given places, from start to end (may differ), on a shortest walk. Any number of
cross aisles; partial cross aisles, blocked aisles and dead ends are alternatives left out.
Units: mm. Guarantees: the optimum for two-way aisles and one open-floor station.
Source: see `route_states`; a slot is left unwalked at no more than one gap (Ratliff, Rosenthal).
"""

from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct

from wms.planning.gates import Gate
from wms.planning.jit import kernel
from wms.planning.route_states import (
    BOTTOM,
    CLASS_OF,
    DOUBLE,
    GAP,
    NONE,
    SINGLE,
    TOP,
    Tables,
    tables,
)
from wms.planning.travel import Grid, Place
from wms.planning.walk import Node, Walk

LEVELS_MAX = 5
FAR = 1 << 60

CROSSING, STOP, HUB = 0, 1, 2
HUB_NODE: Node = (-1, 0, HUB)
# First number of a mark; the mark of a step across is the bare tuple of its edge counts.
IN_SLOT, FROM_HUB = -1, -2


@kernel
def relax(step_ptr, way_operation, way_cost, ptr, sources, targets, best, came_way, came):
    """Min-plus steps; `best` enters with the first costs and leaves with the last ones."""
    far = 1 << 60
    for step in range(len(step_ptr) - 1):
        old = best.copy()
        best[:] = far
        for way in range(step_ptr[step], step_ptr[step + 1]):
            operation, cost = way_operation[way], way_cost[way]
            for pair in range(ptr[operation], ptr[operation + 1]):
                total = old[sources[pair]] + cost
                target = targets[pair]
                if total < best[target]:
                    best[target] = total
                    came_way[step, target] = way
                    came[step, target] = sources[pair]


class Slot(Struct):
    """What one tour has to do in one slot: sorted heights, and tour ends among them."""

    ys: list[int]
    flips: dict[int, int]


class Task:
    """Places of one tour, sorted onto columns (aisles and, between them, stations)."""

    def __init__(self, grid: Grid, places: list[Place], start: Place, end: Place) -> None:
        self.grid, self.start, self.end = grid, start, end
        self.hub = start if start.open_floor else end if end.open_floor else None
        self.spurs = 0
        stations = [p for p in (*places, start, end) if p.column < 0 and p is not self.hub]
        xs = sorted({*grid.xs, *(p.x for p in stations)}) if stations else grid.xs
        self.index = {x: number for number, x in enumerate(xs)} if stations else grid.column_of_x
        self.xs = xs
        self.slots: dict[tuple[int, int], Slot] = {}
        # (column, level) -> [must be touched, tour ends there]
        self.doors: dict[tuple[int, int], int] = {}
        for place in places:
            self._add(place, 0)
        self.closed = start == end
        for place in (start, end):
            self._add(place, 0 if self.closed else 1)

    def _add(self, place: Place, flip: int) -> None:
        if place is self.hub or place == self.hub:
            return
        if place.column < 0:
            self.spurs += place.spur if flip or place == self.start else 2 * place.spur
            key = (self.index[place.x], place.level)
            self.doors[key] = self.doors.get(key, 0) ^ flip
            return
        key = (self.index[self.grid.xs[place.column]], place.slot)
        slot = self.slots.get(key)
        if slot is None:
            slot = self.slots[key] = Slot([], {})
        if place.y not in slot.ys:
            slot.ys.append(place.y)
        if flip:
            slot.flips[place.y] = slot.flips.get(place.y, 0) ^ 1

    def node(self, place: Place) -> Node:
        """The node of the walk at a place."""
        if place == self.hub:
            return HUB_NODE
        if place.column < 0:
            return (self.index[place.x], self.grid.ys[place.level], CROSSING)
        return (self.index[self.grid.xs[place.column]], place.y, STOP)


class Steps:
    """The alternatives of every step, flat, with what each one walks."""

    def __init__(self, compiled: Tables) -> None:
        self.tables = compiled
        self.ptr = [0]
        self.operations: list[int] = []
        self.costs: list[int] = []
        self.marks: list[tuple[int, ...]] = []
        self.places: list[tuple[int, int]] = []
        self.place: tuple[int, int] = (0, 0)

    def add(self, operation: int, cost: int, mark: tuple[int, ...]) -> None:
        if operation >= 0:
            self.operations.append(operation)
            self.costs.append(cost)
            self.marks.append(mark)

    def close(self) -> None:
        """End of a step; its marks are about the current place."""
        self.ptr.append(len(self.operations))
        self.places.append(self.place)

    def solve(self) -> tuple[int | None, list[tuple[tuple[int, int], tuple[int, ...]]]]:
        """Cheapest way through all steps, and the marks of the ways taken."""
        table, steps = self.tables, len(self.ptr) - 1
        best = np.full(table.count, FAR, np.int64)
        best[table.start] = 0
        came_way = np.zeros((steps, table.count), np.int32)
        came = np.zeros((steps, table.count), np.int32)
        relax(
            np.array(self.ptr),
            np.array(self.operations),
            np.array(self.costs),
            table.ptr,
            table.sources,
            table.targets,
            best,
            came_way,
            came,
        )
        state = int(np.where(table.accepting, best, FAR).argmin())
        length = int(best[state])
        if length >= FAR or not table.accepting[state]:
            return None, []
        marks = []
        for step in range(steps - 1, -1, -1):
            marks.append((self.places[step], self.marks[came_way[step, state]]))
            state = came[step, state]
        return length, marks


def slot_ways(steps: Steps, walk: tuple[int, ...], lengths: list[int | None], slot: Slot) -> None:
    """Add the ways to walk past the places of one slot.

    `lengths[i]` is the walk between neighbours, the cross aisles being first and last; None
    cannot be walked. Per outcome only the cheapest way is kept: at most one gap is left out.
    """
    if not slot.flips and None not in lengths:
        _plain_ways(steps, walk, lengths)
        return
    best: dict[int, tuple[int, int, int]] = {}
    walls = [gap for gap, length in enumerate(lengths) if length is None]
    solid = [length or 0 for length in lengths]
    last = len(lengths) - 1
    for odd in (0, 1):
        parities = [odd]
        for y in slot.ys:
            parities.append(parities[-1] ^ slot.flips.get(y, 0))
        total = sum((2 - p) * n for p, n in zip(parities, solid, strict=True))
        even = [gap for gap, p in enumerate(parities) if not p]
        skips = [gap for gap in walls if gap in even] if walls else [-1, *even]
        if len(walls) > 1:
            return
        for skip in skips:
            cost = total if skip < 0 else total - 2 * solid[skip]
            flags = (odd, int(skip != 0), parities[-1], int(skip != last), int(skip < 0))
            number = CLASS_OF[flags]
            if number not in best or cost < best[number][0]:
                best[number] = (cost, odd, skip)
    for number, (cost, odd, skip) in best.items():
        steps.add(walk[number], cost, (IN_SLOT, odd, skip))


def _plain_ways(steps: Steps, walk: tuple[int, ...], lengths: list[Any]) -> None:
    """The five ways past the places of an unbroken slot without tour ends."""
    total, last = sum(lengths), len(lengths) - 1
    steps.add(walk[SINGLE], total, (IN_SLOT, 1, -1))
    steps.add(walk[DOUBLE], 2 * total, (IN_SLOT, 0, -1))
    steps.add(walk[BOTTOM], 2 * (total - lengths[last]), (IN_SLOT, 0, last))
    steps.add(walk[TOP], 2 * (total - lengths[0]), (IN_SLOT, 0, 0))
    if last > 1:
        gap = max(range(1, last), key=lengths.__getitem__)
        steps.add(walk[GAP], 2 * (total - lengths[gap]), (IN_SLOT, 0, gap))


def lengths_of(grid: Grid, gate: Gate, slot: int, ys: list[int]) -> list[int | None]:
    """Walks between the neighbours of a slot: cross aisle below, places, cross aisle above."""
    if gate.through:
        points = [grid.ys[slot - 1], *ys, grid.ys[slot]]
        return [high - low for low, high in pairwise(points)]
    lengths: list[int | None] = [
        None if gate.low is None or gate.low < ys[0] else ys[0] - grid.ys[slot - 1]
    ]
    for low, high in pairwise(ys):
        joined = (gate.low is not None and high <= gate.low) or (
            gate.high is not None and low >= gate.high
        )
        lengths.append(high - low if joined else None)
    lengths.append(None if gate.high is None or gate.high > ys[-1] else grid.ys[slot] - ys[-1])
    return lengths


def _columns(task: Task) -> list[int]:
    """The columns worth walking: nothing is gained outside the outermost open aisles.

    With two cross aisles nothing is gained in an aisle without stops either.
    """
    grid, xs = task.grid, task.xs
    needed = {column for column, _ in (*task.slots, *task.doors)}
    if task.hub is not None:
        hub_x = task.hub.x
        needed.add(min(range(len(xs)), key=lambda column: abs(xs[column] - hub_x)))
    plain = xs is grid.xs and grid.whole and len(grid.full) == len(xs)
    if plain and needed:
        if len(grid.ys) == 2 and task.hub is None:
            return sorted(needed)
        return list(range(min(needed), max(needed) + 1))
    if not needed or not all(grid.covers(level, xs[0], xs[-1]) for level in range(len(grid.ys))):
        return list(range(len(xs)))
    full = [task.index[grid.xs[column]] for column in grid.full]
    first = max((c for c in full if c <= min(needed)), default=0)
    last = min((c for c in full if c >= max(needed)), default=len(xs) - 1)
    return list(range(first, last + 1))


def _column_steps(task: Task, steps: Steps, column: int, gates: list[Gate] | None) -> None:
    """Walks inside one column, station doors and hub legs."""
    grid, table = task.grid, steps.tables
    for slot in range(table.levels + 1):
        work = task.slots.get((column, slot))
        gate = gates[slot] if gates is not None else None
        if work is not None and gate is not None:
            work.ys.sort()
            lengths = lengths_of(grid, gate, slot, work.ys)
            steps.place = (column, slot)
            slot_ways(steps, table.walk[slot], lengths, work)
            steps.close()
        elif gate is not None and gate.through and 0 < slot < table.levels:
            walk, length = table.walk[slot], grid.ys[slot] - grid.ys[slot - 1]
            steps.add(walk[NONE], 0, ())
            steps.place = (column, slot)
            steps.add(walk[SINGLE], length, (IN_SLOT, 1, -1))
            steps.add(walk[DOUBLE], 2 * length, (IN_SLOT, 0, -1))
            steps.close()
    for level in range(table.levels):
        flip = task.doors.get((column, level))
        if flip is not None:
            steps.add(table.toggle[level] if flip else table.touch[level], 0, ())
            steps.close()
    hub = task.hub
    if hub is not None and grid.covers(hub.level, task.xs[column], task.xs[column]):
        leg = _hub_leg(task, column)
        for count in range(3):
            steps.place = (column, hub.level)
            steps.add(table.hub[hub.level][count], count * leg, (FROM_HUB, count))
        steps.close()


def _across_steps(task: Task, steps: Steps, column: int, following: int) -> None:
    """Ways to the next column that is walked."""
    grid, table = task.grid, steps.tables
    left, right = task.xs[column], task.xs[following]
    steps.place = (column, following)
    if grid.whole and grid.xs[0] <= left and right <= grid.xs[-1]:
        steps.operations += table.across
        steps.costs += [total * (right - left) for total in table.edge_sums]
        steps.marks += table.edges
    else:
        shut = [not grid.covers(level, left, right) for level in range(table.levels)]
        for operation, counts in zip(table.across, table.edges, strict=True):
            if not any(closed and count for closed, count in zip(shut, counts, strict=True)):
                steps.add(operation, sum(counts) * (right - left), counts)
    steps.close()


def _hub_leg(task: Task, column: int) -> int:
    hub = task.hub
    assert hub is not None
    return task.grid.straight(hub, task.xs[column])


def shortest_walk(grid: Grid, places: list[Place], start: Place, end: Place) -> Walk:
    """The exact tour through all places as a multigraph."""
    task = Task(grid, places, start, end)
    compiled = tables(len(grid.ys), task.hub is not None, not task.closed)
    steps = Steps(compiled)
    if task.hub is not None:
        steps.add((compiled.touch if task.closed else compiled.toggle)[-1], 0, ())
        steps.close()
    columns = _columns(task)
    for column, following in zip(columns, [*columns[1:], -1], strict=True):
        old = grid.column_of_x.get(task.xs[column])
        _column_steps(task, steps, column, None if old is None else grid.gates[old])
        if following >= 0:
            _across_steps(task, steps, column, following)
    length, marks = steps.solve()
    inside = _inside(task)
    if inside is not None and (length is None or (inside.length or 0) < length):
        return inside
    if length is None:
        return Walk(None, task.node(start))
    edges = tuple(edge for place, mark in marks if mark for edge in _edges(task, place, mark))
    return Walk(length + task.spurs, task.node(start), tuple(task.xs), edges)


def _edges(
    task: Task, place: tuple[int, int], mark: tuple[int, ...]
) -> list[tuple[Node, Node, int]]:
    """The edges that one chosen way walks."""
    ys, column = task.grid.ys, place[0]
    if mark[0] == IN_SLOT:
        return _slot_edges(task, place, mark[1], mark[2])
    if mark[0] == FROM_HUB:
        return [(HUB_NODE, (column, ys[place[1]], CROSSING), mark[1])] if mark[1] else []
    return [
        ((column, ys[level], CROSSING), (place[1], ys[level], CROSSING), count)
        for level, count in enumerate(mark)
        if count
    ]


def _slot_edges(
    task: Task, place: tuple[int, int], odd: int, skip: int
) -> list[tuple[Node, Node, int]]:
    (column, slot), ys = place, task.grid.ys
    work = task.slots.get(place) or Slot([], {})
    points: list[Node | None] = [(column, ys[slot - 1], CROSSING) if slot else None]
    points += [(column, y, STOP) for y in work.ys]
    points.append((column, ys[slot], CROSSING) if slot < len(ys) else None)
    edges, parity = [], odd
    for gap, (low, high) in enumerate(pairwise(points)):
        if gap and work.flips:
            parity ^= work.flips.get(work.ys[gap - 1], 0)
        if gap != skip and low is not None and high is not None:
            edges.append((low, high, 2 - parity))
    return edges


def _inside(task: Task) -> Walk | None:
    """The walk that never leaves one slot, where all places lie in the same one."""
    if task.doors or task.hub is not None or len(task.slots) != 1:
        return None
    (key, work), *_ = task.slots.items()
    gate = task.grid.gates[task.grid.column_of_x[task.xs[key[0]]]][key[1]]
    work.ys.sort()
    inner = lengths_of(task.grid, gate, key[1], work.ys)[1:-1]
    length, parity, edges = 0, 0, []
    for gap, (low, high) in enumerate(pairwise(work.ys)):
        parity ^= work.flips.get(low, 0)
        walk = inner[gap]
        if walk is None:
            return None
        length += (2 - parity) * walk
        edges.append(((key[0], low, STOP), (key[0], high, STOP), 2 - parity))
    return Walk(length, task.node(task.start), tuple(task.xs), tuple(edges))
