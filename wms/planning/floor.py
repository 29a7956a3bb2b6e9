"""A layout and the places of one planning problem as one flat array, for the compiled loops.

The places are numbered per slot and kept as bits, so the stops of a set of orders are the union of
bit masks. Units: mm. Shape: masks are int64 arrays of 32-bit words; the layout is one flat int64
array, its head first (many small arrays would cost more in reference counts than the search does).
Guarantees: tours start and end at stations, anywhere on the cross aisles or on an open floor.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

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
    hub = start if start.open_floor else end if end.open_floor else None
    levels = len(grid.ys)
    table = tables(levels, hub is not None, start != end)
    xs = sorted({*grid.xs, *(p.x for p in (start, end) if p != hub)})
    heights, word_ptr, bits = _numbered(grid, list(places), xs, levels)
    ends = _ends(table, xs, start, end, hub)
    kind, wall = _gates(grid, xs, levels)
    whole = bool((kind[:, 1:levels] == THROUGH).all()) and all(
        grid.covers(level, xs[0], xs[-1]) for level in range(levels)
    )
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
            sum(1 << v for v in range(levels) if grid.covers(v, x, right))
            for x, right in zip(xs, [*xs[1:], xs[-1]], strict=True)
        ],
        DOOR_PTR: np.cumsum([0] + [len(ends.doors.get(c, ())) for c in range(len(xs))]),
        DOORS: [op for c in range(len(xs)) for op in ends.doors.get(c, ())],
        HUB_LEG: [_hub_leg(grid, hub, x) for x in xs],
        HUB_OPS: table.hub[hub.level] if hub is not None else (0, 0, 0),
        **_steps(table),
    }
    return FloorMap(_flattened(numbers, parts), int(word_ptr[-1]), bits)


def _hub_leg(grid: Grid, hub: Place | None, x: int) -> int:
    """Straight walk from an open-floor station to the aisle at x; -1 where there is none."""
    if hub is None or not grid.covers(hub.level, x, x):
        return -1
    return grid.straight(hub, x)


def _steps(table: Tables) -> dict[int, Iterable[int]]:
    """The operations of the dynamic program as flat tables."""
    step_ptr, steps = _slot_steps(table, (1, 2, 3, 4, 5))
    empty_ptr, empty = _slot_steps(table, (1, 2))
    across: list[int] = []
    for op, edges in zip(table.across, table.edges, strict=True):
        need = sum(1 << level for level, count in enumerate(edges) if count)
        for k in range(table.ptr[op], table.ptr[op + 1]):
            across += [int(table.sources[k]), int(table.targets[k]), sum(edges), need]
    bit_of = np.zeros(WORD, np.int64)
    for bit in range(WORD):
        bit_of[((DE_BRUIJN << bit) & 0xFFFFFFFF) >> 27] = bit
    # ACROSS_END is empty and follows ACROSS: it only says where that table ends.
    return {
        ACROSS: across,
        ACROSS_END: [],
        ACCEPTING: table.accepting,
        STEP_PTR: step_ptr,
        STEPS: steps,
        EMPTY_PTR: empty_ptr,
        EMPTY: empty,
        OP_PTR: table.ptr,
        OP_PAIRS: np.column_stack((table.sources, table.targets)).ravel(),
        BIT_OF: bit_of,
    }


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
