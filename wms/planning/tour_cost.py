"""Exact tour lengths many thousand times a second, for searches that try many groupings.

The places of one planning problem are numbered per slot and kept as bits, so the stops of a set
of orders are the union of bit masks; the dynamic program of `route_dp` then gives the length
without building the tour. Units: mm. Shape: masks are int64 arrays of 32-bit words.
Guarantees: equal to `route_dp` for tours that start and end at stations.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from wms.planning.jit import kernel
from wms.planning.route_dp import FAR
from wms.planning.route_states import tables
from wms.planning.travel import Grid, Place

WORD = 32
DE_BRUIJN = 0x077CB531
BIT_OF = np.zeros(WORD, np.int64)
for _bit in range(WORD):
    BIT_OF[((DE_BRUIJN << _bit) & 0xFFFFFFFF) >> 27] = _bit


class Floor(NamedTuple):
    """A layout with the places of one problem, as arrays for the compiled loops."""

    columns: int
    levels: int
    states: int
    first: int
    last: int
    whole: bool
    spurs: int
    open_op: int
    word_ptr: np.ndarray
    heights: np.ndarray
    kind: np.ndarray
    wall: np.ndarray
    ys: np.ndarray
    pitch: np.ndarray
    open_levels: np.ndarray
    ptr: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    accepting: np.ndarray
    walk: np.ndarray
    across_from: np.ndarray
    across_to: np.ndarray
    across_sum: np.ndarray
    across_need: np.ndarray
    door_ptr: np.ndarray
    door_ops: np.ndarray
    hub_leg: np.ndarray
    hub_ops: np.ndarray
    bit_of: np.ndarray


BLOCKED, THROUGH, WALLED = 0, 1, 2


class FloorMap(NamedTuple):
    """The arrays, and for each place its word and bit."""

    floor: Floor
    words: int
    bits: dict[Place, tuple[int, int]]

    def mask(self, places: Iterable[Place]) -> np.ndarray:
        """The places as bits; stations are not stops and are left out."""
        mask = np.zeros(self.words, np.int64)
        for place in places:
            if place.column >= 0:
                word, bit = self.bits[place]
                mask[word] |= 1 << bit
        return mask


def compile_floor(grid: Grid, places: Iterable[Place], start: Place, end: Place) -> FloorMap:
    """Arrays for tours from `start` to `end` (stations) over any subset of the places."""
    hub = start if start.open_floor else end if end.open_floor else None
    closed = start == end
    levels = len(grid.ys)
    table = tables(levels, hub is not None, not closed)
    xs = sorted({*grid.xs, *(p.x for p in (start, end) if p.column < 0 and p is not hub)})
    by_slot: dict[tuple[int, int], set[int]] = {}
    for place in places:
        if place.column >= 0:
            key = (xs.index(grid.xs[place.column]), place.slot)
            by_slot.setdefault(key, set()).add(place.y)
    word_ptr, heights, at = [0], [], {}
    for column, x in enumerate(xs):
        for slot in range(levels + 1):
            ys = sorted(by_slot.get((column, slot), ()))
            for number, y in enumerate(ys):
                at[x, slot, y] = (word_ptr[-1] + number // WORD, number % WORD)
            count = -(-len(ys) // WORD)
            heights += ys + [0] * (count * WORD - len(ys))
            word_ptr.append(word_ptr[-1] + count)
    bits = {
        place: at[grid.xs[place.column], place.slot, place.y]
        for place in places
        if place.column >= 0
    }
    kind, wall = _gates(grid, xs, levels)
    doors: dict[int, list[int]] = {}
    spurs, open_op, needed = 0, -1, []
    for place, other in ((start, end), (end, start)):
        if place.column >= 0 or (closed and place is end and place is not start):
            continue
        if place == hub:
            open_op = table.touch[-1] if closed else table.toggle[-1]
            needed.append(min(range(len(xs)), key=lambda c: abs(xs[c] - place.x)))
            continue
        column = xs.index(place.x)
        spurs += place.spur * (2 if closed else 1)
        doors.setdefault(column, []).append((table.touch if closed else table.toggle)[place.level])
        needed.append(column)
        if closed and other is place:
            break
    door_ptr = [0]
    for column in range(len(xs)):
        door_ptr.append(door_ptr[-1] + len(doors.get(column, ())))
    pairs = [
        (
            table.sources[k],
            table.targets[k],
            sum(edges),
            sum(1 << c for c, e in enumerate(edges) if e),
        )
        for op, edges in zip(table.across, table.edges, strict=True)
        for k in range(table.ptr[op], table.ptr[op + 1])
    ]
    leg = np.full(len(xs), -1, np.int64)
    if hub is not None:
        for column, x in enumerate(xs):
            if grid.covers(hub.level, x, x):
                leg[column] = round(float(np.hypot(x - hub.x, grid.ys[hub.level] - hub.y)))
    inner = kind[:, 1:levels]
    floor = Floor(
        columns=len(xs),
        levels=levels,
        states=table.count,
        first=min(needed, default=len(xs)),
        last=max(needed, default=-1),
        whole=bool((inner == THROUGH).all())
        and all(grid.covers(level, xs[0], xs[-1]) for level in range(levels)),
        spurs=spurs,
        open_op=open_op,
        word_ptr=np.array(word_ptr),
        heights=np.array(heights or [0], np.int64),
        kind=kind,
        wall=wall,
        ys=np.array(grid.ys, np.int64),
        pitch=np.diff(np.array(xs, np.int64), append=xs[-1]),
        open_levels=np.array(
            [
                sum(
                    1 << lv
                    for lv in range(levels)
                    if grid.covers(lv, xs[c], xs[min(c + 1, len(xs) - 1)])
                )
                for c in range(len(xs))
            ],
            np.int64,
        ),
        ptr=table.ptr,
        sources=table.sources,
        targets=table.targets,
        accepting=table.accepting,
        walk=np.array(table.walk, np.int64),
        across_from=np.array([p[0] for p in pairs], np.int64),
        across_to=np.array([p[1] for p in pairs], np.int64),
        across_sum=np.array([p[2] for p in pairs], np.int64),
        across_need=np.array([p[3] for p in pairs], np.int64),
        door_ptr=np.array(door_ptr),
        door_ops=np.array([op for c in range(len(xs)) for op in doors.get(c, ())], np.int64),
        hub_leg=leg,
        hub_ops=np.array(table.hub[hub.level] if hub is not None else (0, 0, 0), np.int64),
        bit_of=BIT_OF,
    )
    return FloorMap(floor, word_ptr[-1], bits)


def _gates(grid: Grid, xs: list[int], levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Per column and slot: blocked, through or walled, and the height of the wall."""
    kind = np.full((len(xs), levels + 1), BLOCKED, np.int64)
    wall = np.zeros((len(xs), levels + 1), np.int64)
    for column, x in enumerate(xs):
        old = grid.column_of_x.get(x)
        for slot in range(levels + 1):
            gate = grid.gates[old][slot] if old is not None else None
            if gate is None or (gate.low is None and gate.high is None):
                continue
            kind[column, slot] = THROUGH if gate.through else WALLED
            wall[column, slot] = gate.low + 1 if gate.low is not None else grid.ys[0] - FAR
    return kind, wall


