"""Corrections that other systems ask for: posted when small, counted when nobody knows where.

A large one waits until a supervisor approves or refuses it. Only goods that nobody was promised
change, so a balance never falls below what is allocated of it.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import text

from wms.access.rules import ApiClient, require_owner
from wms.counting.adjustment_documents import (
    KEEPS_STOCK,
    Adjustment,
    AdjustmentDoc,
    Facts,
    check_facts,
    load_facts,
    needs_approval,
)
from wms.db import Tx, row, rows
from wms.documents import BadDocument
from wms.errors import Conflict, NotFound, Refused
from wms.events import catalog
from wms.events.groups import loc, reason, stk, who
from wms.events.outbox import emit
from wms.inventory import ledger, plates
from wms.inventory.ledger import Goods, Place
from wms.stamp import Stamp
from wms.tasks.wanted import request_count

PAGE_MAX = 500
COUNTED_BINS = 10


class UnknownRequest(NotFound):
    say = "There is no adjustment request {request}."


class ExistsWithDifferent(Conflict):
    say = "Adjustment request {request_id} is {state} and asked for something else."


class NotWaiting(Conflict):
    say = "That request is {state}: there is nothing to decide."


class NotFree(Refused):
    say = "Only {free} × {sku} in {bin} are {status} and not promised; {qty} were asked for."


class NowhereBooked(Refused):
    say = "No bin holds {sku}: name the bin it belongs in."


class _Id(msgspec.Struct):
    id: int


class _Kept(msgspec.Struct):
    fingerprint: bytes


class _Part(msgspec.Struct):
    lpn_id: int | None
    lpn: str
    on_hand: int
    free: int


# adjustment_request_…_request_id_key decides between two equal requests in flight.
RECORD = text(
    """
    INSERT INTO adjustment_request (warehouse_id, client, request_id, fingerprint, state, owner_id,
                                    item_id, bin_id, lot_code, serial, status, to_status, qty,
                                    reason, requested_at, decided_at)
    VALUES (:warehouse_id, :client, :request_id, :fingerprint, :state, :owner_id, :item_id,
            :bin_id, :lot, :serial, :status, :to_status, :qty, :reason, :at, :decided_at)
    ON CONFLICT (warehouse_id, client, request_id) DO NOTHING
    RETURNING id
    """
)
KEPT = text(
    """
    SELECT fingerprint FROM adjustment_request
     WHERE warehouse_id = :warehouse_id AND client = :client AND request_id = :request_id
    """
)
_SHOWN = """
    SELECT CAST(r.id AS text) AS id, r.client, r.request_id, r.state, w.code AS owner, i.sku, r.qty,
           r.reason, r.requested_at, coalesce(b.code, '') AS bin, r.lot_code AS lot, r.serial,
           r.status, r.to_status, r.note, r.count_ids, r.decided_at,
           coalesce(u.code, '') AS decided_by
      FROM adjustment_request r
      JOIN owner w ON w.id = r.owner_id
      JOIN item i ON i.id = r.item_id
      LEFT JOIN bin b ON b.warehouse_id = r.warehouse_id AND b.id = r.bin_id
      LEFT JOIN app_user u ON u.id = r.decided_by
     WHERE r.warehouse_id = :warehouse_id
