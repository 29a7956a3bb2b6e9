"""Classic routing rules: s-shape, return, midpoint, largest gap, combined.

For comparison with the exact router and for floors that insist on a familiar pattern. A rule fixes
the order of the stops; legs between them are shortest walks. With several blocks the farthest
block is done first, each block by the rule, sweeping to and fro.
Units: mm. Guarantees: every reachable stop exactly once. Source: Hall (1993) for the first four,
Roodbergen and de Koster (2001) for combined and for several blocks.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from wms.planning.route import Route
from wms.planning.travel import Layout, Place, path_mm

# One aisle of a block: heights above the block's front, ascending, with the spots there.
Aisle = tuple[tuple[float, str], ...]
Rule = Callable[[Sequence[Aisle], float, float], list[str]]


def s_shape(aisles: Sequence[Aisle], depth: float, pitch: float) -> list[str]:
    """Every aisle is walked through, alternately up and down."""
    order: list[str] = []
    for number, aisle in enumerate(aisles):
        order += [spot for _, spot in (aisle[::-1] if number % 2 else aisle)]
    return order


def return_rule(aisles: Sequence[Aisle], depth: float, pitch: float) -> list[str]:
    """Every aisle is entered and left at the front."""
    return [spot for aisle in aisles for _, spot in aisle]


def midpoint(aisles: Sequence[Aisle], depth: float, pitch: float) -> list[str]:
    """First and last aisle are walked through; the others by halves from back and front."""
    return _split(aisles, lambda aisle: sum(y <= depth / 2 for y, _ in aisle))


def largest_gap(aisles: Sequence[Aisle], depth: float, pitch: float) -> list[str]:
    """Like midpoint, but each aisle is left unwalked at its largest gap."""

    def cut(aisle: Aisle) -> int:
        heights = [0.0, *(y for y, _ in aisle), depth]
        gaps = [high - low for low, high in pairwise(heights)]
        return gaps.index(max(gaps))

    return _split(aisles, cut)


def _split(aisles: Sequence[Aisle], cut: Callable[[Aisle], int]) -> list[str]:
    if len(aisles) == 1:
        return [spot for _, spot in aisles[0]]
    out = [spot for _, spot in aisles[0]]
    for aisle in aisles[1:-1]:
        out += [spot for _, spot in aisle[cut(aisle) :][::-1]]
    out += [spot for _, spot in aisles[-1][::-1]]
    for aisle in aisles[-2:0:-1]:
        out += [spot for _, spot in aisle[: cut(aisle)]]
    return out


def combined(aisles: Sequence[Aisle], depth: float, pitch: float) -> list[str]:
    """Each aisle is walked through or returned from, whichever is shorter in the end."""
    front: tuple[float, list[str]] = (0.0, [])
    back: tuple[float, list[str]] = (math.inf, [])
    for aisle in aisles:
        up = [spot for _, spot in aisle]
        down = up[::-1]
        reach_front, reach_back = 2 * aisle[-1][0], 2 * (depth - aisle[0][0])
        front, back = (
            min((front[0] + reach_front, front[1] + up), (back[0] + depth, back[1] + down)),
            min((front[0] + depth, front[1] + up), (back[0] + reach_back, back[1] + down)),
        )
    return min(front, (back[0] + depth, back[1]))[1]


RULES: dict[str, Rule] = {
    "s_shape": s_shape,
    "return": return_rule,
    "midpoint": midpoint,
    "largest_gap": largest_gap,
    "combined": combined,
}


def plan_by_rule(layout: Layout, stops: Sequence[str], start: str, end: str, rule: str) -> Route:
    """The tour a rule gives. Raises ValueError for a rule that is not in `RULES`."""
    if rule not in RULES:
        raise ValueError(f"rule must be one of {sorted(RULES)}: {rule!r}")
    found: dict[str, Place] = {}
    lost: list[str] = []
    for spot in dict.fromkeys(stops):
        place = layout.place(spot)
        if place is None:
            lost.append(spot)
        else:
            found[spot] = place
    origin = layout.spot_of[start]
    order: list[str] = []
    for flip, slot in enumerate(_far_blocks_first(layout, found, origin.y_mm)):
        order += _block(layout, found, slot, origin.y_mm, RULES[rule], bool(flip % 2))
    order += [spot for spot, place in found.items() if place.column < 0]
    length = path_mm(layout, (start, *order, end))
    feasible = not lost and length < math.inf
    return Route(tuple(order), length, rule, False, "rule", 0, tuple(lost), feasible)


def _far_blocks_first(layout: Layout, found: dict[str, Place], y: int) -> list[int]:
    slots = {place.slot for place in found.values() if place.column >= 0}
    ys = layout.grid.ys
    return sorted(slots, key=lambda slot: -abs(ys[min(max(slot - 1, 0), len(ys) - 1)] - y))


def _block(
    layout: Layout, found: dict[str, Place], slot: int, y_start: int, rule: Rule, flip: bool
) -> list[str]:
    """The stops of one block in the order of the rule, its front being the side of the start."""
    ys, xs = layout.grid.ys, layout.grid.xs
    heights = [p.y for p in found.values() if p.column >= 0 and p.slot == slot]
    low = ys[slot - 1] if slot else min(heights)
    high = ys[slot] if slot < len(ys) else max(heights)
    from_below = abs(low - y_start) <= abs(high - y_start)
    columns: dict[int, list[tuple[float, str]]] = {}
    for spot, place in found.items():
        if place.column >= 0 and place.slot == slot:
            up = place.y - low if from_below else high - place.y
            columns.setdefault(place.column, []).append((up, spot))
    aisles = [tuple(sorted(columns[column])) for column in sorted(columns)]
    pitch = (xs[-1] - xs[0]) / max(1, len(xs) - 1)
    return rule(aisles[::-1] if flip else aisles, high - low, pitch)
