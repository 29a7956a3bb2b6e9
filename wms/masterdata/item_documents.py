"""The item as partners send it, as a flat list of fields, and who may set which of them.

A member that is left out stays as it is; on a new item it takes its default. `levels` is complete
when it is given: a level it does not name goes. A limit is taken away by null.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from wms import barcodes
from wms.documents import DocumentError
from wms.errors import WmsError

Sku = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[!-.0-~]+$")]
Text = Annotated[str, Meta(min_length=1, max_length=200, pattern="^[^\\x00]+$")]
Level = Literal["each", "inner", "case", "pallet"]
Side = Annotated[int, Meta(ge=0, le=100_000)]
Grams = Annotated[int, Meta(ge=0, le=100_000_000)]
Barcode = Annotated[str, Meta(min_length=1, max_length=90, pattern="^[!-~]+$")]
GTIN_LENGTHS = (12, 13, 14)

# Which class a field belongs to; a class has at most one sender who may set it.
COLUMNS = {
    "description": "description", "lot_tracked": "tracking", "serial_tracked": "tracking",
    "expiry_tracked": "tracking", "min_days_receipt": "tracking", "rotation": "tracking",
    "fragile": "handling", "upright": "handling", "flat": "handling", "separation": "handling",
    "own_container": "handling", "carton_qty_max": "handling", "velocity": "velocity",
}  # fmt: skip
LEVEL_PARTS = {
    "base_qty": "units", "dimensions": "dimensions", "weight_g": "weight",
    "load_max_g": "handling", "barcodes": "barcodes",
}  # fmt: skip
NO_LIMIT = ("carton_qty_max",)  # None is a value of these: no limit
CLASSES = (*dict.fromkeys([*COLUMNS.values(), *LEVEL_PARTS.values()]),)
IN_USE = ("lot_tracked", "serial_tracked", "expiry_tracked")  # stock was booked by these rules


class LevelDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One pack level; `base_qty` counts base units, lengths in mm, weight in g.

    `load_max_g`: the most weight that may rest on one; null is no limit.
    """

    level: Level
    base_qty: Annotated[int, Meta(ge=1, le=1_000_000)]
    length_mm: Side | None = None
    width_mm: Side | None = None
    height_mm: Side | None = None
    weight_g: Grams | None = None
    load_max_g: Grams | UnsetType | None = UNSET
    barcodes: Annotated[list[Barcode], Meta(max_length=50)] | None = None


class ItemDoc(msgspec.Struct, frozen=True, kw_only=True):
    """An item. (owner, sku) is its natural key; a new one needs a description and levels.

    `flat`: it lies on its largest side; with `own_container` it ships in its own package.
    `carton_qty_max`: the most of it in one carton; null is no limit.
    `source_version`: the sender's own counter; an older one than its last is ignored.
    """

    owner: Sku
    sku: Sku
    description: Text | None = None
    lot_tracked: bool | None = None
    serial_tracked: bool | None = None
    expiry_tracked: bool | None = None
    min_days_receipt: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    rotation: Literal["fifo", "fefo"] | None = None
    fragile: bool | None = None
    upright: bool | None = None
    flat: bool | None = None
    separation: Annotated[str, Meta(max_length=20, pattern="^[^\\x00]*$")] | None = None
    own_container: bool | None = None
    carton_qty_max: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType | None = UNSET
    velocity: Literal["a", "b", "c"] | None = None
    levels: Annotated[list[LevelDoc], Meta(min_length=1, max_length=4)] | None = None
    source_version: Annotated[int, Meta(ge=0, le=2**62)] | None = None


