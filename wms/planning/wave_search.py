"""Search for batches, pickers and sequences together: annealed exchanges with lateness.

Shape: orders and groups as in `batch_search` (array `s`); a second flat array `w` holds, after its
head, due time, work, zone, rank and weight of every order, and duration, due time and picker of
every group, and how urgent it is. A picker works his groups by rank (due time less the minutes of
priority), as the floor does; where that makes somebody late, by due time or by weight if that is
better. Without priorities that is due time alone, the best sequence for him when he is alone.
Cost = all durations + weight x lateness; that of the weightiest orders of a group counts so often
again. Units: milliseconds.
Guarantees: capacities and zones kept; with hard due times plans are compared by lateness first.
Source: simulated annealing; earliest due date first per picker (Jackson 1955).
"""

import numpy as np

from wms.planning.batch_search import CAPS as CAPS_AT
from wms.planning.batch_search import (
    COST,
    COUNT,
    KINDS,
    LOADS,
    SIZE,
    WHERE,
    chance,
    cost_of,
    group_at,
    mate,
    member,
    order_at,
    put_in,
    rand,
    take_out,
    target,
)
from wms.planning.jit import kernel

NEVER = 1 << 50
HOT, COLD = 0.1, 0.002

# Head of `w`: numbers, then where each table begins.
SETUP, WEIGHT, HARD, MIXED, PEOPLE, TURN_SIZE = range(6)
(
    ORDER_DUE,
    ORDER_WORK,
    ORDER_ZONE,
    ORDER_RANK,
    ORDER_WEIGHT,
    PACE,
    READY,
    ALLOWED,
    DURATION,
    DUE,
    PICKER,
    RANK,
    URGENT,
    URGENT_DUE,
    TURNS,
    LATE,
    TRIAL,
    HEAD,
) = range(6, 24)
# Inside the trial: up to three (order, group) pairs, their homes and pickers, groups and people.
HOMES, KEEPERS, CROWD, CREW, TRIAL_SIZE = 6, 9, 12, 18, 32
BY_RANK, BY_DUE, BY_WEIGHT = range(3)


def new_shift(
    orders: np.ndarray, pace: np.ndarray, numbers: np.ndarray, people: np.ndarray
) -> np.ndarray:
    """Empty plans. Shape: `orders` rows [due, work, zone, rank, weight], `people` rows [ready,
    zone bits], `numbers` [setup, weight, hard, mixed]."""
    count, crew = len(orders), len(people)
    head = np.zeros(HEAD, np.int64)
    head[:ORDER_DUE] = (*numbers, crew, count + 1)
    tables = [
        *(orders[:, k] for k in range(5)),
        pace,
        people[:, 0],
        people[:, 1],
        np.zeros(count),
        np.full(count, NEVER),
        np.full(count, -1),
        np.full(count, NEVER),
        np.ones(count),
        np.full(count, NEVER),
        np.zeros(crew * (count + 1)),
        np.zeros(crew),
        np.zeros(TRIAL_SIZE),
    ]
    flats = [np.asarray(table, np.int64).ravel() for table in tables]
    head[ORDER_DUE:] = HEAD + np.cumsum([0, *(len(flat) for flat in flats)])[:-1]
    return np.concatenate([head, *flats])


@kernel
def turns_at(w, who):
    """Where a picker's list begins: how many groups, then the groups in sequence."""
    return w[TURNS] + who * w[TURN_SIZE]


@kernel
def _refresh(flat, s, w, memo, work, number):
    """Duration and due time of a group from its members and its tour; the duration."""
    size = s[group_at(s, number) + SIZE]
    if size == 0:
        w[w[DURATION] + number] = 0
        w[w[DUE] + number] = NEVER
        return 0
    cost = cost_of(flat, s, memo, work, number, -1, -1)
    s[group_at(s, number) + COST] = cost
    zone = w[w[ORDER_ZONE] + member(s, number, 0)]
    total = w[SETUP] + cost * 1000 // w[w[PACE] + zone]
    due, ahead, weight, urgent = NEVER, 0, 0, NEVER
    for place in range(size):
        order = member(s, number, place)
        total += w[w[ORDER_WORK] + order]
        mine, heavy = w[w[ORDER_DUE] + order], w[w[ORDER_WEIGHT] + order]
        due, ahead = min(due, mine), max(ahead, mine - w[w[ORDER_RANK] + order])
        if heavy > weight:
            weight, urgent = heavy, mine
        elif heavy == weight:
            urgent = min(urgent, mine)
    w[w[DURATION] + number] = total
    w[w[DUE] + number] = due
    w[w[RANK] + number] = due - ahead
    w[w[URGENT] + number], w[w[URGENT_DUE] + number] = weight, urgent
    return total