"""
FIND = text(f"{_SHOWN} AND r.client = :client AND r.request_id = :request_id")
TAKE = text(f"{_SHOWN} AND r.id = :id FOR UPDATE OF r")
WAITING = text(f"{_SHOWN} AND r.state = 'waiting' ORDER BY r.id LIMIT 200")
RECENT = text(f"{_SHOWN} AND r.state <> 'waiting' ORDER BY r.id DESC LIMIT 20")
# The primary key walks.
LIST = text(
    f"""
    {_SHOWN} AND r.client = :client AND r.id > :after
       AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
            OR r.owner_id = ANY (CAST(:owner_ids AS bigint[])))
       AND (CAST(:state AS text) = '' OR r.state = :state)
     ORDER BY r.id LIMIT :limit
    """
)
SETTLE = text(
    """
    UPDATE adjustment_request SET state = :state, note = :note, decided_at = :at,
           decided_by = CAST(:user_id AS bigint), count_ids = CAST(:count_ids AS bigint[])
     WHERE warehouse_id = :warehouse_id AND id = :id
    """
)
# balance_item_ix; the fullest bins first, because a difference is most likely there.
BINS_OF = text(
    """
    SELECT b.bin_id AS id FROM balance b
      JOIN bin p ON p.warehouse_id = b.warehouse_id AND p.id = b.bin_id
     WHERE b.warehouse_id = :warehouse_id AND b.item_id = :item_id AND b.on_hand > 0
       AND p.kind = ANY (CAST(:kinds AS text[]))
     GROUP BY b.bin_id ORDER BY sum(b.on_hand) DESC, b.bin_id LIMIT :limit
    """
)
# balance_place_key, locked in the order of the movement trigger: loose goods first, then plates.
TAKE_FREE = text(
    """
    SELECT x.lpn_id, coalesce(p.code, '') AS lpn, x.on_hand, x.on_hand - x.allocated AS free
      FROM balance x
      LEFT JOIN lpn p ON p.warehouse_id = x.warehouse_id AND p.id = x.lpn_id
     WHERE x.warehouse_id = :warehouse_id AND x.bin_id = :bin_id AND x.owner_id = :owner_id
       AND x.item_id = :item_id AND x.lot_id IS NOT DISTINCT FROM CAST(:lot_id AS bigint)
       AND x.serial = :serial AND x.status = :status AND x.on_hand > x.allocated
       AND p.order_id IS NULL
     ORDER BY coalesce(x.lpn_id, 0), x.id
       FOR UPDATE OF x
    """
)


async def request(
    tx: Tx, stamp: Stamp, client: ApiClient, given: AdjustmentDoc
) -> Adjustment:
    """Take in one correction; the same again changes nothing and answers where it stands.

    Locks the request, then the stock. Emits inventory.adjusted, inventory.status_changed,
    count.started and inventory.adjustment_decided. Raises BadDocument with all its errors,
    OwnerForbidden, ExistsWithDifferent, NotFree, NowhereBooked.
    """
    facts = await load_facts(tx, stamp, given)
    require_owner(client, facts.owner_id)
    names = {
        "warehouse_id": stamp.warehouse_id, "client": client.code, "request_id": given.request_id,
    }  # fmt: skip
    known = await row(tx, KEPT, _Kept, **names)
    if known is None:
        errors = check_facts(given, facts)
        if errors:
            raise BadDocument(errors)
        state = "counting" if not given.bin else "posted"
        if given.bin and needs_approval(given, facts):
            state = "waiting"
        made = await row(
            tx, RECORD, _Id, **names, **_columns(given, facts), state=state, at=stamp.at,
            decided_at=None if state == "waiting" else stamp.at,
        )  # fmt: skip
        if made is not None:
            await _carry_out(tx, stamp, client.code, made.id, state, given, facts)
            return msgspec.structs.replace(
                await find(tx, stamp, client.code, given.request_id), outcome="created"
            )
        known = await row(tx, KEPT, _Kept, **names)
        assert known is not None, "the other request has committed"
    found = await find(tx, stamp, client.code, given.request_id)
    if known.fingerprint != given.fingerprint:
        raise ExistsWithDifferent(request_id=given.request_id, state=found.state)
    return msgspec.structs.replace(found, outcome="exists")


def _columns(given: AdjustmentDoc, facts: Facts) -> dict[str, Any]:
    return {
        "fingerprint": given.fingerprint, "owner_id": facts.owner_id, "item_id": facts.item_id,
        "bin_id": facts.bin_id, "lot": given.lot, "serial": given.serial, "status": given.status,
        "to_status": given.to_status, "qty": given.qty, "reason": given.reason,
    }  # fmt: skip


async def _carry_out(
    tx: Tx, stamp: Stamp, client: str, id: int, state: str, given: AdjustmentDoc, facts: Facts
) -> None:
    if state == "waiting":
        return
    counts: list[int] = []
    if state == "counting":
        counts = await _count(tx, stamp, facts)
        await _settle(tx, stamp, id, state, count_ids=counts)
    else:
        await _post(tx, stamp, given, facts)
    await _tell(tx, stamp, client, given, state, count_ids=counts)


async def find(tx: Tx, stamp: Stamp, client: str, request_id: str) -> Adjustment:
    """Raises UnknownRequest."""
    found = await row(
        tx, FIND, Adjustment, warehouse_id=stamp.warehouse_id, client=client, request_id=request_id
    )
    if found is None:
        raise UnknownRequest(request=request_id)
    return found


async def list_requests(
    tx: Tx, stamp: Stamp, client: str, *, state: str = "", owner_ids: Sequence[int] = (),
    after: int = 0, limit: int = 100,
) -> list[Adjustment]:  # fmt: skip
    """A partner's own requests in the order they came."""
    return await rows(
        tx, LIST, Adjustment, warehouse_id=stamp.warehouse_id, client=client, state=state,
        owner_ids=list(owner_ids), after=after, limit=min(limit, PAGE_MAX),
    )  # fmt: skip


