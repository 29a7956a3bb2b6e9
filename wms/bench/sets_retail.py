"""Reads and judges the shop orders: cartons one order at a time, and whole days end to end.

End to end is what the floor does with a wave: cartons for every order (`carton_plan`), totes,
batches and tours (`wave_plan`), in an invented hall with one bin an article. A busiest day, a real
week and the whole half year are planned in one go each; `seconds` is the time an order-day of
`DAY` orders gets for its tours and again for its cartons. The cartons of the half year are planned
by two workers, part by part. Judges: `check_cartons`, `check_tours`.
"""

import asyncio
import csv
import gzip
import json
import math
import os
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypedDict

from msgspec import Struct

from wms.bench.cases import Case, Outcome, Reader, number
from wms.bench.check_cartons import list_faults
from wms.bench.check_tours import list_tour_faults, walk_of
from wms.bench.halls import Hall
from wms.bench.sets_packing import (
    CARTON_WORTH_LITRES,
    STALE_ROUNDS_LARGE,
    carton_case,
    read_carton_types,
)
from wms.outbound.carton_plan import BoxProblem, Content, PlannedCarton, piece_of, plan_boxes
from wms.outbound.wave_plan import Pick, Problem, WaveOrder, cart_loads, plan_simply, plan_tours
from wms.planning.cartonize import (
    CartonPlan,
    CartonType,
    PackedCarton,
    PackRules,
    Piece,
    Placement,
    warm_up,
)
from wms.planning.pool import PlanPool
from wms.planning.route import plan_route
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot

DAY = 200
# Orders that a worker gets at once, and how long it may take for them on the busiest machine.
PART, WORKERS, PATIENCE_S = 250, 2, 3600.0
CART_SLOTS, TOTE_MM3, TOTE_G = 8, 60_000_000, 20_000
# Metres: aisles with faces on both sides, three cross aisles, the depot below the middle.
AISLES, CELLS, PITCH = 24, 80, 4
CROSS = (0.0, CELLS / 2 + 1, CELLS + 2.0)
MM, MM3_PER_LITRE = 1000, 1_000_000

Order = dict[str, Any]
Articles = dict[int, dict[str, str]]


def read_retail(folder: Path) -> list[Case]:
    """Single orders of the peers' table, free and with fragile and this-side-up honoured; days."""
    types = read_carton_types(folder / "cartons.json")
    with (folder / "sku.csv").open(newline="", encoding="utf-8") as rows:
        articles = {int(row["sku"]): row for row in csv.DictReader(rows)}
    with gzip.open(folder / "orders.jsonl.gz", "rt", encoding="utf-8") as lines:
        orders = [json.loads(line) for line in lines if line.strip()]
    peers = choose_retail(folder, orders)
    singles = [
        single_case(order, articles, types, peers[order["id"]], honoured)
        for order in orders
        if order["id"] in peers
        for honoured in (False, True)
    ]
    parts = {"day": busiest(orders, day_of), "week": usual(orders, week_of), "half_year": orders}
    return singles + [whole_case(name, part, articles, types) for name, part in parts.items()]


def single_case(
    order: Order,
    articles: Articles,
    types: tuple[CartonType, ...],
    best: float | None,
    honoured: bool,
) -> Case:
    """Cartons for one order by `cost20`."""
    pieces = tuple(make_article(sku, qty, articles[sku], honoured) for sku, qty in order["lines"])
    label = "honoured" if honoured else "free"

    def extra(cartons: float, litres: float) -> dict[str, float]:
        cost = litres + CARTON_WORTH_LITRES * cartons
        figures = {f"cost20_{label}": cost, f"cartons_{label}": cartons}
        if not honoured:
            figures |= {"cartons": cartons, "litres": litres}
            if best is not None:
                figures["best_cost20"] = best
        return figures

    rules = PackRules(objective="cost", support_min=0)
    name = f"{order['id']}/{label}"
    return carton_case(name, pieces, types, rules, best, extra, STALE_ROUNDS_LARGE)


