"""Fill one box with a sequence of pieces: maximal empty spaces.

The free room of a box is kept as the list of all maximal empty cuboids. Each piece of a sequence is
put into the corner of the space that the placing rule likes best, in an allowed turn; then the
spaces that it cuts are replaced by their rests. These are the hot loops of cartonization.

Units: mm and g, whole numbers below 2**20 mm. Coordinates: x length, y width, z up.
Guarantees: inside the box, no overlap, only allowed turns, weight, volume and number of pieces
within the limits, nothing above a piece with a closed top, base supported, loads respected.
Source: maximal empty spaces (Lai and Chan 1997); distance rule of Goncalves and Resende,
Computers and Operations Research 39 (2012).
"""

from typing import NamedTuple

import numpy as np

from wms.planning.jit import kernel

SPACES_MAX = 400

# Placing rules: what the chosen place of a piece minimises.
FAR_CORNER, LOW_START, LOW_END, TIGHT = 0, 1, 2, 3


class Goods(NamedTuple):
    """The kinds of pieces of one problem.

    Shape: turns[kind, turn, 3] with turn_count[kind] valid rows; one entry per kind elsewhere.
    load_max is empty when nothing limits loads, and -1 where one kind has no limit; box_max, the
    most pieces of a kind in one box, is empty when nothing limits them.
    """

    turns: np.ndarray
    turn_count: np.ndarray
    weight: np.ndarray
    volume: np.ndarray
    closed_top: np.ndarray
    load_max: np.ndarray
    box_max: np.ndarray

    @property
    def kinds(self) -> int:
        """Return the number of kinds."""
        return len(self.weight)


def limit_counts(goods: Goods, counts: np.ndarray) -> np.ndarray:
    """Return how many pieces of each kind one box may take of so many."""
    return np.minimum(counts, goods.box_max) if len(goods.box_max) else counts


@kernel
def is_inside(x1, y1, z1, x2, y2, z2, space):
    """Say whether a cuboid lies inside a space."""
    return (
        x1 >= space[0]
        and y1 >= space[1]
        and z1 >= space[2]
        and x2 <= space[3]
        and y2 <= space[4]
        and z2 <= space[5]
    )


@kernel
def add_rest(spaces, count, first, x1, y1, z1, x2, y2, z2, least):
    """Add one rest of a cut space unless it is useless or contained; drop rests it contains."""
    if x2 - x1 < least[0] or y2 - y1 < least[1] or z2 - z1 < least[2]:
        return count
    for i in range(count):
        if is_inside(x1, y1, z1, x2, y2, z2, spaces[i]):
            return count
    kept = first
    for i in range(first, count):
        space = spaces[i]
        contained = (
            space[0] >= x1
            and space[1] >= y1
            and space[2] >= z1
            and space[3] <= x2
            and space[4] <= y2
            and space[5] <= z2
        )
        if not contained:
            if kept != i:
                for k in range(6):
                    spaces[kept, k] = space[k]
            kept += 1
    if kept < SPACES_MAX:
        spaces[kept, 0] = x1
        spaces[kept, 1] = y1
        spaces[kept, 2] = z1
        spaces[kept, 3] = x2
        spaces[kept, 4] = y2
        spaces[kept, 5] = z2
        kept += 1
    return kept


@kernel
def cut_spaces(spaces, count, cuts, x1, y1, z1, x2, y2, z2, least):
    """Take a cuboid out of the free room; return the new number of spaces."""
    kept = 0
    cut = 0
    for i in range(count):
        space = spaces[i]
        apart = (
            space[0] >= x2
            or space[3] <= x1
            or space[1] >= y2
            or space[4] <= y1
            or space[2] >= z2
            or space[5] <= z1
        )
        if apart:
            if kept != i:
                for k in range(6):
                    spaces[kept, k] = space[k]
            kept += 1
        else:
            for k in range(6):
                cuts[cut, k] = space[k]
            cut += 1
    first = kept
    for i in range(cut):
        a, b, c = cuts[i, 0], cuts[i, 1], cuts[i, 2]
        d, e, f = cuts[i, 3], cuts[i, 4], cuts[i, 5]
        if a < x1:
            kept = add_rest(spaces, kept, first, a, b, c, x1, e, f, least)
        if x2 < d:
            kept = add_rest(spaces, kept, first, x2, b, c, d, e, f, least)
        if b < y1:
            kept = add_rest(spaces, kept, first, a, b, c, d, y1, f, least)
        if y2 < e:
            kept = add_rest(spaces, kept, first, a, y2, c, d, e, f, least)
        if c < z1:
            kept = add_rest(spaces, kept, first, a, b, c, d, e, z1, least)
        if z2 < f:
            kept = add_rest(spaces, kept, first, a, b, z2, d, e, f, least)
    return kept


