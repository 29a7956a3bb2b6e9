"""Reads and judges `jobrsp_due_times`: batches, pickers and sequences under hard deadlines.

The checker recomputes loads, walks, times and deadlines from the instance's own fields.
"""

from pathlib import Path
from typing import Any

from wms.bench.cases import Case, Outcome, Reader, number, read_instances, read_known
from wms.bench.halls import Hall
from wms.bench.sets_batching import layout_of
from wms.planning.batch import BatchLine, BatchOrder, Cart
from wms.planning.stop import MaxSeconds
from wms.planning.wave import Picker, Wave, Work, plan_wave

# One length unit as millimetres: then a walking speed in whole mm/s gives exact times.
SCALE = 3000


def judge(row: dict[str, Any], hall: Hall, wave: Wave) -> tuple[str, float]:
    """What is wrong with a plan (empty: nothing), and the total working time."""
    now: dict[str, float] = {}
    seen: list[int] = []
    total = 0.0
    for tour in wave.tours:
        rows = [int(stowed.order) for stowed in tour.orders]
        seen += rows
        lines = [tuple(line) for k in rows for line in row["orders"][k]["lines"]]
        stops = [(int(a), int(y)) for a, y in (spot.split("@") for spot in tour.stops)]
        if len(lines) > row["capacity"]:
            return "a tour is overloaded", total
        if set(stops) != set(lines) or len(stops) != len(set(stops)):
            return "a tour does not stop where it must", total
        time = row["setup"] + row["pick"] * len(lines) + row["seconds_per_unit"] * hall.tour(stops)
        now[tour.picker] = now.get(tour.picker, 0.0) + time
        total += time
        if any(now[tour.picker] > row["orders"][k]["due"] + 1e-6 for k in rows):
            return "an order is late", total
    if sorted(seen) != list(range(len(row["orders"]))):
        return "not every order in exactly one tour", total
    if len(now) > row["pickers"]:
        return "too many pickers", total
    if abs(total - wave.work_s) > 1e-3:
        return "states another working time than it takes", total
    return "", total


def _case(row: dict[str, Any], best: float | None) -> Case:
    hall = Hall(row["aisle_pitch"], tuple(row["cross_y"]), tuple(row["depot"]))
    visits = {f"{a}@{y}": (a, y) for order in row["orders"] for a, y in order["lines"]}
    layout = layout_of(hall, row["aisles"], visits, SCALE)
    orders = [
        BatchOrder(
            str(n),
            tuple(BatchLine(f"{n}.{i}", f"{a}@{y}", 1) for i, (a, y) in enumerate(o["lines"])),
            o["due"],
        )
        for n, o in enumerate(row["orders"])
    ]
    cart = Cart(slots=len(orders), units_max=row["capacity"])
    pickers = [Picker(str(k)) for k in range(row["pickers"])]
    speed = SCALE / row["seconds_per_unit"]
    if speed != int(speed):
        raise ValueError(f"seconds_per_unit must divide {SCALE}, not {row['seconds_per_unit']}")
    work = Work(row["setup"], row["pick"], 0, int(speed))

    def solve(seconds: float) -> Outcome:
        wave = plan_wave(
            layout, orders, cart, pickers, work, "depot", "depot", MaxSeconds(seconds), seed=1
        )
        fault, total = judge(row, hall, wave)
        return Outcome(not fault, total, fault)

    return Case(row["id"], solve, best)


def read_waves(folder: Path) -> list[Case]:
    """One case per instance; compared with the optimum, else with the best published plan."""
    known = read_known(folder)
    return [
        _case(row, number(known.get(row["id"]), "opt", "ub", "ils_ub"))
        for row in read_instances(folder)
    ]


READERS: dict[str, Reader] = {"jobrsp_due_times": read_waves}
