"""Search for groups of orders with little walking: savings, then annealed exchanges.

Shape: one flat int64 array `s` holds, after its head, the orders as rows [name, loads.., mask..]
and the groups as rows [size, name, cost, loads.., members..]; names are random numbers whose
exclusive-or names a set of orders, so a tour once computed is found again in the table `memo`.
Guarantees: capacities always kept; the same seed and number of rounds give the same groups, and
more rounds never give worse ones.
Source: Clarke and Wright (1964) with recomputed merges; simulated annealing with reheating.
"""

import numpy as np

from wms.planning.floor import BIG, FloorMap
from wms.planning.jit import kernel
from wms.planning.tour_cost import tour_cost

# Head of `s`: sizes and the random number, then where each table begins.
COUNT, KINDS, WORDS, LUCK, ORDER_SIZE, GROUP_SIZE, NEAR_SIZE = range(7)
CAPS, ORDERS, GROUPS, WHERE, NEAR, MASK, HEAD = range(7, 14)
# A group's row: these, then loads, then members.
SIZE, NAME, COST, LOADS = range(4)

NEAR_MOST, NEAR_SHARE = 10, 70
MEMO_BITS = 18


def new_store(
    floor: FloorMap, masks: np.ndarray, loads: np.ndarray, caps: np.ndarray, seed: int
) -> np.ndarray:
    """All orders, each in a group of its own place but not yet in it (see `regroup`)."""
    count, kinds = loads.shape
    # Fixed seed: names only have to be distinct.
    names = np.random.default_rng(1).integers(1, 1 << 62, (count, 1), np.int64)
    orders = np.hstack((names, loads, masks)).astype(np.int64)
    near = max(1, min(NEAR_MOST, count - 1))
    group_size = LOADS + kinds + count
    head = np.zeros(HEAD, np.int64)
    head[:CAPS] = (
        count,
        kinds,
        floor.words,
        seed % 2147483646 + 1,
        orders.shape[1],
        group_size,
        near,
    )
    # One group more than there can be: the spare one is for trying sets of orders.
    groups = np.zeros((count + 1) * group_size)
    tables = (caps, orders, groups, np.zeros(count), np.zeros(count * near))
    flats = [np.asarray(table, np.int64).ravel() for table in tables]
    flats.append(np.zeros(max(floor.words, 1), np.int64))
    head[CAPS:] = HEAD + np.cumsum([0, *(len(flat) for flat in flats)])[:-1]
    return np.concatenate([head, *flats])


def new_memo() -> np.ndarray:
    """An empty table of tours: name, length, name, length.."""
    return np.zeros(2 << MEMO_BITS, np.int64)


@kernel
def rand(s, below):
    """A number from 0 to below-1 (Park and Miller generator: the same on every machine)."""
    s[LUCK] = s[LUCK] * 48271 % 2147483647
    return (s[LUCK] >> 3) % below


@kernel
def chance(s):
    """A number from 0 to 1."""
    s[LUCK] = s[LUCK] * 48271 % 2147483647
    return s[LUCK] / 2147483647.0


@kernel
def order_at(s, order):
    """Where an order's row begins."""
    return s[ORDERS] + order * s[ORDER_SIZE]


@kernel
def group_at(s, number):
    """Where a group's row begins."""
    return s[GROUPS] + number * s[GROUP_SIZE]


@kernel
def member(s, number, place):
    """A member of a group by its place in the row."""
    return s[group_at(s, number) + LOADS + s[KINDS] + place]


@kernel
def _add_places(s, order):
    mask, first = s[MASK], order_at(s, order) + 1 + s[KINDS]
    for word in range(s[WORDS]):
        s[mask + word] |= s[first + word]


@kernel
def _union(s, number, leaver, joiner):
    """The places of a group, one order taken out and one put in (-1: none), into the mask."""
    for word in range(s[MASK], s[MASK] + s[WORDS]):
        s[word] = 0
    for place in range(s[group_at(s, number) + SIZE]):
        order = member(s, number, place)
        if order != leaver:
            _add_places(s, order)
    if joiner >= 0:
        _add_places(s, joiner)


