"""Improve a set of filled boxes: empty a few, fill others in their place, keep what is better.

Problem: pieces in boxes of several types and prices. A step takes two to four boxes, proposes the
same or cheaper types for their contents, and packs them anew by disturbed sequences. It is kept
when the price falls, or when the price stays and the free room is gathered in fewer boxes, which is
what lets a box disappear later.

Units: mm, g. Guarantees: those of `spaces` for every box; the price never rises; same state, same
steps.
Source: ruin and recreate (Schrimpf et al., Journal of Computational Physics 159, 2000); gathering
free room in few bins as in Falkenauer, Journal of Heuristics 2 (1996).
"""

from typing import NamedTuple

import numpy as np

from wms.planning.block_fill import fill_blocks
from wms.planning.compiled import draw
from wms.planning.jit import kernel
from wms.planning.spaces import fill

PART_MAX = 4


class Types(NamedTuple):
    """Types of boxes.

    Shape: inner[type, 3]; limits[type] = weight, volume, pieces; fits[type, kind] = 0 or 1.
    """

    inner: np.ndarray
    limits: np.ndarray
    price: np.ndarray
    tare: np.ndarray
    gross_price: np.ndarray
    fits: np.ndarray


class Method(NamedTuple):
    """How boxes are filled: least support, styles to draw from, sequences tried for each box.

    With `grids` equal pieces are placed as grids, several at once (0 or 1).
    """

    support_min: float
    styles: np.ndarray
    tries: int
    grids: int = 0


class Boxes(NamedTuple):
    """Filled boxes: rows[start[i]:start[i + 1]] are the pieces of box i, of type kind[i].

    number[0] boxes are in use; stock[type] boxes of a type are still free.
    """

    rows: np.ndarray
    start: np.ndarray
    kind: np.ndarray
    number: np.ndarray
    stock: np.ndarray


@kernel
def price_box(types, t, weight):
    """Return the price of a box of a type with contents of a weight."""
    return max(types.price[t], types.gross_price[t] * (weight + types.tare[t]))


@kernel
def choose_boxes_to_empty(boxes, goods, types, part, state):
    """Write some boxes to `part`, the first with much room; return how many."""
    count = boxes.number[0]
    size = min(count, 2 + draw(state, 2) + (1 if draw(state, 4) == 0 else 0))
    for i in range(size):
        pick = -1
        most = -1.0
        for _ in range(3 if i == 0 else 1):
            while True:
                b = draw(state, count)
                known = False
                for j in range(i):
                    if part[j] == b:
                        known = True
                if not known:
                    break
            free = 1.0 - box_volume(boxes, b, goods) / types.limits[boxes.kind[b], 1]
            if free > most:
                most = free
                pick = b
        part[i] = pick
    return size


@kernel
def box_volume(boxes, b, goods):
    """Return the volume of the contents of a box."""
    total = 0
    for r in range(boxes.start[b], boxes.start[b + 1]):
        total += goods.volume[boxes.rows[r, 0]]
    return total


@kernel
def propose(boxes, part, size, types, weight, volume, price, goal, state):
    """Write types for the contents of the emptied boxes to `goal`; return how many, 0 if none."""
    n_types = types.price.shape[0]
    wish = draw(state, 4)
    number = size
    for i in range(size):
        goal[i] = boxes.kind[part[i]]
    # Any sequence of the types may be the one in which the pieces find their places.
    for i in range(size - 1, 0, -1):
        j = draw(state, i + 1)
        goal[i], goal[j] = goal[j], goal[i]
    if wish == 0 and size > 1:
        number = size - 1
    elif wish >= 2 and n_types > 1:
        goal[draw(state, number)] = draw(state, n_types)
        if wish == 3:
            goal[draw(state, number)] = draw(state, n_types)
            if size > 1 and draw(state, 3) == 0:
                number = size - 1
    room = 0
    carry = 0
    cost = 0
    for i in range(number):
        room += types.limits[goal[i], 1]
        carry += types.limits[goal[i], 0]
        cost += types.price[goal[i]]
    if room < volume or carry < weight or cost > price:
        return 0
    return number


