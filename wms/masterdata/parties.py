"""Consignees and suppliers as their owner knows them, by natural key."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import text

from wms.barcodes import gs1_check_ok
from wms.db import Tx, row, rows
from wms.documents import DocumentError
from wms.errors import Busy, NotFound
from wms.events import catalog
from wms.events.groups import Party as PartyTold
from wms.masterdata import item_told
from wms.stamp import Stamp
from wms.versions import IF_MATCH, LAST_WRITER, SOURCE_VERSION, Versions, decide

Code = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[!-.0-~]+$")]
Short = Annotated[str, Meta(max_length=200, pattern="^[^\\x00]*$")]
Role = Literal["consignee", "supplier", "customer", "carrier", "bill_to", "broker"]


class UnknownParty(NotFound):
    say = "{owner} has no party {external_id}."


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is. Free text, printed on labels."""

    street: Short = ""
    city: Short = ""
    postcode: Short = ""
    region: Short = ""
    country: Short = ""


class PartyDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A party. (owner, external_id) is its natural key; a document is the whole party."""

    owner: Code
    external_id: Code
    name: Annotated[str, Meta(min_length=1, max_length=200, pattern="^[^\\x00]+$")]
    roles: Annotated[list[Role], Meta(min_length=1, max_length=6)]
    address: Address = Address()
    contact: Short = ""
    gln: Annotated[str, Meta(pattern="^([0-9]{13})?$")] = ""
    scac: Annotated[str, Meta(pattern="^([A-Z]{2,4})?$")] = ""
    source_version: Annotated[int, Meta(ge=0, le=2**62)] | None = None


class PartyOutcome(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """created | updated | exists | ignored_stale | rejected | version_mismatch |
    exists_with_different_<field>."""

    outcome: str
    owner: str
    external_id: str
    id: str = ""
    version: int = 0
    decided_by: str = ""
    changed_fields: list[str] = []
    errors: list[DocumentError] = []
    unknown_fields: list[str] = []


class PartyRead(msgspec.Struct, frozen=True, kw_only=True):
    """A party as it is stored."""

    id: str
    owner: str
    external_id: str
    name: str
    roles: list[str]
    address: Address
    contact: str
    gln: str
    scac: str
    version: int
    source_version: int
    updated_at: datetime


class Stored(msgspec.Struct, kw_only=True):
    """A party's row."""

    id: int
    owner: str
    external_id: str
    document: dict[str, Any]
    version: int
    source_version: int
    updated_at: datetime

    def read(self) -> PartyRead:
        values = {
            name: getattr(self, name)
            for name in ("owner", "external_id", "version", "source_version", "updated_at")
        }
        return msgspec.convert({**self.document, **values, "id": str(self.id)}, PartyRead)


class _Made(msgspec.Struct):
    id: int


_PARTY = """
    SELECT p.id, o.code AS owner, p.external_id, p.document, p.version, p.source_version,
           p.updated_at
      FROM party p JOIN owner o ON o.id = p.owner_id
     WHERE p.owner_id = :owner_id
"""
# Served by the unique natural key.
FIND = text(f"{_PARTY} AND p.external_id = :external_id")
TAKE = text(f"{_PARTY} AND p.external_id = :external_id FOR NO KEY UPDATE OF p")
# Served by party_updated_ix.
LIST = text(
    f"""{_PARTY}
       AND (p.updated_at, p.id) > (:after_at, :after_id) AND p.updated_at >= :since
     ORDER BY p.updated_at, p.id LIMIT :limit
    """
)
CREATE = text(
    """
    INSERT INTO party (owner_id, external_id, document, source_version, updated_at)
    VALUES (:owner_id, :external_id, CAST(:document AS jsonb), :source_version, :at)
    ON CONFLICT (owner_id, external_id) DO NOTHING RETURNING id
    """
)
COUNT_ON = text("UPDATE party SET source_version = :given WHERE id = :id")
UPDATE = text(
    """
    UPDATE party SET document = CAST(:document AS jsonb), version = version + 1,
           source_version = greatest(source_version, :source_version), updated_at = :at
     WHERE id = :id RETURNING id
    """
)