async def list_waiting(tx: Tx, stamp: Stamp) -> tuple[list[Adjustment], list[Adjustment]]:
    """What waits for a supervisor, oldest first, and what was settled last."""
    values = {"warehouse_id": stamp.warehouse_id}
    waiting = await rows(tx, WAITING, Adjustment, **values)
    return waiting, await rows(tx, RECENT, Adjustment, **values)


async def decide(tx: Tx, stamp: Stamp, id: int, approve: bool, note: str = "") -> Adjustment:
    """Approve a waiting request, which posts it, or refuse it.

    Locks the request, then the stock. Emits what posting emits and inventory.adjustment_decided.
    Raises UnknownRequest, NotWaiting, NotFree.
    """
    asked = await row(tx, TAKE, Adjustment, warehouse_id=stamp.warehouse_id, id=id)
    if asked is None:
        raise UnknownRequest(request=id)
    if asked.state != "waiting":
        raise NotWaiting(state=asked.state)
    given = msgspec.convert(
        {name: getattr(asked, name) for name in AdjustmentDoc.__struct_fields__}, AdjustmentDoc
    )
    if approve:
        facts = await load_facts(tx, stamp, given)
        await _post(tx, stamp, given, facts, approved_by=stamp.actor)
    state = "posted" if approve else "refused"
    await _settle(tx, stamp, id, state, note=note)
    await _tell(tx, stamp, asked.client, given, state, note=note)
    return msgspec.structs.replace(asked, state=state)


async def _settle(
    tx: Tx, stamp: Stamp, id: int, state: str, *, note: str = "", count_ids: list[int] | None = None
) -> None:
    await tx.execute(SETTLE, {
        "warehouse_id": stamp.warehouse_id, "id": id, "state": state, "note": note,
        "at": stamp.at, "user_id": stamp.user_id, "count_ids": count_ids or [],
    })  # fmt: skip


async def _count(tx: Tx, stamp: Stamp, facts: Facts) -> list[int]:
    """Nobody knows which bin is wrong: those that hold the item are counted."""
    bins = await rows(tx, BINS_OF, _Id, warehouse_id=stamp.warehouse_id, item_id=facts.item_id,
                      kinds=list(KEEPS_STOCK), limit=COUNTED_BINS)  # fmt: skip
    if not bins:
        raise NowhereBooked(sku=facts.sku)
    ids = sorted(each.id for each in bins)
    return [await request_count(tx, stamp, bin_id, "dispute") for bin_id in ids]


async def _post(
    tx: Tx, stamp: Stamp, given: AdjustmentDoc, facts: Facts, *, approved_by: str = ""
) -> None:
    assert facts.bin_id is not None
    if given.qty > 0 and not given.to_status:
        await _gain(tx, stamp, given, facts, approved_by)
        return
    wanted = abs(given.qty)
    parts = await rows(
        tx, TAKE_FREE, _Part, warehouse_id=stamp.warehouse_id, bin_id=facts.bin_id,
        owner_id=facts.owner_id, item_id=facts.item_id, lot_id=facts.lot_id, serial=given.serial,
        status=given.status,
    )  # fmt: skip
    free = sum(each.free for each in parts)
    if free < wanted:
        raise NotFree(sku=facts.sku, bin=facts.bin, status=given.status, free=free, qty=wanted)
    for part in parts:
        qty = min(part.free, wanted)
        wanted -= qty
        if qty and given.to_status:
            await _restate(tx, stamp, given, facts, part, qty)
        elif qty:
            await _lose(tx, stamp, given, facts, part, qty, approved_by)


