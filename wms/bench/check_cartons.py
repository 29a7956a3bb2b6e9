"""Judge a carton plan without the planner: geometry, rules and sequence from the plan alone.

Units: mm, g. Shares nothing with `wms.planning` but the structs of the question and the answer.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations, permutations

import numpy as np

from wms.planning.cartonize import (
    CartonPlan,
    CartonType,
    PackedCarton,
    PackRules,
    Piece,
    Placement,
)
from wms.planning.container import Cargo, Container, ContainerPlan

Cuboid = tuple[int, int, int, int, int, int]


def list_faults(
    pieces: tuple[Piece, ...],
    carton_types: tuple[CartonType, ...],
    rules: PackRules,
    plan: CartonPlan,
) -> list[str]:
    """Return every broken rule in words; an empty list is a valid plan."""
    faults = check_completeness(pieces, plan)
    by_code = {carton.code: carton for carton in carton_types}
    used = Counter(carton.type_code for carton in plan.cartons)
    for code, number in used.items():
        stock = by_code[code].stock
        if stock is not None and number > stock:
            faults.append(f"{number} cartons {code} of {stock} in stock")
    by_ref: dict[str, list[Piece]] = defaultdict(list)
    for piece in pieces:
        by_ref[piece.ref].append(piece)
    for carton in plan.cartons:
        faults += check_carton(carton, by_code[carton.type_code], rules, by_ref)
    return faults


def check_completeness(pieces: tuple[Piece, ...], plan: CartonPlan) -> list[str]:
    """Every piece is in one carton, or unpacked."""
    wanted: Counter[str] = Counter()
    for piece in pieces:
        wanted[piece.ref] += piece.qty
    got = Counter(p.ref for carton in plan.cartons for p in carton.placements)
    for rest in plan.unpacked:
        got[rest.ref] += rest.qty
    return [] if got == wanted else [f"pieces differ: {got - wanted} over, {wanted - got} missing"]


def check_carton(
    carton: PackedCarton, kind: CartonType, rules: PackRules, by_ref: dict[str, list[Piece]]
) -> list[str]:
    """Check one carton against its type, the rules and its pieces."""
    faults = []
    pieces = [match_piece(p, by_ref[p.ref]) for p in carton.placements]
    if any(piece is None for piece in pieces):
        return [f"{carton.type_code}: a piece stands in a turn it may not take"]
    known = [piece for piece in pieces if piece is not None]
    room = (kind.inner_length_mm, kind.inner_width_mm, kind.inner_height_mm)
    for p in carton.placements:
        ends = (p.x_mm + p.dx_mm, p.y_mm + p.dy_mm, p.z_mm + p.dz_mm)
        inside = all(e <= r - rules.clearance_mm for e, r in zip(ends, room, strict=True))
        if min(p.x_mm, p.y_mm, p.z_mm) < 0 or not inside:
            faults.append(f"{p.ref} sticks out of {carton.type_code}")
    gross = kind.tare_g + sum(piece.weight_g for piece in known)
    if gross > kind.gross_max_g or gross != carton.weight_g:
        faults.append(f"{carton.type_code} weighs {gross} g, said {carton.weight_g}")
    filled = sum(p.dx_mm * p.dy_mm * p.dz_mm for p in carton.placements)
    if filled > rules.fill_max * room[0] * room[1] * room[2]:
        faults.append(f"{carton.type_code} is filled above the limit")
    if rules.pieces_max is not None and len(known) > rules.pieces_max:
        faults.append(f"{carton.type_code} holds {len(known)} pieces")
    numbers = Counter(p.ref for p in carton.placements)
    for piece in known:
        if piece.carton_qty_max is not None and numbers[piece.ref] > piece.carton_qty_max:
            faults.append(f"{carton.type_code} holds {numbers[piece.ref]} of {piece.ref}")
    if len({piece.separation for piece in known}) > 1 or any(p.own_container for p in known):
        faults.append(f"{carton.type_code} mixes what must be apart")
    return faults + check_stack(carton, known, rules)


def check_stack(carton: PackedCarton, pieces: list[Piece], rules: PackRules) -> list[str]:
    """Check overlap, fragile tops, support at each step, reach and loads of one carton."""
    faults = []
    rows = [cuboid(p) for p in carton.placements]
    if [p.step for p in carton.placements] != list(range(1, len(rows) + 1)):
        faults.append("steps are not numbered in sequence")
    table = np.array(rows, np.int64)
    low, high = table[:, :3], table[:, 3:]
    # Shared length of each pair along each axis; the upper triangle holds each pair once.
    common = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    above = np.triu((common[:, :, 0] > 0) & (common[:, :, 1] > 0), 1)
    for i, j in np.argwhere(above & (common[:, :, 2] > 0)).tolist():
        faults.append(f"steps {i + 1} and {j + 1} overlap")
    for i, j in np.argwhere(above & (common[:, :, 2] <= 0)).tolist():
        if rows[j][2] < rows[i][2]:
            faults.append(f"step {j + 1} goes below step {i + 1}")
        elif pieces[i].fragile:
            faults.append(f"step {j + 1} is above fragile step {i + 1}")
    areas = np.maximum(common[:, :, 0], 0) * np.maximum(common[:, :, 1], 0)
    carried = np.where(np.tri(len(rows), k=-1) * (high[None, :, 2] == low[:, None, 2]), areas, 0)
    for i, row in enumerate(rows):
        contact = int(carried[i].sum())
        base = (row[3] - row[0]) * (row[4] - row[1])
        if row[2] > 0 and contact < rules.support_min * base:
            faults.append(f"step {i + 1} is supported on {contact} of {base} mm2")
    return faults + check_loads(rows, pieces)


def check_loads(rows: list[Cuboid], pieces: Sequence[Piece | Cargo]) -> list[str]:
    """Hand weights down by contact area and compare with what each piece may carry."""
    if all(piece.load_max_g is None for piece in pieces):
        return []
    load = [0.0] * len(rows)
    for i in sorted(range(len(rows)), key=lambda i: -rows[i][2]):
        contacts = list_contacts(rows[i], rows)
        total = sum(contacts.values())
        for j, area in contacts.items():
            load[j] += (pieces[i].weight_g + load[i]) * area / total
    return [
        f"step {i + 1} carries {load[i]:.0f} g"
        for i, piece in enumerate(pieces)
        if piece.load_max_g is not None and load[i] > piece.load_max_g + 1e-6
    ]


def list_contacts(row: Cuboid, rows: list[Cuboid]) -> dict[int, int]:
    """Return the contact area of a base with each top that it lies on."""
    areas = {}
    for i, low in enumerate(rows):
        if low[5] == row[2]:
            wide, deep = (
                overlap(row[0], row[3], low[0], low[3]),
                overlap(row[1], row[4], low[1], low[4]),
            )
            if wide > 0 and deep > 0:
                areas[i] = wide * deep
    return areas


def cuboid(p: Placement) -> Cuboid:
    """Return both corners."""
    return p.x_mm, p.y_mm, p.z_mm, p.x_mm + p.dx_mm, p.y_mm + p.dy_mm, p.z_mm + p.dz_mm


def overlap(a1: int, a2: int, b1: int, b2: int) -> int:
    """Return the length that two intervals share, 0 if none."""
    return max(0, min(a2, b2) - max(a1, b1))


def match_piece(p: Placement, pieces: list[Piece]) -> Piece | None:
    """Find the piece of a reference that may stand like this."""
    size = (p.dx_mm, p.dy_mm, p.dz_mm)
    for piece in pieces:
        edges = (piece.length_mm, piece.width_mm, piece.height_mm)
        allowed = {
            "free": size in set(permutations(edges)),
            "upright": size in {edges, (edges[1], edges[0], edges[2])},
            "flat": size in set(permutations(edges)) and size[2] == min(edges),
            "fixed": size == edges,
        }
        if allowed[piece.orientation]:
            return piece
    return None


def check_stowage(
    cargo: tuple[Cargo, ...], container: Container, plan: ContainerPlan, *, supported: bool = False
) -> list[str]:
    """Judge a container plan: completeness, walls, turns, overlap, weights, loads, support."""
    faults = []
    by_ref = {piece.ref: piece for piece in cargo}
    got = Counter(row.ref for row in plan.stowed)
    for ref, number in plan.left:
        got[ref] += number
    if got != Counter({piece.ref: piece.qty for piece in cargo}):
        faults.append("loaded and left pieces do not make up the cargo")
    rows = [
        (r.x_mm, r.y_mm, r.z_mm, r.x_mm + r.dx_mm, r.y_mm + r.dy_mm, r.z_mm + r.dz_mm)
        for r in plan.stowed
    ]
    room = (container.length_mm, container.width_mm, container.height_mm)
    for r, row in zip(plan.stowed, rows, strict=True):
        if min(row[:3]) < 0 or any(e > m for e, m in zip(row[3:], room, strict=True)):
            faults.append(f"{r.ref} sticks out")
        if (r.dx_mm, r.dy_mm, r.dz_mm) not in list_stands(by_ref[r.ref]):
            faults.append(f"{r.ref} stands in a turn it may not take")
    for (i, a), (j, b) in combinations(enumerate(rows), 2):
        shared = overlap(a[0], a[3], b[0], b[3]) * overlap(a[1], a[4], b[1], b[4])
        if shared and overlap(a[2], a[5], b[2], b[5]):
            faults.append(f"steps {i + 1} and {j + 1} overlap")
        elif shared and by_ref[plan.stowed[i if a[2] < b[2] else j].ref].fragile:
            faults.append(f"steps {i + 1} and {j + 1}: above a fragile piece")
    if supported:
        for i, row in enumerate(rows):
            base = (row[3] - row[0]) * (row[4] - row[1])
            if row[2] and sum(list_contacts(row, rows[:i]).values()) < base:
                faults.append(f"step {i + 1} is not carried")
    loaded = [by_ref[r.ref] for r in plan.stowed]
    faults += check_loads(rows, loaded)
    if len({piece.separation for piece in loaded}) > 1:
        faults.append("what must be apart travels together")
    weight = sum(piece.weight_g for piece in loaded)
    if container.payload_max_g is not None and weight > container.payload_max_g:
        faults.append(f"weighs {weight} g")
    return faults


def list_stands(piece: Cargo) -> set[tuple[int, int, int]]:
    """Return how a piece of cargo may stand, edges along x, y, z."""
    x, y, z = piece.length_mm, piece.width_mm, piece.height_mm
    stands = set()
    for edge, (a, b, c) in (("h", (x, y, z)), ("w", (x, z, y)), ("l", (y, z, x))):
        if edge in piece.vertical:
            stands |= {(a, b, c), (b, a, c)} if piece.turnable else {(a, b, c)}
    return stands