async def put_party(
    tx: Tx, stamp: Stamp, owner_id: int, doc: PartyDoc, *, if_match: int | None = None
) -> PartyOutcome:
    """Create or change one party; the same document again changes nothing.

    Locks the party. Emits partner.updated. Raises Busy.
    """
    name: dict[str, Any] = {"owner": doc.owner, "external_id": doc.external_id}
    if doc.gln and not gs1_check_ok(doc.gln):
        error = DocumentError("/gln", "check-digit", "The check digit is wrong", doc.gln)
        return PartyOutcome(outcome="rejected", **name, errors=[error])
    given = {
        field: value
        for field, value in msgspec.to_builtins(doc).items()
        if field not in ("owner", "external_id", "source_version")
    }
    values = {
        "document": msgspec.json.encode(given).decode(), "at": stamp.at,
        "source_version": doc.source_version or 0,
    }  # fmt: skip
    key = {"owner_id": owner_id, "external_id": doc.external_id}
    stored = await row(tx, TAKE, Stored, **key)
    if stored is None and if_match is not None:
        return PartyOutcome(outcome="version_mismatch", **name, decided_by=IF_MATCH)
    if stored is None:
        made = await row(tx, CREATE, _Made, **key, **values)
        if made is None:
            raise Busy()  # another sender made it this moment; the same request again sees it
        await _tell(tx, stamp, doc, 1, sorted(given))
        by = LAST_WRITER if doc.source_version is None else SOURCE_VERSION
        return PartyOutcome(outcome="created", **name, id=str(made.id), version=1, decided_by=by)
    changed = [field for field, value in given.items() if stored.document.get(field) != value]
    versions = Versions(
        version=stored.version, source_version=stored.source_version, if_match=if_match,
        given=doc.source_version,
    )  # fmt: skip
    decision = decide(versions, changed, changeable=True)
    version = stored.version
    if decision.outcome == "updated":
        version += 1
        await row(tx, UPDATE, _Made, id=stored.id, **values)
        await _tell(tx, stamp, doc, version, changed)
    elif decision.outcome == "exists" and versions.counts_on:
        await tx.execute(COUNT_ON, {"id": stored.id, "given": doc.source_version})
    return PartyOutcome(
        outcome=decision.outcome, **name, id=str(stored.id), version=version,
        decided_by=decision.by, changed_fields=changed if version > stored.version else [],
    )  # fmt: skip


async def get_party(tx: Tx, owner_id: int, owner: str, external_id: str) -> Stored:
    """Raises UnknownParty."""
    found = await row(tx, FIND, Stored, owner_id=owner_id, external_id=external_id)
    if found is None:
        raise UnknownParty(owner=owner, external_id=external_id)
    return found


async def list_parties(
    tx: Tx, owner_id: int, *, since: datetime, after: tuple[datetime, int], limit: int
) -> list[Stored]:
    """Parties by their last change, from after a place in that order."""
    return await rows(
        tx, LIST, Stored, owner_id=owner_id, since=since, after_at=after[0], after_id=after[1],
        limit=limit,
    )  # fmt: skip


async def _tell(
    tx: Tx, stamp: Stamp, doc: PartyDoc, version: int, changed: list[str]
) -> None:
    party = PartyTold(
        name=doc.name, role=doc.roles[0], code=doc.external_id, gln=doc.gln,
        contact=doc.contact, **msgspec.structs.asdict(doc.address),
    )  # fmt: skip
    data = catalog.PartnerUpdated(
        party=party, owner=doc.owner, version=version, roles=list(doc.roles),
        changed_fields=changed,
    )  # fmt: skip
    key = f"partner/{doc.owner}/{doc.external_id}"
    await item_told.tell_everywhere(
        tx, stamp, "partner.updated", key, data, doc.owner, version
    )
