"""Exact tour lengths a million times a second, for searches that try many groupings.

The places of one planning problem are numbered per slot and kept as bits, so the stops of a set
of orders are the union of bit masks; the dynamic program of `route_dp` then gives the length
without building the tour. Units: mm. Shape: masks are int64 arrays of 32-bit words; a layout is
one flat int64 array (many small arrays would cost more in reference counts than the search does).
Guarantees: equal to `route_dp` for tours that start and end at stations.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from wms.planning.jit import kernel
from wms.planning.route_states import Tables, tables
from wms.planning.travel import Grid, Place

WORD = 32
DE_BRUIJN = 0x077CB531
BIG = 1 << 60
BLOCKED, THROUGH, WALLED = 0, 1, 2

# The head of the flat array: numbers first, then where each table begins.
COLUMNS, LEVELS, STATES, FIRST, LAST, WHOLE, SPURS, OPEN_OP = range(8)
(
    WORD_PTR,
    HEIGHTS,
    KIND,
    WALL,
    YS,
    PITCH,
    OPEN_LEVELS,
    ACCEPTING,
    STEP_PTR,
    STEPS,
    EMPTY_PTR,
    EMPTY,
    ACROSS,
    ACROSS_END,
    DOOR_PTR,
    DOORS,
    HUB_LEG,
    OP_PTR,
    OP_PAIRS,
    HUB_OPS,
    BIT_OF,
    HEAD,
) = range(8, 30)


class FloorMap(NamedTuple):
    """A layout with the places of one problem, and for each place its word and bit."""

    flat: np.ndarray
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

    def work(self) -> np.ndarray:
        """Scratch space for `tour_cost`."""
        return np.zeros(2 * int(self.flat[STATES]) + 6, np.int64)


class _Ends(NamedTuple):
    """Where tours start and end, as operations per column."""

    doors: dict[int, list[int]]
    spurs: int
    open_op: int
    needed: list[int]


def compile_floor(grid: Grid, places: Iterable[Place], start: Place, end: Place) -> FloorMap:
    """Arrays for tours from `start` to `end` (stations) over any subset of the places."""
    places = list(places)
    hub = start if start.open_floor else end if end.open_floor else None
    levels = len(grid.ys)
    table = tables(levels, hub is not None, start != end)
    xs = sorted({*grid.xs, *(p.x for p in (start, end) if p is not hub and p != hub)})
    heights, word_ptr, bits = _numbered(grid, places, xs, levels)
    ends = _ends(table, xs, start, end, hub)
    kind, wall = _gates(grid, xs, levels)
    whole = bool((kind[:, 1:levels] == THROUGH).all()) and all(
        grid.covers(level, xs[0], xs[-1]) for level in range(levels)
    )
    leg = [-1] * len(xs)
    if hub is not None:
        for column, x in enumerate(xs):
            if grid.covers(hub.level, x, x):
                leg[column] = round(float(np.hypot(x - hub.x, grid.ys[hub.level] - hub.y)))
    last = len(xs) - 1
    door_ptr = np.cumsum([0] + [len(ends.doors.get(c, ())) for c in range(len(xs))])
    step_ptr, steps = _slot_steps(table, (1, 2, 3, 4, 5))
    empty_ptr, empty = _slot_steps(table, (1, 2))
    across = [
        (table.sources[k], table.targets[k], sum(e), sum(1 << c for c in range(levels) if e[c]))
        for op, e in zip(table.across, table.edges, strict=True)
        for k in range(table.ptr[op], table.ptr[op + 1])
    ]
    bit_of = np.zeros(WORD, np.int64)
    for bit in range(WORD):
        bit_of[((DE_BRUIJN << bit) & 0xFFFFFFFF) >> 27] = bit
    numbers = [
        len(xs),
        levels,
        table.count,
        min(ends.needed, default=len(xs)),
        max(ends.needed, default=-1),
        int(whole),
        ends.spurs,
        ends.open_op,
    ]
    parts = {
        WORD_PTR: word_ptr,
        HEIGHTS: heights,
        KIND: kind.ravel(),
        WALL: wall.ravel(),
        YS: grid.ys,
        PITCH: np.diff(np.array(xs), append=xs[-1]),
        OPEN_LEVELS: [
            sum(1 << v for v in range(levels) if grid.covers(v, x, xs[min(c + 1, last)]))
            for c, x in enumerate(xs)
        ],
        ACCEPTING: table.accepting,
        STEP_PTR: step_ptr,
        STEPS: steps,
        EMPTY_PTR: empty_ptr,
        EMPTY: empty,
        ACROSS: [number for pair in across for number in pair],
        ACROSS_END: [],
        DOOR_PTR: door_ptr,
        DOORS: [op for c in range(len(xs)) for op in ends.doors.get(c, ())],
        HUB_LEG: leg,
        OP_PTR: table.ptr,
        OP_PAIRS: np.column_stack((table.sources, table.targets)).ravel(),
        HUB_OPS: table.hub[hub.level] if hub is not None else (0, 0, 0),
        BIT_OF: bit_of,
    }
    return FloorMap(_flattened(numbers, parts), int(word_ptr[-1]), bits)


def _flattened(numbers: list[int], parts: dict[int, Iterable]) -> np.ndarray:
    """Head and tables in one array; the head names where each table begins."""
    tables_ = [np.asarray(list(part), np.int64) for part in parts.values()]
    begins = HEAD + np.cumsum([0] + [len(part) for part in tables_])[:-1]
    head = np.zeros(HEAD, np.int64)
    head[: len(numbers)] = numbers
    head[list(parts)] = begins
    return np.concatenate([head, *tables_])


def _numbered(
    grid: Grid, places: list[Place], xs: list[int], levels: int
) -> tuple[list[int], list[int], dict[Place, tuple[int, int]]]:
    """Heights in words of 32 bits per column and slot, and the word and bit of every place."""
    column_of = {x: column for column, x in enumerate(xs)}
    by_slot: dict[tuple[int, int], set[int]] = {}
    for place in places:
        if place.column >= 0:
            key = (column_of[grid.xs[place.column]], place.slot)
            by_slot.setdefault(key, set()).add(place.y)
    word_ptr, heights, at = [0], [], {}
    for column in range(len(xs)):
        for slot in range(levels + 1):
            ys = sorted(by_slot.get((column, slot), ()))
            for number, y in enumerate(ys):
                at[column, slot, y] = (word_ptr[-1] + number // WORD, number % WORD)
            count = -(-len(ys) // WORD)
            heights += ys + [0] * (count * WORD - len(ys))
            word_ptr.append(word_ptr[-1] + count)
    bits = {
        place: at[column_of[grid.xs[place.column]], place.slot, place.y]
        for place in places
        if place.column >= 0
    }
    return heights, word_ptr, bits


def _ends(table: Tables, xs: list[int], start: Place, end: Place, hub: Place | None) -> _Ends:
    closed = start == end
    doors: dict[int, list[int]] = {}
    spurs, open_op, needed = 0, -1, []
    for place in (start,) if closed else (start, end):
        if place == hub:
            open_op = (table.touch if closed else table.toggle)[-1]
            needed.append(min(range(len(xs)), key=lambda c: abs(xs[c] - place.x)))
            continue
        column = xs.index(place.x)
        spurs += place.spur * (2 if closed else 1)
        doors.setdefault(column, []).append((table.touch if closed else table.toggle)[place.level])
        needed.append(column)
    return _Ends(doors, spurs, open_op, needed)


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
            wall[column, slot] = gate.low + 1 if gate.low is not None else grid.ys[0] - BIG
    return kind, wall


def _slot_steps(table: Tables, classes: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Per slot all (from, to, class) of the given ways to walk it, flat."""
    ptr, steps = [0], []
    for slot in range(table.levels + 1):
        for number in classes:
            op = table.walk[slot][number]
            for pair in range(table.ptr[op], table.ptr[op + 1]) if op >= 0 else ():
                steps += [table.sources[pair], table.targets[pair], number]
        ptr.append(len(steps))
    return ptr, steps


