"""Inner loops of the choice among several bins: cheapest insertion into exact tours.

Shape: one flat array `s`; an offer is a row [item, word, bit, column, supply], offers of one item
are consecutive. `BEFORE` holds per column the costs of everything left of it, `AFTER` of everything
right of it, so the exact length of a tour with one more place costs the work of one column only.
Guarantees: the demand stays met; the best choice found is never given up.
Source: ruin and recreate (Schrimpf et al. 2000) on forward and backward tour costs.
"""

import numpy as np

from wms.planning.floor import ACCEPTING, BIG, COLUMNS, PITCH, SPURS, STATES, WORD
from wms.planning.jit import kernel
from wms.planning.tour_cost import begin, walk_across, walk_column

ITEM, WORD_AT, BIT_AT, COLUMN_AT, SUPPLY, OFFER_SIZE = range(6)

# Head of `s`: up to which column BEFORE is good, from which AFTER is, luck, sizes, tables.
BEFORE_OK, AFTER_OK, LUCK, ITEMS, OFFER_COUNT = range(5)
OFFERS, FIRST, CHOSEN, MISSING, USES, MASK, BEFORE, AFTER, HEAD = range(5, 14)


def new_shelf(
    flat: np.ndarray, offers: np.ndarray, demand: np.ndarray, words: int, seed: int
) -> np.ndarray:
    """Nothing chosen yet."""
    items, grid = len(demand), int(flat[COLUMNS]) * int(flat[STATES])
    first = np.searchsorted(offers[:, ITEM], np.arange(items + 1))
    flats = [
        offers.ravel(),
        first,
        np.zeros(len(offers)),
        demand,
        np.zeros(words * WORD),
        np.zeros(words),
        np.zeros(grid),
        np.zeros(grid),
    ]
    head = np.zeros(HEAD, np.int64)
    head[:OFFERS] = 0, 0, seed % 2147483646 + 1, items, len(offers)
    head[OFFERS:] = HEAD + np.cumsum([0, *(len(part) for part in flats)])[:-1]
    return np.concatenate([head, *(np.asarray(part, np.int64) for part in flats)])


@kernel
def _offer(s, offer):
    """Where an offer's row begins."""
    return s[OFFERS] + offer * OFFER_SIZE


@kernel
def _rand(s, below):
    s[LUCK] = s[LUCK] * 48271 % 2147483647
    return (s[LUCK] >> 3) % below


@kernel
def _set(s, offer, on):
    """Choose an offer, or give it up; a place may serve several items."""
    row = _offer(s, offer)
    word, bit, column, supply = (
        s[row + WORD_AT],
        s[row + BIT_AT],
        s[row + COLUMN_AT],
        s[row + SUPPLY],
    )
    slot = word * WORD + bit
    s[s[CHOSEN] + offer] = 1 if on else 0
    s[s[MISSING] + s[row + ITEM]] -= supply if on else -supply
    s[s[USES] + slot] += 1 if on else -1
    if s[s[USES] + slot] == (1 if on else 0):
        s[s[MASK] + word] ^= 1 << bit
        s[BEFORE_OK] = min(s[BEFORE_OK], column)
        s[AFTER_OK] = max(s[AFTER_OK], column)


@kernel
def _sweep(flat, s, work):
    """Bring `before` and `after` up to date; the length of the tour now."""
    count, columns = flat[STATES], flat[COLUMNS]
    for column in range(s[BEFORE_OK], columns - 1):
        for k in range(count):
            work[k] = s[s[BEFORE] + column * count + k]
        old = walk_column(flat, s, s[MASK], column, work, 0, count, False)
        walk_across(flat, column, flat[flat[PITCH] + column], work, old, count - old, False)
        for k in range(count):
            s[s[BEFORE] + (column + 1) * count + k] = work[count - old + k]
    for column in range(s[AFTER_OK], 0, -1):
        for k in range(count):
            work[k] = s[s[AFTER] + column * count + k]
        old = walk_column(flat, s, s[MASK], column, work, 0, count, True)
        pitch = flat[flat[PITCH] + column - 1]
        walk_across(flat, column - 1, pitch, work, old, count - old, True)
        for k in range(count):
            s[s[AFTER] + (column - 1) * count + k] = work[count - old + k]
    s[BEFORE_OK] = columns - 1
    s[AFTER_OK] = 0
    return _joined(flat, s, work, 0)


