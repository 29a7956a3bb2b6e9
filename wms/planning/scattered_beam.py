"""Tours built from left to right, the most promising ones kept (scattered storage).

Shape: a label is a part of a tour up to one step of the course: its state, its walk, and what is
still wanted of every item. Its score is a lower bound on every whole tour that begins with it
(walk, `Stall.rest`, and the price of what is wanted); labels that cannot beat the best known tour
are dropped, of equal ones the shorter is kept, and of too many those with the lowest scores.
Guarantees: when no label had to be dropped for lack of room, no better tour exists.
Source: dynamic program with completion bounds; beam search where it is cut short.
"""

from typing import NamedTuple

import numpy as np

from wms.planning.floor import THROUGH
from wms.planning.jit import kernel
from wms.planning.scattered_course import (
    BOTTOM,
    EDGE,
    HOW,
    KEY,
    MOVES,
    POINTERS,
    SLOT,
    TOP,
)
from wms.planning.scattered_prices import SLACK

# Cells of `Beam.state`, `walk`, `wanted`: two rows of labels, used in turn.
# Cells of a candidate: label, way, how far up from below, how far down from above, next state.
FROM, WAY, UP, DOWN, THERE, CELLS = range(6)
BUCKETS = 256
# Candidates per label there is room for.
ROOM = 40
PRIME, MANY = 2_654_435_761, 1_000_003
# What `step_on` answers: go on, or the sum of BETTER (a tour was found) and COMPLETE.
GO_ON, BETTER, COMPLETE = -1, 1, 2


class Beam(NamedTuple):
    """Labels of two steps, candidates, and how every label came to be."""

    state: np.ndarray
    walk: np.ndarray
    owed: np.ndarray
    wanted: np.ndarray
    mark: np.ndarray
    cells: np.ndarray
    scores: np.ndarray
    places: np.ndarray
    ranked: np.ndarray
    came: np.ndarray
    codes: np.ndarray
    left: np.ndarray
    paid: np.ndarray
    sizes: np.ndarray


def new_beam(width: int, steps: int, items: int, longest: int) -> Beam:
    """Room for so many labels; `longest` is the largest number of offers in a slot."""
    places = 4
    while places < 4 * width:
        places *= 2
    return Beam(
        state=np.zeros((2, width), np.int64),
        walk=np.zeros((2, width)),
        owed=np.zeros((2, width)),
        wanted=np.zeros((2, width, items), np.int64),
        mark=np.zeros((2, width), np.int64),
        cells=np.zeros((ROOM * width, CELLS), np.int64),
        scores=np.zeros((ROOM * width, 2)),
        places=np.zeros(places, np.int64),
        ranked=np.zeros(ROOM * width, np.int64),
        came=np.zeros((steps, width), np.int64),
        codes=np.zeros((steps, width, 3), np.int64),
        left=np.zeros(items, np.int64),
        paid=np.zeros((2, longest + 1)),
        # candidates, labels, 1 when something was dropped for lack of room
        sizes=np.zeros(3, np.int64),
    )


@kernel
def _add(sizes, scores, cells, limit, score, walk, label, way, up, down, there):
    """A candidate, unless it cannot beat the best known tour."""
    if score > limit:
        return
    number = sizes[0]
    if number == len(scores):
        sizes[2] = 1
        return
    sizes[0] = number + 1
    scores[number, 0], scores[number, 1] = score, walk
    cells[number, FROM], cells[number, WAY], cells[number, THERE] = label, way, there
    cells[number, UP], cells[number, DOWN] = up, down


@kernel
def _pay(item, units, lift, prices, wanted, left, paid, first, last):
    """What the offers of a slot bring to a label, from below and from above; all of it."""
    total = 0.0
    for side in range(2):
        total = 0.0
        paid[side, 0] = 0.0
        for k in range(first, last):
            left[item[k]] = wanted[item[k]]
        for n in range(last - first):
            k = first + n if side == 0 else last - 1 - n
            units_now = min(units[k], left[item[k]])
            pay = units_now * (prices[item[k]] + SLACK) - lift[k]
            if pay > 0:
                left[item[k]] -= units_now
                total += pay
            paid[side, n + 1] = total
    return total


