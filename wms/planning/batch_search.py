"""Search for groups of orders with little walking: savings, then annealed exchanges.

Shape: an order is a row [name, loads.., mask..]; a group is a row [size, name, cost, loads..,
members..]; names are random numbers whose exclusive-or names a set of orders, so a tour once
computed is found again in a hash table. All loops are compiled and use few flat arrays.
Guarantees: capacities always kept; the same seed and number of rounds give the same groups, and
more rounds never give worse ones.
Source: Clarke and Wright (1964) with recomputed merges; simulated annealing with reheating.
"""

from typing import NamedTuple

import numpy as np

from wms.planning.jit import kernel
from wms.planning.tour_cost import BIG, FloorMap, tour_cost

SIZE, NAME, COST, LOADS = range(4)
MEMO_BITS = 18
MOVES = 2000
HOT, COLD, FIRST_CYCLE, LONGER = 0.03, 0.001, 50, 2.0
NEAR, NEAR_SHARE = 10, 70


class Pack(NamedTuple):
    """Everything the compiled loops share: floor, orders, limits, memory, scratch space.

    `sizes` is [orders, resources, words]; `heads` of `orders` hold name and loads before the mask.
    """

    flat: np.ndarray
    sizes: np.ndarray
    orders: np.ndarray
    caps: np.ndarray
    memo: np.ndarray
    work: np.ndarray
    mask: np.ndarray
    luck: np.ndarray


def new_pack(
    floor: FloorMap, masks: np.ndarray, loads: np.ndarray, caps: np.ndarray, seed: int
) -> Pack:
    """Orders with random names (fixed seed: names only have to be distinct)."""
    count, kinds = loads.shape
    names = np.random.default_rng(1).integers(1, 1 << 62, (count, 1), np.int64)
    return Pack(
        floor.flat,
        np.array([count, kinds, floor.words]),
        np.hstack((names, loads, masks)).astype(np.int64),
        np.asarray(caps, np.int64),
        np.zeros((1 << MEMO_BITS, 2), np.int64),
        floor.work(),
        np.zeros(max(floor.words, 1), np.int64),
        np.array([seed % 2147483646 + 1], np.int64),
    )


@kernel
def rand(luck, below):
    """A number from 0 to below-1 (Park and Miller generator: the same on every machine)."""
    luck[0] = luck[0] * 48271 % 2147483647
    return (luck[0] >> 3) % below


@kernel
def chance(luck):
    luck[0] = luck[0] * 48271 % 2147483647
    return luck[0] / 2147483647.0


@kernel
def union(pack, groups, number, leaver, joiner):
    """The places of a group, one order taken out and one put in (-1: none), into the scratch mask."""
    kinds, words = pack.sizes[1], pack.sizes[2]
    orders, mask = pack.orders, pack.mask
    first = 1 + kinds
    for word in range(words):
        mask[word] = 0
    members = LOADS + kinds
    for member in range(members, members + groups[number, SIZE]):
        order = groups[number, member]
        if order != leaver:
            for word in range(words):
                mask[word] |= orders[order, first + word]
    if joiner >= 0:
        for word in range(words):
            mask[word] |= orders[joiner, first + word]


@kernel
def cost_of(pack, groups, number, leaver, joiner):
    """Tour of a group without `leaver` and with `joiner` (-1: none)."""
    memo, orders = pack.memo, pack.orders
    key = groups[number, NAME]
    if leaver >= 0:
        key ^= orders[leaver, 0]
    if joiner >= 0:
        key ^= orders[joiner, 0]
    if key == 0:
        return 0
    space = len(memo) - 1
    place = (key ^ (key >> 29)) & space
    for _ in range(4):
        if memo[place, 0] == key:
            return memo[place, 1]
        if memo[place, 0] == 0:
            break
        place = (place + 1) & space
    union(pack, groups, number, leaver, joiner)
    cost = tour_cost(pack.flat, pack.mask, 0, pack.sizes[2], pack.work)
    memo[place, 0] = key
    memo[place, 1] = cost
    return cost


@kernel
def fits(pack, groups, number, leaver, joiner):
    """True when the group stays within every limit without `leaver` and with `joiner`."""
    orders, caps = pack.orders, pack.caps
    for kind in range(len(caps)):
        load = groups[number, LOADS + kind]
        if leaver >= 0:
            load -= orders[leaver, 1 + kind]
        if joiner >= 0:
            load += orders[joiner, 1 + kind]
        if load > caps[kind]:
            return False
    return True


@kernel
def take_out(pack, groups, where, order):
    """Remove an order from its group."""
    kinds, number = pack.sizes[1], where[order]
    last = LOADS + kinds + groups[number, SIZE] - 1
    for member in range(LOADS + kinds, last):
        if groups[number, member] == order:
            groups[number, member] = groups[number, last]
            break
    groups[number, SIZE] -= 1
    groups[number, NAME] ^= pack.orders[order, 0]
    for kind in range(kinds):
        groups[number, LOADS + kind] -= pack.orders[order, 1 + kind]


