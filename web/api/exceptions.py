"""Exceptions over HTTP: what is wrong, whose it is, until when, and what was done about it.

    GET  /v1/exception-codes                        every code: team, default due time, severity
    Below /v1/warehouses/{code}/exceptions:
    GET  ?team=&state=&code=&after=&limit=          open ones by due time, ended ones newest first
    GET  /{id}                                      with its history and the documents that failed
    POST /{id}/assign                               {"user": "SUE", "note": "..."}
    POST /{id}/resolve                              {"how": "..."}
    POST /{id}/discard                              {"reason": "..."}

A partner that is narrowed to owners sees the exceptions of those owners only.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post

from web.api.asked import word
from web.api.describe import describe
from web.api.paging import json, limit_of, page
from web.api.security import REQUEST, Partner, partner_of
from web.api.writes import again
from web.numbers import whole
from web.paging import BadPage, page_place, page_token
from wms.access.clients import narrowed_to
from wms.db import Tx
from wms.documents import decode, parse
from wms.exceptions import letters, life, queries, rules
from wms.exceptions.queries import Filter, Step, View
from wms.exceptions.rules import Kind, UnknownException

EXCEPTIONS = "/v1/warehouses/{code:str}/exceptions"
ONE = EXCEPTIONS + "/{id:str}"
WRITE = "exceptions:write"
REFUSES = ("bad-request", "malformed-body", "validation-failed", "not-found", "conflict")
Text = Annotated[str, msgspec.Meta(max_length=500)]


class ExceptionPage(msgspec.Struct):
    exceptions: list[View]


class LetterHead(msgspec.Struct, kw_only=True):
    """A document that failed; its body is shown to people in the office only."""

    id: str
    kind: str
    owner: str
    external_id: str
    sender: str
    state: str
    errors: list[dict[str, Any]]
    original_id: str
    at: datetime


class ExceptionDetail(msgspec.Struct):
    """One exception, what was done about it (newest first), and the documents behind it."""

    exception: View
    history: list[Step]
    documents: list[LetterHead]


class Assign(msgspec.Struct):
    """Who takes care of it: the code of a user."""

    user: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    note: Text = ""


class Resolve(msgspec.Struct):
    how: Text = ""


class Discard(msgspec.Struct):
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


@get("/v1/exception-codes", summary="Every exception code with its team and due time",
     sync_to_thread=False, **describe(answers={200: dict[str, Kind]}))  # fmt: skip
def list_codes() -> dict[str, Kind]:
    return rules.CODES


@get(EXCEPTIONS, summary="Exceptions, page by page", **describe(
    "exceptions:read", answers={200: ExceptionPage}, listed=True,
    refuses=("bad-request", "forbidden-owner"),
    query={"team": str, "state": str, "code": str, "owner": str, "after": str, "limit": int},
))  # fmt: skip
async def list_exceptions(request: REQUEST) -> Response[Any]:
    """Without `state` the open ones, the one due first at the top."""
    partner = await partner_of(request, "exceptions:read")
    limit = limit_of(request, queries.PAGE_MAX)
    after = page_place(request.query_params.get("after", ""))
    if after is not None and not 0 <= after[1] < 2**53:
        raise BadPage(name="after", value=str(after[1])[:40])
    async with partner.db.reading() as tx:
        which = Filter(
            team=word(request, "team"), state=word(request, "state") or "open",
            code=word(request, "code"),
            owner_ids=await narrowed_to(tx, partner.client, word(request, "owner")),
        )  # fmt: skip
        found = await queries.list_exceptions(tx, partner.stamp, which, after=after, limit=limit)
    token = ""
    if found:
        last = found[-1]
        token = page_token(last.ended_at or last.due_at, int(last.id))
    return page(request, "exceptions", found, limit, token)


@get(ONE, summary="One exception with its history", **describe(
    "exceptions:read", answers={200: ExceptionDetail}, refuses=("not-found",),
))  # fmt: skip
async def show_exception(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "exceptions:read")
    async with partner.db.reading() as tx:
        return json(await _detail(tx, partner, _id(request)))


@post(f"{ONE}/assign", status_code=200, summary="Give an exception to a person",
      **describe(WRITE, takes=Assign, answers={200: ExceptionDetail},
                 refuses=REFUSES))  # fmt: skip
async def assign(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, WRITE)
    body, _ = parse(decode(await request.body()), Assign)

    async def act(tx: Tx, id: int) -> Any:
        return await life.assign(tx, partner.stamp, id, body.user, body.note)

    return await _write(request, partner, act)


@post(f"{ONE}/resolve", status_code=200, summary="Say that an exception is settled",
      **describe(WRITE, takes=Resolve, answers={200: ExceptionDetail},
                 refuses=REFUSES))  # fmt: skip
async def resolve(request: REQUEST) -> Response[Any]:
    """Resolving a resolved one changes nothing."""
    partner = await partner_of(request, WRITE)
    given = await request.body()
    body, _ = parse(decode(given) if given else {}, Resolve)

    async def act(tx: Tx, id: int) -> Any:
        return await life.resolve(tx, partner.stamp, id, body.how)

    return await _write(request, partner, act)


@post(f"{ONE}/discard", status_code=200, summary="Give an exception up, for a reason",
      **describe(WRITE, takes=Discard, answers={200: ExceptionDetail},
                 refuses=REFUSES))  # fmt: skip
async def discard(request: REQUEST) -> Response[Any]:
    """The documents behind it are discarded with it."""
    partner = await partner_of(request, WRITE)
    body, _ = parse(decode(await request.body()), Discard)

    async def act(tx: Tx, id: int) -> Any:
        return await life.discard(tx, partner.stamp, id, body.reason)

    return await _write(request, partner, act)


async def _write(
    request: REQUEST, partner: Partner, act: Callable[[Tx, int], Awaitable[Any]]
) -> Response[Any]:
    """An act on an exception the partner may see, and how it stands after."""
    exception_id = _id(request)

    async def run(tx: Tx) -> ExceptionDetail:
        owner_ids = partner.client.owner_ids
        await queries.get_exception(tx, partner.stamp, exception_id, owner_ids)
        await act(tx, exception_id)
        return await _detail(tx, partner, exception_id)

    return json(await again(partner, run))


async def _detail(tx: Tx, partner: Partner, exception_id: int) -> ExceptionDetail:
    view = await queries.get_exception(
        tx, partner.stamp, exception_id, partner.client.owner_ids
    )
    history = await queries.list_history(tx, partner.stamp, exception_id)
    kept = await letters.list_letters(tx, partner.stamp, exception_id)
    return ExceptionDetail(view, history, [
        LetterHead(
            id=str(each.id), kind=each.kind, owner=each.owner, external_id=each.external_id,
            sender=each.sender, state=each.state, errors=each.errors, at=each.at,
            original_id="" if each.original_id is None else str(each.original_id),
        )
        for each in kept
    ])  # fmt: skip


def _id(request: REQUEST) -> int:
    """Raises UnknownException."""
    text = str(request.path_params["id"])
    id = whole(text)
    if id is None:
        raise UnknownException(id=text[:40])
    return id


HANDLERS = [list_codes, list_exceptions, show_exception, assign, resolve, discard]