@kernel
def _walk_slot(course, stall, beam, step, row, limit):
    """All ways of all labels to walk a slot."""
    key, slot = course.steps[step, KEY], course.steps[step, SLOT]
    first, last = stall.first[key], stall.first[key + 1]
    item, units, prices = stall.item, stall.units, stall.prices
    sizes, scores, cells = beam.sizes, beam.scores, beam.cells
    bottom, top = course.slots[key, BOTTOM], course.slots[key, TOP]
    through = course.slots[key, HOW] == THROUGH
    low_end = last if through else first
    while not through and low_end < last and stall.height[low_end] < course.slots[key, EDGE]:
        low_end += 1
    high_end = first if through else low_end
    states, walks, owed, wanted = beam.state[row], beam.walk[row], beam.owed[row], beam.wanted[row]
    left, paid, afters, rest = beam.left, beam.paid, course.after[slot], stall.rest[step + 1]
    for label in range(sizes[1]):
        state, walk = states[label], walks[label]
        base = walk + owed[label]
        _add(sizes, scores, cells, limit, base + rest[state], walk, label, 0, 0, 0, state)
        total = 0.0
        if last > first:
            total = _pay(item, units, stall.lift, prices, wanted[label], left, paid, first, last)
        if through:
            for way in (1, 2):
                there, more = afters[state, way], way * (top - bottom)
                if there >= 0:
                    score = base + more - total + rest[there]
                    _add(
                        sizes, scores, cells, limit, score, walk + more,
                        label, way, last, last, there,
                    )  # fmt: skip
        if total > 0:
            _turn(
                sizes, scores, cells, paid, stall.height, rest, afters[state], limit, base, walk,
                label, bottom, top, first, last, low_end, high_end,
            )  # fmt: skip


@kernel
def _turn(
    sizes, scores, cells, paid, height, rest, after, limit, base, walk,
    label, bottom, top, first, last, low_end, high_end,
):  # fmt: skip
    """The ways of a label to walk into a slot and back, from one end or from both."""
    up, down, both, total = after[3], after[4], after[5], paid[0, last - first]
    for k in range(high_end, last):
        pay = paid[1, last - k]
        if down >= 0 and pay > paid[1, last - k - 1]:
            more = 2 * (top - height[k])
            score = base + more - pay + rest[down]
            _add(sizes, scores, cells, limit, score, walk + more, label, 4, first, k, down)
    for k in range(first, low_end):
        pay = paid[0, k + 1 - first]
        if pay <= paid[0, k - first]:
            continue
        more = 2 * (height[k] - bottom)
        if up >= 0:
            score = base + more - pay + rest[up]
            _add(sizes, scores, cells, limit, score, walk + more, label, 3, k + 1, last, up)
        if both >= 0 and base + more - total + rest[both] <= limit:
            for m in range(max(k + 1, high_end), last):
                if paid[1, last - m] > paid[1, last - m - 1]:
                    far = more + 2 * (top - height[m])
                    score = base + far - min(total, pay + paid[1, last - m]) + rest[both]
                    _add(sizes, scores, cells, limit, score, walk + far, label, 5, k + 1, m, both)


@kernel
def _move(course, stall, beam, step, row, limit):
    """All moves of all labels."""
    fan, moves, pointers = course.steps[step, POINTERS], course.steps[step, MOVES], course.pointers
    targets, lengths, rest = course.targets, course.lengths, stall.rest[step + 1]
    sizes, scores, cells = beam.sizes, beam.scores, beam.cells
    states, walks, owed = beam.state[row], beam.walk[row], beam.owed[row]
    for label in range(sizes[1]):
        at = fan + states[label]
        for move in range(moves + pointers[at], moves + pointers[at + 1]):
            there, walk = targets[move], walks[label] + lengths[move]
            score = walk + owed[label] + rest[there]
            _add(sizes, scores, cells, limit, score, walk, label, 0, 0, 0, there)


@kernel
def _rank(beam):
    """Candidates roughly by score (a counting sort)."""
    count, scores = beam.sizes[0], beam.scores
    low = high = scores[0, 0]
    for number in range(1, count):
        low, high = min(low, scores[number, 0]), max(high, scores[number, 0])
    scale = (BUCKETS - 1) / (high - low + SLACK)
    begins = np.zeros(BUCKETS + 1, np.int64)
    for number in range(count):
        begins[int((scores[number, 0] - low) * scale) + 1] += 1
    for bucket in range(BUCKETS):
        begins[bucket + 1] += begins[bucket]
    for number in range(count):
        bucket = int((scores[number, 0] - low) * scale)
        beam.ranked[begins[bucket]] = number
        begins[bucket] += 1


@kernel
def _served(item, units, lift, later, prices, wanted, first, last, up, down):
    """Take the offers before `up` and from `down` on: what mark and debt of a label change by.

    Third is the lifting; a negative mark says that an item is missed for good.
    """
    mark, less, lifted = 0, 0.0, 0.0
    for k in range(first, last):
        if k < up or k >= down:
            units_now = min(units[k], wanted[item[k]])
            if units_now * (prices[item[k]] + SLACK) <= lift[k]:
                continue
            lifted += lift[k]
            wanted[item[k]] -= units_now
            mark += units_now * ((item[k] + 1) * PRIME % MANY)
            less += units_now * prices[item[k]]
    for k in range(first, last):
        if wanted[item[k]] > later[k]:
            return -1, 0.0, 0.0
    return mark, less, lifted


