"""Prices for the items wanted, and the tours that pay best at them (scattered storage).

Problem: a walk that must bring every item is hard; one that may bring what pays is a shortest path
through the steps of a course. The prices that make its length plus all prices as large as possible
say where a good tour goes, and that sum is a lower bound on every tour.
Shape: a slot is walked through, or entered from one or both ends as far as it pays; `Stall.rest`
holds for every step and state how long the rest of the tour is, less what it pays.
Units: mm, base units. Guarantees: `bound` never exceeds the shortest tour.
Source: Lagrangian relaxation of the demand in the state graph of Hessler and Irnich (2024), prices
by subgradients (Held and Karp 1971).
"""

import numpy as np

from wms.planning.floor import THROUGH
from wms.planning.jit import kernel
from wms.planning.scattered_course import (
    BOTTOM,
    EDGE,
    FAR,
    HOW,
    KEY,
    MOVES,
    POINTERS,
    SLOT,
    TOP,
)

SLACK = 1e-6
# Cells of `Stall.at` per slot: how far up from below, how far down from above, the two of a gap.
UP_TO, DOWN_TO, GAP_UP, GAP_DOWN = range(4)
# Cells of `Stall.gauge`: the bound so far, length of a step, rounds without a better bound.
BOUND, SCALE, STALE = range(3)
PATIENCE = 5


@kernel
def _slot_pay(height, pay, ways, at, first, last, bottom, top, edge, through):
    """Walk less pay of the ways to walk a slot, left in `ways`; where to turn is left in `at`."""
    wall = last if through else first
    while not through and wall < last and height[wall] < edge:
        wall += 1
    total = 0.0
    for k in range(first if through else wall, last):
        total += pay[k]
    below, above, gap, paid = FAR, FAR, FAR, 0.0
    up_to, down_to, gap_up, gap_down = first, last, first, last
    for k in range(first, last):
        if k == wall:
            paid = 0.0
        if through or k >= wall:
            cost = 2 * (top - height[k]) - (total - paid)
            if below + cost < gap:
                gap, gap_up, gap_down = below + cost, up_to, k
            if cost < above:
                above, down_to = cost, k
        paid += pay[k]
        if k < wall:
            cost = 2 * (height[k] - bottom) - paid
            if cost < below:
                below, up_to = cost, k + 1
    ways[1] = ways[2] = FAR
    if through:
        ways[1] = top - bottom - total
        ways[2] = 2 * (top - bottom) - total
    ways[3], ways[4], ways[5] = below, above, gap
    at[UP_TO], at[DOWN_TO], at[GAP_UP], at[GAP_DOWN] = up_to, down_to, gap_up, gap_down


@kernel
def offer_pay(stall):
    """What every offer pays at the prices, less the lifting; nothing where it is not worth that."""
    for k in range(len(stall.pay)):
        stall.pay[k] = max(0.0, stall.prices[stall.item[k]] * stall.units[k] - stall.lift[k])


@kernel
def look_ahead(course, stall):
    """Fill `rest` from the last step to the first; walk less pay of the tour that pays best."""
    rest, steps, slots, ways = stall.rest, course.steps, course.slots, stall.ways
    first, height, pay, at = stall.first, stall.height, stall.pay, stall.at
    pointers, targets, lengths = course.pointers, course.targets, course.lengths
    count, last = len(course.accepting), len(steps)
    for state in range(count):
        rest[last, state] = 0.0 if course.accepting[state] else FAR
    for step in range(last - 1, -1, -1):
        key, here, then = steps[step, KEY], rest[step], rest[step + 1]
        if key >= 0:
            _slot_pay(
                height, pay, ways[step], at[key], first[key], first[key + 1],
                slots[key, BOTTOM], slots[key, TOP], slots[key, EDGE], slots[key, HOW] == THROUGH,
            )  # fmt: skip
            after = course.onward[steps[step, SLOT]]
            one, two, three = ways[step, 1], ways[step, 2], ways[step, 3]
            four, five = ways[step, 4], ways[step, 5]
            for state in range(count):
                best = min(then[state], one + then[after[state, 1]])
                best = min(best, two + then[after[state, 2]])
                best = min(best, three + then[after[state, 3]])
                best = min(best, four + then[after[state, 4]])
                here[state] = min(best, five + then[after[state, 5]])
        else:
            fan, moves = steps[step, POINTERS], steps[step, MOVES]
            for state in range(count):
                best = FAR
                for move in range(moves + pointers[fan + state], moves + pointers[fan + state + 1]):
                    best = min(best, lengths[move] + then[targets[move]])
                here[state] = best
    return rest[0, 0]


@kernel
def follow(course, stall):
    """Mark the offers on the tour that pays best (after `look_ahead`), if worth their lifting."""
    pay, lift = stall.pay, stall.lift
    rest, steps, ways, at, taken = stall.rest, course.steps, stall.ways, stall.at, stall.taken
    pointers, targets, lengths = course.pointers, course.targets, course.lengths
    taken[:] = 0
    state = 0
    for step in range(len(steps)):
        wanted, then = rest[step, state] + SLACK, rest[step + 1]
        key = steps[step, KEY]
        if key < 0:
            move = steps[step, MOVES] + pointers[steps[step, POINTERS] + state]
            while lengths[move] + then[targets[move]] > wanted:
                move += 1
            state = targets[move]
            continue
        if then[state] <= wanted:
            continue
        after = course.after[steps[step, SLOT], state]
        way = 1
        while after[way] < 0 or ways[step, way] + then[after[way]] > wanted:
            way += 1
        state = after[way]
        first, last = stall.first[key], stall.first[key + 1]
        up_to, down_to = last, last
        if way == 3:
            up_to = at[key, UP_TO]
        elif way == 4:
            up_to, down_to = first, at[key, DOWN_TO]
        elif way == 5:
            up_to, down_to = at[key, GAP_UP], at[key, GAP_DOWN]
        for k in range(first, last):
            if (k < up_to or k >= down_to) and (pay[k] > 0 or lift[k] == 0):
                taken[k] = 1


@kernel
def bargain(course, stall, best, rounds):
    """`rounds` times: the tour that pays best, then dearer what it lacks and cheaper the rest.

    `best` is the walk of a known tour. True when a tour brings just what is wanted: it then is as
    short as the bound says.
    """
    gauge, prices, demand = stall.gauge, stall.prices, stall.demand
    items = len(prices)
    missing = np.zeros(items)
    for _ in range(rounds):
        offer_pay(stall)
        bound = look_ahead(course, stall)
        follow(course, stall)
        for item in range(items):
            bound += prices[item] * demand[item]
            missing[item] = 1.0
        for k in range(len(stall.taken)):
            if stall.taken[k]:
                missing[stall.item[k]] -= stall.units[k] / demand[stall.item[k]]
        gauge[STALE] += 1
        if bound > gauge[BOUND] + SLACK:
            gauge[BOUND], gauge[STALE] = bound, 0
            stall.best_prices[:] = prices
        elif gauge[STALE] >= PATIENCE:
            gauge[SCALE] *= 0.6
            gauge[STALE] = 0
        norm = 0.0
        for item in range(items):
            if prices[item] > 0 or missing[item] > 0:
                norm += missing[item] * missing[item]
        if norm < SLACK:
            return True
        step = gauge[SCALE] * max(best - bound, 1.0) / norm
        for item in range(items):
            prices[item] = max(0.0, prices[item] + step * missing[item] / demand[item])
    return False
