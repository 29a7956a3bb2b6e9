"""Inner loops of the choice among several bins: cheapest insertion into exact tours.

Shape: an offer is a row [item, word, bit, column, supply]; offers of one item are consecutive.
`before[c]` holds the costs of everything left of column c, `after[c]` of everything right of it,
so the exact length of a tour with one more place costs the work of one column only.
Guarantees: the demand stays met; the best choice found is never given up.
Source: ruin and recreate (Schrimpf et al. 2000) on forward and backward tour costs.
"""

from typing import NamedTuple

import numpy as np

from wms.planning.floor import ACCEPTING, BIG, COLUMNS, PITCH, SPURS, STATES
from wms.planning.jit import kernel
from wms.planning.tour_cost import begin, walk_across, walk_column

ITEM, WORD_AT, BIT_AT, COLUMN_AT, SUPPLY = range(5)


class Shelf(NamedTuple):
    """Offers, their ranges per item, the demand, and what is chosen now.

    `state` is [before is good up to this column, after from this column on, random number].
    """

    flat: np.ndarray
    offers: np.ndarray
    first: np.ndarray
    demand: np.ndarray
    chosen: np.ndarray
    missing: np.ndarray
    uses: np.ndarray
    mask: np.ndarray
    before: np.ndarray
    after: np.ndarray
    work: np.ndarray
    state: np.ndarray


BEFORE_OK, AFTER_OK, LUCK = range(3)


@kernel
def _rand(state, below):
    state[LUCK] = state[LUCK] * 48271 % 2147483647
    return (state[LUCK] >> 3) % below


@kernel
def _set(shelf, offer, on):
    """Choose an offer, or give it up; a place may serve several items."""
    uses, offers, mask, state = shelf.uses, shelf.offers, shelf.mask, shelf.state
    word, bit, column = offers[offer, WORD_AT], offers[offer, BIT_AT], offers[offer, COLUMN_AT]
    slot = word * 32 + bit
    shelf.chosen[offer] = 1 if on else 0
    shelf.missing[offers[offer, ITEM]] -= offers[offer, SUPPLY] if on else -offers[offer, SUPPLY]
    uses[slot] += 1 if on else -1
    if uses[slot] == (1 if on else 0):
        mask[word] ^= 1 << bit
        state[BEFORE_OK] = min(state[BEFORE_OK], column)
        state[AFTER_OK] = max(state[AFTER_OK], column)


@kernel
def _sweep(shelf):
    """Bring `before` and `after` up to date; the length of the tour now."""
    flat, work, mask, state = shelf.flat, shelf.work, shelf.mask, shelf.state
    before, after = shelf.before, shelf.after
    count, columns = flat[STATES], flat[COLUMNS]
    for column in range(state[BEFORE_OK], columns - 1):
        for k in range(count):
            work[k] = before[column, k]
        old = walk_column(flat, mask, 0, column, work, 0, count, False)
        walk_across(flat, column, flat[flat[PITCH] + column], work, old, count - old, False)
        for k in range(count):
            before[column + 1, k] = work[count - old + k]
    for column in range(state[AFTER_OK], 0, -1):
        for k in range(count):
            work[k] = after[column, k]
        old = walk_column(flat, mask, 0, column, work, 0, count, True)
        pitch = flat[flat[PITCH] + column - 1]
        walk_across(flat, column - 1, pitch, work, old, count - old, True)
        for k in range(count):
            after[column - 1, k] = work[count - old + k]
    state[BEFORE_OK] = columns - 1
    state[AFTER_OK] = 0
    return _joined(shelf, 0)


@kernel
def _joined(shelf, column):
    """Length of the tour with the column as its mask says, the others as swept."""
    flat, work = shelf.flat, shelf.work
    count = flat[STATES]
    for k in range(count):
        work[k] = shelf.before[column, k]
    at = walk_column(flat, shelf.mask, 0, column, work, 0, count, False)
    best = BIG
    for k in range(count):
        total = work[at + k] + shelf.after[column, k]
        if total < best:
            best = total
    return best


