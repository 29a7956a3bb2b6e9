"""Inner loops of choosing orders, stock and zone lists together: annealed replacements.

Model: every zone is a comb. A list walks the spine from the origin to its farthest pieces on both
sides and back, and into each aisle and out again: 2 x (right + left) + sum of 2 x depth.
Shape: one flat int64 array, its head first, then tables. Pieces of order o are `ORDER_PTR[o]` to
`ORDER_PTR[o+1]`, stock of item i likewise; one list per batch and zone, linked through its pieces.
Guarantees: a stock piece serves once; batch and volume limits kept; wanted pieces never undercut.
Source: simulated annealing (Kirkpatrick et al. 1983) with greedy choice of stock.
"""

import numpy as np

from wms.planning.jit import kernel

NOWHERE = 1 << 40
# So many of the orders not chosen are noted for each batch.
SUITED = 64

# Head: numbers, limits, sizes, then where each table begins.
PIECES, COST, CHOSEN_COUNT, LUCK, PIECES_MIN, ORDERS_MAX, VOLUME_MAX, ORDERS, BATCHES, ZONES = (
    range(10)
)
(
    ORDER_PTR,
    PIECE_ITEM,
    ITEM_PTR,
    STOCK_X,
    STOCK_DEPTH,
    STOCK_ZONE,
    ITEM_VOLUME,
    RANK,
    BATCH,
    RIDERS,
    TAKEN,
    USED,
    LISTS,
    BEFORE,
    AFTER,
    CHOSEN,
    PLACE,
    SUIT,
    HEAD_END,
) = range(10, 29)
COUNT, VOLUME, RIGHT, LEFT, HEAD, LIST_SIZE = range(6)


@kernel
def _list(s, batch, zone):
    """Where the list of a batch and zone begins."""
    return s[LISTS] + (batch * s[ZONES] + zone) * LIST_SIZE


@kernel
def _rand(s, below):
    s[LUCK] = s[LUCK] * 48271 % 2147483647
    return (s[LUCK] >> 3) % below


@kernel
def _chance(s):
    s[LUCK] = s[LUCK] * 48271 % 2147483647
    return s[LUCK] / 2147483647.0


@kernel
def extra(s, piece, batch):
    """What one more stock piece adds to the batch's list of its zone."""
    zone, x = s[s[STOCK_ZONE] + piece], s[s[STOCK_X] + piece]
    at = _list(s, batch, zone)
    add = 2 * s[s[STOCK_DEPTH] + piece]
    if x > s[at + RIGHT]:
        add += 2 * (x - s[at + RIGHT])
    elif -x > s[at + LEFT]:
        add += 2 * (-x - s[at + LEFT])
    return add


@kernel
def _link(s, piece, item, batch):
    """Put a stock piece on its list; what it adds."""
    zone, x = s[s[STOCK_ZONE] + piece], s[s[STOCK_X] + piece]
    at = _list(s, batch, zone)
    add = extra(s, piece, batch)
    s[at + RIGHT] = max(s[at + RIGHT], x)
    s[at + LEFT] = max(s[at + LEFT], -x)
    s[at + COUNT] += 1
    s[at + VOLUME] += s[s[ITEM_VOLUME] + item]
    head = s[at + HEAD]
    s[s[BEFORE] + piece], s[s[AFTER] + piece] = -1, head
    if head >= 0:
        s[s[BEFORE] + head] = piece
    s[at + HEAD] = piece
    s[s[USED] + piece] = 1
    return add


@kernel
def _unlink(s, piece, item, batch):
    """Take a stock piece off its list; what that saves."""
    zone, x = s[s[STOCK_ZONE] + piece], s[s[STOCK_X] + piece]
    at = _list(s, batch, zone)
    before, after = s[s[BEFORE] + piece], s[s[AFTER] + piece]
    if before >= 0:
        s[s[AFTER] + before] = after
    else:
        s[at + HEAD] = after
    if after >= 0:
        s[s[BEFORE] + after] = before
    s[s[USED] + piece] = 0
    s[at + COUNT] -= 1
    s[at + VOLUME] -= s[s[ITEM_VOLUME] + item]
    saved = 2 * s[s[STOCK_DEPTH] + piece]
    right, left = s[at + RIGHT], s[at + LEFT]
    if x != 0 and (x == right or -x == left):
        new_right, new_left = 0, 0
        other = s[at + HEAD]
        while other >= 0:
            new_right = max(new_right, s[s[STOCK_X] + other])
            new_left = max(new_left, -s[s[STOCK_X] + other])
            other = s[s[AFTER] + other]
        s[at + RIGHT], s[at + LEFT] = new_right, new_left
        saved += 2 * (right - new_right + left - new_left)
    return saved


@kernel
def _cheapest(s, item, batch):
    """The free stock piece of an item that adds least to the batch; -1 when there is none."""
    best, choice = NOWHERE, -1
    room = s[VOLUME_MAX] - s[s[ITEM_VOLUME] + item]
    for piece in range(s[s[ITEM_PTR] + item], s[s[ITEM_PTR] + item + 1]):
        if not s[s[USED] + piece] and s[_list(s, batch, s[s[STOCK_ZONE] + piece]) + VOLUME] <= room:
            add = extra(s, piece, batch)
            if add < best:
                best, choice = add, piece
    return choice


