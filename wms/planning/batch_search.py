"""Search for groups of orders with little walking: savings, then annealed exchanges.

Shape: order k has a mask of places and a load per resource; a group's cost is its exact tour.
All loops are compiled; every tour once computed is kept in a hash table, so most moves cost a
look-up. Guarantees: capacities always kept; the same seed and number of rounds give the same
groups, and more rounds never give worse ones.
Source: Clarke and Wright (1964) with recomputed merges; simulated annealing with reheating.
"""

from typing import NamedTuple

import numpy as np

from wms.planning.jit import kernel
from wms.planning.tour_cost import Floor, tour_cost

FAR = 1 << 60
MEMO_BITS = 20


class Orders(NamedTuple):
    """What is to be grouped: masks [n, words], loads [n, resources], caps [resources]."""

    masks: np.ndarray
    loads: np.ndarray
    caps: np.ndarray
    names: np.ndarray


class Memo(NamedTuple):
    """Tours already computed, by the exclusive-or of their orders' names."""

    keys: np.ndarray
    costs: np.ndarray


class Groups(NamedTuple):
    """A grouping: `group[k]` of each order; per group its members, load, name and cost."""

    group: np.ndarray
    members: np.ndarray
    sizes: np.ndarray
    loads: np.ndarray
    names: np.ndarray
    costs: np.ndarray


class Scratch(NamedTuple):
    """Work space that every evaluation uses again."""

    mask: np.ndarray
    one: np.ndarray
    two: np.ndarray
    luck: np.ndarray


def new_orders(masks: np.ndarray, loads: np.ndarray, caps: np.ndarray) -> Orders:
    """Orders with random names (fixed seed: names only have to be distinct)."""
    names = np.random.default_rng(1).integers(1, 1 << 62, len(masks), np.int64)
    return Orders(masks, loads, caps, names)


def new_memo(bits: int = MEMO_BITS) -> Memo:
    return Memo(np.zeros(1 << bits, np.int64), np.zeros(1 << bits, np.int64))


def new_scratch(floor: Floor, words: int, seed: int) -> Scratch:
    luck = np.array([seed % 2147483646 + 1], np.int64)
    work = np.zeros(max(words, 1), np.int64)
    return Scratch(work, np.zeros(floor.states, np.int64), np.zeros(floor.states, np.int64), luck)


def new_groups(orders: Orders) -> Groups:
    """Every order on its own."""
    count = len(orders.masks)
    return Groups(
        np.arange(count),
        np.arange(count).reshape(-1, 1).repeat(count, 1)[:, :1].repeat(count, 1).copy(),
        np.ones(count, np.int64),
        orders.loads.copy(),
        orders.names.copy(),
        np.zeros(count, np.int64),
    )


@kernel
def rand(luck, below):
    """A number from 0 to below-1 (Park and Miller generator: all in 64 bits, same everywhere)."""
    luck[0] = luck[0] * 48271 % 2147483647
    return (luck[0] >> 3) % below


@kernel
def chance(luck):
    luck[0] = luck[0] * 48271 % 2147483647
    return luck[0] / 2147483647.0


@kernel
def cost_of(floor, orders, memo, groups, scratch, number, leaver, joiner):
    """Tour of a group without `leaver` and with `joiner` (-1: none)."""
    key = groups.names[number]
    if leaver >= 0:
        key ^= orders.names[leaver]
    if joiner >= 0:
        key ^= orders.names[joiner]
    if key == 0:
        return 0
    space = len(memo.keys) - 1
    place = (key ^ (key >> 29)) & space
    for _ in range(4):
        if memo.keys[place] == key:
            return memo.costs[place]
        if memo.keys[place] == 0:
            break
        place = (place + 1) & space
    mask = scratch.mask
    mask[:] = 0
    for member in range(groups.sizes[number]):
        order = groups.members[number, member]
        if order != leaver:
            for word in range(len(mask)):
                mask[word] |= orders.masks[order, word]
    if joiner >= 0:
        for word in range(len(mask)):
            mask[word] |= orders.masks[joiner, word]
    cost = tour_cost(floor, mask, scratch.one, scratch.two)
    memo.keys[place] = key
    memo.costs[place] = cost
    return cost


@kernel
def fits(orders, groups, number, leaver, joiner):
    """True when the group stays within every cap without `leaver` and with `joiner`."""
    for kind in range(len(orders.caps)):
        load = groups.loads[number, kind]
        if leaver >= 0:
            load -= orders.loads[leaver, kind]
        if joiner >= 0:
            load += orders.loads[joiner, kind]
        if load > orders.caps[kind]:
            return False
    return True


@kernel
def take_out(orders, groups, order):
    number = groups.group[order]
    size = groups.sizes[number]
    for member in range(size):
        if groups.members[number, member] == order:
            groups.members[number, member] = groups.members[number, size - 1]
            break
    groups.sizes[number] = size - 1
    groups.names[number] ^= orders.names[order]
    groups.loads[number] -= orders.loads[order]


@kernel
def put_in(orders, groups, order, number):
    groups.members[number, groups.sizes[number]] = order
    groups.sizes[number] += 1
    groups.names[number] ^= orders.names[order]
    groups.loads[number] += orders.loads[order]
    groups.group[order] = number


