"""Exact tour lengths a million times a second, for searches that try many groupings.

The dynamic program of `route_dp` over the bits of a mask, without building the tour; forwards
(costs so far) or backwards (costs still to come). Units: mm.
Shape: `flat` is the array of a `FloorMap`; `work` is scratch space for two rows of states and the
costs of the ways to walk one slot; `old` and `new` say where in it the rows begin.
Guarantees: equal to `route_dp` for tours that start and end at stations.
"""

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
    WORD_PTR,
    YS,
)
from wms.planning.jit import kernel


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
def walk_doors(flat, column, work, old, new, back):
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
        old = walk_doors(flat, column, work, old, new, True)
    for number in range(slots):
        slot = slots - 1 - number if back else number
        if walk_slot(flat, mask, base, column, slot, work, old, both - old, back):
            old = both - old
    if not back:
        old = walk_doors(flat, column, work, old, both - old, False)
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
