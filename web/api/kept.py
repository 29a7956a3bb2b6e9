"""Every request that brings a document is kept before it is read, and what became of it after.

A handler reads its body with `taken`, which keeps it first. The effect's transaction marks it
(web.api.writes.again); a refusal, and what has no such transaction, is marked as it is answered.
Dry runs are not kept.
"""

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

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

log = logging.getLogger("wms.web")
TARGET_MAX = 1000
# Problem types that mean "this document, as it is, is not in the warehouse".
FAILED = (
    "validation-failed", "malformed-body", "exists-with-different", "change-window-closed",
    "barcode-conflict", "unit-in-use",
)  # fmt: skip
TOLD_BY_LETTERS = ("/orders", "/asns")  # a document of these has an exception of its own


async def taken(request: REQUEST, partner: Partner) -> bytes:
    """The body of a request, kept. Raises Busy when it cannot be."""
    body = await request.body()
    if request.query_params.get("dry_run") == "true":
        return body
    resent = request.scope["state"].get("resent")
    target = request.scope["raw_path"].decode("latin-1")
    if request.scope["query_string"]:
        target += "?" + request.scope["query_string"].decode("latin-1")
    raw = Raw(
        warehouse_id=partner.stamp.warehouse_id, request_id=_request_id(request),
        sender=partner.client.code, owner_ids=partner.client.owner_ids,
        method=str(request.method), target=_plain(target)[:TARGET_MAX],
        media=_plain(request.headers.get("content-type", ""))[:200],
        subject=_subject(request), correlation_id=partner.stamp.correlation_id, body=body,
        at=partner.stamp.at, original_id=resent.original_id if resent else None,
        sent_by=resent.by if resent else "",
    )  # fmt: skip
    partner.sent.id = await partner.db.memory(Mailroom).keep(partner.db, raw)
    partner.sent.subject = raw.subject
    request.state.sent = partner
    return body


def _request_id(request: REQUEST) -> UUID:
    try:
        return UUID(request.headers.get("x-request-id", ""))
    except ValueError:  # no middleware has given it one
        return uuid7()


def _subject(request: REQUEST) -> str:
    """What an exception about a document is called; none where letters tell of it, nor for many
    documents in one, whose lines are told one by one."""
    path = request.url.path
    named = set(request.path_params) & {"sku", "location", "external_id", "request_id"}
    if not named or any(part in path for part in TOLD_BY_LETTERS):
        return ""
    return _plain(path.removeprefix("/v1/"))


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
    if (partner.sent.state, state) == ("done", "done"):
        return
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


def state_of(found: Any) -> str:
    """What the finding of an act says of its document."""
    status = getattr(found, "status_code", 200)
    said = str(getattr(found, "outcome", "") or getattr(found, "verdict", ""))
    bad = said in ("rejected", "refused", "version_mismatch") or said.startswith("exists_with_")
    return "refused" if bad or status >= 400 else "done"