@kernel
def _fill(work, start, count):
    for place in range(start, start + count):
        work[place] = 1 << 60


@kernel
def _apply(flat, operation, cost, work, old, new, back):
    """One operation forwards (costs so far) or backwards (costs still to come)."""
    pairs = flat[OP_PAIRS]
    for pair in range(flat[flat[OP_PTR] + operation], flat[flat[OP_PTR] + operation + 1]):
        one, two = flat[pairs + 2 * pair], flat[pairs + 2 * pair + 1]
        if back:
            one, two = two, one
        total = work[old + one] + cost
        if total < work[new + two]:
            work[new + two] = total


@kernel
def _relax(flat, first, last, work, old, new, back):
    """The (from, to, class) steps with the class costs at the end of the scratch space."""
    costs = 2 * flat[STATES]
    if back:
        for step in range(first, last, 3):
            total = work[old + flat[step + 1]] + work[costs + flat[step + 2]]
            if total < work[new + flat[step]]:
                work[new + flat[step]] = total
    else:
        for step in range(first, last, 3):
            total = work[old + flat[step]] + work[costs + flat[step + 2]]
            if total < work[new + flat[step + 1]]:
                work[new + flat[step + 1]] = total


@kernel
def slot_costs(flat, mask, base, column, slot, work):
    """Costs of the ways to walk a slot, left in the scratch space; False when it has no stops."""
    levels = flat[LEVELS]
    key = column * (levels + 1) + slot
    bottom = flat[flat[YS] + max(slot - 1, 0)]
    top = flat[flat[YS] + min(slot, levels - 1)]
    wall = flat[flat[WALL] + key]
    heights, bit_of = flat[HEIGHTS], flat[BIT_OF]
    low, high, gap = 0, bottom, 0
    under, over = bottom - 1, top + 1
    found = False
    for word in range(flat[flat[WORD_PTR] + key], flat[flat[WORD_PTR] + key + 1]):
        left = mask[base + word]
        while left:
            lowest = left & -left
            left ^= lowest
            y = flat[
                heights + word * 32 + flat[bit_of + (((lowest * DE_BRUIJN) & 0xFFFFFFFF) >> 27)]
            ]
            if not found:
                found, low = True, y
            gap = max(gap, y - high)
            high = y
            if y < wall:
                under = y
            elif over > top:
                over = y
    costs = 2 * flat[STATES]
    if flat[flat[KIND] + key] == THROUGH:
        work[costs + 1] = top - bottom
        work[costs + 2] = 2 * (top - bottom)
        work[costs + 3] = 2 * (high - bottom)
        work[costs + 4] = 2 * (top - low)
        work[costs + 5] = 2 * (top - bottom - max(gap, top - high))
        return found
    for number in range(1, 6):
        work[costs + number] = BIG
    if found:
        if under < bottom:
            work[costs + 4] = 2 * (top - over)
        elif over > top:
            work[costs + 3] = 2 * (under - bottom)
        else:
            work[costs + 5] = 2 * (under - bottom) + 2 * (top - over)
    return found


