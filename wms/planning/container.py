"""Load one pallet or container: what goes in, where, when not everything may fit.

Problem: choose pieces and places in ONE box so that the value loaded is as high as possible. Value
is the volume unless the cargo names one.
Units: mm, g. Coordinates: x along the length, y along the width, z up.
Guarantees: inside, no overlap, only allowed turns, weight within the limit, nothing above a fragile
piece, no more on a piece than it may carry, one separation class (the one whose load is worth
most); with `supported`, and always where loads are limited, every base lies wholly on the floor or
on other pieces and placements come bottom up; same seedless search, so same rounds give the same
plan; more rounds never a worse one.
Source: `block_beam` (beam search with blocks). The bound is that of volume and weight alone.
"""

import numpy as np
from msgspec import Struct

from wms.planning.block_search import BlockSearch
from wms.planning.spaces import Goods
from wms.planning.stop import StopRule

LENGTH_LIMIT_MM = 1 << 20
# Air allowed inside a block: none is best for few kinds of boxes, a little for many.
FILLS = (1.0, 0.98)
WIDTH_MAX = 4096


class Cargo(Struct, frozen=True, kw_only=True):
    """So many equal pieces.

    `vertical` names the edges that may stand upright, of "lwh"; with `turnable` a piece may also be
    turned around its vertical edge: "this side up" is "h", flat is the shortest edge alone.
    `load_max_g` is the most weight that may rest on a piece; pieces of different `separation` never
    share a container. `value` None means the volume in mm3.
    """

    ref: str
    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int = 0
    vertical: str = "lwh"
    turnable: bool = True
    fragile: bool = False
    load_max_g: int | None = None
    separation: str = ""
    value: int | None = None
    qty: int = 1

    def __post_init__(self) -> None:
        edges = (self.length_mm, self.width_mm, self.height_mm)
        if min(edges) < 1 or max(edges) >= LENGTH_LIMIT_MM:
            raise ValueError(f"sizes of {self.ref} must be 1..{LENGTH_LIMIT_MM - 1} mm")
        if not self.vertical or set(self.vertical) - set("lwh"):
            raise ValueError(f"vertical of {self.ref} must name edges of 'lwh'")
        if self.weight_g < 0 or self.qty < 1 or (self.value is not None and self.value < 0):
            raise ValueError(f"weight_g and value of {self.ref} must be >= 0, qty >= 1")
        if self.load_max_g is not None and self.load_max_g < 0:
            raise ValueError(f"load_max_g of {self.ref} must be >= 0, not {self.load_max_g}")


class Container(Struct, frozen=True, kw_only=True):
    """The room of a container, or the footprint and permitted height of a pallet."""

    length_mm: int
    width_mm: int
    height_mm: int
    payload_max_g: int | None = None

    def __post_init__(self) -> None:
        edges = (self.length_mm, self.width_mm, self.height_mm)
        if min(edges) < 1 or max(edges) >= LENGTH_LIMIT_MM:
            raise ValueError(f"sizes must be 1..{LENGTH_LIMIT_MM - 1} mm, not {edges}")
        if self.payload_max_g is not None and self.payload_max_g < 0:
            raise ValueError(f"payload_max_g must be >= 0, not {self.payload_max_g}")


class Stowed(Struct, frozen=True):
    """One piece in the container; steps number the loading sequence."""

    ref: str
    x_mm: int
    y_mm: int
    z_mm: int
    dx_mm: int
    dy_mm: int
    dz_mm: int
    step: int


class ContainerPlan(Struct, frozen=True):
    """What is loaded, what stays, and how good that is."""

    stowed: tuple[Stowed, ...]
    left: tuple[tuple[str, int], ...]
    value: int
    bound: int
    weight_g: int
    volume_share: float
    centre_of_mass_mm: tuple[float, float, float]
    stopped_because: str


def plan_container(
    cargo: tuple[Cargo, ...],
    container: Container,
    stop: StopRule,
    *,
    supported: bool = False,
) -> ContainerPlan:
    """Choose and place the most valuable load."""
    box = np.array([container.length_mm, container.width_mm, container.height_mm], np.int64)
    goods, value = make_cargo_goods(cargo)
    counts = np.array([piece.qty for piece in cargo], np.int64)
    fitting = np.array(
        [
            bool((goods.turns[k, : goods.turn_count[k]] <= box).all(axis=1).any())
            for k in range(goods.kinds)
        ],
        bool,
    )
    names = dict.fromkeys(piece.separation for piece in cargo)
    payload = container.payload_max_g
    limit = int(counts @ goods.weight) if payload is None else payload
    usable = np.where(fitting & (goods.weight <= limit), counts, 0)
    classes = [np.array([piece.separation == name for piece in cargo], bool) for name in names]
    groups = [
        (bound_value(goods, part, value, int(box.prod()), limit), part)
        for part in (np.where(mine, usable, 0) for mine in classes)
        if part.any()
    ]
    groups.sort(key=lambda group: -group[0])
    bound = groups[0][0] if groups else 0
    supported = supported or len(goods.load_max) > 0
    rows, reason = [], "optimal"
    if groups:
        rows, reason = search_load(goods, groups, box, value, limit, supported, stop)
    return describe(cargo, goods, value, counts, box, rows, bound, reason)


