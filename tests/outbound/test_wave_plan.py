"""The plan of a wave: nothing lost, slots of one order each, totes within their limits."""

from collections import Counter
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wms.outbound import wave_plan
from wms.outbound.carton_plan import BoxProblem, Content, plan_boxes
from wms.outbound.wave_due import Shift
from wms.outbound.wave_plan import (
    Pick,
    Problem,
    WaveOrder,
    WavePlan,
    fill_totes,
    plan_simply,
    plan_tours,
)
from wms.planning.cartonize import CartonType
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot

AISLES = tuple(AisleLine(str(a), a * 3000, 0, 10_000) for a in (1, 2, 3))
SPOTS = tuple(
    Spot(str(a * 10 + k), a * 3000, k * 1000, aisle_id=str(a)) for a in (1, 2, 3) for k in range(10)
)
LAYOUT = Layout(AISLES, (CrossAisle(0), CrossAisle(10_000)), (*SPOTS, Spot("depot", 0, 0)))
CARTONS = tuple(
    CartonType(
        code=code, inner_length_mm=side, inner_width_mm=side, inner_height_mm=side,
        outer_length_mm=side, outer_width_mm=side, outer_height_mm=side, gross_max_g=30_000,
    )
    for code, side in (("S", 200), ("L", 400))
)  # fmt: skip


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    picks: list[Pick] = []
    orders: list[WaveOrder] = []
    for number in range(draw(st.integers(1, 6))):
        orders.append(
            WaveOrder(order_id=number, due_s=draw(st.sampled_from([0, 9000])), priority=0)
        )
        for _ in range(draw(st.integers(1, 4))):
            bin_id = draw(st.integers(1, 3)) * 10 + draw(st.integers(0, 9))
            side = draw(st.sampled_from([50, 100, 300]))
            picks.append(
                Pick(
                    allocation_id=len(picks), order_id=number, order_line_id=len(picks),
                    item_id=bin_id * 1000 + side, lot_id=None, lpn_id=None, bin_id=bin_id,
                    pick_sequence=bin_id, qty=draw(st.integers(1, 30)), length_mm=side,
                    width_mm=side, height_mm=side, weight_g=draw(st.sampled_from([0, 500])),
                )
            )  # fmt: skip
    return Problem(
        orders=tuple(orders), picks=tuple(picks), layout=LAYOUT, depot="depot",
        cart_slots=draw(st.integers(1, 4)), tote_mm3=20_000_000, tote_g=6000,
        seconds=0.01,
    )  # fmt: skip


def check(problem: Problem, plan: WavePlan) -> None:
    planned: Counter[int] = Counter()
    for tour in plan.tours:
        owner_of = dict(tour.slots)
        assert len(tour.slots) <= problem.cart_slots
        volume: Counter[int] = Counter()
        weight: Counter[int] = Counter()
        units: Counter[int] = Counter()
        for task in tour.tasks:
            assert owner_of[task.slot] == task.pick.order_id
            planned[task.pick.allocation_id] += task.qty
            volume[task.slot] += task.qty * task.pick.unit_mm3
            weight[task.slot] += task.qty * task.pick.weight_g
            units[task.slot] += task.qty
        for slot in owner_of:
            fits = volume[slot] <= problem.tote_mm3 and weight[slot] <= problem.tote_g
            assert fits or units[slot] == 1
    assert planned == {pick.allocation_id: pick.qty for pick in problem.picks}


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_simple_rule_loses_nothing_and_overfills_nothing(problem: Problem) -> None:
    check(problem, plan_simply(problem))


@settings(max_examples=10, deadline=None)
@given(problems())
def test_the_planned_wave_loses_nothing_and_overfills_nothing(problem: Problem) -> None:
    check(problem, plan_tours(problem))


def pick(**changes: object) -> Pick:
    values = {
        "allocation_id": 1, "order_id": 1, "order_line_id": 1, "item_id": 1, "lot_id": None,
        "lpn_id": None, "bin_id": 11, "pick_sequence": 11, "qty": 5, "length_mm": 100,
        "width_mm": 100, "height_mm": 100, "weight_g": 1000,
    }  # fmt: skip
    return msgspec.convert(values | changes, Pick)


def test_a_wave_too_large_for_its_time_is_planned_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wave_plan, "CHUNK", 4)
    picks = [pick(allocation_id=k, order_id=k, bin_id=10 + k) for k in range(12)]
    orders = tuple(WaveOrder(order_id=k, due_s=0, priority=0) for k in range(12))
    problem = Problem(
        orders=orders, picks=tuple(picks), layout=LAYOUT, depot="depot", cart_slots=2,
        tote_mm3=20_000_000, tote_g=6000, seconds=1.0,
    )  # fmt: skip
    ticks = count(0.0, 0.9)
    plan = plan_tours(problem, lambda: next(ticks))
    check(problem, plan)
    assert plan.stopped == "time"
    assert all(tour.metres > 0 for tour in plan.tours)


def test_a_line_that_fits_one_tote_is_not_split() -> None:
    totes = fill_totes([pick(qty=3), pick(allocation_id=2, qty=4)], 10**9, 5000)
    assert [[(part.pick.allocation_id, part.qty) for part in tote] for tote in totes] == [
        [(1, 3)],
        [(2, 4)],
    ]


