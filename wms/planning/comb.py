"""Order of the stops of one comb-shaped walk: spine, teeth, and maybe back cross aisles.

Problem: picks at (x along the spine, signed depth). The walker enters each tooth from the spine or
from the back and leaves it on either side; start and end at x = 0 on the spine. Units: any.
Guarantees: never longer than visiting all picks from the spine; every pick once. Stretches along a
back replace one of the two passes of the spine; those of the two sides do not overlap.
"""

from collections.abc import Sequence
from itertools import pairwise

from wms.planning.walk import Node, Walk, trail

Spot = tuple[int, int]
Stretch = tuple[int, list[int]]

# Kinds of nodes of the walk.
SPINE, PICK, BACK_HIGH, BACK_LOW = 0, 1, 2, 3


def comb_walk(
    spots: Sequence[Spot], back_low: int | None, back_high: int | None
) -> tuple[list[int], int]:
    """Visiting order (row numbers) and length."""
    found: list[tuple[int, int, Stretch]] = []
    for side, back in ((1, back_high), (-1, back_low)):
        rows = sorted(
            (k for k in range(len(spots)) if spots[k][1] * side > 0), key=lambda k: spots[k]
        )
        if back is not None and len(rows) > 1:
            for gain, first, last in _stretches([abs(spots[k][1]) for k in rows], abs(back)):
                found.append((gain, side, (abs(back), rows[first : last + 1])))
    kept: list[tuple[int, Stretch]] = []
    spans: list[tuple[int, int]] = []
    for _, side, stretch in sorted(found, key=lambda item: -item[0]):
        low, high = spots[stretch[1][0]][0], spots[stretch[1][-1]][0]
        if all(high <= start or end <= low for start, end in spans):
            spans.append((low, high))
            kept.append((side, stretch))
    edges = _edges(spots, kept, spans)
    walk = Walk(0, (0, 0, SPINE), (), tuple(edge[:3] for edge in edges))
    order = dict.fromkeys(node[0] for node in trail(walk) if node[2] == PICK)
    return list(order), sum(times * length for _, _, times, length in edges)


def _stretches(depths: list[int], back: int) -> list[tuple[int, int, int]]:
    """Best disjoint stretches along a back: (gain, first pick, last pick).

    The first and last pick of a stretch are walked through; those between are visited from the
    back where that is shorter.
    """
    count = len(depths)
    best: list[tuple[int, list[tuple[int, int, int]]]] = [(0, [])] * (count + 1)
    for end in range(1, count + 1):
        best[end] = best[end - 1]
        inner = 0
        for first in range(end - 2, -1, -1):
            gain = 2 * (depths[first] + depths[end - 1] - back) + inner
            if best[first][0] + gain > best[end][0]:
                best[end] = (best[first][0] + gain, [*best[first][1], (gain, first, end - 1)])
            inner += max(0, 4 * depths[first] - 2 * back)
    return best[count][1]


def _edges(
    spots: Sequence[Spot], kept: list[tuple[int, Stretch]], spans: list[tuple[int, int]]
) -> list[tuple[Node, Node, int, int]]:
    """The walk as a multigraph: (node, node, times, length); a pick's node is (row, 0, PICK)."""
    edges: list[tuple[Node, Node, int, int]] = []
    for left, right in pairwise(sorted({0, *(x for x, _ in spots)})):
        passes = 2 - sum(low <= left and right <= high for low, high in spans)
        edges.append(((left, 0, SPINE), (right, 0, SPINE), passes, right - left))
    deep: set[int] = set()
    for side, (back, rows) in kept:
        kind = BACK_HIGH if side > 0 else BACK_LOW
        for one, two in pairwise(rows):
            left, right = spots[one][0], spots[two][0]
            if left != right:
                edges.append(((left, 0, kind), (right, 0, kind), 1, right - left))
        for row in rows:
            x, depth = spots[row][0], abs(spots[row][1])
            through = row in (rows[0], rows[-1])
            if through:
                edges.append(((x, 0, SPINE), (row, 0, PICK), 1, depth))
            elif back - depth >= depth:
                continue
            deep.add(row)
            edges.append(((row, 0, PICK), (x, 0, kind), 1 if through else 2, back - depth))
    for row, (x, depth) in enumerate(spots):
        if row not in deep:
            edges.append(((x, 0, SPINE), (row, 0, PICK), 2, abs(depth)))
    return edges
