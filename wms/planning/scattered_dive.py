"""Plans by prices: the slot that brings most is fixed, then the tour that pays best goes on.

Problem: the tour that pays best at some prices passes some items twice and misses others. Once the
bins of one slot are fixed, their items are worth nothing elsewhere, and the rest of the tour is
chosen anew; after a few such steps the choice is whole. A part of a known plan may be fixed from
the start, so that only the rest of it is chosen again.
Shape: offers in walking order, as in `Stall`; `costs` is [current, best], `best` and `kept` are the
choices that belong to them. Units: mm, base units.
Guarantees: the cost told is that of the choice; a dive that cannot beat `limit` is given up.
Source: Lagrangian heuristic with fixing (Caprara, Fischetti and Toth 1999), large neighbourhoods.
"""

from typing import NamedTuple

import numpy as np

from wms.planning.jit import kernel
from wms.planning.scattered_course import FAR, Course, Stall
from wms.planning.scattered_prices import SLACK, follow, look_ahead
from wms.planning.scattered_search import COLUMN_AT, rand

# What a fixed bin pays: the tour cannot do without.
MUST = 1e9
# Rounds of prices before the first slot is fixed, and the most rounds of a dive.
WARM, ROUNDS = 1, 60
# An item that is missed while slots are fixed becomes so much dearer.
DEARER, MORE = 1.2, 1.0
LEAST_STEP = 4.0


class Hold(NamedTuple):
    """Per offer: is it fixed, its slot and column; per item: what is left, what the tour brings."""

    must: np.ndarray
    slot: np.ndarray
    column: np.ndarray
    left: np.ndarray
    got: np.ndarray
    prices: np.ndarray
    worth: np.ndarray


def new_hold(course: Course, stall: Stall, offers: np.ndarray) -> Hold:
    """Nothing fixed yet."""
    keys, items = len(course.slots), len(stall.demand)
    return Hold(
        must=np.zeros(len(stall.item), np.int64),
        slot=np.repeat(np.arange(keys), np.diff(stall.first)),
        column=offers[stall.order, COLUMN_AT],
        left=np.zeros(items, np.int64),
        got=np.zeros(items, np.int64),
        prices=np.zeros(items),
        worth=np.zeros(keys),
    )


@kernel
def _pay(stall, hold):
    """What every offer pays now; what the fixed ones pay and their lifting."""
    fixed = 0.0
    for k in range(len(hold.must)):
        left = hold.left[stall.item[k]]
        stall.pay[k] = 0.0
        if hold.must[k]:
            stall.pay[k] = MUST
            fixed += MUST + stall.lift[k]
        elif left > 0:
            pay = hold.prices[stall.item[k]] * min(stall.units[k], left) - stall.lift[k]
            stall.pay[k] = max(0.0, pay)
    return fixed


@kernel
def _fix(stall, hold, s):
    """Fix the bins of the slot that brings most, with some luck."""
    worth, left, item = hold.worth, hold.left, stall.item
    must, taken = hold.must, stall.taken
    worth[:] = 0.0
    for k in range(len(item)):
        i = item[k]
        if taken[k] and not must[k] and left[i] > 0:
            share = min(stall.units[k], left[i]) / hold.got[i]
            worth[hold.slot[k]] += hold.prices[i] * left[i] * share + SLACK
    most, chosen = 0.0, 0
    for key in range(len(worth)):
        if worth[key] > 0:
            value = worth[key] * (50 + rand(s, 100))
            if value > most:
                most, chosen = value, key
    if most > 0:
        for k in range(stall.first[chosen], stall.first[chosen + 1]):
            if taken[k] and not must[k] and left[item[k]] > 0:
                must[k] = 1
                left[item[k]] -= stall.units[k]


@kernel
def _cost(course, stall, hold):
    """Walk and lifting of what is fixed."""
    fixed = _pay(stall, hold)
    return look_ahead(course, stall) + fixed


