"""Keeps documents that were refused: what a partner sent and why it failed, before it is told.

Wraps the routes that take documents in. A refusal costs one transaction more; what is accepted
costs nothing. Dry runs are not kept, nor what was refused for who sent it.
"""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from web.api.kept import is_dry, tell_lines
from web.api.security import REQUEST, Partner, partner_of
from wms.errors import WmsError
from wms.events.queries import list_owners
from wms.exceptions.letters import BODY_MAX, NewLetter, keep
from wms.jobs.kept import settle
from wms.jobs.lines import LineOutcome

log = logging.getLogger("wms.web")
REPLAYED = b"idempotency-replayed"
SCOPE = {"order": "orders:write", "asn": "asns:write"}
# Problem types that mean "this document, as it is, is not in the warehouse", and the exception.
FAILED = {
    "validation-failed": "rejected", "malformed-body": "rejected",
    "exists-with-different": "change_refused", "change-window-closed": "change_refused",
}  # fmt: skip


def keeps_failed(handlers: Sequence[Any], kind: str, *names: str) -> list[Any]:
    """The same handlers; those of these names keep what they refuse."""
    for handler in handlers:
        assert isinstance(handler, BaseRouteHandler)
        if handler.fn.__name__ in names:
            handler.middleware = [*(handler.middleware or ()), _keeper(kind)]
    return list(handlers)


def _keeper(kind: str) -> Any:
    def middleware(app: ASGIApp) -> ASGIApp:
        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            await _run(app, kind, scope, receive, send)

        return run

    return middleware


async def _run(app: ASGIApp, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Hold the answer until it is known whether the document failed, and keep it if so."""
    body, held, answer = bytearray(), [], bytearray()

    async def hear() -> Any:
        message = await receive()
        if message["type"] == "http.request" and len(body) <= 8 * BODY_MAX:
            body.extend(message.get("body", b""))
        return message

    async def tell(message: Message) -> None:
        held.append(message)
        if message["type"] == "http.response.body":
            answer.extend(message.get("body", b""))
            if not message.get("more_body", False):
                if not any(name == REPLAYED for name, _ in held[0].get("headers", ())):
                    status = held[0].get("status", 0)
                    await _keep(kind, scope, bytes(body), status, bytes(answer))
                while held:
                    await send(held.pop(0))

    await app(scope, hear, tell)


async def _keep(kind: str, scope: Scope, body: bytes, status: int, answer: bytes) -> None:
    """Never in the way of the answer: what goes wrong here is logged."""
    if status not in (200, 400, 409, 422):
        return
    request: REQUEST = REQUEST(scope)  # type: ignore[assignment,type-arg]
    if is_dry(request):
        return
    try:
        found = _failed(kind, dict(request.path_params), status, body, answer)
        nameless = _nameless(status, answer)
        if found or nameless:
            partner = scope["state"].get("sent") or await partner_of(request, SCOPE[kind])
            await _write(partner, found, nameless)
    except WmsError as refusal:
        log.warning("a refused document of %s was not kept: %s", request.url.path, refusal)
    except Exception:
        log.exception("a refused document of %s was not kept", request.url.path)


def _failed(
    kind: str, path: dict[str, Any], status: int, body: bytes, answer: bytes
) -> list[NewLetter]:
    """The documents of a request that failed."""
    said = msgspec.json.decode(answer)
    if status == 200:
        return _failed_of_batch(kind, body, said) if "outcomes" in said else []
    slug = str(said.get("type", "")).rpartition("/")[2]
    if slug not in FAILED or "external_id" not in path:
        return []
    errors = said.get("errors") or [
        {"path": "", "code": said.get("code", slug), "message": said.get("detail", "")}
    ]
    return [
        NewLetter(
            code=f"{kind}_{FAILED[slug]}", kind=kind, owner=str(path["owner"]),
            external_id=str(path["external_id"]), body=body.decode("utf-8", "replace"),
            errors=errors,
        )
    ]  # fmt: skip


def _failed_of_batch(kind: str, body: bytes, said: dict[str, Any]) -> list[NewLetter]:
    outcomes = said["outcomes"]
    if not said.get("rejected"):
        return []
    values = msgspec.json.decode(body)
    return [
        NewLetter(
            code=f"{kind}_rejected", kind=kind, owner=outcome.get("owner", ""),
            external_id=outcome["external_id"], body=msgspec.json.encode(value).decode(),
            errors=outcome.get("errors", ()), channel="batch",
        )
        for value, outcome in zip(values, outcomes, strict=True)
        if outcome["outcome"] == "rejected" and outcome.get("external_id")
    ]  # fmt: skip


def _nameless(status: int, answer: bytes) -> list[LineOutcome]:
    """The lines of a batch, if one was refused that names no document."""
    said = msgspec.json.decode(answer)
    if status != 200 or not said.get("rejected"):
        return []
    lines = [
        msgspec.convert({**each, "line": number}, LineOutcome)
        for number, each in enumerate(said["outcomes"], 1)
    ]
    bare = any(each.outcome == "rejected" and not each.external_id for each in lines)
    return lines if bare else []


async def _write(
    partner: Partner, found: list[NewLetter], nameless: list[LineOutcome]
) -> None:
    async with partner.db.transaction() as tx:
        if nameless:
            await tell_lines(tx, partner, "orders", nameless)
            sent = partner.sent
            await settle(tx, partner.stamp, sent.id, "", "refused", 200, sent.stayed_out)
        mine: list[str] | None = None
        if partner.client.owner_ids:
            mine = await list_owners(tx, partner.client.owner_ids)
        for letter in sorted(found, key=lambda each: each.subject):
            if mine is None or letter.owner in mine:
                await keep(tx, partner.stamp, letter)
