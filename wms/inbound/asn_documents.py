"""The announced delivery as partners send it, checked against master data, and our answer to it.

Schema errors are found before (wms.documents); here every reference is looked up, and every error
of a document is reported with its JSON Pointer. What must stay true: what was received against a
line never changes afterwards.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import text

from wms.barcodes import gs1_check_ok
from wms.db import Tx, row, rows
from wms.documents import DocumentError
from wms.stamp import Stamp
from wms.versions import Decision, Versions
from wms.versions import decide as decide_versions

Code = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[!-.0-~]+$")]  # no space, no /
Short = Annotated[str, Meta(max_length=200, pattern="^[^\\x00]*$")]
Kind = Literal["asn", "po", "transfer"]


class LineDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One line; `qty` in the item's base unit. `sscc`: the logistic unit that carries it."""

    line_no: Code
    sku: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[^\\x00]+$")]
    qty: Annotated[int, Meta(ge=1, le=1_000_000)]
    lot: Annotated[str, Meta(max_length=40, pattern="^[^\\x00]*$")] = ""
    expires_on: date | None = None
    sscc: Annotated[str, Meta(pattern="^([0-9]{18})?$")] = ""


class AsnDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery. (owner, external_id) is its natural key.

    `kind`: asn (a delivery note), po (an order to a supplier) or transfer (from another site).
    `source_version`: the sender's own counter; an older one than stored is ignored. `dock`: code of
    the dock bin. `over_tolerance_pct`: how much more than announced is taken without a question.
    """

    owner: Code
    external_id: Code
    expected_at: Annotated[datetime, Meta(tz=True)]
    lines: Annotated[list[LineDoc], Meta(min_length=1, max_length=5000)]
    kind: Kind = "asn"
    supplier: Short = ""
    dock: Annotated[str, Meta(max_length=64, pattern="^[^\\x00]*$")] = ""
    over_tolerance_pct: Annotated[int, Meta(ge=0, le=100)] = 0
    source_version: Annotated[int, Meta(ge=0, le=2**62)] | None = None


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of a document: created | updated | exists | ignored_stale | cancelled.

    `decided_by` names the rule that said so: state | if_match | source_version | last_writer |
    content.
    """

    outcome: str
    owner: str
    external_id: str
    id: str
    version: int
    state: str
    decided_by: str = ""
    unknown_fields: Sequence[str] = ()


class _Item(msgspec.Struct):
    id: int
    sku: str


class _Id(msgspec.Struct):
    id: int


class _Sscc(msgspec.Struct):
    sscc: str


class References(msgspec.Struct, kw_only=True):
    """Ids by the codes that a document names."""

    owner_id: int | None
    dock_id: int | None
    items: dict[str, int]
    in_use: set[str]  # SSCCs that stand on another open delivery, or on goods in the house


