"""The order as partners send it, checked against master data, and what we answer to it.

Schema errors are found before (wms.documents); here every reference is looked up for all documents
of a request at once, and every error of a document is reported with its JSON Pointer.
"""

from collections.abc import Sequence
from datetime import datetime, time
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import text

from wms.db import Tx, rows
from wms.documents import DocumentError
from wms.outbound.rules import next_cutoff
from wms.stamp import Stamp
from wms.versions import Decision, Versions
from wms.versions import decide as decide_versions

Code = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[!-.0-~]+$")]  # no space, no /
Short = Annotated[str, Meta(max_length=200, pattern="^[^\\x00]*$")]


class ShipTo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where it goes. Free text, printed on the label."""

    name: Short = ""
    street: Short = ""
    city: Short = ""
    postcode: Short = ""
    region: Short = ""
    country: Short = ""
    contact: Short = ""


class LineDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One line; `qty` in the item's base unit."""

    line_no: Code
    sku: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[^\\x00]+$")]
    qty: Annotated[int, Meta(ge=1, le=1_000_000)]


class OrderDoc(msgspec.Struct, frozen=True, kw_only=True):
    """An order. (owner, external_id) is its natural key.

    `source_version`: the sender's own counter; an older one than stored is ignored. `cutoff_at`:
    when the carrier leaves; computed from the service's daily cutoff when it is not given.
    `priority`: minutes ahead of other orders of the same cutoff. `ship_to_party`: a consignee of
    the owner; its address is taken where `ship_to` is empty.
    """

    owner: Code
    external_id: Code
    carrier: Code
    lines: Annotated[list[LineDoc], Meta(min_length=1, max_length=1000)]
    service: Code = "standard"
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    allow_partial: bool = True
    cutoff_at: Annotated[datetime, Meta(tz=True)] | None = None
    ship_to: ShipTo = ShipTo()
    ship_to_party: Code | None = None
    source_version: Annotated[int, Meta(ge=0, le=2**62)] | None = None

    @property
    def natural_key(self) -> tuple[str, str]:
        return self.owner, self.external_id


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of one document.

    `outcome`: created | updated | exists | ignored_stale | exists_with_different_<field> |
    rejected. `promised`: all | part | none, of what the order still waits for. `decided_by` names
    the rule that said so: state | if_match | source_version | last_writer | content.
    """

    outcome: str
    owner: str
    external_id: str
    id: str = ""
    version: int = 0
    state: str = ""
    promised: str = ""
    cutoff_at: datetime | None = None
    decided_by: str = ""
    errors: Sequence[DocumentError] = ()
    unknown_fields: Sequence[str] = ()


class _Service(msgspec.Struct):
    carrier: str
    carrier_id: int
    service: str | None
    at: time | None


class _Item(msgspec.Struct):
    id: int
    owner: str
    sku: str


class _Owner(msgspec.Struct):
    id: int
    code: str


class _Party(msgspec.Struct):
    owner: str
    external_id: str
    document: dict[str, Any]


class _Zone(msgspec.Struct):
    timezone: str


class References(msgspec.Struct, kw_only=True):
    """Ids by the codes that a request names."""

    owners: dict[str, int]
    items: dict[tuple[str, str], int]  # (owner, sku)
    carriers: dict[str, int]
    cutoffs: dict[tuple[str, str], time]  # (carrier, service)
    timezone: str
    parties: dict[tuple[str, str], ShipTo] = {}  # (owner, external id)

    def with_address(self, doc: OrderDoc) -> OrderDoc:
        """The document with the address of the party it names, where it gives none itself."""
        found = self.parties.get((doc.owner, doc.ship_to_party or ""))
        if found is None or doc.ship_to != ShipTo():
            return doc
        return msgspec.structs.replace(doc, ship_to=found)

    def cutoff_at(self, doc: OrderDoc, now: datetime) -> datetime:
        """When the carrier leaves; `check_references` made sure that there is an answer."""
        return doc.cutoff_at or next_cutoff(
            now, self.timezone, self.cutoffs[doc.carrier, doc.service]
        )


OWNERS = text("SELECT id, code FROM owner WHERE code = ANY (CAST(:codes AS text[]))")
ITEMS = text(
    """
    SELECT i.id, o.code AS owner, i.sku
      FROM unnest(CAST(:owners AS text[]), CAST(:skus AS text[])) AS t (owner, sku)
      JOIN owner o ON o.code = t.owner
      JOIN item i ON i.owner_id = o.id AND i.sku = t.sku
    """
)
SERVICES = text(
    """
    SELECT c.code AS carrier, c.id AS carrier_id, k.service, k.at
      FROM carrier c
      LEFT JOIN cutoff k ON k.warehouse_id = :warehouse_id AND k.carrier_id = c.id
     WHERE c.code = ANY (CAST(:codes AS text[]))
    """
)
PARTIES = text(
    """
    SELECT o.code AS owner, p.external_id, p.document
      FROM unnest(CAST(:owners AS text[]), CAST(:names AS text[])) AS t (owner, name)
      JOIN owner o ON o.code = t.owner
      JOIN party p ON p.owner_id = o.id AND p.external_id = t.name
    """
)
TIMEZONE = text("SELECT timezone FROM warehouse WHERE id = :warehouse_id")


async def load_references(tx: Tx, stamp: Stamp, docs: Sequence[OrderDoc]) -> References:
    """Everything the documents name, in five statements however many there are."""
    named = sorted({(doc.owner, line.sku) for doc in docs for line in doc.lines})
    owners = await rows(tx, OWNERS, _Owner, codes=sorted({doc.owner for doc in docs}))
    items = await rows(
        tx, ITEMS, _Item, owners=[owner for owner, _ in named], skus=[sku for _, sku in named]
    )
    services = await rows(
        tx,
        SERVICES,
        _Service,
        warehouse_id=stamp.warehouse_id,
        codes=sorted({doc.carrier for doc in docs}),
    )
    zone = await rows(tx, TIMEZONE, _Zone, warehouse_id=stamp.warehouse_id)
    return References(
        owners={each.code: each.id for each in owners},
        items={(each.owner, each.sku): each.id for each in items},
        carriers={each.carrier: each.carrier_id for each in services},
        cutoffs={
            (each.carrier, each.service): each.at
            for each in services
            if each.service is not None and each.at is not None
        },
        timezone=zone[0].timezone,
        parties=await _load_parties(tx, docs),
    )


async def _load_parties(tx: Tx, docs: Sequence[OrderDoc]) -> dict[tuple[str, str], ShipTo]:
    named = sorted({(doc.owner, doc.ship_to_party) for doc in docs if doc.ship_to_party})
    if not named:
        return {}
    found = await rows(
        tx, PARTIES, _Party, owners=[owner for owner, _ in named], names=[name for _, name in named]
    )
    return {
        (each.owner, each.external_id): msgspec.convert(
            {**each.document.get("address", {}), **each.document}, ShipTo
        )
        for each in found
    }


def check_references(
    doc: OrderDoc, known: References, owner_ids: Sequence[int] = ()
) -> list[DocumentError]:
    """Every reference of a document that leads nowhere. No `owner_ids` means all owners."""
    errors: list[DocumentError] = []

    def wrong(path: str, code: str, message: str, value: str, allowed: Sequence[str] = ()) -> None:
        errors.append(DocumentError(path, code, message, value, sorted(allowed)))

    owner_id = known.owners.get(doc.owner)
    if owner_ids and owner_id not in owner_ids:  # nothing else is said of what is not theirs
        wrong("/owner", "forbidden-owner", f"No access to owner {doc.owner}", doc.owner)
        return errors
    if owner_id is None:
        wrong("/owner", "unknown-owner", f"There is no owner {doc.owner}", doc.owner)
    if doc.carrier not in known.carriers:
        wrong("/carrier", "unknown-carrier", f"There is no carrier {doc.carrier}", doc.carrier)
    elif doc.cutoff_at is None and (doc.carrier, doc.service) not in known.cutoffs:
        allowed = [service for carrier, service in known.cutoffs if carrier == doc.carrier]
        wrong(
            "/service",
            "unknown-service",
            f"{doc.carrier} has no daily cutoff for {doc.service}; give cutoff_at",
            doc.service,
            allowed,
        )
    party = doc.ship_to_party
    if party and owner_id is not None and (doc.owner, party) not in known.parties:
        wrong("/ship_to_party", "unknown-party", f"{doc.owner} has no party {party}", party)
    seen: set[str] = set()
    for number, line in enumerate(doc.lines):
        path = f"/lines/{number}"
        if line.line_no in seen:
            wrong(f"{path}/line_no", "duplicate", "This line number is used twice", line.line_no)
        seen.add(line.line_no)
        if owner_id is not None and (doc.owner, line.sku) not in known.items:
            wrong(f"{path}/sku", "unknown-item", f"{doc.owner} has no item {line.sku}", line.sku)
    return errors


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it is stored, in the words of the document it came as."""

    id: int
    owner: str
    external_id: str
    state: str
    version: int
    source_version: int
    correlation_id: str
    wave_id: int | None
    carrier: str
    service: str
    priority: int
    allow_partial: bool
    cutoff_at: datetime
    ship_to: dict[str, str]
    lines: list[tuple[str, str, int]]  # (line number, sku, quantity)


def differing_fields(known: Known, given: OrderDoc) -> list[str]:
    """What a document says differently from what is stored. A cutoff it leaves out is no change."""
    found = [
        name
        for name in ("carrier", "service", "priority", "allow_partial")
        if getattr(known, name) != getattr(given, name)
    ]
    if given.cutoff_at is not None and given.cutoff_at != known.cutoff_at:
        found.append("cutoff_at")
    if known.ship_to != msgspec.to_builtins(given.ship_to):
        found.append("ship_to")
    if sorted(known.lines) != sorted((ln.line_no, ln.sku, ln.qty) for ln in given.lines):
        found.append("lines")
    return found


def decide(known: Known, given: OrderDoc, if_match: int | None = None) -> Decision:
    """What a document that comes again does, before anything is written (see wms.versions).

    A change without a newer version of the sender is taken unless the sender counts versions.
    """
    versions = Versions(
        version=known.version, source_version=known.source_version, if_match=if_match,
        given=given.source_version,
    )  # fmt: skip
    changeable = known.state in ("open", "held") and known.wave_id is None
    return decide_versions(versions, differing_fields(known, given), changeable=changeable)