@kernel
def _precedes(w, one, two, how):
    """True when a picker takes group `one` before `two` in this kind of sequence."""
    first, second = w[w[DUE] + one], w[w[DUE] + two]
    if how == BY_RANK and w[w[RANK] + one] != w[w[RANK] + two]:
        first, second = w[w[RANK] + one], w[w[RANK] + two]
    elif how == BY_WEIGHT:
        first, second = -w[w[URGENT] + one], -w[w[URGENT] + two]
        if first == second:
            first, second = w[w[URGENT_DUE] + one], w[w[URGENT_DUE] + two]
    return first < second


@kernel
def _line_up(w, who, how):
    """Sort a picker's groups; his lateness."""
    turns, due = turns_at(w, who), w[DUE]
    count = w[turns]
    for at in range(turns + 2, turns + count + 1):
        number = w[at]
        put = at
        while put > turns + 1 and _precedes(w, number, w[put - 1], how):
            w[put] = w[put - 1]
            put -= 1
        w[put] = number
    now, late = w[w[READY] + who], 0
    for at in range(turns + 1, turns + count + 1):
        number = w[at]
        now += w[w[DURATION] + number]
        late += max(0, now - w[due + number])
        late += (w[w[URGENT] + number] - 1) * max(0, now - w[w[URGENT_DUE] + number])
    return late


@kernel
def _measure(w, who):
    """Put a picker's groups into their best sequence; his lateness."""
    late, best = _line_up(w, who, BY_RANK), BY_RANK
    if late > 0 and w[MIXED]:
        for how in range(BY_DUE, BY_WEIGHT + 1):
            other = _line_up(w, who, how)
            if other < late:
                late, best = other, how
        if best != BY_WEIGHT:
            _line_up(w, who, best)
    w[w[LATE] + who] = late
    return late


@kernel
def _hire(w, number, who):
    """Give a group to a picker."""
    turns = turns_at(w, who)
    w[turns] += 1
    w[turns + w[turns]] = number
    w[w[PICKER] + number] = who


@kernel
def _release(w, number):
    """Take a group from its picker."""
    turns = turns_at(w, w[w[PICKER] + number])
    found = 0
    for at in range(turns + 1, turns + w[turns] + 1):
        if w[at] == number:
            found = 1
        elif found:
            w[at - 1] = w[at]
    w[turns] -= 1
    w[w[PICKER] + number] = -1


@kernel
def _move(s, w, order, number, who):
    """Move an order; a group that empties loses its picker, a new one gets `who`."""
    home = s[s[WHERE] + order]
    take_out(s, order)
    if s[group_at(s, number) + SIZE] == 0:
        _hire(w, number, who)
    put_in(s, order, number)
    if s[group_at(s, home) + SIZE] == 0:
        _release(w, home)


@kernel
def _may(w, order, who):
    """True when the picker may work in the order's zone."""
    return (w[w[ALLOWED] + who] >> w[w[ORDER_ZONE] + order]) & 1


@kernel
def _room(s, w, count):
    """True when every group of the trial keeps its limits and its zone after all moves."""
    trial, where = w[TRIAL], s[WHERE]
    for k in range(count):
        order, number = w[trial + 2 * k], w[trial + 2 * k + 1]
        if s[where + order] == number:
            return False
        row = group_at(s, number)
        for kind in range(s[KINDS]):
            load = s[row + LOADS + kind]
            for j in range(count):
                mine = s[order_at(s, w[trial + 2 * j]) + 1 + kind]
                if w[trial + 2 * j + 1] == number:
                    load += mine
                if s[where + w[trial + 2 * j]] == number:
                    load -= mine
            if load > s[s[CAPS_AT] + kind]:
                return False
        if s[row + SIZE] > 0:
            zone = w[w[ORDER_ZONE] + member(s, number, 0)]
            if zone != w[w[ORDER_ZONE] + order]:
                return False
    return True


@kernel
def _listed(w, first, count, value):
    """Add a value to a short list unless it is there; the new length."""
    for at in range(first, first + count):
        if w[at] == value:
            return count
    w[first + count] = value
    return count + 1


