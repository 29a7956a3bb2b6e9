"""The steps of any tour over a floor from left to right, as tables for the searches by labels.

Shape: a step is a slot that may be walked in `WAYS` ways, or a fan of moves (to the next column,
past a tour end, to an open-floor station). Offers of stock lie in walking order. Units: mm.
"""

from typing import NamedTuple

import numpy as np

from wms.planning.floor import (
    ACCEPTING,
    ACROSS,
    ACROSS_END,
    BLOCKED,
    COLUMNS,
    DOOR_PTR,
    DOORS,
    HEIGHTS,
    HUB_LEG,
    HUB_OPS,
    KIND,
    LEVELS,
    OP_PAIRS,
    OP_PTR,
    OPEN_LEVELS,
    OPEN_OP,
    PITCH,
    STATES,
    STEP_PTR,
    STEPS,
    THROUGH,
    WALL,
    WORD,
    YS,
)

FAR = 1e18
WAYS = 6
# Cells of `Course.steps`: slot key and slot, or -1 and where the moves and their pointers begin.
KEY, SLOT, MOVES, POINTERS = range(4)
# Cells of `Course.slots`: kind, bottom, top, wall.
HOW, BOTTOM, TOP, EDGE = range(4)


class Course(NamedTuple):
    """`after[slot, state, way]` is the next state or -1; moves of a state are consecutive."""

    steps: np.ndarray
    slots: np.ndarray
    after: np.ndarray
    onward: np.ndarray
    pointers: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray
    accepting: np.ndarray


class Stall(NamedTuple):
    """Offers in walking order: where each lies, what it brings and what of its item comes later.

    The rest are prices per unit and scratch space of `scattered_prices`.
    """

    order: np.ndarray
    first: np.ndarray
    item: np.ndarray
    height: np.ndarray
    units: np.ndarray
    lift: np.ndarray
    later: np.ndarray
    demand: np.ndarray
    prices: np.ndarray
    pay: np.ndarray
    best_prices: np.ndarray
    gauge: np.ndarray
    taken: np.ndarray
    ways: np.ndarray
    rest: np.ndarray
    at: np.ndarray


class _Moves:
    """Fans of moves, each sorted by the state that it starts from."""

    def __init__(self, flat: np.ndarray) -> None:
        self.flat, self.count = flat, int(flat[STATES])
        self.pointers: list[np.ndarray] = []
        self.targets: list[np.ndarray] = []
        self.lengths: list[np.ndarray] = []
        self.pointers_size = self.size = 0

    def put(self, fan: np.ndarray | int, targets: np.ndarray, lengths: np.ndarray) -> tuple:
        """A step; `fan` is where the moves of each state begin, or the place of such a table."""
        if not isinstance(fan, int):
            self.pointers.append(fan)
            self.pointers_size += len(fan)
            fan = self.pointers_size - len(fan)
        self.targets.append(targets)
        self.lengths.append(lengths)
        self.size += len(targets)
        return (-1, 0, self.size - len(targets), fan)

    def choice(self, operations: list[tuple[int, int]], *, stay: bool) -> tuple:
        """A step that applies one of some operations, at their length."""
        flat, states = self.flat, np.arange(self.count)
        rows = [np.column_stack((states, states, 0 * states))] if stay else []
        for operation, length in operations:
            first, last = flat[flat[OP_PTR] + operation], flat[flat[OP_PTR] + operation + 1]
            pairs = flat[flat[OP_PAIRS] + 2 * first : flat[OP_PAIRS] + 2 * last].reshape(-1, 2)
            rows.append(np.column_stack((pairs, np.full(len(pairs), length))))
        moves = np.concatenate(rows)
        moves = moves[np.argsort(moves[:, 0], kind="stable")]
        fan = np.searchsorted(moves[:, 0], np.arange(self.count + 1))
        return self.put(fan, moves[:, 1], moves[:, 2].astype(np.float64))


