"""Carton plans of orders that one can check by eye."""

from itertools import count

import pytest

from wms.planning.cartonize import CartonType, PackRules, Piece, plan_cartons
from wms.planning.stop import MaxRounds, MaxSeconds


def carton(code, x, y, z, **more):
    facts = {"gross_max_g": 10_000, "tare_g": 100, "cost_minor": 50} | more
    return CartonType(
        code=code,
        inner_length_mm=x,
        inner_width_mm=y,
        inner_height_mm=z,
        outer_length_mm=x,
        outer_width_mm=y,
        outer_height_mm=z,
        **facts,
    )


def piece(ref, x, y, z, **more):
    facts = {"weight_g": 100} | more
    return Piece(ref=ref, length_mm=x, width_mm=y, height_mm=z, **facts)


SMALL = carton("small", 200, 100, 100, cost_minor=40)
LARGE = carton("large", 400, 200, 100, cost_minor=100)


def plan(*pieces, cartons=(SMALL, LARGE), rounds=5, **rules):
    return plan_cartons(pieces, cartons, PackRules(**rules), MaxRounds(rounds))


def codes(answer):
    return sorted(carton.type_code for carton in answer.cartons)


def test_an_order_that_fills_the_small_carton_gets_it():
    answer = plan(piece("cube", 100, 100, 100, qty=2))
    assert codes(answer) == ["small"]
    assert answer.proven
    assert answer.cartons[0].void_share == 0
    assert answer.cartons[0].weight_g == 300
    assert answer.cartons[0].centre_of_mass_mm == (100, 50, 50)


def test_the_objective_decides_between_one_large_and_two_small():
    pieces = (piece("cube", 100, 100, 100, qty=4),)
    assert codes(plan(*pieces, objective="cost")) == ["small", "small"]
    assert codes(plan(*pieces, objective="cartons")) == ["large"]
    assert codes(plan(*pieces, objective="outer_volume")) == ["small", "small"]


def test_billable_weight_is_the_larger_of_gross_and_volume():
    light = plan(piece("cube", 100, 100, 100), objective="billable_weight", dim_divisor=5000)
    assert light.total == 400
    heavy = plan(
        piece("lead", 100, 100, 100, weight_g=9000), objective="billable_weight", dim_divisor=5000
    )
    assert heavy.total == 9100


def test_weight_splits_an_order_that_would_fit_by_size():
    answer = plan(piece("lead", 50, 50, 50, weight_g=6000, qty=2), objective="cartons")
    assert len(answer.cartons) == 2


def test_nothing_lies_above_a_fragile_piece():
    answer = plan(
        piece("vase", 200, 100, 50, fragile=True, orientation="upright"),
        piece("brick", 200, 100, 50, orientation="upright"),
        cartons=(SMALL,),
    )
    rows = {p.ref: p for p in answer.cartons[0].placements}
    assert rows["vase"].z_mm == 50
    assert rows["brick"].z_mm == 0


def test_a_load_limit_puts_the_heavy_piece_below():
    answer = plan(
        piece("weak", 200, 100, 50, weight_g=200, load_max_g=300, orientation="upright"),
        piece("heavy", 200, 100, 50, weight_g=5000, orientation="upright"),
        cartons=(SMALL,),
    )
    assert [p.ref for p in answer.cartons[0].placements] == ["heavy", "weak"]


def test_no_carton_takes_more_of_an_item_than_it_may():
    few = piece("few", 20, 20, 20, carton_qty_max=3, qty=7)
    answer = plan(few, piece("many", 20, 20, 20, qty=8), objective="cartons")
    held = [[p.ref for p in each.placements].count("few") for each in answer.cartons]
    assert sum(held) == 7
    assert max(held) == 3
    assert answer.proven


def test_separation_classes_do_not_share_a_carton():
    answer = plan(piece("bleach", 50, 50, 50, separation="corrosive"), piece("bread", 50, 50, 50))
    assert codes(answer) == ["small", "small"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (piece("x", 0, 10, 10), "wrong dimensions"),
        (piece("x", -1, 10, 10), "wrong dimensions"),
        (piece("x", 10, 10, 10, weight_g=-1), "wrong dimensions"),
        (piece("x", 2**40, 10, 10), "wrong dimensions"),
        (piece("x", 401, 10, 10), "too large"),
        (piece("x", 10, 10, 10, weight_g=9901), "too heavy"),
        (piece("x", 10, 10, 10, own_container=True), "own container"),
    ],
)
def test_a_piece_for_no_carton_is_returned_with_the_reason(wrong, reason):
    answer = plan(wrong, piece("fine", 10, 10, 10))
    assert [(rest.ref, rest.qty, rest.reason) for rest in answer.unpacked] == [("x", 1, reason)]
    assert [p.ref for p in answer.cartons[0].placements] == ["fine"]