@kernel
def _try(flat, s, w, memo, work, count, who, limit):
    """Carry out the trial's moves unless they cost more than `limit`; the change of cost."""
    if not _room(s, w, count):
        return 0
    trial, weight = w[TRIAL], w[WEIGHT]
    crowd = 0
    for k in range(count):
        home = s[s[WHERE] + w[trial + 2 * k]]
        w[trial + HOMES + k] = home
        w[trial + KEEPERS + k] = w[w[PICKER] + home]
        crowd = _listed(w, trial + CROWD, crowd, home)
        crowd = _listed(w, trial + CROWD, crowd, w[trial + 2 * k + 1])
    old, crew = 0, 0
    for at in range(trial + CROWD, trial + CROWD + crowd):
        number = w[at]
        old += w[w[DURATION] + number]
        size = s[group_at(s, number) + SIZE]
        # A group of one may empty and be taken up again by `who`.
        if size <= 1:
            crew = _listed(w, trial + CREW, crew, who)
        if size > 0:
            crew = _listed(w, trial + CREW, crew, w[w[PICKER] + number])
    for at in range(trial + CREW, trial + CREW + crew):
        old += weight * w[w[LATE] + w[at]]
    for turn in range(2):
        for k in range(count):
            if turn == 0:
                _move(s, w, w[trial + 2 * k], w[trial + 2 * k + 1], who)
            else:
                back = count - 1 - k
                home, keeper = w[trial + HOMES + back], w[trial + KEEPERS + back]
                _move(s, w, w[trial + 2 * back], home, keeper)
        new = 0
        for at in range(trial + CROWD, trial + CROWD + crowd):
            new += _refresh(flat, s, w, memo, work, w[at])
        for at in range(trial + CREW, trial + CREW + crew):
            new += weight * _measure(w, w[at])
        if turn == 0 and new - old <= limit:
            return new - old
    return 0


@kernel
def _pass_on(w, number, other, home, who):
    """Give a group from one picker to another, and `other` (if any) the other way; lateness."""
    _release(w, number)
    if other >= 0:
        _release(w, other)
        _hire(w, other, home)
    _hire(w, number, who)
    return _measure(w, home) + _measure(w, who)


@kernel
def _hand_over(s, w, number, other, who, limit):
    """Try another picker for a group, maybe in exchange; the change of cost."""
    home, weight = w[w[PICKER] + number], w[WEIGHT]
    if home == who or not _may(w, member(s, number, 0), who):
        return 0
    if other >= 0 and not _may(w, member(s, other, 0), home):
        return 0
    old = w[w[LATE] + home] + w[w[LATE] + who]
    delta = weight * (_pass_on(w, number, other, home, who) - old)
    if delta <= limit:
        return delta
    _pass_on(w, number, other, who, home)
    return 0


@kernel
def anneal_wave(flat, s, w, memo, work, best, costs, moves, heat, cooling):
    """`moves` random exchanges at falling heat.

    `costs` is [current, best lateness, best total]; `best` is [group, picker of it] per order.
    """
    count, trial, where = s[COUNT], w[TRIAL], s[WHERE]
    for _ in range(moves):
        heat *= cooling
        limit = -heat * np.log(chance(s) + 1e-12)
        kind, order = rand(s, 12), rand(s, count)
        like = target(s, order)
        who = rand(s, w[PEOPLE])
        if not _may(w, order, who):
            continue
        if kind < 10:
            size = 1 if kind < 3 else 2
            other = mate(s, like)
            w[trial], w[trial + 1], w[trial + 2] = order, s[where + other], other
            w[trial + 3] = s[where + order]
            if kind < 3 and rand(s, 15) == 0:
                w[trial + 1] = rand(s, count)
            if kind >= 8:
                w[trial + 3] = s[where + target(s, other)]
            delta = _try(flat, s, w, memo, work, size, who, limit)
        else:
            number, other = s[where + like], -1
            if kind == 11 and w[w[PICKER] + s[where + order]] == who:
                other = s[where + order]
            delta = _hand_over(s, w, number, other, who, limit)
        costs[0] += delta
        if delta < 0:
            _note(s, w, best, costs)
    return heat


@kernel
def _note(s, w, best, costs):
    """Keep the plan when it is better than the best one."""
    late = 0
    for at in range(w[LATE], w[LATE] + w[PEOPLE]):
        late += w[at]
    total = costs[0] - w[WEIGHT] * late
    if w[HARD]:
        better = late < costs[1] or (late == costs[1] and total < costs[2])
    else:
        better = costs[0] < costs[2] + w[WEIGHT] * costs[1]
    if better:
        costs[1], costs[2] = late, total
        for order in range(len(best)):
            best[order, 0] = s[s[WHERE] + order]
            best[order, 1] = w[w[PICKER] + best[order, 0]]


@kernel
def replan(flat, s, w, memo, work, best):
    """Make the plan the given one; its cost."""
    for number in range(s[COUNT]):
        row = group_at(s, number)
        for field in range(row, row + LOADS + s[KINDS]):
            s[field] = 0
        w[w[PICKER] + number] = -1
    for who in range(w[PEOPLE]):
        w[turns_at(w, who)] = 0
    for order in range(len(best)):
        put_in(s, order, best[order, 0])
        if w[w[PICKER] + best[order, 0]] < 0:
            _hire(w, best[order, 0], best[order, 1])
    total = 0
    for number in range(s[COUNT]):
        total += _refresh(flat, s, w, memo, work, number)
    for who in range(w[PEOPLE]):
        total += w[WEIGHT] * _measure(w, who)
    return total
