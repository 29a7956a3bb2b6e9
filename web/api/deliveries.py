"""Deliveries of one endpoint that did not simply arrive, and the log of all attempts.

Below /v1/endpoints/{endpoint}:
    GET   /deliveries?state=&type=&key=&event=&class=&since=&after=&limit=
    GET   /deliveries/{event}/attempts
    POST  /deliveries/retry       {"ids": […]}, or all that fit
    POST  /deliveries/discard     {"ids": […], "reason": "…"}
    GET   /attempts?event=&failed=&limit=
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post

from web.api.asked import POS_MAX, flag, moment, plain, word
from web.api.describe import describe
from web.api.endpoints import ENDPOINT, SCOPE, Owned, owned_of
from web.api.feed import Limit, limit
from web.api.paging import json, page
from web.api.security import REQUEST
from web.numbers import whole
from web.paging import BadPage
from wms.documents import decode, parse
from wms.events import deliveries, giving_up, wake
from wms.events.attempts import AttemptView, list_attempts
from wms.events.deliveries import DeliveryView, Filter
from wms.events.envelope import read_id
from wms.events.new_endpoint import Word

IDS_MAX = 1000
Ids = Annotated[list[Word], msgspec.Meta(max_length=IDS_MAX)]


class RetryWhat(msgspec.Struct):
    """Ids of events to send again now; without any, all parked deliveries that fit the rest."""

    ids: Ids | None = None
    type: Word = ""
    key: Word = ""
    last_class: Word = ""


class Retried(msgspec.Struct):
    """How many will be tried again now."""

    retried: int


class DiscardWhat(msgspec.Struct):
    """Dead deliveries that nobody wants any more, and why."""

    ids: Annotated[list[Word], msgspec.Meta(min_length=1, max_length=IDS_MAX)]
    reason: Annotated[Word, msgspec.Meta(min_length=1)]


class Discarded(msgspec.Struct):
    """How many dead deliveries were given up; what is not dead stays."""

    discarded: int


class Deliveries(msgspec.Struct):
    """A page of deliveries."""

    deliveries: list[DeliveryView]


class Attempts(msgspec.Struct):
    """Attempts, newest first."""

    attempts: list[AttemptView]


@get(f"{ENDPOINT}/deliveries", summary="Deliveries that failed or wait behind a failed one",
     **describe(SCOPE, answers={200: Deliveries}, refuses=("bad-request",), listed=True, query={
         "state": str, "type": str, "key": str, "event": str, "class": str, "since": str,
         "after": str, "limit": Limit,
     }))  # fmt: skip
async def list_deliveries(request: REQUEST) -> Response[Any]:
    """Without a state all but the discarded; `Link: rel="next"` leads on."""
    owned = await owned_of(request)
    event = word(request, "event")
    which = Filter(
        state=word(request, "state"), type=word(request, "type"), okey=word(request, "key"),
        event_id=read_id(event) if event else None, last_class=word(request, "class"),
        since=moment(request, "since"),
    )  # fmt: skip
    most = limit(request, 100)
    async with owned.db.reading() as tx:
        found = await deliveries.list_deliveries(
            tx, owned.view.id, which, _place(word(request, "after")), most
        )
    after = f"{found[-1].pos}.{found[-1].warehouse}" if found else ""
    return page(request, "deliveries", found, most, after)


def _place(token: str) -> tuple[str, int] | None:
    """Raises BadPage."""
    pos, _, warehouse = token.partition(".")
    if not token:
        return None
    place = whole(pos, POS_MAX)
    if place is None:
        raise BadPage(name="after", value=token)
    return warehouse, place


@get(f"{ENDPOINT}/deliveries/{{event:str}}/attempts", summary="Every attempt to deliver one event",
     **describe(SCOPE, answers={200: Attempts}, refuses=("bad-request",)))  # fmt: skip
async def show_attempts(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request)
    event_id = read_id(plain(str(request.path_params["event"]), "event"))
    async with owned.db.reading() as tx:
        return json(Attempts(await list_attempts(tx, owned.view.id, event_id)))


@post(f"{ENDPOINT}/deliveries/retry", status_code=202, summary="Try parked deliveries again now",
      **describe(SCOPE, takes=RetryWhat, answers={202: Retried}, refuses=("bad-request",)),
      )  # fmt: skip
async def retry(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request)
    asked, _ = parse(decode(await request.body() or b"{}"), RetryWhat)
    ids = None if asked.ids is None else [read_id(text) for text in asked.ids]
    async with owned.db.transaction() as tx:
        retried = await deliveries.retry(
            tx, owned.view.id, ids, asked.type, asked.key, asked.last_class
        )
    wake.reload()
    return json(Retried(retried), 202)


@post(f"{ENDPOINT}/deliveries/discard", status_code=200, summary="Give up dead deliveries",
      **describe(SCOPE, takes=DiscardWhat, answers={200: Discarded},
                 refuses=("bad-request", "forbidden-site")))  # fmt: skip
async def discard(request: REQUEST) -> Response[Any]:
    """Who gave them up and why stays with them; each is an event."""
    owned = await owned_of(request)
    asked, _ = parse(decode(await request.body()), DiscardWhat)
    ids = [read_id(text) for text in asked.ids]
    async with owned.db.transaction() as tx:
        gone = 0
        for warehouse_id in _acted(owned):
            stamp = owned.stamp(warehouse_id)
            for id in ids:
                gone += await giving_up.discard(
                    tx, stamp, owned.view.id, asked.reason, event_id=id
                )
    wake.reload()
    return json(Discarded(gone))


def _acted(owned: Owned) -> list[int]:
    return [id for id in owned.sites if id in owned.client.warehouse_ids]


@get(f"{ENDPOINT}/attempts", summary="The log of HTTP attempts, newest first",
     **describe(SCOPE, answers={200: Attempts}, refuses=("bad-request",),
                query={"event": str, "failed": bool, "limit": Limit}))  # fmt: skip
async def attempts(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request)
    event = word(request, "event")
    event_id = read_id(event) if event else None
    failed, most = flag(request, "failed"), limit(request, 100)
    async with owned.db.reading() as tx:
        return json(Attempts(await list_attempts(tx, owned.view.id, event_id, failed, most)))


HANDLERS = [list_deliveries, show_attempts, retry, discard, attempts]
