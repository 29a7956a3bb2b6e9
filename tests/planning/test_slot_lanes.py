"""Tours of many orders abreast are those of one at a time, and a price is the tour with the stop.

Halls of every shape the map knows: whole ones, dead ends, partial cross aisles, open floors.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planning.worlds import hall
from wms.planning.floor import COLUMNS, LEVELS, STATES, WORD, FloorMap, compile_floor
from wms.planning.slot_lanes import LANES, lane_work, tour_costs
from wms.planning.slot_prices import price_places
from wms.planning.tour_cost import tour_cost
from wms.planning.travel import AisleLine, CrossAisle, Layout, Place, Spot

quick = settings(max_examples=20, deadline=None, derandomize=True)
CELLS = 40  # more than a word of bits in an aisle
OPEN_FLOOR = (Spot("depot", 4000, -3000, open_floor=True), Spot("dock", 9000, 41_300))
DEAD = tuple(AisleLine(str(a), a * 3000, 0, 40_000 if a == 1 else 41_000) for a in range(4))
LANES_CUT = (CrossAisle(0), CrossAisle(41_000, 0, 6000), CrossAisle(20_500, 3000, 9000))
dead_ends = hall(4, CELLS, aisles=DEAD, cross_aisles=LANES_CUT)


def compiled(layout: Layout, end: str) -> tuple[FloorMap, list[Place]]:
    """The floor of a hall with all of its bins, and their places."""
    bins = [layout.place(spot.id) for spot in layout.spots if spot.aisle_id is not None]
    places = [place for place in bins if place is not None]
    depot, goal = layout.place("depot"), layout.place(end)
    assert depot is not None
    assert goal is not None
    return compile_floor(layout.grid, places, depot, goal), places


FLOORS = [
    compiled(hall(4, CELLS), "depot"),
    compiled(hall(4, CELLS, (20,)), "dock"),
    compiled(hall(3, CELLS, (10, 30)), "depot"),
    compiled(Layout(dead_ends.aisles, LANES_CUT, dead_ends.spots, join_mm=500), "dock"),
    compiled(hall(4, CELLS, (20,), stations=OPEN_FLOOR), "depot"),
    compiled(hall(4, CELLS, stations=OPEN_FLOOR), "dock"),
]
numbers = st.lists(st.lists(st.integers(0, 4 * CELLS - 1), max_size=9), min_size=1, max_size=LANES)


def masks_of(floor: FloorMap, places: list[Place], orders: list[list[int]]) -> np.ndarray:
    masks = np.zeros((LANES, floor.words), np.int64)
    for lane, order in enumerate(orders):
        masks[lane] = floor.mask(places[number % len(places)] for number in order)
    return masks


@pytest.mark.parametrize("number", range(len(FLOORS)))
@quick
@given(numbers)
def test_tours_abreast_are_as_long_as_each_alone(number, orders):
    floor, places = FLOORS[number]
    masks, work = masks_of(floor, places, orders), lane_work(int(floor.flat[STATES]))
    lengths = np.zeros(LANES, np.int64)
    tour_costs(floor.flat, masks, len(orders), np.zeros(floor.words, np.int64), work, lengths)
    alone = [tour_cost(floor.flat, mask, 0, floor.words, floor.work()) for mask in masks]
    assert lengths[: len(orders)].tolist() == alone[: len(orders)]


@pytest.mark.parametrize("number", range(len(FLOORS)))
@quick
@given(numbers, st.lists(st.integers(0, 4 * CELLS - 1), min_size=1, max_size=6))
def test_the_price_of_a_place_is_the_weighed_sum_of_tours_with_a_stop_there(number, orders, asked):
    floor, places = FLOORS[number]
    states, slots = int(floor.flat[STATES]), int(floor.flat[COLUMNS] * (floor.flat[LEVELS] + 1))
    masks, prices = masks_of(floor, places, orders), np.zeros(floor.words * WORD, np.int64)
    stages = np.zeros((slots * states, LANES), np.int64)
    after = np.zeros((floor.words * WORD, LANES), np.int64)
    # Priced twice: what is added to is kept, and the scratch space carries nothing over.
    work, weight = lane_work(states), np.arange(1, LANES + 1)
    for _ in range(2):
        price_places(floor.flat, masks, weight, len(orders), work, stages, after, prices)
    for place in (places[number % len(places)] for number in asked):
        word, bit = floor.bits[place]
        longer = masks[: len(orders)] | floor.mask([place])
        alone = [tour_cost(floor.flat, mask, 0, floor.words, floor.work()) for mask in longer]
        assert prices[WORD * word + bit] == 2 * (weight[: len(orders)] * alone).sum()
