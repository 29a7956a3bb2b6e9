"""Every request that brings a document is kept before it is read, and what became of it after.

A handler reads its body with `taken`, which keeps it first. The effect's transaction marks it
(web.api.writes.again); a refusal, and what has no such transaction, is marked as it is answered.
Dry runs are not kept. A document that names nothing is the same again when its bytes are.
"""

import logging
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from web.api.security import REQUEST, Partner
from wms.db import Tx
from wms.exceptions import life
from wms.exceptions.following import briefly
from wms.ids import uuid7
from wms.jobs import kept
from wms.jobs.kept import Mailroom, Raw
from wms.jobs.lines import LineOutcome, owners_of
from wms.jobs.refused import Batch, settle_lines

log = logging.getLogger("wms.web")
TARGET_MAX = 1000
# Problem types that mean "this document, as it is, is not in the warehouse".
FAILED = (
    "validation-failed", "malformed-body", "exists-with-different", "change-window-closed",
    "barcode-conflict", "unit-in-use", "payload-too-large",
)  # fmt: skip
TOLD_BY_LETTERS = ("/orders", "/asns")  # a document of these has an exception of its own


async def taken(request: REQUEST, partner: Partner) -> bytes:
    """The body of a request, kept. Raises Busy when it cannot be."""
    body = await request.body()
    if is_dry(request):
        return body
    resent = request.scope["state"].get("resent")
    target = request.scope["raw_path"].decode("latin-1")
    if request.scope["query_string"]:
        target += "?" + request.scope["query_string"].decode("latin-1")
    raw = Raw(
        warehouse_id=partner.stamp.warehouse_id,
        request_id=request.scope["state"].get("request_id") or uuid7(),
        sender=partner.client.code, owner_ids=partner.client.owner_ids,
        method=str(request.method), target=_plain(target)[:TARGET_MAX],
        media=_plain(request.headers.get("content-type", ""))[:200],
        subject=_subject(request, partner, body),
        correlation_id=partner.stamp.correlation_id, body=body, at=partner.stamp.at,
        original_id=resent.original_id if resent else None, sent_by=resent.by if resent else "",
    )  # fmt: skip
    partner.sent.id = await partner.db.memory(Mailroom).keep(partner.db, raw)
    partner.sent.subject, partner.sent.original_id = raw.subject, raw.original_id
    request.state.sent = partner
    return body


def is_dry(request: REQUEST) -> bool:
    """Whether nothing is written: of what brings a document, only an order is tried so."""
    order = request.method == "PUT" and "/orders/" in request.url.path
    return order and request.query_params.get("dry_run") == "true"


def _subject(request: REQUEST, partner: Partner, body: bytes) -> str:
    """What an exception about a document is called; none where letters tell of it."""
    path = _plain(request.url.path.removeprefix("/v1/"))
    named = set(request.path_params) & {"sku", "location", "external_id", "request_id"}
    if not named:
        return f"{partner.client.code}/{path}/{sha256(body).hexdigest()[:16]}"
    return "" if any(part in path for part in TOLD_BY_LETTERS) else path


def _plain(text: str) -> str:
    return "".join(each for each in text if each.isprintable() and not "\ud800" <= each <= "\udfff")


def marks_kept(handlers: Sequence[Any]) -> list[Any]:
    """The same handlers; what they kept is marked before their answer goes out."""
    for handler in handlers:
        if isinstance(handler, HTTPRouteHandler):
            handler.middleware = [*(handler.middleware or ()), _marker]
    return list(handlers)


def _marker(app: ASGIApp) -> ASGIApp:
    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []
        answer = bytearray()

        async def tell(message: Message) -> None:
            partner = scope["state"].get("sent")
            if partner is None:
                await send(message)
                return
            held.append(message)
            if message["type"] == "http.response.body":
                answer.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    await _mark(partner, int(held[0].get("status", 0)), bytes(answer))
                    while held:
                        await send(held.pop(0))

        await app(scope, receive, tell)

    return run


async def _mark(partner: Partner, status: int, answer: bytes) -> None:
    """Never in the way of the answer: what goes wrong here is logged, and the chore finds it."""
    state = "done" if status < 400 else "failed" if status == 500 else "refused"
    if partner.sent.state and state == "done":
        return  # the transaction of its effect has said
    said = "" if state == "done" else answer.decode("utf-8", "replace")
    try:
        async with partner.db.transaction() as tx:
            await kept.settle(
                tx, partner.stamp, partner.sent.id, partner.sent.subject, state, status, said
            )
            await _tell(tx, partner, state, answer)
    except Exception:
        log.exception("what became of document %d was not kept", partner.sent.id)


async def _tell(tx: Tx, partner: Partner, state: str, answer: bytes) -> None:
    """What was refused for what it says, or failed for our mistake, is somebody's."""
    sent = partner.sent
    if state == "failed":
        await kept.open_unfinished(tx, partner.stamp, await kept.get_kept(
            tx, partner.stamp, sent.id
        ))  # fmt: skip
    if state != "refused" or not sent.subject:
        return
    said = msgspec.json.decode(answer)
    if str(said.get("type", "")).rpartition("/")[2] not in FAILED:
        return
    errors = said.get("errors") or [
        {"path": "", "code": said.get("code", ""), "message": said.get("detail", "")}
    ]
    facts = {"errors": briefly(errors), "count": len(errors), "sender": partner.stamp.actor}
    await life.open_exception(
        tx, partner.stamp, kept.REFUSED, sent.subject, facts, screen=kept.screen_of(sent.id)
    )


async def tell_lines(
    tx: Tx, partner: Partner, kind: str, lines: Sequence[LineOutcome], mode: str = "partial"
) -> None:
    """What stayed out of a batch is somebody's, and its document is marked so with the effect."""
    sent = partner.sent
    sent.stayed_out = await settle_lines(tx, partner.stamp, Batch(
        kind=kind, sender=partner.client.code, owners=await owners_of(tx, partner.client),
        mode=mode, document_id=sent.id, original_id=sent.original_id,
    ), lines)  # fmt: skip


def state_of(found: Any) -> str:
    """What the finding of an act says of its document."""
    status = getattr(found, "status_code", 200)
    said = str(getattr(found, "outcome", "") or getattr(found, "verdict", ""))
    bad = said in ("rejected", "refused", "version_mismatch") or said.startswith("exists_with_")
    return "refused" if bad or status >= 400 else "done"
