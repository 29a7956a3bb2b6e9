"""Warehouse geometry from real coordinates: who can walk where, and how far.

Aisles are vertical lines (constant x), cross aisles horizontal ones (constant y); any number of
both, partial and blocked ones allowed. Bins stand in aisles; stations (depot, bench, dock) hang
on the nearest cross aisle, or stand on an open floor in front of it.

Units: millimetres, seconds. Guarantees: distances are shortest walks; an unreachable pair is
`math.inf`; nothing quadratic in the number of spots is ever built (legs between aisle ends are
computed on demand and kept).
"""

import heapq
import math
from functools import cached_property
from itertools import pairwise

from msgspec import Struct

from wms.planning.gates import Gate, Piece, add_piece, join_pieces

DIRECTIONS = ("both", "up", "down")


class AisleLine(Struct, frozen=True):
    """One walkable aisle; 'up' means one-way towards larger y."""

    id: str
    x_mm: int
    y_from_mm: int
    y_to_mm: int
    direction: str = "both"
    blocked: bool = False


class CrossAisle(Struct, frozen=True):
    """One cross aisle at `y_mm`; without an x range it spans the whole warehouse."""

    y_mm: int
    x_from_mm: int | None = None
    x_to_mm: int | None = None
    blocked: bool = False


class Spot(Struct, frozen=True):
    """A bin (has an aisle) or a station (has none).

    `open_floor` is for stations: the walker goes straight to the mouth of any aisle on the
    nearest cross aisle instead of first stepping onto the cross aisle.
    """

    id: str
    x_mm: int
    y_mm: int
    z_mm: int = 0
    aisle_id: str | None = None
    open_floor: bool = False


class Pace(Struct, frozen=True):
    """How fast a person moves: walking speed, and lifting beyond arm's reach."""

    walk_mm_s: int = 1000
    lift_mm_s: int = 250
    reach_mm: int = 1800

    def __post_init__(self) -> None:
        if self.walk_mm_s <= 0 or self.lift_mm_s <= 0:
            raise ValueError("walk_mm_s and lift_mm_s must be > 0")

    def walk_s(self, distance_mm: float) -> float:
        """Seconds for a walk."""
        return distance_mm / self.walk_mm_s

    def access_s(self, spot: Spot) -> float:
        """Seconds up and down again to a level that cannot be reached from the floor."""
        return 2 * max(0, spot.z_mm - self.reach_mm) / self.lift_mm_s


class Place(Struct, frozen=True):
    """Where a spot is on the grid.

    `column` >= 0: in that column, in slot `slot` (slot s lies between levels s-1 and s), at `y`.
    `column` == -1: a station; `level` is its cross aisle, `x` where it hangs, `spur` the way there.
    """

    column: int
    slot: int
    y: int
    level: int = -1
    x: int = 0
    spur: int = 0
    open_floor: bool = False


class Layout(Struct, frozen=True, dict=True):
    """The walkable warehouse. Spots may be given as any iterable of unique ids.

    An aisle end within `join_mm` of the next cross aisle is taken to open into it.
    """

    aisles: tuple[AisleLine, ...]
    cross_aisles: tuple[CrossAisle, ...]
    spots: tuple[Spot, ...]
    join_mm: int = 3000
    pace: Pace = Pace()

    def __post_init__(self) -> None:
        if not any(not cross.blocked for cross in self.cross_aisles):
            raise ValueError("cross_aisles must hold at least one that is not blocked")
        for cross in self.cross_aisles:
            low, high = cross.x_from_mm, cross.x_to_mm
            if low is not None and high is not None and low > high:
                raise ValueError(f"x_from_mm must be <= x_to_mm in cross aisle {cross.y_mm}")
        for aisle in self.aisles:
            if aisle.direction not in DIRECTIONS:
                raise ValueError(f"direction must be one of {DIRECTIONS}: {aisle.direction!r}")
            if aisle.y_from_mm > aisle.y_to_mm:
                raise ValueError(f"y_from_mm must be <= y_to_mm in aisle {aisle.id!r}")
        if len(self.aisle_of) != len(self.aisles):
            raise ValueError("aisle ids must be unique")
        if len(self.spot_of) != len(self.spots):
            raise ValueError("spot ids must be unique")

    @cached_property
    def aisle_of(self) -> dict[str, AisleLine]:
        return {aisle.id: aisle for aisle in self.aisles}

    @cached_property
    def spot_of(self) -> dict[str, Spot]:
        return {spot.id: spot for spot in self.spots}

    @cached_property
    def grid(self) -> "Grid":
        return Grid(self)

    def place(self, spot_id: str) -> Place | None:
        """Where a spot is on the grid; None when it cannot be reached (blocked aisle)."""
        return self.grid.place(spot_id)

    def distance_mm(self, origin: str, target: str) -> float:
        """Shortest walk in mm; `math.inf` when there is none. One-way aisles are respected."""
        return self.grid.distance(origin, target)

    def access_s(self, spot_id: str) -> float:
        """Extra seconds at the bin for levels above reach."""
        return self.pace.access_s(self.spot_of[spot_id])

    def lift_mm(self, spot_id: str) -> int:
        """The walk that takes as long as lifting at the bin."""
        return round(self.access_s(spot_id) * self.pace.walk_mm_s)


