"""Fill one box with a sequence of pieces, runs of equal pieces as grids.

As `spaces.fill`, but where a piece has found its place, as many of the equal pieces that follow as
the free space takes stand beside, behind and above it at once. An order of hundreds of pieces is
placed in some tens of steps; the grid grows along the axes of the style, so it stands where single
pieces of that style would.

Units: mm, g. Guarantees: those of `spaces`; loads are not respected (`fill` does that).
"""

import numpy as np

from wms.planning.jit import kernel
from wms.planning.spaces import (
    SPACES_MAX,
    choose_place,
    cut_spaces,
    least_edges,
    supported_area,
)


@kernel
def find_room(spaces, n_spaces, best, top_min, room):
    """Write the largest room in one space for a grid that starts at a place.

    Only spaces that reach up to `top_min` count.
    """
    most = -1
    for i in range(n_spaces):
        s = spaces[i]
        if s[0] != best[0] or s[1] != best[1] or s[2] != best[2] or s[5] < top_min:
            continue
        if s[3] < best[0] + best[3] or s[4] < best[1] + best[4] or s[5] < best[2] + best[5]:
            continue
        number = 1
        for k in range(3):
            number *= (s[3 + k] - s[k]) // best[3 + k]
        if number > most:
            most = number
            for k in range(3):
                room[k] = (s[3 + k] - s[k]) // best[3 + k]


@kernel
def is_row_carried(solids, count, best, grid, axis, support_min):
    """Say whether the next row of base pieces along an axis is supported, piece by piece."""
    other = 1 - axis
    for j in range(grid[other]):
        x = best[0] + best[3] * (grid[0] if axis == 0 else j)
        y = best[1] + best[4] * (grid[1] if axis == 1 else j)
        area = supported_area(solids, count, x, y, best[2], best[3], best[4])
        if area < support_min * best[3] * best[4]:
            return False
    return True


@kernel
def grow(solids, count, best, room, most, style, support_min, grid):
    """Write how many pieces stand along each axis; return their number, at most `most`."""
    grid[:] = 1
    for step in range(3):
        axis = style[3 - step]
        while grid[axis] < room[axis]:
            if grid[0] * grid[1] * grid[2] // grid[axis] * (grid[axis] + 1) > most:
                break
            carried = axis == 2 or best[2] == 0 or support_min == 0.0
            if not carried and not is_row_carried(solids, count, best, grid, axis, support_min):
                break
            grid[axis] += 1
    return grid[0] * grid[1] * grid[2]


@kernel
def write_grid(kind, best, grid, placed, at):
    """Write the pieces of a grid to `placed` from row `at`, lowest first."""
    for c in range(grid[2]):
        for b in range(grid[1]):
            for a in range(grid[0]):
                row = placed[at]
                row[0] = kind
                row[1] = best[0] + a * best[3]
                row[2] = best[1] + b * best[4]
                row[3] = best[2] + c * best[5]
                row[4], row[5], row[6] = best[3], best[4], best[5]
                at += 1


@kernel
def write_solid(kind, best, grid, row):
    """Write a grid as the one solid that it is to its neighbours."""
    row[0] = kind
    for k in range(3):
        row[1 + k] = best[k]
        row[4 + k] = best[3 + k] * grid[k]


@kernel
def most_of(kind, most, goods, weight_left, volume_left, allowed):
    """How many pieces of a kind the limits leave, at most `most`."""
    most = min(most, volume_left // goods.volume[kind])
    if goods.weight[kind] > 0:
        most = min(most, weight_left // goods.weight[kind])
    if allowed.shape[0] > 0:
        most = min(most, allowed[kind])
    return most


@kernel
def fill_blocks(order, goods, box, limits, support_min, style, placed, taken):
    """Put the pieces of a sequence into one box; return how many found a place.

    Shapes as in `spaces.fill`.
    """
    n = order.shape[0]
    least = least_edges(order, goods)
    spaces = np.empty((SPACES_MAX + 8, 6), np.int64)
    cuts = np.empty((SPACES_MAX + 8, 6), np.int64)
    spaces[0, :3] = 0
    spaces[0, 3:] = box
    n_spaces = 1
    failed = np.zeros(goods.weight.shape[0], np.int64)
    solids = np.empty((n + 1, 7), np.int64)
    load = np.empty(0)
    allowed = goods.box_max.copy()
    best = np.empty(6, np.int64)
    room = np.empty(3, np.int64)
    grid = np.empty(3, np.int64)
    blocks, count = 0, 0
    weight_left, volume_left = limits[0], limits[1]
    taken[:n] = 0
    j = 0
    while j < n:
        kind = order[j]
        run = 1
        while j + run < n and order[j + run] == kind:
            run += 1
        most = min(run, limits[2] - count)
        most = most_of(kind, most, goods, weight_left, volume_left, allowed)
        if most < 1 or failed[kind] > blocks:
            j += run
            continue
        if not choose_place(
            kind, spaces, n_spaces, goods, box, support_min, style, solids, blocks, load, best
        ):
            failed[kind] = n + 1 if support_min == 0.0 else blocks + 1
            j += run
            continue
        find_room(spaces, n_spaces, best, box[2] * goods.closed_top[kind], room)
        if goods.closed_top[kind] == 1:
            room[2] = 1
        number = grow(solids, blocks, best, room, most, style, support_min, grid)
        write_grid(kind, best, grid, placed, count)
        row = solids[blocks]
        write_solid(kind, best, grid, row)
        top = box[2] if goods.closed_top[kind] == 1 else row[3] + row[6]
        x, y = row[1], row[2]
        n_spaces = cut_spaces(
            spaces, n_spaces, cuts, x, y, row[3], x + row[4], y + row[5], top, least
        )
        taken[j : j + number] = 1
        weight_left -= number * goods.weight[kind]
        volume_left -= number * goods.volume[kind]
        if allowed.shape[0] > 0:
            allowed[kind] -= number
        count += number
        blocks += 1
        j += number
    return count
