"""Payloads of master data: items, locations, parties, and fields that wait for a decision."""

from typing import Any

from msgspec import field

from wms.events.groups import Loc, Party, Payload


class ItemLevel(Payload):
    """A pack level: how many base units, how large (mm), how heavy (g), which barcodes.

    `load_max_g`: the most weight that may rest on one; null is no limit.
    """

    level: str
    base_qty: int
    length_mm: int = 0
    width_mm: int = 0
    height_mm: int = 0
    weight_g: int = 0
    barcodes: list[str] = field(default_factory=list)
    load_max_g: int | None = None


class ItemCreated(Payload):
    """The item as it is now; `changed_fields` are paths such as `levels.case.dimensions`."""

    item_id: str
    owner: str
    sku: str
    version: int
    description: str = ""
    lot_tracked: bool = False
    serial_tracked: bool = False
    expiry_tracked: bool = False
    levels: list[ItemLevel] = field(default_factory=list)
    changed_fields: list[str] = field(default_factory=list)
    source: str = ""
    source_version: int | None = None
    fragile: bool = False
    upright: bool = False
    flat: bool = False
    separation: str = ""
    own_container: bool = False
    carton_qty_max: int | None = None


class ItemUpdated(ItemCreated):
    pass


class ItemConflictDetected(Payload):
    """A sender set a field that belongs to another one; both values wait for a person."""

    item_id: str
    owner: str
    sku: str
    field: str
    stored: Any
    given: Any
    source: str
    proposal_id: str


class StewardshipDecided(Payload):
    """A proposal was accepted or declined."""

    proposal_id: str
    object: str
    field: str
    value: Any
    decision: str
    requester: str = ""
    decider: str = ""


class LocationChanged(Payload):
    """A bin as it is now."""

    location: Loc
    kind: str
    version: int
    capacity_mm3: int | None = None
    capacity_g: int | None = None
    pick_sequence: int = 0
    blocked: bool = False
    changed_fields: list[str] = field(default_factory=list)


class PartnerUpdated(Payload):
    """A consignee or supplier as it is now."""

    party: Party
    owner: str
    version: int
    roles: list[str] = field(default_factory=list)
    changed_fields: list[str] = field(default_factory=list)