class KnownLine(msgspec.Struct, frozen=True, kw_only=True):
    """A stored line in the words of the document it came as."""

    id: int
    line_no: str
    sku: str
    qty: int
    received: int
    lot: str
    expires_on: date | None
    sscc: str

    def says(self, given: LineDoc) -> bool:
        mine = (self.sku, self.qty, self.lot, self.expires_on, self.sscc)
        return mine == (given.sku, given.qty, given.lot, given.expires_on, given.sscc)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery as it is stored."""

    id: int
    owner_id: int
    owner: str
    external_id: str
    kind: str
    state: str
    version: int
    source_version: int
    supplier: str
    dock: str
    expected_at: datetime
    over_tolerance_pct: int
    correlation_id: str
    lines: list[KnownLine] = []


OWNER = text("SELECT id FROM owner WHERE code = :code")
DOCK = text(
    "SELECT id FROM bin WHERE warehouse_id = :warehouse_id AND code = :code AND kind = 'dock'"
)
ITEMS = text(
    """
    SELECT id, sku FROM item
     WHERE owner_id = :owner_id AND sku = ANY (CAST(:skus AS text[]))
    """
)
# asn_line_sscc_ix and the unique key of plates.
SSCC_IN_USE = text(
    """
    SELECT l.sscc FROM asn_line l
      JOIN asn a ON a.warehouse_id = l.warehouse_id AND a.id = l.asn_id
     WHERE l.warehouse_id = :warehouse_id AND l.sscc = ANY (CAST(:ssccs AS text[]))
       AND l.sscc <> '' AND a.state IN ('open', 'receiving')
       AND NOT (a.owner_id = :owner_id AND a.external_id = :external_id)
     UNION
    SELECT p.code AS sscc FROM lpn p
     WHERE p.warehouse_id = :warehouse_id AND p.code = ANY (CAST(:ssccs AS text[]))
       AND NOT EXISTS (SELECT 1 FROM receipt_line r
                         JOIN asn a ON a.warehouse_id = r.warehouse_id AND a.id = r.asn_id
                        WHERE r.warehouse_id = p.warehouse_id AND r.lpn_id = p.id
                          AND a.owner_id = :owner_id AND a.external_id = :external_id)
    """
)


async def load_references(tx: Tx, stamp: Stamp, doc: AsnDoc) -> References:
    """Everything the document names."""
    values = {"warehouse_id": stamp.warehouse_id}
    owner = await row(tx, OWNER, _Id, code=doc.owner)
    dock = await row(tx, DOCK, _Id, **values, code=doc.dock)
    items: list[_Item] = []
    used: list[_Sscc] = []
    if owner is not None:
        skus = sorted({line.sku for line in doc.lines})
        items = await rows(tx, ITEMS, _Item, owner_id=owner.id, skus=skus)
        ssccs = sorted({line.sscc for line in doc.lines if line.sscc})
        used = await rows(tx, SSCC_IN_USE, _Sscc, **values, ssccs=ssccs, owner_id=owner.id,
                          external_id=doc.external_id)  # fmt: skip
    return References(
        owner_id=owner.id if owner else None,
        dock_id=dock.id if dock else None,
        items={item.sku: item.id for item in items},
        in_use={each.sscc for each in used},
    )


def check_references(doc: AsnDoc, known: References) -> list[DocumentError]:
    """Everything in a document that leads nowhere or contradicts itself."""
    errors: list[DocumentError] = []

    def wrong(path: str, code: str, message: str, value: str) -> None:
        errors.append(DocumentError(path, code, message, value))

    if known.owner_id is None:
        wrong("/owner", "unknown-owner", f"There is no owner {doc.owner}", doc.owner)
    if doc.dock and known.dock_id is None:
        wrong("/dock", "unknown-location", f"There is no dock {doc.dock}", doc.dock)
    seen: set[str] = set()
    for number, line in enumerate(doc.lines):
        path = f"/lines/{number}"
        if line.line_no in seen:
            wrong(f"{path}/line_no", "duplicate", "This line number is used twice", line.line_no)
        seen.add(line.line_no)
        if known.owner_id is not None and line.sku not in known.items:
            wrong(f"{path}/sku", "unknown-item", f"{doc.owner} has no item {line.sku}", line.sku)
        if line.expires_on is not None and not line.lot:
            wrong(f"{path}/lot", "required", "A best-before date belongs to a lot", "")
        if line.sscc and not gs1_check_ok(line.sscc):
            wrong(f"{path}/sscc", "check-digit", "The check digit is wrong", line.sscc)
        elif line.sscc in known.in_use:
            wrong(f"{path}/sscc", "sscc-in-use", "Goods with this SSCC are known here", line.sscc)
    return errors


def differing_fields(known: Known, given: AsnDoc) -> list[str]:
    """What a document says differently from what is stored."""
    fields = [
        name
        for name in ("kind", "supplier", "dock", "expected_at", "over_tolerance_pct")
        if getattr(known, name) != getattr(given, name)
    ]
    stored = {line.line_no: line for line in known.lines}
    same = len(stored) == len(given.lines) and all(
        line.line_no in stored and stored[line.line_no].says(line) for line in given.lines
    )
    return fields if same else [*fields, "lines"]


def frozen_lines(known: Known, given: AsnDoc) -> list[str]:
    """Lines of which goods came already and that the document would change or remove."""
    wanted = {line.line_no: line for line in given.lines}
    return [
        line.line_no
        for line in known.lines
        if line.received and not (line.line_no in wanted and line.says(wanted[line.line_no]))
    ]


def decide(known: Known, given: AsnDoc, if_match: int | None = None) -> Decision:
    """What a document that comes again does (see wms.versions); received lines are another rule."""
    versions = Versions(
        version=known.version, source_version=known.source_version, if_match=if_match,
        given=given.source_version,
    )  # fmt: skip
    changeable = known.state in ("open", "receiving")
    return decide_versions(versions, differing_fields(known, given), changeable=changeable)