def test_a_round_ends_where_the_clock_does():
    ticks = count()
    crates = (carton("a", 90, 70, 60, cost_minor=97), carton("b", 80, 60, 50, cost_minor=61))
    # No two are equal, so the ways of searching do not depend on machine code.
    pieces = tuple(piece(str(n), 20 + n, 25 + n, 30 + n % 5) for n in range(20))
    stop = MaxSeconds(10, lambda: float(next(ticks)))
    answer = plan_cartons(pieces, crates, PackRules(support_min=0), stop)
    assert answer.stopped_because == "time"
    assert sum(len(each.placements) for each in answer.cartons) == 20
    assert next(ticks) < 20  # nobody goes on for long once it is over


def test_without_stock_pieces_are_left_over():
    one = carton("one", 100, 100, 100, stock=1)
    answer = plan(piece("cube", 100, 100, 100, qty=3), cartons=(one,))
    assert codes(answer) == ["one"]
    assert [(rest.qty, rest.reason) for rest in answer.unpacked] == [(2, "no carton left")]


def test_an_empty_order_is_an_empty_plan():
    answer = plan()
    assert (answer.cartons, answer.unpacked, answer.total, answer.proven) == ((), (), 0, True)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: PackRules(support_min=1.1),
        lambda: PackRules(fill_max=0),
        lambda: PackRules(clearance_mm=-1),
        lambda: PackRules(pieces_max=0),
        lambda: PackRules(dim_divisor=0),
        lambda: piece("x", 1, 1, 1, qty=0),
        lambda: piece("x", 1, 1, 1, load_max_g=-1),
        lambda: carton("x", 0, 1, 1),
        lambda: carton("x", 1, 1, 1, tare_g=10_000),
        lambda: carton("x", 1, 1, 1, stock=-1),
        lambda: plan(cartons=(SMALL, SMALL)),
    ],
)
def test_a_broken_bound_is_named(broken):
    with pytest.raises(ValueError, match="must be"):
        broken()


@pytest.mark.parametrize(
    ("orientation", "stands"),
    [("free", True), ("upright", False), ("flat", True), ("fixed", False)],
)
def test_a_tall_piece_goes_into_a_low_carton_only_if_it_may_be_laid_down(orientation, stands):
    answer = plan(piece("mast", 20, 30, 150, orientation=orientation), cartons=(SMALL,))
    assert bool(answer.cartons) == stands
    if stands:
        assert answer.cartons[0].placements[0].dz_mm <= 30


def test_flat_lays_the_shortest_edge_upright_and_upright_turns_only_around_the_height():
    laid = plan(piece("book", 90, 20, 60, orientation="flat"), cartons=(SMALL,))
    assert laid.cartons[0].placements[0].dz_mm == 20
    deep = carton("deep", 60, 190, 100)
    turned = plan(piece("jar", 180, 50, 90, orientation="upright"), cartons=(deep,))
    place = turned.cartons[0].placements[0]
    assert (place.dx_mm, place.dy_mm, place.dz_mm) == (50, 180, 90)


def test_a_carton_takes_no_more_pieces_and_no_more_gross_weight_than_it_may():
    crumbs = piece("crumb", 10, 10, 10, weight_g=1, qty=7)
    assert len(plan(crumbs, cartons=(SMALL,), pieces_max=3).cartons) == 3
    weights = piece("weight", 10, 10, 10, weight_g=3300, qty=7)
    answer = plan(weights, cartons=(SMALL,))
    assert sorted(box.weight_g for box in answer.cartons) == [3400, 10_000, 10_000]


def test_a_base_that_would_hang_over_is_not_accepted():
    post = piece("post", 40, 100, 60, orientation="fixed")
    pane = piece("pane", 200, 100, 40, orientation="fixed", fragile=True)
    assert len(plan(post, pane, cartons=(SMALL,), support_min=0.2).cartons) == 1
    assert len(plan(post, pane, cartons=(SMALL,), support_min=0.3).cartons) == 2


def test_each_hazard_and_temperature_class_has_cartons_of_its_own():
    answer = plan(
        piece("acid", 50, 50, 50, separation="corrosive"),
        piece("fuel", 50, 50, 50, separation="flammable"),
        piece("cheese", 50, 50, 50, separation="chilled"),
        piece("ice", 50, 50, 50, separation="frozen"),
        piece("bread", 50, 50, 50, qty=2),
    )
    together = sorted(sorted(p.ref for p in box.placements) for box in answer.cartons)
    assert together == [["acid"], ["bread", "bread"], ["cheese"], ["fuel"], ["ice"]]


def test_equal_pieces_by_the_hundred_fill_a_carton_without_gaps():
    crate = carton("crate", 200, 200, 200)
    tins = piece("tin", 40, 40, 40, weight_g=1, qty=125)
    answer = plan(tins, cartons=(crate,), rounds=0, support_min=1)
    assert [box.void_share for box in answer.cartons] == [0]
    assert [p.step for p in answer.cartons[0].placements] == list(range(1, 126))