def test_a_unit_larger_than_any_tote_gets_one_alone() -> None:
    totes = fill_totes([pick(qty=2, length_mm=9000)], 10_000_000, 50_000)
    assert [[part.qty for part in tote] for tote in totes] == [[1], [1]]


def test_urgent_orders_do_not_ride_with_late_ones() -> None:
    problem = Problem(
        orders=(
            WaveOrder(order_id=1, due_s=0, priority=0),
            WaveOrder(order_id=2, due_s=90_000, priority=0),
        ),
        picks=(pick(), pick(allocation_id=2, order_id=2)),
        layout=LAYOUT, depot="depot", cart_slots=4, tote_mm3=10**8,
        tote_g=20_000, seconds=0.05,
    )  # fmt: skip
    plan = plan_tours(problem)
    assert [[order_id for _, order_id in tour.slots] for tour in plan.tours] == [[1], [2]]


def test_equal_contents_get_the_same_carton_and_each_unit_a_place() -> None:
    contents = tuple(
        Content(
            order_id=order_id, item_id=7, qty=5, length_mm=100, width_mm=100, height_mm=100,
            weight_g=1000, fragile=False, upright=False, separation="",
        )
        for order_id in (2, 1)
    )  # fmt: skip
    planned = plan_boxes(BoxProblem(contents=contents, carton_types=CARTONS, seconds=1))
    assert [(each.order_id, each.number, each.type_code) for each in planned] == [
        (2, 1, "S"),
        (1, 1, "S"),
    ]
    assert [place["item_id"] for place in planned[0].placements] == [7] * 5


def test_what_ships_in_its_own_package_gets_no_carton() -> None:
    contents = tuple(
        Content(
            order_id=1, item_id=item_id, qty=2, length_mm=100, width_mm=100, height_mm=100,
            weight_g=1000, fragile=False, upright=False, separation="",
            own_container=item_id == 8,
        )
        for item_id in (7, 8)
    )  # fmt: skip
    [planned] = plan_boxes(BoxProblem(contents=contents, carton_types=CARTONS, seconds=1))
    assert [place["item_id"] for place in planned.placements] == [7, 7]


def test_when_time_is_over_packers_choose() -> None:
    content = Content(
        order_id=1, item_id=7, qty=1, length_mm=100, width_mm=100, height_mm=100, weight_g=0,
        fragile=False, upright=False, separation="",
    )  # fmt: skip
    ticks = iter([0.0, 3.0])
    problem = BoxProblem(contents=(content,), carton_types=CARTONS, seconds=1)
    assert plan_boxes(problem, lambda: next(ticks)) == ()


def crowd(**changes: Any) -> Problem:
    """Two urgent orders at both ends of the hall, each with a neighbour that has more time."""
    bins = {1: 19, 2: 39, 3: 19, 4: 39}
    orders = tuple(
        WaveOrder(order_id=n, due_s=160 if n < 3 else 3000, priority=0) for n in bins
    )
    picks = tuple(pick(allocation_id=n, order_id=n, bin_id=bin_id) for n, bin_id in bins.items())
    shift = Shift(now_s=0, ready_s=(0.0,), setup_s=60, per_line_s=10, walk_mm_s=1000)
    problem = Problem(
        orders=orders, picks=picks, layout=LAYOUT, depot="depot", cart_slots=2,
        tote_mm3=20_000_000, tote_g=6000, seconds=1.0, shift=shift,
    )  # fmt: skip
    return msgspec.structs.replace(problem, **changes)


def test_a_tour_is_made_longer_where_that_keeps_an_order_from_being_late() -> None:
    relaxed = plan_tours(crowd(shift=None))
    in_time = plan_tours(crowd())
    check(crowd(), in_time)
    assert {order for _, order in in_time.tours[0].slots} == {1, 2}
    assert "due times" in in_time.method
    assert relaxed.metres < in_time.metres
    assert in_time.metres <= 1.3 * relaxed.metres


def test_trucks_that_are_gone_and_trucks_with_time_change_nothing() -> None:
    relaxed = plan_tours(crowd(shift=None))
    for now in (-100_000, 4_000):
        shift = msgspec.structs.replace(crowd().shift, now_s=now)  # type: ignore[type-var]
        plan = plan_tours(crowd(shift=shift))
        assert (plan.method, plan.metres) == ("batched and routed", relaxed.metres)


@settings(max_examples=10, deadline=None)
@given(problems(), st.integers(0, 9000))
def test_a_wave_planned_with_due_times_loses_nothing_and_comes_in_its_order(
    problem: Problem, now_s: int
) -> None:
    shift = Shift(now_s=now_s, ready_s=(0.0, 300.0), setup_s=60, per_line_s=10, walk_mm_s=1000)
    plan = plan_tours(msgspec.structs.replace(problem, shift=shift))
    check(problem, plan)
    due = {order.order_id: order.due_s for order in problem.orders}
    ranks = [min(due[order] for _, order in tour.slots) for tour in plan.tours]
    assert ranks == sorted(ranks)
