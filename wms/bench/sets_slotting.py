"""Reads and judges the slotting set: faces for items, measured by the tours of later orders.

The planner sees only the training orders. Tours of the test orders are walked by the exact router,
and the walk is measured by `halls`, which shares nothing with the planners. Where the set
`retail_orders` lies beside it, which knows the days, zones are judged too: busiest zone by mean
zone over the later days.
"""

import gzip
import json
from pathlib import Path
from typing import Any

from wms.bench.cases import Case, Outcome, Reader, number, read_known
from wms.bench.halls import Hall
from wms.planning.route import plan_route
from wms.planning.slot import PickFace, SlotItem, SlotRules, plan_slots
from wms.planning.stop import MaxSeconds
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot
from wms.planning.zones import plan_zones

MM = 1000
# How the set was cut: this share of the orders, in time, is for training; thin days do not count.
TRAIN_SHARE, DAY_LINES_MIN = 0.6, 100
# As a share of the training orders. Cuts in time among those favour 0.4, but no cut can show that
# the oldest orders are those of the season that comes again.
HALF_LIFE = 0.8
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
    rules = SlotRules(half_life=HALF_LIFE)

    def solve(seconds: float) -> Outcome:
        plan = plan_slots(
            layout, faces, items, orders, "depot", "depot", MaxSeconds(seconds), rules
        )
        return judge(row, layout, plan.faces)

    return Case(row["id"], solve, best)


def judge_zones(zone: dict[str, int], zones: int, days: dict[str, list[str]]) -> Outcome:
    """The busiest zone by the mean zone, on average over days with enough lines."""
    sizes = [list(zone.values()).count(z) for z in range(zones)]
    if sum(sizes) != len(zone) or max(sizes) - min(sizes) > 1:
        return Outcome(False, 0.0, "zones do not hold equally many items")
    uneven = []
    for lines in days.values():
        load = [0] * zones
        for item in lines:
            load[zone[item]] += 1
        if len(lines) >= DAY_LINES_MIN:
            uneven.append(max(load) * zones / len(lines))
    return Outcome(True, sum(uneven) / len(uneven))


def zone_case(folder: Path) -> list[Case]:
    """The articles of the largest hall in zones; none where the days are not known."""
    beside = folder.with_name(folder.name.replace("slotting_retail", "retail_orders"))
    task, hall = folder / "zone_balance.json", folder / "slot_L.json.gz"
    if not (task.exists() and hall.exists() and (beside / "orders.jsonl.gz").exists()):
        return []
    stated = json.loads(task.read_text(encoding="utf-8"))
    with gzip.open(hall, "rt", encoding="utf-8") as text:
        items = [str(sku) for sku in json.load(text)["skus"]]
    with gzip.open(beside / "orders.jsonl.gz", "rt", encoding="utf-8") as text:
        rows = sorted(map(json.loads, text), key=lambda row: row["at"])
    known = set(items)
    orders = [[str(sku) for sku, _ in row["lines"] if str(sku) in known] for row in rows]
    cut = round(TRAIN_SHARE * len(rows) - 0.5)
    days: dict[str, list[str]] = {}
    for row, order in zip(rows[cut:], orders[cut:], strict=True):
        days.setdefault(row["at"][:10], []).extend(set(order))
    per_day = cut / len({row["at"][:10] for row in rows[:cut]})

    def solve(seconds: float) -> Outcome:
        plan = plan_zones(items, orders[:cut], stated["zones"], per_day, MaxSeconds(seconds))
        return judge_zones(plan.zone, stated["zones"], days)

    return [Case("zone_balance", solve, stated["snake_by_popularity"])]


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
    return cases + zone_case(folder)


READERS: dict[str, Reader] = {"slotting_retail": read_slotting}