@kernel
def savings(floor, orders, memo, groups, scratch):
    """Join the two groups that save most, again and again."""
    count = len(orders.masks)
    gain = np.full((count, count), -FAR, np.int64)
    for one in range(count):
        groups.costs[one] = cost_of(floor, orders, memo, groups, scratch, one, -1, -1)
    for one in range(count):
        for two in range(one):
            gain[one, two] = _gain(floor, orders, groups, scratch, one, two)
    while True:
        top, one, two = 0, -1, -1
        for a in range(count):
            if groups.sizes[a] > 0:
                for b in range(a):
                    if groups.sizes[b] > 0 and gain[a, b] > top:
                        top, one, two = gain[a, b], a, b
        if one < 0:
            return
        while groups.sizes[two] > 0:
            order = groups.members[two, 0]
            take_out(orders, groups, order)
            put_in(orders, groups, order, one)
        groups.costs[one] += groups.costs[two] - top
        groups.costs[two] = 0
        for other in range(count):
            if other != one and groups.sizes[other] > 0:
                gain[max(one, other), min(one, other)] = _gain(
                    floor, orders, groups, scratch, one, other
                )


@kernel
def _gain(floor, orders, groups, scratch, one, two):
    """What joining two groups saves; hugely negative when the cart cannot hold both."""
    for kind in range(len(orders.caps)):
        if groups.loads[one, kind] + groups.loads[two, kind] > orders.caps[kind]:
            return -FAR
    mask = scratch.mask
    mask[:] = 0
    for number in (one, two):
        for member in range(groups.sizes[number]):
            order = groups.members[number, member]
            for word in range(len(mask)):
                mask[word] |= orders.masks[order, word]
    joined = tour_cost(floor, mask, scratch.one, scratch.two)
    return groups.costs[one] + groups.costs[two] - joined


@kernel
def _accepted(delta, heat, luck):
    return delta <= 0 or (heat > 0 and chance(luck) < np.exp(-delta / heat))


@kernel
def _relocate(floor, orders, memo, groups, scratch, order, number, heat):
    """Try to move one order into another group; the change of cost, 0 when refused."""
    home = groups.group[order]
    if home == number or not fits(orders, groups, number, -1, order):
        return 0
    left = cost_of(floor, orders, memo, groups, scratch, home, order, -1)
    joined = cost_of(floor, orders, memo, groups, scratch, number, -1, order)
    delta = left + joined - groups.costs[home] - groups.costs[number]
    if not _accepted(delta, heat, scratch.luck):
        return 0
    take_out(orders, groups, order)
    put_in(orders, groups, order, number)
    groups.costs[home], groups.costs[number] = left, joined
    return delta


@kernel
def _swap(floor, orders, memo, groups, scratch, order, other, heat):
    """Try to exchange two orders of different groups."""
    one, two = groups.group[order], groups.group[other]
    if one == two:
        return 0
    if not fits(orders, groups, one, order, other) or not fits(orders, groups, two, other, order):
        return 0
    first = cost_of(floor, orders, memo, groups, scratch, one, order, other)
    second = cost_of(floor, orders, memo, groups, scratch, two, other, order)
    delta = first + second - groups.costs[one] - groups.costs[two]
    if not _accepted(delta, heat, scratch.luck):
        return 0
    take_out(orders, groups, order)
    take_out(orders, groups, other)
    put_in(orders, groups, order, two)
    put_in(orders, groups, other, one)
    groups.costs[one], groups.costs[two] = first, second
    return delta


@kernel
def _chain(floor, orders, memo, groups, scratch, order, other, third, heat):
    """Try to move `order` to the group of `other`, and `other` on to group `third`."""
    one, two = groups.group[order], groups.group[other]
    if two in (one, third) or one == third:
        return 0
    if not fits(orders, groups, two, other, order) or not fits(orders, groups, third, -1, other):
        return 0
    first = cost_of(floor, orders, memo, groups, scratch, one, order, -1)
    second = cost_of(floor, orders, memo, groups, scratch, two, other, order)
    last = cost_of(floor, orders, memo, groups, scratch, third, -1, other)
    delta = first + second + last - groups.costs[one] - groups.costs[two] - groups.costs[third]
    if not _accepted(delta, heat, scratch.luck):
        return 0
    take_out(orders, groups, order)
    take_out(orders, groups, other)
    put_in(orders, groups, order, two)
    put_in(orders, groups, other, third)
    groups.costs[one], groups.costs[two], groups.costs[third] = first, second, last
    return delta


@kernel
def anneal(floor, orders, memo, groups, scratch, best_group, costs, moves, heat, cooling):
    """`moves` random exchanges at falling heat. `costs` is [current, best]; returns the heat."""
    count = len(orders.masks)
    luck = scratch.luck
    for _ in range(moves):
        heat *= cooling
        kind = rand(luck, 10)
        order = rand(luck, count)
        if kind < 3:
            number = groups.group[rand(luck, count)]
            if rand(luck, 20) == 0:
                number = rand(luck, count)
            delta = _relocate(floor, orders, memo, groups, scratch, order, number, heat)
        elif kind < 8:
            delta = _swap(floor, orders, memo, groups, scratch, order, rand(luck, count), heat)
        else:
            third = groups.group[rand(luck, count)]
            delta = _chain(
                floor, orders, memo, groups, scratch, order, rand(luck, count), third, heat
            )
        costs[0] += delta
        if costs[0] < costs[1]:
            costs[1] = costs[0]
            best_group[:] = groups.group
    return heat


@kernel
def regroup(floor, orders, memo, groups, scratch, group):
    """Make `groups` the given grouping; its total cost."""
    groups.sizes[:] = 0
    groups.loads[:] = 0
    groups.names[:] = 0
    groups.costs[:] = 0
    for order in range(len(group)):
        put_in(orders, groups, order, group[order])
    total = 0
    for number in range(len(group)):
        if groups.sizes[number] > 0:
            groups.costs[number] = cost_of(floor, orders, memo, groups, scratch, number, -1, -1)
            total += groups.costs[number]
    return total
