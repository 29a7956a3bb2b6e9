"""The map once more, naively: every point a node, every walk an edge; and random halls to try.

Shares nothing with `wms.planning.travel` but the structs that describe a hall.
"""

import heapq
import math
from itertools import count, pairwise, permutations
from random import Random

from msgspec import structs

from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot

Node = tuple[int, int] | str


class PlainMap:
    """Shortest walks by Dijkstra over all points of a hall."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.crosses = [
            (
                cross.y_mm,
                -math.inf if cross.x_from_mm is None else cross.x_from_mm,
                math.inf if cross.x_to_mm is None else cross.x_to_mm,
            )
            for cross in layout.cross_aisles
            if not cross.blocked
        ]
        self.edges: dict[Node, list[tuple[Node, int]]] = {}
        self.feet = {s.id: self.foot(s) for s in layout.spots if s.aisle_id is None}
        self.walk_aisles()
        self.walk_cross_aisles()
        for spot in layout.spots:
            if spot.aisle_id is None:
                self.walk_station(spot)

    def join(self, one: Node, two: Node, far: int, direction: str = "both") -> None:
        for here, there, against in ((one, two, "down"), (two, one, "up")):
            self.edges.setdefault(here, [])
            if direction != against:
                self.edges[here].append((there, far))

    def reach(self, aisle: AisleLine) -> tuple[int, int]:
        """Where an aisle begins and ends: its bins, and cross aisles close to its ends."""
        ys = [s.y_mm for s in self.layout.spots if s.aisle_id == aisle.id]
        low, high = min(aisle.y_from_mm, *ys), max(aisle.y_to_mm, *ys)
        join, doors = self.layout.join_mm, self.doors(aisle.x_mm)
        below = [y for y in doors if low - join <= y <= low]
        above = [y for y in doors if high <= y <= high + join]
        return max(below, default=low), min(above, default=high)

    def doors(self, x: int) -> list[int]:
        return sorted({y for y, start, end in self.crosses if start <= x <= end})

    def walk_aisles(self) -> None:
        lines = [(a, *self.reach(a)) for a in self.layout.aisles if not a.blocked]
        for aisle, low, high in lines:
            near = [(a, b) for other, a, b in lines if other.x_mm == aisle.x_mm]
            bins = {s.y_mm for s in self.layout.spots if s.x_mm == aisle.x_mm and s.aisle_id}
            doors = self.doors(aisle.x_mm)
            points = sorted(y for y in {*bins, *doors, *sum(near, ())} if low <= y <= high)
            # What touches is one aisle, and its sign holds between the cross aisles that it meets.
            first, last = low, high
            for _ in near:
                touching = [one for one in near if one[0] <= last and one[1] >= first]
                first, last = min(a for a, _ in touching), max(b for _, b in touching)
            met = [y for y in doors if first <= y <= last]
            for one, two in pairwise(points):
                signed = met and met[0] <= one and two <= met[-1]
                self.join(
                    (aisle.x_mm, one), (aisle.x_mm, two), two - one,
                    aisle.direction if signed else "both",
                )  # fmt: skip

    def walk_cross_aisles(self) -> None:
        for y, start, end in self.crosses:
            xs = {a.x_mm for a in self.layout.aisles}
            xs |= {x for x, level in self.feet.values() if level == y}
            for one, two in pairwise(sorted(x for x in xs if start <= x <= end)):
                self.join((one, y), (two, y), two - one)

    def foot(self, spot: Spot) -> tuple[int, int]:
        """Where a station hangs: the nearest point of a cross aisle."""
        points = [
            (int(min(max(spot.x_mm, start), end)), y)
            for y, start, end in sorted(self.crosses, key=lambda cross: cross[0])
        ]
        away = [(abs(x - spot.x_mm), abs(y - spot.y_mm)) for x, y in points]
        return points[min(range(len(points)), key=lambda n: (sum(away[n]), away[n][0]))]

    def walk_station(self, spot: Spot) -> None:
        x, level = self.feet[spot.id]
        if not spot.open_floor:
            self.join(spot.id, (x, level), abs(spot.x_mm - x) + abs(spot.y_mm - level))
            return
        mouths = {a.x_mm for a in self.layout.aisles}
        for other in self.layout.spots:
            if other.id in self.feet and self.feet[other.id][1] == level and other != spot:
                if other.open_floor:
                    straight = math.hypot(other.x_mm - x, other.y_mm - spot.y_mm)
                    self.join(spot.id, other.id, round(straight))
                else:
                    mouths.add(self.feet[other.id][0])
        for mouth in mouths:
            if any(y == level and start <= mouth <= end for y, start, end in self.crosses):
                self.join(spot.id, (mouth, level), round(math.hypot(mouth - x, level - spot.y_mm)))

    def node(self, spot_id: str) -> Node | None:
        spot = self.layout.spot_of[spot_id]
        if spot.aisle_id is None:
            return spot.id
        return None if self.layout.aisle_of[spot.aisle_id].blocked else (spot.x_mm, spot.y_mm)

    def walks(self, spot_id: str) -> dict[str, float]:
        """The shortest walk from a spot to every other one."""
        start, turn = self.node(spot_id), count()
        done: dict[Node, float] = {}
        queue: list[tuple[float, int, Node]] = [] if start is None else [(0, next(turn), start)]
        while queue:
            far, _, here = heapq.heappop(queue)
            if here in done:
                continue
            done[here] = far
            # A station is where walks begin and end; nobody walks through it.
            for there, step in self.edges.get(here, ()) if here not in self.feet or not far else ():
                heapq.heappush(queue, (far + step, next(turn), there))
        nodes = {spot.id: self.node(spot.id) for spot in self.layout.spots}
        return {
            spot: math.inf if node is None else done.get(node, math.inf)
            for spot, node in nodes.items()
        }

    def shortest_tour(self, stops: list[str], start: str, end: str) -> float:
        """Length over every order of the stops."""
        far = {spot: self.walks(spot) for spot in {start, *stops, end}}
        return min(
            sum(far[one][two] for one, two in pairwise((start, *order, end)))
            for order in permutations(stops)
        )


def random_hall(luck: Random, signs: bool) -> Layout:
    """Aisles in pieces, dead ends, blocks, partial and split cross aisles; with `signs` one-way."""
    columns, pitch, top = luck.randint(1, 4), luck.choice([1500, 3000]), luck.choice([9000, 12_000])
    crosses = [CrossAisle(luck.choice([0, 1500, top]))]
    for y in luck.sample(range(0, top + 1, 1500), luck.randint(0, 3)):
        for _ in range(luck.choice([1, 1, 2])):
            start = luck.randint(-1, columns - 1) * pitch
            end = start + luck.randint(1, columns) * pitch + 700
            partial = CrossAisle(y, luck.choice([None, start]), luck.choice([None, end]))
            crosses.append(luck.choice([CrossAisle(y), partial, CrossAisle(y, blocked=True)]))
    aisles, spots = [], []
    for column in range(columns):
        turn = luck.choice(["both", "up", "down"]) if signs else "both"
        for piece in range(luck.choice([1, 1, 2, 3])):
            low, high = sorted(luck.sample(range(-1000, top + 1001, 500), 2))
            low, high = luck.choice([(0, top), (low, high)])
            name, x = f"{column}.{piece}", column * pitch
            aisles.append(AisleLine(name, x, low, high, turn, luck.random() < 0.1))
            spots += [
                Spot(f"{name}-{n}", x, luck.randrange(low, high + 1, 250), 0, name)
                for n in range(luck.randint(1, 3))
            ]
    for name in ("depot", "dock"):
        y = luck.randint(-800, top + 800)
        spots.append(Spot(name, luck.randint(-1000, columns * pitch), y))
    hall = Layout(tuple(aisles), tuple(crosses), tuple(spots), luck.choice([0, 600, 3000]))
    for station in spots[-2:]:
        # An open floor lies in front of a cross aisle that is whole.
        place = hall.grid.place(station.id)
        assert place is not None
        if hall.grid.ranges[place.level] == [(-math.inf, math.inf)] and luck.random() < 0.4:
            spots[spots.index(station)] = structs.replace(station, open_floor=True)
    return structs.replace(hall, spots=tuple(spots))
