"""Orders not chosen that would do for a batch: the first filling, and those noted for the search.

What must stay true: nothing here changes a batch but `fill`, and it only adds orders.
Shape: the flat array of `release_search`; `SUIT` holds `SUITED` orders for each batch.
"""

import numpy as np

from wms.planning.jit import kernel
from wms.planning.release_search import (
    BATCH,
    COST,
    ITEM_PTR,
    NOWHERE,
    ORDER_PTR,
    ORDERS,
    ORDERS_MAX,
    PIECE_ITEM,
    PIECES,
    PIECES_MIN,
    RIDERS,
    SUIT,
    SUITED,
    USED,
    add_order,
    extra,
    outsider,
    remove_order,
)


@kernel
def fill(s, batch, tries):
    """Fill a batch: always the cheapest per piece of some random orders."""
    while s[s[RIDERS] + batch] < s[ORDERS_MAX]:
        if s[PIECES] >= s[PIECES_MIN]:
            return
        best, choice = 1e18, -1
        for _ in range(tries):
            order = outsider(s)
            if order < 0:
                continue
            delta = add_order(s, order, batch)
            if delta < NOWHERE:
                score = delta / (s[s[ORDER_PTR] + order + 1] - s[s[ORDER_PTR] + order])
                if score < best:
                    best, choice = score, order
                remove_order(s, order)
        if choice < 0:
            return
        s[COST] += add_order(s, choice, batch)


@kernel
def suit(s, batch, worth):
    """Note the orders not chosen that would add least to a batch, `worth` for each piece taken off.

    What a piece adds is counted as if it were alone, so the orders are not ranked exactly.
    """
    orders = s[ORDERS]
    score = np.full(orders, 1e18)
    for order in range(orders):
        if s[s[BATCH] + order] >= 0:
            continue
        total = 0.0
        for at in range(s[s[ORDER_PTR] + order], s[s[ORDER_PTR] + order + 1]):
            best = NOWHERE
            item = s[s[PIECE_ITEM] + at]
            for piece in range(s[s[ITEM_PTR] + item], s[s[ITEM_PTR] + item + 1]):
                if not s[s[USED] + piece]:
                    best = min(best, extra(s, piece, batch))
            total += best - worth
        score[order] = total
    ranked = np.argsort(score)
    for place in range(SUITED):
        s[s[SUIT] + batch * SUITED + place] = ranked[place] if place < orders else 0