@kernel
def make_order(stock, goods, keys, present, order, mix, state):
    """Write the pieces still to pack, big ones first in a disturbed sense; return how many."""
    sense = draw(state, 4)
    noise = 1 + draw(state, 600)
    number = 0
    for kind in range(stock.shape[0]):
        if stock[kind] == 0:
            continue
        edge = goods.turns[kind, 0]
        if sense <= 1:
            size = float(goods.volume[kind]) * mix[0] + goods.weight[kind] * mix[1]
        elif sense == 2:
            size = float(max(edge[0], max(edge[1], edge[2]))) ** 3
        else:
            low = min(edge[0], min(edge[1], edge[2]))
            size = float(goods.volume[kind]) / low
        if goods.closed_top[kind] == 1:
            size *= 0.1
        keys[number] = -size * (1000 - noise + draw(state, 2 * noise))
        present[number] = kind
        number += 1
    n = 0
    for at in np.argsort(keys[:number]):
        kind = present[at]
        for _ in range(stock[kind]):
            order[n] = kind
            n += 1
    return n


@kernel
def fill_one(order, goods, types, t, method, style, placed, taken):
    """Fill one box of a type by one sequence; return the number of pieces."""
    inner, limits, support_min = types.inner[t], types.limits[t], method.support_min
    if method.grids == 1 and goods.load_max.shape[0] == 0:
        return fill_blocks(order, goods, inner, limits, support_min, style, placed, taken)
    return fill(order, goods, inner, limits, support_min, style, placed, taken)


@kernel
def fill_best(stock, t, goods, types, method, mix, scratch, rows, at, state):
    """Fill one box of a type by several sequences; write the best rows; return their number."""
    keys, present, order, placed, taken = scratch
    best = -1.0
    best_count = 0
    last = -1
    for _ in range(method.tries):
        n = make_order(stock, goods, keys, present, order, mix, state)
        kept = 0
        run = 0
        for i in range(n):
            kind = order[i]
            run = run + 1 if i > 0 and last == kind else 1
            last = kind
            # More than the box can hold of a kind is not even looked at.
            roomy = run * goods.volume[kind] <= types.limits[t, 1]
            strong = run * goods.weight[kind] <= types.limits[t, 0]
            if types.fits[t, kind] == 1 and roomy and strong:
                order[kept] = kind
                kept += 1
        style = method.styles[draw(state, method.styles.shape[0])]
        count = fill_one(order[:kept], goods, types, t, method, style, placed, taken)
        got = 0.0
        for i in range(count):
            kind = placed[i, 0]
            got += goods.volume[kind] * mix[0] + goods.weight[kind] * mix[1]
        if got > best:
            best = got
            best_count = count
            rows[at : at + count] = placed[:count]
        if count == n:
            break
    for i in range(best_count):
        stock[rows[at + i, 0]] -= 1
    return best_count


@kernel
def pack_goal(goal, number, stock, goods, types, method, mix, scratch, rows, ends, state):
    """Pack the pieces in stock into boxes of the goal's types; say whether all found a place."""
    weight = (stock * goods.weight).sum()
    volume = (stock * goods.volume).sum()
    at = 0
    for i in range(number):
        t = goal[i]
        count = fill_best(stock, t, goods, types, method, mix, scratch, rows, at, state)
        for r in range(at, at + count):
            weight -= goods.weight[rows[r, 0]]
            volume -= goods.volume[rows[r, 0]]
        at += count
        ends[i] = at
        room = 0
        carry = 0
        for j in range(i + 1, number):
            room += types.limits[goal[j], 1]
            carry += types.limits[goal[j], 0]
        if volume > room or weight > carry:
            return False
    return stock.sum() == 0