@kernel
def cost_of(flat, s, memo, work, number, leaver, joiner):
    """Tour of a group without `leaver` and with `joiner` (-1: none)."""
    key = s[group_at(s, number) + NAME]
    if leaver >= 0:
        key ^= s[order_at(s, leaver)]
    if joiner >= 0:
        key ^= s[order_at(s, joiner)]
    if key == 0:
        return 0
    space = len(memo) // 2 - 1
    place = (key ^ (key >> 29)) & space
    for _ in range(4):
        if memo[2 * place] == key:
            return memo[2 * place + 1]
        if memo[2 * place] == 0:
            break
        place = (place + 1) & space
    _union(s, number, leaver, joiner)
    cost = tour_cost(flat, s, s[MASK], s[WORDS], work)
    memo[2 * place] = key
    memo[2 * place + 1] = cost
    return cost


@kernel
def fits(s, number, leaver, joiner):
    """True when the group stays within every limit without `leaver` and with `joiner`."""
    row = group_at(s, number) + LOADS
    for kind in range(s[KINDS]):
        load = s[row + kind]
        if leaver >= 0:
            load -= s[order_at(s, leaver) + 1 + kind]
        if joiner >= 0:
            load += s[order_at(s, joiner) + 1 + kind]
        if load > s[s[CAPS] + kind]:
            return False
    return True


@kernel
def take_out(s, order):
    """Remove an order from its group."""
    kinds, row = s[KINDS], group_at(s, s[s[WHERE] + order])
    last = row + LOADS + kinds + s[row + SIZE] - 1
    for place in range(row + LOADS + kinds, last):
        if s[place] == order:
            s[place] = s[last]
            break
    s[row + SIZE] -= 1
    mine = order_at(s, order)
    s[row + NAME] ^= s[mine]
    for kind in range(kinds):
        s[row + LOADS + kind] -= s[mine + 1 + kind]


@kernel
def put_in(s, order, number):
    """Add an order to a group."""
    kinds, row, mine = s[KINDS], group_at(s, number), order_at(s, order)
    s[row + LOADS + kinds + s[row + SIZE]] = order
    s[row + SIZE] += 1
    s[row + NAME] ^= s[mine]
    for kind in range(kinds):
        s[row + LOADS + kind] += s[mine + 1 + kind]
    s[s[WHERE] + order] = number


@kernel
def regroup(flat, s, memo, work, wanted):
    """Make the wanted grouping; its total cost."""
    for number in range(s[COUNT]):
        row = group_at(s, number)
        for field in range(row, row + LOADS + s[KINDS]):
            s[field] = 0
    for order in range(s[COUNT]):
        put_in(s, order, wanted[order])
    total = 0
    for number in range(s[COUNT]):
        cost = cost_of(flat, s, memo, work, number, -1, -1)
        s[group_at(s, number) + COST] = cost
        total += cost
    return total


@kernel
def _gain(flat, s, work, one, two):
    """What joining two groups saves; hugely negative when the cart cannot hold both."""
    first, second = group_at(s, one), group_at(s, two)
    for kind in range(s[KINDS]):
        if s[first + LOADS + kind] + s[second + LOADS + kind] > s[s[CAPS] + kind]:
            return -BIG
    _union(s, one, -1, -1)
    for place in range(s[second + SIZE]):
        _add_places(s, member(s, two, place))
    return s[first + COST] + s[second + COST] - tour_cost(flat, s, s[MASK], s[WORDS], work)


@kernel
def savings(flat, s, work):
    """From single orders: note who suits whom, then join the two groups that save most."""
    count = s[COUNT]
    gain = np.full((count, count), -BIG, np.int64)
    top = np.zeros(count, np.int64)
    for one in range(count):
        for two in range(one):
            gain[one, two] = gain[two, one] = _gain(flat, s, work, one, two)
    for one in range(count):
        best = np.argsort(-gain[one])
        top[one] = best[0]
        for place in range(s[NEAR_SIZE]):
            s[s[NEAR] + one * s[NEAR_SIZE] + place] = best[place]
    while True:
        one = 0
        for number in range(count):
            if gain[number, top[number]] > gain[one, top[one]]:
                one = number
        two = top[one]
        saved = gain[one, two]
        if saved <= 0:
            return
        while s[group_at(s, two) + SIZE] > 0:
            order = member(s, two, 0)
            take_out(s, order)
            put_in(s, order, one)
        s[group_at(s, one) + COST] += s[group_at(s, two) + COST] - saved
        s[group_at(s, two) + COST] = 0
        for other in range(count):
            gain[two, other] = gain[other, two] = -BIG
            if other != one and s[group_at(s, other) + SIZE] > 0:
                gain[one, other] = gain[other, one] = _gain(flat, s, work, one, other)
        for other in range(count):
            # Rows whose best partner has changed are searched again.
            if other == one or top[other] in (one, two):
                top[other] = np.argmax(gain[other])
            elif gain[other, one] > gain[other, top[other]]:
                top[other] = one


