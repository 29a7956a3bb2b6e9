"""The choice of target bins against the live warehouse: candidates, plan, locks, second look.

Space is promised the moment it is chosen: the bins are locked before the plan is believed, and the
plan is made again when one of them changed meanwhile (invariant 9).
"""

import math
from collections.abc import Sequence

import msgspec

from wms.db import Tx, rows
from wms.inbound import putaway_sql as sql
from wms.inbound.targets import IDEAL, Candidate, Plan, choose_targets
from wms.inventory import space
from wms.inventory.fits import Load, Room
from wms.inventory.space import Held
from wms.masterdata.floor_plan import load_layout
from wms.stamp import Stamp

ATTEMPTS = 8


class _Near(msgspec.Struct):
    bin_id: int
    from_stage_m: float
    to_pack_m: float
    farthest_m: float


class _Full(msgspec.Struct):
    bin_id: int
    full_mm3: int


async def find_targets(
    tx: Tx,
    stamp: Stamp,
    held: Sequence[Held],
    loads: Sequence[Load],
    from_bin_id: int,
    *,
    not_bin_ids: Sequence[int] = (),
    not_task_ids: Sequence[int] = (),
    whole: bool = True,
) -> Plan:
    """Where the loads go, the chosen bins locked. What finds no bin is in `left`.

    `held` says how fast the items move; space that `not_task_ids` promised counts as free.
    Without `whole` the plate as it is may not go to reserve (more of it is on its way elsewhere).
    """
    velocity = {each.item_id: each.velocity for each in held}
    biggest = max(loads, key=lambda load: (load.qty * load.unit_mm3, load.qty), default=None)
    if biggest is None:
        return Plan(puts=[], left=[])
    near = await rows(
        tx, sql.CANDIDATES, _Near, warehouse_id=stamp.warehouse_id, from_bin_id=from_bin_id,
        ideal=IDEAL[velocity.get(biggest.item_id, "c")],
        item_ids=[load.item_id for load in loads], not_bin_ids=list(not_bin_ids),
    )  # fmt: skip
    near = await _walked(tx, stamp, near, from_bin_id)
    known = await rooms_of(tx, stamp, [each.bin_id for each in near], not_task_ids)
    for _attempt in range(ATTEMPTS):
        plan = choose_targets(loads, velocity, [
            Candidate(room=known[each.bin_id], from_stage_m=each.from_stage_m,
                      to_pack_m=each.to_pack_m, farthest_m=each.farthest_m)
            for each in near if whole or known[each.bin_id].kind == "pick"
        ])  # fmt: skip
        chosen = sorted({put.bin_id for put in plan.puts})
        await space.lock_bins(tx, stamp, chosen)
        now = await rooms_of(tx, stamp, chosen, not_task_ids)
        if all(known[bin_id] == now[bin_id] for bin_id in chosen):
            return plan
        # Somebody was quicker; look at all bins again, or each try learns of one full bin only.
        known = await rooms_of(tx, stamp, [each.bin_id for each in near], not_task_ids)
    return Plan(puts=[], left=list(loads))


async def _walked(
    tx: Tx, stamp: Stamp, near: Sequence[_Near], from_bin_id: int
) -> list[_Near]:
    """The candidates with the walks that tours will have; what cannot be reached drops out.

    The statement that found them measures as the crow flies, so without a map that stands.
    """
    layout, depot = await load_layout(tx, stamp, [each.bin_id for each in near] + [from_bin_id])
    if layout is None:
        return list(near)
    found: list[_Near] = []
    for each in near:
        up_m = layout.spot_of[str(each.bin_id)].z_mm / 1000
        from_stage = layout.distance_mm(str(from_bin_id), str(each.bin_id))
        to_pack = layout.distance_mm(str(each.bin_id), depot)
        if math.isfinite(from_stage + to_pack):
            found.append(_Near(each.bin_id, from_stage / 1000 + up_m, to_pack / 1000 + up_m, 0.0))
    far = max((max(each.to_pack_m for each in found), near[0].farthest_m)) if found else 0.0
    return [msgspec.structs.replace(each, farthest_m=far) for each in found]


async def rooms_of(
    tx: Tx, stamp: Stamp, bin_ids: Sequence[int], not_task_ids: Sequence[int] = ()
) -> dict[int, Room]:
    """Rooms by bin, with what people have seen full."""
    found = await space.list_rooms(tx, stamp, bin_ids, not_task_ids)
    seen = await rows(tx, sql.FULL_BINS, _Full, warehouse_id=stamp.warehouse_id, ids=list(bin_ids))
    full = {each.bin_id: each.full_mm3 for each in seen}
    return {
        room.bin_id: msgspec.structs.replace(room, full_mm3=full.get(room.bin_id)) for room in found
    }