@kernel
def put_in(pack, groups, where, order, number):
    """Add an order to a group."""
    kinds = pack.sizes[1]
    groups[number, LOADS + kinds + groups[number, SIZE]] = order
    groups[number, SIZE] += 1
    groups[number, NAME] ^= pack.orders[order, 0]
    for kind in range(kinds):
        groups[number, LOADS + kind] += pack.orders[order, 1 + kind]
    where[order] = number


@kernel
def regroup(pack, groups, where, wanted):
    """Make `groups` the wanted grouping; its total cost."""
    groups[:, : LOADS + pack.sizes[1]] = 0
    for order in range(len(wanted)):
        put_in(pack, groups, where, order, wanted[order])
    total = 0
    for number in range(len(groups)):
        if groups[number, SIZE] > 0:
            groups[number, COST] = cost_of(pack, groups, number, -1, -1)
            total += groups[number, COST]
    return total


@kernel
def _gain(pack, groups, one, two):
    """What joining two groups saves; hugely negative when the cart cannot hold both."""
    kinds, words = pack.sizes[1], pack.sizes[2]
    for kind in range(kinds):
        if groups[one, LOADS + kind] + groups[two, LOADS + kind] > pack.caps[kind]:
            return -BIG
    union(pack, groups, one, -1, -1)
    members = LOADS + kinds
    for member in range(members, members + groups[two, SIZE]):
        order = groups[two, member]
        for word in range(words):
            pack.mask[word] |= pack.orders[order, 1 + kinds + word]
    joined = tour_cost(pack.flat, pack.mask, 0, words, pack.work)
    return groups[one, COST] + groups[two, COST] - joined


@kernel
def savings(pack, groups, where):
    """From single orders, join the two groups that save most, again and again."""
    count, members = len(groups), LOADS + pack.sizes[1]
    gain = np.full((count, count), -BIG, np.int64)
    top = np.full(count, -1, np.int64)
    for one in range(count):
        for two in range(one):
            gain[one, two] = gain[two, one] = _gain(pack, groups, one, two)
    for one in range(count):
        top[one] = np.argmax(gain[one])
    while True:
        one = 0
        for number in range(count):
            if gain[number, top[number]] > gain[one, top[one]]:
                one = number
        two = top[one]
        saved = gain[one, two]
        if saved <= 0:
            return
        while groups[two, SIZE] > 0:
            order = groups[two, members]
            take_out(pack, groups, where, order)
            put_in(pack, groups, where, order, one)
        groups[one, COST] += groups[two, COST] - saved
        groups[two, COST] = 0
        gain[two, :] = -BIG
        for other in range(count):
            gain[other, two] = -BIG
            if other != one and groups[other, SIZE] > 0:
                gain[one, other] = gain[other, one] = _gain(pack, groups, one, other)
        for other in range(count):
            top[other] = np.argmax(gain[other])


@kernel
def _accepted(delta, heat, luck):
    return delta <= 0 or (heat > 0 and chance(luck) < np.exp(-delta / heat))


@kernel
def _relocate(pack, groups, where, order, number, heat):
    """Try to move one order into another group; the change of cost, 0 when refused."""
    home = where[order]
    if home == number or not fits(pack, groups, number, -1, order):
        return 0
    left = cost_of(pack, groups, home, order, -1)
    joined = cost_of(pack, groups, number, -1, order)
    delta = left + joined - groups[home, COST] - groups[number, COST]
    if not _accepted(delta, heat, pack.luck):
        return 0
    take_out(pack, groups, where, order)
    put_in(pack, groups, where, order, number)
    groups[home, COST], groups[number, COST] = left, joined
    return delta


@kernel
def _swap(pack, groups, where, order, other, heat):
    """Try to exchange two orders of different groups."""
    one, two = where[order], where[other]
    if one == two:
        return 0
    if not fits(pack, groups, one, order, other) or not fits(pack, groups, two, other, order):
        return 0
    first = cost_of(pack, groups, one, order, other)
    second = cost_of(pack, groups, two, other, order)
    delta = first + second - groups[one, COST] - groups[two, COST]
    if not _accepted(delta, heat, pack.luck):
        return 0
    take_out(pack, groups, where, order)
    take_out(pack, groups, where, other)
    put_in(pack, groups, where, order, two)
    put_in(pack, groups, where, other, one)
    groups[one, COST], groups[two, COST] = first, second
    return delta


@kernel
def _chain(pack, groups, where, order, other, third, heat):
    """Try to move `order` to the group of `other`, and `other` on to group `third`."""
    one, two = where[order], where[other]
    if two in (one, third) or one == third:
        return 0
    if not fits(pack, groups, two, other, order) or not fits(pack, groups, third, -1, other):
        return 0
    first = cost_of(pack, groups, one, order, -1)
    second = cost_of(pack, groups, two, other, order)
    last = cost_of(pack, groups, third, -1, other)
    delta = first + second + last - groups[one, COST] - groups[two, COST] - groups[third, COST]
    if not _accepted(delta, heat, pack.luck):
        return 0
    take_out(pack, groups, where, order)
    take_out(pack, groups, where, other)
    put_in(pack, groups, where, order, two)
    put_in(pack, groups, where, other, third)
    groups[one, COST], groups[two, COST], groups[third, COST] = first, second, last
    return delta


