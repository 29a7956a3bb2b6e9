"""Receipts: the partner's system says what it did with an event it was given.

    POST /v1/events/{id}/receipts     {"endpoint": "erp", "verdict": "rejected", "code": "no-item"}
    GET  /v1/events/{id}/receipts     those this partner gave, each with its verdicts before

Whoever may read events or manage the endpoints that hear them may answer: `events:read` or
`webhooks:write`.
"""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, post

from web.api.asked import plain
from web.api.describe import describe
from web.api.paging import json
from web.api.security import REQUEST, asking
from web.session import partner_stamp
from wms.access.rules import ApiClient, ScopeMissing
from wms.db import Db, Tx
from wms.documents import BadDocument, DocumentError, decode, parse
from wms.events import consumers, receipts
from wms.events.envelope import public_id, read_id
from wms.events.new_endpoint import Word
from wms.events.queries import (
    UnknownEndpoint,
    UnknownEvent,
    get_endpoint,
    list_owners,
    list_sites,
)
from wms.events.receipts import Logged, Receipt

RECEIPTS = "/v1/events/{id:str}/receipts"
READS, HEARS = "events:read", "webhooks:write"


class BothScopesMissing(ScopeMissing):
    say = "The key of {code} has neither scope {needed} nor {other}."


class Verdict(msgspec.Struct, kw_only=True):
    """Exactly one of `endpoint` and `consumer` says who took the event. `code` is the partner's
    own, for programs; `detail` is for people."""

    verdict: Literal["processed", "rejected", "deferred"]
    endpoint: Word | None = None
    consumer: Word | None = None
    code: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    detail: Annotated[str, msgspec.Meta(max_length=2000, pattern=r"^[^\x00]*$")] = ""


class Receipts(msgspec.Struct):
    """Receipts of one event."""

    receipts: list[Receipt]


async def _partner(request: REQUEST) -> tuple[ApiClient, Db]:
    """Raises BothScopesMissing."""
    client = await asking(request)
    if not {READS, HEARS} & set(client.scopes):
        raise BothScopesMissing(code=client.code, needed=READS, other=HEARS)
    return client, request.app.state.db


async def _event(tx: Tx, request: REQUEST, client: ApiClient) -> Logged:
    """The event a path names, where the partner may see it. Raises UnknownEvent, BadEventId."""
    event_id = read_id(plain(str(request.path_params["id"]), "id"))
    found = await receipts.find_logged(tx, client.warehouse_ids, event_id)
    if found is None or not await _may_see(tx, client, found):
        raise UnknownEvent(event=public_id(event_id))
    return found


async def _may_see(tx: Tx, client: ApiClient, event: Logged) -> bool:
    if not client.owner_ids or event.subject.startswith("endpoint/"):
        return True
    return event.owner in await list_owners(tx, client.owner_ids)


async def _source(
    tx: Tx, client: ApiClient, said: Verdict, event: Logged
) -> tuple[str, int | None]:
    """Raises UnknownEndpoint (also for others' endpoints), BadConsumer."""
    if said.consumer is not None:
        await consumers.find_consumer(tx, event.warehouse_id, client.code, said.consumer)
        return f"consumer/{client.code}/{said.consumer}", None
    endpoint = await get_endpoint(tx, said.endpoint or "")
    site = (await list_sites(tx))[event.warehouse_id]
    heard = not endpoint.warehouses or site in endpoint.warehouses
    if endpoint.created_by != f"partner:{client.code}" or not heard:
        raise UnknownEndpoint(endpoint=said.endpoint)
    return f"endpoint/{endpoint.code}", endpoint.id


@post(RECEIPTS, status_code=200, summary="Say what became of an event",
      **describe(READS, or_scope=HEARS, takes=Verdict, answers={200: Receipt, 201: Receipt},
                 refuses=("bad-request", "forbidden-site")))  # fmt: skip
async def give_receipt(request: REQUEST) -> Response[Any]:
    """One receipt for each event and source: the last verdict counts, the same again changes
    nothing. A rejection becomes an event, and an exception for the endpoint's team. 201 is answered
    for the first verdict."""
    client, db = await _partner(request)
    said, _ = parse(decode(await request.body()), Verdict)
    if (said.endpoint is None) == (said.consumer is None):
        raise BadDocument([DocumentError("", "one-of", "Expected either endpoint or consumer")])
    async with db.transaction() as tx:
        event = await _event(tx, request, client)
        source, endpoint_id = await _source(tx, client, said, event)
        kept, changed = await receipts.record(
            tx, partner_stamp(client, event.warehouse_id), event, source, said.verdict,
            endpoint_id=endpoint_id, code=said.code, detail=said.detail,
        )  # fmt: skip
    return json(kept, 201 if changed and not kept.history else 200)


@get(RECEIPTS, summary="What this partner said of an event",
     **describe(READS, or_scope=HEARS, answers={200: Receipts},
                refuses=("bad-request",)))  # fmt: skip
async def show_receipts(request: REQUEST) -> Response[Any]:
    client, db = await _partner(request)
    async with db.reading() as tx:
        event = await _event(tx, request, client)
        found = await receipts.list_receipts(
            tx, event.warehouse_id, event.event_id, by=f"partner:{client.code}"
        )
    return json(Receipts(found))


HANDLERS = [give_receipt, show_receipts]
