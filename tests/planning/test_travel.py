"""Geometry: walks between bins and stations, blocked aisles, one-way aisles, levels above reach."""

import math
import pickle

import pytest

from tests.planning.worlds import hall
from wms.planning.travel import AisleLine, CrossAisle, Layout, Pace, Spot, path_mm


def test_walks_go_through_the_nearer_end_of_the_aisle():
    layout = hall(3, 8)
    assert layout.distance_mm("0-0", "0-5") == 5000
    assert layout.distance_mm("0-0", "1-1") == 1000 + 3000 + 2000
    assert layout.distance_mm("0-7", "2-7") == 1000 + 6000 + 1000
    assert layout.distance_mm("depot", "1-0") == 500 + 3000 + 1000
    assert path_mm(layout, ("0-0", "0-5", "0-0")) == 10000


def test_a_middle_cross_aisle_is_a_short_cut():
    assert hall(3, 8, (4,)).distance_mm("0-3", "1-3") == 500 + 3000 + 500


def test_one_way_aisles_make_distances_differ_by_direction():
    aisles = (AisleLine("0", 0, 0, 9000, "up"), AisleLine("1", 3000, 0, 9000))
    layout = hall(2, 8, aisles=aisles)
    assert layout.distance_mm("0-1", "0-3") == 2000
    assert layout.distance_mm("0-3", "0-1") == 5000 + 3000 + 9000 + 3000 + 2000


def test_a_blocked_aisle_cannot_be_reached_or_crossed():
    aisles = (AisleLine("0", 0, 0, 9000), AisleLine("1", 3000, 0, 9000, blocked=True))
    layout = hall(2, 8, aisles=aisles)
    assert math.isinf(layout.distance_mm("0-0", "1-0"))
    assert layout.place("1-0") is None


def test_an_aisle_end_near_a_cross_aisle_opens_into_it():
    aisles = (AisleLine("a", 0, 1500, 8000),)
    spots = (Spot("bin", 0, 2000, 0, "a"), Spot("desk", 0, 0))
    layout = Layout(aisles, (CrossAisle(0), CrossAisle(20000)), spots)
    assert layout.distance_mm("desk", "bin") == 2000


def test_levels_above_reach_cost_seconds_not_metres():
    pace = Pace(walk_mm_s=1000, lift_mm_s=200, reach_mm=1800)
    assert pace.access_s(Spot("low", 0, 0, 1500)) == 0
    assert pace.access_s(Spot("high", 0, 0, 3800)) == 20
    assert pace.walk_s(2500) == 2.5


def test_layouts_travel_to_worker_processes():
    layout = hall(3, 8)
    layout.distance_mm("0-0", "2-5")
    copy = pickle.loads(pickle.dumps(layout))
    assert copy == layout
    assert copy.distance_mm("0-0", "2-5") == layout.distance_mm("0-0", "2-5")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda: Layout((), (), ()), "cross_aisles"),
        (lambda: Layout((AisleLine("a", 0, 5, 1),), (CrossAisle(0),), ()), "y_from_mm"),
        (lambda: Layout((AisleLine("a", 0, 0, 9, "left"),), (CrossAisle(0),), ()), "direction"),
        (lambda: Layout((), (CrossAisle(0),), (Spot("s", 0, 0), Spot("s", 1, 1))), "spot ids"),
        (lambda: Layout((), (CrossAisle(0),), (Spot("s", 0, 0, 0, "z"),)).grid, "names no aisle"),
        (lambda: Pace(walk_mm_s=0), "walk_mm_s"),
    ],
)
def test_bad_input_names_the_bound(change, named):
    with pytest.raises(ValueError, match=named):
        change()
