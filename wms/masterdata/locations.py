"""Bins over the API: made, changed, blocked; never against what lies in them.

A document is the whole bin: a member that is left out has its default. What must stay true: a bin
with goods or work keeps its kind, and never gets a limit that it already breaks.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from wms import barcodes
from wms.db import Tx, row, rows
from wms.documents import DocumentError
from wms.errors import Busy, Conflict, NotFound, Refused
from wms.events import catalog
from wms.events.groups import loc
from wms.events.outbox import emit
from wms.masterdata.tables import VIRTUAL_KINDS, bin_
from wms.stamp import Stamp
from wms.versions import IF_MATCH, LAST_WRITER, SOURCE_VERSION, Versions, decide

Code = Annotated[str, Meta(min_length=1, max_length=30, pattern=r"^[0-9A-Z][0-9A-Z.\-]*$")]
Name = Annotated[str, Meta(max_length=64, pattern="^[!-~]*$")]
Mm = Annotated[int, Meta(ge=-10_000_000, le=10_000_000)]
Kind = Literal["pick", "reserve", "dock", "stage_in", "clarify", "pack", "stage_out"]
STORAGE = ("pick", "reserve")
COLUMNS = (
    "kind", "x_mm", "y_mm", "z_mm", "pick_sequence", "check_digits", "capacity_mm3", "capacity_g",
    "capacity_lpns", "mix_items", "mix_lots", "blocked",
)  # fmt: skip
EVENTS = {True: "location.blocked", False: "location.unblocked"}


class UnknownLocation(NotFound):
    say = "There is no location {location}."


class LocationInUse(Conflict):
    say = "Location {location} holds goods or has work: its {field} cannot change to that now."


class OwnLocation(Refused):
    say = "Location {location} is one the warehouse made for itself: it stays as it is."


class LocationDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A bin. Lengths in mm, weights in g; a limit that is left out does not exist.

    `check_digits` are made when they are empty. `blocked`: nothing is put there or taken from it.
    """

    code: Code
    kind: Kind
    zone: Name = ""
    aisle: Name = ""
    x_mm: Mm = 0
    y_mm: Mm = 0
    z_mm: Annotated[int, Meta(ge=0, le=100_000)] = 0
    pick_sequence: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    check_digits: Annotated[str, Meta(pattern="^([0-9]{2})?$")] = ""
    capacity_mm3: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    capacity_g: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    capacity_lpns: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    mix_items: bool = True
    mix_lots: bool = True
    blocked: bool = False
    source_version: Annotated[int, Meta(ge=0, le=2**62)] | None = None