def day_of(order: Order) -> str:
    return order["at"][:10]


def week_of(order: Order) -> str:
    return "-".join(map(str, date.fromisoformat(day_of(order)).isocalendar()[:2]))


def busiest(orders: list[Order], part_of: Callable[[Order], str]) -> list[Order]:
    """The orders of the part of the year that has the most."""
    ((most, _),) = Counter(map(part_of, orders)).most_common(1)
    return [order for order in orders if part_of(order) == most]


def usual(orders: list[Order], part_of: Callable[[Order], str]) -> list[Order]:
    """The orders of the part whose number is in the middle."""
    ranked = sorted((number, part) for part, number in Counter(map(part_of, orders)).items())
    middle = ranked[len(ranked) // 2][1]
    return [order for order in orders if part_of(order) == middle]


class Packed(Struct, frozen=True):
    """Cartons of some orders, planned and judged; the cartons themselves are let go."""

    cartons: int
    litres: float
    faults: list[str]
    seconds: float
    process: int


def pack(
    orders: list[Order], articles: Articles, types: tuple[CartonType, ...], seconds: float
) -> Packed:
    """Plan and judge the cartons of some orders; only planning is timed."""
    contents = contents_of(orders, articles)
    begun = time.perf_counter()
    cartons = plan_boxes(BoxProblem(contents=contents, carton_types=types, seconds=seconds,
                                    latest=math.inf))  # fmt: skip
    ended = time.perf_counter()
    outer = {kind.code: kind.outer_mm3 / MM3_PER_LITRE for kind in types}
    litres = sum(outer[carton.type_code] for carton in cartons)
    faults = list_carton_faults(contents, cartons, types)
    return Packed(len(cartons), litres, faults, ended - begun, os.getpid())


async def pack_beside(
    orders: list[Order], articles: Articles, types: tuple[CartonType, ...], seconds: float
) -> list[Packed]:
    """Cartons part by part in planning workers, so that no more than a part each is in memory."""
    pool = PlanPool(WORKERS, warm_up)
    parts = iter([orders[at : at + PART] for at in range(0, len(orders), PART)])
    packed = []

    async def work() -> None:
        for part in parts:
            share = WORKERS * seconds * len(part) / len(orders)
            needed = {sku: articles[sku] for order in part for sku, _ in order["lines"]}
            packed.append(
                await pool.offload(pack, part, needed, types, share, timeout_s=PATIENCE_S)
            )

    try:
        await asyncio.gather(*(work() for _ in range(WORKERS)))
    finally:
        pool.close()
    return packed


def pack_all(
    orders: list[Order], articles: Articles, types: tuple[CartonType, ...], seconds: float
) -> list[Packed]:
    """Cartons of all orders: a day's at once, more of them in parts."""
    if len(orders) < WORKERS * PART:
        return [pack(orders, articles, types, seconds)]
    return asyncio.run(pack_beside(orders, articles, types, seconds))


def busiest_process(packed: list[Packed]) -> float:
    """The seconds that the process with the most planning took for it."""
    seconds: dict[int, float] = defaultdict(float)
    for part in packed:
        seconds[part.process] += part.seconds
    return max(seconds.values())


def memory_mb() -> float:
    """Peak of this process and, for each of its workers, the largest peak of any."""
    own, worker = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own + WORKERS * worker


def whole_case(
    name: str, orders: list[Order], articles: Articles, types: tuple[CartonType, ...]
) -> Case:
    """Cartons, batches and tours of many orders at once, each part judged."""

    def solve(seconds: float) -> Outcome:
        hall, at = place_articles(articles)
        budget = seconds * max(1.0, len(orders) / DAY)
        picks = picks_of(orders, articles, at)
        wave = tuple(WaveOrder(order_id=n, due_s=0, priority=0) for n in range(len(orders)))
        problem = Problem(orders=wave, picks=picks, layout=layout_of(at), depot="depot",
                          cart_slots=CART_SLOTS, tote_mm3=TOTE_MM3, tote_g=TOTE_G,
                          seconds=budget)  # fmt: skip
        packed = pack_all(orders, articles, types, budget)
        begun = time.perf_counter()
        plan = plan_tours(problem)
        ended = time.perf_counter()
        faults = list_tour_faults(problem, plan, hall, at)
        faults += [fault for part in packed for fault in part.faults]
        metres = sum(walk_of(hall, at, tour) for tour in plan.tours)
        figures = {
            "orders": len(orders), "lines": len(picks), "tours": len(plan.tours),
            "cartons": sum(part.cartons for part in packed),
            "litres": sum(part.litres for part in packed),
            "seconds_cartons": busiest_process(packed), "seconds_tours": ended - begun,
            "memory_mb": memory_mb(),
            "m_per_line": metres / len(picks),
            "m_per_line_first_come": first_come_m(problem, hall, at) / len(picks),
            "m_per_line_single": single_m(problem, hall, at) / len(picks),
        }  # fmt: skip
        extra = {f"{name}_{figure}": float(value) for figure, value in figures.items()}
        return Outcome(not faults, metres, "; ".join(faults[:3]), extra)

    return Case(name, solve, always=True)


def place_articles(articles: Articles) -> tuple[Hall, dict[int, tuple[int, float]]]:
    """The hall, and where each article lies: the more it is ordered, the nearer the depot."""
    hall = Hall(PITCH, CROSS, (AISLES // 2 * PITCH, 0.0))
    faces = [(a, k + 1.0 + (k >= CELLS // 2)) for a in range(AISLES) for k in range(CELLS)] * 2
    faces.sort(key=lambda face: (hall.from_depot(face), face))
    ranked = sorted(articles, key=lambda sku: (-int(articles[sku]["lines_in_year"]), sku))
    return hall, dict(zip(ranked, faces, strict=False))


def layout_of(at: dict[int, tuple[int, float]]) -> Layout:
    """The same hall as the planner's input; a bin is named as its article."""
    xs, top = [a * PITCH * MM for a in range(AISLES)], round(CROSS[-1] * MM)
    spots = [Spot(str(sku), xs[a], round(y * MM), 0, str(a)) for sku, (a, y) in at.items()]
    depot = Spot("depot", xs[AISLES // 2], 0)
    lines = tuple(AisleLine(str(a), x, 0, top) for a, x in enumerate(xs))
    return Layout(lines, tuple(CrossAisle(round(y * MM)) for y in CROSS), (*spots, depot))


class Sizes(TypedDict):
    """Of one unit of an article."""

    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int


def sizes_of(row: dict[str, str]) -> Sizes:
    return Sizes(
        length_mm=int(row["length_mm"]), width_mm=int(row["width_mm"]),
        height_mm=int(row["height_mm"]), weight_g=int(row["weight_g"]),
    )  # fmt: skip


def picks_of(
    orders: list[Order], articles: Articles, at: dict[int, tuple[int, float]]
) -> tuple[Pick, ...]:
    """One pick a line."""
    lines = [(n, sku, qty) for n, order in enumerate(orders) for sku, qty in order["lines"]]
    return tuple(
        Pick(allocation_id=number, order_id=n, order_line_id=number, item_id=sku, lot_id=None,
             lpn_id=None, bin_id=sku, pick_sequence=round(1000 * at[sku][0] + at[sku][1]), qty=qty,
             **sizes_of(articles[sku]))
        for number, (n, sku, qty) in enumerate(lines)
    )  # fmt: skip


def contents_of(orders: list[Order], articles: Articles) -> tuple[Content, ...]:
    """What each order is packed with, with its rules."""
    return tuple(
        Content(order_id=n, item_id=sku, qty=qty, fragile=articles[sku]["fragile"] == "1",
                upright=articles[sku]["this_side_up"] == "1", separation="",
                **sizes_of(articles[sku]))
        for n, order in enumerate(orders) for sku, qty in order["lines"]
    )  # fmt: skip


def list_carton_faults(
    contents: tuple[Content, ...], cartons: Sequence[PlannedCarton], types: tuple[CartonType, ...]
) -> list[str]:
    """Judge the cartons of every order as a plan of its own."""
    of_order: dict[int, list[PlannedCarton]] = defaultdict(list)
    for carton in cartons:
        of_order[carton.order_id].append(carton)
    pieces: dict[int, list[Piece]] = defaultdict(list)
    for content in contents:
        pieces[content.order_id].append(piece_of(content))
    faults = []
    for order_id, wanted in pieces.items():
        packed = tuple(
            PackedCarton(c.type_code, tuple(placement_of(p) for p in c.placements), c.weight_g,
                         0.0, (0.0, 0.0, 0.0))
            for c in of_order[order_id]
        )  # fmt: skip
        plan = CartonPlan(packed, (), 0, 0, False, "")
        found = list_faults(tuple(wanted), types, PackRules(), plan)
        faults += [f"order {order_id}: {fault}" for fault in found]
    return faults


def placement_of(place: dict[str, int]) -> Placement:
    return Placement(str(place["item_id"]), **{k: v for k, v in place.items() if k != "item_id"})


def first_come_m(problem: Problem, hall: Hall, at: dict[int, tuple[int, float]]) -> float:
    """Metres of carts filled as orders come, each cart by its shortest tour."""
    return sum(
        shortest_m(problem, hall, at, {task.pick.bin_id for task in tour.tasks})
        for tour in plan_simply(problem).tours
    )


def single_m(problem: Problem, hall: Hall, at: dict[int, tuple[int, float]]) -> float:
    """Metres of one tour for every order (or as much of it as a cart holds)."""
    return sum(
        shortest_m(problem, hall, at, {part.pick.bin_id for tote in load.totes for part in tote})
        for load in cart_loads(problem)
    )


def shortest_m(
    problem: Problem, hall: Hall, at: dict[int, tuple[int, float]], bins: set[int]
) -> float:
    assert problem.layout is not None
    stops = [str(bin_id) for bin_id in sorted(bins)]
    route = plan_route(problem.layout, stops, problem.depot, problem.depot)
    return hall.tour([at[int(stop)] for stop in route.order])


def choose_retail(folder: Path, orders: list[dict[str, Any]]) -> dict[str, float | None]:
    """The orders that peers were measured on with their best `cost20`; else every 20th."""
    path = folder / "carton_peers.csv"
    if not path.exists():
        small = [order for order in orders if sum(qty for _, qty in order["lines"]) <= 300]
        return {order["id"]: None for order in small[::20]}
    chosen = {}
    with path.open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            costs = []
            for peer in ("boxpacker", "binpackingjs", "skjolber"):
                cartons = number(row, f"{peer}_cartons")
                litres = number(row, f"{peer}_outer_litres")
                if cartons is not None and litres is not None:
                    costs.append(litres + CARTON_WORTH_LITRES * cartons)
            if number(row, "boxpacker_cartons") is not None:
                chosen[row["id"]] = min(costs)
    return chosen


def make_article(sku: int, qty: int, row: dict[str, str], honoured: bool) -> Piece:
    """A line of a shop order with the article's master data."""
    return Piece(
        ref=str(sku),
        length_mm=int(row["length_mm"]),
        width_mm=int(row["width_mm"]),
        height_mm=int(row["height_mm"]),
        weight_g=int(row["weight_g"]),
        orientation="upright" if honoured and row["this_side_up"] == "1" else "free",
        fragile=honoured and row["fragile"] == "1",
        qty=qty,
    )


READERS: dict[str, Reader] = {"retail_orders": read_retail}
