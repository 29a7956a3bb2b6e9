"""Search for batches, pickers and sequences together: annealed exchanges with lateness.

Shape: groups as in `batch_search`; each group has a duration, a due time (the earliest of its
orders) and a picker; a picker works his groups by due time, which is the best sequence for him
when he is alone. Cost = all durations + weight x lateness. Units: milliseconds.
Guarantees: capacities and zones kept; the best plan is compared by lateness first, cost second.
Source: simulated annealing; earliest due date first per picker (Jackson 1955).
"""

from typing import NamedTuple

import numpy as np

from wms.planning.batch_search import (
    COST,
    LOADS,
    SIZE,
    chance,
    cost_of,
    put_in,
    rand,
    take_out,
)
from wms.planning.jit import kernel

NEVER = 1 << 50
SETUP, WEIGHT, HARD = range(3)
HOT, COLD = 0.1, 0.002


class Shift(NamedTuple):
    """Orders' due times and work, zones, pickers, and what is planned for them now.

    `trial` holds the exchange being tried: up to three (order, group) pairs, then what to put back.
    """

    order_due: np.ndarray
    order_work: np.ndarray
    order_zone: np.ndarray
    pace: np.ndarray
    numbers: np.ndarray
    ready: np.ndarray
    allowed: np.ndarray
    duration: np.ndarray
    due: np.ndarray
    picker: np.ndarray
    turns: np.ndarray
    late: np.ndarray
    trial: np.ndarray


@kernel
def _refresh(pack, shift, groups, number):
    """Duration and due time of a group from its members and its tour."""
    members = LOADS + pack.sizes[1]
    size = groups[number, SIZE]
    if size == 0:
        shift.duration[number] = 0
        shift.due[number] = NEVER
        return
    cost = cost_of(pack, groups, number, -1, -1)
    groups[number, COST] = cost
    first = groups[number, members]
    total = shift.numbers[SETUP] + cost * 1000 // shift.pace[shift.order_zone[first]]
    due = NEVER
    for member in range(members, members + size):
        order = groups[number, member]
        total += shift.order_work[order]
        due = min(due, shift.order_due[order])
    shift.duration[number] = total
    shift.due[number] = due


@kernel
def _measure(shift, who):
    """Sort a picker's groups by due time; his lateness."""
    turns, due = shift.turns, shift.due
    count = turns[who, 0]
    for at in range(2, count + 1):
        number = turns[who, at]
        put = at
        while put > 1 and due[turns[who, put - 1]] > due[number]:
            turns[who, put] = turns[who, put - 1]
            put -= 1
        turns[who, put] = number
    now, late = shift.ready[who], 0
    for at in range(1, count + 1):
        number = turns[who, at]
        now += shift.duration[number]
        if now > due[number]:
            late += now - due[number]
    shift.late[who] = late
    return late


@kernel
def _hire(shift, number, who):
    """Give a group to a picker."""
    turns = shift.turns
    turns[who, 0] += 1
    turns[who, turns[who, 0]] = number
    shift.picker[number] = who


@kernel
def _release(shift, number):
    """Take a group from its picker."""
    turns, who = shift.turns, shift.picker[number]
    last = turns[who, 0]
    for at in range(1, last + 1):
        if turns[who, at] == number:
            for later in range(at, last):
                turns[who, later] = turns[who, later + 1]
            break
    turns[who, 0] = last - 1
    shift.picker[number] = -1


@kernel
def _move(pack, shift, groups, where, order, number, who):
    """Move an order; a group that empties loses its picker, a new one gets `who`."""
    home = where[order]
    take_out(pack, groups, where, order)
    if groups[number, SIZE] == 0:
        _hire(shift, number, who)
    put_in(pack, groups, where, order, number)
    if groups[home, SIZE] == 0:
        _release(shift, home)


@kernel
def _may(shift, order, who):
    """True when the picker may work in the order's zone."""
    return (shift.allowed[who] >> shift.order_zone[order]) & 1


