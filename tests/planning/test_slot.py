"""Slotting: popular and correlated items near the door, and only moves that pay back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wms.planning.route import plan_route
from wms.planning.slot import PickFace, SlotItem, SlotRules, plan_slots
from wms.planning.stop import MaxRounds
from wms.planning.travel import AisleLine, CrossAisle, Layout, Spot
from wms.planning.zones import plan_zones

SMALL = settings(max_examples=25, deadline=None, derandomize=True)
SPOTS = [
    Spot(f"{aisle}.{y}", aisle * 4000, 1000 + y * 2000, 0, str(aisle))
    for aisle in range(3)
    for y in range(4)
]
LAYOUT = Layout(
    tuple(AisleLine(str(aisle), aisle * 4000, 0, 10_000) for aisle in range(3)),
    (CrossAisle(0), CrossAisle(10_000)),
    (*SPOTS, Spot("door", 0, 0)),
)
FACES = [PickFace(spot=spot.id) for spot in SPOTS]

order_lists = st.lists(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4), min_size=1, max_size=12
)


def plan(items, orders, rounds=20, faces=FACES, **rules):
    return plan_slots(
        LAYOUT, faces, items, orders, "door", "door", MaxRounds(rounds), SlotRules(**rules)
    )


def mean_tour(faces, orders):
    """The mean exact tour by the router, which the slotting search does not call."""
    lengths = [
        plan_route(LAYOUT, [faces[ref] for ref in set(order)], "door", "door").distance_mm
        for order in orders
    ]
    return sum(lengths) / len(lengths)


@given(order_lists)
@SMALL
def test_every_item_has_its_own_face_and_the_stated_tour_is_the_routers(orders):
    items = [SlotItem(ref=ref) for ref in "abcdefgh"]
    answer = plan(items, orders)
    assert sorted(answer.faces) == list("abcdefgh")
    assert len(set(answer.faces.values())) == len(items)
    assert answer.tour_after_mm == pytest.approx(mean_tour(answer.faces, orders))
    assert plan(items, orders) == answer


@given(order_lists)
@SMALL
def test_more_rounds_are_never_worse(orders):
    items = [SlotItem(ref=ref) for ref in "abcdefgh"]
    tours = [plan(items, orders, rounds).tour_after_mm for rounds in (0, 3, 20, 80)]
    assert tours == sorted(tours, reverse=True)


@given(order_lists, st.sampled_from([0.0, 60.0, 3600.0]))
@SMALL
def test_listed_moves_lead_from_the_present_faces_to_the_plan(orders, move_s):
    items = [SlotItem(ref=ref, face=f"{2 - n // 4}.{n % 4}") for n, ref in enumerate("abcdefgh")]
    answer = plan(items, orders, move_s=move_s, days=10)
    now = {item.ref: item.face for item in items}
    for move in answer.moves:
        now |= dict(zip(move.items, move.faces, strict=True))
        assert len(set(now.values())) == len(now)
        assert move.saved_mm_day * 30 >= move.work_s * 1000
    assert now == answer.faces
    assert answer.work_s == sum(move.work_s for move in answer.moves)
    saved = answer.saved_mm_day * 10 / len(orders)
    assert answer.tour_before_mm - answer.tour_after_mm == pytest.approx(saved)
    assert answer.tour_after_mm == pytest.approx(mean_tour(answer.faces, orders))


def test_the_most_ordered_item_gets_the_nearest_face():
    answer = plan([SlotItem(ref="slow"), SlotItem(ref="fast")], [["fast"]] * 9 + [["slow"]])
    assert answer.faces["fast"] == "0.0"


def test_with_a_half_life_late_orders_count_more():
    items, orders = [SlotItem(ref="past"), SlotItem(ref="new")], [["past"]] * 9 + [["new"]] * 6
    assert plan(items, orders).faces["past"] == "0.0"
    answer = plan(items, orders, half_life=0.2)
    assert answer.faces["new"] == "0.0"
    lengths = [mean_tour(answer.faces, [[ref]]) for ref in ("new", "past")]
    assert lengths[0] < answer.tour_after_mm < sum(lengths) / 2


def test_a_plan_that_no_exchange_improves_is_left_for_a_better_one():
    # Exchanges alone end at 26,286 mm here; the shortest of all 720 plans has this length.
    orders = ["af", "bc", "eb", "aeb", "fd", "ecd", "cae"]
    faces = [FACES[at] for at in (0, 3, 4, 7, 8, 11)]
    answer = plan([SlotItem(ref=ref) for ref in "abcdef"], orders, 5000, faces)
    assert answer.stopped_because == "no exchange helps"
    assert answer.tour_after_mm * len(orders) == pytest.approx(176_000)


def test_a_move_that_does_not_pay_back_is_not_proposed():
    items = [SlotItem(ref="fast", face="2.3")]
    assert plan(items, [["fast"]], move_s=1e9).moves == ()
    assert plan(items, [["fast"]], move_s=1).faces == {"fast": "0.0"}


def test_the_number_of_moves_is_limited():
    items = [SlotItem(ref=ref, face=f"2.{n}") for n, ref in enumerate("abcd")]
    answer = plan(items, [[ref] for ref in "abcd"], move_s=0, moves_max=1)
    assert len(answer.moves) == 1
    assert sum(answer.faces[item.ref] != item.face for item in items) == 1


def test_stock_that_fits_no_free_face_stays_unplaced():
    faces = [PickFace(spot="0.0", volume_max_mm3=10), PickFace(spot="0.1", weight_max_g=5)]
    items = [SlotItem(ref="big", volume_mm3=20), SlotItem(ref="both", volume_mm3=20, weight_g=9)]
    answer = plan(items, [["big"], ["both"]], faces=faces)
    assert (answer.faces, answer.unplaced) == ({"big": "0.1"}, ("both",))


@pytest.mark.parametrize(
    "broken",
    [
        lambda: SlotRules(days=0),
        lambda: SlotRules(payback_days=0),
        lambda: SlotRules(move_s=-1),
        lambda: SlotRules(moves_max=-1),
        lambda: SlotRules(half_life=0),
        lambda: plan([SlotItem(ref="a"), SlotItem(ref="a")], []),
        lambda: plan([SlotItem(ref="a", face="nowhere")], []),
        lambda: plan([], [], faces=[PickFace(spot="door")]),
    ],
)
def test_a_broken_bound_is_named(broken):
    with pytest.raises(ValueError, match="must"):
        broken()


def test_items_bought_together_are_spread_over_the_zones():
    orders = [["a", "b"], ["c", "d"]] * 10
    answer = plan_zones("abcd", orders, 2, 10, MaxRounds(3))
    assert answer.zone["a"] != answer.zone["b"]
    assert answer.zone["c"] != answer.zone["d"]
    assert answer.uneven_after <= answer.uneven_before


@given(order_lists, st.integers(1, 4))
@SMALL
def test_zones_hold_equally_many_items(orders, zones):
    answer = plan_zones("abcdefgh", orders, zones, 5, MaxRounds(2))
    sizes = [list(answer.zone.values()).count(zone) for zone in range(zones)]
    assert max(sizes) - min(sizes) <= 1
    assert answer == plan_zones("abcdefgh", orders, zones, 5, MaxRounds(2))
