"""Load one box with blocks: beam search whose states are judged by finishing them greedily.

A state is a partly loaded box: free room as maximal spaces, pieces left, blocks placed. Each step
takes the space nearest to a corner of the box, tries the blocks that the fitness likes best in its
corner, completes every child greedily, and keeps the best children. The width doubles from run to
run until the stopping rule says stop.

Units: mm, g. Guarantees: anytime, deterministic, more rounds never worse, inside and no overlap.
Source: beam search of Araya, Guerrero and Nunez, Computers and Operations Research 82 (2017), with
the fitness "volume, loss, contact, number" described there.
"""

from typing import NamedTuple

import numpy as np

from wms.planning.block_loads import is_borne, is_carried
from wms.planning.jit import kernel
from wms.planning.spaces import SPACES_MAX, cut_spaces

NEAR_SHARE = 0.04


class Beam(NamedTuple):
    """States of one level. Shape: the first axis is the state; number = spaces and rows in use;

    used = weight, volume and pieces placed; a row is block, x, y, z and weight that rests on it.
    """

    spaces: np.ndarray
    left: np.ndarray
    rows: np.ndarray
    number: np.ndarray
    value: np.ndarray
    used: np.ndarray


class Scene(NamedTuple):
    """What does not change during a search.

    Box, reach of edge sums, least edges, most weight, volume and pieces, bases carried or not.
    """

    box: np.ndarray
    reach: np.ndarray
    least: np.ndarray
    limits: np.ndarray
    grounded: int


@kernel
def choose_space(spaces, count, box, grounded):
    """Return the space whose corner is nearest to a corner of the box, or the lowest one."""
    best = -1
    best_key = 0
    best_volume = 0
    for i in range(count):
        s = spaces[i]
        a = min(s[0], box[0] - s[3])
        b = min(s[1], box[1] - s[4])
        c = s[2] if grounded == 1 else min(s[2], box[2] - s[5])
        low = min(a, min(b, c))
        high = max(a, max(b, c))
        key = (low << 40) + ((a + b + c - low - high) << 20) + high
        if grounded == 1:
            key += s[2] << 42
        volume = (s[3] - s[0]) * (s[4] - s[1]) * (s[5] - s[2])
        if best < 0 or key < best_key or (key == best_key and volume > best_volume):
            best = i
            best_key = key
            best_volume = volume
    return best


@kernel
def drop_space(spaces, count, at):
    """Forget a space; return the new number."""
    for k in range(6):
        spaces[at, k] = spaces[count - 1, k]
    return count - 1


@kernel
def anchor(space, size, box, grounded, corner):
    """Write the lower corner of a block put into the space's corner nearest to the box's."""
    for k in range(3):
        low = space[k] <= box[k] - space[3 + k] or (k == 2 and grounded == 1)
        corner[k] = space[k] if low else space[3 + k] - size[k]


@kernel
def contact(corner, size, box, rows, count, block_size):
    """Return the share of a block's surface that touches walls or placed blocks, nearly."""
    total = 2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    touched = 0
    for k in range(3):
        u, v = (k + 1) % 3, (k + 2) % 3
        face = size[u] * size[v]
        near = NEAR_SHARE * box[k]
        low, high = corner[k], corner[k] + size[k]
        low_wall = low <= near
        high_wall = box[k] - high <= near
        if low_wall:
            touched += face
        if high_wall:
            touched += face
        if low_wall and high_wall:
            continue
        for i in range(count):
            other = block_size[rows[i, 0]]
            start = rows[i, 1 + k]
            end = start + other[k]
            below = not low_wall and end <= low and low - end <= near
            above = not high_wall and start >= high and start - high <= near
            if not below and not above:
                continue
            wide = min(corner[u] + size[u], rows[i, 1 + u] + other[u]) - max(
                corner[u], rows[i, 1 + u]
            )
            deep = min(corner[v] + size[v], rows[i, 1 + v] + other[v]) - max(
                corner[v], rows[i, 1 + v]
            )
            if wide > 0 and deep > 0:
                touched += wide * deep
    return touched / total


@kernel
def is_within(blocks, b, used, limits):
    """Say whether weight, volume and number of pieces allow one more block."""
    return (
        used[0] + blocks.weight[b] <= limits[0]
        and used[1] + blocks.volume[b] <= limits[1]
        and used[2] + blocks.pieces[b] <= limits[2]
    )