@kernel
def supported_area(placed, count, x, y, z, dx, dy):
    """Return the area of a base at height z that lies on the tops of placed pieces."""
    area = 0
    for i in range(count):
        p = placed[i]
        if p[3] + p[6] == z:
            wide = min(x + dx, p[1] + p[4]) - max(x, p[1])
            deep = min(y + dy, p[2] + p[5]) - max(y, p[2])
            if wide > 0 and deep > 0:
                area += wide * deep
    return area


@kernel
def spread_load(placed, count, load, row, weight, load_max, book):
    """Hand a weight down from one piece to what it stands on; say whether all loads hold.

    Each supporter carries its share of the contact area. With `book` the loads are written;
    without it nothing changes. Row `count` of `placed` may be a piece that is only tried.
    """
    added = np.zeros(count + 1)
    added[row] = weight
    todo = np.zeros(count + 1, np.int64)
    todo[row] = 1
    while True:
        high = -1
        for i in range(count + 1):
            if todo[i] == 1 and (high < 0 or placed[i, 3] > placed[high, 3]):
                high = i
        if high < 0:
            break
        todo[high] = 0
        p = placed[high]
        area = supported_area(placed, count, p[1], p[2], p[3], p[4], p[5])
        if p[3] == 0 or area == 0:
            continue
        for i in range(count):
            s = placed[i]
            if s[3] + s[6] != p[3]:
                continue
            wide = min(p[1] + p[4], s[1] + s[4]) - max(p[1], s[1])
            deep = min(p[2] + p[5], s[2] + s[5]) - max(p[2], s[2])
            if wide <= 0 or deep <= 0:
                continue
            added[i] += added[high] * wide * deep / area
            todo[i] = 1
            limit = load_max[s[0]]
            if limit >= 0 and load[i] + added[i] > limit:
                return False
    if book:
        for i in range(count):
            load[i] += added[i]
    return True


@kernel
def is_loaded(placed, count, x, y, z, dx, dy):
    """Say whether a placed piece would stand on a top at height z."""
    for i in range(count):
        p = placed[i]
        if p[3] == z:
            wide = min(x + dx, p[1] + p[4]) - max(x, p[1])
            deep = min(y + dy, p[2] + p[5]) - max(y, p[2])
            if wide > 0 and deep > 0:
                return True
    return False


@kernel
def place_score(style, start, end, box, space):
    """Return how much a style (placing rule and three axes) dislikes a place."""
    rule, axes = style[0], style[1:]
    if rule == FAR_CORNER:
        a, b, c = box[0] - end[0], box[1] - end[1], box[2] - end[2]
        return -(a * a + b * b + c * c)
    if rule == LOW_START:
        return (start[axes[0]] << 40) + (start[axes[1]] << 20) + end[axes[0]]
    if rule == LOW_END:
        return (end[axes[0]] << 40) + (end[axes[1]] << 20) + end[axes[2]]
    a, b, c = space[3] - end[0], space[4] - end[1], space[5] - end[2]
    low = min(a, min(b, c))
    high = max(a, max(b, c))
    return (low << 40) + ((a + b + c - low - high) << 20) + start[axes[0]]


@kernel
def is_allowed(placed, count, load, kind, start, size, support_min, goods):
    """Say whether a piece may stand at a place: base supported, no load broken."""
    if support_min > 0.0 and start[2] > 0:
        area = supported_area(placed, count, start[0], start[1], start[2], size[0], size[1])
        if area < support_min * size[0] * size[1]:
            return False
    if goods.load_max.shape[0] > 0:
        top = start[2] + size[2]
        if is_loaded(placed, count, start[0], start[1], top, size[0], size[1]):
            return False
        placed[count, 0] = kind
        for k in range(3):
            placed[count, 1 + k] = start[k]
            placed[count, 4 + k] = size[k]
        return spread_load(placed, count, load, count, goods.weight[kind], goods.load_max, False)
    return True


