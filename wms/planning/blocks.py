"""Blocks: groups of pieces that are placed as one cuboid.

A block is a grid of equal pieces in one turn, or two blocks side by side that leave little air.
Searching with blocks instead of pieces is what the best methods for loading one box share.

Units: mm, g. Guarantees: no block needs more pieces of a kind than there are, none exceeds the
box; inside a block pieces do not overlap; with `stacked` the upper half of a join lies wholly on
the lower one.
Source: Fanslau and Bortfeldt, INFORMS Journal on Computing 22 (2010); Zhu, Oon, Lim, Weng,
European Journal of Operational Research 222 (2012).
"""

from typing import NamedTuple

import numpy as np

from wms.planning.jit import kernel
from wms.planning.spaces import Goods

TESTS_MAX = 8_000_000
TABLE = 1 << 17
ENDLESS = 1 << 50


class Blocks(NamedTuple):
    """All blocks of one problem, most valuable first.

    Shape: size[block, 3]; need[block, kind]; parts[block] = axis, first, second for a join of two
    blocks, or -1, kind, turn for a grid of `grid[block]` pieces. worth is pieces ** -0.2.
    `closed` blocks take nothing on top; carry is how much weight may rest on one, over and above
    what it holds itself, and is empty when nothing limits loads.
    """

    size: np.ndarray
    volume: np.ndarray
    value: np.ndarray
    weight: np.ndarray
    pieces: np.ndarray
    worth: np.ndarray
    closed: np.ndarray
    need: np.ndarray
    parts: np.ndarray
    grid: np.ndarray
    carry: np.ndarray


class Draft(NamedTuple):
    """Blocks being made: fields as in `Blocks`, a code of the pieces needed, known blocks."""

    size: np.ndarray
    need: np.ndarray
    code: np.ndarray
    closed: np.ndarray
    parts: np.ndarray
    grid: np.ndarray
    full: np.ndarray
    weight: np.ndarray
    carry: np.ndarray
    table: np.ndarray


@kernel
def is_new(table, key):
    """Enter a key into the open hash table; say whether it was not there."""
    at = (key ^ (key >> 17) ^ (key >> 31)) & (TABLE - 1)
    while table[at] != 0:
        if table[at] == key:
            return False
        at = (at + 1) & (TABLE - 1)
    table[at] = key
    return True


@kernel
def block_key(need_code, size):
    """Return a number that tells blocks of other pieces or another size apart."""
    return need_code * 1_000_003 + size[0] * 2_097_143 + size[1] * 40_961 + size[2] * 7 + 1


@kernel
def get_load_max(goods, kind):
    """Return the most weight that may rest on a piece of a kind."""
    if goods.load_max.shape[0] == 0 or goods.load_max[kind] < 0:
        return 2 * ENDLESS
    return goods.load_max[kind]