@kernel
def walk_slot(flat, mask, base, column, slot, work, old, new, back):
    """Walk one slot; True when the result is at `new`, False when nothing had to be done."""
    count = flat[STATES]
    if flat[flat[KIND] + column * (flat[LEVELS] + 1) + slot] == BLOCKED:
        return False
    if slot_costs(flat, mask, base, column, slot, work):
        _fill(work, new, count)
        steps = flat[STEPS]
        first, last = flat[flat[STEP_PTR] + slot], flat[flat[STEP_PTR] + slot + 1]
    elif flat[flat[KIND] + column * (flat[LEVELS] + 1) + slot] == THROUGH:
        for state in range(count):
            work[new + state] = work[old + state]
        steps = flat[EMPTY]
        first, last = flat[flat[EMPTY_PTR] + slot], flat[flat[EMPTY_PTR] + slot + 1]
    else:
        return False
    _relax(flat, steps + first, steps + last, work, old, new, back)
    return True


@kernel
def walk_across(flat, column, pitch, work, old, new, back):
    """Step to the next column."""
    _fill(work, new, flat[STATES])
    shut = ~flat[flat[OPEN_LEVELS] + column]
    for step in range(flat[ACROSS], flat[ACROSS_END], 4):
        one, two = flat[step], flat[step + 1]
        if back:
            one, two = two, one
        total = work[old + one] + flat[step + 2] * pitch
        if total < work[new + two] and not flat[step + 3] & shut:
            work[new + two] = total


