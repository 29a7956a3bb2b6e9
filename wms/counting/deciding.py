"""A supervisor decides a count that two people could not settle: post it, or let the book stand."""

import msgspec

from wms.counting import count_sql as sql
from wms.counting import rules
from wms.counting.counts import Before, take_booked, tell_completed
from wms.counting.posting import Known, post
from wms.counting.rules import Booked, Key, Line
from wms.db import Tx, row, rows
from wms.stamp import Stamp


class _Count(msgspec.Struct):
    id: int
    bin_id: int
    bin_code: str
    state: str
    cause: str
    round: int


class _Counter(msgspec.Struct):
    user_id: int
    code: str


async def decide(tx: Tx, stamp: Stamp, count_id: int, accept: bool) -> None:
    """Post the last count of a bin in review, or close it with the book unchanged.

    Either way nothing stays in dispute: what the decision says is there is available again.
    Locks the count, the picks from the bin, its balances. Emits what posting emits and
    count.completed. Raises NoSuchCount, NotInReview, CounterDecides, StockMovedSince.
    """
    values = {"warehouse_id": stamp.warehouse_id, "id": count_id}
    count = await row(tx, sql.TAKE_COUNT, _Count, **values)
    if count is None:
        raise rules.NoSuchCount()
    if count.state != "review":
        raise rules.NotInReview(count=count_id, state=count.state)
    await _require_other_person(tx, stamp, count_id)
    held = await take_booked(tx, stamp, count.bin_id)
    lines = await _last_round(tx, stamp, count)
    counted, known = await _now(tx, held, lines if accept else [])
    approver = stamp.actor
    await post(tx, stamp, count.id, count.bin_id, count.bin_code, held, counted, known,
               approved_by=approver)  # fmt: skip
    await tx.execute(sql.MOVE_ON, {
        **values, "state": "posted" if accept else "cancelled", "round": count.round,
        "counted_by": None, "decided_by": stamp.user_id, "at": stamp.at,
    })  # fmt: skip
    outcome = "approved" if accept else "rejected"
    await tell_completed(tx, stamp, count.id, count.bin_code, lines, outcome=outcome,
                         approved_by=approver)  # fmt: skip


async def _require_other_person(tx: Tx, stamp: Stamp, count_id: int) -> None:
    """Counter, recounter and approver are three people (invariant 16). Raises CounterDecides."""
    values = {"warehouse_id": stamp.warehouse_id, "count_id": count_id, "id": count_id}
    for counter in await rows(tx, sql.COUNTERS, _Counter, **values):
        if counter.user_id == stamp.user_id:
            raise rules.CounterDecides(user=counter.code)


async def _last_round(tx: Tx, stamp: Stamp, count: _Count) -> list[Line]:
    values = {"warehouse_id": stamp.warehouse_id, "count_id": count.id, "round": count.round}
    return [
        Line(key=(x.item_id, x.lot_id, x.lpn_id, x.serial), booked=x.booked, counted=x.counted)
        for x in await rows(tx, sql.ROUND, Before, **values)
    ]


async def _now(
    tx: Tx, held: list[Booked], lines: list[Line]
) -> tuple[dict[Key, int], dict[int, Known]]:
    """The counted difference on what is booked today: goods may have moved since the count."""
    known = {each.item_id: Known.of(each) for each in held}
    counted: dict[Key, int] = {}
    for each in held:
        counted[each.key] = counted.get(each.key, 0) + each.on_hand
    for line in lines:
        if line.delta == 0:
            continue
        if line.key[0] not in known:
            item = await row(tx, sql.ITEM, Known, id=line.key[0])
            assert item is not None
            known[item.id] = item
        now = counted.get(line.key, 0) + line.delta
        if now < 0:
            raise rules.StockMovedSince(sku=known[line.key[0]].sku)
        counted[line.key] = now
    return counted, known
