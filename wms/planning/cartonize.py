"""Which pieces go into which carton, where, and in what sequence a person packs them.

Problem: choose cartons from a catalogue and a place for every piece so that the chosen objective
(number, outer volume, billable weight or cost of the cartons) is as low as possible.
Units: mm, g, money in minor units. Coordinates: x along the length, y along the width, z up, from
one inner corner of the carton.
Guarantees: every piece in exactly one carton or in `unpacked` with a reason; inside, no overlap,
gross weight, fill, number of pieces, allowed turns, support, loads and separation respected; each
piece stands on what was packed before it and nothing is put below a piece that is already there;
same seed and rounds, same plan; more rounds never a worse plan. Not guaranteed: the optimum,
unless `proven` says so.
Source: `carton_choice` (search over sets of cartons), `packing` and `spaces` (placing).
"""

from collections import Counter
from functools import lru_cache
from itertools import permutations
from typing import Literal

import numpy as np
from msgspec import Struct, structs

from wms.planning.carton_choice import ENDLESS, Box, Choice, choose_boxes
from wms.planning.compiled import warm_aside, warming
from wms.planning.packing import Filling
from wms.planning.spaces import Goods
from wms.planning.stop import MaxRounds, StopRule

LENGTH_LIMIT_MM = 1 << 20
# One more carton outweighs any outer volume when cartons are counted.
CARTON_PRICE = 10**15
WARM_ROUNDS = 60

Orientation = Literal["free", "upright", "flat", "fixed"]
Objective = Literal["cartons", "outer_volume", "billable_weight", "cost"]
# Inner edges of a carton, and most weight, volume and pieces of its contents.
Room = tuple[list[int], list[int]]
Reason = Literal["own container", "wrong dimensions", "too large", "too heavy", "no carton left"]


class Piece(Struct, frozen=True, kw_only=True):
    """So many equal pieces of one order line.

    upright: the height stays vertical; flat: the shortest edge is vertical; fixed: no turning.
    Fragile: nothing above it, at any height. `load_max_g` is the most weight that may rest on it,
    `carton_qty_max` the most of it in one carton, by `ref`.
    Pieces of different `separation` never share a carton. Zero or negative sizes are wrong master
    data: such a piece is returned unpacked, never refused.
    """

    ref: str
    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int
    orientation: Orientation = "free"
    fragile: bool = False
    load_max_g: int | None = None
    separation: str = ""
    own_container: bool = False
    carton_qty_max: int | None = None
    qty: int = 1

    def __post_init__(self) -> None:
        if self.qty < 1:
            raise ValueError(f"qty must be >= 1, not {self.qty}")
        if self.carton_qty_max is not None and self.carton_qty_max < 1:
            raise ValueError(f"carton_qty_max must be >= 1, not {self.carton_qty_max}")
        if self.load_max_g is not None and self.load_max_g < 0:
            raise ValueError(f"load_max_g must be >= 0, not {self.load_max_g}")


class CartonType(Struct, frozen=True, kw_only=True):
    """One size of carton; the third dimension is vertical. `stock` None means any number."""

    code: str
    inner_length_mm: int
    inner_width_mm: int
    inner_height_mm: int
    outer_length_mm: int
    outer_width_mm: int
    outer_height_mm: int
    tare_g: int = 0
    gross_max_g: int
    cost_minor: int = 0
    stock: int | None = None

    def __post_init__(self) -> None:
        inner = (self.inner_length_mm, self.inner_width_mm, self.inner_height_mm)
        outer = (self.outer_length_mm, self.outer_width_mm, self.outer_height_mm)
        if min(inner) < 1 or max(inner) >= LENGTH_LIMIT_MM:
            raise ValueError(f"inner sizes of {self.code} must be 1..{LENGTH_LIMIT_MM - 1} mm")
        if any(o < i for o, i in zip(outer, inner, strict=True)):
            raise ValueError(f"outer sizes of {self.code} must be >= its inner sizes")
        if not 0 <= self.tare_g < self.gross_max_g:
            raise ValueError(f"tare_g of {self.code} must be >= 0 and below gross_max_g")
        if self.cost_minor < 0 or (self.stock is not None and self.stock < 0):
            raise ValueError(f"cost_minor and stock of {self.code} must be >= 0")

    @property
    def inner_mm(self) -> tuple[int, int, int]:
        return self.inner_length_mm, self.inner_width_mm, self.inner_height_mm

    @property
    def outer_mm3(self) -> int:
        return self.outer_length_mm * self.outer_width_mm * self.outer_height_mm


