"""Reads and judges the packing sets: cartons for orders, equal bins, and single containers.

Real orders are planned for two objectives: fewest cartons (ties by outer volume) and `cost20`,
outer litres plus 20 for each carton. Judges: `check_cartons` and `check_stowage`.
"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

from wms.bench.cases import Case, Outcome, Reader, number, read_instances, read_known
from wms.bench.check_cartons import check_stowage, list_faults
from wms.planning.cartonize import (
    CartonPlan,
    CartonType,
    Objective,
    Orientation,
    PackRules,
    Piece,
    plan_cartons,
)
from wms.planning.container import Cargo, Container, plan_container
from wms.planning.stop import MaxSeconds, NoImprovement, any_of

MM3_PER_LITRE = 1_000_000
CARTON_WORTH_LITRES = 20
# A pack bench does not wait for an answer that has stopped getting better.
STALE_ROUNDS = 30
STALE_ROUNDS_LARGE = 400


def read_carton_types(path: Path) -> tuple[CartonType, ...]:
    """The catalogue of a set, priced as `cost20` in cubic millimetres."""
    catalogue = []
    for row in json.loads(path.read_text(encoding="utf-8")):
        (x, y, z), (a, b, c) = row["inner"], row["outer"]
        catalogue.append(
            CartonType(
                code=row["name"],
                inner_length_mm=x,
                inner_width_mm=y,
                inner_height_mm=z,
                outer_length_mm=a,
                outer_width_mm=b,
                outer_height_mm=c,
                tare_g=row["tare"],
                gross_max_g=row["max_gross"],
                cost_minor=CARTON_WORTH_LITRES * MM3_PER_LITRE + a * b * c,
            )
        )
    return tuple(catalogue)


def count_litres(plan: CartonPlan, types: tuple[CartonType, ...]) -> float:
    """Outer litres of a plan."""
    outer = {kind.code: kind.outer_mm3 for kind in types}
    return sum(outer[carton.type_code] for carton in plan.cartons) / MM3_PER_LITRE


def carton_case(
    name: str,
    pieces: tuple[Piece, ...],
    types: tuple[CartonType, ...],
    rules: PackRules,
    best: float | None,
    extra: Callable[[float, float], dict[str, float]],
    stale: int = STALE_ROUNDS,
) -> Case:
    """One order: value is cartons or `cost20`; `extra` gets cartons and litres."""

    def solve(seconds: float) -> Outcome:
        stop = any_of(MaxSeconds(seconds), NoImprovement(stale))
        plan = plan_cartons(pieces, types, rules, stop)
        faults = list_faults(pieces, types, rules, plan)
        if plan.unpacked:
            faults.append(f"{len(plan.unpacked)} lines unpacked")
        cartons, litres = len(plan.cartons), count_litres(plan, types)
        by_number = rules.objective == "cartons"
        value = cartons if by_number else litres + CARTON_WORTH_LITRES * cartons
        return Outcome(not faults, value, "; ".join(faults[:3]), extra(cartons, litres))

    return Case(name, solve, best)


def read_ecommerce(folder: Path) -> list[Case]:
    """Web-shop orders: each one twice, for fewest cartons and for `cost20`."""
    types = read_carton_types(folder / "cartons.json")
    known = read_known(folder)
    cases = []
    with gzip.open(folder / "orders.jsonl.gz", "rt", encoding="utf-8") as lines:
        orders = [json.loads(line) for line in lines if line.strip()]
    for order in orders:
        pieces = tuple(
            make_piece(str(line), item[:3], *item[3:])
            for line, item in enumerate(order["items"], start=1)
        )
        row = known.get(order["id"])
        fewest = number(row, "best_known_cartons")
        litres_best = number(row, "outer_litres_at_best")
        cost_best = number(row, "best_known_cost20")

        def by_number(
            cartons: float, litres: float, fewest=fewest, litres_best=litres_best
        ) -> dict[str, float]:
            figures = {"cartons": cartons, "litres": litres}
            if fewest is not None and litres_best is not None:
                figures |= {"best_cartons": fewest, "best_litres": litres_best}
            return figures

        def by_cost(cartons: float, litres: float, best=cost_best) -> dict[str, float]:
            figures = {"cost20": litres + CARTON_WORTH_LITRES * cartons}
            return figures if best is None else figures | {"best_cost20": best}

        number_rules = PackRules(objective="cartons", support_min=0)
        cost_rules = PackRules(objective="cost", support_min=0)
        name = order["id"]
        cases += [
            carton_case(f"{name}/cartons", pieces, types, number_rules, fewest, by_number),
            carton_case(f"{name}/cost20", pieces, types, cost_rules, cost_best, by_cost),
        ]
    return cases


def make_piece(
    ref: str, size: list[int], weight_g: int, qty: int, orientation: Orientation = "free"
) -> Piece:
    """A line of an order."""
    return Piece(
        ref=ref,
        length_mm=size[0],
        width_mm=size[1],
        height_mm=size[2],
        weight_g=weight_g,
        orientation=orientation,
        qty=qty,
    )


def bin_case(name: str, pieces: tuple[Piece, ...], room: list[int], best: float | None) -> Case:
    """Fewest equal bins, geometry only."""
    x, y, z = room
    kind = CartonType(
        code="bin",
        inner_length_mm=x,
        inner_width_mm=y,
        inner_height_mm=z,
        outer_length_mm=x,
        outer_width_mm=y,
        outer_height_mm=z,
        gross_max_g=1,
    )
    objective: Objective = "cartons"
    rules = PackRules(objective=objective, support_min=0)

    def solve(seconds: float) -> Outcome:
        plan = plan_cartons(pieces, (kind,), rules, MaxSeconds(seconds))
        faults = list_faults(pieces, (kind,), rules, plan)
        if plan.unpacked:
            faults.append(f"{len(plan.unpacked)} pieces unpacked")
        figures = {"cartons": float(len(plan.cartons)), "bound": float(plan.lower_bound)}
        if best is not None:
            figures["best_cartons"] = best
        return Outcome(not faults, len(plan.cartons), "; ".join(faults[:3]), figures)

    return Case(name, solve, best)


def read_mpv(folder: Path) -> list[Case]:
    """Different boxes, no turning."""
    known = read_known(folder)
    return [
        bin_case(
            row["id"],
            tuple(make_piece(str(at), size, 0, 1, "fixed") for at, size in enumerate(row["items"])),
            row["bin"],
            number(known.get(row["id"]), "best_found_here"),
        )
        for row in read_instances(folder)
    ]


def read_ivancic(folder: Path) -> list[Case]:
    """Few types of boxes, all turns."""
    known = read_known(folder)
    return [
        bin_case(
            row["id"],
            tuple(
                make_piece(str(at), size[:3], 0, size[6]) for at, size in enumerate(row["types"])
            ),
            row["bin"],
            number(known.get(row["id"]), "best_known"),
        )
        for row in read_instances(folder)
    ]


def load_case(
    name: str, cargo: tuple[Cargo, ...], room: list[int], best: float | None, column: str
) -> Case:
    """The most valuable load of one container."""
    container = Container(length_mm=room[0], width_mm=room[1], height_mm=room[2])

    def solve(seconds: float) -> Outcome:
        plan = plan_container(cargo, container, MaxSeconds(seconds))
        faults = check_stowage(cargo, container, plan)
        value = {piece.ref: piece.value or 0 for piece in cargo}
        reached = float(sum(value[row.ref] for row in plan.stowed))
        volume = room[0] * room[1] * room[2]
        share = sum(r.dx_mm * r.dy_mm * r.dz_mm for r in plan.stowed) / volume
        return Outcome(not faults, reached, "; ".join(faults[:3]), {column: share})

    return Case(name, solve, best, more_is_better=True)


def read_containers(folder: Path) -> list[Case]:
    """Bischoff and Ratcliff, Loh and Nee: loaded volume."""
    known = read_known(folder)
    cases = []
    for row in read_instances(folder):
        cargo = tuple(
            Cargo(
                ref=str(at),
                length_mm=a,
                width_mm=b,
                height_mm=c,
                vertical="".join(edge for edge, up in zip("lwh", ups, strict=True) if up),
                value=a * b * c,
                qty=qty,
            )
            for at, (a, b, c, *ups, qty) in enumerate(row["types"])
        )
        facts = known.get(row["id"])
        best = number(facts, "best_volume")
        group = row["id"].split("_")[0]
        cases.append(load_case(row["id"], cargo, row["container"], best, f"share_sum_{group}"))
    return cases


def read_knapsack(folder: Path) -> list[Case]:
    """Egeblad and Pisinger: profit, no turning.

    The listed best profits are below the profit of single boxes, so they are of other data and
    compare with nothing: such a value is left out.
    """
    known = read_known(folder)
    return [
        load_case(
            row["id"],
            tuple(
                Cargo(
                    ref=str(at),
                    length_mm=x,
                    width_mm=y,
                    height_mm=z,
                    vertical="h",
                    turnable=False,
                    value=profit,
                )
                for at, (x, y, z, profit) in enumerate(row["items"])
            ),
            row["container"],
            plausible_profit(number(known.get(row["id"]), "best_profit"), row["items"]),
            "share_sum",
        )
        for row in read_instances(folder)
    ]


def plausible_profit(best: float | None, items: list[list[int]]) -> float | None:
    """The listed profit, unless one box alone has more."""
    return None if best is None or best < max(item[3] for item in items) else best


READERS: dict[str, Reader] = {
    "carton_ecommerce": read_ecommerce,
    "bpp3d_mpv": read_mpv,
    "bpp3d_ivancic": read_ivancic,
    "clp_bischoff_ratcliff": read_containers,
    "clp_loh_nee": read_containers,
    "kp3d_egeblad": read_knapsack,
}
