"""Whether goods may stand in a bin, and how many fit: pure, one answer for putaway and moves.

Space is reserved like stock: what is on its way to a bin counts as if it stood there. Volumes in
mm3, weights in g, quantities in base units. A capacity that is not known is no limit.
"""

import msgspec

from wms.errors import Refused

UNLIMITED = 10**15
STORAGE = ("pick", "reserve")


class BinBlocked(Refused):
    say = "Bin {bin} is blocked. Take another bin."


class NotStorage(Refused):
    say = "{bin} is no storage bin. Scan a pick or reserve bin."


class BinKeepsOneItem(Refused):
    say = "Bin {bin} holds another item and keeps only one. Take another bin."


class BinKeepsOneLot(Refused):
    say = "Bin {bin} holds another lot and keeps only one. Take another bin."


class MustNotMix(Refused):
    say = "What is in {bin} must not stand beside {separation} goods. Take another bin."


class BinFull(Refused):
    say = "Bin {bin} has no room for {what}: its {limit} is used up. Take another bin."


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """A bin, what stands in it and what is on its way to it.

    `full_mm3` is what it held when somebody saw it full: from then on that is its capacity.
    """

    bin_id: int
    code: str
    kind: str
    check_digits: str = ""
    x_mm: int = 0
    y_mm: int = 0
    z_mm: int = 0
    blocked: bool = False
    mix_items: bool = True
    mix_lots: bool = True
    capacity_mm3: int | None = None
    capacity_g: int | None = None
    capacity_lpns: int | None = None
    full_mm3: int | None = None
    used_mm3: int = 0
    used_g: int = 0
    used_lpns: int = 0
    item_ids: list[int] = []  # of everything inside or on its way
    coming_ids: list[int] = []  # of what is on its way
    lots: list[str] = []  # "<item id>/<lot id>" of everything inside or on its way
    separations: list[str] = []

    @property
    def free_mm3(self) -> int:
        limits = [limit for limit in (self.capacity_mm3, self.full_mm3) if limit is not None]
        return max(min(limits) - self.used_mm3, 0) if limits else UNLIMITED

    @property
    def free_g(self) -> int:
        return UNLIMITED if self.capacity_g is None else max(self.capacity_g - self.used_g, 0)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Goods that look for a bin: one item and lot."""

    item_id: int
    qty: int
    sku: str = ""
    lot_id: int | None = None
    unit_mm3: int = 0
    unit_g: int = 0
    separation: str = ""


def mixing_refusal(room: Room, load: Load) -> Refused | None:
    """Why this item must not stand in this bin at all, or None."""
    if room.kind not in STORAGE:
        return NotStorage(bin=room.code)
    if room.blocked:
        return BinBlocked(bin=room.code)
    if not room.mix_items and any(item_id != load.item_id for item_id in room.item_ids):
        return BinKeepsOneItem(bin=room.code)
    mine = f"{load.item_id}/{load.lot_id or 0}"
    others = [lot for lot in room.lots if lot.startswith(f"{load.item_id}/") and lot != mine]
    if not room.mix_lots and others:
        return BinKeepsOneLot(bin=room.code)
    if any(separation != load.separation for separation in room.separations):
        return MustNotMix(bin=room.code, separation=load.separation or "ordinary")
    return None


def pieces_fitting(room: Room, load: Load) -> int:
    """How many pieces the bin takes by volume and weight."""
    by_volume = room.free_mm3 // load.unit_mm3 if load.unit_mm3 else load.qty
    if room.full_mm3 is not None and room.free_mm3 == 0:
        by_volume = 0
    by_weight = room.free_g // load.unit_g if load.unit_g else load.qty
    return min(by_volume, by_weight, load.qty)


def loose_refusal(room: Room, load: Load) -> Refused | None:
    """Why these loose goods may not stand in this bin, or None."""
    refusal = mixing_refusal(room, load)
    if refusal is None and pieces_fitting(room, load) < load.qty:
        limit = "weight" if load.unit_g and room.free_g // load.unit_g < load.qty else "volume"
        refusal = BinFull(bin=room.code, what=f"{load.qty} × {load.sku}", limit=limit)
    return refusal


def plate_refusal(room: Room, loads: list[Load]) -> Refused | None:
    """Why a license plate with these goods may not stand in this bin, or None."""
    for load in loads:
        refusal = mixing_refusal(room, load)
        if refusal is not None:
            return refusal
    if not room.mix_items and len({load.item_id for load in loads}) > 1:
        return BinKeepsOneItem(bin=room.code)
    if room.capacity_lpns is not None and room.used_lpns >= room.capacity_lpns:
        return BinFull(bin=room.code, what="a plate", limit="number of plates")
    if room.full_mm3 is not None and room.free_mm3 == 0:
        return BinFull(bin=room.code, what="a plate", limit="volume")
    if sum(load.qty * load.unit_mm3 for load in loads) > room.free_mm3:
        return BinFull(bin=room.code, what="a plate", limit="volume")
    if sum(load.qty * load.unit_g for load in loads) > room.free_g:
        return BinFull(bin=room.code, what="a plate", limit="weight")
    return None


def with_load(room: Room, load: Load, plates: int = 0) -> Room:
    """The bin as it will be with these goods in it."""
    return msgspec.structs.replace(
        room,
        used_mm3=room.used_mm3 + load.qty * load.unit_mm3,
        used_g=room.used_g + load.qty * load.unit_g,
        used_lpns=room.used_lpns + plates,
        item_ids=[*room.item_ids, load.item_id],
        lots=[*room.lots, f"{load.item_id}/{load.lot_id or 0}"],
        separations=[*room.separations, load.separation],
    )