@kernel
def choose_place(kind, spaces, n_spaces, goods, box, support_min, style, placed, count, load, best):
    """Find the best place of one piece; write it to `best` (x y z dx dy dz) and say if found."""
    found = False
    best_score = 0
    best_tie = 0
    start = np.empty(3, np.int64)
    end = np.empty(3, np.int64)
    size = np.empty(3, np.int64)
    for i in range(n_spaces):
        space = spaces[i]
        if goods.closed_top[kind] == 1 and space[5] < box[2]:
            continue
        for t in range(goods.turn_count[kind]):
            fits = True
            for k in range(3):
                size[k] = goods.turns[kind, t, k]
                start[k] = space[k]
                end[k] = start[k] + size[k]
                if end[k] > space[3 + k]:
                    fits = False
            if not fits:
                continue
            score = place_score(style, start, end, box, space)
            tie = (end[2] << 40) + (end[1] << 20) + end[0]
            if found and (score > best_score or (score == best_score and tie >= best_tie)):
                continue
            if not is_allowed(placed, count, load, kind, start, size, support_min, goods):
                continue
            found = True
            best_score = score
            best_tie = tie
            for k in range(3):
                best[k] = start[k]
                best[3 + k] = size[k]
    return found


@kernel
def least_edges(order, goods):
    """Return the shortest edge along each axis that any piece of a sequence can have."""
    least = np.full(3, 1 << 20, np.int64)
    for kind in order:
        for t in range(goods.turn_count[kind]):
            for k in range(3):
                least[k] = min(least[k], goods.turns[kind, t, k])
    return least


@kernel
def fill(order, goods, box, limits, support_min, style, placed, taken):
    """Put the pieces of a sequence into one box; return how many found a place.

    Shape: order[i] is a kind; limits = weight, volume, pieces; style = placing rule and axes.
    Writes placed[i] = kind, x, y, z, dx, dy, dz and taken[position in order] = 0 or 1.
    """
    least = least_edges(order, goods)
    spaces = np.empty((SPACES_MAX + 8, 6), np.int64)
    cuts = np.empty((SPACES_MAX + 8, 6), np.int64)
    spaces[0, :3] = 0
    spaces[0, 3:] = box
    n_spaces = 1
    failed = np.zeros(goods.weight.shape[0], np.int64)
    room = goods.box_max.copy()
    load = np.zeros(order.shape[0] + 1)
    best = np.empty(6, np.int64)
    count = 0
    weight_left, volume_left = limits[0], limits[1]
    taken[: order.shape[0]] = 0
    for j in range(order.shape[0]):
        kind = order[j]
        # Room only shrinks, so a kind that once found no place finds none later; with a support
        # rule the top of a piece placed since may carry it, and then it is tried again.
        if (
            failed[kind] > count
            or count >= limits[2]
            or goods.weight[kind] > weight_left
            or goods.volume[kind] > volume_left
            or (room.shape[0] > 0 and room[kind] < 1)
        ):
            continue
        if not choose_place(
            kind, spaces, n_spaces, goods, box, support_min, style, placed, count, load, best
        ):
            failed[kind] = order.shape[0] + 1 if support_min == 0.0 else count + 1
            continue
        row = placed[count]
        row[0] = kind
        row[1:] = best
        if goods.load_max.shape[0] > 0:
            spread_load(placed, count, load, count, goods.weight[kind], goods.load_max, True)
        x, y, z = row[1], row[2], row[3]
        top = box[2] if goods.closed_top[kind] == 1 else z + row[6]
        n_spaces = cut_spaces(spaces, n_spaces, cuts, x, y, z, x + row[4], y + row[5], top, least)
        taken[j] = 1
        if room.shape[0] > 0:
            room[kind] -= 1
        weight_left -= goods.weight[kind]
        volume_left -= goods.volume[kind]
        count += 1
    return count
