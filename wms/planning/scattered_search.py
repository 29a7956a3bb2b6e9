"""Inner loops of the choice among several bins: cheapest insertion into exact tours.

Shape: one flat array `s`; an offer is a row [item, word, bit, column, slot, supply, lift], offers
of one item are consecutive; `lift` is the walk that picking at its height is worth. `BEFORE` holds
per column the costs of everything left of it, `AFTER` of everything right of it, `REST` per slot
and way to walk it how long the rest of the tour is: the exact length of a tour with one more place
is a few additions.
Source: forward and backward costs of the tour dynamic program (`tour_cost`).
"""

import numpy as np

from wms.planning.floor import (
    ACCEPTING,
    BIG,
    COLUMNS,
    KIND,
    LEVELS,
    PITCH,
    SPURS,
    STATES,
    STEP_PTR,
    STEPS,
    THROUGH,
    WORD,
)
from wms.planning.jit import kernel
from wms.planning.tour_cost import (
    begin,
    slot_costs,
    walk_across,
    walk_column,
    walk_doors,
    walk_slot,
)

ITEM, WORD_AT, BIT_AT, COLUMN_AT, SLOT_AT, SUPPLY, LIFT_AT, OFFER_SIZE = range(8)

# Head of `s`: first and last column that changed since the last sweep, luck, sizes, the lift of
# all that is chosen, tables.
LOW, HIGH, LUCK, ITEMS, OFFER_COUNT, LIFTED = range(6)
OFFERS, FIRST, CHOSEN, MISSING, USES, MASK, BEFORE, AFTER, REST, KNOWN, HEAD = range(6, 17)
# Cells of `REST` per slot: the rest of the tour by the way the slot is walked (0: not at all).
WAYS = 6


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
        np.zeros(int(flat[COLUMNS]) * (int(flat[LEVELS]) + 1) * WAYS),
        np.zeros(int(flat[COLUMNS])),
    ]
    head = np.zeros(HEAD, np.int64)
    head[:OFFERS] = 0, 0, seed % 2147483646 + 1, items, len(offers), 0
    head[OFFERS:] = HEAD + np.cumsum([0, *(len(part) for part in flats)])[:-1]
    return np.concatenate([head, *(np.asarray(part, np.int64) for part in flats)])


def new_work(flat: np.ndarray) -> np.ndarray:
    """Scratch space: two rows of states, the ways to walk a slot, a row for every slot."""
    return np.zeros((int(flat[LEVELS]) + 3) * int(flat[STATES]) + WAYS, np.int64)


@kernel
def row_of(s, offer):
    """Where an offer's row begins."""
    return s[OFFERS] + offer * OFFER_SIZE


@kernel
def rand(s, below):
    s[LUCK] = s[LUCK] * 48271 % 2147483647
    return (s[LUCK] >> 3) % below


@kernel
def set_offer(s, offer, on):
    """Choose an offer, or give it up; a place may serve several items."""
    row = row_of(s, offer)
    word, bit, column, supply = (
        s[row + WORD_AT],
        s[row + BIT_AT],
        s[row + COLUMN_AT],
        s[row + SUPPLY],
    )
    slot = word * WORD + bit
    s[s[CHOSEN] + offer] = 1 if on else 0
    s[s[MISSING] + s[row + ITEM]] -= supply if on else -supply
    s[LIFTED] += s[row + LIFT_AT] if on else -s[row + LIFT_AT]
    s[s[USES] + slot] += 1 if on else -1
    if s[s[USES] + slot] == (1 if on else 0):
        s[s[MASK] + word] ^= 1 << bit
        s[s[KNOWN] + column] = 0
        s[LOW] = min(s[LOW], column)
        s[HIGH] = max(s[HIGH], column)


@kernel
def _stored(s, row, work, at, count):
    """Keep a row of costs; by how much all of them grew, BIG when not all by the same."""
    shift, known = 0, False
    for k in range(count):
        old, new = s[row + k], work[at + k]
        s[row + k] = new
        if old >= BIG and new >= BIG:
            continue
        if not known:
            shift, known = new - old, True
        if new - old != shift:
            shift = BIG
    return shift