@kernel
def replace_boxes(boxes, part, size, goal, number, rows, ends, spare):
    """Put the newly filled boxes in the place of the emptied ones."""
    at = 0
    kept = 0
    for b in range(boxes.number[0]):
        gone = False
        for i in range(size):
            if part[i] == b:
                gone = True
        if gone:
            boxes.stock[boxes.kind[b]] += 1
            continue
        first, last = boxes.start[b], boxes.start[b + 1]
        spare[at : at + last - first] = boxes.rows[first:last]
        boxes.start[kept] = at
        boxes.kind[kept] = boxes.kind[b]
        at += last - first
        kept += 1
    first = 0
    for i in range(number):
        last = ends[i]
        if last > first:
            spare[at : at + last - first] = rows[first:last]
            boxes.start[kept] = at
            boxes.kind[kept] = goal[i]
            boxes.stock[goal[i]] -= 1
            at += last - first
            kept += 1
        first = last
    boxes.start[kept] = at
    boxes.number[0] = kept
    boxes.rows[:at] = spare[:at]


@kernel
def judge(kinds, number, rows, ends, goods, types):
    """Return price and gathered free room of filled boxes; empty ones cost nothing."""
    price = 0
    gathered = 0.0
    first = 0
    for i in range(number):
        last = ends[i]
        if last > first:
            weight = 0
            volume = 0
            for r in range(first, last):
                weight += goods.weight[rows[r, 0]]
                volume += goods.volume[rows[r, 0]]
            price += price_box(types, kinds[i], weight)
            free = 1.0 - volume / types.limits[kinds[i], 1]
            gathered += free * free
        else:
            gathered += 1.0
        first = last
    return price, gathered


@kernel
def has_stock(boxes, part, size, goal, number):
    """Say whether the goal's types are free once the emptied boxes are given back."""
    for i in range(number):
        t = goal[i]
        free = boxes.stock[t]
        for j in range(size):
            if boxes.kind[part[j]] == t:
                free += 1
        for j in range(number):
            if goal[j] == t:
                free -= 1
        if free < 0:
            return False
    return True


@kernel
def make_scratch(n, n_kinds):
    """Return the working arrays that filling needs: keys, kinds, order, placed, taken."""
    return (
        np.empty(n_kinds),
        np.empty(n_kinds, np.int64),
        np.empty(n, np.int64),
        np.empty((n + 1, 7), np.int64),
        np.empty(n, np.int64),
    )


@kernel
def take_out(boxes, part, size, kinds, ends, rows, stock):
    """Copy the contents of some boxes to `rows` and count them in `stock`."""
    stock[:] = 0
    at = 0
    for i in range(size):
        kinds[i] = boxes.kind[part[i]]
        for r in range(boxes.start[part[i]], boxes.start[part[i] + 1]):
            rows[at] = boxes.rows[r]
            stock[boxes.rows[r, 0]] += 1
            at += 1
        ends[i] = at


@kernel
def improve(boxes, goods, types, method, steps, state):
    """Do so many steps; return the change of the price (never above 0)."""
    n = boxes.rows.shape[0]
    n_kinds = goods.weight.shape[0]
    numbers = np.empty((4, PART_MAX), np.int64)
    part, goal, kinds, ends = numbers[0], numbers[1], numbers[2], numbers[3]
    old_rows = np.empty((n, 7), np.int64)
    spare = np.empty((n, 7), np.int64)
    rows = np.empty((n + 1, 7), np.int64)
    stock = np.empty(n_kinds, np.int64)
    scratch = make_scratch(n, n_kinds)
    mix = np.empty(2)
    change = 0
    for _ in range(steps):
        size = choose_boxes_to_empty(boxes, goods, types, part, state)
        take_out(boxes, part, size, kinds, ends, old_rows, stock)
        weight = (stock * goods.weight).sum()
        volume = (stock * goods.volume).sum()
        price, gathered = judge(kinds, size, old_rows, ends, goods, types)
        number = propose(boxes, part, size, types, weight, volume, price, goal, state)
        if number == 0 or not has_stock(boxes, part, size, goal, number):
            continue
        mix[0] = 1.0 / volume
        mix[1] = 0.5 * draw(state, 5) / max(1, weight)
        if not pack_goal(
            goal, number, stock, goods, types, method, mix, scratch, rows, ends, state
        ):
            continue
        new_price, new_gathered = judge(goal, number, rows, ends, goods, types)
        if number < size:
            new_gathered += size - number
        if new_price < price or (new_price == price and new_gathered >= gathered):
            change += new_price - price
            replace_boxes(boxes, part, size, goal, number, rows, ends, spare)
    return change
