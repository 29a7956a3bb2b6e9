"""Items in by natural key: created, changed where the sender may, proposed where it may not.

What must stay true: a barcode means one item of an owner; the factor of a unit and the rules goods
are tracked by stay as they are while there is stock, for the ledger is kept in them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import text

from wms.access.rules import ApiClient, require_owner
from wms.db import Tx, row, rows
from wms.errors import Busy, Conflict, NotFound
from wms.masterdata import item_told, stewardship
from wms.masterdata.item_documents import (
    COLUMNS,
    IN_USE,
    ItemDoc,
    ItemOutcome,
    ItemRead,
    LevelRead,
    check_item,
    flat_given,
    flat_stored,
)
from wms.masterdata.tables import barcode, item, pack_level
from wms.stamp import Stamp
from wms.versions import CONTENT, FIELD_OWNER, IF_MATCH, LAST_WRITER, SOURCE_VERSION, Versions
from wms.versions import decide as decide_versions


class UnknownItem(NotFound):
    say = "{owner} has no item {sku}."


class UnknownOwner(NotFound):
    say = "There is no owner {owner}."


class BarcodeConflict(Conflict):
    say = "The barcode {barcode} is the one of item {other}."


class UnitInUse(Conflict):
    say = "{field} of {sku} cannot change while there is stock of it."


class _Id(msgspec.Struct):
    id: int


class _Clash(msgspec.Struct):
    value: str
    sku: str


class _Source(msgspec.Struct):
    source_version: int


class Stored(msgspec.Struct, kw_only=True):
    """An item's row with its levels."""

    id: int
    owner_id: int
    owner: str
    sku: str
    version: int
    updated_at: datetime
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

    def read(self) -> ItemRead:
        values = msgspec.structs.asdict(self)
        values |= {"id": str(self.id), "updated_at": self.updated_at.isoformat()}
        del values["owner_id"]
        return ItemRead(**values)


_ITEM = """
    SELECT i.id, i.owner_id, o.code AS owner, i.sku, i.version, i.updated_at, i.description,
           i.lot_tracked, i.serial_tracked, i.expiry_tracked, i.min_days_receipt, i.rotation,
           i.fragile, i.upright, i.flat, i.separation, i.own_container, i.carton_qty_max,
           i.velocity,
           coalesce((SELECT json_agg(json_build_object(
                         'level', p.level, 'base_qty', p.base_qty, 'length_mm', p.length_mm,
                         'width_mm', p.width_mm, 'height_mm', p.height_mm, 'weight_g', p.weight_g,
                         'load_max_g', p.load_max_g,
                         'barcodes', coalesce((SELECT json_agg(b.value ORDER BY b.value)
                                                 FROM barcode b WHERE b.item_id = p.item_id
                                                  AND b.level = p.level), '[]'))
                       ORDER BY p.base_qty, p.level)
                      FROM pack_level p WHERE p.item_id = i.id), '[]') AS levels
"""
OWNER = text("SELECT id FROM owner WHERE code = :owner")
# Served by item_owner_id_sku_key. The row is locked first, what hangs on it is read after.
LOCK = text("SELECT id FROM item WHERE owner_id = :owner_id AND sku = :sku FOR NO KEY UPDATE")
FIND = text(
    f"{_ITEM} FROM item i JOIN owner o ON o.id = i.owner_id"
    " WHERE i.owner_id = :owner_id AND i.sku = :sku"
)
GET = text(f"{_ITEM} FROM item i JOIN owner o ON o.id = i.owner_id WHERE i.id = :id")
# Served by item_updated_ix.
LIST = text(
    f"""{_ITEM}
      FROM item i JOIN owner o ON o.id = i.owner_id
     WHERE i.owner_id = :owner_id AND (i.updated_at, i.id) > (:after_at, :after_id)
       AND i.updated_at >= :since
     ORDER BY i.updated_at, i.id LIMIT :limit
    """
)
CREATE = text(
    """
    INSERT INTO item (owner_id, sku, description, updated_at)
    VALUES (:owner_id, :sku, :description, :at)
    ON CONFLICT (owner_id, sku) DO NOTHING RETURNING id
    """
)
SOURCE = text("SELECT source_version FROM item_source WHERE item_id = :id AND source = :source")
SET_SOURCE = text(
    """
    INSERT INTO item_source (item_id, source, source_version) VALUES (:id, :source, :given)
    ON CONFLICT (item_id, source) DO UPDATE
       SET source_version = greatest(item_source.source_version, excluded.source_version)
    """
)
PUT_LEVEL = text(
    """
    INSERT INTO pack_level
           (item_id, level, base_qty, length_mm, width_mm, height_mm, weight_g, load_max_g)
    VALUES (:item_id, :level, :base_qty, :length_mm, :width_mm, :height_mm, :weight_g, :load_max_g)
    ON CONFLICT (item_id, level) DO UPDATE
       SET base_qty = excluded.base_qty, length_mm = excluded.length_mm,
           width_mm = excluded.width_mm, height_mm = excluded.height_mm,
           weight_g = excluded.weight_g, load_max_g = excluded.load_max_g
    """
)
STOCK = text("SELECT 1 AS id FROM balance WHERE item_id = :id AND on_hand > 0 LIMIT 1")
# Two items that claim one code queue here; the second then finds the first.
QUEUE = text("SELECT pg_advisory_xact_lock(hashtextextended('barcodes', :owner_id))")
CLASH = text(
    """
    SELECT b.value, i.sku FROM barcode b JOIN item i ON i.id = b.item_id
     WHERE b.value = ANY (CAST(:values AS text[])) AND i.owner_id = :owner_id AND i.id <> :id
     ORDER BY b.value LIMIT 1
    """
)