class ItemOutcome(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of a document: created | updated | exists | proposed | ignored_stale | rejected |
    version_mismatch | exists_with_different_<field>.

    `proposed` are fields that belong to another sender: they wait for a decision.
    """

    outcome: str
    owner: str
    sku: str
    id: str = ""
    version: int = 0
    decided_by: str = ""
    changed_fields: Sequence[str] = ()
    proposed: Sequence[str] = ()
    errors: Sequence[DocumentError] = ()
    unknown_fields: Sequence[str] = ()


class LevelRead(msgspec.Struct, frozen=True, kw_only=True):
    """A stored pack level."""

    level: str
    base_qty: int
    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int
    load_max_g: int | None
    barcodes: list[str]


class ItemRead(msgspec.Struct, frozen=True, kw_only=True):
    """A stored item."""

    id: str
    owner: str
    sku: str
    version: int
    updated_at: str
    description: str
    lot_tracked: bool
    serial_tracked: bool
    expiry_tracked: bool
    min_days_receipt: int
    rotation: str
    fragile: bool
    upright: bool
    flat: bool
    separation: str
    own_container: bool
    carton_qty_max: int | None
    velocity: str
    levels: list[LevelRead]


def field_class(name: str) -> str:
    """The class of a flat field: `levels.case.weight_g` is weight."""
    return LEVEL_PARTS[name.rsplit(".", 1)[1]] if name.startswith("levels.") else COLUMNS[name]


def flat_stored(item: ItemRead) -> dict[str, Any]:
    """A stored item as flat fields."""
    fields: dict[str, Any] = {name: getattr(item, name) for name in COLUMNS}
    for level in item.levels:
        fields |= {
            f"levels.{level.level}.base_qty": level.base_qty,
            f"levels.{level.level}.dimensions": [
                level.length_mm, level.width_mm, level.height_mm
            ],
            f"levels.{level.level}.weight_g": level.weight_g,
            f"levels.{level.level}.load_max_g": level.load_max_g,
            f"levels.{level.level}.barcodes": sorted(level.barcodes),
        }  # fmt: skip
    return fields


def flat_given(doc: ItemDoc, stored: Mapping[str, Any]) -> dict[str, Any]:
    """What a document says, as flat fields; a level that goes has a `base_qty` of None."""
    said = {name: getattr(doc, name) for name in COLUMNS}
    fields: dict[str, Any] = {
        name: value
        for name, value in said.items()
        if value is not UNSET and (value is not None or name in NO_LIMIT)
    }
    if doc.levels is None:
        return fields
    named = {level.level for level in doc.levels}
    for level in doc.levels:
        path = f"levels.{level.level}"
        fields[f"{path}.base_qty"] = level.base_qty
        old = stored.get(f"{path}.dimensions", [0, 0, 0])
        given = (level.length_mm, level.width_mm, level.height_mm)
        sides = [was if now is None else now for now, was in zip(given, old, strict=True)]
        fields[f"{path}.dimensions"] = sides
        if level.weight_g is not None:
            fields[f"{path}.weight_g"] = level.weight_g
        if level.load_max_g is not UNSET:
            fields[f"{path}.load_max_g"] = level.load_max_g
        if level.barcodes is not None:
            fields[f"{path}.barcodes"] = sorted({code_of(each) for each in level.barcodes})
    for name in stored:
        parts = name.split(".")
        if parts[0] == "levels" and parts[2] == "base_qty" and parts[1] not in named:
            fields[name] = None
    return fields


def code_of(value: str) -> str:
    """A barcode as scans are looked up."""
    return barcodes.read(value).code


def check_item(doc: ItemDoc, stored: ItemRead | None) -> list[DocumentError]:
    """Everything in a document that contradicts itself or what is stored, or that a new item
    lacks."""
    errors: list[DocumentError] = []
    new = stored is None
    dated = (
        doc.expiry_tracked
        if doc.expiry_tracked is not None
        else bool(stored and stored.expiry_tracked)
    )
    lots = doc.lot_tracked if doc.lot_tracked is not None else bool(stored and stored.lot_tracked)
    rotation = doc.rotation or (stored.rotation if stored else "fifo")
    if dated and not lots:
        errors.append(DocumentError("/lot_tracked", "required", "A date belongs to a lot"))
    if rotation == "fefo" and not dated:
        errors.append(DocumentError("/rotation", "contradicts", "fefo needs expiry_tracked"))
    ways = [
        getattr(stored, name, False) if getattr(doc, name) is None else getattr(doc, name)
        for name in ("upright", "flat")
    ]
    if all(ways):
        errors.append(DocumentError("/flat", "contradicts", "It stands upright or lies flat"))
    if new and doc.description is None:
        errors.append(DocumentError("/description", "required", "A new item needs one"))
    if new and doc.levels is None:
        errors.append(DocumentError("/levels", "required", "A new item needs its levels"))
    levels = doc.levels or []
    if levels and not any(level.level == "each" and level.base_qty == 1 for level in levels):
        errors.append(DocumentError("/levels", "each-is-one", "`each` must be there with 1"))
    seen: dict[str, str] = {}
    names: set[str] = set()
    for number, level in enumerate(levels):
        path = f"/levels/{number}"
        if level.level in names:
            errors.append(DocumentError(f"{path}/level", "duplicate", "Twice", level.level))
        if level.level == "each" and level.base_qty != 1:
            errors.append(DocumentError(f"{path}/base_qty", "each-is-one", "An each is 1"))
        names.add(level.level)
        for place, value in enumerate(level.barcodes or []):
            errors += _check_barcode(f"{path}/barcodes/{place}", value, level.level, seen)
    return errors


def _check_barcode(path: str, value: str, level: str, seen: dict[str, str]) -> list[DocumentError]:
    try:
        reading = barcodes.read(value)
    except WmsError as error:
        return [DocumentError(path, "gs1-syntax", str(error), value)]
    if reading.kind in barcodes.OWN_KINDS:
        return [DocumentError(path, "reserved", "That is a label of the warehouse", value)]
    if reading.kind == "raw" and value.isdigit() and len(value) in GTIN_LENGTHS:
        return [DocumentError(path, "check-digit", "The check digit is wrong", value)]
    if seen.setdefault(reading.code, level) != level:
        message = f"It is the barcode of {seen[reading.code]}"
        return [DocumentError(path, "duplicate", message, value)]
    return []
