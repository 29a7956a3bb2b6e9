"""Tours of many orders abreast: the dynamic program of `tour_cost` for 32 masks at a time.

All orders walk the same columns, so every step of the program is done for a row of orders at once,
which the machine does several times faster than one order after the other. From both ends of the
hall together come the prices of places: how long each order's tour is with one more stop.
Units: mm. Shape: `mask[lane]` are the places of one order; `work` has a row for each state, twice,
then the costs of the six ways to walk a slot, then what is known of its stops.
Guarantees: lengths equal to `tour_cost`.
"""

import numpy as np

from wms.planning.floor import (
    ACCEPTING,
    ACROSS,
    ACROSS_END,
    BIG,
    BIT_OF,
    BLOCKED,
    COLUMNS,
    DE_BRUIJN,
    DOOR_PTR,
    DOORS,
    EMPTY,
    EMPTY_PTR,
    FIRST,
    HEIGHTS,
    HUB_LEG,
    HUB_OPS,
    KIND,
    LAST,
    LEVELS,
    OP_PAIRS,
    OP_PTR,
    OPEN_LEVELS,
    OPEN_OP,
    PITCH,
    SPURS,
    STATES,
    STEP_PTR,
    STEPS,
    THROUGH,
    WALL,
    WHOLE,
    WORD,
    WORD_PTR,
    YS,
)
from wms.planning.jit import kernel
from wms.planning.tour_cost import busy

LANES = 32
# Rows after the states: six ways to walk a slot, then lowest and highest stop, the two largest
# gaps, the highest stop below a wall and the lowest above it.
NOT, BOTTOM, TOP, GAP = 0, 3, 4, 5
LOW, HIGH, WIDE, NEXT_WIDE, UNDER, OVER, ROWS = range(6, 13)
# Rows after those, for pricing: six ways to walk a slot, and the stop before.
WAYS, BEFORE, PRICE_ROWS = 0, 6, 7


def lane_work(states: int) -> np.ndarray:
    """Scratch space for one group of lanes."""
    return np.zeros((2 * states + ROWS + PRICE_ROWS, LANES), np.int64)


@kernel
def fill(work, start, count, lanes):
    for row in range(start, start + count):
        cells = work[row]
        for lane in range(lanes):
            cells[lane] = 1 << 60


@kernel
def copy(work, old, new, count, lanes):
    for row in range(count):
        one, two = work[old + row], work[new + row]
        for lane in range(lanes):
            two[lane] = one[lane]


@kernel
def apply(flat, operation, cost, work, old, new, lanes, back):
    """One operation of the program, forwards or backwards."""
    pairs = flat[OP_PAIRS]
    for pair in range(flat[flat[OP_PTR] + operation], flat[flat[OP_PTR] + operation + 1]):
        one, two = flat[pairs + 2 * pair], flat[pairs + 2 * pair + 1]
        if back:
            one, two = two, one
        source, target = work[old + one], work[new + two]
        for lane in range(lanes):
            target[lane] = min(target[lane], source[lane] + cost)


@kernel
def find_stops(flat, mask, lane, column, slot, bottom, top, work, facts):
    """Note where one order's stops lie in a slot; say whether there are any."""
    key = column * (flat[LEVELS] + 1) + slot
    wall, bit_of = flat[flat[WALL] + key], flat[BIT_OF]
    low, high, wide, next_wide = top, bottom, 0, 0
    under, over = bottom - 1, top + 1
    found = False
    for word in range(flat[flat[WORD_PTR] + key], flat[flat[WORD_PTR] + key + 1]):
        left, heights = mask[lane, word], flat[HEIGHTS] + word * WORD
        while left:
            lowest = left & -left
            left ^= lowest
            y = flat[heights + flat[bit_of + (((lowest * DE_BRUIJN) & 0xFFFFFFFF) >> 27)]]
            low = low if found else y
            found = True
            next_wide = max(next_wide, min(wide, y - high))
            wide = max(wide, y - high)
            high = y
            if y < wall:
                under = y
            elif over > top:
                over = y
    work[facts + LOW, lane], work[facts + HIGH, lane] = low, high
    work[facts + NEXT_WIDE, lane] = max(next_wide, min(wide, top - high))
    work[facts + WIDE, lane] = max(wide, top - high)
    work[facts + UNDER, lane], work[facts + OVER, lane] = under, over
    return found


@kernel
def slot_costs(flat, mask, lanes, column, slot, work):
    """Costs of the ways to walk a slot, and its stops, lane by lane; how many lanes stop there."""
    levels = flat[LEVELS]
    bottom = flat[flat[YS] + max(slot - 1, 0)]
    top = flat[flat[YS] + min(slot, levels - 1)]
    through = flat[flat[KIND] + column * (levels + 1) + slot] == THROUGH
    costs = 2 * flat[STATES]
    held = 0
    for lane in range(lanes):
        found = find_stops(flat, mask, lane, column, slot, bottom, top, work, costs)
        held += found
        for way in range(6):
            work[costs + way, lane] = BIG
        if not found:
            work[costs + NOT, lane] = 0
        if through:
            work[costs + 1, lane] = top - bottom
            work[costs + 2, lane] = 2 * (top - bottom)
        if not found:
            continue
        under, over = work[costs + UNDER, lane], work[costs + OVER, lane]
        if through:
            work[costs + BOTTOM, lane] = 2 * (work[costs + HIGH, lane] - bottom)
            work[costs + TOP, lane] = 2 * (top - work[costs + LOW, lane])
            work[costs + GAP, lane] = 2 * (top - bottom - work[costs + WIDE, lane])
        elif under < bottom:
            work[costs + TOP, lane] = 2 * (top - over)
        elif over > top:
            work[costs + BOTTOM, lane] = 2 * (under - bottom)
        else:
            work[costs + GAP, lane] = 2 * (under - bottom) + 2 * (top - over)
    return held