async def put_item(
    tx: Tx, stamp: Stamp, client: ApiClient, doc: ItemDoc, *, if_match: int | None = None
) -> ItemOutcome:
    """Create or change one item; the same document again changes nothing.

    Locks the item. Emits item.created, item.updated, item.conflict_detected. Raises UnknownOwner,
    OwnerForbidden, BarcodeConflict, UnitInUse, Busy.
    """
    owner_id = await get_owner_id(tx, client, doc.owner)
    stored = await _take(tx, owner_id, doc.sku)
    errors = check_item(doc, stored.read() if stored else None)
    if errors:
        return ItemOutcome(outcome="rejected", owner=doc.owner, sku=doc.sku, errors=errors)
    if stored is None and if_match is not None:
        return ItemOutcome(
            outcome="version_mismatch", owner=doc.owner, sku=doc.sku, decided_by=IF_MATCH
        )
    if stored is None:
        return await _create(tx, stamp, client, doc, owner_id)
    had = flat_stored(stored.read())
    given = flat_given(doc, had)
    changed = {name: value for name, value in given.items() if had.get(name) != value}
    known = await row(tx, SOURCE, _Source, id=stored.id, source=client.code)
    versions = Versions(
        version=stored.version, source_version=known.source_version if known else 0,
        if_match=if_match, given=doc.source_version,
    )  # fmt: skip
    decision = decide_versions(versions, sorted(changed), changeable=True)
    if decision.outcome != "updated":
        if versions.counts_on and decision.outcome == "exists":
            await _count(tx, stored.id, client.code, doc.source_version)
        return _outcome(stored, decision.outcome, decision.by)
    mine, others = await stewardship.divide(tx, stored.owner_id, client.code, changed)
    proposed = await stewardship.propose(tx, stamp, stored, client.code, others, had)
    done = stored
    if mine:
        done = await change(tx, stamp, stored, mine, client.code, doc.source_version)
    await _count(tx, stored.id, client.code, doc.source_version)
    by = FIELD_OWNER if others else decision.by
    return _outcome(done, "updated" if mine else "proposed", by, sorted(mine), proposed)


async def get_owner_id(tx: Tx, client: ApiClient, owner: str) -> int:
    """Raises UnknownOwner, OwnerForbidden."""
    found = await row(tx, OWNER, _Id, owner=owner)
    require_owner(client, None if found is None else found.id)
    if found is None:
        raise UnknownOwner(owner=owner)
    return found.id


async def _take(tx: Tx, owner_id: int, sku: str) -> Stored | None:
    if await row(tx, LOCK, _Id, owner_id=owner_id, sku=sku) is None:
        return None
    return await row(tx, FIND, Stored, owner_id=owner_id, sku=sku)


async def take_item(tx: Tx, owner_id: int, sku: str) -> Stored:
    """The item, locked for a change. Raises UnknownItem."""
    found = await _take(tx, owner_id, sku)
    if found is None:
        raise UnknownItem(owner=owner_id, sku=sku)
    return found


async def find_item(tx: Tx, owner_id: int, sku: str) -> Stored | None:
    """The item without any lock, or None."""
    return await row(tx, FIND, Stored, owner_id=owner_id, sku=sku)


async def list_items(
    tx: Tx, owner_id: int, *, since: datetime, after: tuple[datetime, int], limit: int
) -> list[Stored]:
    """Items by their last change, from after a place in that order."""
    return await rows(
        tx, LIST, Stored, owner_id=owner_id, since=since, after_at=after[0], after_id=after[1],
        limit=limit,
    )  # fmt: skip


