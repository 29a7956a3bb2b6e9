"""Cartons proposed for the orders of a wave, pure; packers see them at the bench and may override.

Units: mm, g, base units, seconds. Equal contents are planned once. Orders come most urgent first
and share the time that is left; where the share is too small for a search, an order gets a plan
made box after box, and when the time has run out twice, none.
"""

import time
from collections.abc import Callable

import msgspec

from wms.planning.cartonize import CartonType, PackedCarton, PackRules, Piece, plan_cartons
from wms.planning.stop import MaxRounds, MaxSeconds, StopRule, any_of

ROUNDS = 20
LATEST = 2.0  # times the time allowed: no more plans from there
LOOK_S = 0.00005  # for each piece: with less time a search ends behind the first plan
SHARES = 3  # a large order may take so many shares of the time


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """So much of an item that an order will be packed with. Sizes of one unit; 0 is not known.

    What ships in its own container gets no carton; limits of None are none.
    """

    order_id: int
    item_id: int
    qty: int
    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int
    fragile: bool
    upright: bool
    separation: str
    flat: bool = False
    own_container: bool = False
    carton_qty_max: int | None = None
    load_max_g: int | None = None


class BoxProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Contents in the order in which orders are planned, and the time for all of them."""

    contents: tuple[Content, ...]
    carton_types: tuple[CartonType, ...]
    seconds: float
    latest: float = LATEST


class PlannedCarton(msgspec.Struct, frozen=True):
    """One proposed carton of an order; `placements` name items."""

    order_id: int
    number: int
    type_code: str
    weight_g: int
    placements: tuple[dict[str, int], ...]


def plan_boxes(
    problem: BoxProblem, clock: Callable[[], float] = time.perf_counter
) -> tuple[PlannedCarton, ...]:
    """Cartons for each order, by cost where cartons have one, else by outer volume."""
    start = clock()
    if not problem.carton_types:
        return ()
    priced = any(carton.cost_minor for carton in problem.carton_types)
    rules = PackRules(objective="cost" if priced else "outer_volume")
    of_order: dict[int, list[Content]] = {}
    for content in problem.contents:
        of_order.setdefault(content.order_id, []).append(content)
    known: dict[tuple[Piece, ...], tuple[PackedCarton, ...]] = {}
    planned: list[PlannedCarton] = []
    for turn, (order_id, contents) in enumerate(of_order.items()):
        pieces = tuple(piece_of(each) for each in sorted(contents, key=lambda c: c.item_id))
        gone = clock() - start
        if pieces not in known and gone > problem.latest * problem.seconds:
            continue
        if pieces not in known:
            share = SHARES * (problem.seconds - gone) / (len(of_order) - turn)
            stop = _stop(pieces, share)
            known[pieces] = plan_cartons(pieces, problem.carton_types, rules, stop).cartons
        planned += [
            PlannedCarton(order_id, number, carton.type_code, carton.weight_g, _places(carton))
            for number, carton in enumerate(known[pieces], 1)
        ]
    return tuple(planned)


def _stop(pieces: tuple[Piece, ...], seconds: float) -> StopRule:
    """How long to search for one order; not at all where the time is too short to begin."""
    if seconds < LOOK_S * sum(piece.qty for piece in pieces):
        return MaxRounds(0)
    return any_of(MaxRounds(ROUNDS), MaxSeconds(seconds))


def piece_of(content: Content) -> Piece:
    return Piece(
        ref=str(content.item_id),
        length_mm=content.length_mm,
        width_mm=content.width_mm,
        height_mm=content.height_mm,
        weight_g=content.weight_g,
        orientation="upright" if content.upright else "flat" if content.flat else "free",
        fragile=content.fragile,
        load_max_g=content.load_max_g,
        separation=content.separation,
        own_container=content.own_container,
        carton_qty_max=content.carton_qty_max,
        qty=content.qty,
    )


def _places(carton: PackedCarton) -> tuple[dict[str, int], ...]:
    return tuple(
        {"item_id": int(at.ref)}
        | {name: getattr(at, name) for name in ("x_mm", "y_mm", "z_mm", "dx_mm", "dy_mm", "dz_mm")}
        | {"step": at.step}
        for at in carton.placements
    )
