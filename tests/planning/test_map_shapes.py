"""Halls of every shape: walks and tours agree with a naive map and with trying every order."""

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planning.plain_map import PlainMap, random_hall
from wms.planning.floor import compile_floor
from wms.planning.route import plan_route
from wms.planning.tour_cost import tour_cost
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot, path_mm

many = settings(max_examples=150, deadline=None, derandomize=True)
seeds = st.integers(0, 10**6)
RACK = [Spot(f"b{y}", 0, y, 0, "low" if y < 4000 else "high") for y in (1000, 3000, 5000, 8000)]
DESK = Spot("desk", 0, -500)


def bins_of(layout: Layout) -> list[str]:
    """The bins that can be reached."""
    return [s.id for s in layout.spots if s.aisle_id is not None and layout.place(s.id)]


@many
@given(seeds, st.booleans())
def test_walks_are_those_of_a_map_of_all_points(seed, signs):
    layout = random_hall(Random(seed), signs)
    plain, reached = PlainMap(layout), [*bins_of(layout), "depot", "dock"]
    for one in reached:
        walks = plain.walks(one)
        assert {two: layout.distance_mm(one, two) for two in reached} == {
            two: walks[two] for two in reached
        }
    for lost in {spot.id for spot in layout.spots} - set(reached):
        assert math.isinf(plain.walks("depot")[lost])


@many
@given(seeds, st.booleans())
def test_tours_are_as_short_as_the_best_of_all_orders(seed, signs):
    luck = Random(seed)
    layout = random_hall(luck, signs)
    bins = bins_of(layout)
    start, end = luck.choice([("depot", "depot"), ("depot", "dock"), (bins or ["dock"])[:1] * 2])
    stops = luck.sample(bins, min(len(bins), luck.randint(0, 5)))
    route, best = (
        plan_route(layout, stops, start, end),
        PlainMap(layout).shortest_tour(stops, start, end),
    )
    assert route.distance_mm == best
    assert route.feasible == (best < math.inf)
    if route.feasible:
        assert route.proven
        assert sorted(route.order) == sorted(stops)
        assert path_mm(layout, (start, *route.order, end)) == best


@many
@given(seeds)
def test_the_compiled_length_is_the_length_of_the_tour(seed):
    luck = Random(seed)
    layout = random_hall(luck, signs=False)
    bins, depot, end = bins_of(layout), layout.place("depot"), luck.choice(["depot", "dock"])
    goal = layout.place(end)
    assert depot is not None
    assert goal is not None
    if not bins or (depot.open_floor and goal.open_floor and depot != goal):
        return
    places = {spot: place for spot in bins if (place := layout.place(spot))}
    floor = compile_floor(layout.grid, places.values(), depot, goal)
    for _ in range(3):
        stops = luck.sample(bins, luck.randint(1, min(6, len(bins))))
        cost = tour_cost(
            floor.flat, floor.mask(places[s] for s in stops), 0, floor.words, floor.work()
        )
        length = plan_route(layout, stops, "depot", end).distance_mm
        assert (cost if cost < 1 << 60 else math.inf) == length


def lined_up(direction: str, crosses: tuple[CrossAisle, ...], low_end: int = 4000) -> Layout:
    """One line of two aisles, from 0 to `low_end` and from 4000 to 9000."""
    aisles = (
        AisleLine("low", 0, 0, low_end, direction),
        AisleLine("high", 0, 4000, 9000, direction),
    )
    return Layout(aisles, crosses, (*RACK, DESK), join_mm=500)


def test_aisles_that_touch_in_one_line_are_walked_through():
    both = (CrossAisle(0), CrossAisle(9000))
    assert lined_up("both", both).distance_mm("b3000", "b5000") == 2000
    assert math.isinf(lined_up("both", both, low_end=3000).distance_mm("b3000", "b5000"))


def test_one_way_signs_end_where_an_aisle_becomes_a_dead_end():
    through = lined_up("up", (CrossAisle(0), CrossAisle(9000)))
    assert math.isinf(through.distance_mm("b3000", "b1000"))
    dead_end = lined_up("up", (CrossAisle(0), CrossAisle(9000, blocked=True)))
    assert dead_end.distance_mm("b3000", "b1000") == 2000
    assert plan_route(dead_end, ["b8000"], "desk", "desk").distance_mm == 17_000


def test_an_aisle_opens_into_the_next_cross_aisle_that_passes_it():
    crosses = (CrossAisle(-2000), CrossAisle(-1000, 3000, 9000))
    layout = Layout((AisleLine("a", 0, 0, 5000),), crosses, (Spot("b", 0, 1000, 0, "a"), DESK))
    assert layout.distance_mm("desk", "b") == 1500 + 3000


def test_a_bin_in_a_cross_aisle_is_reached_against_the_one_way_sign():
    aisles = (AisleLine("a", 0, 0, 9000, "up"),)
    corner = Spot("corner", 0, 9000, 0, "a")
    layout = Layout(aisles, (CrossAisle(0), CrossAisle(9000)), (corner, Spot("dock", 4000, 9000)))
    assert layout.distance_mm("dock", "corner") == 4000


def test_two_stations_on_open_floors_are_apart_by_a_straight_line_only_on_one_side_of_the_hall():
    aisles = (AisleLine("a", 0, 0, 9000),)
    stations = (
        Spot("one", 0, -4000, open_floor=True),
        Spot("two", 3000, -8000, open_floor=True),
        Spot("far", 0, 9500, open_floor=True),
    )
    layout = Layout(aisles, (CrossAisle(0), CrossAisle(9000)), stations)
    assert layout.distance_mm("one", "two") == 5000
    assert layout.distance_mm("one", "far") == 4000 + 9000 + 500


def test_a_cross_aisle_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValueError, match="x_from_mm must be <= x_to_mm"):
        Layout((), (CrossAisle(0, 5, 1),), ())
