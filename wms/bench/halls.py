"""Walking distances of the public sets, from their READMEs; shares no code with the planners."""

import math
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct


class Hall(Struct, frozen=True):
    """Parallel aisles at x = first + pitch * aisle, full cross aisles at the heights `cross`.

    `depot` is (x, y); `straight_depot`: straight lines between depot and aisle feet.
    """

    pitch: float
    cross: tuple[float, ...]
    depot: tuple[float, float]
    first: float = 0.0
    straight_depot: bool = False

    def between(self, one: tuple[int, float], two: tuple[int, float]) -> float:
        """Walk between two places given as (aisle, height)."""
        if one[0] == two[0]:
            return abs(one[1] - two[1])
        side = abs(one[0] - two[0]) * self.pitch
        return side + min(abs(one[1] - y) + abs(two[1] - y) for y in self.cross)

    def from_depot(self, place: tuple[int, float]) -> float:
        """Walk between the depot and a place."""
        x = self.first + place[0] * self.pitch
        foot = min(self.cross, key=lambda y: abs(y - self.depot[1]))
        if self.straight_depot:
            # The own aisle's foot is never worse than another one: the straight line is shorter.
            straight = math.hypot(x - self.depot[0], foot - self.depot[1])
            return round(straight, 2) + abs(place[1] - foot)
        return (
            abs(self.depot[1] - foot)
            + abs(x - self.depot[0])
            + (
                abs(place[1] - foot)
                if x == self.depot[0]
                else min(abs(foot - y) + abs(y - place[1]) for y in self.cross)
            )
        )

    def tour(self, places: Sequence[tuple[int, float]]) -> float:
        """Closed walk from the depot over the places in this order."""
        if not places:
            return 0.0
        walk = self.from_depot(places[0]) + self.from_depot(places[-1])
        return walk + sum(self.between(a, b) for a, b in pairwise(places))