@kernel
def rank_blocks(
    space, left, used, alive, n_alive, blocks, scene, rows, count, top, top_score, width
):
    """Write the best blocks for a space to `top`, best first; return how many fit."""
    found = 0
    corner = np.empty(3, np.int64)
    room = np.empty(3, np.int64)
    for k in range(3):
        room[k] = space[3 + k] - space[k]
    room_volume = float(room[0] * room[1] * room[2])
    for at in range(n_alive):
        b = alive[at]
        value = float(blocks.value[b])
        if found == width and value <= top_score[found - 1]:
            break
        size = blocks.size[b]
        if size[0] > room[0] or size[1] > room[1] or size[2] > room[2]:
            continue
        if not is_within(blocks, b, used, scene.limits):
            continue
        if blocks.closed[b] == 1 and space[5] < scene.box[2]:
            continue
        reached = 1.0
        for k in range(3):
            reached *= size[k] + scene.reach[k, room[k] - size[k]]
        share = reached / room_volume
        score = value * share * share * share * share * blocks.worth[b]
        if found == width and score <= top_score[found - 1]:
            continue
        anchor(space, size, scene.box, scene.grounded, corner)
        if scene.grounded == 1 and not is_carried(corner, size, rows, count, blocks.size):
            continue
        if blocks.carry.shape[0] > 0 and not is_borne(b, corner, blocks, rows, count, False):
            continue
        score *= contact(corner, size, scene.box, rows, count, blocks.size)
        if found == width and score <= top_score[found - 1]:
            continue
        spot = found if found < width else width - 1
        while spot > 0 and top_score[spot - 1] < score:
            top[spot] = top[spot - 1]
            top_score[spot] = top_score[spot - 1]
            spot -= 1
        top[spot] = b
        top_score[spot] = score
        found = min(found + 1, width)
    return found


@kernel
def keep_alive(left, need, alive, count, kept):
    """Copy the blocks whose pieces are still there to `kept`; return their number."""
    n = 0
    kinds = left.shape[0]
    for i in range(count):
        b = alive[i]
        enough = True
        for kind in range(kinds):
            if need[b, kind] > left[kind]:
                enough = False
                break
        if enough:
            kept[n] = b
            n += 1
    return n


@kernel
def put_block(beam, s, space, b, blocks, scene, cuts):
    """Place a block in a space's corner of state s."""
    corner = np.empty(3, np.int64)
    size = blocks.size[b]
    anchor(space, size, scene.box, scene.grounded, corner)
    count = beam.number[s, 1]
    if blocks.carry.shape[0] > 0:
        is_borne(b, corner, blocks, beam.rows[s], count, True)
    row = beam.rows[s, count]
    row[0] = b
    row[1:4] = corner
    row[4] = 0
    beam.number[s, 1] += 1
    top = scene.box[2] if blocks.closed[b] == 1 else corner[2] + size[2]
    beam.number[s, 0] = cut_spaces(
        beam.spaces[s],
        beam.number[s, 0],
        cuts,
        corner[0],
        corner[1],
        corner[2],
        corner[0] + size[0],
        corner[1] + size[1],
        top,
        scene.least,
    )
    for kind in range(beam.left.shape[1]):
        beam.left[s, kind] -= blocks.need[b, kind]
    beam.value[s] += blocks.value[b]
    beam.used[s, 0] += blocks.weight[b]
    beam.used[s, 1] += blocks.volume[b]
    beam.used[s, 2] += blocks.pieces[b]


@kernel
def copy_state(source, s, target, t):
    """Copy state s of one beam over state t of another."""
    spaces, rows = source.number[s, 0], source.number[s, 1]
    target.spaces[t, :spaces] = source.spaces[s, :spaces]
    target.rows[t, :rows] = source.rows[s, :rows]
    target.left[t] = source.left[s]
    target.number[t] = source.number[s]
    target.value[t] = source.value[s]
    target.used[t] = source.used[s]