@kernel
def _doors(flat, column, work, old, new, back):
    """Tour ends and hub legs of a column; where the result is."""
    for door in range(flat[flat[DOOR_PTR] + column], flat[flat[DOOR_PTR] + column + 1]):
        _fill(work, new, flat[STATES])
        _apply(flat, flat[flat[DOORS] + door], 0, work, old, new, back)
        old, new = new, old
    leg = flat[flat[HUB_LEG] + column]
    if leg >= 0:
        for state in range(flat[STATES]):
            work[new + state] = work[old + state]
        _apply(flat, flat[flat[HUB_OPS] + 1], leg, work, old, new, back)
        _apply(flat, flat[flat[HUB_OPS] + 2], 2 * leg, work, old, new, back)
        old, new = new, old
    return old


@kernel
def walk_column(flat, mask, base, column, work, old, new, back):
    """All steps inside a column; where the result is (at `old` or at `new`)."""
    slots = flat[LEVELS] + 1
    both = old + new
    if back:
        old = _doors(flat, column, work, old, new, True)
    for number in range(slots):
        slot = slots - 1 - number if back else number
        if walk_slot(flat, mask, base, column, slot, work, old, both - old, back):
            old = both - old
    if not back:
        old = _doors(flat, column, work, old, both - old, False)
    return old


@kernel
def begin(flat, work):
    """The costs before the first column; where they are."""
    count = flat[STATES]
    _fill(work, 0, 2 * count)
    work[0] = 0
    if flat[OPEN_OP] < 0:
        return 0
    _apply(flat, flat[OPEN_OP], 0, work, 0, count, False)
    return count


@kernel
def busy(flat, mask, base, column):
    """True when a column has stops, or a tour end."""
    slots = flat[LEVELS] + 1
    ptr = flat[WORD_PTR] + column * slots
    for word in range(flat[ptr], flat[ptr + slots]):
        if mask[base + word]:
            return True
    return flat[flat[DOOR_PTR] + column + 1] > flat[flat[DOOR_PTR] + column]


@kernel
def tour_cost(flat, mask, base, words, work):
    """Length of the shortest tour over the places of a mask; `work` is scratch space.

    2**60 means that there is no tour. An empty mask costs nothing.
    """
    stops = 0
    for word in range(base, base + words):
        stops |= mask[word]
    if stops == 0:
        return 0
    first, last = 0, flat[COLUMNS] - 1
    if flat[WHOLE]:
        while first < flat[FIRST] and not busy(flat, mask, base, first):
            first += 1
        while last > flat[LAST] and not busy(flat, mask, base, last):
            last -= 1
    skip_empty = flat[WHOLE] and flat[LEVELS] == 2 and flat[OPEN_OP] < 0
    count = flat[STATES]
    old = begin(flat, work)
    pitch = 0
    for column in range(first, last + 1):
        if column > first:
            pitch += flat[flat[PITCH] + column - 1]
            if skip_empty and not busy(flat, mask, base, column):
                continue
            walk_across(flat, column - 1, pitch, work, old, count - old, False)
            old = count - old
            pitch = 0
        old = walk_column(flat, mask, base, column, work, old, count - old, False)
    best = BIG
    for state in range(count):
        if flat[flat[ACCEPTING] + state] and work[old + state] < best:
            best = work[old + state]
    return best if best >= BIG else best + flat[SPURS]
