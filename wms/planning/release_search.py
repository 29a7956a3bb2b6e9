"""Inner loops of choosing orders, stock and zone lists together: annealed replacements.

Model: every zone is a comb. A list walks the spine from the origin to its farthest pieces on both
sides and back, and into each aisle and out again: 2 x (reach right + reach left) + sum of 2 x depth.
Shape: pieces of order o are `order_ptr[o]:order_ptr[o+1]`, stock of item i is
`item_ptr[i]:item_ptr[i+1]`; one list per batch and zone, kept as a linked list of stock pieces.
Guarantees: a stock piece serves once; batch and volume limits kept; wanted pieces never undercut.
Source: simulated annealing (Kirkpatrick et al. 1983) with greedy choice of stock.
"""

from typing import NamedTuple

import numpy as np

from wms.planning.jit import kernel

NOWHERE = 1 << 40
PIECES, COST, CHOSEN, LUCK = range(4)
COUNT, VOLUME, RIGHT, LEFT, HEAD = range(5)


class Store(NamedTuple):
    """Fixed data and the current plan. `numbers` is [pieces, cost, chosen orders, luck]."""

    order_ptr: np.ndarray
    piece_item: np.ndarray
    item_ptr: np.ndarray
    stock_x: np.ndarray
    stock_depth: np.ndarray
    stock_zone: np.ndarray
    volume: np.ndarray
    limits: np.ndarray
    rank: np.ndarray
    batch: np.ndarray
    riders: np.ndarray
    taken: np.ndarray
    used: np.ndarray
    lists: np.ndarray
    links: np.ndarray
    chosen: np.ndarray
    place: np.ndarray
    numbers: np.ndarray


PIECES_MIN, ORDERS_MAX, VOLUME_MAX = range(3)


@kernel
def _rand(store, below):
    numbers = store.numbers
    numbers[LUCK] = numbers[LUCK] * 48271 % 2147483647
    return (numbers[LUCK] >> 3) % below


@kernel
def _chance(store):
    numbers = store.numbers
    numbers[LUCK] = numbers[LUCK] * 48271 % 2147483647
    return numbers[LUCK] / 2147483647.0


@kernel
def _extra(store, piece, batch):
    """What one more stock piece adds to the batch's list of its zone."""
    lists = store.lists
    zone, x = store.stock_zone[piece], store.stock_x[piece]
    add = 2 * store.stock_depth[piece]
    if x > lists[batch, zone, RIGHT]:
        add += 2 * (x - lists[batch, zone, RIGHT])
    elif -x > lists[batch, zone, LEFT]:
        add += 2 * (-x - lists[batch, zone, LEFT])
    return add


@kernel
def _link(store, piece, item, batch):
    """Put a stock piece on its list; what it adds."""
    lists, links = store.lists, store.links
    zone, x = store.stock_zone[piece], store.stock_x[piece]
    add = _extra(store, piece, batch)
    lists[batch, zone, RIGHT] = max(lists[batch, zone, RIGHT], x)
    lists[batch, zone, LEFT] = max(lists[batch, zone, LEFT], -x)
    lists[batch, zone, COUNT] += 1
    lists[batch, zone, VOLUME] += store.volume[item]
    head = lists[batch, zone, HEAD]
    links[piece, 0], links[piece, 1] = -1, head
    if head >= 0:
        links[head, 0] = piece
    lists[batch, zone, HEAD] = piece
    store.used[piece] = 1
    return add


@kernel
def _unlink(store, piece, item, batch):
    """Take a stock piece off its list; what that saves."""
    lists, links = store.lists, store.links
    zone, x = store.stock_zone[piece], store.stock_x[piece]
    before, after = links[piece, 0], links[piece, 1]
    if before >= 0:
        links[before, 1] = after
    else:
        lists[batch, zone, HEAD] = after
    if after >= 0:
        links[after, 0] = before
    store.used[piece] = 0
    lists[batch, zone, COUNT] -= 1
    lists[batch, zone, VOLUME] -= store.volume[item]
    saved = 2 * store.stock_depth[piece]
    right, left = lists[batch, zone, RIGHT], lists[batch, zone, LEFT]
    if x != 0 and (x == right or -x == left):
        new_right, new_left = 0, 0
        other = lists[batch, zone, HEAD]
        while other >= 0:
            new_right = max(new_right, store.stock_x[other])
            new_left = max(new_left, -store.stock_x[other])
            other = links[other, 1]
        lists[batch, zone, RIGHT], lists[batch, zone, LEFT] = new_right, new_left
        saved += 2 * (right - new_right + left - new_left)
    return saved