def search_load(
    goods: Goods,
    groups: list[tuple[int, np.ndarray]],
    box: np.ndarray,
    value: np.ndarray,
    weight_max: int,
    supported: bool,
    stop: StopRule,
) -> tuple[list[list[int]], str]:
    """Widen the beams in turn until the rule says stop; return the best load and the reason.

    Groups are bound and counts of what may travel together, the best bound first.
    """
    watch = stop()
    # Air inside a block could be under a base, so it is kept out where bases must be carried.
    searches = [
        (
            bound,
            BlockSearch(
                goods,
                counts,
                box,
                value=value,
                weight_max=weight_max,
                fill_min=fill,
                supported=supported,
            ),
        )
        for bound, counts in groups
        for fill in (FILLS[:1] if supported else FILLS)
    ]
    best = -1
    rows: list[list[int]] = []
    reason: str | None = None
    width = 1
    while reason is None:
        # A group that cannot beat the best load is left out.
        searches = [pair for pair in searches if pair[0] > best]
        for bound, search in searches:
            for found in search.run(width):
                if found > best:
                    best = found
                    rows = search.list_placed()
                reason = "optimal" if best >= groups[0][0] else watch(-best)
                if reason is not None or best >= bound:
                    break
            if reason is not None:
                break
        width *= 2
        if not searches:
            reason = reason or "optimal"
        if width > WIDTH_MAX:
            reason = reason or "width"
    return rows, reason


def bound_value(
    goods: Goods, counts: np.ndarray, value: np.ndarray, volume_max: int, weight_max: int
) -> int:
    """Return the value that the pieces could have by volume alone or by weight alone."""
    bounds = [int(counts @ value)]
    for size, limit in ((goods.volume, volume_max), (goods.weight, weight_max)):
        if counts @ size <= limit:
            continue
        room = float(limit)
        worth = 0.0
        for kind in np.argsort(-value / np.maximum(size, 1e-9)):
            whole = float(counts[kind] * size[kind])
            part = min(1.0, room / whole) if whole else 1.0
            worth += part * float(counts[kind] * value[kind])
            room -= part * whole
        bounds.append(int(worth + 1e-6))
    return min(bounds)


def make_cargo_goods(cargo: tuple[Cargo, ...]) -> tuple[Goods, np.ndarray]:
    """Return one kind for each piece of cargo, and the value of each kind."""
    table = np.zeros((len(cargo), 6, 3), np.int64)
    turn_count = np.zeros(len(cargo), np.int64)
    for kind, piece in enumerate(cargo):
        turns = list_turns(piece)
        table[kind, : len(turns)] = turns
        turn_count[kind] = len(turns)
    volume = table[:, 0, :].prod(axis=1)
    loads = np.array([-1 if p.load_max_g is None else p.load_max_g for p in cargo], np.int64)
    goods = Goods(
        turns=table,
        turn_count=turn_count,
        weight=np.array([piece.weight_g for piece in cargo], np.int64),
        volume=volume,
        closed_top=np.array([piece.fragile for piece in cargo], np.int64),
        load_max=loads if (loads >= 0).any() else np.empty(0, np.int64),
        box_max=np.empty(0, np.int64),
    )
    value = [v if p.value is None else p.value for p, v in zip(cargo, volume, strict=True)]
    return goods, np.array(value, np.int64)


def list_turns(piece: Cargo) -> list[tuple[int, int, int]]:
    """Return the distinct ways to stand a piece, as edges along x, y and z."""
    length, width, height = piece.length_mm, piece.width_mm, piece.height_mm
    stand = {
        "h": (length, width, height),
        "w": (length, height, width),
        "l": (width, height, length),
    }
    turns = set()
    for edge in piece.vertical:
        x, y, z = stand[edge]
        turns.add((x, y, z))
        if piece.turnable:
            turns.add((y, x, z))
    return sorted(turns)


def describe(
    cargo: tuple[Cargo, ...],
    goods: Goods,
    value: np.ndarray,
    counts: np.ndarray,
    box: np.ndarray,
    rows: list[list[int]],
    bound: int,
    reason: str,
) -> ContainerPlan:
    """Return the load in sequence: bottom up, from the far end, left to right."""
    rows = sorted(rows, key=lambda row: (row[3], row[1], row[2]))
    loaded = np.bincount([row[0] for row in rows], minlength=len(cargo)).astype(np.int64)
    left = counts - loaded
    weights = np.array([max(1, int(goods.weight[row[0]])) for row in rows])
    middles = np.array([[row[1 + k] + row[4 + k] / 2 for k in range(3)] for row in rows])
    centre = (weights @ middles / weights.sum()).tolist() if rows else (0.0, 0.0, 0.0)
    return ContainerPlan(
        stowed=tuple(
            Stowed(cargo[row[0]].ref, *row[1:], step=step) for step, row in enumerate(rows, start=1)
        ),
        left=tuple((p.ref, int(n)) for p, n in zip(cargo, left, strict=True) if n),
        value=int(loaded @ value),
        bound=bound,
        weight_g=int(loaded @ goods.weight),
        volume_share=float(loaded @ goods.volume / box.prod()),
        centre_of_mass_mm=(centre[0], centre[1], centre[2]),
        stopped_because=reason,
    )
