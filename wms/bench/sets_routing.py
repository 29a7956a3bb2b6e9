"""Reads and judges the routing sets: `sprp`, `sprp_scattered`, and generated halls.

The checker recomputes every walk from the instance's own fields (see `halls`).
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wms.bench.cases import Case, Outcome, Reader, number, read_instances, read_known
from wms.bench.halls import Hall
from wms.planning.route import plan_route
from wms.planning.scattered import Demand, Stock, plan_scattered
from wms.planning.stop import MaxSeconds
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot

# The sets count in whole or half length units; the planner counts in whole ones.
SCALE = 2


def _height(row: dict[str, Any], cell: int, two_blocks: bool) -> float:
    shift = 1 if two_blocks and cell >= row["cells"] // 2 else 0
    return row["end_gap"] + cell * row["cell_len"] + shift


def hall_of(row: dict[str, Any], two_blocks: bool) -> Hall:
    """The distances of an instance as its README states them."""
    top = 2 * row["end_gap"] + (row["cells"] - 1) * row["cell_len"] + two_blocks
    middle = row["end_gap"] + (row["cells"] / 2 - 0.5) * row["cell_len"] + 0.5
    x = row["depot_aisle"] * row["aisle_pitch"]
    return Hall(
        pitch=row["aisle_pitch"],
        cross=(0, middle, top) if two_blocks else (0, top),
        depot=(x, 0 if row["depot_side"] == "bottom" else top),
    )


def layout_of(
    row: dict[str, Any], hall: Hall, cells: Sequence[tuple[int, int]], two_blocks: bool
) -> Layout:
    """The same hall as the planner's input; bins are named "aisle-cell"."""
    top = round(SCALE * max(hall.cross))
    pitch = round(SCALE * hall.pitch)
    spots = [
        Spot(f"{a}-{k}", a * pitch, round(SCALE * _height(row, k, two_blocks)), 0, str(a))
        for a, k in dict.fromkeys(cells)
    ]
    depot = Spot("depot", round(SCALE * hall.depot[0]), round(SCALE * hall.depot[1]))
    return Layout(
        tuple(AisleLine(str(a), a * pitch, 0, top) for a in range(row["aisles"])),
        tuple(CrossAisle(round(SCALE * y)) for y in hall.cross),
        (*spots, depot),
    )


def _walked(row: dict[str, Any], hall: Hall, order: Sequence[str], two_blocks: bool) -> float:
    cells = [tuple(int(part) for part in spot.split("-")) for spot in order]
    return hall.tour([(a, _height(row, k, two_blocks)) for a, k in cells])


def _sprp_case(row: dict[str, Any], two_blocks: bool, best: float | None) -> Case:
    hall = hall_of(row, two_blocks)
    cells = [(a, k) for a, k in row["picks"]]
    layout = layout_of(row, hall, cells, two_blocks)
    stops = [f"{a}-{k}" for a, k in cells]
    _ = layout.grid  # the hall stands before the picker asks: it is not part of one tour's time

    def solve(seconds: float) -> Outcome:
        route = plan_route(layout, stops, "depot", "depot", MaxSeconds(seconds))
        value = _walked(row, hall, route.order, two_blocks)
        if sorted(route.order) != sorted(set(stops)):
            return Outcome(False, value, "not every stop exactly once")
        if abs(value - route.distance_mm / SCALE) > 1e-6:
            return Outcome(False, value, "states another length than it walks")
        return Outcome(True, value)

    return Case(f"{row['id']}/{1 + two_blocks}", solve, best)


def read_sprp(folder: Path) -> list[Case]:
    """Two cases per instance: one block and two blocks."""
    known = read_known(folder)
    return [
        _sprp_case(row, two, number(known.get(row["id"]), column))
        for row in read_instances(folder)
        for two, column in ((False, "opt_single_block"), (True, "opt_two_block"))
    ]


def _scattered_case(row: dict[str, Any], two_blocks: bool, best: float | None) -> Case:
    hall = hall_of(row, two_blocks)
    layout = layout_of(row, hall, [(a, k) for _, a, k, _ in row["stock"]], two_blocks)
    demand = tuple(Demand(str(j), qty) for j, qty in enumerate(row["demand"]) if qty)
    stock = tuple(Stock(str(j), f"{a}-{k}", qty) for j, a, k, qty in row["stock"])
    _ = layout.grid

    def solve(seconds: float) -> Outcome:
        plan = plan_scattered(layout, demand, stock, "depot", "depot", MaxSeconds(seconds))
        value = _walked(row, hall, plan.route.order, two_blocks)
        return Outcome(not (fault := _scattered_fault(row, plan, value)), value, fault)

    return Case(f"{row['id']}/{1 + two_blocks}", solve, best)


def _scattered_fault(row: dict[str, Any], plan: Any, value: float) -> str:
    """What is wrong with a plan of picks and a walk; empty when nothing is."""
    there: dict[tuple[str, str], int] = {}
    for j, a, k, qty in row["stock"]:
        there[str(j), f"{a}-{k}"] = there.get((str(j), f"{a}-{k}"), 0) + qty
    taken: dict[str, int] = {}
    for pick in plan.picks:
        there[pick.item, pick.spot] -= pick.qty
        taken[pick.item] = taken.get(pick.item, 0) + pick.qty
        if pick.qty <= 0 or there[pick.item, pick.spot] < 0:
            return "takes more than lies there"
        if pick.spot not in plan.route.order:
            return "picks where it does not stop"
    if any(taken.get(str(j), 0) != qty for j, qty in enumerate(row["demand"])):
        return "demand not met exactly"
    if len(set(plan.route.order)) != len(plan.route.order):
        return "stops twice"
    if abs(value - plan.route.distance_mm / SCALE) > 1e-6:
        return "states another length than it walks"
    return ""


def read_scattered(folder: Path) -> list[Case]:
    """Up to two cases per instance: one block, and two blocks where a value is known."""
    known = read_known(folder)
    cases = []
    for row in read_instances(folder):
        values = known.get(row["id"])
        cases.append(_scattered_case(row, False, number(values, "opt_single_block")))
        two = number(values, "opt_two_block")
        if two is not None or values is None:
            cases.append(_scattered_case(row, True, two))
    return cases


def generated(_: Path) -> list[Case]:
    """Halls drawn with a fixed seed, one and two blocks; no best value is known."""
    luck = random.Random(11)
    cases = []
    for number_ in range(20):
        aisles, cells = luck.randint(4, 20), 2 * luck.randint(5, 40)
        picks = {(luck.randrange(aisles), luck.randrange(cells)) for _ in range(15)}
        row = {
            "id": f"hall-{number_}",
            "aisles": aisles,
            "cells": cells,
            "depot_aisle": luck.randrange(aisles),
            "depot_side": "bottom",
            "aisle_pitch": 3,
            "cell_len": 1,
            "end_gap": 1,
            "picks": sorted(picks),
        }
        cases += [_sprp_case(row, two, None) for two in (False, True)]
    return cases


READERS: dict[str, Reader] = {
    "sprp": read_sprp,
    "sprp_scattered": read_scattered,
    "generated": generated,
}
