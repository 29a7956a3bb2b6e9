"""Deliveries in: announced by natural key, changed while the goods are not here, cancelled.

A document may come any number of times: the first makes the delivery, equal ones change nothing,
older ones are ignored. Once goods are received, lines that hold them stay as they are.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import text

from wms.access.clients import require_owner_code
from wms.access.rules import ApiClient, require_owner
from wms.db import Tx, insert_many, row, rows
from wms.documents import BadDocument
from wms.errors import Busy, Conflict, NotFound
from wms.events import catalog
from wms.events.groups import doc as event_doc
from wms.events.groups import line as event_line
from wms.events.groups import reason
from wms.events.outbox import emit
from wms.inbound.asn_documents import (
    AsnDoc,
    Known,
    KnownLine,
    LineDoc,
    Outcome,
    References,
    check_references,
    decide,
    differing_fields,
    frozen_lines,
    load_references,
)
from wms.inbound.tables import asn_line
from wms.stamp import Stamp
from wms.versions import IF_MATCH, VersionMismatch


class UnknownAsn(NotFound):
    say = "There is no delivery {external_id} of {owner}."


class ExistsWithDifferent(Conflict):
    say = "Delivery {external_id} is {state} and has another {field}: it can no longer change."


class ChangeWindowClosed(Conflict):
    say = "Goods of delivery {external_id} are received: lines {received_lines} can not change."


class CancelRefused(Conflict):
    say = "Delivery {external_id} is {stage}: it can no longer be cancelled."


class _Made(msgspec.Struct):
    id: int


# The unique key decides between two senders of one new delivery; the loser looks again.
CREATE = text(
    """
    INSERT INTO asn (warehouse_id, owner_id, external_id, kind, supplier, source_version,
                     expected_at, dock_id, over_tolerance_pct, correlation_id, created_at)
    VALUES (:warehouse_id, :owner_id, :external_id, :kind, :supplier, :source_version, :expected_at,
            :dock_id, :over_tolerance_pct, :correlation_id, :at)
    ON CONFLICT (warehouse_id, owner_id, external_id) DO NOTHING
    RETURNING id
    """
)
COUNT_ON = text(
    """
    UPDATE asn SET source_version = :given
     WHERE warehouse_id = :warehouse_id AND id = :id AND source_version < :given
    """
)
UPDATE = text(
    """
    UPDATE asn SET kind = :kind, supplier = :supplier, source_version = :source_version,
           expected_at = :expected_at, dock_id = :dock_id,
           over_tolerance_pct = :over_tolerance_pct, version = version + 1
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
CANCEL = text(
    """
    UPDATE asn SET state = 'cancelled', version = version + 1, closed_at = :at
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
_KNOWN = """
    SELECT a.id, a.owner_id, o.code AS owner, a.external_id, a.kind, a.state, a.version,
           a.source_version, a.supplier, coalesce(d.code, '') AS dock, a.expected_at,
           a.over_tolerance_pct, a.correlation_id
      FROM owner o
      JOIN asn a ON a.warehouse_id = :warehouse_id AND a.owner_id = o.id
       AND a.external_id = :external_id
      LEFT JOIN bin d ON d.warehouse_id = a.warehouse_id AND d.id = a.dock_id
     WHERE o.code = :owner
"""
FIND = text(_KNOWN)
# Receivers share the row, so a change waits for acts in progress and the next act sees it whole.
TAKE = text(f"{_KNOWN} FOR NO KEY UPDATE OF a")
LINES = text(
    """
    SELECT l.id, l.line_no, i.sku, l.qty, l.received, l.lot_code AS lot, l.expires_on, l.sscc
      FROM asn_line l JOIN item i ON i.id = l.item_id
     WHERE l.warehouse_id = :warehouse_id AND l.asn_id = :asn_id ORDER BY l.id
    """
)
REMOVE_LINES = text(
    "DELETE FROM asn_line WHERE warehouse_id = :warehouse_id AND id = ANY (CAST(:ids AS bigint[]))"
)


async def announce(
    tx: Tx,
    stamp: Stamp,
    client: ApiClient | None,
    document: AsnDoc,
    *,
    if_match: int | None = None,
) -> Outcome:
    """Create or change one delivery; the same document again changes nothing.

    Locks the delivery. Emits asn.accepted, asn.updated. Raises BadDocument with all its errors,
    OwnerForbidden, ExistsWithDifferent, VersionMismatch, ChangeWindowClosed.
    """
    refs = await load_references(tx, stamp, document)
    if client is not None:
        require_owner(client, refs.owner_id)
    errors = check_references(document, refs)
    if errors:
        raise BadDocument(errors)
    known = await _take(tx, stamp, document.owner, document.external_id)
    if known is None and if_match is not None:
        raise VersionMismatch(version=0, expected=if_match, decided_by=IF_MATCH)
    if known is None:
        return await _create(tx, stamp, document, refs)
    decision = decide(known, document, if_match)
    if decision.outcome == "version_mismatch":
        raise VersionMismatch(version=known.version, expected=if_match, decided_by=decision.by)
    if decision.outcome.startswith("exists_with_different_"):
        field = decision.outcome.removeprefix("exists_with_different_")
        raise ExistsWithDifferent(
            external_id=known.external_id, state=known.state, field=field, decided_by=decision.by
        )
    if decision.outcome == "updated":
        done = await _update(tx, stamp, document, refs, known)
    else:
        done = _outcome(decision.outcome, known)
        given = document.source_version or 0
        if decision.outcome == "exists" and given > known.source_version:
            here = {"warehouse_id": stamp.warehouse_id, "id": known.id}
            await tx.execute(COUNT_ON, {**here, "given": given})
    return msgspec.structs.replace(done, decided_by=decision.by)


async def _update(
    tx: Tx, stamp: Stamp, document: AsnDoc, refs: References, known: Known
) -> Outcome:
    frozen = frozen_lines(known, document)
    if frozen:
        raise ChangeWindowClosed(
            external_id=known.external_id, stage=known.state, received_lines=", ".join(frozen)
        )
    return await _change(tx, stamp, document, refs, known, differing_fields(known, document))


async def find(tx: Tx, stamp: Stamp, owner: str, external_id: str) -> Known | None:
    """A delivery with its lines, or None."""
    return await _read(tx, stamp, owner, external_id, FIND)


async def _take(tx: Tx, stamp: Stamp, owner: str, external_id: str) -> Known | None:
    return await _read(tx, stamp, owner, external_id, TAKE)


async def _read(tx: Tx, stamp: Stamp, owner: str, external_id: str, statement: Any) -> Known | None:
    values = {"warehouse_id": stamp.warehouse_id, "owner": owner, "external_id": external_id}
    known = await row(tx, statement, Known, **values)
    if known is None:
        return None
    values = {"warehouse_id": stamp.warehouse_id, "asn_id": known.id}
    lines = await rows(tx, LINES, KnownLine, **values)
    return msgspec.structs.replace(known, lines=lines)


def _outcome(outcome: str, known: Known) -> Outcome:
    return Outcome(
        outcome=outcome, owner=known.owner, external_id=known.external_id, id=str(known.id),
        version=known.version, state=known.state,
    )  # fmt: skip


def _columns(stamp: Stamp, document: AsnDoc, refs: References) -> dict[str, Any]:
    return {
        "warehouse_id": stamp.warehouse_id,
        "kind": document.kind,
        "supplier": document.supplier,
        "source_version": document.source_version or 0,
        "expected_at": document.expected_at,
        "dock_id": refs.dock_id,
        "over_tolerance_pct": document.over_tolerance_pct,
    }


async def _create(tx: Tx, stamp: Stamp, document: AsnDoc, refs: References) -> Outcome:
    flow = stamp.correlation_id or _key(document)
    made = await row(
        tx, CREATE, _Made, **_columns(stamp, document, refs), owner_id=refs.owner_id,
        external_id=document.external_id, correlation_id=flow, at=stamp.at,
    )  # fmt: skip
    if made is None:
        raise Busy()  # another sender made it this moment; the same request again sees it
    await _insert_lines(tx, stamp, made.id, refs, document.lines)
    await emit(
        tx, stamp, "asn.accepted", _key(document),
        catalog.AsnAccepted(
            asn=event_doc("asn", made.id, document.external_id, owner=document.owner,
                          status="open"),
            kind=document.kind, supplier=document.supplier, expected_at=document.expected_at,
            lines=[event_line(line.line_no, line.sku, ordered=line.qty)
                   for line in document.lines],
        ),
        owner=document.owner, keyseq=1, correlation_id=flow,
    )  # fmt: skip
    return Outcome(outcome="created", owner=document.owner, external_id=document.external_id,
                   id=str(made.id), version=1, state="open")  # fmt: skip


async def _insert_lines(
    tx: Tx, stamp: Stamp, asn_id: int, refs: References, lines: Sequence[LineDoc]
) -> None:
    await insert_many(tx, asn_line, [
        {
            "warehouse_id": stamp.warehouse_id, "asn_id": asn_id, "line_no": line.line_no,
            "item_id": refs.items[line.sku], "qty": line.qty, "lot_code": line.lot,
            "expires_on": line.expires_on, "sscc": line.sscc,
        }
        for line in lines
    ])  # fmt: skip


async def _change(
    tx: Tx, stamp: Stamp, document: AsnDoc, refs: References, known: Known, fields: list[str]
) -> Outcome:
    """Lines that say the same stay; the others go, and come as the document says them."""
    values = _columns(stamp, document, refs) | {"id": known.id}
    values["source_version"] = max(values["source_version"], known.source_version)
    await tx.execute(UPDATE, values)
    wanted = {line.line_no: line for line in document.lines}
    kept = {line.line_no for line in known.lines
            if line.line_no in wanted and line.says(wanted[line.line_no])}  # fmt: skip
    gone = [line.id for line in known.lines if line.line_no not in kept]
    await tx.execute(REMOVE_LINES, {"warehouse_id": stamp.warehouse_id, "ids": gone})
    new = [line for line in document.lines if line.line_no not in kept]
    await _insert_lines(tx, stamp, known.id, refs, new)
    now = msgspec.structs.replace(known, version=known.version + 1)
    removed = [line.line_no for line in known.lines if line.line_no not in wanted]
    await emit(
        tx, stamp, "asn.updated", _key(document),
        catalog.AsnUpdated(asn=_event_doc(now), changed_fields=fields, lines_removed=removed),
        owner=known.owner, keyseq=now.version,
        correlation_id=stamp.correlation_id or known.correlation_id,
    )  # fmt: skip
    return _outcome("updated", now)


async def cancel(
    tx: Tx, stamp: Stamp, client: ApiClient | None, owner: str, external_id: str, why: str
) -> Outcome:
    """Cancel a delivery of which nothing has come; again: the same answer.

    Locks the delivery. Emits asn.cancelled. Raises UnknownAsn, OwnerForbidden, CancelRefused.
    """
    if client is not None:
        await require_owner_code(tx, client, owner)
    known = await _take(tx, stamp, owner, external_id)
    if known is None:
        raise UnknownAsn(owner=owner, external_id=external_id)
    if known.state == "cancelled":
        return _outcome("exists", known)
    if known.state != "open":
        raise CancelRefused(external_id=external_id, stage=known.state)
    await tx.execute(CANCEL, {"warehouse_id": stamp.warehouse_id, "id": known.id, "at": stamp.at})
    now = msgspec.structs.replace(known, state="cancelled", version=known.version + 1)
    await emit(
        tx, stamp, "asn.cancelled", f"asn/{owner}/{external_id}",
        catalog.AsnCancelled(asn=_event_doc(now), changed_fields=["state"],
                             reason=reason("partner", why)),
        owner=owner, keyseq=now.version,
        correlation_id=stamp.correlation_id or known.correlation_id,
    )  # fmt: skip
    return _outcome("cancelled", now)


def _event_doc(known: Known) -> Any:
    return event_doc("asn", known.id, known.external_id, owner=known.owner,
                     version=known.version, status=known.state)  # fmt: skip


def _key(document: AsnDoc) -> str:
    return f"asn/{document.owner}/{document.external_id}"
