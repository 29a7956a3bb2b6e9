"""Pack one box well: try sequences and placing rules, then disturb the best sequence.

`pack_box` answers with the best filling of one box found in so many rounds; a load is a number of
pieces of each kind of `Goods`.

Units: mm, g. Guarantees: those of `spaces`; more rounds never give a worse answer; same seed, same
answer.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from wms.planning import spaces
from wms.planning.compiled import draw, ready, seed_state
from wms.planning.jit import kernel
from wms.planning.spaces import Goods, fill

STYLES = np.array(
    [
        [spaces.FAR_CORNER, 2, 1, 0],
        [spaces.LOW_END, 2, 1, 0],
        [spaces.TIGHT, 2, 1, 0],
        [spaces.LOW_START, 2, 1, 0],
        [spaces.LOW_END, 0, 1, 2],
        [spaces.LOW_END, 1, 0, 2],
        [spaces.LOW_START, 0, 1, 2],
        [spaces.LOW_START, 1, 2, 0],
    ],
    np.int64,
)
# Pieces placed before the clock is asked.
PIECES_AT_ONCE = 4000


class Filling(Struct, frozen=True, eq=False):
    """What found a place in one box: rows of kind, x, y, z, dx, dy, dz, and pieces per kind."""

    placed: np.ndarray
    counts: np.ndarray


class Memory(NamedTuple):
    """What a search knows: the kept sequence and which of it found a place, the best rows.

    Shape: facts = value and style of the kept sequence, value and number of the best rows.
    """

    order: np.ndarray
    taken: np.ndarray
    placed: np.ndarray
    facts: np.ndarray


@kernel
def search_box(orders, styles, goods, value, box, limits, support_min, first, last, state, memory):
    """Fill one box by every order and style, then disturb the best: turns `first` to `last`.

    Goes on from `memory` and writes it. Stops early when everything has found a place.
    """
    n = orders.shape[1]
    placed = np.empty((n + 1, 7), np.int64)
    taken = np.empty(n, np.int64)
    order = np.empty(n, np.int64)
    facts = memory.facts
    tries = orders.shape[0] * styles.shape[0]
    for turn in range(first, last):
        if turn < tries:
            order[:] = orders[turn // styles.shape[0]]
            style = turn % styles.shape[0]
        else:
            style = disturb(order, memory.order, memory.taken, facts[1], styles.shape[0], state)
        count = fill(order, goods, box, limits, support_min, styles[style], placed, taken)
        got = 0
        for i in range(count):
            got += value[placed[i, 0]]
        if got >= facts[0]:
            facts[0] = got
            facts[1] = style
            memory.order[:] = order
            memory.taken[:] = taken
        if got > facts[2]:
            facts[2] = got
            facts[3] = count
            memory.placed[:count] = placed[:count]
        if count == n:
            break


@kernel
def disturb(order, kept_order, kept_taken, kept_style, n_styles, state):
    """Make a neighbour of the kept sequence; return the style to fill it with."""
    n = order.shape[0]
    order[:] = kept_order
    style = kept_style
    if draw(state, 4) == 0:
        style = draw(state, n_styles)
    for i in range(n):
        if kept_taken[i] == 0 and draw(state, 2) == 0:
            goal = draw(state, i + 1)
            moved = order[i]
            for j in range(i, goal, -1):
                order[j] = order[j - 1]
            order[goal] = moved
    for _ in range(1 + draw(state, 3)):
        a = draw(state, n)
        b = draw(state, n)
        order[a], order[b] = order[b], order[a]
    return style


def slice_of(pieces: int) -> int:
    """Return how many fillings are made at once before the clock is asked: a multiple of four."""
    return 4 * max(1, PIECES_AT_ONCE // (4 * pieces))


def list_orders(goods: Goods, counts: np.ndarray) -> np.ndarray:
    """Return the sequences that a search starts from: big pieces first, in several senses."""
    size = np.sort(goods.turns[:, 0, :], axis=1)
    keys = (
        (-goods.volume,),
        (-size[:, 2], -goods.volume),
        (-size[:, 2] * size[:, 1], -goods.volume),
        (-size[:, 0], -goods.volume),
    )
    # A closed top wastes the column above it, so such pieces come last where they matter.
    orders = [
        np.repeat(kinds, counts[kinds])
        for kinds in (np.lexsort((*reversed(key), goods.closed_top)) for key in keys)
    ]
    return np.unique(np.array(orders, np.int64), axis=0)


def pack_box(
    goods: Goods,
    counts: np.ndarray,
    box: np.ndarray,
    limits: np.ndarray,
    support_min: float,
    *,
    value: np.ndarray | None = None,
    rounds: int = 0,
    seed: int = 1,
    is_over: Callable[[], bool] = lambda: False,
) -> Filling:
    """Return the most valuable filling of one box found in the first tries and so many rounds.

    Shape: limits = most weight, volume and pieces. Value per kind is the volume if not given.
    """
    orders = list_orders(goods, counts)
    n = orders.shape[1]
    memory = Memory(
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros((n + 1, 7), np.int64),
        np.array([-1, 0, -1, 0], np.int64),
    )
    state = np.array([seed_state(seed)], np.int64)
    turns = len(orders) * len(STYLES) + rounds
    at_once = slice_of(n)
    for first in range(0, turns, at_once):
        if memory.facts[3] == n or is_over():
            break
        ready(search_box)(
            orders,
            STYLES,
            goods,
            goods.volume if value is None else value,
            box,
            limits,
            support_min,
            first,
            min(first + at_once, turns),
            state,
            memory,
        )
    rows = memory.placed[: memory.facts[3]].copy()
    return Filling(rows, np.bincount(rows[:, 0], minlength=goods.kinds))