@kernel
def _joined(flat, s, work, column):
    """Length of the tour with the column as its mask says, the others as swept."""
    count = flat[STATES]
    for k in range(count):
        work[k] = s[s[BEFORE] + column * count + k]
    at = walk_column(flat, s, s[MASK], column, work, 0, count, False)
    best = BIG
    for k in range(count):
        total = work[at + k] + s[s[AFTER] + column * count + k]
        if total < best:
            best = total
    return best


@kernel
def _length_with(flat, s, work, offer):
    """Length of the tour if this offer were chosen too (after `_sweep`)."""
    word, bit = s[_offer(s, offer) + WORD_AT], s[_offer(s, offer) + BIT_AT]
    s[s[MASK] + word] ^= 1 << bit
    length = _joined(flat, s, work, s[_offer(s, offer) + COLUMN_AT])
    s[s[MASK] + word] ^= 1 << bit
    return length


@kernel
def prepare(flat, s, work):
    """First costs left of the first column and right of the last one."""
    count, columns = flat[STATES], flat[COLUMNS]
    old = begin(flat, work)
    for k in range(count):
        s[s[BEFORE] + k] = work[old + k]
        s[s[AFTER] + (columns - 1) * count + k] = 0 if flat[flat[ACCEPTING] + k] else BIG
    s[BEFORE_OK] = 0
    s[AFTER_OK] = columns - 1


@kernel
def _cheapest(flat, s, work, item, now, noise, ban):
    """The offer of an item with the least extra walk per useful unit: (score, offer)."""
    best, choice = 0.0, -1
    for offer in range(s[s[FIRST] + item], s[s[FIRST] + item + 1]):
        if s[s[CHOSEN] + offer] or s[_offer(s, offer) + COLUMN_AT] == ban:
            continue
        extra = 0
        if not (s[s[MASK] + s[_offer(s, offer) + WORD_AT]] >> s[_offer(s, offer) + BIT_AT]) & 1:
            extra = _length_with(flat, s, work, offer) - now
        score = (extra + 1e-3) / min(s[s[MISSING] + item], s[_offer(s, offer) + SUPPLY])
        if noise > 0:
            score *= 1.0 + noise * _rand(s, 1000) / 1000.0
        if choice < 0 or score < best:
            best, choice = score, offer
    return best, choice


@kernel
def serve(flat, s, work, queue, size, noise, ban, together):
    """Choose offers until the demand of the queued items is met.

    `together`: always the cheapest next offer of any of them; else one item after the other.
    """
    while True:
        now, best, choice = -1, 0.0, -1
        for k in range(size):
            item = queue[k]
            if s[s[MISSING] + item] <= 0:
                continue
            if now < 0:
                now = _sweep(flat, s, work)
            score, offer = _cheapest(flat, s, work, item, now, noise, ban)
            if offer < 0:
                score, offer = _cheapest(flat, s, work, item, now, noise, -1)
            if offer >= 0 and (choice < 0 or score < best):
                best, choice = score, offer
            if choice >= 0 and not together:
                break
        if choice < 0:
            return
        _set(s, choice, True)


@kernel
def _prune(flat, s, work, item):
    """Give up offers of an item that are not needed, the longest way first."""
    while s[s[MISSING] + item] < 0:
        now, best, choice = -1, BIG, -1
        for offer in range(s[s[FIRST] + item], s[s[FIRST] + item + 1]):
            if s[s[CHOSEN] + offer] and s[_offer(s, offer) + SUPPLY] <= -s[s[MISSING] + item]:
                if now < 0:
                    now = _sweep(flat, s, work)
                length = now
                row = _offer(s, offer)
                if s[s[USES] + s[row + WORD_AT] * WORD + s[row + BIT_AT]] == 1:
                    length = _length_with(flat, s, work, offer)
                if length < best:
                    best, choice = length, offer
        if choice < 0:
            return
        _set(s, choice, False)


@kernel
def construct(flat, s, work, order, together):
    """Serve all items, in this order or always the cheapest next; the length."""
    for offer in range(s[OFFER_COUNT]):
        if s[s[CHOSEN] + offer]:
            _set(s, offer, False)
    prepare(flat, s, work)
    serve(flat, s, work, order, len(order), 0.0, -1, together)
    for item in order:
        _prune(flat, s, work, item)
    return _sweep(flat, s, work) + flat[SPURS]


