"""Orders in: accepted or rejected by natural key, softly promised, changed, held.

A document may come any number of times: the first makes the order, equal ones change nothing, newer
ones change it while nothing has started. What must stay true: two intakes never promise the same
unit. They queue on advisory locks of the items (in stripes, in ascending order) before they look.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from wms.db import Tx, row, rows
from wms.documents import DocumentError
from wms.errors import Busy, Conflict
from wms.events import catalog
from wms.events.groups import doc, reason
from wms.events.outbox import emit_many
from wms.inventory import allocations
from wms.outbound import cancel_ahead, rules
from wms.outbound import order_sql as sql
from wms.outbound.order_documents import (
    Known,
    OrderDoc,
    Outcome,
    References,
    check_references,
    decide,
    load_references,
)
from wms.outbound.order_events import OrderHead, take_order, tell
from wms.outbound.order_told import flow_of, intake_events
from wms.outbound.resuming import go_on
from wms.stamp import Stamp
from wms.versions import IF_MATCH, Decision

FINAL = ("shipped", "shorted", "cancelled")


class ChangeWindowClosed(Conflict):
    say = "Too late: order {order} is {stage}."


class _Id(msgspec.Struct):
    id: int


class _Sum(msgspec.Struct):
    item_id: int
    qty: int


class Standing(msgspec.Struct, frozen=True):
    """Unallocated goods of an item, and how much of them soft promises claim."""

    free: int
    claimed: int

    @property
    def spare(self) -> int:
        """Available to promise; negative where goods were lost after they were promised."""
        return self.free - self.claimed


class _Made(msgspec.Struct):
    id: int
    owner_id: int
    external_id: str
    version: int
    state: str
    cutoff_at: datetime


async def accept(
    tx: Tx,
    stamp: Stamp,
    docs: Sequence[OrderDoc],
    owner_ids: Sequence[int] = (),
    *,
    if_match: int | None = None,
) -> list[Outcome]:
    """Take in orders, one or a thousand; one outcome for each, in their order.

    `if_match` is the version that all of them must change; another one is `version_mismatch`.
    Locks order stripes (shared), item stripes, then known orders by id. Emits order.accepted,
    order.updated, order.rejected, and order.cancelled where the cancellation came first. Raises
    Busy when another request makes the same order at this moment.
    """
    refs = await load_references(tx, stamp, docs)
    docs = [refs.with_address(each) for each in docs]
    outcomes: list[Outcome | None] = [None] * len(docs)
    good: dict[tuple[str, str], int] = {}
    for number, each in enumerate(docs):
        errors = check_references(each, refs, owner_ids)
        if each.natural_key in good:
            errors.append(DocumentError("/external_id", "duplicate", "Twice in one request"))
        if errors:
            outcomes[number] = _rejected(each, errors)
        else:
            good[each.natural_key] = number
    await cancel_ahead.share_stripes(tx, stamp, [external_id for _, external_id in good])
    await lock_items(
        tx,
        stamp,
        {refs.items[docs[n].owner, ln.sku] for n in good.values() for ln in docs[n].lines},
    )
    known = await _take_known(tx, stamp, [docs[n] for n in good.values()], refs)
    writes: list[tuple[int, Known | None]] = []
    for key, number in good.items():
        stored = known.get(key)
        if stored is None and if_match is not None:
            outcomes[number] = _missing(docs[number])
            continue
        if stored is None:
            writes.append((number, None))
            continue
        decision = decide(stored, docs[number], if_match)
        outcomes[number] = _unchanged(stored, decision)
        given = docs[number].source_version or 0
        if decision.outcome == "updated":
            writes.append((number, stored))
        elif decision.outcome == "exists" and given > stored.source_version:
            here = {"warehouse_id": stamp.warehouse_id, "id": stored.id}
            await tx.execute(sql.COUNT_ON, {**here, "given": given})
    for number, outcome in await _write(tx, stamp, docs, writes, refs):
        before = outcomes[number]
        outcomes[number] = msgspec.structs.replace(
            outcome, decided_by=before.decided_by if before else ""
        )
    done = [outcome for outcome in outcomes if outcome is not None]
    assert len(done) == len(docs)
    await emit_many(tx, intake_events(stamp, docs, done, writes))
    return await _cancelled_before(tx, stamp, done)


async def _cancelled_before(tx: Tx, stamp: Stamp, done: list[Outcome]) -> list[Outcome]:
    """Orders whose cancellation came first are cancelled as soon as they are made."""
    made = [int(each.id) for each in done if each.outcome == "created"]
    gone = await cancel_ahead.apply(tx, stamp, made) if made else {}
    return [
        msgspec.structs.replace(
            each, state=head.state, version=head.version,
            promised="none" if head.state == "cancelled" else each.promised,
        )
        if each.outcome == "created" and (head := gone.get(int(each.id)))
        else each
        for each in done
    ]  # fmt: skip


async def lock_items(tx: Tx, stamp: Stamp, item_ids: set[int]) -> None:
    """Queue with everybody who promises these items, to the end of the transaction."""
    await tx.execute(
        sql.LOCK_ITEMS, {"warehouse_id": stamp.warehouse_id, "item_ids": sorted(item_ids)}
    )


async def standing(tx: Tx, stamp: Stamp, item_ids: Sequence[int]) -> dict[int, Standing]:
    """How each item stands between orders. Lock the items first."""
    free = await allocations.available(tx, stamp, item_ids)
    promised = await rows(
        tx, sql.PROMISED, _Sum, warehouse_id=stamp.warehouse_id, item_ids=list(item_ids)
    )
    claimed = {each.item_id: each.qty for each in promised}
    return {
        item_id: Standing(free.get(item_id, 0), claimed.get(item_id, 0)) for item_id in item_ids
    }


async def _take_known(
    tx: Tx, stamp: Stamp, docs: Sequence[OrderDoc], refs: References
) -> dict[tuple[str, str], Known]:
    locked = await rows(
        tx,
        sql.LOCK_KNOWN,
        _Id,
        warehouse_id=stamp.warehouse_id,
        owner_ids=[refs.owners[each.owner] for each in docs],
        external_ids=[each.external_id for each in docs],
    )
    if not locked:
        return {}
    found = await rows(
        tx, sql.KNOWN, Known, warehouse_id=stamp.warehouse_id, ids=[each.id for each in locked]
    )
    return {(each.owner, each.external_id): each for each in found}


async def _write(
    tx: Tx,
    stamp: Stamp,
    docs: Sequence[OrderDoc],
    writes: Sequence[tuple[int, Known | None]],
    refs: References,
) -> list[tuple[int, Outcome]]:
    """Insert new orders, change known ones, promise and write the lines of both."""
    if not writes:
        return []
    changed = [stored.id for _, stored in writes if stored is not None]
    if changed:
        values = {"warehouse_id": stamp.warehouse_id, "ids": changed}
        await tx.execute(sql.FORGET_PROMISES, values)
        await tx.execute(sql.FORGET_LINES, values)
    made = await _insert_orders(
        tx, stamp, [docs[n] for n, stored in writes if stored is None], refs
    )
    for number, stored in writes:
        if stored is not None:
            values = _columns(docs[number], refs, stamp.at) | {"id": stored.id}
            values |= {"warehouse_id": stamp.warehouse_id}
            values["source_version"] = max(values["source_version"], stored.source_version)
            values["cutoff_at"] = _cutoff(docs[number], stored, refs, stamp.at)
            head = await row(tx, sql.UPDATE_ORDER, _Made, **values)
            assert head is not None
            made[docs[number].natural_key] = head
    wants = [
        (number, line_doc, refs.items[docs[number].owner, line_doc.sku])
        for number, _ in writes
        for line_doc in docs[number].lines
    ]
    stand = await standing(tx, stamp, sorted({item_id for _, _, item_id in wants}))
    spare = {item_id: each.spare for item_id, each in stand.items()}
    given = rules.soft_promises([(item_id, each.qty) for _, each, item_id in wants], spare)
    await tx.execute(
        sql.INSERT_LINES,
        {
            "warehouse_id": stamp.warehouse_id,
            "order_id": [made[docs[number].natural_key].id for number, _, _ in wants],
            "line_no": [each.line_no for _, each, _ in wants],
            "owner_id": [refs.owners[docs[number].owner] for number, _, _ in wants],
            "item_id": [item_id for _, _, item_id in wants],
            "qty": [each.qty for _, each, _ in wants],
            "promised": given,
        },
    )
    got: dict[int, int] = {}
    for (number, _, _), qty in zip(wants, given, strict=True):
        got[number] = got.get(number, 0) + qty
    return [
        (number, _written(docs[number], stored, made, got[number])) for number, stored in writes
    ]


async def _insert_orders(
    tx: Tx, stamp: Stamp, docs: Sequence[OrderDoc], refs: References
) -> dict[tuple[str, str], _Made]:
    if not docs:
        return {}
    columns = [
        {**_columns(each, refs, stamp.at), "correlation_id": flow_of(stamp, each)} for each in docs
    ]
    arrays: dict[str, Any] = {name: [each[name] for each in columns] for name in columns[0]}
    made = await rows(
        tx, sql.INSERT_ORDERS, _Made, warehouse_id=stamp.warehouse_id, at=stamp.at, **arrays
    )
    if len(made) < len(docs):
        raise Busy()  # another request is making one of them: look again
    code = {refs.owners[each.owner]: each.owner for each in docs}
    return {(code[each.owner_id], each.external_id): each for each in made}


def _columns(each: OrderDoc, refs: References, now: datetime) -> dict[str, Any]:
    return {
        "owner_id": refs.owners[each.owner],
        "external_id": each.external_id,
        "source_version": each.source_version or 0,
        "priority": each.priority,
        "allow_partial": each.allow_partial,
        "carrier_id": refs.carriers[each.carrier],
        "service": each.service,
        "cutoff_at": refs.cutoff_at(each, now),
        "ship_to": msgspec.json.encode(each.ship_to).decode(),
    }


def _rejected(each: OrderDoc, errors: list[DocumentError]) -> Outcome:
    return Outcome(
        outcome="rejected", owner=each.owner, external_id=each.external_id, errors=errors
    )


def _missing(each: OrderDoc) -> Outcome:
    return Outcome(
        outcome="version_mismatch", owner=each.owner, external_id=each.external_id,
        decided_by=IF_MATCH,
    )  # fmt: skip


def _unchanged(stored: Known, decision: Decision) -> Outcome:
    return Outcome(
        outcome=decision.outcome,
        decided_by=decision.by,
        owner=stored.owner,
        external_id=stored.external_id,
        id=str(stored.id),
        version=stored.version,
        state=stored.state,
        cutoff_at=stored.cutoff_at,
    )


def _cutoff(each: OrderDoc, stored: Known | None, refs: References, now: datetime) -> datetime:
    """A change that names no cutoff keeps the one it has, unless the service is another."""
    if stored is None or each.cutoff_at is not None:
        return refs.cutoff_at(each, now)
    same = (stored.carrier, stored.service) == (each.carrier, each.service)
    return stored.cutoff_at if same else refs.cutoff_at(each, now)


def _written(
    each: OrderDoc,
    stored: Known | None,
    made: dict[tuple[str, str], _Made],
    promised: int,
) -> Outcome:
    head = made[each.natural_key]
    ordered = sum(line_doc.qty for line_doc in each.lines)
    return Outcome(
        outcome="created" if stored is None else "updated",
        owner=each.owner,
        external_id=each.external_id,
        id=str(head.id),
        version=head.version,
        state=head.state,
        promised="all" if promised == ordered else "part" if promised else "none",
        cutoff_at=head.cutoff_at,
    )


async def find_order_id(tx: Tx, stamp: Stamp, owner: str, external_id: str) -> int | None:
    """The order of a natural key, or None."""
    found = await row(
        tx, sql.FIND, _Id, warehouse_id=stamp.warehouse_id, owner=owner, external_id=external_id
    )
    return None if found is None else found.id


async def hold(tx: Tx, stamp: Stamp, order_id: int, why: str) -> OrderHead:
    """Stop an order. What is being picked goes on; pack close and loading refuse it.

    Holding a held order changes nothing. Locks the order. Emits order.held. Raises
    ChangeWindowClosed, UnknownOrder.
    """
    head = await take_order(tx, stamp, order_id)
    if head.state in FINAL:
        raise ChangeWindowClosed(order=head.external_id, stage=head.state)
    if head.hold_reason:
        return head
    state = "held" if head.state == "open" else head.state
    data = catalog.OrderHeld(
        order=order_doc(head, state),
        hold_code="hold",
        reason=reason("hold", why),
        set_by=stamp.actor,
    )
    return await tell(
        tx, stamp, order_id, "order.held", data, state=state, hold_reason=why, cause="held"
    )


async def release_hold(tx: Tx, stamp: Stamp, order_id: int) -> OrderHead:
    """Let a held order go on where it stood: what waits at a bench or in a lane is directed again.

    An order that is not held stays as it is. Locks the order. Emits order.hold_released. Raises
    UnknownOrder.
    """
    head = await take_order(tx, stamp, order_id)
    if not head.hold_reason and head.state != "held":
        return head
    state = "open" if head.state == "held" else head.state
    data = catalog.OrderHoldReleased(
        order=order_doc(head, state), hold_code="hold", released_by=stamp.actor
    )
    cause = "awaiting_release" if state == "open" else ""
    free = await tell(
        tx, stamp, order_id, "order.hold_released", data, state=state, hold_reason="", cause=cause
    )
    await go_on(tx, stamp, free)
    return free


def order_doc(head: OrderHead, status: str) -> Any:
    """The order as the event about its next version names it."""
    return doc(
        "order",
        head.id,
        head.external_id,
        owner=head.owner,
        version=head.version + 1,
        status=status,
    )