@kernel
def add_order(s, order, batch):
    """Put an order into a batch with the cheapest stock; what it adds, NOWHERE when impossible."""
    first, last = s[s[ORDER_PTR] + order], s[s[ORDER_PTR] + order + 1]
    if s[s[RIDERS] + batch] >= s[ORDERS_MAX]:
        return NOWHERE
    total, turn = 0, _rand(s, last - first)
    for k in range(last - first):
        at = first + (k + turn) % (last - first)
        item = s[s[PIECE_ITEM] + at]
        piece = _cheapest(s, item, batch)
        s[s[TAKEN] + at] = piece
        if piece < 0:
            for j in range(k):
                back = first + (j + turn) % (last - first)
                _unlink(s, s[s[TAKEN] + back], s[s[PIECE_ITEM] + back], batch)
            return NOWHERE
        total += _link(s, piece, item, batch)
    _ride(s, order, batch)
    return total


@kernel
def _ride(s, order, batch):
    s[s[BATCH] + order] = batch
    s[s[RIDERS] + batch] += 1
    s[s[CHOSEN] + s[CHOSEN_COUNT]] = order
    s[s[PLACE] + order] = s[CHOSEN_COUNT]
    s[CHOSEN_COUNT] += 1
    s[PIECES] += s[s[ORDER_PTR] + order + 1] - s[s[ORDER_PTR] + order]


@kernel
def remove_order(s, order):
    """Take an order out of its batch; what that saves. Its stock stays noted in `taken`."""
    batch, saved = s[s[BATCH] + order], 0
    for at in range(s[s[ORDER_PTR] + order], s[s[ORDER_PTR] + order + 1]):
        saved += _unlink(s, s[s[TAKEN] + at], s[s[PIECE_ITEM] + at], batch)
    s[s[BATCH] + order] = -1
    s[s[RIDERS] + batch] -= 1
    s[CHOSEN_COUNT] -= 1
    last = s[s[CHOSEN] + s[CHOSEN_COUNT]]
    s[s[CHOSEN] + s[s[PLACE] + order]] = last
    s[s[PLACE] + last] = s[s[PLACE] + order]
    s[PIECES] -= s[s[ORDER_PTR] + order + 1] - s[s[ORDER_PTR] + order]
    return saved


@kernel
def put_back(s, order, batch, kept):
    """Undo a removal with the stock pieces of `kept`."""
    first = s[s[ORDER_PTR] + order]
    for at in range(first, s[s[ORDER_PTR] + order + 1]):
        s[s[TAKEN] + at] = kept[at - first]
        _link(s, kept[at - first], s[s[PIECE_ITEM] + at], batch)
    _ride(s, order, batch)


@kernel
def _keep(s, order, kept):
    first = s[s[ORDER_PTR] + order]
    for at in range(first, s[s[ORDER_PTR] + order + 1]):
        kept[at - first] = s[s[TAKEN] + at]


@kernel
def _replace(s, order, other, limit, kept):
    """Take one order out and another into its batch; the change, 0 when refused."""
    batch = s[s[BATCH] + order]
    more = s[s[ORDER_PTR] + other + 1] - s[s[ORDER_PTR] + other]
    less = s[s[ORDER_PTR] + order + 1] - s[s[ORDER_PTR] + order]
    if s[PIECES] - less + more < s[PIECES_MIN]:
        return 0
    _keep(s, order, kept)
    saved = remove_order(s, order)
    delta = add_order(s, other, batch)
    if delta < NOWHERE:
        delta -= saved
        if delta <= limit:
            return delta
        remove_order(s, other)
    put_back(s, order, batch, kept)
    return 0


@kernel
def _transfer(s, order, batch, limit, kept):
    """Move an order to another batch, or choose its stock afresh in the same one."""
    home = s[s[BATCH] + order]
    _keep(s, order, kept)
    saved = remove_order(s, order)
    delta = add_order(s, order, batch)
    if delta < NOWHERE:
        delta -= saved
        if delta <= limit:
            return delta
        remove_order(s, order)
    put_back(s, order, home, kept)
    return 0


@kernel
def _exchange(s, order, other, limit, kept, kept_too):
    """Let two orders of different batches change places."""
    one, two = s[s[BATCH] + order], s[s[BATCH] + other]
    if one == two:
        return 0
    _keep(s, order, kept)
    _keep(s, other, kept_too)
    saved = remove_order(s, order) + remove_order(s, other)
    first = add_order(s, order, two)
    if first < NOWHERE:
        second = add_order(s, other, one)
        if second < NOWHERE:
            if first + second - saved <= limit:
                return first + second - saved
            remove_order(s, other)
        remove_order(s, order)
    put_back(s, order, one, kept)
    put_back(s, other, two, kept_too)
    return 0