@kernel
def _cheapest(store, item, batch):
    """The free stock piece of an item that adds least to the batch; -1 when there is none."""
    best, choice = NOWHERE, -1
    room = store.limits[VOLUME_MAX] - store.volume[item]
    for piece in range(store.item_ptr[item], store.item_ptr[item + 1]):
        if not store.used[piece] and store.lists[batch, store.stock_zone[piece], VOLUME] <= room:
            add = _extra(store, piece, batch)
            if add < best:
                best, choice = add, piece
    return choice


@kernel
def add_order(store, order, batch):
    """Put an order into a batch with the cheapest stock; what it adds, NOWHERE when impossible."""
    first, last = store.order_ptr[order], store.order_ptr[order + 1]
    if store.riders[batch] >= store.limits[ORDERS_MAX]:
        return NOWHERE
    total, turn = 0, _rand(store, last - first)
    for k in range(last - first):
        at = first + (k + turn) % (last - first)
        item = store.piece_item[at]
        piece = _cheapest(store, item, batch)
        store.taken[at] = piece
        if piece < 0:
            for j in range(k):
                back = first + (j + turn) % (last - first)
                _unlink(store, store.taken[back], store.piece_item[back], batch)
            return NOWHERE
        total += _link(store, piece, item, batch)
    _ride(store, order, batch)
    return total


@kernel
def _ride(store, order, batch):
    numbers = store.numbers
    store.batch[order] = batch
    store.riders[batch] += 1
    store.chosen[numbers[CHOSEN]] = order
    store.place[order] = numbers[CHOSEN]
    numbers[CHOSEN] += 1
    numbers[PIECES] += store.order_ptr[order + 1] - store.order_ptr[order]


@kernel
def remove_order(store, order):
    """Take an order out of its batch; what that saves. Its stock stays noted in `taken`."""
    numbers, batch, saved = store.numbers, store.batch[order], 0
    for at in range(store.order_ptr[order], store.order_ptr[order + 1]):
        saved += _unlink(store, store.taken[at], store.piece_item[at], batch)
    store.batch[order] = -1
    store.riders[batch] -= 1
    numbers[CHOSEN] -= 1
    last = store.chosen[numbers[CHOSEN]]
    store.chosen[store.place[order]] = last
    store.place[last] = store.place[order]
    numbers[PIECES] -= store.order_ptr[order + 1] - store.order_ptr[order]
    return saved


@kernel
def put_back(store, order, batch, kept):
    """Undo a removal with the stock pieces of `kept`."""
    first = store.order_ptr[order]
    for at in range(first, store.order_ptr[order + 1]):
        store.taken[at] = kept[at - first]
        _link(store, kept[at - first], store.piece_item[at], batch)
    _ride(store, order, batch)


@kernel
def _keep(store, order, kept):
    first = store.order_ptr[order]
    for at in range(first, store.order_ptr[order + 1]):
        kept[at - first] = store.taken[at]


@kernel
def _replace(store, order, other, limit, kept):
    """Take one order out and another into its batch; the change, 0 when refused."""
    numbers, batch = store.numbers, store.batch[order]
    more = store.order_ptr[other + 1] - store.order_ptr[other]
    less = store.order_ptr[order + 1] - store.order_ptr[order]
    if numbers[PIECES] - less + more < store.limits[PIECES_MIN]:
        return 0
    _keep(store, order, kept)
    saved = remove_order(store, order)
    delta = add_order(store, other, batch)
    if delta < NOWHERE:
        delta -= saved
        if delta <= limit:
            return delta
        remove_order(store, other)
    put_back(store, order, batch, kept)
    return 0


@kernel
def _transfer(store, order, batch, limit, kept):
    """Move an order to another batch, or choose its stock afresh in the same one."""
    home = store.batch[order]
    _keep(store, order, kept)
    saved = remove_order(store, order)
    delta = add_order(store, order, batch)
    if delta < NOWHERE:
        delta -= saved
        if delta <= limit:
            return delta
        remove_order(store, order)
    put_back(store, order, home, kept)
    return 0


@kernel
def _exchange(store, order, other, limit, kept, kept_too):
    """Let two orders of different batches change places."""
    one, two = store.batch[order], store.batch[other]
    if one == two:
        return 0
    _keep(store, order, kept)
    _keep(store, other, kept_too)
    saved = remove_order(store, order) + remove_order(store, other)
    first = add_order(store, order, two)
    if first < NOWHERE:
        second = add_order(store, other, one)
        if second < NOWHERE:
            if first + second - saved <= limit:
                return first + second - saved
            remove_order(store, other)
        remove_order(store, order)
    put_back(store, order, one, kept)
    put_back(store, other, two, kept_too)
    return 0