class LocationOutcome(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """created | updated | exists | ignored_stale | rejected | version_mismatch |
    exists_with_different_<field>."""

    outcome: str
    code: str
    version: int = 0
    decided_by: str = ""
    changed_fields: list[str] = []
    errors: list[DocumentError] = []
    unknown_fields: list[str] = []


class Location(msgspec.Struct, kw_only=True):
    """A bin as it is stored."""

    code: str
    kind: str
    zone: str
    aisle: str
    x_mm: int
    y_mm: int
    z_mm: int
    pick_sequence: int
    check_digits: str
    capacity_mm3: int | None
    capacity_g: int | None
    capacity_lpns: int | None
    mix_items: bool
    mix_lots: bool
    blocked: bool
    version: int
    source_version: int
    updated_at: datetime


class Placed(msgspec.Struct):
    """A page's entry: the bin, and its id for the place in the list."""

    id: int
    location: Location


class _Id(msgspec.Struct):
    id: int


class _Aisle(msgspec.Struct):
    id: int
    y_from_mm: int
    y_to_mm: int


class _Used(msgspec.Struct):
    mm3: int
    g: int
    items: int
    lots: int
    lpns: int
    tasks: int


_LOCATION = """
    SELECT b.id, b.code, b.kind, coalesce(z.code, '') AS zone, coalesce(a.code, '') AS aisle,
           b.x_mm, b.y_mm, b.z_mm, b.pick_sequence, b.check_digits, b.capacity_mm3, b.capacity_g,
           b.capacity_lpns, b.mix_items, b.mix_lots, b.blocked, b.version, b.source_version,
           b.updated_at
      FROM bin b
      LEFT JOIN zone z ON z.warehouse_id = b.warehouse_id AND z.id = b.zone_id
      LEFT JOIN aisle a ON a.warehouse_id = b.warehouse_id AND a.id = b.aisle_id
     WHERE b.warehouse_id = :warehouse_id
"""
# Served by the unique code. The row is locked first: acts that put goods there wait for it.
LOCK = text(
    "SELECT id FROM bin WHERE warehouse_id = :warehouse_id AND code = :code FOR NO KEY UPDATE"
)
FIND = text(f"{_LOCATION} AND b.code = :code")
# Served by bin_updated_ix.
LIST = text(
    f"""{_LOCATION}
       AND (b.updated_at, b.id) > (:after_at, :after_id) AND b.updated_at >= :since
       AND (CAST(:kind AS text) = '' OR b.kind = :kind)
     ORDER BY b.updated_at, b.id LIMIT :limit
    """
)
ZONE = text("SELECT id FROM zone WHERE warehouse_id = :warehouse_id AND code = :code")
AISLE = text(
    "SELECT id, y_from_mm, y_to_mm FROM aisle WHERE warehouse_id = :warehouse_id AND code = :code"
)
USED = text(
    """
    SELECT CAST(coalesce(sum(s.on_hand * CAST(p.length_mm AS bigint) * p.width_mm * p.height_mm),
                         0) AS bigint) AS mm3,
           CAST(coalesce(sum(s.on_hand * CAST(p.weight_g AS bigint)), 0) AS bigint) AS g,
           count(DISTINCT s.item_id) AS items,
           count(DISTINCT (s.item_id, s.lot_id)) AS lots,
           (SELECT count(*) FROM lpn l WHERE l.warehouse_id = :warehouse_id AND l.bin_id = :id
             AND l.parent_id IS NULL) AS lpns,
           (SELECT count(*) FROM task t WHERE t.warehouse_id = :warehouse_id AND t.state = 'open'
             AND (t.from_bin_id = :id OR t.to_bin_id = :id)) AS tasks
      FROM balance s
      LEFT JOIN pack_level p ON p.item_id = s.item_id AND p.level = 'each'
     WHERE s.warehouse_id = :warehouse_id AND s.bin_id = :id AND s.on_hand > 0
    """
)


async def put_location(
    tx: Tx, stamp: Stamp, doc: LocationDoc, *, if_match: int | None = None
) -> LocationOutcome:
    """Create or change one bin; the same document again changes nothing.

    Locks the bin. Emits location.created, location.updated, location.blocked, location.unblocked.
    Raises LocationInUse, OwnLocation, Busy.
    """
    here = {"warehouse_id": stamp.warehouse_id}
    errors, places = await _check(tx, stamp, doc)
    if errors:
        return LocationOutcome(outcome="rejected", code=doc.code, errors=errors)
    locked = await row(tx, LOCK, _Id, **here, code=doc.code)
    given = {name: getattr(doc, name) for name in (*COLUMNS, "zone", "aisle")}
    given["check_digits"] = doc.check_digits or barcodes.check_digits(doc.code)
    if locked is None and if_match is not None:
        return LocationOutcome(outcome="version_mismatch", code=doc.code, decided_by=IF_MATCH)
    if locked is None:
        return await _create(tx, stamp, doc, given, places)
    stored = await get_location(tx, stamp, doc.code)
    if stored.kind in (*VIRTUAL_KINDS, "hand"):
        raise OwnLocation(location=doc.code)
    changed = [name for name, value in given.items() if getattr(stored, name) != value]
    versions = Versions(
        version=stored.version, source_version=stored.source_version, if_match=if_match,
        given=doc.source_version,
    )  # fmt: skip
    decision = decide(versions, changed, changeable=True)
    where = (bin_.c.warehouse_id == stamp.warehouse_id) & (bin_.c.id == locked.id)
    if decision.outcome == "exists" and versions.counts_on:
        await tx.execute(sa.update(bin_).where(where).values(source_version=doc.source_version))
    if decision.outcome != "updated":
        return LocationOutcome(
            outcome=decision.outcome, code=doc.code, version=stored.version,
            decided_by=decision.by,
        )  # fmt: skip
    await _refuse_contradictions(tx, stamp, locked.id, doc, changed)
    values = {name: given[name] for name in COLUMNS} | places
    values["source_version"] = max(doc.source_version or 0, stored.source_version)
    bump = {"version": bin_.c.version + 1, "updated_at": stamp.at}
    await tx.execute(sa.update(bin_).where(where).values(**values, **bump))
    type = EVENTS[doc.blocked] if "blocked" in changed else "location.updated"
    await _tell(tx, stamp, type, doc, stored.version + 1, changed)
    return LocationOutcome(
        outcome="updated", code=doc.code, version=stored.version + 1, decided_by=decision.by,
        changed_fields=changed,
    )  # fmt: skip


async def get_location(tx: Tx, stamp: Stamp, code: str) -> Location:
    """Raises UnknownLocation."""
    found = await row(tx, FIND, Location, warehouse_id=stamp.warehouse_id, code=code)
    if found is None:
        raise UnknownLocation(location=code)
    return found


async def list_locations(
    tx: Tx, stamp: Stamp, *, kind: str, since: datetime, after: tuple[datetime, int], limit: int
) -> list[Placed]:
    """Bins by their last change, from after a place in that order."""
    found = await tx.execute(LIST, {
        "warehouse_id": stamp.warehouse_id, "kind": kind, "since": since, "after_at": after[0],
        "after_id": after[1], "limit": limit,
    })  # fmt: skip
    return [
        Placed(each["id"], msgspec.convert(dict(each), Location)) for each in found.mappings()
    ]


async def _check(
    tx: Tx, stamp: Stamp, doc: LocationDoc
) -> tuple[list[DocumentError], dict[str, int | None]]:
    """What in a document leads nowhere, and the ids of its zone and aisle."""
    here = {"warehouse_id": stamp.warehouse_id}
    errors: list[DocumentError] = []
    zone = await row(tx, ZONE, _Id, **here, code=doc.zone)
    aisles = await rows(tx, AISLE, _Aisle, **here, code=doc.aisle)
    aisle = aisles[0] if aisles else None
    for name, found in (("zone", zone), ("aisle", aisle)):
        code = getattr(doc, name)
        if code and found is None:
            errors.append(DocumentError(f"/{name}", f"unknown-{name}", f"No such {name}", code))
        elif not code and doc.kind in STORAGE:
            errors.append(DocumentError(f"/{name}", "required", f"A {doc.kind} location needs it"))
    if aisle is not None and not aisle.y_from_mm <= doc.y_mm <= aisle.y_to_mm:
        errors.append(DocumentError("/y_mm", "out-of-range", "It lies outside the aisle", doc.y_mm))
    return errors, {
        "zone_id": zone.id if zone else None, "aisle_id": aisle.id if aisle else None
    }  # fmt: skip


async def _create(
    tx: Tx, stamp: Stamp, doc: LocationDoc, given: dict[str, Any], places: dict[str, int | None]
) -> LocationOutcome:
    values = {name: given[name] for name in COLUMNS} | places
    values |= {"code": doc.code, "source_version": doc.source_version or 0}
    new = insert(bin_).values(warehouse_id=stamp.warehouse_id, updated_at=stamp.at, **values)
    made = await tx.execute(new.on_conflict_do_nothing().returning(bin_.c.id))
    if made.first() is None:
        raise Busy()  # another sender made it this moment; the same request again sees it
    await _tell(tx, stamp, "location.created", doc, 1, sorted(given))
    by = LAST_WRITER if doc.source_version is None else SOURCE_VERSION
    return LocationOutcome(outcome="created", code=doc.code, version=1, decided_by=by)


async def _refuse_contradictions(
    tx: Tx, stamp: Stamp, bin_id: int, doc: LocationDoc, changed: list[str]
) -> None:
    used = await row(tx, USED, _Used, warehouse_id=stamp.warehouse_id, id=bin_id)
    assert used is not None
    broken = {
        "kind": used.items > 0 or used.lpns > 0 or used.tasks > 0,
        "capacity_mm3": doc.capacity_mm3 is not None and used.mm3 > doc.capacity_mm3,
        "capacity_g": doc.capacity_g is not None and used.g > doc.capacity_g,
        "capacity_lpns": doc.capacity_lpns is not None and used.lpns > doc.capacity_lpns,
        "mix_items": not doc.mix_items and used.items > 1,
        "mix_lots": not doc.mix_lots and used.lots > used.items,
    }
    for field in changed:
        if broken.get(field):
            raise LocationInUse(location=doc.code, field=field)


async def _tell(
    tx: Tx, stamp: Stamp, type: str, doc: LocationDoc, version: int, changed: list[str]
) -> None:
    data = catalog.LocationChanged(
        location=loc(doc.code, zone=doc.zone), kind=doc.kind, version=version,
        capacity_mm3=doc.capacity_mm3, capacity_g=doc.capacity_g,
        pick_sequence=doc.pick_sequence, blocked=doc.blocked, changed_fields=changed,
    )  # fmt: skip
    await emit(tx, stamp, type, f"loc/{doc.code}", data, keyseq=version)