@kernel
def _restock(s, order, limit):
    """Take one piece of an order from another stock piece."""
    first, last = s[s[ORDER_PTR] + order], s[s[ORDER_PTR] + order + 1]
    at = first + _rand(s, last - first)
    item, batch, old = s[s[PIECE_ITEM] + at], s[s[BATCH] + order], s[s[TAKEN] + at]
    piece = s[s[ITEM_PTR] + item] + _rand(s, s[s[ITEM_PTR] + item + 1] - s[s[ITEM_PTR] + item])
    if s[s[USED] + piece]:
        return 0
    saved = _unlink(s, old, item, batch)
    zone = s[s[STOCK_ZONE] + piece]
    if s[_list(s, batch, zone) + VOLUME] + s[s[ITEM_VOLUME] + item] <= s[VOLUME_MAX]:
        delta = _link(s, piece, item, batch) - saved
        if delta <= limit:
            s[s[TAKEN] + at] = piece
            return delta
        _unlink(s, piece, item, batch)
    _link(s, old, item, batch)
    return 0


@kernel
def _drop(s, order, limit, kept):
    """Leave an order out where the pieces of the others are enough."""
    less = s[s[ORDER_PTR] + order + 1] - s[s[ORDER_PTR] + order]
    if s[PIECES] - less < s[PIECES_MIN]:
        return 0
    return -remove_order(s, order)


@kernel
def outsider(s):
    """An order that is not chosen, mostly one that is cheap on its own; -1 when none was met."""
    count = s[ORDERS]
    for _ in range(8):
        luck = _chance(s)
        order = s[s[RANK] + min(count - 1, int(count * luck * luck))]
        if s[s[BATCH] + order] < 0:
            return order
    return -1


@kernel
def _suited(s, batch):
    """An order that is not chosen and was noted to suit a batch; -1 when none was met."""
    for _ in range(4):
        order = s[s[SUIT] + batch * SUITED + _rand(s, SUITED)]
        if s[s[BATCH] + order] < 0:
            return order
    return -1


@kernel
def anneal_release(s, best_batch, best_taken, best, moves, heat, cooling):
    """`moves` random changes at falling heat; keeps the best plan. Returns the heat."""
    kept, kept_too = np.zeros(len(best_taken), np.int64), np.zeros(len(best_taken), np.int64)
    batches = s[BATCHES]
    for _ in range(moves):
        heat *= cooling
        limit = -heat * np.log(_chance(s) + 1e-12)
        order = s[s[CHOSEN] + _rand(s, s[CHOSEN_COUNT])]
        kind, delta = _rand(s, 20), 0
        if kind < 12:
            other = _suited(s, s[s[BATCH] + order]) if kind < 10 else outsider(s)
            if other >= 0:
                delta = _replace(s, order, other, limit, kept)
        elif kind < 15:
            delta = _restock(s, order, limit)
        elif kind < 17:
            batch = s[s[BATCH] + order] if _rand(s, 2) else _rand(s, batches)
            if batch == s[s[BATCH] + order] or s[s[RIDERS] + batch] < s[ORDERS_MAX]:
                delta = _transfer(s, order, batch, limit, kept)
        elif kind < 19:
            other = s[s[CHOSEN] + _rand(s, s[CHOSEN_COUNT])]
            delta = _exchange(s, order, other, limit, kept, kept_too)
        elif _rand(s, 2):
            delta = _drop(s, order, limit, kept)
        else:
            other = outsider(s)
            if other >= 0:
                delta = add_order(s, other, _rand(s, batches))
                if delta == NOWHERE:
                    delta = 0
                elif delta > limit:
                    remove_order(s, other)
                    delta = 0
        s[COST] += delta
    # Copying the plan is dear, so the best is looked for between calls, not after every move.
    if s[COST] < best[0]:
        best[0] = s[COST]
        save(s, best_batch, best_taken)
    return heat


@kernel
def save(s, best_batch, best_taken):
    for order in range(len(best_batch)):
        best_batch[order] = s[s[BATCH] + order]
    for at in range(len(best_taken)):
        best_taken[at] = s[s[TAKEN] + at]


@kernel
def reload(s, best_batch, best_taken):
    """Make the plan the given one."""
    kept = np.zeros(len(best_taken), np.int64)
    while s[CHOSEN_COUNT] > 0:
        remove_order(s, s[s[CHOSEN] + s[CHOSEN_COUNT] - 1])
    for order in range(len(best_batch)):
        if best_batch[order] >= 0:
            first = s[s[ORDER_PTR] + order]
            for at in range(first, s[s[ORDER_PTR] + order + 1]):
                kept[at - first] = best_taken[at]
            put_back(s, order, best_batch[order], kept)


def new_store(numbers: dict[int, int], tables: dict[int, np.ndarray]) -> np.ndarray:
    """The flat array from its numbers and tables, both named by their place in the head."""
    parts = [np.asarray(table, np.int64).ravel() for table in tables.values()]
    head = np.zeros(HEAD_END, np.int64)
    head[list(numbers)] = list(numbers.values())
    head[list(tables)] = HEAD_END + np.cumsum([0, *(len(part) for part in parts)])[:-1]
    return np.concatenate([head, *parts])
