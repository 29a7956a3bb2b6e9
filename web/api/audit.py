"""The audit log over HTTP, and what the asking key opens.

    GET /v1/audit?actor=&act=&subject=&after=&limit=     newest first; act may end in a dot
    GET /v1/audit/export                                 all of it as NDJSON, oldest first
    GET /v1/client                                       the client behind the key or token

A client sees the entries of its warehouses and of none; one that is bound to owners only its own.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.response import Stream

from web.api.asked import number, word
from web.api.describe import describe
from web.api.paging import json, page
from web.api.security import REQUEST, asking, client_with
from wms.access import audit, clients
from wms.access.audit import PAGE_MAX, Entry, Wanted
from wms.access.rules import ApiClient
from wms.db import Db

SCOPE = "audit:read"
Id = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Text = Annotated[str, msgspec.Meta(max_length=200)]
FILTER = {"actor": Text, "act": Text, "subject": Text}
REFUSES = ("bad-request",)


class AuditPage(msgspec.Struct):
    """Entries, newest first."""

    entries: list[Entry]


class KeyBrief(msgspec.Struct, kw_only=True):
    """A key as its own client sees it."""

    kid: str
    expires_at: datetime
    used_at: datetime | None
    live: bool


class ClientBrief(msgspec.Struct, kw_only=True):
    """What the asking key or token opens. No owners: all of them."""

    code: str
    scopes: list[str]
    warehouses: list[str]
    owners: list[str]
    keys: list[KeyBrief]


def _wanted(request: REQUEST, client: ApiClient) -> Wanted | None:
    """None when the client may see nothing of what it asks for."""
    actor, own = word(request, "actor"), f"partner:{client.code}"
    if client.owner_ids and actor not in ("", own):
        return None
    return Wanted(
        actor=own if client.owner_ids else actor, act=word(request, "act"),
        subject=word(request, "subject"), warehouse_ids=client.warehouse_ids,
    )  # fmt: skip


@get("/v1/audit", summary="Who changed or read what, newest first",
     **describe(SCOPE, query={**FILTER, "after": Id, "limit": Id}, answers={200: AuditPage},
                refuses=REFUSES, listed=True))  # fmt: skip
async def list_audit(request: REQUEST) -> Response[Any]:
    client = await client_with(request, SCOPE)
    wanted = _wanted(request, client)
    limit = max(1, min(number(request, "limit", 100), PAGE_MAX))
    after = number(request, "after")
    if wanted is None:
        return json(AuditPage([]))
    db: Db = request.app.state.db
    async with db.reading() as tx:
        found = await audit.list_newest(tx, wanted, after, limit)
    return page(request, "entries", found, limit, str(found[-1].id) if found else "")


@get("/v1/audit/export", summary="The audit log as NDJSON, oldest first",
     **describe(SCOPE, query={**FILTER, "after": Id}, answers={200: Entry},
                answer_media="application/x-ndjson", refuses=REFUSES))  # fmt: skip
async def export_audit(request: REQUEST) -> Stream:
    """Goes on from the entry `after`."""
    client = await client_with(request, SCOPE)
    wanted, after = _wanted(request, client), number(request, "after")
    db: Db = request.app.state.db

    async def lines() -> AsyncIterator[bytes]:
        place = after
        while wanted is not None:
            async with db.reading() as tx:
                found = await audit.list_oldest(tx, wanted, place, PAGE_MAX)
            for entry in found:
                yield msgspec.json.encode(entry) + b"\n"
            if len(found) < PAGE_MAX:
                return
            place = found[-1].id

    return Stream(lines(), media_type="application/x-ndjson")


@get("/v1/client", summary="What this key or token opens",
     **describe(answers={200: ClientBrief}, refuses=("unauthenticated",)))  # fmt: skip
async def show_client(request: REQUEST) -> Response[Any]:
    """To see scopes before a write is refused, and keys before they expire."""
    client = await asking(request)
    db: Db = request.app.state.db
    async with db.reading() as tx:
        view = await clients.get_view(tx, client.code)
        warehouses, owners = await clients.codes_of(tx, client.warehouse_ids, client.owner_ids)
    keys = [
        KeyBrief(kid=key.kid, expires_at=key.expires_at, used_at=key.used_at, live=key.live)
        for key in view.keys
        if key.revoked_at is None
    ]
    brief = ClientBrief(
        code=client.code, scopes=list(client.scopes), warehouses=warehouses, owners=owners,
        keys=keys,
    )  # fmt: skip
    return json(brief)


HANDLERS = [list_audit, export_audit, show_client]
