"""Batches: complete, within the cart, repeatable, never longer than first-come, hot apart."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planning.worlds import hall, shortest_by_trying
from wms.planning import batch, batch_exact, batch_run
from wms.planning.batch import Batches, BatchLine, BatchOrder, Cart, plan_batches, slots_needed
from wms.planning.route import plan_route
from wms.planning.stop import MaxRounds

quick = settings(max_examples=20, deadline=None, derandomize=True)
LAYOUT = hall(4, 8)
cells = st.tuples(st.integers(0, 3), st.integers(0, 7))
lines = st.lists(st.tuples(cells, st.integers(1, 4)), min_size=1, max_size=4)


@st.composite
def order_lists(draw, most=9):
    found = draw(st.lists(st.tuples(lines, st.integers(1, 3)), min_size=1, max_size=most))
    return [
        BatchOrder(
            f"o{number}",
            tuple(
                BatchLine(f"{number}.{k}", f"{a}-{c}", qty, qty * 1000, qty * 100)
                for k, ((a, c), qty) in enumerate(picks)
            ),
            boxes=boxes,
        )
        for number, (picks, boxes) in enumerate(found)
    ]


def plan(orders, cart, rounds=3, seed=1, **more) -> Batches:
    return plan_batches(LAYOUT, orders, cart, "depot", "depot", MaxRounds(rounds), seed, **more)


def first_come_mm(orders, cart) -> float:
    total, batch, used = 0.0, [], [0, 0, 0]
    for order in orders:
        load = [
            slots_needed(order, cart),
            sum(line.weight_g for line in order.lines),
            sum(line.qty for line in order.lines),
        ]
        caps = [cart.slots, cart.weight_max_g or 10**9, cart.units_max or 10**9]
        if batch and any(u + n > cap for u, n, cap in zip(used, load, caps, strict=True)):
            total, batch, used = total + tour_mm(batch), [], [0, 0, 0]
        batch.append(order)
        used = [u + n for u, n in zip(used, load, strict=True)]
    return total + (tour_mm(batch) if batch else 0)


def tour_mm(batch) -> float:
    spots = [line.spot for order in batch for line in order.lines]
    return plan_route(LAYOUT, spots, "depot", "depot").distance_mm


@quick
@given(order_lists(), st.integers(3, 6), st.integers(8, 30))
def test_every_order_rides_once_in_slots_of_its_own_within_the_cart(orders, slots, units):
    cart = Cart(slots, volume_max_mm3_per_slot=5000, weight_max_g=2500, units_max=units)
    plan_ = plan(orders, cart)
    by_id = {order.id: order for order in orders}
    assert sorted(s.order for tour in plan_.tours for s in tour.orders) == sorted(by_id)
    for tour in plan_.tours:
        used = [slot for stowed in tour.orders for slot in stowed.slots]
        riders = [by_id[stowed.order] for stowed in tour.orders]
        assert len(set(used)) == len(used)
        assert all(len(s.slots) == slots_needed(by_id[s.order], cart) for s in tour.orders)
        assert set(tour.stops) == {line.spot for order in riders for line in order.lines}
        assert tour.distance_mm == tour_mm(riders)
        if tour.fits:
            assert set(used) <= set(range(slots))
            assert sum(line.qty for order in riders for line in order.lines) <= units
            assert sum(line.weight_g for order in riders for line in order.lines) <= 2500
        else:
            assert len(riders) == 1
    assert plan_.feasible == all(tour.fits for tour in plan_.tours)


@quick
@given(order_lists(), st.integers(3, 6))
def test_same_seed_same_plan_more_rounds_never_longer_and_never_beyond_first_come(orders, slots):
    cart = Cart(slots)
    none, some, more = (plan(orders, cart, rounds) for rounds in (0, 2, 5))
    assert some == plan(orders, cart, 2)
    assert more.distance_mm <= some.distance_mm <= none.distance_mm
    assert none.distance_mm <= first_come_mm(orders, cart)
    assert more.bound_mm <= more.distance_mm


def test_very_many_orders_are_planned_in_windows_by_the_same_rules(monkeypatch):
    monkeypatch.setattr(batch, "WINDOW", 6)
    orders = [
        BatchOrder(f"o{k}", (BatchLine(f"{k}", f"{k * 7 % 4}-{k * 5 % 8}", 1),)) for k in range(20)
    ]
    cart = Cart(3)
    plan_ = plan(orders, cart)
    riders = sorted(stowed.order for tour in plan_.tours for stowed in tour.orders)
    assert riders == sorted(order.id for order in orders)
    assert all(len(tour.orders) <= 3 for tour in plan_.tours)
    assert plan_.distance_mm <= first_come_mm(orders, cart)


def best_by_trying(orders, cart) -> float:
    costs = {}
    for size in range(1, len(orders) + 1):
        for group in combinations(range(len(orders)), size):
            riders = [orders[k] for k in group]
            if sum(slots_needed(order, cart) for order in riders) <= cart.slots:
                costs[sum(1 << k for k in group)] = tour_mm(riders)
    best = [0.0] + [float("inf")] * ((1 << len(orders)) - 1)
    for mask in range(1, 1 << len(orders)):
        for group, cost in costs.items():
            if group & mask == group and group & (mask & -mask):
                best[mask] = min(best[mask], best[mask ^ group] + cost)
    return best[-1]


@settings(max_examples=8, deadline=None, derandomize=True)
@given(order_lists(most=6))
def test_tiny_cases_reach_the_best_of_all_groupings(orders):
    cart = Cart(4)
    plan_ = plan(orders, cart, rounds=1)
    assert plan_.distance_mm == plan_.bound_mm == best_by_trying(orders, cart)
    assert plan_.proven


@settings(max_examples=8, deadline=None, derandomize=True)
@given(order_lists(most=6))
def test_exchanges_alone_reach_the_best_of_all_groupings_of_a_tiny_case(orders):
    cart = Cart(4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_exact, "ORDERS_MOST", 0)
        plan_ = plan(orders, cart, rounds=4)
    assert plan_.distance_mm == best_by_trying(orders, cart)
    assert plan_.proven == (len(orders) == 1)


def test_priced_tours_reach_the_best_of_all_groupings_without_any_exchange(monkeypatch):
    monkeypatch.setattr(batch_exact, "ORDERS_MOST", 0)
    monkeypatch.setattr(batch_run, "MOVES", 1)
    monkeypatch.setattr(batch_run, "FIRST_CYCLE", 1)
    monkeypatch.setattr(batch_run, "PRICED_FROM", 0)
    spots = [[f"{k * 7 % 4}-{k * 5 % 8}", f"{k * 3 % 4}-{k * 11 % 8}"] for k in range(9)]
    orders = [
        BatchOrder(f"o{k}", tuple(BatchLine(f"{k}.{s}", s, 1) for s in found), boxes=1 + k % 2)
        for k, found in enumerate(spots)
    ]
    cart = Cart(4)
    lengths = [plan(orders, cart, rounds).distance_mm for rounds in (0, 10, 40, 90)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] == best_by_trying(orders, cart)
    assert plan(orders, cart, 40) == plan(orders, cart, 40)


def test_hot_orders_never_ride_with_late_ones():
    def order(name, due, priority=0):
        return BatchOrder(name, (BatchLine(name, "1-1", 1),), due, priority)

    orders = [
        order("a", 100),
        order("b", 9000),
        order("c", 200),
        order("d", None),
        order("e", 100, 5),
    ]
    tours = plan(orders, Cart(9), due_spread_s=600).tours
    riders = [tuple(s.order for s in tour.orders) for tour in tours]
    assert riders == [("e",), ("a", "c"), ("b",), ("d",)]
    assert [tour.due_s for tour in tours] == [100, 100, 9000, None]


def test_bad_input_names_what_is_wrong():
    line = (BatchLine("1", "1-1", 1),)
    with pytest.raises(ValueError, match="slots must be >= 1"):
        Cart(0)
    with pytest.raises(ValueError, match="order ids must be unique"):
        plan([BatchOrder("a", line), BatchOrder("a", line)], Cart(1))
    with pytest.raises(ValueError, match="spot must be in the layout"):
        plan([BatchOrder("a", (BatchLine("1", "nowhere", 1),))], Cart(1))


def test_tours_may_end_elsewhere_and_one_way_aisles_are_planned_too():
    order = BatchOrder("a", (BatchLine("1", "1-1", 1), BatchLine("2", "3-5", 1)))
    plan_ = plan_batches(LAYOUT, [order], Cart(1), "depot", "dock")
    stops = ["1-1", "3-5"]
    assert plan_.distance_mm == shortest_by_trying(LAYOUT, stops, "depot", "dock")
