"""Reads and judges the slotting set: faces for items, measured by the tours of later orders.

The planner sees only the training orders. Tours of the test orders are walked by the exact router,
and the walk is measured by `halls`, which shares nothing with the planners.
"""

import gzip
import json
from pathlib import Path
from typing import Any

from wms.bench.cases import Case, Outcome, Reader, number, read_known
from wms.bench.halls import Hall
from wms.planning.route import plan_route
from wms.planning.slot import PickFace, SlotItem, plan_slots
from wms.planning.stop import MaxSeconds
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot

MM = 1000
RULES = ("mean_tour_swap_search", "mean_tour_within_aisle_abc", "mean_tour_nearest_abc")


def layout_of(row: dict[str, Any]) -> Layout:
    """The hall of an instance; faces are named "aisle-cell-side"."""
    ys = [round(MM * y) for y in row["cross_y"]]
    xs = [round(MM * row["aisle_pitch"] * aisle) for aisle in range(row["aisles"])]
    spots = [
        Spot(f"{aisle}-{cell}-{side}", x, round(MM * row["cell_y"][cell]), 0, str(aisle))
        for aisle, x in enumerate(xs)
        for cell in range(row["cells"])
        for side in range(row["sides"])
    ]
    depot = Spot("depot", xs[row["depot_aisle"]], ys[0])
    lines = tuple(AisleLine(str(aisle), x, ys[0], ys[-1]) for aisle, x in enumerate(xs))
    return Layout(lines, tuple(CrossAisle(y) for y in ys), (*spots, depot))


def judge(row: dict[str, Any], layout: Layout, faces: dict[str, str]) -> Outcome:
    """Check the assignment and walk the test orders."""
    spots = {spot.id for spot in layout.spots} - {"depot"}
    used = list(faces.values())
    if len(faces) != len(row["skus"]) or len(set(used)) < len(used) or not set(used) <= spots:
        return Outcome(False, 0.0, "not every item in a face of its own")
    hall = Hall(
        pitch=row["aisle_pitch"],
        cross=tuple(row["cross_y"]),
        depot=(row["depot_aisle"] * row["aisle_pitch"], row["cross_y"][0]),
    )
    total = 0.0
    for order in row["test"]:
        stops = [faces[str(at)] for at in sorted(set(order))]
        walk = plan_route(layout, stops, "depot", "depot").order
        if sorted(walk) != sorted(stops):
            return Outcome(False, 0.0, "a tour leaves out a stop")
        places = [tuple(int(part) for part in spot.split("-")[:2]) for spot in walk]
        total += hall.tour([(aisle, row["cell_y"][cell]) for aisle, cell in places])
    return Outcome(True, total / len(row["test"]))


def slot_case(row: dict[str, Any], best: float | None) -> Case:
    """One hall: mean exact tour over the later orders."""
    layout = layout_of(row)
    faces = [PickFace(spot=spot.id) for spot in layout.spots if spot.id != "depot"]
    items = [SlotItem(ref=str(at)) for at in range(len(row["skus"]))]
    orders = [[str(at) for at in order] for order in row["train"]]

    def solve(seconds: float) -> Outcome:
        plan = plan_slots(layout, faces, items, orders, "depot", "depot", MaxSeconds(seconds))
        return judge(row, layout, plan.faces)

    return Case(row["id"], solve, best)


def read_slotting(folder: Path) -> list[Case]:
    """All halls of the set; the best known value is the best of the rules in its table."""
    known = read_known(folder)
    cases = []
    for path in sorted(folder.glob("slot_*.json.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as text:
            row = json.load(text)
        values = [number(known.get(row["id"]), rule) for rule in RULES]
        stated = [value for value in values if value is not None]
        cases.append(slot_case(row, min(stated, default=None)))
    return cases


READERS: dict[str, Reader] = {"slotting_retail": read_slotting}