@kernel
def _save(s, target):
    for offer in range(s[OFFER_COUNT]):
        target[offer] = s[s[CHOSEN] + offer]


@kernel
def _restore(s, best):
    for offer in range(len(best)):
        if best[offer] != s[s[CHOSEN] + offer]:
            _set(s, offer, best[offer] == 1)


@kernel
def _ruin_items(s, queue):
    """Give up the bins of a few random items, and start again at any bin; how many items."""
    items = s[ITEMS]
    size = 1 + _rand(s, 4)
    if _rand(s, 4) == 0:
        size = 1 + _rand(s, 12)
    size = min(items, size)
    for k in range(size):
        queue[k] = _rand(s, items)
        for offer in range(s[s[FIRST] + queue[k]], s[s[FIRST] + queue[k] + 1]):
            if s[s[CHOSEN] + offer]:
                _set(s, offer, False)
    if _rand(s, 2):
        span = s[s[FIRST] + queue[0] + 1] - s[s[FIRST] + queue[0]]
        _set(s, s[s[FIRST] + queue[0]] + _rand(s, span), True)
    return size


@kernel
def _flood_column(s, queue):
    """Take all that is wanted from one slot or some aisles; items with too much are queued."""
    seed = _rand(s, s[OFFER_COUNT])
    column, y_word = s[_offer(s, seed) + COLUMN_AT], s[_offer(s, seed) + WORD_AT]
    # An aisle up and the next one down is the natural pair.
    whole, width = _rand(s, 3), 1 + _rand(s, 3)
    size = 0
    for item in range(s[ITEMS]):
        for offer in range(s[s[FIRST] + item], s[s[FIRST] + item + 1]):
            near = 0 <= s[_offer(s, offer) + COLUMN_AT] - column < width
            near = near and (whole or s[_offer(s, offer) + WORD_AT] == y_word)
            if near and not s[s[CHOSEN] + offer]:
                _set(s, offer, True)
        if s[s[MISSING] + item] < 0:
            queue[size] = item
            size += 1
    return _shuffled(s, queue, size)


@kernel
def _shuffled(s, queue, size):
    for k in range(size - 1, 0, -1):
        other = _rand(s, k + 1)
        queue[k], queue[other] = queue[other], queue[k]
    return size


@kernel
def _ruin_columns(s, queue, column, width):
    """Give up the chosen bins of some columns; how many items are now missing something."""
    for offer in range(s[OFFER_COUNT]):
        if s[s[CHOSEN] + offer] and 0 <= s[_offer(s, offer) + COLUMN_AT] - column < width:
            _set(s, offer, False)
    size = 0
    for item in range(s[ITEMS]):
        if s[s[MISSING] + item] > 0:
            queue[size] = item
            size += 1
    return _shuffled(s, queue, size)


@kernel
def _any_chosen(s):
    """A random chosen offer."""
    offer = _rand(s, s[OFFER_COUNT])
    while not s[s[CHOSEN] + offer]:
        offer = (offer + 1) % s[OFFER_COUNT]
    return offer


@kernel
def ruin_and_recreate(flat, s, work, best, kept, costs, tries, threshold):
    """`tries` times: give up some bins, serve their items again, keep it if not much longer.

    `costs` is [current, best]; `kept` and `best` are the choices that belong to them.
    """
    queue = np.zeros(s[ITEMS] + 12, np.int64)
    for _ in range(tries):
        ban = -1
        kind = _rand(s, 5)
        if kind < 2:
            size = _ruin_items(s, queue)
        elif kind < 3:
            size = _flood_column(s, queue)
        else:
            column = s[_offer(s, _any_chosen(s)) + COLUMN_AT]
            size = _ruin_columns(s, queue, column, 1 + _rand(s, 2))
            ban = column if _rand(s, 4) else -1
        noise = 0.5 if _rand(s, 3) == 0 else 0.0
        serve(flat, s, work, queue, size, noise, ban, size < 5 and _rand(s, 2) == 0)
        for k in range(size):
            _prune(flat, s, work, queue[k])
        length = _sweep(flat, s, work) + flat[SPURS]
        if length <= costs[0] * (1.0 + threshold):
            costs[0] = length
            _save(s, kept)
            if length < costs[1]:
                costs[1] = length
                _save(s, best)
        else:
            _restore(s, kept)


@kernel
def restart(s, best, kept, costs):
    """Go on from the best choice."""
    _restore(s, best)
    kept[:] = best
    costs[0] = costs[1]