class PackRules(Struct, frozen=True, kw_only=True):
    """What a good plan is and what holds for every carton.

    `support_min`: least share of a base that lies on the floor or on other pieces (0 to 1).
    `fill_max`: most share of the inner volume taken by goods. `clearance_mm` is kept free along
    each inner dimension. `dim_divisor`: cubic centimetres of outer volume billed as one kilogram.
    """

    objective: Objective = "cost"
    support_min: float = 0.75
    fill_max: float = 1.0
    clearance_mm: int = 0
    pieces_max: int | None = None
    dim_divisor: int = 5000

    def __post_init__(self) -> None:
        if not 0 <= self.support_min <= 1:
            raise ValueError(f"support_min must be 0..1, not {self.support_min}")
        if not 0 < self.fill_max <= 1:
            raise ValueError(f"fill_max must be above 0 and <= 1, not {self.fill_max}")
        if self.clearance_mm < 0:
            raise ValueError(f"clearance_mm must be >= 0, not {self.clearance_mm}")
        if self.pieces_max is not None and self.pieces_max < 1:
            raise ValueError(f"pieces_max must be >= 1, not {self.pieces_max}")
        if self.dim_divisor < 1:
            raise ValueError(f"dim_divisor must be >= 1, not {self.dim_divisor}")


class Placement(Struct, frozen=True):
    """One piece in its carton: lower corner, edges as turned, and its step in the sequence."""

    ref: str
    x_mm: int
    y_mm: int
    z_mm: int
    dx_mm: int
    dy_mm: int
    dz_mm: int
    step: int


class PackedCarton(Struct, frozen=True):
    """One carton, its placements in packing sequence, and what the bench should see."""

    type_code: str
    placements: tuple[Placement, ...]
    weight_g: int
    void_share: float
    centre_of_mass_mm: tuple[float, float, float]


class Unpacked(Struct, frozen=True):
    """Pieces that need a container of their own, or a look, and why."""

    ref: str
    qty: int
    reason: Reason


class CartonPlan(Struct, frozen=True):
    """The answer. `total` and `lower_bound` are in the objective's unit.

    Units: cartons, mm3, g or minor money, by objective; both leave out unpacked pieces.
    """

    cartons: tuple[PackedCarton, ...]
    unpacked: tuple[Unpacked, ...]
    total: int
    lower_bound: int
    proven: bool
    stopped_because: str


