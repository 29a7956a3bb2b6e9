"""First fillings: a load into given boxes, or box after box by what gives most for its price.

Units: mm, g. Guarantees: those of `spaces` for every box; same state, same filling.
"""

import numpy as np

from wms.planning.compiled import draw
from wms.planning.jit import kernel
from wms.planning.repack import fill_best, judge, make_scratch, pack_goal, price_box

PROMISING, LOOK_AGAIN = 0.9, 8


@kernel
def try_goal(goal, counts, goods, types, method, tries, rows, ends, state):
    """Try to pack a load into boxes of the goal's types; say after how many tries, 0 if never.

    Writes rows and the end of each box; the types in `goal` are left in the sequence that worked.
    """
    weight = (counts * goods.weight).sum()
    volume = (counts * goods.volume).sum()
    scratch = make_scratch(counts.sum(), counts.shape[0])
    mix = np.empty(2)
    number = goal.shape[0]
    for turn in range(tries):
        for i in range(number - 1, 0, -1):
            j = draw(state, i + 1)
            goal[i], goal[j] = goal[j], goal[i]
        mix[0] = 1.0 / volume
        mix[1] = 0.5 * (turn % 4) / max(1, weight)
        stock = counts.copy()
        if pack_goal(goal, number, stock, goods, types, method, mix, scratch, rows, ends, state):
            return turn + 1
    return 0


@kernel
def worth_of(rows, count, t, goods, types, mix):
    """Return what a filled box gives for its price."""
    got = 1e-12 * count
    weight = 0
    for i in range(count):
        kind = rows[i, 0]
        got += goods.volume[kind] * mix[0] + goods.weight[kind] * mix[1]
        weight += goods.weight[kind]
    return got / price_box(types, t, weight)


@kernel
def hope_all(left, goods, types, mix, hopes):
    """Write what a filled box of each type could give for its price at most."""
    pieces = left.sum()
    volume = (left * goods.volume).sum()
    weight = (left * goods.weight).sum()
    for t in range(hopes.shape[0]):
        room = min(volume, types.limits[t, 1])
        carry = min(weight, types.limits[t, 0])
        most = min(pieces, types.limits[t, 2])
        got = 1e-12 * most + room * mix[0] + carry * mix[1]
        hopes[t] = got / types.price[t]


@kernel
def fill_greedily(counts, free, goods, types, method, lean, boxes, state):
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
    mix[0] = (1.0 - lean) / max(1, (counts * goods.volume).sum())
    mix[1] = lean / max(1, (counts * goods.weight).sum())
    n_types = types.price.shape[0]
    worths = np.full(n_types, np.inf)
    roomiest = types.limits[:, 1].max()
    all_types = True
    hopes = np.empty(n_types)
    while left.sum() > 0:
        best = -1.0
        hope_all(left, goods, types, mix, hopes)
        b = boxes.number[0]
        at = boxes.start[b]
        # While there is much left, types that gave little for the last box are not tried again.
        ending = (left * goods.volume).sum() <= roomiest or b % LOOK_AGAIN == 0
        all_types = all_types or ending
        hopeful = -np.inf if all_types else PROMISING * worths.max()
        for t in np.argsort(-hopes):
            if boxes.stock[t] < 1 or worths[t] < hopeful:
                continue
            if hopes[t] <= best:
                # no better worth than known
                worths[t] = min(worths[t], hopes[t])
                continue
            stock = left.copy()
            count = fill_best(stock, t, goods, types, method, mix, scratch, rows, 0, state)
            worth = worth_of(rows, count, t, goods, types, mix)
            worths[t] = worth
            if count > 0 and worth > best:
                best = worth
                boxes.kind[b] = t
                boxes.start[b + 1] = at + count
                boxes.rows[at : at + count] = rows[:count]
        if best < 0:
            if all_types:
                break
            all_types = True
            continue
        all_types = False
        while take_box(left, boxes):
            repeat_box(boxes)
    return left


@kernel
def take_box(left, boxes):
    """Take the contents of the box after the last one; say whether there is enough for another."""
    b = boxes.number[0]
    t = boxes.kind[b]
    boxes.stock[t] -= 1
    boxes.number[0] += 1
    for r in range(boxes.start[b], boxes.start[b + 1]):
        left[boxes.rows[r, 0]] -= 1
    used = np.zeros(left.shape[0], np.int64)
    for r in range(boxes.start[b], boxes.start[b + 1]):
        used[boxes.rows[r, 0]] += 1
    return boxes.stock[t] > 0 and (used <= left).all()


@kernel
def repeat_box(boxes):
    """Write the last box once more: what was best for a large load is best for what is left."""
    b = boxes.number[0]
    start, end = boxes.start[b - 1], boxes.start[b]
    boxes.kind[b] = boxes.kind[b - 1]
    boxes.rows[end : end + end - start] = boxes.rows[start:end]
    boxes.start[b + 1] = end + end - start


@kernel
def price_all(boxes, goods, types):
    """Return the price of all boxes."""
    count = boxes.number[0]
    return judge(boxes.kind, count, boxes.rows, boxes.start[1:], goods, types)[0]
