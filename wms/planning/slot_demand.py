"""Past orders as the slotting search reads them: lists both ways, and what each order counts.

Demand drifts: orders of late say more of those to come than orders of long ago, so with a
half-life they count more. Weights are whole numbers, so that sums are exact.
"""

from collections.abc import Sequence

import numpy as np

from wms.planning.slot_search import Demand

# How much an order counts on average.
UNIT = 8


def make_demand(
    refs: Sequence[str], orders: Sequence[Sequence[str]], half_life: float | None, seed: int
) -> Demand:
    """Return orders and items as lists both ways, and what each order counts.

    Orders are shuffled, so that any part of the orders of an item is a sample of them.
    """
    number = {ref: at for at, ref in enumerate(refs)}
    lists = [sorted({number[ref] for ref in order if ref in number}) for order in orders]
    lists = [lines for lines in lists if lines]
    shuffled = np.random.default_rng(seed).permutation(len(lists))
    weight = weigh_orders(len(lists), half_life)[shuffled]
    lists = [lists[at] for at in shuffled]
    first = np.cumsum([0, *(len(lines) for lines in lists)])
    flat = np.array([at for lines in lists for at in lines], np.int64)
    owner = np.repeat(np.arange(len(lists)), np.diff(first))
    by_item = np.argsort(flat, kind="stable")
    begins = np.searchsorted(flat[by_item], np.arange(len(refs) + 1))
    return Demand(first, flat, begins, owner[by_item], weight)


def weigh_orders(orders: int, half_life: float | None) -> np.ndarray:
    """Return what each order counts, the oldest first: UNIT, or with a half-life about that."""
    if half_life is None or not orders:
        return np.full(orders, UNIT, np.int64)
    share = 0.5 ** (np.arange(orders)[::-1] / orders / half_life)
    return np.maximum(1, np.rint(UNIT * share / share.mean())).astype(np.int64)


def count_visits(demand: Demand) -> np.ndarray:
    """Return the visits to each item, each counted as its order."""
    visits = np.zeros(len(demand.order_first) - 1, np.int64)
    np.add.at(visits, demand.items, np.repeat(demand.weight, np.diff(demand.first)))
    return visits
