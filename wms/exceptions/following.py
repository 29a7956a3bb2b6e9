"""Exceptions from the event log: what was reported opens one, what cures it ends it.

The log is read by position behind a cursor that commits with what was opened, so each event counts
once and no hot act waits for this. Rule: a cure never ends what was reported after it.
"""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.exceptions import life, rules
from wms.exceptions.life import Found
from wms.stamp import Stamp

BITE = 500  # events of one run
SPAN = 20_000  # positions of one run
FIRST_BACK = 5_000  # how far back the first run looks
SHOWN = 5  # errors kept in the facts

OPENS = ("order.rejected", "order.cancel_refused", "task.exception_raised",
         "receipt.discrepancy_recorded")  # fmt: skip
CURES = ("order.accepted", "order.updated", "order.cancelled", "asn.accepted", "asn.updated",
         "asn.cancelled", "count.completed", "putaway.completed")  # fmt: skip


class Told(msgspec.Struct, kw_only=True):
    """One event of the log; `data` is its payload."""

    pos: int
    type: str
    okey: str
    owner: str
    recorded_at: datetime
    actor: str
    data: dict[str, Any]


class _Span(msgspec.Struct):
    pos: int
    head: int


BEGIN = text(
    """
    INSERT INTO exception_cursor (warehouse_id, pos)
    SELECT warehouse_id, greatest(first_pos - 1, pos - :back) FROM seal_state
     WHERE warehouse_id = :warehouse_id
    ON CONFLICT DO NOTHING
    """
)
# One follower at a time; the other processes go on.
TAKE = text(
    """
    SELECT c.pos, s.pos AS head
      FROM exception_cursor c JOIN seal_state s ON s.warehouse_id = c.warehouse_id
     WHERE c.warehouse_id = :warehouse_id FOR UPDATE OF c SKIP LOCKED
    """
)
# Primary key of event_log, at most SPAN positions.
READ = text(
    """
    SELECT pos, type, okey, owner, recorded_at, actor, CAST(data AS jsonb) AS data FROM event_log
     WHERE warehouse_id = :warehouse_id AND pos > :pos AND pos <= :upto AND NOT test
       AND type = ANY (CAST(:types AS text[]))
     ORDER BY pos LIMIT :bite
    """
)
NEWER = text(
    """
    SELECT 1 FROM exception
     WHERE warehouse_id = :warehouse_id AND code = :code AND subject = :subject AND last_at >= :at
    """
)
ADVANCE = text("UPDATE exception_cursor SET pos = :pos WHERE warehouse_id = :warehouse_id")


async def follow(tx: Tx, stamp: Stamp) -> int:
    """Read on; how many events were looked at. Locks the cursor. Emits exception.*."""
    here = {"warehouse_id": stamp.warehouse_id}
    await tx.execute(BEGIN, {**here, "back": FIRST_BACK})
    span = await row(tx, TAKE, _Span, **here)
    if span is None or span.pos >= span.head:
        return 0
    upto = min(span.head, span.pos + SPAN)
    told = await rows(
        tx, READ, Told, pos=span.pos, upto=upto, types=[*OPENS, *CURES], bite=BITE, **here
    )
    for event in told:
        await (_open if event.type in OPENS else _cure)(tx, stamp, event)
    pos = told[-1].pos if len(told) == BITE else upto
    await tx.execute(ADVANCE, {**here, "pos": pos})
    return len(told)


async def _open(tx: Tx, stamp: Stamp, event: Told) -> None:
    """What was reported since, by whatever way, is newer than this event."""
    code, subject, facts, screen = _trouble(event)
    known = {"warehouse_id": stamp.warehouse_id, "code": code, "at": event.recorded_at,
             "subject": rules.kept_subject(subject)}  # fmt: skip
    if (await tx.execute(NEWER, known)).first() is not None:
        return
    await life.open_found(
        tx, stamp, code,
        Found(subject=subject, facts=facts, owner=event.owner, screen=screen,
              since=event.recorded_at),
    )  # fmt: skip


def _trouble(event: Told) -> tuple[str, str, dict[str, Any], str]:
    """Code, subject, facts and screen of an event that reports trouble."""
    data = event.data
    if event.type == "order.rejected":
        return "order_rejected", event.okey, {"errors": briefly(data.get("errors", []))}, ""
    if event.type == "order.cancel_refused":
        reason = data.get("reason") or {}
        facts = {"stage": data.get("stage", ""), "reason": reason.get("code", "")}
        return "cancel_refused", event.okey, facts, f"/office/orders/{data['order']['id']}"
    if event.type == "receipt.discrepancy_recorded":
        kind = data.get("kind", "")
        facts = {"kind": kind, "qty": data.get("qty", 0), **_goods(data)}
        return "receipt_discrepancy", f"{event.okey}/{kind}", facts, ""
    return _floor_trouble(event)


def _floor_trouble(event: Told) -> tuple[str, str, dict[str, Any], str]:
    data = event.data
    place = data.get("location") or {}
    code = rules.FLOOR.get(data.get("code", ""), "floor_trouble")
    facts = {
        "reported": data.get("code", ""), "bin": place.get("bin", ""), "lpn": place.get("lpn", ""),
        "action": data.get("action", ""), "detail": data.get("detail", ""), "by": event.actor,
        "tour": str(data.get("tour_id", "")), "task": str(data.get("task_id", "")), **_goods(data),
    }  # fmt: skip
    subject = event.okey
    if code in rules.ENDED_BY_PUTAWAY and place.get("lpn"):
        subject = f"lpn/{place['lpn']}"
    elif place.get("bin"):
        subject = f"bin/{place['bin']}"
    return code, subject, {name: fact for name, fact in facts.items() if fact}, ""


def _goods(data: dict[str, Any]) -> dict[str, Any]:
    stock = data.get("stock") or {}
    return {"sku": stock["sku"], "qty": stock.get("base_qty", 0)} if "sku" in stock else {}


async def _cure(tx: Tx, stamp: Stamp, event: Told) -> None:
    data = event.data
    if event.type == "count.completed":
        ended = [(code, f"bin/{data.get('bin', '')}") for code in rules.ENDED_BY_COUNT]
        cause = f"The bin was counted: {data.get('outcome') or 'completed'}."
    elif event.type == "putaway.completed":
        ended = [(code, f"lpn/{data.get('lpn', '')}") for code in rules.ENDED_BY_PUTAWAY]
        cause = f"The plate was put away into {(data.get('to') or {}).get('bin', '')}."
    else:
        kind, verb = event.type.split(".")
        ended = [(f"{kind}_rejected", event.okey), (f"{kind}_change_refused", event.okey)]
        if verb == "cancelled":
            ended.append(("cancel_refused", event.okey))
        cause = f"It was sent again and {verb}." if verb != "cancelled" else "It was cancelled."
    for code, subject in ended:
        await life.resolve_cured(tx, stamp, code, subject, cause, event.recorded_at)


def briefly(errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first errors of a document, without the values a partner sent."""
    return [
        {name: str(error.get(name, ""))[:200] for name in ("path", "code", "message")}
        for error in errors[:SHOWN]
    ]
