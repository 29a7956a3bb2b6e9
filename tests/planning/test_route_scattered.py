"""Scattered storage: demand met from what lies there, and as short as the best of all choices."""

from itertools import combinations, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planning.worlds import hall
from wms.planning.route import plan_route
from wms.planning.scattered import Demand, Stock, plan_scattered, warm_up
from wms.planning.stop import MaxRounds
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot, path_mm

LAYOUT = hall(4, 8, (4,))
SHORT = tuple(AisleLine(str(a), a * 3000, 0, 8000 if a == 1 else 9000) for a in range(4))
LANES = (CrossAisle(0), CrossAisle(9000, 0, 6000), CrossAisle(4500, 3000, 9000))
DEAD_ENDS = hall(4, 8, aisles=SHORT, cross_aisles=LANES)
DEAD_ENDS = Layout(DEAD_ENDS.aisles, LANES, DEAD_ENDS.spots, join_mm=500)
OPEN_FLOOR = (Spot("depot", 4000, -3000, open_floor=True), Spot("dock", 9000, 9300))
HALLS = [
    (hall(4, 8), "depot", "depot"),
    (LAYOUT, "depot", "dock"),
    (hall(4, 8, (2, 5)), "depot", "depot"),
    (DEAD_ENDS, "depot", "dock"),
    (hall(4, 8, (4,), stations=OPEN_FLOOR), "depot", "depot"),
    (hall(4, 8, stations=OPEN_FLOOR), "depot", "dock"),
]
cells = st.tuples(st.integers(0, 3), st.integers(0, 7))
shelves = st.lists(st.tuples(cells, st.integers(1, 3)), min_size=1, max_size=4)


def best_by_trying(wanted, stock, layout=LAYOUT, start="depot", end="depot"):
    """Shortest tour over every choice of bins that covers the demand."""
    choices = []
    for item, qty in wanted.items():
        rows = [row for row in stock if row.item == item]
        choices.append(
            [
                {row.spot for row in some}
                for size in range(1, len(rows) + 1)
                for some in combinations(rows, size)
                if sum(row.qty for row in some) >= qty
            ]
        )
    unions = {frozenset().union(*some) for some in product(*choices)}
    return min(plan_route(layout, sorted(some), start, end).distance_mm for some in unions)


def drawn(rows):
    """What is wanted and what lies where."""
    stock, wanted = [], {}
    for number, (qty, found) in enumerate(rows):
        item = f"i{number}"
        spots = {f"{a}-{k}": units for (a, k), units in found}
        stock += [Stock(item, spot, units) for spot, units in spots.items()]
        wanted[item] = min(qty, sum(spots.values()))
    return wanted, stock, [Demand(item, qty) for item, qty in wanted.items()]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 4), shelves), min_size=1, max_size=3), st.data())
def test_a_proven_choice_is_the_shortest_in_halls_of_any_shape(rows, data):
    layout, start, end = data.draw(st.sampled_from(HALLS))
    wanted, stock, demand = drawn(rows)
    plan = plan_scattered(layout, demand, stock, start, end, MaxRounds(60))
    best = best_by_trying(wanted, stock, layout, start, end)
    assert plan.proven
    assert plan.bound_mm == plan.route.distance_mm == best


def test_the_bound_never_exceeds_the_plan_and_more_rounds_are_never_longer():
    wanted, stock, demand = drawn(
        (3, [((k * 7 % 4, (k * 5 + j) % 8), 1 + k % 2) for k in range(j, j + 7)]) for j in range(6)
    )
    lengths = []
    for rounds in (0, 1, 5, 40):
        plan = plan_scattered(LAYOUT, demand, stock, "depot", "dock", MaxRounds(rounds), seed=4)
        assert plan.feasible
        assert plan.bound_mm <= plan.route.distance_mm
        lengths.append(plan.route.distance_mm)
    assert lengths == sorted(lengths, reverse=True)
    assert len(wanted) == 6


@pytest.mark.parametrize("most", [1, 4])
def test_where_there_is_much_to_choose_from_the_search_finds_what_the_first_plan_misses(most):
    luck = Random(5)
    layout = hall(20, 30, (15,))
    wanted, stock, demand = drawn(
        (
            luck.randint(1, most),
            [((luck.randrange(20), luck.randrange(30)), luck.randint(1, most)) for _ in range(8)],
        )
        for _ in range(15)
    )
    first = plan_scattered(layout, demand, stock, "depot", "depot", MaxRounds(0))
    plan = plan_scattered(layout, demand, stock, "depot", "depot", MaxRounds(40))
    assert plan.feasible
    assert plan.bound_mm <= plan.route.distance_mm < 0.9 * first.route.distance_mm
    assert sum(pick.qty for pick in plan.picks) == sum(wanted.values())
    assert plan == plan_scattered(layout, demand, stock, "depot", "depot", MaxRounds(40))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 5), shelves), min_size=1, max_size=3))
def test_the_choice_is_as_short_as_the_best_and_meets_the_demand(rows):
    wanted, stock, demand = drawn(rows)
    plan = plan_scattered(LAYOUT, demand, stock, "depot", "depot", MaxRounds(10))
    there = {(row.item, row.spot): row.qty for row in stock}
    taken = dict.fromkeys(wanted, 0)
    for pick in plan.picks:
        assert 0 < pick.qty <= there[pick.item, pick.spot]
        taken[pick.item] += pick.qty
    assert taken == wanted
    assert plan.feasible
    assert sorted(plan.route.order) == sorted({pick.spot for pick in plan.picks})
    assert plan.route.distance_mm == best_by_trying(wanted, stock)
    assert plan == plan_scattered(LAYOUT, demand, stock, "depot", "depot", MaxRounds(10))