@kernel
def _apply(floor, operation, cost, old, new):
    for pair in range(floor.ptr[operation], floor.ptr[operation + 1]):
        total = old[floor.sources[pair]] + cost
        if total < new[floor.targets[pair]]:
            new[floor.targets[pair]] = total


@kernel
def _slot(floor, mask, column, slot, old, new):
    """Walk one slot; True when `new` holds the result, False when nothing had to be done."""
    levels = floor.levels
    key = column * (levels + 1) + slot
    through = floor.kind[column, slot] == 1
    bottom = floor.ys[slot - 1] if slot > 0 else floor.ys[0]
    top = floor.ys[slot] if slot < levels else floor.ys[levels - 1]
    wall = floor.wall[column, slot]
    low, high, gap = 0, bottom, 0
    under, over = bottom - 1, top + 1
    found = False
    for word in range(floor.word_ptr[key], floor.word_ptr[key + 1]):
        left = mask[word]
        while left:
            lowest = left & -left
            left ^= lowest
            bit = floor.bit_of[((lowest * 0x077CB531) & 0xFFFFFFFF) >> 27]
            y = floor.heights[word * 32 + bit]
            if not found:
                found, low = True, y
            gap = max(gap, y - high)
            high = y
            if y < wall:
                under = y
            elif over > top:
                over = y
    walk = floor.walk[slot]
    if not found:
        if not through:
            return False
        new[:] = old
        _apply(floor, walk[1], top - bottom, old, new)
        _apply(floor, walk[2], 2 * (top - bottom), old, new)
        return True
    new[:] = 1 << 60
    if through:
        _apply(floor, walk[1], top - bottom, old, new)
        _apply(floor, walk[2], 2 * (top - bottom), old, new)
        _apply(floor, walk[3], 2 * (high - bottom), old, new)
        _apply(floor, walk[4], 2 * (top - low), old, new)
        _apply(floor, walk[5], 2 * (top - bottom - max(gap, top - high)), old, new)
    elif under < bottom:
        _apply(floor, walk[4], 2 * (top - over), old, new)
    elif over > top:
        _apply(floor, walk[3], 2 * (under - bottom), old, new)
    else:
        _apply(floor, walk[5], 2 * (under - bottom) + 2 * (top - over), old, new)
    return True