@kernel
def _shifted(s, first, last, shift):
    """Costs that all grew by the same."""
    for k in range(first, last):
        if s[k] < BIG:
            s[k] += shift


@kernel
def _rest_shifted(flat, s, first, last, shift):
    """The same for the rests of the tour of some columns."""
    if shift >= BIG:
        for column in range(first, last):
            s[s[KNOWN] + column] = 0
    elif shift != 0:
        size = (flat[LEVELS] + 1) * WAYS
        _shifted(s, s[REST] + first * size, s[REST] + last * size, shift)


@kernel
def sweep(flat, s, work):
    """Bring `before` and `after` up to date; the length of the tour now.

    Beyond the columns that changed, costs soon differ by the same for all states.
    """
    count, columns = flat[STATES], flat[COLUMNS]
    low, high = s[LOW], s[HIGH]
    s[LOW], s[HIGH] = columns, -1
    for column in range(low, columns - 1):
        for k in range(count):
            work[k] = s[s[BEFORE] + column * count + k]
        old = walk_column(flat, s, s[MASK], column, work, 0, count, False)
        walk_across(flat, column, flat[flat[PITCH] + column], work, old, count - old, False)
        row = s[BEFORE] + (column + 1) * count
        shift = _stored(s, row, work, count - old, count)
        if column >= high and shift < BIG:
            if shift != 0:
                _shifted(s, row + count, s[BEFORE] + columns * count, shift)
                _rest_shifted(flat, s, column + 1, columns, shift)
            break
        _rest_shifted(flat, s, column + 1, column + 2, shift)
    for column in range(high, 0, -1):
        for k in range(count):
            work[k] = s[s[AFTER] + column * count + k]
        old = walk_column(flat, s, s[MASK], column, work, 0, count, True)
        pitch = flat[flat[PITCH] + column - 1]
        walk_across(flat, column - 1, pitch, work, old, count - old, True)
        row = s[AFTER] + (column - 1) * count
        shift = _stored(s, row, work, count - old, count)
        if column <= low and shift < BIG:
            if shift != 0:
                _shifted(s, s[AFTER], row, shift)
                _rest_shifted(flat, s, 0, column, shift)
            break
        _rest_shifted(flat, s, column - 1, column, shift)
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
def _weigh(flat, s, work, column):
    """For each way to walk each slot of a column, how long the rest of the tour is."""
    count, slots = flat[STATES], flat[LEVELS] + 1
    # Right of every slot, kept behind the scratch space of one step.
    behind = 2 * count + WAYS
    for k in range(count):
        work[k] = s[s[AFTER] + column * count + k]
    old = walk_doors(flat, column, work, 0, count, True)
    for slot in range(slots - 1, -1, -1):
        for k in range(count):
            work[behind + slot * count + k] = work[old + k]
        if walk_slot(flat, s, s[MASK], column, slot, work, old, count - old, True):
            old = count - old
    for k in range(count):
        work[k] = s[s[BEFORE] + column * count + k]
    old = 0
    for slot in range(slots):
        rest, right = s[REST] + (column * slots + slot) * WAYS, behind + slot * count
        for way in range(WAYS):
            s[rest + way] = BIG
        for k in range(count):
            s[rest] = min(s[rest], work[old + k] + work[right + k])
        steps = flat[STEPS]
        for step in range(
            steps + flat[flat[STEP_PTR] + slot], steps + flat[flat[STEP_PTR] + slot + 1], 3
        ):
            total = work[old + flat[step]] + work[right + flat[step + 1]]
            if total < s[rest + flat[step + 2]]:
                s[rest + flat[step + 2]] = total
        if walk_slot(flat, s, s[MASK], column, slot, work, old, count - old, False):
            old = count - old
    s[s[KNOWN] + column] = 1