@kernel
def _length_with(shelf, offer):
    """Length of the tour if this offer were chosen too (after `_sweep`)."""
    offers, mask = shelf.offers, shelf.mask
    word, bit = offers[offer, WORD_AT], offers[offer, BIT_AT]
    mask[word] ^= 1 << bit
    length = _joined(shelf, offers[offer, COLUMN_AT])
    mask[word] ^= 1 << bit
    return length


@kernel
def prepare(shelf):
    """First costs left of the first column and right of the last one."""
    flat, work = shelf.flat, shelf.work
    count, columns = flat[STATES], flat[COLUMNS]
    old = begin(flat, work)
    for k in range(count):
        shelf.before[0, k] = work[old + k]
        shelf.after[columns - 1, k] = 0 if flat[flat[ACCEPTING] + k] else BIG
    shelf.state[BEFORE_OK] = 0
    shelf.state[AFTER_OK] = columns - 1


@kernel
def _cheapest(shelf, item, now, noise, ban):
    """The offer of an item with the least extra walk per useful unit: (score, offer)."""
    offers, mask = shelf.offers, shelf.mask
    best, choice = 0.0, -1
    for offer in range(shelf.first[item], shelf.first[item + 1]):
        if shelf.chosen[offer] or offers[offer, COLUMN_AT] == ban:
            continue
        extra = 0
        if not (mask[offers[offer, WORD_AT]] >> offers[offer, BIT_AT]) & 1:
            extra = _length_with(shelf, offer) - now
        score = (extra + 1e-3) / min(shelf.missing[item], offers[offer, SUPPLY])
        if noise > 0:
            score *= 1.0 + noise * _rand(shelf.state, 1000) / 1000.0
        if choice < 0 or score < best:
            best, choice = score, offer
    return best, choice


@kernel
def serve(shelf, queue, size, noise, ban, together):
    """Choose offers until the demand of the queued items is met.

    `together`: always the cheapest next offer of any of them; else one item after the other.
    """
    while True:
        now, best, choice = -1, 0.0, -1
        for k in range(size):
            item = queue[k]
            if shelf.missing[item] <= 0:
                continue
            if now < 0:
                now = _sweep(shelf)
            score, offer = _cheapest(shelf, item, now, noise, ban)
            if offer < 0:
                score, offer = _cheapest(shelf, item, now, noise, -1)
            if offer >= 0 and (choice < 0 or score < best):
                best, choice = score, offer
            if choice >= 0 and not together:
                break
        if choice < 0:
            return
        _set(shelf, choice, True)


@kernel
def _prune(shelf, item):
    """Give up offers of an item that are not needed, the longest way first."""
    offers, uses = shelf.offers, shelf.uses
    while shelf.missing[item] < 0:
        now, best, choice = -1, BIG, -1
        for offer in range(shelf.first[item], shelf.first[item + 1]):
            if shelf.chosen[offer] and offers[offer, SUPPLY] <= -shelf.missing[item]:
                if now < 0:
                    now = _sweep(shelf)
                length = now
                if uses[offers[offer, WORD_AT] * 32 + offers[offer, BIT_AT]] == 1:
                    length = _length_with(shelf, offer)
                if length < best:
                    best, choice = length, offer
        if choice < 0:
            return
        _set(shelf, choice, False)


@kernel
def construct(shelf, order):
    """Serve all items in this order; the length."""
    prepare(shelf)
    serve(shelf, order, len(order), 0.0, -1, False)
    for item in order:
        _prune(shelf, item)
    return _sweep(shelf) + shelf.flat[SPURS]


@kernel
def _restore(shelf, best):
    for offer in range(len(best)):
        if best[offer] != shelf.chosen[offer]:
            _set(shelf, offer, best[offer] == 1)