@kernel
def _across(floor, column, pitch, old, new):
    """Step to the next column."""
    new[:] = 1 << 60
    closed_levels = ~floor.open_levels[column]
    for pair in range(len(floor.across_from)):
        total = old[floor.across_from[pair]]
        if total < 1 << 60 and not floor.across_need[pair] & closed_levels:
            total += floor.across_sum[pair] * pitch
            if total < new[floor.across_to[pair]]:
                new[floor.across_to[pair]] = total


@kernel
def _busy(floor, mask, column):
    """True when a column has stops, or a tour end."""
    slots = floor.levels + 1
    for word in range(floor.word_ptr[column * slots], floor.word_ptr[(column + 1) * slots]):
        if mask[word]:
            return True
    return floor.door_ptr[column + 1] > floor.door_ptr[column]


@kernel
def tour_cost(floor, mask, one, two):
    """Length of the shortest tour over the places of a mask; `one` and `two` are scratch.

    2**60 means that there is no tour. An empty mask costs nothing.
    """
    first, last, any_stop = floor.columns, -1, False
    for column in range(floor.columns):
        if _busy(floor, mask, column):
            any_stop = any_stop or floor.door_ptr[column + 1] == floor.door_ptr[column]
            first, last = min(first, column), column
    if not any_stop:
        for word in range(len(mask)):
            any_stop = any_stop or mask[word] != 0
        if not any_stop:
            return 0
    if floor.whole:
        first, last = min(first, floor.first), max(last, floor.last)
    else:
        first, last = 0, floor.columns - 1
    skip_empty = floor.whole and floor.levels == 2 and floor.open_op < 0
    one[:] = 1 << 60
    one[0] = 0
    if floor.open_op >= 0:
        two[:] = 1 << 60
        _apply(floor, floor.open_op, 0, one, two)
        one, two = two, one
    pitch = 0
    for column in range(first, last + 1):
        if column > first:
            pitch += floor.pitch[column - 1]
            if skip_empty and not _busy(floor, mask, column):
                continue
            _across(floor, column - 1, pitch, one, two)
            one, two = two, one
            pitch = 0
        for slot in range(floor.levels + 1):
            if _slot(floor, mask, column, slot, one, two):
                one, two = two, one
        for door in range(floor.door_ptr[column], floor.door_ptr[column + 1]):
            two[:] = 1 << 60
            _apply(floor, floor.door_ops[door], 0, one, two)
            one, two = two, one
        if floor.hub_leg[column] >= 0:
            two[:] = one
            _apply(floor, floor.hub_ops[1], floor.hub_leg[column], one, two)
            _apply(floor, floor.hub_ops[2], 2 * floor.hub_leg[column], one, two)
            one, two = two, one
    best = 1 << 60
    for state in range(floor.states):
        if floor.accepting[state] and one[state] < best:
            best = one[state]
    return best if best >= 1 << 60 else best + floor.spurs