@kernel
def _restock(store, order, limit):
    """Take one piece of an order from another stock piece."""
    first, last = store.order_ptr[order], store.order_ptr[order + 1]
    at = first + _rand(store, last - first)
    item, batch, old = store.piece_item[at], store.batch[order], store.taken[at]
    piece = store.item_ptr[item] + _rand(store, store.item_ptr[item + 1] - store.item_ptr[item])
    if store.used[piece]:
        return 0
    saved = _unlink(store, old, item, batch)
    zone = store.stock_zone[piece]
    if store.lists[batch, zone, VOLUME] + store.volume[item] <= store.limits[VOLUME_MAX]:
        delta = _link(store, piece, item, batch) - saved
        if delta <= limit:
            store.taken[at] = piece
            return delta
        _unlink(store, piece, item, batch)
    _link(store, old, item, batch)
    return 0


@kernel
def _drop(store, order, limit, kept):
    """Leave an order out where the pieces of the others are enough."""
    less = store.order_ptr[order + 1] - store.order_ptr[order]
    if store.numbers[PIECES] - less < store.limits[PIECES_MIN]:
        return 0
    return -remove_order(store, order)


@kernel
def _outsider(store):
    """An order that is not chosen, mostly one that is cheap on its own; -1 when none was met."""
    count = len(store.rank)
    for _ in range(8):
        luck = _chance(store)
        order = store.rank[min(count - 1, int(count * luck * luck))]
        if store.batch[order] < 0:
            return order
    return -1


@kernel
def fill(store, batch, tries):
    """Fill a batch: always the cheapest per piece of some random orders."""
    numbers = store.numbers
    while store.riders[batch] < store.limits[ORDERS_MAX]:
        if numbers[PIECES] >= store.limits[PIECES_MIN]:
            return
        best, choice = 1e18, -1
        for _ in range(tries):
            order = _outsider(store)
            if order < 0:
                continue
            delta = add_order(store, order, batch)
            if delta < NOWHERE:
                score = delta / (store.order_ptr[order + 1] - store.order_ptr[order])
                if score < best:
                    best, choice = score, order
                remove_order(store, order)
        if choice < 0:
            return
        numbers[COST] += add_order(store, choice, batch)


@kernel
def anneal_release(store, best_batch, best_taken, best, moves, heat, cooling):
    """`moves` random changes at falling heat; keeps the best plan. Returns the heat."""
    numbers = store.numbers
    kept, kept_too = np.zeros(4096, np.int64), np.zeros(4096, np.int64)
    batches = len(store.riders)
    for _ in range(moves):
        heat *= cooling
        limit = -heat * np.log(_chance(store) + 1e-12)
        order = store.chosen[_rand(store, numbers[CHOSEN])]
        kind, delta = _rand(store, 20), 0
        if kind < 9:
            other = _outsider(store)
            if other >= 0:
                delta = _replace(store, order, other, limit, kept)
        elif kind < 12:
            delta = _restock(store, order, limit)
        elif kind < 15:
            delta = _transfer(store, order, _rand(store, batches), limit, kept)
        elif kind < 17:
            other = store.chosen[_rand(store, numbers[CHOSEN])]
            delta = _exchange(store, order, other, limit, kept, kept_too)
        elif kind < 19:
            delta = _drop(store, order, limit, kept)
        else:
            other = _outsider(store)
            if other >= 0:
                delta = add_order(store, other, _rand(store, batches))
                if delta == NOWHERE:
                    delta = 0
                elif delta > limit:
                    remove_order(store, other)
                    delta = 0
        numbers[COST] += delta
        if numbers[COST] < best[0]:
            best[0] = numbers[COST]
            best_batch[:] = store.batch
            best_taken[:] = store.taken
    return heat


@kernel
def reload(store, best_batch, best_taken):
    """Make the plan the given one."""
    kept = np.zeros(4096, np.int64)
    while store.numbers[CHOSEN] > 0:
        remove_order(store, store.chosen[store.numbers[CHOSEN] - 1])
    for order in range(len(best_batch)):
        if best_batch[order] >= 0:
            first = store.order_ptr[order]
            for at in range(first, store.order_ptr[order + 1]):
                kept[at - first] = best_taken[at]
            put_back(store, order, best_batch[order], kept)
