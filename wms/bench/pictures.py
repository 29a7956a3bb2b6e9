"""Draws what the planners do, from generated cases: `wms bench pictures DIR` writes SVG files.

A tour on the map, a carton by layers, the gap of a batching over time, and what the exact router
takes over size. Times and memory are measured while drawing; everything else is the same each time.
"""

import random
import time
import tracemalloc
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from wms.bench.svg import BLUE, FAINT, GREEN, INK, ORANGE, PALE, SHADES, Chart, Picture, Point
from wms.planning.batch import BatchLine, BatchOrder, Cart, plan_batches
from wms.planning.cartonize import (
    CartonType,
    PackedCarton,
    PackRules,
    Piece,
    plan_cartons,
)
from wms.planning.route import plan_route
from wms.planning.route_rules import plan_by_rule
from wms.planning.stop import MaxRounds, Watch
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot

PITCH, CELL = 4000, 1200
DEPOT = "depot"


def hall(aisles: int, cells: int, blocks: int) -> Layout:
    """Aisles with a bin each cell, so many blocks, the depot at the foot of the middle aisle."""
    depth = CELL * (cells + 1)
    top = blocks * depth
    spots = [
        Spot(f"{a}-{n}", a * PITCH, block * depth + CELL * (cell + 1), 0, str(a))
        for a in range(aisles)
        for n, (block, cell) in enumerate((b, c) for b in range(blocks) for c in range(cells))
    ]
    lines = tuple(AisleLine(str(a), a * PITCH, 0, top) for a in range(aisles))
    crosses = tuple(CrossAisle(block * depth) for block in range(blocks + 1))
    return Layout(lines, crosses, (*spots, Spot(DEPOT, aisles // 2 * PITCH, 0)))


def some_stops(layout: Layout, number: int, luck: random.Random) -> list[str]:
    return luck.sample([spot.id for spot in layout.spots if spot.id != DEPOT], number)


def draw_tour() -> Picture:
    """One tour on the map; where it goes in and out of an aisle both ways are seen."""
    aisles, cells = 10, 14
    layout = hall(aisles, cells, 2)
    stops = some_stops(layout, 24, random.Random(5))
    best = plan_route(layout, stops, DEPOT, DEPOT)
    simple = plan_by_rule(layout, stops, DEPOT, DEPOT, "s_shape")
    more = 100 * (simple.distance_mm / best.distance_mm - 1)
    picture = Picture(
        760, 700,
        f"The shortest tour to {len(stops)} bins: {best.distance_mm / 1000:.0f} m"
        f" (S-shape {simple.distance_mm / 1000:.0f} m, +{more:.0f} %)",
    )  # fmt: skip
    top = max(cross.y_mm for cross in layout.cross_aisles)
    scale = 580 / top

    def at(x: float, y: float) -> Point:
        return 60 + x * 70 / PITCH, 650 - y * scale

    number = {stop: n for n, stop in enumerate(best.order, 1)}
    for cross in layout.cross_aisles:
        picture.line([at(-PITCH / 2, cross.y_mm), at((aisles - 0.5) * PITCH, cross.y_mm)], PALE, 16)
    for spot in layout.spots:
        x, y = at(spot.x_mm, spot.y_mm)
        if spot.id == DEPOT:
            continue
        picture.rect(x - 26, y - 6, 12, 12, ORANGE if spot.id in number else "#ffffff", FAINT)
        picture.rect(x + 14, y - 6, 12, 12, "#ffffff", FAINT)
        if spot.id in number:
            picture.text(x - 20, y + 4, str(number[spot.id]), 10, "#ffffff", "middle", bold=True)
    legs = list(pairwise(walk_points(layout, [DEPOT, *best.order, DEPOT])))
    shifted: list[Point] = []
    for (ax, ay), (bx, by) in legs:
        # Keep to the right, as people do: ways there and back lie side by side.
        right = 3.5 if by > ay else -3.5 if by < ay else 0
        down = 3.5 if bx > ax else -3.5 if bx < ax else 0
        (px, py), (qx, qy) = at(ax, ay), at(bx, by)
        shifted += [(px + right, py + down), (qx + right, qy + down)]
        picture.arrow(shifted[-2], shifted[-1], BLUE)
    picture.line(shifted, BLUE, 2)
    x, y = at(layout.spot_of[DEPOT].x_mm, 0)
    picture.dot(x, y, 9, INK)
    picture.text(x, y + 30, "start and end", at="middle")
    return picture


def walk_points(layout: Layout, stops: list[str]) -> list[Point]:
    """Corners of the walk in mm: along aisles, and across where that is shortest."""
    points: list[Point] = []
    for one, two in pairwise(layout.spot_of[stop] for stop in stops):
        points.append((one.x_mm, one.y_mm))
        if one.x_mm != two.x_mm:
            ways = [cross.y_mm for cross in layout.cross_aisles]
            y = min(ways, key=lambda y: abs(one.y_mm - y) + abs(two.y_mm - y))
            points += [(one.x_mm, y), (two.x_mm, y)]
    end = layout.spot_of[stops[-1]]
    found = [*points, (float(end.x_mm), float(end.y_mm))]
    return [a for n, a in enumerate(found) if n == 0 or a != found[n - 1]]


def sample_order() -> tuple[tuple[Piece, ...], tuple[CartonType, ...]]:
    """A web order, and three cartons to choose from."""
    sizes = [("Book", 240, 170, 30, 600, 4), ("Mug", 120, 100, 100, 400, 4),
             ("Lamp", 190, 150, 140, 900, 2), ("Socks", 150, 90, 50, 120, 5),
             ("Game", 270, 270, 70, 1100, 1)]  # fmt: skip
    pieces = tuple(
        Piece(ref=name, length_mm=x, width_mm=y, height_mm=z, weight_g=g, qty=qty,
              fragile=name == "Lamp", orientation="upright" if name == "Lamp" else "free")
        for name, x, y, z, g, qty in sizes
    )  # fmt: skip
    types = tuple(
        CartonType(code=code, inner_length_mm=x, inner_width_mm=y, inner_height_mm=z,
                   outer_length_mm=x + 8, outer_width_mm=y + 8, outer_height_mm=z + 8,
                   gross_max_g=20_000)
        for code, x, y, z in (("S", 300, 200, 150), ("M", 400, 300, 250), ("L", 600, 400, 400))
    )  # fmt: skip
    return pieces, types


def draw_carton() -> Picture:
    """The fullest carton of an order: what is set on each height, seen from above."""
    pieces, types = sample_order()
    rules = PackRules(objective="outer_volume")
    plan = plan_cartons(pieces, types, rules, MaxRounds(40))
    carton = max(plan.cartons, key=lambda each: len(each.placements))
    kind = next(each for each in types if each.code == carton.type_code)
    layers: dict[int, list[int]] = defaultdict(list)
    for row, place in enumerate(carton.placements):
        layers[place.z_mm].append(row)
    scale, gap = 230 / kind.inner_length_mm, 24
    high = kind.inner_width_mm * scale
    columns = 3
    rows = -(-len(layers) // columns)
    picture = Picture(
        2 * gap + columns * (230 + gap), round(90 + rows * (high + 50)),
        f"Carton {kind.code}, {len(carton.placements)} pieces, {100 * carton.void_share:.0f} % air:"
        " what to set in, step by step",
    )  # fmt: skip
    picture.text(24, 58, "Seen from above; the number is the packing step.", colour="#52606d")
    for n, (z, members) in enumerate(sorted(layers.items())):
        x, y = gap + n % columns * (230 + gap), 96 + n // columns * (high + 50)
        words = "on the bottom" if z == 0 else f"{z} mm above the bottom"
        picture.text(x, y - 8, f"{n + 1}. {words}", bold=True)
        draw_layer(picture, carton, members, z, (x, y), scale, (230, high))
    return picture


def draw_layer(
    picture: Picture, carton: PackedCarton, members: list[int], z: int, corner: Point,
    scale: float, size: Point,
) -> None:  # fmt: skip
    """Pieces that stand on one height; those below are pale."""
    x0, y0 = corner
    picture.rect(x0, y0, *size, "#ffffff", INK)
    names = sorted({place.ref for place in carton.placements})
    for row, place in enumerate(carton.placements):
        if row not in members and not (place.z_mm < z):
            continue
        x, y = x0 + place.x_mm * scale, y0 + place.y_mm * scale
        wide, deep = place.dx_mm * scale, place.dy_mm * scale
        if row not in members:
            picture.rect(x, y, wide, deep, "#f1f3f5", PALE)
    for row in members:
        place = carton.placements[row]
        x, y = x0 + place.x_mm * scale, y0 + place.y_mm * scale
        wide, deep = place.dx_mm * scale, place.dy_mm * scale
        picture.rect(x, y, wide, deep, SHADES[names.index(place.ref) % len(SHADES)], INK)
        middle = x + wide / 2
        if deep < 34:
            picture.text(middle, y + deep / 2 + 4, f"{place.step} {place.ref}", 12, at="middle")
            continue
        picture.text(middle, y + deep / 2, str(place.step), 14, at="middle", bold=True)
        picture.text(middle, y + deep / 2 + 14, place.ref, 11, at="middle")
    picture.rect(x0, y0, *size, "none", INK)


class Recorder:
    """A stopping rule that stops after so many seconds and remembers the best cost over time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.seen = seconds, list[Point]()

    def __call__(self) -> Watch:
        begun = time.perf_counter()

        def watch(best: float) -> str | None:
            gone = time.perf_counter() - begun
            self.seen.append((gone, best))
            return "time" if gone >= self.seconds else None

        return watch


def draw_gap(seconds: float) -> Picture:
    """How a batching gets shorter while it is searched."""
    luck = random.Random(3)
    layout = hall(10, 45, 1)
    orders = [
        BatchOrder(f"o{n}", tuple(BatchLine(f"{n}.{k}", spot, 1) for k, spot in
                                  enumerate(some_stops(layout, luck.randint(1, 9), luck))))
        for n in range(80)
    ]  # fmt: skip
    cart = Cart(slots=12)
    plan_batches(layout, orders[:12], cart, DEPOT, DEPOT, MaxRounds(2))
    recorder = Recorder(seconds)
    plan = plan_batches(layout, orders, cart, DEPOT, DEPOT, recorder, seed=1)
    single = sum(
        plan_route(layout, [line.spot for line in order.lines], DEPOT, DEPOT).distance_mm
        for order in orders
    )
    simple = sum(
        plan_route(layout, [line.spot for order in orders[n : n + cart.slots]
                            for line in order.lines], DEPOT, DEPOT).distance_mm
        for n in range(0, len(orders), cart.slots)
    )  # fmt: skip
    best = plan.distance_mm
    points = [(max(0.01, gone), 100 * (cost / best - 1)) for gone, cost in recorder.seen]
    highest = max(1.0, points[0][1] * 1.15)
    picture = Picture(760, 430, f"{len(orders)} orders in {len(plan.tours)} tours: gap over time")
    more = 100 * (simple / best - 1)
    words = f"Found: {best / 1000:.0f} m. As orders come: {simple / 1000:.0f} m (+{more:.0f} %)."
    picture.text(24, 58, f"{words} Each order alone: {single / 1000:.0f} m.", colour="#52606d")
    first = points[0][0]
    chart = Chart(picture, (80, 105, 640, 255), (first, seconds), (0, highest), log_x=True)
    ticks = [t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
             if first <= t <= seconds]  # fmt: skip
    step = next(s for s in (0.2, 0.5, 1, 2, 5, 10) if highest / s <= 8)
    marks = [(k * step, f"{k * step:g} %") for k in range(int(highest / step) + 1)]
    chart.axes([(t, f"{t:g} s") for t in ticks], marks, "seconds of search (one core, log scale)",
               "walk above the best plan found")  # fmt: skip
    stairs = [p for a, b in pairwise(points) for p in (a, (b[0], a[1]))]
    chart.curve([(min(x, seconds), y) for x, y in [*stairs, points[-1]]], BLUE)
    return picture


def draw_router() -> Picture:
    """Time and memory of the exact router over the number of stops and blocks."""
    sizes = (10, 20, 40, 80, 160, 320)
    picture = Picture(860, 430, "The exact router over size: 40 aisles, 1 to 3 blocks")
    picture.text(24, 58, "Each point: nine runs over three tours, the middle; all proven shortest.",
                 colour="#52606d")  # fmt: skip
    panels = (Chart(picture, (80, 105, 330, 240), (8, 400), (0.3, 100), log_x=True, log_y=True),
              Chart(picture, (500, 105, 330, 240), (8, 400), (0.02, 3), log_x=True, log_y=True))
    xs = [(size, str(size)) for size in sizes]
    panels[0].axes(xs, [(v, f"{v:g} ms") for v in (1, 10, 100)], "stops", "time of one tour")
    panels[1].axes(xs, [(v, f"{v:g} MB") for v in (0.1, 1)], "stops", "memory of one tour")
    for blocks, colour in ((1, BLUE), (2, GREEN), (3, ORANGE)):
        layout = hall(40, 60 // blocks, blocks)
        figures = [(size, measure(layout, size)) for size in sizes]
        for chart, part in zip(panels, (0, 1), strict=True):
            chart.curve([(size, both[part]) for size, both in figures], colour, dots=True)
        x, y = 500 + 90 * blocks, 416
        picture.line([(x - 34, y - 4), (x - 10, y - 4)], colour, 3)
        picture.text(x - 4, y, f"{blocks} block{'s' if blocks > 1 else ''}", 12)
    return picture


def measure(layout: Layout, size: int) -> Point:
    """Milliseconds and megabytes of one exact tour."""
    times = []
    for seed in (0, 0, 0, 1, 1, 1, 2, 2, 2):
        stops = some_stops(layout, size, random.Random(seed))
        begun = time.process_time()
        assert plan_route(layout, stops, DEPOT, DEPOT).proven
        times.append(time.process_time() - begun)
    stops = some_stops(layout, size, random.Random(0))
    tracemalloc.start()
    plan_route(layout, stops, DEPOT, DEPOT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return 1000 * sorted(times)[len(times) // 2], peak / 1e6


def draw_all(folder: Path, seconds: float) -> list[Path]:
    """Write every picture; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"plan_tour": draw_tour(), "plan_carton": draw_carton(),
                "plan_gap": draw_gap(seconds), "plan_router": draw_router()}  # fmt: skip
    paths = []
    for name, picture in pictures.items():
        paths.append(folder / f"{name}.svg")
        paths[-1].write_text(picture.done(), encoding="utf-8")
    return paths
