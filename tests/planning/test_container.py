"""Loads of one container: valid, deterministic, never worse with more rounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wms.bench.check_cartons import check_stowage
from wms.planning.container import Cargo, Container, plan_container
from wms.planning.stop import MaxRounds

SMALL = settings(max_examples=40, deadline=None, derandomize=True)
BOX = Container(length_mm=60, width_mm=40, height_mm=50, payload_max_g=900)

cargo_lists = st.lists(
    st.builds(
        Cargo,
        ref=st.sampled_from("abcdefgh"),
        length_mm=st.integers(1, 70),
        width_mm=st.integers(5, 30),
        height_mm=st.integers(5, 30),
        weight_g=st.integers(0, 200),
        vertical=st.sampled_from(["h", "lwh", "wh"]),
        turnable=st.booleans(),
        fragile=st.booleans(),
        load_max_g=st.none() | st.integers(0, 400),
        separation=st.sampled_from(["", "", "acid"]),
        value=st.none() | st.integers(0, 50_000),
        qty=st.integers(1, 6),
    ),
    max_size=6,
    unique_by=lambda piece: piece.ref,
).map(tuple)

pallets = st.lists(
    st.builds(
        Cargo,
        ref=st.sampled_from("abcdefgh"),
        length_mm=st.integers(8, 30),
        width_mm=st.integers(8, 20),
        height_mm=st.integers(6, 15),
        weight_g=st.integers(1, 30),
        vertical=st.sampled_from(["h", "lwh"]),
        load_max_g=st.integers(0, 90),
        separation=st.sampled_from(["", "acid"]),
        qty=st.integers(5, 40),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda piece: piece.ref,
).map(tuple)


def cargo(ref, x, y, z, **more):
    return Cargo(ref=ref, length_mm=x, width_mm=y, height_mm=z, **more)


@given(cargo_lists, st.booleans())
@SMALL
def test_every_load_is_valid_and_within_its_bound(pieces, supported):
    plan = plan_container(pieces, BOX, MaxRounds(8), supported=supported)
    supported = supported or any(piece.load_max_g is not None for piece in pieces)
    assert check_stowage(pieces, BOX, plan, supported=supported) == []
    assert plan.value <= plan.bound


@given(pallets)
@SMALL
def test_stacks_of_many_equal_pieces_keep_what_each_may_carry(pieces):
    plan = plan_container(pieces, BOX, MaxRounds(8))
    assert check_stowage(pieces, BOX, plan, supported=True) == []
    assert plan.stowed
    assert plan.value <= plan.bound


@given(st.one_of(cargo_lists, pallets))
@SMALL
def test_same_rounds_same_load_and_more_rounds_never_less(pieces):
    plans = [plan_container(pieces, BOX, MaxRounds(rounds)) for rounds in (0, 5, 5, 20)]
    assert plans[1] == plans[2]
    values = [plan.value for plan in plans]
    assert values == sorted(values)


@given(cargo_lists)
@SMALL
def test_whatever_fits_alone_is_not_left_out_of_an_empty_container(pieces):
    plan = plan_container(pieces, BOX, MaxRounds(4))
    alone = [
        1
        for piece in pieces
        if plan_container((piece,), BOX, MaxRounds(0)).stowed
        and (piece.value or piece.value is None)
    ]
    assert bool(plan.stowed) == bool(alone)


def test_a_container_that_the_boxes_fill_exactly_is_filled():
    plan = plan_container((cargo("a", 30, 20, 25, qty=8),), BOX, MaxRounds(50))
    assert plan.volume_share == 1
    assert plan.left == ()
    assert plan.stopped_because == "optimal"
    assert plan.centre_of_mass_mm == (30, 20, 25)


def test_payload_decides_before_room():
    pieces = (cargo("lead", 10, 10, 10, weight_g=400, qty=3),)
    plan = plan_container(pieces, BOX, MaxRounds(10))
    assert (len(plan.stowed), plan.left, plan.weight_g) == (2, (("lead", 1),), 800)


def test_value_counts_and_not_volume():
    pieces = (cargo("bulky", 60, 40, 50, value=5), cargo("jewel", 1, 1, 1, value=6))
    assert [row.ref for row in plan_container(pieces, BOX, MaxRounds(10)).stowed] == ["jewel"]


def test_an_upright_edge_is_kept_and_too_large_pieces_stay():
    pieces = (cargo("mast", 10, 10, 60, vertical="h"), cargo("rod", 10, 10, 60))
    plan = plan_container(pieces, BOX, MaxRounds(10))
    assert [row.ref for row in plan.stowed] == ["rod"]
    assert plan.left == (("mast", 1),)


def test_a_load_limit_puts_the_heavy_piece_below():
    weak = cargo("weak", 60, 40, 20, weight_g=100, load_max_g=150, vertical="h")
    heavy = cargo("heavy", 60, 40, 30, weight_g=500, vertical="h")
    plan = plan_container((weak, heavy), BOX, MaxRounds(10))
    assert [(row.ref, row.z_mm) for row in plan.stowed] == [("heavy", 0), ("weak", 30)]


def test_no_column_is_heavier_than_its_lowest_piece_carries():
    pieces = (cargo("egg", 60, 40, 10, weight_g=100, load_max_g=200, vertical="h", qty=5),)
    plan = plan_container(pieces, BOX, MaxRounds(10))
    assert (len(plan.stowed), plan.left) == (3, (("egg", 2),))


def test_of_what_must_not_mix_the_most_valuable_travels():
    pieces = (
        cargo("acid", 30, 40, 50, separation="8"),
        cargo("food", 20, 40, 50, separation="cold"),
        cargo("ice", 20, 40, 50, separation="cold"),
    )
    plan = plan_container(pieces, BOX, MaxRounds(10))
    assert sorted(row.ref for row in plan.stowed) == ["food", "ice"]
    assert plan.left == (("acid", 1),)


def test_an_empty_cargo_is_an_empty_load():
    plan = plan_container((), BOX, MaxRounds(0))
    assert (plan.stowed, plan.value, plan.stopped_because) == ((), 0, "optimal")


@pytest.mark.parametrize(
    "broken",
    [
        lambda: cargo("a", 0, 1, 1),
        lambda: cargo("a", 1, 1, 1, vertical=""),
        lambda: cargo("a", 1, 1, 1, vertical="x"),
        lambda: cargo("a", 1, 1, 1, qty=0),
        lambda: cargo("a", 1, 1, 1, value=-1),
        lambda: cargo("a", 1, 1, 1, load_max_g=-1),
        lambda: Container(length_mm=0, width_mm=1, height_mm=1),
        lambda: Container(length_mm=1, width_mm=1, height_mm=1, payload_max_g=-1),
    ],
)
def test_a_broken_bound_is_named(broken):
    with pytest.raises(ValueError, match="must"):
        broken()
