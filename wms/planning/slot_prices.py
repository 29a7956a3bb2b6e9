"""What each place would cost the orders of an item: all places of the hall in two walks.

The states of a tour are worked out from the left end and from the right end of the hall. Where
they meet at a slot, a stop anywhere in it changes only the way that the slot is walked: so one
walk from each side gives the exact length of the tour with one more stop, for every place.
Units: mm. Shape: `prices` has a cell for each place (word * 32 + bit).
Guarantees: for reachable places the sum of the exact lengths, each times the weight of its order.
"""

from wms.planning.floor import (
    ACCEPTING,
    BLOCKED,
    COLUMNS,
    HEIGHTS,
    KIND,
    LEVELS,
    PITCH,
    SPURS,
    STATES,
    STEP_PTR,
    STEPS,
    THROUGH,
    WALL,
    WORD,
    WORD_PTR,
    YS,
)
from wms.planning.jit import kernel
from wms.planning.slot_lanes import (
    BEFORE,
    BOTTOM,
    GAP,
    HIGH,
    LOW,
    NEXT_WIDE,
    OVER,
    ROWS,
    TOP,
    UNDER,
    WAYS,
    WIDE,
    begin,
    fill,
    slot_costs,
    walk_across,
    walk_doors,
    walk_slot,
)


@kernel
def keep(stages, at, work, old, count, lanes):
    """Keep the states before a slot."""
    for state in range(count):
        one, two = work[old + state], stages[at + state]
        for lane in range(lanes):
            two[lane] = one[lane]


@kernel
def from_left(flat, mask, lanes, work, stages):
    """Walk the hall to its right end; keep the states before each slot."""
    count, slots = flat[STATES], flat[LEVELS] + 1
    old = begin(flat, work, lanes)
    for column in range(flat[COLUMNS]):
        if column:
            pitch = flat[flat[PITCH] + column - 1]
            walk_across(flat, column - 1, pitch, work, old, count - old, lanes, False)
            old = count - old
        for slot in range(slots):
            if flat[flat[KIND] + column * slots + slot] == BLOCKED:
                continue
            keep(stages, (column * slots + slot) * count, work, old, count, lanes)
            held = slot_costs(flat, mask, lanes, column, slot, work)
            if walk_slot(flat, lanes, column, slot, held, work, old, count - old, False):
                old = count - old
        old = walk_doors(flat, column, work, old, count - old, lanes, False)


@kernel
def meet(flat, slot, at, stages, work, old, rest, lanes):
    """Cheapest tours for each way to walk a slot, without the cost of the slot itself."""
    fill(work, rest + WAYS, 6, lanes)
    steps, ptr = flat[STEPS], flat[STEP_PTR] + slot
    for step in range(steps + flat[ptr], steps + flat[ptr + 1], 3):
        left, right = stages[at + flat[step]], work[old + flat[step + 1]]
        best = work[rest + WAYS + flat[step + 2]]
        for lane in range(lanes):
            best[lane] = min(best[lane], left[lane] + right[lane])


@kernel
def price_through(y, bottom, top, bits, weight, lanes, work, facts, rest):
    """Sum, by weight, of the tours with a stop at y in a slot that can be walked through."""
    low, high = work[facts + LOW], work[facts + HIGH]
    wide, next_wide = work[facts + WIDE], work[facts + NEXT_WIDE]
    before, after = work[rest + BEFORE], bits
    one, two, three = work[rest + 1], work[rest + 2], work[rest + BOTTOM]
    four, five = work[rest + TOP], work[rest + GAP]
    span = top - bottom
    total = 0
    for lane in range(lanes):
        gap = after[lane] - before[lane]
        gap = next_wide[lane] if gap == wide[lane] else wide[lane]
        gap = max(gap, max(y - before[lane], after[lane] - y))
        best = min(one[lane] + span, two[lane] + 2 * span)
        best = min(best, three[lane] + 2 * (max(high[lane], y) - bottom))
        best = min(best, four[lane] + 2 * (top - min(low[lane], y)))
        best = min(best, five[lane] + 2 * (span - gap))
        total += weight[lane] * min(best, 1 << 40)
    return total


@kernel
def price_walled(y, wall, bottom, top, weight, lanes, work, facts, rest):
    """Sum, by weight, of the tours with a stop at y in a slot with a wall."""
    total = 0
    for lane in range(lanes):
        under, over = work[facts + UNDER, lane], work[facts + OVER, lane]
        if y < wall:
            under = max(under, y)
        else:
            over = min(over, y)
        if under < bottom:
            best = work[rest + TOP, lane] + 2 * (top - over)
        elif over > top:
            best = work[rest + BOTTOM, lane] + 2 * (under - bottom)
        else:
            best = work[rest + GAP, lane] + 2 * (under - bottom) + 2 * (top - over)
        total += weight[lane] * min(best, 1 << 40)
    return total


@kernel
def price_slot(flat, mask, weight, lanes, column, slot, work, after, rest, prices):
    """Add the tours with one more stop at each place of a slot."""
    levels = flat[LEVELS]
    key = column * (levels + 1) + slot
    bottom = flat[flat[YS] + max(slot - 1, 0)]
    top = flat[flat[YS] + min(slot, levels - 1)]
    through = flat[flat[KIND] + key] == THROUGH
    wall, facts = flat[flat[WALL] + key], 2 * flat[STATES]
    spurs = flat[SPURS] * weight[:lanes].sum()
    first, last = WORD * flat[flat[WORD_PTR] + key], WORD * flat[flat[WORD_PTR] + key + 1]
    for lane in range(lanes):
        work[rest + BEFORE, lane] = bottom
        y = top
        for at in range(last - 1, first - 1, -1):
            if mask[lane, at // WORD] >> (at % WORD) & 1:
                y = flat[flat[HEIGHTS] + at]
            after[at - first, lane] = y
    for at in range(first, last):
        y = flat[flat[HEIGHTS] + at]
        if at > first and y <= flat[flat[HEIGHTS] + at - 1]:
            break
        for lane in range(lanes):
            if after[at - first, lane] == y:
                work[rest + BEFORE, lane] = y
        if through:
            bits = after[at - first]
            found = price_through(y, bottom, top, bits, weight, lanes, work, facts, rest)
        else:
            found = price_walled(y, wall, bottom, top, weight, lanes, work, facts, rest)
        prices[at] += found + spurs


@kernel
def price_places(flat, mask, weight, lanes, work, stages, after, prices):
    """Add to each place the lengths, by weight, of the tours of all lanes with one more stop."""
    count, slots = flat[STATES], flat[LEVELS] + 1
    from_left(flat, mask, lanes, work, stages)
    fill(work, 0, 2 * count, lanes)
    for state in range(count):
        if flat[flat[ACCEPTING] + state]:
            for lane in range(lanes):
                work[state, lane] = 0
    old, rest = 0, 2 * count + ROWS
    for column in range(flat[COLUMNS] - 1, -1, -1):
        old = walk_doors(flat, column, work, old, count - old, lanes, True)
        for slot in range(slots - 1, -1, -1):
            if flat[flat[KIND] + column * slots + slot] == BLOCKED:
                continue
            held = slot_costs(flat, mask, lanes, column, slot, work)
            meet(flat, slot, (column * slots + slot) * count, stages, work, old, rest, lanes)
            price_slot(flat, mask, weight, lanes, column, slot, work, after, rest, prices)
            if walk_slot(flat, lanes, column, slot, held, work, old, count - old, True):
                old = count - old
        if column:
            pitch = flat[flat[PITCH] + column - 1]
            walk_across(flat, column - 1, pitch, work, old, count - old, lanes, True)
            old = count - old
