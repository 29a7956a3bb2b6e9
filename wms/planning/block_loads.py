"""What placed blocks carry: bases that lie on tops, and weights handed down to all below.

Units: mm, g. Shape: rows of placed blocks are block, x, y, z and the weight that rests on it.
"""

import numpy as np

from wms.planning.jit import kernel


@kernel
def is_carried(corner, size, rows, count, block_size):
    """Say whether the whole base of a block lies on tops of placed blocks."""
    if corner[2] == 0:
        return True
    area = 0
    for i in range(count):
        other = block_size[rows[i, 0]]
        if rows[i, 3] + other[2] != corner[2]:
            continue
        wide = min(corner[0] + size[0], rows[i, 1] + other[0]) - max(corner[0], rows[i, 1])
        deep = min(corner[1] + size[1], rows[i, 2] + other[1]) - max(corner[1], rows[i, 2])
        if wide > 0 and deep > 0:
            area += wide * deep
    return area >= size[0] * size[1]


@kernel
def rests(corner, size, row, block_size):
    """Say whether a block at a corner touches the top of a placed one."""
    other = block_size[row[0]]
    return (
        row[3] + other[2] == corner[2]
        and row[1] < corner[0] + size[0]
        and corner[0] < row[1] + other[0]
        and row[2] < corner[1] + size[1]
        and corner[1] < row[2] + other[1]
    )


@kernel
def is_borne(b, corner, blocks, rows, count, book):
    """Say whether all placed blocks under a place bear a block; with `book` hand its weight down.

    Its whole weight is charged to every block below, so no piece can carry more.
    """
    size, weight = blocks.size, blocks.weight[b]
    under = np.zeros(count, np.int64)
    for i in range(count - 1, -1, -1):
        found = rests(corner, size[b], rows[i], size)
        for j in range(i + 1, count):
            if not found and under[j] == 1:
                found = rests(rows[j, 1:4], size[rows[j, 0]], rows[i], size)
        if not found:
            continue
        under[i] = 1
        if rows[i, 4] + weight > blocks.carry[rows[i, 0]]:
            return False
        if book:
            rows[i, 4] += weight
    return True