@kernel
def neighbours(pack, groups, most):
    """For every order (alone in its group) the orders it walks best with, best first."""
    count = len(groups)
    near = np.zeros((count, most), np.int64)
    gain = np.zeros(count, np.int64)
    for one in range(count):
        for two in range(count):
            gain[two] = _gain(pack, groups, one, two) if one != two else -BIG
        near[one] = np.argsort(-gain)[:most]
    return near


@kernel
def _target(pack, where, near, order):
    """An order whose group might suit `order`: mostly a like one, sometimes any."""
    if rand(pack.luck, 100) < NEAR_SHARE:
        return near[order, rand(pack.luck, near.shape[1])]
    return rand(pack.luck, len(where))


@kernel
def _mate(pack, groups, where, order):
    """Any member of the order's group."""
    number = where[order]
    return groups[number, LOADS + pack.sizes[1] + rand(pack.luck, groups[number, SIZE])]


@kernel
def anneal(pack, groups, where, near, best, costs, moves, heat, cooling):
    """`moves` random exchanges at falling heat. `costs` is [current, best]; returns the heat."""
    count, luck = len(where), pack.luck
    for _ in range(moves):
        heat *= cooling
        kind, order = rand(luck, 10), rand(luck, count)
        like = _target(pack, where, near, order)
        if kind < 2:
            number = where[like] if rand(luck, 20) else rand(luck, count)
            delta = _relocate(pack, groups, where, order, number, heat)
        elif kind < 8:
            other = _mate(pack, groups, where, like)
            delta = _swap(pack, groups, where, order, other, heat)
        else:
            other = _mate(pack, groups, where, like)
            third = where[_target(pack, where, near, other)]
            delta = _chain(pack, groups, where, order, other, third, heat)
        costs[0] += delta
        if costs[0] < costs[1]:
            costs[1] = costs[0]
            for row in range(count):
                best[row] = where[row]
    return heat


def first_come(pack: Pack) -> np.ndarray:
    """Group numbers of the simple rule: fill the cart in the given order, then take the next."""
    count, kinds, _ = pack.sizes
    loads = pack.orders[:, 1 : 1 + kinds]
    wanted, number, used = np.zeros(count, np.int64), 0, np.zeros(kinds, np.int64)
    for row in range(count):
        if row and (used + loads[row] > pack.caps).any():
            number, used = number + 1, np.zeros(kinds, np.int64)
        used = used + loads[row]
        wanted[row] = number
    return wanted


class Search:
    """The anytime search over one set of orders."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        count, kinds, _ = (int(size) for size in pack.sizes)
        self.groups = np.zeros((count, LOADS + kinds + count), np.int64)
        self.where = np.zeros(count, np.int64)
        self._regroup(np.arange(count))
        self.near = neighbours(pack, self.groups, max(1, min(NEAR, count - 1)))
        savings(pack, self.groups, self.where)
        self.best = self.where.copy()
        total = int(self.groups[:, COST].sum())
        simple = first_come(pack)
        alone = self._regroup(simple)
        if alone < total:
            self.best, total = simple, alone
        self._regroup(self.best)
        self.costs = np.array([total, total])
        self.left, self.cycle, self.heat, self.cooling = 0, FIRST_CYCLE, 0.0, 1.0

    def _regroup(self, wanted: np.ndarray) -> int:
        return int(regroup(self.pack, self.groups, self.where, wanted))

    @property
    def cost(self) -> int:
        """Length of the best grouping so far."""
        return int(self.costs[1])

    @property
    def settled(self) -> bool:
        """True when there is nothing to exchange."""
        return len(self.where) < 2

    def improve(self) -> None:
        """One round: a fixed number of moves; cycles of falling heat get longer and longer."""
        if self.settled:
            return
        if self.left == 0:
            self.costs[0] = self._regroup(self.best)
            self.left = self.cycle
            tours = int((self.groups[:, SIZE] > 0).sum())
            self.heat = HOT * self.cost / tours
            self.cooling = (COLD / HOT) ** (1 / (self.cycle * MOVES))
            self.cycle = int(self.cycle * LONGER)
        self.left -= 1
        self.heat = anneal(
            self.pack,
            self.groups,
            self.where,
            self.near,
            self.best,
            self.costs,
            MOVES,
            self.heat,
            self.cooling,
        )

    def members(self) -> list[list[int]]:
        """Rows of each group of the best grouping."""
        found: dict[int, list[int]] = {}
        for row, number in enumerate(self.best):
            found.setdefault(int(number), []).append(row)
        return sorted(found.values())