@kernel
def walk_slot(flat, lanes, column, slot, held, work, old, new, back):
    """Walk one slot with the costs found before; True when the result is at `new`."""
    count = flat[STATES]
    through = flat[flat[KIND] + column * (flat[LEVELS] + 1) + slot] == THROUGH
    if not held and not through:
        return False
    costs = 2 * count
    none = work[costs]
    for state in range(count):
        one, two = work[old + state], work[new + state]
        for lane in range(lanes):
            two[lane] = min(one[lane] + none[lane], 1 << 60)
    steps = flat[STEPS] if held else flat[EMPTY]
    ptr = (flat[STEP_PTR] if held else flat[EMPTY_PTR]) + slot
    for step in range(steps + flat[ptr], steps + flat[ptr + 1], 3):
        one, two = flat[step], flat[step + 1]
        if back:
            one, two = two, one
        source, target, cost = work[old + one], work[new + two], work[costs + flat[step + 2]]
        for lane in range(lanes):
            target[lane] = min(target[lane], source[lane] + cost[lane])
    return True


@kernel
def walk_across(flat, column, pitch, work, old, new, lanes, back):
    """Step to the next column."""
    fill(work, new, flat[STATES], lanes)
    shut = ~flat[flat[OPEN_LEVELS] + column]
    for step in range(flat[ACROSS], flat[ACROSS_END], 4):
        if flat[step + 3] & shut:
            continue
        one, two = flat[step], flat[step + 1]
        if back:
            one, two = two, one
        source, target, cost = work[old + one], work[new + two], flat[step + 2] * pitch
        for lane in range(lanes):
            target[lane] = min(target[lane], source[lane] + cost)


@kernel
def walk_doors(flat, column, work, old, new, lanes, back):
    """Tour ends and hub legs of a column; where the result is."""
    for door in range(flat[flat[DOOR_PTR] + column], flat[flat[DOOR_PTR] + column + 1]):
        fill(work, new, flat[STATES], lanes)
        apply(flat, flat[flat[DOORS] + door], 0, work, old, new, lanes, back)
        old, new = new, old
    leg = flat[flat[HUB_LEG] + column]
    if leg >= 0:
        copy(work, old, new, flat[STATES], lanes)
        apply(flat, flat[flat[HUB_OPS] + 1], leg, work, old, new, lanes, back)
        apply(flat, flat[flat[HUB_OPS] + 2], 2 * leg, work, old, new, lanes, back)
        old, new = new, old
    return old


@kernel
def begin(flat, work, lanes):
    """The costs before the first column; where they are."""
    count = flat[STATES]
    fill(work, 0, 2 * count, lanes)
    for lane in range(lanes):
        work[0, lane] = 0
    if flat[OPEN_OP] < 0:
        return 0
    apply(flat, flat[OPEN_OP], 0, work, 0, count, lanes, False)
    return count


@kernel
def tour_costs(flat, mask, lanes, union, work, lengths):
    """Lengths of the shortest tours over so many masks; `union` is scratch for one mask."""
    union[:] = 0
    for lane in range(lanes):
        stops = 0
        for word in range(union.shape[0]):
            stops |= mask[lane, word]
            union[word] |= mask[lane, word]
        lengths[lane] = stops
    count = flat[STATES]
    first, last = 0, flat[COLUMNS] - 1
    if flat[WHOLE]:
        while first < flat[FIRST] and not busy(flat, union, 0, first):
            first += 1
        while last > flat[LAST] and not busy(flat, union, 0, last):
            last -= 1
    skip_empty = flat[WHOLE] and flat[LEVELS] == 2 and flat[OPEN_OP] < 0
    old = begin(flat, work, lanes)
    pitch = 0
    for column in range(first, last + 1):
        if column > first:
            pitch += flat[flat[PITCH] + column - 1]
            if skip_empty and not busy(flat, union, 0, column):
                continue
            walk_across(flat, column - 1, pitch, work, old, count - old, lanes, False)
            old = count - old
            pitch = 0
        for slot in range(flat[LEVELS] + 1):
            if flat[flat[KIND] + column * (flat[LEVELS] + 1) + slot] != BLOCKED:
                held = slot_costs(flat, mask, lanes, column, slot, work)
                if walk_slot(flat, lanes, column, slot, held, work, old, count - old, False):
                    old = count - old
        old = walk_doors(flat, column, work, old, count - old, lanes, False)
    for lane in range(lanes):
        best = BIG
        for state in range(count):
            if flat[flat[ACCEPTING] + state]:
                best = min(best, work[old + state, lane])
        lengths[lane] = 0 if lengths[lane] == 0 else best if best >= BIG else best + flat[SPURS]
