"""Where goods should stand: candidates scored by named parts, splits where no bin takes all. Pure.

Units: mm, mm3, g, base units. Scores are metres that a bin costs; the smallest wins, ties go to the
smaller bin id. Guarantees: every piece gets a bin or is told to have none; no bin gets more than
fits with what stands in it and what is on its way; a bin that somebody else's item is on its way to
is no target.
"""

from collections.abc import Sequence

import msgspec

from wms.inventory.fits import Load, Room, loose_refusal, pieces_fitting, plate_refusal, with_load

# Metres a bin gains or loses by what it is, against the metres people walk.
SAME_ITEM_PICK = -100.0  # beside its own kind: one pick face, less to search
EMPTY_PICK = 0.0  # no face yet for this item: open one
RESERVE = 100.0  # stands as it is, and is fetched when the face runs low
SECOND_PICK = 130.0  # it has a face already: keep others free
SHARED_PICK = 160.0  # beside other items, when nothing is empty
WALK_WEIGHT = 0.3  # per metre from the stage to the bin: paid once
# Per metre from where the velocity class belongs: 0 is nearest the packers, 1 is farthest.
IDEAL = {"a": 0.0, "b": 0.4, "c": 0.8}
PLACE_WEIGHT = {"a": 2.0, "b": 1.0, "c": 0.5}
SPLITS_MAX = 8  # more pick bins than this for one item are no putaway; reserve or a lead decides


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A bin as a target: its room and its distances; `farthest_m` of any bin to the packers."""

    room: Room
    from_stage_m: float
    to_pack_m: float
    farthest_m: float


class Put(msgspec.Struct, frozen=True, kw_only=True):
    """So much of one load (or, without one, the whole plate) into one bin, and why."""

    bin_id: int
    qty: int
    load: Load | None
    reason: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything goes; `left` has no bin."""

    puts: list[Put]
    left: list[Load]


def choose_targets(
    loads: Sequence[Load], velocity: dict[int, str], candidates: Sequence[Candidate]
) -> Plan:
    """The plan for one plate: as a whole into reserve, or item by item into pick bins.

    A plate of one item may go either way, whichever is cheaper. A mixed plate is broken up; it
    goes to reserve as it is only when nothing of it fits in a pick bin. What the pick bins do not
    take stays on the plate, which goes to reserve last.
    """
    loose = _loose(loads, velocity, candidates)
    one_item = len(loads) == 1
    whole = _whole_plate(loads, velocity, candidates) if one_item or not loose.puts else None
    if whole is None:
        return _with_rest(loose, velocity, candidates)
    cost, put = whole
    single = loose.puts[0] if len(loose.puts) == 1 and not loose.left else None
    if single is not None and _score_of(single, velocity, candidates) <= cost:
        return loose
    return Plan(puts=[put], left=[])


def _whole_plate(
    loads: Sequence[Load], velocity: dict[int, str], candidates: Sequence[Candidate]
) -> tuple[float, Put] | None:
    """The best reserve bin for the plate as it is."""
    fitting = [
        (score(each, loads[0].item_id, velocity, has_face=False), each.room.bin_id, each)
        for each in candidates
        if each.room.kind == "reserve" and plate_refusal(each.room, list(loads)) is None
    ]
    if not fitting:
        return None
    best, bin_id, chosen = min(fitting, key=lambda ranked: ranked[:2])
    total = sum(load.qty for load in loads)
    return best, Put(bin_id=bin_id, qty=total, load=None, reason=_why(chosen, 0))


def _with_rest(plan: Plan, velocity: dict[int, str], candidates: Sequence[Candidate]) -> Plan:
    """The plan, with what is left over standing on its plate in reserve when there is room."""
    rest = _whole_plate(plan.left, velocity, candidates) if plan.puts and plan.left else None
    return plan if rest is None else Plan(puts=[*plan.puts, rest[1]], left=[])


def _loose(
    loads: Sequence[Load], velocity: dict[int, str], candidates: Sequence[Candidate]
) -> Plan:
    """Each load into the cheapest pick bin that takes all of it, else spread over several."""
    rooms = {each.room.bin_id: each for each in candidates if each.room.kind == "pick"}
    puts: list[Put] = []
    left: list[Load] = []
    for load in loads:
        mine = [each for each in rooms.values() if _may_stand(each, load)]
        has_face = any(load.item_id in each.room.item_ids for each in mine)
        ranked = sorted(
            (score(each, load.item_id, velocity, has_face=has_face), each.room.bin_id)
            for each in mine
        )
        parts = _parts(load, [rooms[bin_id] for _score, bin_id in ranked])
        put_qty = sum(qty for _each, qty in parts)
        for each, qty in parts:
            part = msgspec.structs.replace(load, qty=qty)
            why = _why(each, load.item_id)
            puts.append(Put(bin_id=each.room.bin_id, qty=qty, load=part, reason=why))
            rooms[each.room.bin_id] = msgspec.structs.replace(each, room=with_load(each.room, part))
        if put_qty < load.qty:
            left.append(msgspec.structs.replace(load, qty=load.qty - put_qty))
    return Plan(puts=puts, left=left)


def _may_stand(candidate: Candidate, load: Load) -> bool:
    one = msgspec.structs.replace(load, qty=1)
    if any(item_id != load.item_id for item_id in candidate.room.coming_ids):
        return False
    return loose_refusal(candidate.room, one) is None


def _parts(load: Load, ranked: Sequence[Candidate]) -> list[tuple[Candidate, int]]:
    """One bin when one takes all; else the roomiest bins until nothing is left."""
    room_for = {each.room.bin_id: pieces_fitting(each.room, load) for each in ranked}
    for each in ranked:
        if room_for[each.room.bin_id] >= load.qty:
            return [(each, load.qty)]
    parts: list[tuple[Candidate, int]] = []
    left = load.qty
    for each in sorted(ranked, key=lambda x: -room_for[x.room.bin_id])[:SPLITS_MAX]:
        qty = min(room_for[each.room.bin_id], left)
        if qty > 0:
            parts.append((each, qty))
            left -= qty
    return parts


def score(candidate: Candidate, item_id: int, velocity: dict[int, str], *, has_face: bool) -> float:
    """What the bin costs the item; smaller is better. `has_face`: it has a pick bin already."""
    metres = WALK_WEIGHT * candidate.from_stage_m
    if candidate.room.kind == "reserve":
        return metres + RESERVE
    klass = velocity.get(item_id, "c")
    off_place = abs(candidate.to_pack_m - IDEAL[klass] * candidate.farthest_m)
    return metres + PLACE_WEIGHT[klass] * off_place + _kind_part(candidate, item_id, has_face)


def _kind_part(candidate: Candidate, item_id: int, has_face: bool) -> float:
    if item_id in candidate.room.item_ids:
        return SAME_ITEM_PICK
    if candidate.room.item_ids:
        return SHARED_PICK
    return SECOND_PICK if has_face else EMPTY_PICK


def _score_of(put: Put, velocity: dict[int, str], candidates: Sequence[Candidate]) -> float:
    assert put.load is not None
    chosen = next(each for each in candidates if each.room.bin_id == put.bin_id)
    has_face = any(
        put.load.item_id in each.room.item_ids for each in candidates if each.room.kind == "pick"
    )
    return score(chosen, put.load.item_id, velocity, has_face=has_face)


def _why(candidate: Candidate, item_id: int) -> str:
    if candidate.room.kind == "reserve":
        return "reserve with room for the plate"
    if item_id in candidate.room.item_ids:
        return "same item stands there"
    return "beside other items" if candidate.room.item_ids else "empty pick bin in its place"
