"""A partner cancels: an order or some of its lines, known here or not, once for each `cancel_ref`.

The same reference gets the same answer for ever after, also a refusal, and changes nothing again.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import text

from wms.access.rules import ApiClient, require_owner
from wms.db import Tx, row, rows
from wms.documents import BadDocument, DocumentError
from wms.errors import Busy, NotFound
from wms.outbound import cancel_ahead, cancelling
from wms.outbound.cancelling import Cancelled
from wms.outbound.order_documents import Code
from wms.outbound.order_events import OrderHead, take_order
from wms.outbound.orders import find_order_id
from wms.stamp import Stamp

Reason = Annotated[str, Meta(min_length=1, max_length=200, pattern="^[^\\x00]+$")]


class UnknownOwner(NotFound):
    say = "There is no owner {owner}."


class CancelDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A cancellation. No `lines`: the whole order. `cancel_ref` is the sender's own number of it:
    the same one again gets the same answer."""

    reason: Reason
    cancel_ref: Annotated[str, Meta(max_length=64, pattern="^[!-~]*$")] = ""
    lines: Annotated[list[Code], Meta(max_length=1000)] = []


class _Id(msgspec.Struct):
    id: int


class _Stored(msgspec.Struct):
    answer: str


class _Line(msgspec.Struct):
    line_no: str


OWNER = text("SELECT id FROM owner WHERE code = :owner")
# Served by the unique key.
FIND = text(
    """
    SELECT answer FROM order_cancel
     WHERE warehouse_id = :warehouse_id AND owner_id = :owner_id AND external_id = :external_id
       AND cancel_ref = :cancel_ref
    """
)
KEEP = text(
    """
    INSERT INTO order_cancel (warehouse_id, owner_id, external_id, cancel_ref, client, reason,
                              lines, at, applied_at, answer)
    VALUES (:warehouse_id, :owner_id, :external_id, :cancel_ref, :client, :reason,
            CAST(:lines AS jsonb), :at, :applied_at, :answer)
    ON CONFLICT (warehouse_id, owner_id, external_id, cancel_ref) DO NOTHING
    RETURNING id
    """
)
LINE_NOS = text(
    "SELECT line_no FROM order_line WHERE warehouse_id = :warehouse_id AND order_id = :order_id"
)


async def request_cancel(
    tx: Tx, stamp: Stamp, client: ApiClient, owner: str, external_id: str, asked: CancelDoc
) -> Cancelled:
    """Cancel now, or keep the cancellation until the order arrives (verdict `kept`).

    Locks what `cancelling.cancel` locks; the order's stripe when it is not known. Emits as that.
    Raises UnknownOwner, OwnerForbidden, BadDocument for lines it does not have, Busy.
    """
    found = await row(tx, OWNER, _Id, owner=owner)
    require_owner(client, None if found is None else found.id)
    if found is None:
        raise UnknownOwner(owner=owner)
    key = {
        "warehouse_id": stamp.warehouse_id, "owner_id": found.id, "external_id": external_id,
        "cancel_ref": asked.cancel_ref,
    }  # fmt: skip
    order_id = await find_order_id(tx, stamp, owner, external_id)
    if order_id is None:
        await cancel_ahead.take_stripe(tx, stamp, external_id)
        order_id = await find_order_id(tx, stamp, owner, external_id)
    if asked.cancel_ref or order_id is None:
        before = await row(tx, FIND, _Stored, **key)
        if before is not None:
            return msgspec.json.decode(before.answer, type=Cancelled)
    if order_id is None:
        verdict = Cancelled(verdict="kept", stage="unknown", version=0)
    elif asked.lines:
        verdict = await _cancel_lines(tx, stamp, order_id, asked)
    else:
        verdict = await cancelling.cancel(tx, stamp, order_id, asked.reason)
    if order_id is not None and not asked.cancel_ref:
        return verdict
    kept = await row(
        tx, KEEP, _Id, **key, client=client.code, reason=asked.reason, at=stamp.at,
        lines=msgspec.json.encode(asked.lines).decode(),
        applied_at=None if order_id is None else stamp.at,
        answer=msgspec.json.encode(verdict).decode(),
    )  # fmt: skip
    if kept is None:
        raise Busy()  # the same request runs beside this one: its answer is there in a moment
    return verdict


async def _cancel_lines(tx: Tx, stamp: Stamp, order_id: int, asked: CancelDoc) -> Cancelled:
    """Lines go as long as nobody planned the order; after that only the whole order can."""
    order: OrderHead = await take_order(tx, stamp, order_id)
    here = {"warehouse_id": stamp.warehouse_id, "order_id": order_id}
    known = {each.line_no for each in await rows(tx, LINE_NOS, _Line, **here)}
    errors = _unknown_lines(asked.lines, known)
    if errors:
        raise BadDocument(errors)
    if order.state not in ("open", "held", "cancelled") or order.wave_id is not None:
        return Cancelled(verdict="refused", stage=order.state, version=order.version)
    cut = await cancel_ahead.cut_lines(tx, stamp, order, asked.lines, asked.reason)
    return Cancelled(verdict="cancelled", stage=order.state, version=(cut or order).version)


def _unknown_lines(asked: Sequence[str], known: set[str]) -> list[DocumentError]:
    return [
        DocumentError(f"/lines/{number}", "unknown-line", "The order has no such line", line_no)
        for number, line_no in enumerate(asked)
        if line_no not in known
    ]