@kernel
def _ruin_items(shelf, queue):
    """Give up the bins of a few random items, and start again at any bin; how many items."""
    items = len(shelf.demand)
    size = 1 + _rand(shelf.state, 4)
    if _rand(shelf.state, 4) == 0:
        size = 1 + _rand(shelf.state, 12)
    size = min(items, size)
    for k in range(size):
        queue[k] = _rand(shelf.state, items)
        for offer in range(shelf.first[queue[k]], shelf.first[queue[k] + 1]):
            if shelf.chosen[offer]:
                _set(shelf, offer, False)
    if _rand(shelf.state, 2):
        span = shelf.first[queue[0] + 1] - shelf.first[queue[0]]
        _set(shelf, shelf.first[queue[0]] + _rand(shelf.state, span), True)
    return size


@kernel
def _flood_column(shelf, queue):
    """Take all that is wanted from one slot; every item that now has too much is queued."""
    offers = shelf.offers
    seed = _rand(shelf.state, len(offers))
    column, y_word = offers[seed, COLUMN_AT], offers[seed, WORD_AT]
    whole = _rand(shelf.state, 2)
    size = 0
    for item in range(len(shelf.demand)):
        for offer in range(shelf.first[item], shelf.first[item + 1]):
            near = offers[offer, COLUMN_AT] == column
            near = near and (whole or offers[offer, WORD_AT] == y_word)
            if near and not shelf.chosen[offer]:
                _set(shelf, offer, True)
        if shelf.missing[item] < 0:
            queue[size] = item
            size += 1
    return _shuffled(shelf, queue, size)


@kernel
def _shuffled(shelf, queue, size):
    for k in range(size - 1, 0, -1):
        other = _rand(shelf.state, k + 1)
        queue[k], queue[other] = queue[other], queue[k]
    return size


@kernel
def _ruin_columns(shelf, queue, column, width):
    """Give up the chosen bins of some columns; how many items are now missing something."""
    for offer in range(len(shelf.chosen)):
        if shelf.chosen[offer] and 0 <= shelf.offers[offer, COLUMN_AT] - column < width:
            _set(shelf, offer, False)
    size = 0
    for item in range(len(shelf.demand)):
        if shelf.missing[item] > 0:
            queue[size] = item
            size += 1
    return _shuffled(shelf, queue, size)


@kernel
def _any_chosen(shelf):
    """A random chosen offer."""
    offer = _rand(shelf.state, len(shelf.chosen))
    while not shelf.chosen[offer]:
        offer = (offer + 1) % len(shelf.chosen)
    return offer


@kernel
def ruin_and_recreate(shelf, best, kept, costs, tries, threshold):
    """`tries` times: give up some bins, serve their items again, keep it if not much longer.

    `costs` is [current, best]; `kept` and `best` are the choices that belong to them.
    """
    state = shelf.state
    queue = np.zeros(len(shelf.demand) + 12, np.int64)
    for _ in range(tries):
        ban = -1
        kind = _rand(state, 5)
        if kind < 2:
            size = _ruin_items(shelf, queue)
        elif kind < 3:
            size = _flood_column(shelf, queue)
        else:
            column = shelf.offers[_any_chosen(shelf), COLUMN_AT]
            size = _ruin_columns(shelf, queue, column, 1 + _rand(state, 2))
            ban = column if _rand(state, 4) else -1
        noise = 0.5 if _rand(state, 3) == 0 else 0.0
        serve(shelf, queue, size, noise, ban, _rand(state, 2) == 0)
        for k in range(size):
            _prune(shelf, queue[k])
        length = _sweep(shelf) + shelf.flat[SPURS]
        if length <= costs[0] * (1.0 + threshold):
            costs[0] = length
            kept[:] = shelf.chosen
            if length < costs[1]:
                costs[1] = length
                best[:] = shelf.chosen
        else:
            _restore(shelf, kept)


@kernel
def restart(shelf, best, kept, costs):
    """Go on from the best choice."""
    _restore(shelf, best)
    kept[:] = best
    costs[0] = costs[1]
