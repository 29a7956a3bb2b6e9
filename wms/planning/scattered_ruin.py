"""Ruin and recreate for the choice among several bins (scattered storage).

Shape: works on the flat array of `scattered_search`; `costs` is [current, best], `kept` and `best`
are the choices that belong to them.
Guarantees: the demand stays met; the best choice found is never given up.
Source: Schrimpf et al. (2000).
"""

import numpy as np

from wms.planning.jit import kernel
from wms.planning.scattered_search import (
    CHOSEN,
    COLUMN_AT,
    FIRST,
    ITEMS,
    MISSING,
    OFFER_COUNT,
    WORD_AT,
    cost_of,
    prune,
    rand,
    row_of,
    serve,
    set_offer,
)


@kernel
def _save(s, target):
    for offer in range(s[OFFER_COUNT]):
        target[offer] = s[s[CHOSEN] + offer]


@kernel
def _restore(s, best):
    for offer in range(len(best)):
        if best[offer] != s[s[CHOSEN] + offer]:
            set_offer(s, offer, best[offer] == 1)


@kernel
def _ruin_items(s, queue):
    """Give up the bins of a few random items, and start again at any bin; how many items."""
    items = s[ITEMS]
    size = 1 + rand(s, 4)
    if rand(s, 4) == 0:
        size = 1 + rand(s, 12)
    size = min(items, size)
    for k in range(size):
        queue[k] = rand(s, items)
        for offer in range(s[s[FIRST] + queue[k]], s[s[FIRST] + queue[k] + 1]):
            if s[s[CHOSEN] + offer]:
                set_offer(s, offer, False)
    if rand(s, 2):
        span = s[s[FIRST] + queue[0] + 1] - s[s[FIRST] + queue[0]]
        set_offer(s, s[s[FIRST] + queue[0]] + rand(s, span), True)
    return size


@kernel
def _flood_column(s, queue):
    """Take all that is wanted from one slot or some aisles; items with too much are queued."""
    seed = rand(s, s[OFFER_COUNT])
    column, y_word = s[row_of(s, seed) + COLUMN_AT], s[row_of(s, seed) + WORD_AT]
    # An aisle up and the next one down is the natural pair.
    whole, width = rand(s, 3), 1 + rand(s, 3)
    size = 0
    for item in range(s[ITEMS]):
        for offer in range(s[s[FIRST] + item], s[s[FIRST] + item + 1]):
            near = 0 <= s[row_of(s, offer) + COLUMN_AT] - column < width
            near = near and (whole or s[row_of(s, offer) + WORD_AT] == y_word)
            if near and not s[s[CHOSEN] + offer]:
                set_offer(s, offer, True)
        if s[s[MISSING] + item] < 0:
            queue[size] = item
            size += 1
    return _shuffled(s, queue, size)


@kernel
def _shuffled(s, queue, size):
    for k in range(size - 1, 0, -1):
        other = rand(s, k + 1)
        queue[k], queue[other] = queue[other], queue[k]
    return size


@kernel
def _ruin_columns(s, queue, column, width):
    """Give up the chosen bins of some columns; how many items are now missing something."""
    for offer in range(s[OFFER_COUNT]):
        if s[s[CHOSEN] + offer] and 0 <= s[row_of(s, offer) + COLUMN_AT] - column < width:
            set_offer(s, offer, False)
    size = 0
    for item in range(s[ITEMS]):
        if s[s[MISSING] + item] > 0:
            queue[size] = item
            size += 1
    return _shuffled(s, queue, size)


@kernel
def _any_chosen(s):
    """A random chosen offer."""
    offer = rand(s, s[OFFER_COUNT])
    while not s[s[CHOSEN] + offer]:
        offer = (offer + 1) % s[OFFER_COUNT]
    return offer


@kernel
def ruin_and_recreate(flat, s, work, best, kept, costs, tries):
    """`tries` times: give up some bins, serve their items again, keep it if not longer.

    `costs` is [current, best]; `kept` and `best` are the choices that belong to them.
    """
    queue = np.zeros(s[ITEMS] + 12, np.int64)
    for _ in range(tries):
        ban = -1
        kind = rand(s, 5)
        if kind < 2:
            size = _ruin_items(s, queue)
        elif kind < 3:
            size = _flood_column(s, queue)
        else:
            column = s[row_of(s, _any_chosen(s)) + COLUMN_AT]
            size = _ruin_columns(s, queue, column, 1 + rand(s, 2))
            ban = column if rand(s, 4) else -1
        noise = 0.5 if rand(s, 3) == 0 else 0.0
        serve(flat, s, work, queue, size, noise, ban, size < 5 and rand(s, 2) == 0)
        for k in range(size):
            prune(flat, s, work, queue[k])
        length = cost_of(flat, s, work)
        if length <= costs[0]:
            costs[0] = length
            _save(s, kept)
            if length < costs[1]:
                costs[1] = length
                _save(s, best)
        else:
            _restore(s, kept)


@kernel
def mend(flat, s, work, order, taken, best, kept, costs):
    """A plan from what a tour passes (`taken` of the offers in `order`): serve the rest, prune."""
    for offer in range(s[OFFER_COUNT]):
        if s[s[CHOSEN] + offer]:
            set_offer(s, offer, False)
    for k in range(len(order)):
        if taken[k]:
            set_offer(s, order[k], True)
    queue, size = np.zeros(s[ITEMS], np.int64), 0
    for item in range(s[ITEMS]):
        if s[s[MISSING] + item] > 0:
            queue[size] = item
            size += 1
    serve(flat, s, work, queue, _shuffled(s, queue, size), 0.0, -1, size < 5)
    for item in range(s[ITEMS]):
        queue[item] = item
    _shuffled(s, queue, s[ITEMS])
    for item in queue:
        prune(flat, s, work, item)
    length = cost_of(flat, s, work)
    if length < costs[1]:
        costs[1] = length
        _save(s, best)
    costs[0] = length
    _save(s, kept)


@kernel
def restart(s, best, kept, costs):
    """Go on from the best choice."""
    _restore(s, best)
    kept[:] = best
    costs[0] = costs[1]