@kernel
def _room(pack, shift, groups, where, count):
    """True when every group of the trial keeps its limits and its zone after all moves."""
    orders, caps, trial = pack.orders, pack.caps, shift.trial
    members = LOADS + pack.sizes[1]
    for k in range(count):
        order, number = trial[2 * k], trial[2 * k + 1]
        if where[order] == number:
            return False
        for kind in range(len(caps)):
            load = groups[number, LOADS + kind]
            for j in range(count):
                if trial[2 * j + 1] == number:
                    load += orders[trial[2 * j], 1 + kind]
                if where[trial[2 * j]] == number:
                    load -= orders[trial[2 * j], 1 + kind]
            if load > caps[kind]:
                return False
        if groups[number, SIZE] > 0:
            other = groups[number, members]
            if shift.order_zone[other] != shift.order_zone[order]:
                return False
    return True


@kernel
def _add_person(trial, people, person):
    for i in range(people):
        if trial[12 + i] == person:
            return people
    trial[12 + people] = person
    return people + 1


@kernel
def _try(pack, shift, groups, where, count, who, limit):
    """Carry out the trial's moves unless they cost more than `limit`; the change of cost."""
    trial, weight = shift.trial, shift.numbers[WEIGHT]
    if not _room(pack, shift, groups, where, count):
        return 0
    homes = (where[trial[0]], where[trial[2]], where[trial[4]])
    keepers = (shift.picker[homes[0]], shift.picker[homes[1]], shift.picker[homes[2]])
    crowd = 0
    for k in range(count):
        for number in (homes[k], trial[2 * k + 1]):
            fresh = True
            for j in range(crowd):
                fresh = fresh and trial[6 + j] != number
            if fresh:
                trial[6 + crowd] = number
                crowd += 1
    old, people = 0, 0
    for j in range(crowd):
        number = trial[6 + j]
        old += shift.duration[number]
        # A group of one may empty and be taken up again by `who`.
        if groups[number, SIZE] <= 1:
            people = _add_person(trial, people, who)
        if groups[number, SIZE] > 0:
            people = _add_person(trial, people, shift.picker[number])
    for i in range(people):
        old += weight * shift.late[trial[12 + i]]
    for k in range(count):
        _move(pack, shift, groups, where, trial[2 * k], trial[2 * k + 1], who)
    new = _evaluate(pack, shift, groups, crowd, people)
    if new - old <= limit:
        return new - old
    for k in range(count - 1, -1, -1):
        _move(pack, shift, groups, where, trial[2 * k], homes[k], keepers[k])
    _evaluate(pack, shift, groups, crowd, people)
    return 0


@kernel
def _evaluate(pack, shift, groups, crowd, people):
    """Cost of the groups and pickers of the trial."""
    trial, total = shift.trial, 0
    for j in range(crowd):
        _refresh(pack, shift, groups, trial[6 + j])
        total += shift.duration[trial[6 + j]]
    for i in range(people):
        total += shift.numbers[WEIGHT] * _measure(shift, trial[12 + i])
    return total


@kernel
def _hand_over(pack, shift, groups, number, other, who, limit):
    """Give a group to another picker, and `other` (if any) the other way; the change of cost."""
    home, weight = shift.picker[number], shift.numbers[WEIGHT]
    first = groups[number, LOADS + pack.sizes[1]]
    if home == who or not _may(shift, first, who):
        return 0
    if other >= 0 and not _may(shift, groups[other, LOADS + pack.sizes[1]], home):
        return 0
    old = shift.late[home] + shift.late[who]
    _release(shift, number)
    if other >= 0:
        _release(shift, other)
        _hire(shift, other, home)
    _hire(shift, number, who)
    new = _measure(shift, home) + _measure(shift, who)
    if weight * (new - old) <= limit:
        return weight * (new - old)
    _release(shift, number)
    if other >= 0:
        _release(shift, other)
        _hire(shift, other, who)
    _hire(shift, number, home)
    _measure(shift, home)
    _measure(shift, who)
    return 0


