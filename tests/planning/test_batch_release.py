"""Releasing orders from mixed shelves: limits kept, stock used once, walks as stated."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wms.planning.comb import comb_walk
from wms.planning.release import Limits, StockPiece, WaitingOrder, plan_release
from wms.planning.stop import MaxRounds

BACK = 10


def between(one, two):
    middle = abs(one[1]) + abs(two[1])
    if one[1] * two[1] > 0:
        middle = min(middle, 2 * BACK - middle)
    return middle + abs(one[0] - two[0])


def walked(spots):
    stops = [(0, 0), *spots, (0, 0)]
    return sum(between(one, two) for one, two in pairwise(stops))


spots = st.tuples(st.integers(-6, 6), st.integers(-9, 9))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(spots, max_size=9))
def test_a_comb_walk_visits_all_and_is_no_longer_than_stated(found):
    order, length = comb_walk(found, -BACK, BACK)
    assert sorted(order) == list(range(len(found)))
    assert walked([found[k] for k in order]) <= length
    reach = max([x for x, _ in found] + [0]) - min([x for x, _ in found] + [0])
    assert length <= 2 * reach + sum(2 * abs(depth) for _, depth in found)


def test_deep_picks_side_by_side_are_walked_along_the_back():
    deep = [(1, 9), (2, 9), (3, 9), (4, 9)]
    assert comb_walk(deep, -BACK, BACK)[1] == 2 * 4 + 2 * BACK + 2 * 2
    assert comb_walk(deep, None, None)[1] == 2 * 4 + 4 * 18


@st.composite
def worlds(draw):
    stock = draw(
        st.lists(
            st.tuples(st.integers(0, 5), st.sampled_from("AB"), spots), min_size=4, max_size=30
        )
    )
    orders = draw(
        st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3), min_size=1, max_size=8)
    )
    return (
        [StockPiece(str(item), zone, x, depth) for item, zone, (x, depth) in stock],
        [WaitingOrder(f"o{k}", tuple(map(str, items))) for k, items in enumerate(orders)],
    )


@settings(max_examples=20, deadline=None, derandomize=True)
@given(worlds(), st.integers(1, 8))
def test_limits_are_kept_and_every_stock_piece_serves_once(world, pieces_min):
    stock, orders = world
    limits = Limits(pieces_min, 3, 10, -BACK, BACK)
    volumes = {str(item): item for item in range(6)}
    plan = plan_release(orders, stock, volumes, limits, MaxRounds(2), 1)
    wanted = {order.id: order for order in orders}
    used = []
    for batch in plan.batches:
        assert len(batch.orders) <= 3
        given_ = {order: [] for order in batch.orders}
        for walk in batch.lists:
            assert {stock[n].zone for _, n in walk.picks} == {walk.zone}
            assert sum(volumes[stock[n].item] for _, n in walk.picks) <= 10
            assert walked([(stock[n].x, stock[n].depth) for _, n in walk.picks]) <= walk.distance
            for order, number in walk.picks:
                used.append(number)
                given_[order].append(stock[number].item)
        for order, items in given_.items():
            assert sorted(items) == sorted(wanted[order].items)
    assert len(used) == len(set(used)) == plan.pieces
    assert plan.feasible == (plan.pieces >= pieces_min)
    assert plan == plan_release(orders, stock, volumes, limits, MaxRounds(2), 1)
    assert (
        plan.distance
        >= plan_release(orders, stock, volumes, limits, MaxRounds(6), 1).distance - 1e-9
    )


def test_bad_limits_are_named():
    with pytest.raises(ValueError, match="orders_max must be >= 1"):
        Limits(1, 0, 1)