class Grid:
    """Columns x levels compiled from a layout; keeps the legs that were asked for."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        open_crosses = [cross for cross in layout.cross_aisles if not cross.blocked]
        self.ys = sorted({cross.y_mm for cross in open_crosses})
        self.xs = sorted({aisle.x_mm for aisle in layout.aisles})
        self.column_of_x = {x: column for column, x in enumerate(self.xs)}
        self.ranges = [
            [
                (
                    -math.inf if cross.x_from_mm is None else cross.x_from_mm,
                    math.inf if cross.x_to_mm is None else cross.x_to_mm,
                )
                for cross in open_crosses
                if cross.y_mm == y
            ]
            for y in self.ys
        ]
        self.gates = self._gates()
        self.one_way = any(gate.direction != "both" for row in self.gates for gate in row)
        self._places: dict[str, Place | None] = {}
        self._legs: dict[tuple[int, int], dict[tuple[int, int], float]] = {}

    def _gates(self) -> list[list[Gate]]:
        """For every column and slot, what can be walked there."""
        gates = [[Gate() for _ in range(len(self.ys) + 1)] for _ in self.xs]
        for piece in join_pieces(self._pieces()):
            doors = self._open_at(piece.x)
            add_piece(gates[self.column_of_x[piece.x]], piece, self.ys, doors)
        return gates

    def _pieces(self) -> list[Piece]:
        """The aisles as far as their bins and the cross aisles that they open into."""
        layout = self.layout
        span: dict[str, list[int]] = {a.id: [a.y_from_mm, a.y_to_mm] for a in layout.aisles}
        for spot in layout.spots:
            if spot.aisle_id is not None:
                if spot.aisle_id not in span:
                    raise ValueError(f"spot {spot.id!r} names no aisle: {spot.aisle_id!r}")
                ends = span[spot.aisle_id]
                ends[0], ends[1] = min(ends[0], spot.y_mm), max(ends[1], spot.y_mm)
        found: list[Piece] = []
        for aisle in layout.aisles:
            if aisle.blocked:
                continue
            (low, high), ys = span[aisle.id], self._open_at(aisle.x_mm)
            low = max((y for y in ys if low - layout.join_mm <= y <= low), default=low)
            high = min((y for y in ys if high <= y <= high + layout.join_mm), default=high)
            found.append(Piece(aisle.x_mm, low, high, aisle.direction))
        return found

    def _open_at(self, x: int) -> list[int]:
        """The cross aisles that can be walked at x."""
        return [y for level, y in enumerate(self.ys) if self.covers(level, x, x)]

    @cached_property
    def whole(self) -> bool:
        """True when every cross aisle can be walked past all aisles."""
        return all(self.covers(level, self.xs[0], self.xs[-1]) for level in range(len(self.ys)))

    @cached_property
    def full(self) -> frozenset[int]:
        """Columns that can be walked from the first cross aisle to the last."""
        inner = range(1, len(self.ys))
        return frozenset(
            column
            for column, row in enumerate(self.gates)
            if all(row[slot].through for slot in inner)
        )

    def covers(self, level: int, x_from: int, x_to: int) -> bool:
        """True when the cross aisle can be walked between two x positions."""
        low, high = min(x_from, x_to), max(x_from, x_to)
        return any(start <= low and high <= end for start, end in self.ranges[level])

    def place(self, spot_id: str) -> Place | None:
        if spot_id not in self._places:
            spot = self.layout.spot_of.get(spot_id)
            if spot is None:
                raise ValueError(f"spot must be in the layout: {spot_id!r}")
            self._places[spot_id] = (
                self._station(spot) if spot.aisle_id is None else self._bin(spot)
            )
        return self._places[spot_id]

    def _bin(self, spot: Spot) -> Place | None:
        assert spot.aisle_id is not None
        aisle = self.layout.aisle_of[spot.aisle_id]
        if aisle.blocked:
            return None
        column = self.column_of_x[aisle.x_mm]
        for slot, gate in enumerate(self.gates[column]):
            if (gate.low is not None and self.ys[slot - 1] <= spot.y_mm <= gate.low) or (
                gate.high is not None and gate.high <= spot.y_mm <= self.ys[slot]
            ):
                return Place(column, slot, spot.y_mm)
        return None

    def _station(self, spot: Spot) -> Place:
        def apart(level: int) -> tuple[float, float]:
            away = min(
                max(start - spot.x_mm, 0, spot.x_mm - end) for start, end in self.ranges[level]
            )
            return away + abs(spot.y_mm - self.ys[level]), away

        level = min(range(len(self.ys)), key=apart)
        start, end = min(
            self.ranges[level], key=lambda r: max(r[0] - spot.x_mm, 0, spot.x_mm - r[1])
        )
        x = int(min(max(spot.x_mm, start), end))
        spur = abs(spot.x_mm - x) + abs(spot.y_mm - self.ys[level])
        return Place(-1, -1, spot.y_mm, level, x, spur, spot.open_floor)

    def exits(self, place: Place, *, inward: bool = False) -> list[tuple[tuple[int, int], float]]:
        """Grid nodes next to a place with the walk to them (`inward`: from them to the place)."""
        if place.column < 0:
            return self._station_exits(place)
        gate, slot, column = self.gates[place.column][place.slot], place.slot, place.column
        found: list[tuple[tuple[int, int], float]] = []
        down_ok = gate.direction != ("down" if inward else "up")
        up_ok = gate.direction != ("up" if inward else "down")
        # Who stands in the cross aisle need not go along the aisle.
        if gate.low is not None and place.y <= gate.low:
            walk = place.y - self.ys[slot - 1]
            if down_ok or not walk:
                found.append(((column, slot - 1), walk))
        if gate.high is not None and place.y >= gate.high:
            walk = self.ys[slot] - place.y
            if up_ok or not walk:
                found.append(((column, slot), walk))
        return found

    def _station_exits(self, place: Place) -> list[tuple[tuple[int, int], float]]:
        level = place.level
        if place.open_floor:
            return [
                ((column, level), self.straight(place, x))
                for column, x in enumerate(self.xs)
                if self.covers(level, x, x)
            ]
        left = [c for c, x in enumerate(self.xs) if x <= place.x and self.covers(level, x, place.x)]
        right = [c for c, x in enumerate(self.xs) if x > place.x and self.covers(level, x, place.x)]
        near = left[-1:] + right[:1]
        return [((c, level), place.spur + abs(self.xs[c] - place.x)) for c in near]

    def legs(self, node: tuple[int, int]) -> dict[tuple[int, int], float]:
        """Shortest walks from one grid node to all others (Dijkstra, kept)."""
        known = self._legs.get(node)
        if known is None:
            known = {}
            queue: list[tuple[float, tuple[int, int]]] = [(0, node)]
            while queue:
                far, here = heapq.heappop(queue)
                if here in known:
                    continue
                known[here] = far
                for there, step in self._steps(here):
                    if there not in known:
                        heapq.heappush(queue, (far + step, there))
            self._legs[node] = known
        return known

    def _steps(self, node: tuple[int, int]) -> list[tuple[tuple[int, int], float]]:
        column, level = node
        x, y = self.xs[column], self.ys[level]
        steps: list[tuple[tuple[int, int], float]] = []
        for other in (column - 1, column + 1):
            if 0 <= other < len(self.xs) and self.covers(level, x, self.xs[other]):
                steps.append(((other, level), abs(self.xs[other] - x)))
        above, below = self.gates[column][level + 1], self.gates[column][level]
        if above.through and above.direction != "down":
            steps.append(((column, level + 1), self.ys[level + 1] - y))
        if below.through and below.direction != "up":
            steps.append(((column, level - 1), y - self.ys[level - 1]))
        return steps

    def distance(self, origin: str, target: str) -> float:
        """Shortest walk between two spots; `math.inf` when there is none."""
        start, goal = self.place(origin), self.place(target)
        if start is None or goal is None:
            return math.inf
        if origin == target:
            return 0
        best = self._direct(start, goal)
        arrivals = self.exits(goal, inward=True)
        for node, first in self.exits(start):
            if first < best:
                legs = self.legs(node)
                for door, last in arrivals:
                    best = min(best, first + legs.get(door, math.inf) + last)
        return best

    def _direct(self, start: Place, goal: Place) -> float:
        """The walk that meets no grid node, if there is one."""
        if start.column < 0 and goal.column < 0:
            return self._between_stations(start, goal)
        if (start.column, start.slot) != (goal.column, goal.slot) or start.column < 0:
            return math.inf
        gate = self.gates[start.column][start.slot]
        low, high = min(start.y, goal.y), max(start.y, goal.y)
        joined = (gate.low is not None and high <= gate.low) or (
            gate.high is not None and low >= gate.high
        )
        wrong = "down" if goal.y > start.y else "up"
        if not joined or (gate.direction == wrong and goal.y != start.y):
            return math.inf
        return high - low

    def _between_stations(self, start: Place, goal: Place) -> float:
        """The walk along one cross aisle, or straight over an open floor in front of it."""
        if start.level != goal.level:
            return math.inf
        if start.open_floor and goal.open_floor:
            return round(math.hypot(start.x - goal.x, start.y - goal.y))
        if start.open_floor or goal.open_floor:
            hub, other = (start, goal) if start.open_floor else (goal, start)
            return self.straight(hub, other.x) + other.spur
        if self.covers(start.level, start.x, goal.x):
            return start.spur + goal.spur + abs(start.x - goal.x)
        return math.inf

    def straight(self, hub: Place, x: int) -> int:
        """Straight walk from an open-floor station to its cross aisle at x."""
        return round(math.hypot(x - hub.x, self.ys[hub.level] - hub.y))


def path_mm(layout: Layout, spot_ids: "list[str] | tuple[str, ...]") -> float:
    """Length of the walk that visits the spots in this order."""
    return sum(layout.distance_mm(a, b) for a, b in pairwise(spot_ids))
