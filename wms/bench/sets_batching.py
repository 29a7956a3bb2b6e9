"""Reads and judges the batching sets `obp_*` (one block) and `jobprp_foodmart` (two blocks).

The checker recomputes loads and walks from the instance's own fields (see `halls`).
"""

from pathlib import Path
from typing import Any

from wms.bench.cases import Case, Outcome, Reader, number, read_instances, read_known
from wms.bench.halls import Hall
from wms.planning.batch import Batches, BatchLine, BatchOrder, Cart, plan_batches
from wms.planning.stop import MaxSeconds
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot

# Length units of the sets in planner units; all their distances are multiples of 0.05 or 0.01.
OBP_SCALE = 20
FOODMART_SCALE = 100

Visit = tuple[int, float]


def _height(row: dict[str, Any], cell: int) -> float:
    return row["end_gap"] + cell * row["cell_len"]


def obp_hall(row: dict[str, Any]) -> Hall:
    """Distances of an `obp_*` instance."""
    top = 2 * row["end_gap"] + (row["cells"] - 1) * row["cell_len"]
    gap = row["depot_gap"]
    y = -gap if row["depot_side"] == "bottom" else top + gap
    return Hall(row["aisle_pitch"], (0, top), (row["depot_aisle"] * row["aisle_pitch"], y))


def layout_of(hall: Hall, aisles: int, visits: dict[str, Visit], scale: int) -> Layout:
    """The hall as the planner's input."""
    xs = [round(scale * (hall.first + a * hall.pitch)) for a in range(aisles)]
    low, high = (round(scale * y) for y in (min(hall.cross), max(hall.cross)))
    depot = Spot(
        "depot",
        round(scale * hall.depot[0]),
        round(scale * hall.depot[1]),
        open_floor=hall.straight_depot,
    )
    spots = [Spot(name, xs[a], round(scale * y), 0, str(a)) for name, (a, y) in visits.items()]
    return Layout(
        tuple(AisleLine(str(a), x, low, high) for a, x in enumerate(xs)),
        tuple(CrossAisle(round(scale * y)) for y in hall.cross),
        (*spots, depot),
    )


def fault_of(
    plan: Batches,
    orders: list[BatchOrder],
    loads: list[int],
    capacity: int,
    walked: list[float],
    scale: int,
) -> str:
    """What is wrong with a plan; empty when nothing is. `walked` is what the checker measured."""
    row_of = {order.id: row for row, order in enumerate(orders)}
    seen = [row_of[stowed.order] for tour in plan.tours for stowed in tour.orders]
    if sorted(seen) != list(range(len(orders))):
        return "not every order in exactly one tour"
    for tour, length in zip(plan.tours, walked, strict=True):
        rows = [row_of[stowed.order] for stowed in tour.orders]
        if sum(loads[row] for row in rows) > capacity:
            return "a tour is overloaded"
        wanted = {line.spot for row in rows for line in orders[row].lines}
        if set(tour.stops) != wanted or len(tour.stops) != len(wanted):
            return "a tour does not stop where it must"
        if abs(length - tour.distance_mm / scale) > 1e-6 * max(1.0, length):
            return "a tour states another length than it walks"
    return ""


def _obp_case(row: dict[str, Any], best: float | None) -> Case:
    hall = obp_hall(row)
    visits = {f"{a}-{k}": (a, _height(row, k)) for order in row["orders"] for a, k, _ in order}
    layout = layout_of(hall, row["aisles"], visits, OBP_SCALE)
    orders = [
        BatchOrder(
            f"{n}",
            tuple(BatchLine(f"{n}.{i}", f"{a}-{k}", u) for i, (a, k, u) in enumerate(lines)),
        )
        for n, lines in enumerate(row["orders"])
    ]
    cart = Cart(slots=len(orders), units_max=row["capacity"])
    loads = [sum(units for *_, units in lines) for lines in row["orders"]]

    def solve(seconds: float) -> Outcome:
        plan = plan_batches(layout, orders, cart, "depot", "depot", MaxSeconds(seconds), seed=1)
        walked = [hall.tour([visits[spot] for spot in tour.stops]) for tour in plan.tours]
        fault = fault_of(plan, orders, loads, row["capacity"], walked, OBP_SCALE)
        return Outcome(not fault, sum(walked), fault)

    return Case(row["id"], solve, best)


def read_obp(folder: Path) -> list[Case]:
    """One case per instance."""
    known = read_known(folder)
    return [
        _obp_case(row, number(known.get(row["id"]), "bks_optimal", "opt_optimal"))
        for row in read_instances(folder)
    ]


def _foodmart_case(row: dict[str, Any], best: float | None) -> Case:
    hall = Hall(
        row["aisle_pitch"],
        tuple(row["cross_y"]),
        tuple(row["depot"]),
        row["first_aisle_x"],
        straight_depot=True,
    )
    visits = {f"{a}@{y}": (a, y) for o in row["orders"] for a, y, _ in o["lines"]}
    layout = layout_of(hall, row["aisles"], visits, FOODMART_SCALE)
    orders = [
        BatchOrder(
            f"{n}",
            tuple(BatchLine(f"{n}.{i}", f"{a}@{y}", u) for i, (a, y, u) in enumerate(o["lines"])),
            boxes=o["boxes"],
        )
        for n, o in enumerate(row["orders"])
    ]
    cart = Cart(slots=row["boxes_per_tour"])
    loads = [order["boxes"] for order in row["orders"]]

    def solve(seconds: float) -> Outcome:
        plan = plan_batches(layout, orders, cart, "depot", "depot", MaxSeconds(seconds), seed=1)
        walked = [hall.tour([visits[spot] for spot in tour.stops]) for tour in plan.tours]
        fault = fault_of(plan, orders, loads, row["boxes_per_tour"], walked, FOODMART_SCALE)
        return Outcome(not fault, sum(walked), fault)

    return Case(row["id"], solve, best)


def read_foodmart(folder: Path) -> list[Case]:
    """One case per instance; compared with the proven optimum, else with the published plan."""
    known = read_known(folder)
    return [
        _foodmart_case(row, number(known.get(row["id"]), "opt", "cg_ub"))
        for row in read_instances(folder)
    ]


READERS: dict[str, Reader] = {
    "obp_henn_waescher": read_obp,
    "obp_muter_oncan": read_obp,
    "obp_bahceci_oncan": read_obp,
    "jobprp_foodmart": read_foodmart,
}