@kernel
def _drop(course, stall, hold, s):
    """Give up fixed bins that are not needed, first those off the tour of the rest; were there?"""
    must, left, item, units = hold.must, hold.left, stall.item, stall.units
    count, found = len(must), False
    for k in range(count):
        if must[k] and units[k] <= -left[item[k]]:
            stall.pay[k], found = 0.0, True
    if not found:
        return False
    look_ahead(course, stall)
    follow(course, stall)
    begin = rand(s, count)
    for passed in range(2):
        for n in range(begin, begin + count):
            k = n % count
            if must[k] and units[k] <= -left[item[k]] and stall.taken[k] == passed:
                must[k] = 0
                left[item[k]] += units[k]
    return True


@kernel
def _dive(course, stall, hold, s, limit):
    """Fix bins until all that is wanted is there; the walk, or FAR when it was given up."""
    must, left, got, prices = hold.must, hold.left, hold.got, hold.prices
    items = len(left)
    for turn in range(ROUNDS):
        bound = _pay(stall, hold)
        bound += look_ahead(course, stall)
        whole = True
        for i in range(items):
            got[i] = 0
            if left[i] > 0:
                whole = False
                bound += prices[i] * left[i]
        if bound > limit:
            return FAR
        if whole:
            return bound if not _drop(course, stall, hold, s) else _cost(course, stall, hold)
        follow(course, stall)
        for k in range(len(must)):
            if stall.taken[k] and not must[k] and left[stall.item[k]] > 0:
                got[stall.item[k]] += stall.units[k]
        norm, lacks = 0.0, False
        for i in range(items):
            if left[i] > 0:
                norm += ((left[i] - got[i]) / left[i]) ** 2
                lacks = lacks or got[i] < left[i]
        step = max(limit - bound, LEAST_STEP) / max(norm, SLACK)
        for i in range(items):
            if left[i] > 0:
                prices[i] = max(0.0, prices[i] + step * (left[i] - got[i]) / left[i] / left[i])
                if got[i] < left[i] and turn >= WARM:
                    prices[i] = prices[i] * DEARER + MORE
        if turn >= WARM or not lacks:
            _fix(stall, hold, s)
    return FAR


@kernel
def _let_go(stall, hold, s, kept):
    """Fix the bins of a plan but for those of one aisle, two, between or beside them, or some."""
    count, must, column = len(hold.must), hold.must, hold.column
    one, two = rand(s, count), rand(s, count)
    while not kept[stall.order[one]]:
        one = (one + 1) % count
    while not kept[stall.order[two]]:
        two = (two + 1) % count
    first, last = column[one], column[two]
    low, high = min(first, last), max(first, last)
    kind, share = rand(s, 6), 20 + rand(s, 60)
    for k in range(count):
        must[k] = kept[stall.order[k]]
        if not must[k]:
            continue
        between = low <= column[k] <= high
        if (
            (kind == 0 and column[k] == first)
            or (kind == 1 and (column[k] == first or column[k] == last))
            or (kind == 2 and rand(s, 100) < share)
            or (kind == 3 and between)
            or (kind == 4 and not between)
            or kind == 5
        ):
            must[k] = 0
        else:
            hold.left[stall.item[k]] -= stall.units[k]


@kernel
def dives(course, stall, hold, s, best, kept, costs, spurs, tries, threshold, fresh):
    """So many dives, each from a part of the plan in `kept` or (`fresh`) from nothing."""
    for _ in range(tries):
        hold.left[:] = stall.demand
        if fresh:
            hold.must[:] = 0
        else:
            _let_go(stall, hold, s, kept)
        factor = 0.8 + rand(s, 100) / 100.0
        for i in range(len(hold.prices)):
            hold.prices[i] = stall.best_prices[i] * factor * (0.8 + rand(s, 400) / 1000.0)
        walk = _dive(course, stall, hold, s, costs[1] * (1.0 + threshold) - spurs)
        if walk >= FAR:
            continue
        costs[0] = int(walk + 0.5) + spurs
        for k in range(len(hold.must)):
            kept[stall.order[k]] = hold.must[k]
        if costs[0] < costs[1]:
            costs[1] = costs[0]
            best[:] = kept
