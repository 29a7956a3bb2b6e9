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
def _add(beam, limit, score, walk, label, way, up, down, there):
    """A candidate, unless it cannot beat the best known tour."""
    if score > limit:
        return
    number = beam.sizes[0]
    if number == len(beam.scores):
        beam.sizes[2] = 1
        return
    beam.sizes[0] = number + 1
    beam.scores[number, 0], beam.scores[number, 1] = score, walk
    cells = beam.cells
    cells[number, FROM], cells[number, WAY], cells[number, THERE] = label, way, there
    cells[number, UP], cells[number, DOWN] = up, down


@kernel
def _pay(stall, beam, row, label, first, last):
    """What the offers of a slot bring to a label, from below and from above; all of it."""
    item, units, prices, left, paid = stall.item, stall.units, stall.prices, beam.left, beam.paid
    wanted, total = beam.wanted, 0.0
    for side in range(2):
        total = 0.0
        paid[side, 0] = 0.0
        for k in range(first, last):
            left[item[k]] = wanted[row, label, item[k]]
        for n in range(last - first):
            k = first + n if side == 0 else last - 1 - n
            units_now = min(units[k], left[item[k]])
            left[item[k]] -= units_now
            total += units_now * (prices[item[k]] + SLACK)
            paid[side, n + 1] = total
    return total


@kernel
def _walk_slot(course, stall, beam, step, row, label, limit):
    """All ways of one label to walk a slot."""
    key, slot = course.steps[step, KEY], course.steps[step, SLOT]
    first, last = stall.first[key], stall.first[key + 1]
    state, walk = beam.state[row, label], beam.walk[row, label]
    after, rest = course.after[slot, state], stall.rest[step + 1]
    base = walk + beam.owed[row, label]
    _add(beam, limit, base + rest[state], walk, label, 0, 0, 0, state)
    total = _pay(stall, beam, row, label, first, last) if last > first else 0.0
    bottom, top = course.slots[key, BOTTOM], course.slots[key, TOP]
    through = course.slots[key, HOW] == THROUGH
    if through:
        for way in (1, 2):
            there, more = after[way], way * (top - bottom)
            if there >= 0:
                score = base + more - total + rest[there]
                _add(beam, limit, score, walk + more, label, way, last, last, there)
    if total <= 0:
        return
    low_end = last if through else first
    while not through and low_end < last and stall.height[low_end] < course.slots[key, EDGE]:
        low_end += 1
    high_end = first if through else low_end
    up, down, both = after[3], after[4], after[5]
    height, paid = stall.height, beam.paid
    for k in range(high_end, last):
        if down >= 0 and paid[1, last - k] > paid[1, last - k - 1]:
            more = 2 * (top - height[k])
            score = base + more - paid[1, last - k] + rest[down]
            _add(beam, limit, score, walk + more, label, 4, first, k, down)
    for k in range(first, low_end):
        if paid[0, k + 1 - first] <= paid[0, k - first]:
            continue
        more, pay = 2 * (height[k] - bottom), paid[0, k + 1 - first]
        if up >= 0:
            _add(beam, limit, base + more - pay + rest[up], walk + more, label, 3, k + 1, last, up)
        if both >= 0 and base + more - total + rest[both] <= limit:
            for m in range(max(k + 1, high_end), last):
                if paid[1, last - m] > paid[1, last - m - 1]:
                    far = more + 2 * (top - height[m])
                    score = base + far - min(total, pay + paid[1, last - m]) + rest[both]
                    _add(beam, limit, score, walk + far, label, 5, k + 1, m, both)


@kernel
def _move(course, stall, beam, step, row, label, limit):
    """All moves of one label."""
    state, walk = beam.state[row, label], beam.walk[row, label]
    fan, moves = course.steps[step, POINTERS] + state, course.steps[step, MOVES]
    for move in range(moves + course.pointers[fan], moves + course.pointers[fan + 1]):
        there, more = course.targets[move], course.lengths[move]
        score = walk + more + beam.owed[row, label] + stall.rest[step + 1, there]
        _add(beam, limit, score, walk + more, label, 0, 0, 0, there)


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
def _served(course, stall, beam, step, number, row, into):
    """What is wanted after a candidate, as label `into`; False when an item is missed for good."""
    cells, item, units = beam.cells, stall.item, stall.units
    label, key = cells[number, FROM], course.steps[step, KEY]
    wanted, old = beam.wanted[1 - row, into], beam.wanted[row, label]
    wanted[:] = old
    mark, owed = beam.mark[row, label], beam.owed[row, label]
    if key >= 0:
        first, last = stall.first[key], stall.first[key + 1]
        if cells[number, WAY] > 0:
            up, down = cells[number, UP], cells[number, DOWN]
            for k in range(first, last):
                if k < up or k >= down:
                    less = min(units[k], wanted[item[k]])
                    wanted[item[k]] -= less
                    mark += less * ((item[k] + 1) * PRIME % MANY)
                    owed -= less * stall.prices[item[k]]
        for k in range(first, last):
            if wanted[item[k]] > stall.later[k]:
                return False
    beam.mark[1 - row, into], beam.owed[1 - row, into] = mark, owed
    return True


@kernel
def _same(beam, row, one, two, state):
    """Two labels with nothing between them but their walk; the second one's state is given."""
    if beam.state[row, one] != state or beam.mark[row, one] != beam.mark[row, two]:
        return False
    return np.array_equal(beam.wanted[row, one], beam.wanted[row, two])


@kernel
def _keep(course, stall, beam, step, row, limit):
    """The best candidates become the labels of the next step."""
    other, width, size = 1 - row, beam.state.shape[1], 0
    cells, places = beam.cells, beam.places
    places[:] = 0
    if beam.sizes[0]:
        _rank(beam)
    for rank in range(beam.sizes[0]):
        number = beam.ranked[rank]
        if size == width:
            beam.sizes[2] = 1
            break
        if not _served(course, stall, beam, step, number, row, size):
            continue
        there, walk = cells[number, THERE], beam.scores[number, 1]
        if walk + beam.owed[other, size] + stall.rest[step + 1, there] > limit:
            continue
        place = (beam.mark[other, size] * 31 + there) & (len(places) - 1)
        while places[place]:
            if _same(beam, other, places[place] - 1, size, there):
                break
            place = (place + 1) & (len(places) - 1)
        into = places[place] - 1 if places[place] else size
        if into < size and beam.walk[other, into] <= walk:
            continue
        places[place] = into + 1
        beam.state[other, into], beam.walk[other, into] = there, walk
        beam.came[step, into] = cells[number, FROM]
        beam.codes[step, into, 0] = cells[number, WAY]
        beam.codes[step, into, 1] = cells[number, UP]
        beam.codes[step, into, 2] = cells[number, DOWN]
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
        for label in range(beam.sizes[1]):
            if course.steps[step, KEY] >= 0:
                _walk_slot(course, stall, beam, step, step % 2, label, limit)
            else:
                _move(course, stall, beam, step, step % 2, label, limit)
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
