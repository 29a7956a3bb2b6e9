"""Turns events into the request that carries them, and its answer into an answer for each.

One event is one body with its own id; a batch is an array of bodies under an id of its own, and the
receiver may answer 207 with a verdict for each event.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from wms.events import rules
from wms.events.envelope import LogRow, Site, public_id, render, render_reference
from wms.events.links import Links
from wms.events.masks import Mask
from wms.events.webhooks import Outcome
from wms.events.window import Item
from wms.ids import uuid7

BODY_BYTES = 64 * 1024


class Request(msgspec.Struct):
    """What is signed and sent."""

    items: list[Item]
    id: str = ""
    body: bytes = b""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    batch_id: str = ""


class ItemVerdict(msgspec.Struct):
    """One line of a receiver's 207 answer."""

    id: str
    status: int = 200


class BatchAnswer(msgspec.Struct):
    """`{"results": [{"id": "evt_…", "status": 422}]}`; events not named were taken."""

    results: list[ItemVerdict]


def pack(items: list[Item], mode: str, links: Links, mask: Mask) -> Request:
    """The request for these events, in their order."""
    if not items:
        return Request([])
    bodies = [_body(item, links, mask) for item in items]
    if mode == "batch":
        batch_id = f"bat_{uuid7().hex}"
        body = b"[" + b",".join(bodies) + b"]"
        headers = {"webhook-type": "batch", "webhook-count": str(len(items))}
        return Request(items, batch_id, body, headers, batch_id)
    item = items[0]
    headers = {
        "webhook-type": item.row.type,
        "webhook-attempt": str(item.n + 1),
        "webhook-pos": str(item.row.pos),
    }
    if item.trigger == "replay":
        headers["webhook-replay"] = "true"
    if item.row.traceparent:
        headers["traceparent"] = item.row.traceparent
    return Request(items, public_id(item.row.event_id), bodies[0], headers)


def _body(item: Item, links: Links, mask: Mask) -> bytes:
    """The event; one that is too large for receivers says where its data can be fetched."""
    body = masked(item.row, links.site, mask, item.conflated)
    if len(body) <= BODY_BYTES:
        return body
    dataref = links.to(item.row.event_id, datetime.now(UTC))
    return render_reference(_acted(item.row, mask), links.site, dataref, item.conflated)


def masked(row: LogRow, site: Site, mask: Mask, conflated: int = 0) -> bytes:
    """An event's bytes as a mask profile shows them."""
    if mask.keeps_all:
        return render(row, site, None, conflated)
    return render(_acted(row, mask), site, mask.data(row.type, row.data), conflated)


def _acted(row: LogRow, mask: Mask) -> LogRow:
    actor = row.actor if mask.keeps_all else mask.actor(row.actor)
    return row if actor == row.actor else msgspec.structs.replace(row, actor=actor)


def unpack(request: Request, outcome: Outcome) -> list[tuple[Item, Outcome]]:
    """The outcome of each event: that of the request, or what a 207 says."""
    if outcome.status != 207 or not request.batch_id:
        return [(item, outcome) for item in request.items]
    verdicts = _verdicts(outcome.content)
    found: list[tuple[Item, Outcome]] = []
    for item in request.items:
        status = verdicts.get(public_id(item.row.event_id), 200)
        each = rules.classify(status)
        if each in rules.ENDPOINT_CLASSES:  # the endpoint answered: this is about the event
            each = rules.CONSUMER
        found.append((item, msgspec.structs.replace(outcome, status=status, outcome=each)))
    return found


def _verdicts(content: bytes) -> dict[str, int]:
    try:
        answer: Any = msgspec.json.decode(content, type=BatchAnswer)
    except msgspec.MsgspecError:
        return {}
    return {result.id: result.status for result in answer.results}