@kernel
def _length_with(flat, s, work, offer):
    """Length of the tour with this offer's place turned on or off (after `sweep`)."""
    row = row_of(s, offer)
    word, bit, column = s[row + WORD_AT], s[row + BIT_AT], s[row + COLUMN_AT]
    if not s[s[KNOWN] + column]:
        _weigh(flat, s, work, column)
    slot = s[row + SLOT_AT]
    key = column * (flat[LEVELS] + 1) + slot
    rest, costs = s[REST] + key * WAYS, 2 * flat[STATES]
    s[s[MASK] + word] ^= 1 << bit
    found = slot_costs(flat, s, s[MASK], column, slot, work)
    s[s[MASK] + word] ^= 1 << bit
    best, last = BIG, WAYS
    if not found:
        best, last = s[rest], 3 if flat[flat[KIND] + key] == THROUGH else 1
    for way in range(1, last):
        best = min(best, s[rest + way] + work[costs + way])
    return best


@kernel
def prepare(flat, s, work):
    """First costs left of the first column and right of the last one."""
    count, columns = flat[STATES], flat[COLUMNS]
    s[s[KNOWN] : s[KNOWN] + columns] = 0
    old = begin(flat, work)
    for k in range(count):
        s[s[BEFORE] + k] = work[old + k]
        s[s[AFTER] + (columns - 1) * count + k] = 0 if flat[flat[ACCEPTING] + k] else BIG
    s[LOW], s[HIGH] = 0, columns - 1


@kernel
def _cheapest(flat, s, work, item, now, noise, ban):
    """The offer of an item with the least extra cost per useful unit: (score, offer)."""
    best, choice = 0.0, -1
    for offer in range(s[s[FIRST] + item], s[s[FIRST] + item + 1]):
        if s[s[CHOSEN] + offer] or s[row_of(s, offer) + COLUMN_AT] == ban:
            continue
        extra = s[row_of(s, offer) + LIFT_AT]
        if not (s[s[MASK] + s[row_of(s, offer) + WORD_AT]] >> s[row_of(s, offer) + BIT_AT]) & 1:
            extra += _length_with(flat, s, work, offer) - now
        score = (extra + 1e-3) / min(s[s[MISSING] + item], s[row_of(s, offer) + SUPPLY])
        if noise > 0:
            score *= 1.0 + noise * rand(s, 1000) / 1000.0
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
                now = sweep(flat, s, work)
            score, offer = _cheapest(flat, s, work, item, now, noise, ban)
            if offer < 0:
                score, offer = _cheapest(flat, s, work, item, now, noise, -1)
            if offer >= 0 and (choice < 0 or score < best):
                best, choice = score, offer
            if choice >= 0 and not together:
                break
        if choice < 0:
            return
        set_offer(s, choice, True)


@kernel
def prune(flat, s, work, item):
    """Give up offers of an item that are not needed, the dearest first."""
    while s[s[MISSING] + item] < 0:
        now, best, choice = -1, BIG, -1
        for offer in range(s[s[FIRST] + item], s[s[FIRST] + item + 1]):
            if s[s[CHOSEN] + offer] and s[row_of(s, offer) + SUPPLY] <= -s[s[MISSING] + item]:
                if now < 0:
                    now = sweep(flat, s, work)
                length = now
                row = row_of(s, offer)
                if s[s[USES] + s[row + WORD_AT] * WORD + s[row + BIT_AT]] == 1:
                    length = _length_with(flat, s, work, offer)
                length -= s[row + LIFT_AT]
                if length < best:
                    best, choice = length, offer
        if choice < 0:
            return
        set_offer(s, choice, False)


@kernel
def cost_of(flat, s, work):
    """What the choice costs: the walk, and the lifting as walk."""
    return sweep(flat, s, work) + flat[SPURS] + s[LIFTED]


@kernel
def construct(flat, s, work, order, together):
    """Serve all items, in this order or always the cheapest next; the cost."""
    for offer in range(s[OFFER_COUNT]):
        if s[s[CHOSEN] + offer]:
            set_offer(s, offer, False)
    prepare(flat, s, work)
    serve(flat, s, work, order, len(order), 0.0, -1, together)
    for item in order:
        prune(flat, s, work, item)
    return cost_of(flat, s, work)
