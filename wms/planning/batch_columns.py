"""Inner loops of pricing tours: sets of orders worth more than their walk.

Shape: arrays `s` and `memo` of `batch_search`; the set at hand is the spare group of `s`, behind
all others. `pool` holds one row for each set kept: [name, cost, size, members..]; `seen` finds a
name in it. Values of the orders (`duals`) come from the linear program of `batch_master`.
Guarantees: every set in the pool fits the cart, is kept once, and its cost is its exact tour.
"""

import numpy as np

from wms.planning.batch_search import (
    COUNT,
    KINDS,
    LOADS,
    NAME,
    SIZE,
    WHERE,
    cost_of,
    fits,
    group_at,
    member,
    order_at,
    put_in,
    take_out,
)
from wms.planning.jit import kernel

NAMED, PRICE, RIDERS, FIRST = range(4)
STEPS_MAX = 12


@kernel
def find(pool, seen, name):
    """Where `seen` holds a name, or where it belongs."""
    space = len(seen) - 1
    place = (name ^ (name >> 31)) & space
    while seen[place] and pool[seen[place] - 1, NAMED] != name:
        place = (place + 1) & space
    return place


@kernel
def index(pool, seen, kept):
    """Find all kept rows by their names."""
    seen[:] = 0
    for row in range(kept):
        seen[find(pool, seen, pool[row, NAMED])] = row + 1


@kernel
def _note(s, pool, seen, kept, cost, leaver, joiner):
    """Keep the set at hand without one order and with another; the new number of rows."""
    spare = s[COUNT]
    name = s[group_at(s, spare) + NAME]
    if leaver >= 0:
        name ^= s[order_at(s, leaver)]
    if joiner >= 0:
        name ^= s[order_at(s, joiner)]
    place = find(pool, seen, name)
    if seen[place] or kept == len(pool):
        return kept
    seen[place] = kept + 1
    size = 0
    for at in range(s[group_at(s, spare) + SIZE]):
        order = member(s, spare, at)
        if order != leaver:
            pool[kept, FIRST + size] = order
            size += 1
    if joiner >= 0:
        pool[kept, FIRST + size] = joiner
        size += 1
    pool[kept, NAMED], pool[kept, PRICE], pool[kept, RIDERS] = name, cost, size
    return kept + 1


@kernel
def _drop(s, order):
    take_out(s, order)
    s[s[WHERE] + order] = -1


@kernel
def load(s, pool, row):
    """Make a kept set the one at hand; nobody is in a group besides."""
    spare = s[COUNT]
    for order in range(s[COUNT]):
        s[s[WHERE] + order] = -1
    begin = group_at(s, spare)
    for field in range(begin, begin + LOADS + s[KINDS]):
        s[field] = 0
    for at in range(pool[row, RIDERS]):
        put_in(s, pool[row, FIRST + at], spare)


@kernel
def price(flat, s, memo, work, pool, seen, kept, starts, duals, slack):
    """From each of the sets `starts` change one order at a time while a set gets cheaper.

    Keeps sets that cost less than their orders are worth and less than all before from the same
    start; with `slack` every set that costs less than this beyond what it is worth. The number of
    rows.
    """
    count, spare = s[COUNT], s[COUNT]
    for start in starts:
        load(s, pool, start)
        worth = 0.0
        for at in range(pool[start, RIDERS]):
            worth += duals[pool[start, FIRST + at]]
        value = pool[start, PRICE] - worth
        for _ in range(STEPS_MAX):
            best, off, on = value - 1e-6, -1, -1
            for at in range(-1, s[group_at(s, spare) + SIZE]):
                leaver, rest = -1, value
                if at >= 0:
                    leaver = member(s, spare, at)
                    cost = cost_of(flat, s, memo, work, spare, leaver, -1)
                    rest = cost - worth + duals[leaver]
                    if cost and rest < max(slack, min(best, -1.0)):
                        kept = _note(s, pool, seen, kept, cost, leaver, -1)
                    if cost and rest < best:
                        best, off, on = rest, leaver, -1
                for joiner in range(count):
                    # One more order never makes a tour shorter.
                    gain = rest - duals[joiner]
                    if gain >= max(slack, best):
                        continue
                    if s[s[WHERE] + joiner] == spare or not fits(s, spare, leaver, joiner):
                        continue
                    cost = cost_of(flat, s, memo, work, spare, leaver, joiner)
                    gain = cost - worth - duals[joiner]
                    if leaver >= 0:
                        gain += duals[leaver]
                    if gain < max(slack, min(best, -1.0)):
                        kept = _note(s, pool, seen, kept, cost, leaver, joiner)
                    if gain < best:
                        best, off, on = gain, leaver, joiner
            if off < 0 and on < 0:
                break
            value = best
            if off >= 0:
                _drop(s, off)
                worth -= duals[off]
            if on >= 0:
                put_in(s, on, spare)
                worth += duals[on]
    return kept


def new_pool(rows: int, riders: int) -> tuple[np.ndarray, np.ndarray]:
    """An empty pool for sets of at most so many orders, and where names are found in it."""
    bits = max(4, int(2 * rows).bit_length())
    return np.zeros((rows, FIRST + riders), np.int64), np.zeros(1 << bits, np.int64)