@kernel
def _place(places, states, marks, wanted, size, there):
    """Where in the hash table a label belongs: an equal one but for its walk, or a free cell."""
    place = (marks[size] * 31 + there) & (len(places) - 1)
    while places[place]:
        into = places[place] - 1
        same = states[into] == there and marks[into] == marks[size]
        if same and np.array_equal(wanted[into], wanted[size]):
            break
        place = (place + 1) & (len(places) - 1)
    return place


@kernel
def _keep(course, stall, beam, step, row, limit):
    """The best candidates become the labels of the next step."""
    other, width, size = 1 - row, beam.state.shape[1], 0
    cells, places, ranked, scores = beam.cells, beam.places, beam.ranked, beam.scores
    came, codes, rest = beam.came[step], beam.codes[step], stall.rest[step + 1]
    item, units, lift, later = stall.item, stall.units, stall.lift, stall.later
    prices = stall.prices
    old_mark, old_owed, old_wanted = beam.mark[row], beam.owed[row], beam.wanted[row]
    marks, owed, wanted = beam.mark[other], beam.owed[other], beam.wanted[other]
    states, walks = beam.state[other], beam.walk[other]
    key, first, last = course.steps[step, KEY], 0, 0
    if key >= 0:
        first, last = stall.first[key], stall.first[key + 1]
    places[:] = 0
    if beam.sizes[0]:
        _rank(beam)
    for rank in range(beam.sizes[0]):
        number = ranked[rank]
        if size == width:
            beam.sizes[2] = 1
            break
        label, there, walk = cells[number, FROM], cells[number, THERE], scores[number, 1]
        up, down = first, last
        if cells[number, WAY] > 0:
            up, down = cells[number, UP], cells[number, DOWN]
        for i in range(wanted.shape[1]):
            wanted[size, i] = old_wanted[label, i]
        mark, less, lifted = _served(
            item, units, lift, later, prices, wanted[size], first, last, up, down
        )
        if mark < 0:
            continue
        walk += lifted
        marks[size], owed[size] = old_mark[label] + mark, old_owed[label] - less
        if walk + owed[size] + rest[there] > limit:
            continue
        place = _place(places, states, marks, wanted, size, there)
        into = places[place] - 1 if places[place] else size
        if into < size and walks[into] <= walk:
            continue
        places[place] = into + 1
        states[into], walks[into] = there, walk
        came[into], codes[into, 0] = label, cells[number, WAY]
        codes[into, 1], codes[into, 2] = cells[number, UP], cells[number, DOWN]
        size += into == size
    beam.sizes[1] = size


@kernel
def start(stall, beam):
    """One empty label."""
    beam.state[0, 0], beam.walk[0, 0], beam.mark[0, 0], beam.owed[0, 0] = 0, 0.0, 0, 0.0
    beam.wanted[0, 0] = stall.demand
    for item in range(len(stall.demand)):
        beam.owed[0, 0] += stall.demand[item] * stall.prices[item]
    beam.sizes[1], beam.sizes[2] = 1, 0


@kernel
def step_on(course, stall, beam, first, last, limit):
    """Some steps on with all labels that may lead to a tour no longer than `limit`.

    After the last step of the course what the best tour brings is left in `taken`. COMPLETE
    without BETTER: there is no such tour.
    """
    for step in range(first, min(last, len(course.steps))):
        beam.sizes[0] = 0
        if course.steps[step, KEY] >= 0:
            _walk_slot(course, stall, beam, step, step % 2, limit)
        else:
            _move(course, stall, beam, step, step % 2, limit)
        _keep(course, stall, beam, step, step % 2, limit)
        if not beam.sizes[1]:
            return 0 if beam.sizes[2] else COMPLETE
    if last < len(course.steps):
        return GO_ON
    _trace(course, stall, beam)
    return BETTER if beam.sizes[2] else BETTER + COMPLETE


@kernel
def _trace(course, stall, beam):
    """The offers that the shortest of the last labels takes."""
    row, found = len(course.steps) % 2, 0
    for label in range(beam.sizes[1]):
        if beam.walk[row, label] < beam.walk[row, found]:
            found = label
    stall.taken[:] = 0
    for step in range(len(course.steps) - 1, -1, -1):
        key = course.steps[step, KEY]
        if key >= 0 and beam.codes[step, found, 0] > 0:
            stall.taken[stall.first[key] : beam.codes[step, found, 1]] = 1
            stall.taken[beam.codes[step, found, 2] : stall.first[key + 1]] = 1
        found = beam.came[step, found]
