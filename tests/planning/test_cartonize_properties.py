"""Whatever the order, the carton plan can be packed by hand and keeps every rule.

The judge is `wms.bench.check_cartons`, which knows nothing of the planner.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from wms.bench.check_cartons import list_faults
from wms.planning.cartonize import CartonType, PackRules, Piece, plan_cartons
from wms.planning.stop import MaxRounds

SMALL = settings(max_examples=60, deadline=None, derandomize=True)


def carton(code: str, inner: tuple[int, int, int], gross_max_g: int, cost: int) -> CartonType:
    return CartonType(
        code=code,
        inner_length_mm=inner[0],
        inner_width_mm=inner[1],
        inner_height_mm=inner[2],
        outer_length_mm=inner[0] + 6,
        outer_width_mm=inner[1] + 6,
        outer_height_mm=inner[2] + 10,
        tare_g=60,
        gross_max_g=gross_max_g,
        cost_minor=cost,
    )


CARTONS = (
    carton("S", (150, 110, 60), 2000, 30),
    carton("M", (250, 180, 120), 6000, 55),
    carton("L", (350, 300, 260), 12000, 110),
)

pieces = st.lists(
    st.builds(
        Piece,
        ref=st.sampled_from("abcdefgh"),
        length_mm=st.integers(-5, 400),
        width_mm=st.integers(1, 200),
        height_mm=st.integers(1, 160),
        weight_g=st.integers(0, 3000),
        orientation=st.sampled_from(["free", "upright", "flat", "fixed"]),
        fragile=st.booleans(),
        load_max_g=st.none() | st.integers(0, 2000),
        separation=st.sampled_from(["", "", "acid"]),
        own_container=st.booleans(),
        carton_qty_max=st.none() | st.integers(1, 3),
        qty=st.integers(1, 4),
    ),
    max_size=8,
    unique_by=lambda piece: piece.ref,
).map(tuple)

crowds = st.lists(
    st.builds(
        Piece,
        ref=st.sampled_from("abcdefgh"),
        length_mm=st.integers(10, 120),
        width_mm=st.integers(10, 90),
        height_mm=st.integers(10, 70),
        weight_g=st.integers(0, 400),
        orientation=st.sampled_from(["free", "upright", "flat", "fixed"]),
        fragile=st.booleans(),
        separation=st.sampled_from(["", "", "acid"]),
        carton_qty_max=st.none() | st.integers(1, 40),
        qty=st.integers(1, 90),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda piece: piece.ref,
).map(tuple)

pack_rules = st.builds(
    PackRules,
    objective=st.sampled_from(["cartons", "outer_volume", "billable_weight", "cost"]),
    support_min=st.sampled_from([0.0, 0.5, 0.75, 1.0]),
    fill_max=st.sampled_from([0.8, 1.0]),
    clearance_mm=st.sampled_from([0, 5]),
    pieces_max=st.none() | st.integers(1, 6),
)


@given(pieces, pack_rules)
@SMALL
def test_every_plan_can_be_packed_as_it_says(pieces, rules):
    plan = plan_cartons(pieces, CARTONS, rules, MaxRounds(2))
    assert list_faults(pieces, CARTONS, rules, plan) == []
    assert plan.lower_bound <= plan.total
    assert plan.proven == (plan.lower_bound == plan.total)


@given(crowds, pack_rules, st.integers(0, 1))
@SMALL
def test_orders_of_many_equal_pieces_can_be_packed_as_planned(pieces, rules, rounds):
    plan = plan_cartons(pieces, CARTONS, rules, MaxRounds(rounds))
    assert list_faults(pieces, CARTONS, rules, plan) == []


@given(st.lists(st.integers(1, 10), min_size=1, max_size=6))
@SMALL
def test_slabs_need_as_few_cartons_as_trying_every_way(heights):
    box = carton("box", (100, 100, 10), 9999, 1)
    slabs = tuple(
        Piece(ref=str(at), length_mm=100, width_mm=100, height_mm=height, weight_g=1)
        for at, height in enumerate(heights)
    )
    plan = plan_cartons(slabs, (box,), PackRules(objective="cartons"), MaxRounds(20))
    assert plan.total == fewest(tuple(heights), ())


@given(pieces, pack_rules, st.integers(0, 2**40))
@SMALL
def test_same_seed_same_plan(pieces, rules, seed):
    first = plan_cartons(pieces, CARTONS, rules, MaxRounds(2), seed)
    assert plan_cartons(pieces, CARTONS, rules, MaxRounds(2), seed) == first


@given(pieces)
@SMALL
def test_more_rounds_are_never_worse(pieces):
    rules = PackRules()
    totals = [plan_cartons(pieces, CARTONS, rules, MaxRounds(n)).total for n in (0, 2, 6)]
    assert totals == sorted(totals, reverse=True)


@given(pieces)
@SMALL
def test_never_more_cartons_than_next_fit_of_single_pieces(pieces):
    rules = PackRules(objective="cartons", support_min=0)
    plan = plan_cartons(pieces, CARTONS, rules, MaxRounds(1))
    assert plan.total <= next_fit(pieces, plan)


@given(pieces, st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 1)))
@SMALL
def test_the_stock_of_cartons_is_respected(pieces, stock):
    cartons = tuple(
        CartonType(**{**{f: getattr(c, f) for f in c.__struct_fields__}, "stock": left})
        for c, left in zip(CARTONS, stock, strict=True)
    )
    plan = plan_cartons(pieces, cartons, PackRules(), MaxRounds(1))
    assert list_faults(pieces, cartons, PackRules(), plan) == []


def fewest(heights: tuple[int, ...], piles: tuple[int, ...]) -> int:
    """The least number of piles of height 10, by putting the first slab on each pile in turn."""
    if not heights:
        return len(piles)
    first, rest = heights[0], heights[1:]
    return min(
        [fewest(rest, (*piles, first))]
        + [
            fewest(rest, (*piles[:at], pile + first, *piles[at + 1 :]))
            for at, pile in enumerate(piles)
            if pile + first <= 10
        ]
    )


def next_fit(pieces: tuple[Piece, ...], plan) -> int:
    """Pile pieces up in one largest carton after the other, as a hurried packer would."""
    apart = {rest.ref for rest in plan.unpacked}
    cartons = 0
    for name in {piece.separation for piece in pieces}:
        height, weight, closed = 10**9, 0, True
        for piece in pieces:
            if piece.ref in apart or piece.separation != name:
                continue
            number = 0
            for _ in range(piece.qty):
                if not is_pile(piece):
                    return 10**9
                fits = height + piece.height_mm <= 260 and weight + piece.weight_g <= 11940
                if closed or not fits or number == piece.carton_qty_max:
                    cartons += 1
                    height = weight = number = 0
                number += 1
                height += piece.height_mm
                weight += piece.weight_g
                closed = piece.fragile or piece.load_max_g is not None
    return cartons


def is_pile(piece: Piece) -> bool:
    """Say whether a piece stands in the largest carton as its sizes are written."""
    flat = piece.orientation != "flat" or piece.height_mm == min(
        piece.length_mm, piece.width_mm, piece.height_mm
    )
    return flat and piece.length_mm <= 350 and piece.width_mm <= 300
