"""Where goods should stand: scores, splits, and what never happens."""

from hypothesis import given
from hypothesis import strategies as st

from wms.inbound.targets import Candidate, Plan, choose_targets
from wms.inventory.fits import Load, Room, pieces_fitting

MM3, G = 1000, 10


def bin_(id: int, kind: str = "pick", metres: float = 10, **room: object) -> Candidate:
    return Candidate(
        room=Room(bin_id=id, code=f"B{id}", kind=kind, **room),  # type: ignore[arg-type]
        from_stage_m=metres,
        to_pack_m=metres,
        farthest_m=100,
    )


def load(qty: int, item_id: int = 1, lot_id: int | None = None) -> Load:
    return Load(item_id=item_id, qty=qty, sku="X", lot_id=lot_id, unit_mm3=MM3, unit_g=G)


def plan(loads: list[Load], *bins: Candidate, velocity: str = "a") -> Plan:
    return choose_targets(loads, {x.item_id: velocity for x in loads}, bins)


def targets(made: Plan) -> list[tuple[int, int]]:
    return [(put.bin_id, put.qty) for put in made.puts]


def test_goods_go_beside_their_own_kind() -> None:
    same = bin_(2, metres=40, item_ids=[1], lots=["1/0"], separations=[""])
    assert targets(plan([load(5)], bin_(1), same, bin_(3, "reserve"))) == [(2, 5)]


def test_a_fast_mover_stands_near_the_packers_and_a_slow_one_far() -> None:
    bins = [bin_(n, metres=n * 10.0) for n in range(1, 9)]
    assert targets(plan([load(5)], *bins, velocity="a")) == [(1, 5)]
    assert targets(plan([load(5)], *bins, velocity="c"))[0][0] > 1


def test_a_plate_stays_whole_in_reserve_when_no_pick_bin_takes_it() -> None:
    made = plan([load(50)], bin_(1, capacity_mm3=20 * MM3), bin_(2, "reserve"))
    assert targets(made) == [(2, 50)]
    assert made.puts[0].load is None


def test_goods_are_spread_when_no_bin_takes_all_of_them() -> None:
    bins = [bin_(n, capacity_mm3=20 * MM3) for n in (1, 2, 3)]
    made = plan([load(50)], *bins)
    assert sum(qty for _bin, qty in targets(made)) == 50
    assert max(qty for _bin, qty in targets(made)) == 20
    assert plan([load(70)], *bins).left[0].qty == 10


def test_what_no_pick_bin_takes_stays_on_its_plate_in_reserve() -> None:
    bins = [bin_(n, capacity_mm3=20 * MM3) for n in (1, 2)]
    made = plan([load(50)], *bins, bin_(3, "reserve", capacity_mm3=30 * MM3))
    assert targets(made) == [(1, 20), (2, 20), (3, 10)]
    assert (made.puts[-1].load, made.left) == (None, [])


def test_a_mixed_plate_is_broken_up() -> None:
    made = plan([load(5, 1), load(6, 2)], bin_(1, mix_items=False), bin_(2, mix_items=False),
                bin_(3, "reserve"))  # fmt: skip
    assert {put.bin_id for put in made.puts} == {1, 2}
    assert {put.load.item_id for put in made.puts if put.load} == {1, 2}


def test_a_mixed_plate_goes_to_reserve_when_nothing_of_it_fits() -> None:
    full = bin_(1, capacity_mm3=0)
    made = plan([load(5, 1), load(6, 2)], full, bin_(3, "reserve"))
    assert targets(made) == [(3, 11)]


def test_a_bin_that_another_item_is_on_its_way_to_is_no_target() -> None:
    promised = bin_(1, item_ids=[9], coming_ids=[9])
    assert targets(plan([load(5)], promised, bin_(2, metres=99))) == [(2, 5)]


def test_a_bin_that_was_seen_full_takes_nothing_more() -> None:
    seen = bin_(1, used_mm3=3 * MM3, full_mm3=3 * MM3, item_ids=[1], lots=["1/0"],
                separations=[""])  # fmt: skip
    assert targets(plan([load(5)], seen, bin_(2))) == [(2, 5)]


rooms = st.builds(
    Room,
    bin_id=st.integers(1, 12),
    code=st.just("B"),
    kind=st.sampled_from(["pick", "reserve"]),
    blocked=st.booleans(),
    mix_items=st.booleans(),
    mix_lots=st.booleans(),
    capacity_mm3=st.none() | st.integers(0, 40 * MM3),
    capacity_g=st.none() | st.integers(0, 400),
    capacity_lpns=st.none() | st.integers(0, 2),
    used_mm3=st.integers(0, 10 * MM3),
    used_g=st.integers(0, 100),
    used_lpns=st.integers(0, 2),
    item_ids=st.lists(st.integers(1, 3), max_size=2),
    lots=st.lists(st.sampled_from(["1/0", "1/5", "2/0"]), max_size=2),
)
loads_ = st.lists(
    st.builds(load, st.integers(1, 30), st.integers(1, 3), st.none() | st.just(5)),
    min_size=1, max_size=3, unique_by=lambda x: (x.item_id, x.lot_id),
)  # fmt: skip


@given(st.lists(rooms, max_size=8, unique_by=lambda room: room.bin_id), loads_)
def test_every_piece_has_a_bin_or_is_told_and_no_bin_gets_too_much(
    found: list[Room], loads: list[Load]
) -> None:
    bins = [Candidate(room=room, from_stage_m=room.bin_id, to_pack_m=room.bin_id, farthest_m=20)
            for room in found]  # fmt: skip
    made = choose_targets(loads, {}, bins)
    asked = sum(x.qty for x in loads)
    assert sum(put.qty for put in made.puts) + sum(x.qty for x in made.left) == asked
    by_id = {room.bin_id: room for room in found}
    for bin_id in {put.bin_id for put in made.puts}:
        room = by_id[bin_id]
        mine = [put for put in made.puts if put.bin_id == bin_id]
        assert not room.blocked
        total = sum(put.qty for put in mine)
        assert total <= pieces_fitting(room, load(total)) or room.kind == "reserve"
        if not room.mix_items:
            inside = {put.load.item_id for put in mine if put.load} | set(room.item_ids)
            assert len(inside) <= 1 or room.kind == "reserve"
    assert made == choose_targets(loads, {}, bins)  # same numbers, same plan