def test_missing_stock_is_named_and_the_rest_is_picked():
    stock = [Stock("a", "1-1", 2), Stock("b", "2-2", 5)]
    plan = plan_scattered(LAYOUT, [Demand("a", 3), Demand("b", 1)], stock, "depot", "depot")
    assert plan.short == (("a", 1),)
    assert not plan.feasible
    assert {(p.item, p.qty) for p in plan.picks} == {("a", 2), ("b", 1)}


def test_a_bin_in_a_blocked_aisle_is_left_out_and_where_there_is_no_other_it_is_missing():
    aisles = tuple(AisleLine(str(a), a * 3000, 0, 9000, blocked=a == 1) for a in range(4))
    layout = hall(4, 8, aisles=aisles)
    stock = [Stock("a", "1-1", 2), Stock("a", "3-7", 2), Stock("b", "1-2", 5)]
    plan = plan_scattered(layout, [Demand("a", 1), Demand("b", 1)], stock, "depot", "depot")
    assert {(pick.item, pick.spot) for pick in plan.picks} == {("a", "3-7")}
    assert plan.short == (("b", 1),)


def test_one_way_aisles_are_walked_the_right_way_and_nothing_is_said_to_be_proven():
    turns = ("up", "down", "both", "up")
    aisles = tuple(AisleLine(str(a), a * 3000, 0, 9000, turns[a]) for a in range(4))
    layout = hall(4, 8, aisles=aisles)
    stock = [Stock("a", "0-1", 2), Stock("a", "3-7", 2), Stock("b", "1-2", 5), Stock("b", "2-6", 1)]
    plan = plan_scattered(layout, [Demand("a", 1), Demand("b", 1)], stock, "depot", "depot")
    assert plan.feasible
    assert path_mm(layout, ("depot", *plan.route.order, "depot")) == plan.route.distance_mm
    assert not plan.proven


def test_the_warm_up_plans_to_the_end():
    assert warm_up()


def test_bad_demand_is_named():
    with pytest.raises(ValueError, match="qty must be >= 1"):
        Demand("a", 0)
    with pytest.raises(ValueError, match="items of the demand must be unique"):
        plan_scattered(LAYOUT, [Demand("a", 1), Demand("a", 2)], [], "depot", "depot")


def lifted(low_cell: int, high_mm: int) -> tuple[Layout, list[Stock]]:
    """The same goods at the foot of aisle 1 on a high level, and in the given cell at hand."""
    plain = hall(4, 8)
    spots = [
        Spot("up", 3000, 1000, high_mm, "1"),
        Spot("hand", 3000, (low_cell + 1) * 1000, 1000, "1"),
    ]
    layout = Layout(plain.aisles, plain.cross_aisles, (*plain.spots, *spots))
    return layout, [Stock("a", "up", 5), Stock("a", "hand", 5)]


@pytest.mark.parametrize(
    ("low_cell", "high_mm", "taken"),
    [
        (0, 1900, "hand"),  # equal walking: the lower bin
        (0, 1800, None),  # both within reach: either
        (3, 5800, "hand"),  # 2 * 4 m of lifting are 32 s; 6 s more of walking are less
        (3, 2000, "up"),  # 1.6 s of lifting are less than 6 s of walking
    ],
)
def test_lifting_is_weighed_against_walking_by_its_time(low_cell, high_mm, taken):
    layout, stock = lifted(low_cell, high_mm)
    for rows in (stock, stock[::-1]):
        plan = plan_scattered(layout, [Demand("a", 2)], rows, "depot", "depot", MaxRounds(5))
        assert taken is None or [pick.spot for pick in plan.picks] == [taken]


def cost_by_trying(layout, wanted, stock):
    """Least walk and lifting over every choice of bins that covers the demand."""
    found = []
    for some in product(*([False, True] for _ in stock)):
        rows = [row for row, on in zip(stock, some, strict=True) if on]
        there = dict.fromkeys(wanted, 0)
        for row in rows:
            there[row.item] += row.qty
        if all(there[item] >= qty for item, qty in wanted.items()):
            tour = plan_route(layout, sorted({row.spot for row in rows}), "depot", "depot")
            found.append(tour.distance_mm + sum(layout.lift_mm(row.spot) for row in rows))
    return min(found)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 4), shelves), min_size=1, max_size=2), st.data())
def test_walk_and_lifting_together_are_least(rows, data):
    wanted, stock, demand = drawn(rows)
    heights = {row.spot: data.draw(st.sampled_from([0, 1000, 2300, 4000])) for row in stock}
    spots = tuple(
        Spot(s.id, s.x_mm, s.y_mm, heights.get(s.id, 0), s.aisle_id) for s in LAYOUT.spots
    )
    layout = Layout(LAYOUT.aisles, LAYOUT.cross_aisles, spots)
    plan = plan_scattered(layout, demand, stock, "depot", "depot", MaxRounds(40))
    cost = plan.route.distance_mm + sum(layout.lift_mm(pick.spot) for pick in plan.picks)
    best = cost_by_trying(layout, wanted, stock)
    assert cost == best
    assert plan.bound_mm <= best
    assert not plan.proven or cost == plan.bound_mm