@kernel
def keep_load(trial, best):
    """Enter a finished load into the list of the best, sorted by value, each value once."""
    last = best.value.shape[0] - 1
    value = trial.value[0]
    if value <= best.value[last]:
        return
    at = last
    while at > 0 and best.value[at - 1] <= value:
        if best.value[at - 1] == value:
            return
        at -= 1
    for i in range(last, at, -1):
        rows = best.number[i - 1, 1]
        best.rows[i, :rows] = best.rows[i - 1, :rows]
        best.left[i] = best.left[i - 1]
        best.number[i] = best.number[i - 1]
        best.value[i] = best.value[i - 1]
    rows = trial.number[0, 1]
    best.rows[at, :rows] = trial.rows[0, :rows]
    best.left[at] = trial.left[0]
    best.number[at] = trial.number[0]
    best.value[at] = value


@kernel
def finish(beam, s, blocks, scene, alive, n_alive, spare, cuts):
    """Complete a state greedily."""
    top = np.empty(1, np.int64)
    top_score = np.empty(1)
    n_alive = keep_alive(beam.left[s], blocks.need, alive, n_alive, spare)
    while n_alive > 0 and beam.number[s, 0] > 0:
        at = choose_space(beam.spaces[s], beam.number[s, 0], scene.box, scene.grounded)
        space = beam.spaces[s, at].copy()
        found = rank_blocks(
            space,
            beam.left[s],
            beam.used[s],
            spare,
            n_alive,
            blocks,
            scene,
            beam.rows[s],
            beam.number[s, 1],
            top,
            top_score,
            1,
        )
        if found == 0:
            beam.number[s, 0] = drop_space(beam.spaces[s], beam.number[s, 0], at)
            continue
        put_block(beam, s, space, top[0], blocks, scene, cuts)
        n_alive = keep_alive(beam.left[s], blocks.need, spare, n_alive, spare)


@kernel
def expand(beam, n_states, after, trial, best, blocks, scene, width):
    """Advance all states by one block; return the number of states after.

    Children are judged by their greedy completion; `best` collects the best completions of the
    whole search with different values, best first.
    """
    n_blocks = blocks.value.shape[0]
    every = np.arange(n_blocks)
    alive = np.empty(n_blocks, np.int64)
    spare = np.empty(n_blocks, np.int64)
    cuts = np.empty((SPACES_MAX + 8, 6), np.int64)
    top = np.empty(width, np.int64)
    top_score = np.empty(width)
    children = np.empty((n_states * width, 4), np.int64)
    n_children = 0
    for s in range(n_states):
        n_alive = keep_alive(beam.left[s], blocks.need, every, n_blocks, alive)
        found = 0
        at = -1
        while n_alive > 0 and beam.number[s, 0] > 0:
            at = choose_space(beam.spaces[s], beam.number[s, 0], scene.box, scene.grounded)
            found = rank_blocks(
                beam.spaces[s, at],
                beam.left[s],
                beam.used[s],
                alive,
                n_alive,
                blocks,
                scene,
                beam.rows[s],
                beam.number[s, 1],
                top,
                top_score,
                width,
            )
            if found > 0:
                break
            beam.number[s, 0] = drop_space(beam.spaces[s], beam.number[s, 0], at)
        for i in range(found):
            copy_state(beam, s, trial, 0)
            put_block(trial, 0, beam.spaces[s, at].copy(), top[i], blocks, scene, cuts)
            now = trial.value[0]
            finish(trial, 0, blocks, scene, alive, n_alive, spare, cuts)
            keep_load(trial, best)
            row = children[n_children]
            row[0], row[1], row[2], row[3] = trial.value[0], s, top[i], now
            n_children += 1
    return select(beam, after, children, n_children, blocks, scene, width, cuts)


@kernel
def select(beam, after, children, count, blocks, scene, width, cuts):
    """Make the next level from the best children; return its number of states."""
    order = np.argsort(-children[:count, 0], kind="mergesort")
    kept = 0
    for i in range(count):
        child = children[order[i]]
        # Equal completion and equal load so far: the same thing reached by another sequence.
        twin = False
        for j in range(i):
            other = children[order[j]]
            if other[0] == child[0] and other[3] == child[3]:
                twin = True
                break
        if twin:
            continue
        s = child[1]
        copy_state(beam, s, after, kept)
        at = choose_space(beam.spaces[s], beam.number[s, 0], scene.box, scene.grounded)
        put_block(after, kept, beam.spaces[s, at].copy(), child[2], blocks, scene, cuts)
        kept += 1
        if kept == width:
            break
    return kept