@kernel
def _target(pack, where, near, order):
    if rand(pack.luck, 100) < 70:
        return near[order, rand(pack.luck, near.shape[1])]
    return rand(pack.luck, len(where))


@kernel
def _mate(pack, groups, where, order):
    number = where[order]
    return groups[number, LOADS + pack.sizes[1] + rand(pack.luck, groups[number, SIZE])]


@kernel
def anneal_wave(pack, shift, groups, where, near, best, costs, moves, heat, cooling):
    """`moves` random exchanges at falling heat.

    `costs` is [current, best lateness, best total]; `best` is [group, picker of it] per order.
    """
    count, luck, trial = len(where), pack.luck, shift.trial
    for _ in range(moves):
        heat *= cooling
        limit = -heat * np.log(chance(luck) + 1e-12)
        kind, order = rand(luck, 12), rand(luck, count)
        like = _target(pack, where, near, order)
        who = rand(luck, len(shift.ready))
        if not _may(shift, order, who):
            continue
        trial[0], trial[2], trial[4] = order, order, order
        if kind < 3:
            number = where[like]
            if rand(luck, 15) == 0:
                number = rand(luck, count)
            trial[1] = number
            delta = _try(pack, shift, groups, where, 1, who, limit)
        elif kind < 8:
            other = _mate(pack, groups, where, like)
            trial[1], trial[2], trial[3] = where[other], other, where[order]
            delta = _try(pack, shift, groups, where, 2, who, limit)
        elif kind < 10:
            other = _mate(pack, groups, where, like)
            third = where[_target(pack, where, near, other)]
            trial[1], trial[2], trial[3] = where[other], other, third
            delta = _try(pack, shift, groups, where, 2, who, limit)
        else:
            number = where[like]
            other = where[order] if shift.picker[where[order]] == who and kind == 11 else -1
            delta = _hand_over(pack, shift, groups, number, other, who, limit)
        costs[0] += delta
        if delta < 0:
            _note(shift, where, best, costs)
    return heat


@kernel
def _note(shift, where, best, costs):
    """Keep the plan when it is less late than the best one, or as late and cheaper."""
    late = 0
    for who in range(len(shift.late)):
        late += shift.late[who]
    total = costs[0] - shift.numbers[WEIGHT] * late
    if shift.numbers[HARD]:
        better = late < costs[1] or (late == costs[1] and total < costs[2])
    else:
        better = costs[0] < costs[2] + shift.numbers[WEIGHT] * costs[1]
    if better:
        costs[1], costs[2] = late, total
        for order in range(len(where)):
            best[order, 0] = where[order]
            best[order, 1] = shift.picker[where[order]]


@kernel
def replan(pack, shift, groups, where, best):
    """Make the plan the given one; its cost."""
    groups[:, : LOADS + pack.sizes[1]] = 0
    shift.turns[:] = 0
    shift.picker[:] = -1
    for order in range(len(best)):
        put_in(pack, groups, where, order, best[order, 0])
        if shift.picker[best[order, 0]] < 0:
            _hire(shift, best[order, 0], best[order, 1])
    total = 0
    for number in range(len(groups)):
        _refresh(pack, shift, groups, number)
        total += shift.duration[number]
    for who in range(len(shift.ready)):
        total += shift.numbers[WEIGHT] * _measure(shift, who)
    return total


def new_shift(
    orders: np.ndarray, pace: np.ndarray, numbers: np.ndarray, people: np.ndarray
) -> Shift:
    """Empty plans. Shape: `orders` rows [due, work, zone], `people` rows [ready, zone bits]."""
    count = len(orders)
    return Shift(
        *(np.ascontiguousarray(orders[:, k], np.int64) for k in range(3)),
        pace.astype(np.int64),
        numbers.astype(np.int64),
        people[:, 0].copy(),
        people[:, 1].copy(),
        np.zeros(count, np.int64),
        np.full(count, NEVER, np.int64),
        np.full(count, -1, np.int64),
        np.zeros((len(people), count + 1), np.int64),
        np.zeros(len(people), np.int64),
        np.zeros(32, np.int64),
    )
