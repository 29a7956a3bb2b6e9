"""Exact tours: agree with trying every order, visit everything, cope with blocks and dead ends."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planning.worlds import hall, shortest_by_trying
from wms.planning.route import plan_route
from wms.planning.route_rules import RULES, plan_by_rule
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot, path_mm

quick = settings(max_examples=40, deadline=None, derandomize=True)
picks = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7)), max_size=5)
ends = st.sampled_from([("depot", "depot"), ("depot", "dock"), ("1-3", "depot"), ("2-2", "2-6")])
crosses = st.sampled_from([(), (4,), (2, 5), (1, 3, 6)])


def names(cells):
    return [f"{a}-{k}" for a, k in cells]


def check(layout, stops, start, end):
    route = plan_route(layout, stops, start, end)
    assert sorted(route.order) == sorted(set(stops))
    assert path_mm(layout, (start, *route.order, end)) == route.distance_mm
    assert route.distance_mm == shortest_by_trying(layout, stops, start, end)
    assert route.proven
    assert route.bound_mm == route.distance_mm
    return route


@quick
@given(picks, crosses, ends)
def test_the_tour_is_as_short_as_the_best_of_all_orders(cells, crosses, ends):
    check(hall(4, 8, crosses), names(cells), *ends)


@quick
@given(picks, st.integers(0, 3), st.integers(0, 2), ends)
def test_partial_cross_aisles_and_dead_ends_are_respected(cells, short, open_to, ends):
    top = 9000
    aisles = tuple(
        AisleLine(str(a), a * 3000, 0, top) if a != short else AisleLine(str(a), a * 3000, 0, 8000)
        for a in range(4)
    )
    lanes = (CrossAisle(0), CrossAisle(top, 0, (open_to + 1) * 3000), CrossAisle(4500, 3000, 9000))
    layout = hall(4, 8, aisles=aisles, cross_aisles=lanes)
    layout = Layout(layout.aisles, layout.cross_aisles, layout.spots, join_mm=500)
    check(layout, names(cells), *ends)


@quick
@given(picks, st.booleans())
def test_a_station_on_an_open_floor_reaches_every_aisle_mouth_directly(cells, same):
    stations = (Spot("depot", 4000, -3000, open_floor=True), Spot("dock", 9000, 9300))
    layout = hall(4, 8, (4,), stations=stations)
    check(layout, names(cells), "depot", "depot" if same else "dock")


def test_bins_of_a_blocked_aisle_are_named_and_the_rest_is_toured():
    aisles = tuple(AisleLine(str(a), a * 3000, 0, 9000, blocked=a == 1) for a in range(4))
    layout = hall(4, 8, aisles=aisles)
    route = plan_route(layout, ["0-1", "1-1", "3-4"], "depot", "depot")
    assert route.unreachable == ("1-1",)
    assert route.order in {("0-1", "3-4"), ("3-4", "0-1")}
    assert not route.feasible
    assert math.isinf(layout.distance_mm("0-1", "1-1"))


@quick
@given(picks, ends)
def test_one_way_aisles_are_walked_the_right_way(cells, ends):
    turns = ("up", "down", "both", "up")
    aisles = tuple(AisleLine(str(a), a * 3000, 0, 9000, turns[a]) for a in range(4))
    layout = hall(4, 8, aisles=aisles)
    stops = [spot for spot in names(cells) if spot not in ends]
    route = plan_route(layout, stops, *ends)
    assert route.distance_mm == shortest_by_trying(layout, stops, *ends)


@quick
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7)), max_size=14), crosses)
def test_no_rule_is_shorter_than_the_exact_tour(cells, crosses):
    layout, stops = hall(4, 8, crosses), names(cells)
    exact = plan_route(layout, stops, "depot", "depot")
    for rule in RULES:
        route = plan_by_rule(layout, stops, "depot", "depot", rule)
        assert sorted(route.order) == sorted(set(stops))
        assert route.distance_mm >= exact.distance_mm


def test_many_cross_aisles_fall_back_to_a_search_that_visits_everything():
    layout = hall(4, 30, (4, 8, 12, 16, 20, 24))
    stops = names((k % 4, k) for k in range(0, 30, 2))
    route = plan_route(layout, stops, "depot", "dock", seed=3)
    assert sorted(route.order) == sorted(stops)
    assert route.method == "search"
    assert route == plan_route(layout, stops, "depot", "dock", seed=3)


def test_an_unknown_bin_is_bad_input():
    with pytest.raises(ValueError, match="spot must be in the layout"):
        plan_route(hall(2, 2), ["9-9"], "depot", "depot")


def test_no_stops_is_the_walk_from_start_to_end():
    layout = hall(3, 4)
    assert plan_route(layout, [], "depot", "depot").distance_mm == 0
    route = plan_route(layout, [], "depot", "dock")
    assert route.distance_mm == layout.distance_mm("depot", "dock")