@kernel
def make_grids(goods, counts, codes, box, draft):
    """Write all grids of equal pieces; return their number."""
    n = 0
    shape = np.empty(3, np.int64)
    for kind in range(goods.turns.shape[0]):
        for turn in range(goods.turn_count[kind]):
            edge = goods.turns[kind, turn]
            if edge[0] > box[0] or edge[1] > box[1] or edge[2] > box[2]:
                continue
            most = counts[kind]
            highest = 1 if goods.closed_top[kind] == 1 else box[2] // edge[2]
            carry = get_load_max(goods, kind)
            if goods.weight[kind] > 0:
                highest = min(highest, 1 + carry // goods.weight[kind])
            for a in range(1, min(most, box[0] // edge[0]) + 1):
                for b in range(1, min(most // a, box[1] // edge[1]) + 1):
                    for c in range(1, min(most // (a * b), highest) + 1):
                        if n >= draft.size.shape[0]:
                            return n
                        shape[0], shape[1], shape[2] = a * edge[0], b * edge[1], c * edge[2]
                        pieces = a * b * c
                        code = codes[kind] * pieces
                        if not is_new(draft.table, block_key(code, shape)):
                            continue
                        draft.size[n] = shape
                        draft.need[n, :] = 0
                        draft.need[n, kind] = pieces
                        draft.code[n] = code
                        draft.closed[n] = goods.closed_top[kind]
                        draft.parts[n, 0], draft.parts[n, 1], draft.parts[n, 2] = -1, kind, turn
                        draft.grid[n, 0], draft.grid[n, 1], draft.grid[n, 2] = a, b, c
                        draft.full[n] = pieces * edge[0] * edge[1] * edge[2]
                        draft.weight[n] = pieces * goods.weight[kind]
                        draft.carry[n] = min(carry, ENDLESS) - (c - 1) * goods.weight[kind]
                        n += 1
    return n


@kernel
def can_join(a, b, axis, draft, counts, stacked):
    """Say whether two blocks may stand side by side along an axis (b above a)."""
    size, full, closed = draft.size, draft.full, draft.closed
    if axis == 2:
        if closed[a] == 1 or draft.carry[a] < draft.weight[b]:
            return False
        # The upper block must lie on a top without holes.
        if stacked and (
            size[b, 0] > size[a, 0]
            or size[b, 1] > size[a, 1]
            or full[a] < size[a, 0] * size[a, 1] * size[a, 2]
        ):
            return False
    elif (closed[a] == 1 or closed[b] == 1 or stacked) and size[a, 2] != size[b, 2]:
        return False
    enough = True
    for kind in range(counts.shape[0]):
        if draft.need[a, kind] + draft.need[b, kind] > counts[kind]:
            enough = False
            break
    return enough


@kernel
def enter_join(n, axis, low, high, shape, draft):
    """Write a join of two blocks as block n unless it is known; return the number of blocks."""
    code = draft.code[low] + draft.code[high]
    if not is_new(draft.table, block_key(code, shape)):
        return n
    draft.size[n] = shape
    draft.need[n] = draft.need[low] + draft.need[high]
    draft.code[n] = code
    draft.closed[n] = max(draft.closed[high], draft.closed[low])
    draft.parts[n, 0], draft.parts[n, 1], draft.parts[n, 2] = axis, low, high
    draft.full[n] = draft.full[low] + draft.full[high]
    draft.weight[n] = draft.weight[low] + draft.weight[high]
    # As if all that comes on top rested on the weakest piece.
    carried = draft.weight[high] if axis == 2 else 0
    draft.carry[n] = min(draft.carry[low] - carried, draft.carry[high])
    return n + 1


@kernel
def join_blocks(n, counts, box, fill_min, stacked, draft, tests_max):
    """Join blocks of the last generation with all, generation by generation; return the number."""
    size, full = draft.size, draft.full
    limit = size.shape[0]
    shape = np.empty(3, np.int64)
    first = 0
    tests = 0
    while first < n and n < limit and tests < tests_max:
        last = n
        for a in range(last):
            tests += last - max(first, a)
            if tests > tests_max:
                break
            for b in range(max(first, a), last):
                together = full[a] + full[b]
                for axis in range(3):
                    u, v = (axis + 1) % 3, (axis + 2) % 3
                    long = size[a, axis] + size[b, axis]
                    wide = max(size[a, u], size[b, u])
                    deep = max(size[a, v], size[b, v])
                    # Tested here, and not in a function, because nearly all pairs end here.
                    if long > box[axis] or together < fill_min * long * wide * deep:
                        continue
                    shape[axis], shape[u], shape[v] = long, wide, deep
                    for way in range(2 if axis == 2 and a != b else 1):
                        low, high = (a, b) if way == 0 else (b, a)
                        if can_join(low, high, axis, draft, counts, stacked):
                            n = enter_join(n, axis, low, high, shape, draft)
                            if n >= limit:
                                return n
        first = last
    return n


def make_blocks(
    goods: Goods,
    counts: np.ndarray,
    box: np.ndarray,
    *,
    value: np.ndarray | None = None,
    fill_min: float = 0.98,
    stacked: bool = False,
    limit: int = 10_000,
) -> Blocks:
    """Return the blocks that can be made of a load inside a box."""
    draft = Draft(
        size=np.zeros((limit, 3), np.int64),
        need=np.zeros((limit, goods.kinds), np.int64),
        code=np.zeros(limit, np.int64),
        closed=np.zeros(limit, np.int64),
        parts=np.zeros((limit, 3), np.int64),
        grid=np.ones((limit, 3), np.int64),
        full=np.zeros(limit, np.int64),
        weight=np.zeros(limit, np.int64),
        carry=np.zeros(limit, np.int64),
        table=np.zeros(TABLE, np.int64),
    )
    codes = np.random.default_rng(1).integers(1, 1 << 28, goods.kinds)
    n = make_grids(goods, counts, codes, box, draft)
    if n < limit:
        n = join_blocks(n, counts, box, fill_min, stacked, draft, TESTS_MAX)
    need = draft.need[:n]
    return sort_blocks(
        Blocks(
            size=draft.size[:n],
            volume=draft.full[:n],
            value=need @ (goods.volume if value is None else value),
            weight=draft.weight[:n],
            pieces=need.sum(axis=1),
            worth=need.sum(axis=1) ** -0.2,
            closed=draft.closed[:n],
            need=need,
            parts=draft.parts[:n],
            grid=draft.grid[:n],
            carry=draft.carry[:n] if len(goods.load_max) else np.zeros(0, np.int64),
        )
    )


def sort_blocks(blocks: Blocks) -> Blocks:
    """Return the blocks most valuable first."""
    order = np.argsort(-blocks.value, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    parts = blocks.parts[order]
    joins = parts[:, 0] >= 0
    parts[joins, 1:] = place[parts[joins, 1:]]
    fields = (field[order] if len(field) else field for field in blocks)
    return Blocks(*fields)._replace(parts=parts)


def list_pieces(
    blocks: Blocks, goods: Goods, block: int, at: tuple[int, int, int]
) -> list[list[int]]:
    """Return the pieces of a placed block as rows of kind, x, y, z, dx, dy, dz."""
    axis, first, second = blocks.parts[block].tolist()
    if axis >= 0:
        further = list(at)
        further[axis] += int(blocks.size[first, axis])
        return list_pieces(blocks, goods, first, at) + list_pieces(
            blocks, goods, second, (further[0], further[1], further[2])
        )
    edge = goods.turns[first, second].tolist()
    a, b, c = blocks.grid[block].tolist()
    return [
        [first, at[0] + i * edge[0], at[1] + j * edge[1], at[2] + k * edge[2], *edge]
        for k in range(c)
        for j in range(b)
        for i in range(a)
    ]