def new_course(flat: np.ndarray, offers: np.ndarray) -> Course:
    """The steps over a floor for offers [item, word, bit, column, slot, supply]."""
    columns, slots = int(flat[COLUMNS]), int(flat[LEVELS]) + 1
    table = _slots(flat, columns, slots)
    used = np.zeros(columns * slots, np.bool_)
    used[offers[:, 3] * slots + offers[:, 4]] = True
    used = ((used & (table[:, HOW] != BLOCKED)) | (table[:, HOW] == THROUGH)).tolist()
    moves = _Moves(flat)
    across = flat[flat[ACROSS] : flat[ACROSS_END]].reshape(-1, 4)
    across = across[np.argsort(across[:, 0], kind="stable")]
    fan: np.ndarray | int = np.searchsorted(across[:, 0], np.arange(moves.count + 1))
    open_levels = flat[flat[OPEN_LEVELS] : flat[OPEN_LEVELS] + columns].tolist()
    doors = flat[flat[DOOR_PTR] : flat[DOOR_PTR] + columns + 1].tolist()
    legs = flat[flat[HUB_LEG] : flat[HUB_LEG] + columns].tolist()
    steps = []
    if flat[OPEN_OP] >= 0:
        steps.append(moves.choice([(int(flat[OPEN_OP]), 0)], stay=False))
    for column in range(columns):
        keys = range(column * slots, (column + 1) * slots)
        steps += [(key, key - column * slots, 0, 0) for key in keys if used[key]]
        for door in range(doors[column], doors[column + 1]):
            steps.append(moves.choice([(int(flat[flat[DOORS] + door]), 0)], stay=False))
        if legs[column] >= 0:
            once, twice = (int(flat[flat[HUB_OPS] + times]) for times in (1, 2))
            steps.append(moves.choice([(once, legs[column]), (twice, 2 * legs[column])], stay=True))
        if column < columns - 1:
            pitch = float(flat[flat[PITCH] + column])
            shut = (across[:, 3] & ~open_levels[column]) != 0
            steps.append(moves.put(fan, across[:, 1], np.where(shut, FAR, across[:, 2] * pitch)))
            fan = steps[-1][3]
    after = _after(flat, slots, moves.count)
    return Course(
        steps=np.array(steps, np.int64),
        slots=table,
        after=after,
        onward=np.where(after < 0, moves.count, after).astype(np.uint64),
        pointers=np.concatenate([*moves.pointers, np.zeros(1, np.int64)]),
        targets=np.concatenate([*moves.targets, np.zeros(1, np.int64)]),
        lengths=np.concatenate([*moves.lengths, np.zeros(1)]),
        accepting=flat[flat[ACCEPTING] : flat[ACCEPTING] + moves.count] != 0,
    )


def _slots(flat: np.ndarray, columns: int, slots: int) -> np.ndarray:
    """Kind, bottom, top and wall of every slot."""
    ys, number = flat[flat[YS] : flat[YS] + slots - 1], np.tile(np.arange(slots), columns)
    return np.column_stack(
        (
            flat[flat[KIND] : flat[KIND] + columns * slots],
            ys[np.maximum(number - 1, 0)],
            ys[np.minimum(number, slots - 2)],
            flat[flat[WALL] : flat[WALL] + columns * slots],
        )
    )


def _after(flat: np.ndarray, slots: int, count: int) -> np.ndarray:
    """The state after a slot was walked in some way; -1 where that way is shut."""
    after = np.full((slots, count, WAYS), -1, np.int64)
    after[:, :, 0] = np.arange(count)
    for slot in range(slots):
        first, last = flat[flat[STEP_PTR] + slot], flat[flat[STEP_PTR] + slot + 1]
        steps = flat[flat[STEPS] + first : flat[STEPS] + last].reshape(-1, 3)
        after[slot, steps[:, 0], steps[:, 2]] = steps[:, 1]
    return after


def new_stall(flat: np.ndarray, course: Course, offers: np.ndarray, demand: np.ndarray) -> Stall:
    """All prices zero; `offers` are rows [item, word, bit, column, slot, supply]."""
    keys = len(course.slots)
    bits = offers[:, 1] * WORD + offers[:, 2]
    order = np.argsort(bits, kind="stable")
    item, supply = offers[order, 0], offers[order, 5]
    slot = offers[order, 3] * (int(flat[LEVELS]) + 1) + offers[order, 4]
    first = np.searchsorted(slot, np.arange(keys + 1))
    later, seen, told = np.zeros(len(order), np.int64), [0] * len(demand), [0] * len(demand)
    items, supplies, bounds = item.tolist(), supply.tolist(), first.tolist()
    for key in range(keys - 1, -1, -1):
        for k in range(bounds[key], bounds[key + 1]):
            told[items[k]] = seen[items[k]]
        for k in range(bounds[key], bounds[key + 1]):
            later[k] = told[items[k]]
            seen[items[k]] += supplies[k]
    return Stall(
        order=order,
        first=first,
        item=item,
        height=flat[flat[HEIGHTS] + bits[order]],
        units=np.minimum(supply, demand[item]),
        lift=offers[order, 6].astype(np.float64),
        later=later,
        demand=demand,
        prices=np.zeros(len(demand)),
        pay=np.zeros(len(order)),
        best_prices=np.zeros(len(demand)),
        gauge=np.array([0.0, 1.0, 0.0]),
        taken=np.zeros(len(offers), np.int64),
        ways=np.zeros((len(course.steps), WAYS)),
        rest=np.full((len(course.steps) + 1, len(course.accepting) + 1), FAR),
        at=np.zeros((keys, 4), np.int64),
    )


def grain_of(flat: np.ndarray, heights: np.ndarray) -> int:
    """The walks of all tours are multiples of this, without the ways to start and end."""
    columns, levels = int(flat[COLUMNS]), int(flat[LEVELS])
    ys = flat[flat[YS] : flat[YS] + levels]
    legs = flat[flat[HUB_LEG] : flat[HUB_LEG] + columns]
    hub = (legs >= 0).any()
    pitches = flat[flat[PITCH] : flat[PITCH] + columns]
    parts = np.concatenate((heights - ys[0], ys - ys[0], pitches, legs[legs >= 0]))
    grain = max(1, int(np.gcd.reduce(parts)))
    doors = flat[flat[DOOR_PTR] + columns] - flat[flat[DOOR_PTR]]
    # A walk that ends where it starts goes along every direction as far back as forth.
    return grain if hub or doors != 1 else 2 * grain
