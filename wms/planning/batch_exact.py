"""The best grouping of a few orders: tours of all sets that fit the cart, then all partitions.

Shape: arrays of `batch_search`; a set of orders is a number whose bits are its rows.
Guarantees: no grouping within the limits is shorter; an order larger than a cart walks alone.
Source: dynamic program over subsets.
"""

import numpy as np

from wms.planning.batch_search import (
    COUNT,
    KINDS,
    LOADS,
    SIZE,
    WHERE,
    cost_of,
    fits,
    group_at,
    put_in,
)
from wms.planning.floor import BIG
from wms.planning.jit import kernel

# For more orders the sets are too many for one round.
ORDERS_MOST = 12


@kernel
def _gather(s, chosen):
    """Make a set of orders the spare group; how many they are."""
    spare = s[COUNT]
    begin = group_at(s, spare)
    for field in range(begin, begin + LOADS + s[KINDS]):
        s[field] = 0
    for order in range(s[COUNT]):
        s[s[WHERE] + order] = -1
        if chosen >> order & 1:
            put_in(s, order, spare)
    return s[begin + SIZE]


@kernel
def _tours(flat, s, memo, work):
    """Length of the tour of every set; BIG where the cart cannot hold it."""
    tours = np.full(1 << s[COUNT], BIG, np.int64)
    tours[0] = 0
    for chosen in range(1, len(tours)):
        rest = chosen & (chosen - 1)
        if tours[rest] >= BIG:
            continue
        if _gather(s, chosen) == 1 or fits(s, s[COUNT], -1, -1):
            tours[chosen] = cost_of(flat, s, memo, work, s[COUNT], -1, -1)
    return tours


@kernel
def best_groups(flat, s, memo, work):
    """Group number of every order in the shortest grouping, -1 where some place has no tour.

    Leaves nobody in a group.
    """
    tours = _tours(flat, s, memo, work)
    total, last = np.full(len(tours), BIG, np.int64), np.zeros(len(tours), np.int64)
    total[0] = 0
    for chosen in range(1, len(tours)):
        rest = chosen & (chosen - 1)
        # One group holds the first order of the set, and any of the others.
        others = rest
        while True:
            group = chosen ^ rest | others
            if tours[group] < BIG:
                length = tours[group] + total[chosen ^ group]
                if length < total[chosen]:
                    total[chosen], last[chosen] = length, group
            if others == 0:
                break
            others = (others - 1) & rest
    groups = np.full(s[COUNT], -1, np.int64)
    chosen, number = len(tours) - 1, 0
    while chosen and total[chosen] < BIG:
        for order in range(s[COUNT]):
            if last[chosen] >> order & 1:
                groups[order] = number
        chosen, number = chosen ^ last[chosen], number + 1
    return groups