def _goods(given: AdjustmentDoc, facts: Facts, qty: int, status: str) -> Goods:
    assert facts.owner_id is not None
    assert facts.item_id is not None
    return Goods(owner_id=facts.owner_id, item_id=facts.item_id, qty=qty, lot_id=facts.lot_id,
                 serial=given.serial, status=status)  # fmt: skip


async def _gain(
    tx: Tx, stamp: Stamp, given: AdjustmentDoc, facts: Facts, approved_by: str
) -> None:
    assert facts.bin_id is not None
    outside = await ledger.virtual_place(tx, stamp, "adjustment")
    goods = _goods(given, facts, given.qty, "available")
    movement_id = await ledger.move(
        tx, stamp, "adjust", goods, outside, Place(facts.bin_id), to_status=given.status,
        reason=given.reason,
    )  # fmt: skip
    await _tell_adjusted(tx, stamp, given, facts, movement_id, given.qty, "", None, approved_by)


async def _lose(
    tx: Tx, stamp: Stamp, given: AdjustmentDoc, facts: Facts, part: _Part, qty: int,
    approved_by: str,
) -> None:  # fmt: skip
    assert facts.bin_id is not None
    outside = await ledger.virtual_place(tx, stamp, "adjustment")
    goods = _goods(given, facts, qty, given.status)
    movement_id = await ledger.move(
        tx, stamp, "adjust", goods, Place(facts.bin_id, part.lpn_id), outside,
        to_status="available", reason=given.reason,
    )  # fmt: skip
    if part.lpn_id is not None:
        await plates.retire_when_empty(tx, stamp, part.lpn_id)
    await _tell_adjusted(
        tx, stamp, given, facts, movement_id, -qty, part.lpn, part.on_hand - qty, approved_by
    )


async def _restate(
    tx: Tx, stamp: Stamp, given: AdjustmentDoc, facts: Facts, part: _Part, qty: int
) -> None:
    assert facts.bin_id is not None
    place = Place(facts.bin_id, part.lpn_id)
    goods = _goods(given, facts, qty, given.status)
    movement_id = await ledger.move(
        tx, stamp, "status", goods, place, place, to_status=given.to_status, reason=given.reason
    )
    await emit(
        tx, stamp, "inventory.status_changed", facts.key,
        catalog.InventoryStatusChanged(
            movement_id=str(movement_id), request_id=given.request_id,
            stock=stk(facts.sku, facts.owner, qty, lot=facts.lot, serial=given.serial,
                      status=given.to_status),
            location=loc(facts.bin, lpn=part.lpn), from_status=given.status,
            to_status=given.to_status, reason=reason("requested", given.reason),
            who=who(stamp, via="api"),
        ),
        owner=facts.owner,
    )  # fmt: skip


async def _tell_adjusted(
    tx: Tx, stamp: Stamp, given: AdjustmentDoc, facts: Facts, movement_id: int, delta: int,
    lpn: str, after: int | None, approved_by: str,
) -> None:  # fmt: skip
    await emit(
        tx, stamp, "inventory.adjusted", facts.key,
        catalog.InventoryAdjusted(
            movement_id=str(movement_id), request_id=given.request_id,
            stock=stk(facts.sku, facts.owner, abs(delta), lot=facts.lot, serial=given.serial,
                      status=given.status),
            location=loc(facts.bin, lpn=lpn), delta=delta, on_hand_after=after,
            reason=reason("requested", given.reason), approved_by=approved_by,
            who=who(stamp, via="api" if stamp.user_id is None else "desk"),
        ),
        owner=facts.owner,
    )  # fmt: skip


async def _tell(
    tx: Tx, stamp: Stamp, client: str, given: AdjustmentDoc, state: str, *, note: str = "",
    count_ids: list[int] | None = None,
) -> None:  # fmt: skip
    await emit(
        tx, stamp, "inventory.adjustment_decided", f"adjustment/{client}/{given.request_id}",
        catalog.InventoryAdjustmentDecided(
            request_id=given.request_id, client=client, outcome=state, sku=given.sku,
            owner=given.owner, qty=given.qty, to_status=given.to_status, bin=given.bin,
            reason=reason("requested", note or given.reason),
            count_ids=[str(each) for each in count_ids or []],
            decided_by=stamp.actor,
        ),
        owner=given.owner,
    )  # fmt: skip
