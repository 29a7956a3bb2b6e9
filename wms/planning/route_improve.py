"""Visiting order on a plain distance matrix, for layouts the exact router does not cover.

Shape: distances may be asymmetric and infinite. Up to 9 places: every order is tried (dynamic
program over subsets), else nearest neighbour, then Or-opt and 2-opt moves until none helps, then
seeded restarts from a double bridge while the stopping rule allows.
Guarantees: never worse than nearest neighbour; same seed and rounds, same order.
"""

import math
import random
from collections.abc import Sequence
from itertools import combinations

from wms.planning.stop import StopRule

Matrix = Sequence[Sequence[float]]
EXACT_MAX = 9


def order_exactly(far: Matrix) -> list[int]:
    """Best order of the places between the first and the last row (Held and Karp 1962)."""
    end = len(far) - 1
    inner = range(1, end)
    best: dict[tuple[int, int], tuple[float, int]] = {
        (1 << place, place): (far[0][place], 0) for place in inner
    }
    for size in range(2, end):
        for chosen in combinations(inner, size):
            mask = sum(1 << place for place in chosen)
            for place in chosen:
                rest = mask ^ (1 << place)
                best[mask, place] = min(
                    (best[rest, other][0] + far[other][place], other)
                    for other in chosen
                    if other != place
                )
    mask = sum(1 << place for place in inner)
    if not mask:
        return []
    place = min(inner, key=lambda last: best[mask, last][0] + far[last][end])
    order = []
    while mask:
        order.append(place)
        mask, place = mask ^ (1 << place), best[mask, place][1]
    return order[::-1]


def length_of(far: Matrix, order: Sequence[int]) -> float:
    """Length from the first row over the order to the last row."""
    here, total = 0, 0.0
    for place in (*order, len(far) - 1):
        total += far[here][place]
        here = place
    return total


def nearest_first(far: Matrix) -> list[int]:
    """Always walk on to the nearest place not yet visited."""
    left, here, order = set(range(1, len(far) - 1)), 0, []
    while left:
        here = min(left, key=lambda place: (far[here][place], place))
        left.remove(here)
        order.append(here)
    return order


def _descend(far: Matrix, order: list[int]) -> list[int]:
    """Or-opt (pieces of one to three, either way round) and 2-opt until neither helps."""
    current, better = length_of(far, order), True
    while better:
        better = False
        for trial in _neighbours(order):
            length = length_of(far, trial)
            if length < current - 1e-9 or (math.isinf(current) and length < current):
                order, current, better = trial, length, True
                break
    return order


def _neighbours(order: list[int]):
    count = len(order)
    for size in (1, 2, 3):
        for start in range(count - size + 1):
            piece, rest = order[start : start + size], order[:start] + order[start + size :]
            for put in range(len(rest) + 1):
                if put != start:
                    yield rest[:put] + piece + rest[put:]
                if size > 1:
                    yield rest[:put] + piece[::-1] + rest[put:]
    for start in range(count - 1):
        for stop in range(start + 2, count + 1):
            yield order[:start] + order[start:stop][::-1] + order[stop:]


def order_places(far: Matrix, stop: StopRule, seed: int = 0) -> tuple[list[int], bool, str]:
    """Order of rows 1..n-2 between row 0 and row n-1; whether it is proven; why it stopped."""
    if len(far) - 2 <= EXACT_MAX:
        return order_exactly(far), True, "optimal"
    order = _descend(far, nearest_first(far))
    length, luck, watch = length_of(far, order), random.Random(seed), stop()
    while True:
        reason = watch(length)
        if reason is not None:
            return order, False, reason
        cuts = sorted(luck.sample(range(1, len(order)), 3))
        one, two, three, four = (
            order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)
        )
        trial = _descend(far, one + three + two + four)
        if length_of(far, trial) < length:
            order, length = trial, length_of(far, trial)
