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

from itertools import permutations
from typing import Literal

import numpy as np
from msgspec import Struct

from wms.planning.carton_choice import Box, Choice, box_fits, choose_boxes
from wms.planning.packing import Filling, Goods
from wms.planning.stop import StopRule

LENGTH_LIMIT_MM = 1 << 20
# One more carton outweighs any outer volume when cartons are counted.
CARTON_PRICE = 10**15

Orientation = Literal["free", "upright", "flat", "fixed"]
Objective = Literal["cartons", "outer_volume", "billable_weight", "cost"]
Reason = Literal[
    "own container", "wrong dimensions", "too large", "too heavy", "no carton left"
]


class Piece(Struct, frozen=True, kw_only=True):
    """So many equal pieces of one order line.

    upright: the height stays vertical; flat: the shortest edge is vertical; fixed: no turning.
    Fragile: nothing above it, at any height. `load_max_g` is the most weight that may rest on it.
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
    qty: int = 1

    def __post_init__(self) -> None:
        if self.qty < 1:
            raise ValueError(f"qty must be >= 1, not {self.qty}")
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
    if len({carton.code for carton in carton_types}) < len(carton_types):
        raise ValueError("carton codes must be unique")
    types = tuple(make_box(carton, rules) for carton in carton_types)
    packable: dict[str, list[Piece]] = {}
    unpacked: list[Unpacked] = []
    for piece in pieces:
        reason = find_obstacle(piece, types)
        if reason is None:
            packable.setdefault(piece.separation, []).append(piece)
        else:
            unpacked.append(Unpacked(piece.ref, piece.qty, reason))
    cartons: list[PackedCarton] = []
    bound = 0
    proven = not unpacked
    reasons: list[str] = []
    for group in packable.values():
        lot = Lot(group)
        choice = choose_boxes(lot.goods, lot.counts, types, rules.support_min, stop, seed)
        cartons.extend(
            lot.describe(carton_types[index], filling) for index, filling in choice.boxes
        )
        unpacked.extend(lot.leave(choice))
        bound += choice.bound
        proven = proven and choice.stopped_because == "optimal"
        reasons.append(choice.stopped_because)
        types = take_stock(types, choice)
    total = sum(price_in_units(carton, carton_types, rules) for carton in cartons)
    if rules.objective == "cartons":
        bound = -(-bound // CARTON_PRICE) if packable else 0
    open_ends = [reason for reason in reasons if reason != "optimal"]
    return CartonPlan(
        cartons=tuple(cartons),
        unpacked=tuple(unpacked),
        total=total,
        lower_bound=bound,
        proven=proven or (total == bound and not unpacked),
        stopped_because=open_ends[0] if open_ends else "optimal",
    )