@kernel
def _try(flat, s, memo, work, order, other, third, limit):
    """Move `order` into the group of `other`, and `other` on into group `third`.

    `third` is the group of `order` for a plain exchange; the change of cost, 0 when it costs more
    than `limit` or does not fit.
    """
    one, two = s[s[WHERE] + order], s[s[WHERE] + other]
    if two in (one, third) or not fits(s, two, other, order):
        return 0
    swap = third == one
    if not fits(s, third, order if swap else -1, other):
        return 0
    a, b, c = group_at(s, one), group_at(s, two), group_at(s, third)
    second = cost_of(flat, s, memo, work, two, other, order)
    delta = second - s[b + COST]
    if swap:
        first = last = cost_of(flat, s, memo, work, one, order, other)
        delta += first - s[a + COST]
    else:
        first = cost_of(flat, s, memo, work, one, order, -1)
        delta += first - s[a + COST]
        # What is still to come can only add walking to the third group.
        if delta > limit:
            return 0
        last = cost_of(flat, s, memo, work, third, -1, other)
        delta += last - s[c + COST]
    if delta > limit:
        return 0
    take_out(s, order)
    take_out(s, other)
    put_in(s, order, two)
    put_in(s, other, third)
    s[a + COST], s[b + COST], s[c + COST] = first, second, last
    return delta


@kernel
def _relocate(flat, s, memo, work, order, number, limit):
    """Move one order into another group; the change of cost, 0 when refused."""
    home = s[s[WHERE] + order]
    if home == number or not fits(s, number, -1, order):
        return 0
    a, b = group_at(s, home), group_at(s, number)
    left = cost_of(flat, s, memo, work, home, order, -1)
    joined = cost_of(flat, s, memo, work, number, -1, order)
    delta = left + joined - s[a + COST] - s[b + COST]
    if delta > limit:
        return 0
    take_out(s, order)
    put_in(s, order, number)
    s[a + COST], s[b + COST] = left, joined
    return delta


@kernel
def target(s, order):
    """An order whose group might suit `order`: mostly a like one, sometimes any."""
    if rand(s, 100) < NEAR_SHARE:
        return s[s[NEAR] + order * s[NEAR_SIZE] + rand(s, s[NEAR_SIZE])]
    return rand(s, s[COUNT])


@kernel
def mate(s, order):
    """Any member of the order's group."""
    number = s[s[WHERE] + order]
    return member(s, number, rand(s, s[group_at(s, number) + SIZE]))


@kernel
def anneal(flat, s, memo, work, best, costs, moves, heat, cooling):
    """`moves` random exchanges at falling heat. `costs` is [current, best]; returns the heat."""
    count = s[COUNT]
    for _ in range(moves):
        heat *= cooling
        # Accepting with probability exp(-delta / heat), drawn before the delta is known.
        limit = -heat * np.log(chance(s) + 1e-12)
        kind, order = rand(s, 10), rand(s, count)
        like = target(s, order)
        if kind < 2:
            number = s[s[WHERE] + like] if rand(s, 20) else rand(s, count)
            delta = _relocate(flat, s, memo, work, order, number, limit)
        else:
            other = mate(s, like)
            third = s[s[WHERE] + order] if kind < 8 else s[s[WHERE] + target(s, other)]
            delta = _try(flat, s, memo, work, order, other, third, limit)
        costs[0] += delta
        if costs[0] < costs[1]:
            costs[1] = costs[0]
            for row in range(count):
                best[row] = s[s[WHERE] + row]
    return heat