def plan_cartons(
    pieces: tuple[Piece, ...],
    carton_types: tuple[CartonType, ...],
    rules: PackRules,
    stop: StopRule,
    seed: int = 1,
) -> CartonPlan:
    """Choose cartons for the pieces of one order or shipment and place every piece.

    Source: see the module text. Raises ValueError on two carton types of one code.
    """
    warm_aside(warm_up)
    if len({carton.code for carton in carton_types}) < len(carton_types):
        raise ValueError("carton codes must be unique")
    types = make_boxes(carton_types, rules)
    support_min = float(rules.support_min)  # for a whole number, other machine code would be made
    # The roomiest first: what fits at all nearly always fits there.
    rooms = sorted(((box.inner.tolist(), box.limits.tolist()) for box in types), reverse=True)
    packable: dict[str, list[Piece]] = {}
    unpacked: list[Unpacked] = []
    for piece in pieces:
        reason = find_obstacle(piece, rooms)
        if reason is None:
            packable.setdefault(piece.separation, []).append(piece)
        else:
            unpacked.append(Unpacked(piece.ref, piece.qty, reason))
    cartons: list[PackedCarton] = []
    choices: list[Choice] = []
    for group in packable.values():
        lot = Lot(group)
        choice = choose_boxes(lot.goods, lot.counts, types, support_min, stop, seed)
        cartons.extend(
            lot.describe(carton_types[index], filling) for index, filling in choice.boxes
        )
        unpacked.extend(lot.leave(choice.left))
        types = take_stock(types, choice)
        choices.append(choice)
    unit = CARTON_PRICE if rules.objective == "cartons" else 1
    total = sum(choice.price for choice in choices) // unit
    bound = sum(choice.bound // unit for choice in choices)
    reasons = [choice.stopped_because for choice in choices if choice.price > choice.bound]
    return CartonPlan(
        cartons=tuple(cartons),
        unpacked=tuple(unpacked),
        total=total,
        lower_bound=bound,
        proven=total == bound,
        stopped_because=reasons[0] if reasons else "optimal",
    )


def warm_up() -> None:
    """Make or load the machine code now; a worker process calls this before its first order."""
    kind = CartonType(
        code="warm",
        inner_length_mm=40,
        inner_width_mm=30,
        inner_height_mm=20,
        outer_length_mm=40,
        outer_width_mm=30,
        outer_height_mm=20,
        gross_max_g=1000,
        cost_minor=1,
    )
    piece = Piece(ref="warm", length_mm=9, width_mm=13, height_mm=11, weight_g=1, qty=6)
    heavy = structs.replace(piece, weight_g=200, qty=9)
    single = structs.replace(piece, ref="single", weight_g=2, qty=1)
    # Never proven best, so that every way of searching has its turn.
    odd = structs.replace(piece, length_mm=17, width_mm=13, height_mm=9, qty=24)
    with warming():
        for pieces, rounds in (((single,), 2), ((piece,), 2), ((heavy,), 2), ((odd,), WARM_ROUNDS)):
            plan_cartons(pieces, (kind,), PackRules(), MaxRounds(rounds))


@lru_cache(maxsize=64)
def make_boxes(carton_types: tuple[CartonType, ...], rules: PackRules) -> tuple[Box, ...]:
    """Return a catalogue as the search sees it; a wave asks for the same one at every order."""
    return tuple(make_box(carton, rules) for carton in carton_types)


def make_box(carton: CartonType, rules: PackRules) -> Box:
    """Return a carton as the search sees it: room, limits and price under the rules."""
    inner = np.array([edge - rules.clearance_mm for edge in carton.inner_mm], np.int64)
    volume = int(np.prod(np.array(carton.inner_mm, np.float64)) * rules.fill_max)
    limits = np.array(
        [carton.gross_max_g - carton.tare_g, volume, rules.pieces_max or np.iinfo(np.int32).max],
        np.int64,
    )
    match rules.objective:
        case "cartons":
            price = CARTON_PRICE + carton.outer_mm3
        case "outer_volume":
            price = carton.outer_mm3
        case "billable_weight":
            price = -(-carton.outer_mm3 // rules.dim_divisor)
        case "cost":
            price = carton.cost_minor
    gross_price = int(rules.objective == "billable_weight")
    return Box(inner, limits, price, carton.tare_g, gross_price, carton.stock)


def take_stock(types: tuple[Box, ...], choice: Choice) -> tuple[Box, ...]:
    """Return the types with the stock that a choice leaves."""
    used = Counter(index for index, _ in choice.boxes)
    return tuple(
        box if box.stock is None else structs.replace(box, stock=box.stock - used[index])
        for index, box in enumerate(types)
    )


def list_turns(piece: Piece) -> list[tuple[int, ...]]:
    """Return the distinct ways to stand a piece, as edges along x, y and z."""
    size = (piece.length_mm, piece.width_mm, piece.height_mm)
    match piece.orientation:
        case "fixed":
            return [size]
        case "upright":
            vertical = size[2]
        case "flat":
            vertical = min(size)
        case "free":
            vertical = None
    turns = sorted(set(permutations(size)))
    if vertical is None:
        return turns
    if piece.orientation == "upright":
        return sorted({size, (size[1], size[0], size[2])})
    return [turn for turn in turns if turn[2] == vertical]


def find_obstacle(piece: Piece, rooms: list[Room]) -> Reason | None:
    """Say why a piece can go into no carton at all."""
    if piece.own_container:
        return "own container"
    size = (piece.length_mm, piece.width_mm, piece.height_mm)
    if min(size) < 1 or max(size) >= LENGTH_LIMIT_MM or piece.weight_g < 0:
        return "wrong dimensions"
    volume = size[0] * size[1] * size[2]
    turns = list_turns(piece)
    roomy = False
    for (length, width, height), (weight_max, volume_max, pieces_max) in rooms:
        if volume > volume_max or pieces_max < 1:
            continue
        if any(x <= length and y <= width and z <= height for x, y, z in turns):
            if piece.weight_g <= weight_max:
                return None
            roomy = True
    return "too heavy" if roomy else "too large"


class Lot:
    """The pieces of one separation class as kinds, and the way back from kinds to references."""

    def __init__(self, pieces: list[Piece]):
        kinds: dict[tuple[object, ...], list[Piece]] = {}
        for piece in pieces:
            turns = list_turns(piece)
            few = piece.carton_qty_max and (piece.carton_qty_max, piece.ref)
            key = (tuple(turns), piece.weight_g, piece.fragile, piece.load_max_g, few)
            kinds.setdefault(key, []).append(piece)
        self.kinds = list(kinds.values())
        first = [group[0] for group in self.kinds]
        self.goods = make_goods(first)
        self.counts = np.array([sum(p.qty for p in group) for group in self.kinds], np.int64)
        self.refs = [[p.ref for p in group for _ in range(p.qty)] for group in self.kinds]

    def describe(self, carton: CartonType, filling: Filling) -> PackedCarton:
        """Return a filled carton in packing sequence: bottom up, back to front, left to right.

        Whatever carries or lies under a piece starts lower, so this sequence never builds on air
        and never asks a hand to reach under what is already there.
        """
        rows = filling.placed[np.lexsort(filling.placed[:, 1:4].T)]
        placements = tuple(
            Placement(self.refs[row[0]].pop(), *row[1:], step=step)
            for step, row in enumerate(rows.tolist(), start=1)
        )
        masses, volumes = self.goods.weight[rows[:, 0]], self.goods.volume[rows[:, 0]]
        mass = int(masses.sum())
        # Goods of unknown weight balance by volume.
        shares = masses if mass else volumes
        x, y, z = (shares @ (rows[:, 1:4] + rows[:, 4:7] / 2) / shares.sum()).tolist()
        length, width, height = carton.inner_mm
        return PackedCarton(
            carton.code,
            placements,
            carton.tare_g + mass,
            1 - int(volumes.sum()) / (length * width * height),
            (x, y, z),
        )

    def leave(self, left: np.ndarray) -> list[Unpacked]:
        """Return the pieces for which the stock of cartons did not suffice."""
        refs = Counter(
            ref for kind in np.flatnonzero(left) for ref in self.refs[kind][: int(left[kind])]
        )
        return [Unpacked(ref, qty, "no carton left") for ref, qty in refs.items()]


def make_goods(pieces: list[Piece]) -> Goods:
    """Return one kind for each piece."""
    turns = [list_turns(piece) for piece in pieces]
    table = np.array([ways + [(0, 0, 0)] * (6 - len(ways)) for ways in turns], np.int64)
    loads = np.array([-1 if p.load_max_g is None else p.load_max_g for p in pieces], np.int64)
    few = np.array([p.carton_qty_max or ENDLESS for p in pieces], np.int64)
    return Goods(
        turns=table,
        turn_count=np.array([len(ways) for ways in turns], np.int64),
        weight=np.array([p.weight_g for p in pieces], np.int64),
        volume=table[:, 0, :].prod(axis=1),
        closed_top=np.array([p.fragile for p in pieces], np.int64),
        load_max=loads if (loads >= 0).any() else np.empty(0, np.int64),
        box_max=few if (few < ENDLESS).any() else np.empty(0, np.int64),
    )