async def _create(
    tx: Tx, stamp: Stamp, client: ApiClient, doc: ItemDoc, owner_id: int
) -> ItemOutcome:
    made = await row(
        tx, CREATE, _Id, owner_id=owner_id, sku=doc.sku, description=doc.description, at=stamp.at
    )
    if made is None:
        raise Busy()  # another sender made it this moment; the same request again sees it
    given = flat_given(doc, {})
    await _write(tx, stamp, made.id, owner_id, given, {})
    await _count(tx, made.id, client.code, doc.source_version)
    stored = await row(tx, GET, Stored, id=made.id)
    assert stored is not None
    await item_told.tell_item(
        tx, stamp, "item.created", stored.read(), sorted(given), client.code, doc.source_version
    )
    by = LAST_WRITER if doc.source_version is None else SOURCE_VERSION
    return _outcome(stored, "created", by)


async def change(
    tx: Tx,
    stamp: Stamp,
    stored: Stored,
    fields: dict[str, Any],
    source: str,
    source_version: int | None = None,
) -> Stored:
    """Set flat fields of an item taken before, raise its version and say so.

    Emits item.updated. Raises BarcodeConflict, UnitInUse.
    """
    had = flat_stored(stored.read())
    guarded = [
        name for name in fields
        if (name.endswith(".base_qty") and name in had) or name in IN_USE
    ]  # fmt: skip
    if guarded and await row(tx, STOCK, _Id, id=stored.id) is not None:
        raise UnitInUse(field=guarded[0], sku=stored.sku)
    await _write(tx, stamp, stored.id, stored.owner_id, fields, had)
    bump = sa.update(item).where(item.c.id == stored.id)
    await tx.execute(bump.values(version=item.c.version + 1, updated_at=stamp.at))
    now = await row(tx, GET, Stored, id=stored.id)
    assert now is not None
    await item_told.tell_item(
        tx, stamp, "item.updated", now.read(), sorted(fields), source, source_version
    )
    return now


async def _write(
    tx: Tx, stamp: Stamp, item_id: int, owner_id: int, fields: dict[str, Any], had: dict[str, Any]
) -> None:
    columns = {name: value for name, value in fields.items() if name in COLUMNS}
    if columns:
        await tx.execute(sa.update(item).where(item.c.id == item_id).values(**columns))
    after = had | fields
    for level in dict.fromkeys(name.split(".")[1] for name in fields if name not in COLUMNS):
        path = f"levels.{level}"
        if after.get(f"{path}.base_qty") is None:
            await _remove_level(tx, item_id, level)
            continue
        length, width, height = after.get(f"{path}.dimensions", [0, 0, 0])
        await tx.execute(PUT_LEVEL, {
            "item_id": item_id, "level": level, "base_qty": after[f"{path}.base_qty"],
            "length_mm": length, "width_mm": width, "height_mm": height,
            "weight_g": after.get(f"{path}.weight_g", 0),
            "load_max_g": after.get(f"{path}.load_max_g"),
        })  # fmt: skip
    codes = {name: value for name, value in fields.items() if name.endswith(".barcodes")}
    claimed = [each for some in codes.values() for each in some]
    if claimed:
        await _refuse_clashes(tx, item_id, owner_id, claimed)
    for name in codes:
        level = name.split(".")[1]
        gone = sa.delete(barcode).where(barcode.c.item_id == item_id)
        await tx.execute(gone.where((barcode.c.level == level) | barcode.c.value.in_(codes[name])))
        if codes[name] and after.get(f"levels.{level}.base_qty") is not None:
            new = [{"value": each, "item_id": item_id, "level": level} for each in codes[name]]
            await tx.execute(sa.insert(barcode), new)


async def _remove_level(tx: Tx, item_id: int, level: str) -> None:
    here = (barcode.c.item_id == item_id) & (barcode.c.level == level)
    await tx.execute(sa.delete(barcode).where(here))
    here = (pack_level.c.item_id == item_id) & (pack_level.c.level == level)
    await tx.execute(sa.delete(pack_level).where(here))


async def _refuse_clashes(tx: Tx, item_id: int, owner_id: int, values: Sequence[str]) -> None:
    await tx.execute(QUEUE, {"owner_id": owner_id})
    clash = await row(tx, CLASH, _Clash, values=list(values), owner_id=owner_id, id=item_id)
    if clash is not None:
        raise BarcodeConflict(barcode=clash.value, other=clash.sku)


async def _count(tx: Tx, item_id: int, source: str, given: int | None) -> None:
    if given is not None:
        await tx.execute(SET_SOURCE, {"id": item_id, "source": source, "given": given})


def _outcome(
    stored: Stored,
    outcome: str,
    by: str = CONTENT,
    changed: Sequence[str] = (),
    proposed: Sequence[str] = (),
) -> ItemOutcome:
    return ItemOutcome(
        outcome=outcome, owner=stored.owner, sku=stored.sku, id=str(stored.id),
        version=stored.version, decided_by=by, changed_fields=tuple(changed),
        proposed=tuple(proposed),
    )  # fmt: skip
