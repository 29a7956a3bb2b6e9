"""Inner loops of the choice among several bins: cheapest insertion into exact tours.

Shape: an offer is a row [item, word, bit, column, supply]; offers of one item are consecutive.
`before[c]` holds the costs of everything left of column c, `after[c]` of everything right of it,
so the exact length of a tour with one more place costs the work of one column only.
Guarantees: the demand stays met; the best choice found is never given up.
Source: ruin and recreate (Schrimpf et al. 2000) on forward and backward tour costs.
"""

from typing import NamedTuple

import numpy as np

from wms.planning.jit import kernel
from wms.planning.tour_cost import (
    ACCEPTING,
    BIG,
    COLUMNS,
    PITCH,
    SPURS,
    STATES,
    begin,
    tour_cost,
    walk_across,
    walk_column,
)

ITEM, WORD_AT, BIT_AT, COLUMN_AT, SUPPLY = range(5)


class Shelf(NamedTuple):
    """Offers, their ranges per item, the demand, and what is chosen now."""

    flat: np.ndarray
    offers: np.ndarray
    first: np.ndarray
    demand: np.ndarray
    chosen: np.ndarray
    uses: np.ndarray
    mask: np.ndarray
    before: np.ndarray
    after: np.ndarray
    work: np.ndarray
    luck: np.ndarray


@kernel
def _rand(luck, below):
    luck[0] = luck[0] * 48271 % 2147483647
    return (luck[0] >> 3) % below


@kernel
def _set(shelf, offer, on):
    """Choose an offer, or give it up; a place may serve several items."""
    chosen, uses, offers = shelf.chosen, shelf.uses, shelf.offers
    word, bit = offers[offer, WORD_AT], offers[offer, BIT_AT]
    slot = word * 32 + bit
    chosen[offer] = 1 if on else 0
    uses[slot] += 1 if on else -1
    if uses[slot] == 0:
        shelf.mask[word] &= ~(1 << bit)
    else:
        shelf.mask[word] |= 1 << bit


@kernel
def _sweep(shelf):
    """Fill `before` and `after` for the places chosen now."""
    flat, work, mask = shelf.flat, shelf.work, shelf.mask
    before, after = shelf.before, shelf.after
    count, columns = flat[STATES], flat[COLUMNS]
    old = begin(flat, work)
    for column in range(columns):
        if column > 0:
            pitch = flat[flat[PITCH] + column - 1]
            walk_across(flat, column - 1, pitch, work, old, count - old, False)
            old = count - old
        for state in range(count):
            before[column, state] = work[old + state]
        if column < columns - 1:
            old = walk_column(flat, mask, 0, column, work, old, count - old, False)
    old = 0
    for state in range(count):
        work[state] = 0 if flat[flat[ACCEPTING] + state] else BIG
    for column in range(columns - 1, -1, -1):
        for state in range(count):
            after[column, state] = work[old + state]
        if column > 0:
            old = walk_column(flat, mask, 0, column, work, old, count - old, True)
            pitch = flat[flat[PITCH] + column - 1]
            walk_across(flat, column - 1, pitch, work, old, count - old, True)
            old = count - old


@kernel
def _length_with(shelf, offer):
    """Exact tour length if this offer were chosen too (after `_sweep`)."""
    flat, work, mask, offers = shelf.flat, shelf.work, shelf.mask, shelf.offers
    word, bit, column = offers[offer, WORD_AT], offers[offer, BIT_AT], offers[offer, COLUMN_AT]
    count = flat[STATES]
    for state in range(count):
        work[state] = shelf.before[column, state]
    kept = mask[word]
    mask[word] = kept | (1 << bit)
    at = walk_column(flat, mask, 0, column, work, 0, count, False)
    mask[word] = kept
    best = BIG
    for state in range(count):
        total = work[at + state] + shelf.after[column, state]
        if total < best:
            best = total
    return best


@kernel
def _length(shelf):
    return tour_cost(shelf.flat, shelf.mask, 0, len(shelf.mask), shelf.work)


@kernel
def _missing(shelf, item):
    missing = shelf.demand[item]
    for offer in range(shelf.first[item], shelf.first[item + 1]):
        if shelf.chosen[offer]:
            missing -= shelf.offers[offer, SUPPLY]
    return missing


@kernel
def _serve(shelf, item, noise):
    """Choose offers for one item, the least extra walk per unit first, until its demand is met."""
    flat, offers, mask = shelf.flat, shelf.offers, shelf.mask
    missing = _missing(shelf, item)
    while missing > 0:
        _sweep(shelf)
        now = _length(shelf) - flat[SPURS]
        now = max(now, 0)
        best, choice = 0.0, -1
        for offer in range(shelf.first[item], shelf.first[item + 1]):
            if shelf.chosen[offer]:
                continue
            if mask[offers[offer, WORD_AT]] >> offers[offer, BIT_AT] & 1:
                extra = 0
            else:
                extra = _length_with(shelf, offer) - now
            useful = min(missing, offers[offer, SUPPLY])
            score = (extra + 1e-3) / useful
            if noise > 0:
                score *= 1.0 + noise * _rand(shelf.luck, 1000) / 1000.0
            if choice < 0 or score < best:
                best, choice = score, offer
        if choice < 0:
            return
        _set(shelf, choice, True)
        missing -= offers[choice, SUPPLY]


@kernel
def _prune(shelf, item):
    """Give up offers of an item that are not needed, the longest way first."""
    while True:
        spare = -_missing(shelf, item)
        best, choice = BIG, -1
        for offer in range(shelf.first[item], shelf.first[item + 1]):
            if shelf.chosen[offer] and shelf.offers[offer, SUPPLY] <= spare:
                _set(shelf, offer, False)
                length = _length(shelf)
                _set(shelf, offer, True)
                if length < best:
                    best, choice = length, offer
        if choice < 0:
            return
        _set(shelf, choice, False)


@kernel
def construct(shelf, order):
    """Serve all items in this order; the length."""
    for item in order:
        _serve(shelf, item, 0.0)
    for item in order:
        _prune(shelf, item)
    return _length(shelf)


@kernel
def _drop(shelf, item):
    for offer in range(shelf.first[item], shelf.first[item + 1]):
        if shelf.chosen[offer]:
            _set(shelf, offer, False)


@kernel
def restore(shelf, best):
    """Choose exactly the offers of `best`."""
    for offer in range(len(best)):
        if best[offer] != shelf.chosen[offer]:
            _set(shelf, offer, best[offer] == 1)


@kernel
def ruin_and_recreate(shelf, best, kept, costs, tries, threshold):
    """`tries` times: give up the bins of a few items, serve them again, keep if not much longer.

    `costs` is [current, best]; `best` and `kept` are the choices that belong to them.
    """
    items = len(shelf.demand)
    luck = shelf.luck
    dropped = np.zeros(items, np.int64)
    for _ in range(tries):
        number = min(items, 1 + _rand(luck, min(items, 4)))
        for k in range(number):
            dropped[k] = _rand(luck, items)
            _drop(shelf, dropped[k])
        noise = 0.5 if _rand(luck, 3) == 0 else 0.0
        for k in range(number):
            _serve(shelf, dropped[k], noise)
        for k in range(number):
            _prune(shelf, dropped[k])
        length = _length(shelf)
        if length <= costs[0] * (1.0 + threshold):
            costs[0] = length
            kept[:] = shelf.chosen
            if length < costs[1]:
                costs[1] = length
                best[:] = shelf.chosen
        else:
            restore(shelf, kept)
