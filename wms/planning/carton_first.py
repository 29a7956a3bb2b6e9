"""First fillings: a load into given boxes, or box after box by what gives most for its price.

Units: mm, g. Guarantees: those of `spaces` for every box; same state, same filling.
"""

import numpy as np

from wms.planning.compiled import draw
from wms.planning.jit import kernel
from wms.planning.repack import fill_best, judge, pack_goal, price_box


@kernel
def make_scratch(n, n_kinds):
    """Return the working arrays that filling needs."""
    return (
        np.empty(n_kinds),
        np.empty(n, np.int64),
        np.empty((n + 1, 7), np.int64),
        np.empty(n, np.int64),
    )


@kernel
def try_goal(goal, counts, stuff, types, support_min, styles, tries, rows, ends, state):
    """Try to pack a load into boxes of the goal's types; say after how many tries, 0 if never.

    Writes rows and the end of each box; the types in `goal` are left in the sequence that worked.
    """
    n = 0
    weight = 0
    volume = 0
    for kind in range(counts.shape[0]):
        n += counts[kind]
        weight += counts[kind] * stuff.weight[kind]
        volume += counts[kind] * stuff.volume[kind]
    scratch = make_scratch(n, counts.shape[0])
    mix = np.empty(2)
    number = goal.shape[0]
    for turn in range(tries):
        for i in range(number - 1, 0, -1):
            j = draw(state, i + 1)
            goal[i], goal[j] = goal[j], goal[i]
        mix[0] = 1.0 / volume
        mix[1] = 0.5 * (turn % 4) / max(1, weight)
        stock = counts.copy()
        if pack_goal(
            goal,
            number,
            stock,
            stuff,
            types,
            support_min,
            styles,
            1,
            mix,
            weight,
            volume,
            scratch,
            rows,
            ends,
            state,
        ):
            return turn + 1
    return 0


@kernel
def fill_greedily(counts, free, stuff, types, support_min, styles, tries, lean, boxes, state):
    """Fill box after box, each time the type that gives most for its price; return pieces left.

    `lean` weighs the weight of goods against their volume. Writes all of `boxes`.
    """
    left = counts.copy()
    boxes.stock[:] = free
    boxes.number[0] = 0
    boxes.start[0] = 0
    n = counts.sum()
    rows = np.empty((n + 1, 7), np.int64)
    scratch = make_scratch(n, counts.shape[0])
    mix = np.empty(2)
    whole_volume = max(1, (counts * stuff.volume).sum())
    whole_weight = max(1, (counts * stuff.weight).sum())
    mix[0] = (1.0 - lean) / whole_volume
    mix[1] = lean / whole_weight
    keys, order, placed, taken = scratch
    while left.sum() > 0:
        best = -1.0
        at = boxes.start[boxes.number[0]]
        for t in range(types.price.shape[0]):
            if boxes.stock[t] < 1:
                continue
            stock = left.copy()
            count = fill_best(
                stock,
                t,
                stuff,
                types,
                support_min,
                styles,
                tries,
                mix,
                keys,
                order,
                placed,
                taken,
                rows,
                0,
                state,
            )
            if count == 0:
                continue
            got = 0.0
            weight = 0
            for i in range(count):
                kind = rows[i, 0]
                got += stuff.volume[kind] * mix[0] + stuff.weight[kind] * mix[1] + 1e-12
                weight += stuff.weight[kind]
            worth = got / price_box(types, t, weight)
            if worth > best:
                best = worth
                boxes.kind[boxes.number[0]] = t
                boxes.start[boxes.number[0] + 1] = at + count
                boxes.rows[at : at + count] = rows[:count]
        if best < 0:
            break
        boxes.stock[boxes.kind[boxes.number[0]]] -= 1
        for r in range(at, boxes.start[boxes.number[0] + 1]):
            left[boxes.rows[r, 0]] -= 1
        boxes.number[0] += 1
    return left


@kernel
def price_all(boxes, stuff, types):
    """Return the price of all boxes."""
    count = boxes.number[0]
    return judge(boxes.kind, count, boxes.rows, boxes.start[1:], stuff, types)[0]
