"""Events over HTTP: read the log by position, and manage the endpoints that hear it.

    GET  /v1/warehouses/{code}/events?after=&limit=&types=&owner=
    GET  /v1/warehouses/{code}/events/{id}
    GET  /v1/event-types                           the catalogue
    GET  /v1/event-schemas/{type}/{major}.json     JSON Schema of a payload
    GET, POST /v1/endpoints                        POST answers the signing secret, once
    GET  /v1/endpoints/{endpoint}                  with lag per warehouse
    POST /v1/endpoints/{endpoint}/verify, pause, resume, skip, ping, secrets
    GET  /v1/endpoints/{endpoint}/deliveries?state=&limit=      POST …/retry
    GET  /v1/endpoints/{endpoint}/attempts?event=&failed=&limit=

A partner sees the endpoints it made, its warehouses, and the events of its owners only.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from web.api.paging import json, limit_of
from web.api.security import REQUEST, partner_of
from web.paging import BadPage
from web.session import client_of, now, partner_stamp
from wms.access.rules import ApiClient, OwnerForbidden, WarehouseForbidden, require_scope
from wms.db import Db
from wms.documents import decode, parse
from wms.errors import NotFound
from wms.events import endpoints, wake
from wms.events.catalog import TYPES
from wms.events.endpoints import NewEndpoint, egress_of
from wms.events.envelope import Site, read_id, render
from wms.events.keys import HMAC, Vault
from wms.events.queries import (
    EndpointView,
    UnknownEndpoint,
    find_event,
    get_endpoint,
    list_attempts,
    list_endpoints,
    list_lag,
    list_owners,
    list_parked,
    list_sites,
    read_log,
)
from wms.events.subscription import expand_types

EVENTS = "/v1/warehouses/{code:str}/events"
ENDPOINT = "/v1/endpoints/{endpoint:str}"
PAGE_MAX = 1000


class UnknownType(NotFound):
    say = "There is no event type {type} of major {major}."


class EventPage(msgspec.Struct):
    """A run of the log. Read on at `next_after`; at `caught_up` there is nothing more yet."""

    events: list[msgspec.Raw]
    next_after: int
    head_pos: int
    caught_up: bool


class NewSecret(msgspec.Struct):
    """How to rotate: which kind of key, and how long the old ones sign along."""

    alg: str = HMAC
    overlap_days: Annotated[int, msgspec.Meta(ge=0, le=30)] = endpoints.OVERLAP_DAYS


class RetryWhat(msgspec.Struct):
    """Ids of events to send again now; none means every parked delivery."""

    ids: list[str] | None = None


# ---- the log -------------------------------------------------------------------------------------


def _number(request: REQUEST, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdigit() or len(text) > 18:
        raise BadPage(name=name, value=text)
    return int(text)


def _site(request: REQUEST, code: str) -> Site:
    settings = request.app.state.settings
    return Site(code, f"http://{settings.host}:{settings.port}")


async def _owners(db: Db, client: ApiClient, asked: str) -> set[str] | None:
    """Owner codes the answer is narrowed to. Raises OwnerForbidden."""
    if not client.owner_ids:
        return {asked} if asked else None
    async with db.reading() as tx:
        mine = set(await list_owners(tx, client.owner_ids))
    if asked and asked not in mine:
        raise OwnerForbidden(code=client.code)
    return {asked} if asked else mine


@get(EVENTS, summary="Read the event log after a position")
async def list_events(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "events:read")
    asked = request.query_params
    types = expand_types(asked["types"].split(",")) if asked.get("types") else None
    found = await read_log(
        partner.db,
        partner.stamp.warehouse_id,
        _number(request, "after", 0),
        limit_of(request, PAGE_MAX, 500),
        types=types,
        owners=await _owners(partner.db, partner.client, asked.get("owner", "")),
    )
    site = _site(request, str(request.path_params["code"]))
    events = [msgspec.Raw(render(row, site)) for row in found.rows]
    return json(EventPage(events, found.next_after, found.head, found.caught_up))


@get(EVENTS + "/{id:str}", summary="One event by its id")
async def show_event(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "events:read")
    owners = await _owners(partner.db, partner.client, "")
    event_id = read_id(str(request.path_params["id"]))
    async with partner.db.reading() as tx:
        row = await find_event(tx, partner.stamp.warehouse_id, event_id, owners)
    site = _site(request, str(request.path_params["code"]))
    return json(msgspec.Raw(render(row, site)))


# ---- the catalogue -------------------------------------------------------------------------------


@get("/v1/event-types", summary="Every event type", sync_to_thread=False)
def list_types() -> list[dict[str, Any]]:
    return [
        {
            "type": name,
            "text": kind.text,
            "volume": kind.volume,
            "ordering_key": kind.key,
            "conflatable": kind.level,
            "major": 1,
        }
        for name, kind in TYPES.items()
    ]


@get("/v1/event-schemas/{type:str}/{file:str}", summary="JSON Schema of an event's data",
     sync_to_thread=False)  # fmt: skip
def show_schema(type: FromPath[str], file: FromPath[str]) -> dict[str, Any]:
    known = TYPES.get(type)
    major = file.removesuffix(".json")
    if known is None or major != "1":
        raise UnknownType(type=type, major=major)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": type,
        "description": known.text,
        **msgspec.json.schema(known.struct),
    }


# ---- endpoints -----------------------------------------------------------------------------------


class Owned(msgspec.Struct, frozen=True):
    """An endpoint of the partner that asks."""

    client: ApiClient
    actor: str
    db: Db
    view: EndpointView


async def _client(request: REQUEST) -> tuple[ApiClient, str, Db]:
    client = await client_of(request)
    require_scope(client, "webhooks:write")
    return client, f"partner:{client.code}", request.app.state.db


async def _owned(request: REQUEST) -> Owned:
    """Raises UnknownEndpoint, also for endpoints of others."""
    client, actor, db = await _client(request)
    code = str(request.path_params["endpoint"])
    async with db.reading() as tx:
        view = await get_endpoint(tx, code)
    if view.created_by != actor:
        raise UnknownEndpoint(endpoint=code)
    return Owned(client, actor, db, view)


@get("/v1/endpoints", summary="Endpoints of this partner")
async def index(request: REQUEST) -> Response[Any]:
    _, actor, db = await _client(request)
    async with db.reading() as tx:
        mine = [view for view in await list_endpoints(tx) if view.created_by == actor]
    return json({"endpoints": mine})


@post("/v1/endpoints", summary="Add an endpoint; the answer shows its signing secret once")
async def create(request: REQUEST) -> Response[Any]:
    """It hears nothing before POST …/verify has succeeded."""
    client, actor, db = await _client(request)
    new, _ = parse(decode(await request.body()), NewEndpoint)
    settings = request.app.state.settings
    await _narrow(db, client, new)
    async with db.transaction() as tx:
        made = await endpoints.create(tx, new, Vault(settings), egress_of(settings), actor, now())
    return json(made, 201)


async def _narrow(db: Db, client: ApiClient, new: NewEndpoint) -> None:
    """To the partner's warehouses and owners, by name, so nothing that comes later leaks in.

    Raises WarehouseForbidden, OwnerForbidden.
    """
    async with db.reading() as tx:
        sites = await list_sites(tx)
        owners = await list_owners(tx, client.owner_ids)
    mine = [sites[warehouse] for warehouse in client.warehouse_ids if warehouse in sites]
    if not set(new.warehouses) <= set(mine):
        raise WarehouseForbidden(code=client.code)
    new.warehouses = new.warehouses or mine
    if client.owner_ids:
        if not set(new.owners) <= set(owners):
            raise OwnerForbidden(code=client.code)
        new.owners = new.owners or owners


@get(ENDPOINT, summary="One endpoint, with its lag per warehouse")
async def show(request: REQUEST) -> Response[Any]:
    owned = await _owned(request)
    async with owned.db.reading() as tx:
        lag = await list_lag(tx, owned.view.id)
    return json({**msgspec.structs.asdict(owned.view), "lag": lag})


@post(f"{ENDPOINT}/verify", status_code=200, summary="Prove that the receiver wants the events")
async def verify(request: REQUEST) -> Response[Any]:
    owned = await _owned(request)
    await endpoints.verify(owned.db, request.app.state.settings, owned.view.code, owned.actor)
    return await _shown(owned)


@post(f"{ENDPOINT}/pause", status_code=200, summary="Stop sending; the place is kept")
async def pause(request: REQUEST) -> Response[Any]:
    owned = await _owned(request)
    async with owned.db.transaction() as tx:
        await endpoints.pause(tx, owned.view.code, owned.actor, now())
    return await _shown(owned)


@post(f"{ENDPOINT}/resume", status_code=200, summary="Go on in order where it stopped")
async def resume(request: REQUEST) -> Response[Any]:
    owned = await _owned(request)
    async with owned.db.transaction() as tx:
        await endpoints.resume(tx, owned.view.code, owned.actor, now())
    return await _shown(owned)


@post(f"{ENDPOINT}/skip", status_code=200, summary="Give up what was not delivered yet")
async def skip(request: REQUEST) -> Response[Any]:
    owned = await _owned(request)
    async with owned.db.transaction() as tx:
        await endpoints.skip(tx, owned.view.code, owned.actor, now())
    return await _shown(owned)


@post(f"{ENDPOINT}/ping", status_code=202, summary="Send a test event to this endpoint")
async def ping(request: REQUEST) -> Response[Any]:
    owned = await _owned(request)
    async with owned.db.reading() as tx:
        ids = {code: warehouse for warehouse, code in (await list_sites(tx)).items()}
    stamp = partner_stamp(owned.client, ids[owned.view.warehouses[0]])
    async with owned.db.transaction() as tx:
        await endpoints.ping(tx, stamp, owned.view.code)
    return json({"type": "test.ping"}, 202)


@post(f"{ENDPOINT}/secrets", summary="Add a signing key; old keys sign along for a while")
async def add_secret(request: REQUEST) -> Response[Any]:
    owned = await _owned(request)
    asked, _ = parse(decode(await request.body() or b"{}"), NewSecret)
    async with owned.db.transaction() as tx:
        made = await endpoints.add_secret(
            tx, owned.view.code, Vault(request.app.state.settings), owned.actor, now(),
            asked.alg, asked.overlap_days,
        )  # fmt: skip
    wake.reload()
    return json(made, 201)


async def _shown(owned: Owned) -> Response[Any]:
    wake.reload()
    async with owned.db.reading() as tx:
        return json(await get_endpoint(tx, owned.view.code))


# ---- deliveries ----------------------------------------------------------------------------------


@get(f"{ENDPOINT}/deliveries", summary="Deliveries that failed or wait behind a failed one")
async def list_deliveries(request: REQUEST) -> Response[Any]:
    owned = await _owned(request)
    state = request.query_params.get("state")
    limit = limit_of(request, PAGE_MAX, 100)
    async with owned.db.reading() as tx:
        return json({"deliveries": await list_parked(tx, owned.view.id, state, limit)})


@post(f"{ENDPOINT}/deliveries/retry", status_code=202, summary="Try parked deliveries again now")
async def retry(request: REQUEST) -> Response[Any]:
    owned = await _owned(request)
    asked, _ = parse(decode(await request.body() or b"{}"), RetryWhat)
    ids = None if asked.ids is None else [read_id(text) for text in asked.ids]
    async with owned.db.transaction() as tx:
        retried = await endpoints.retry(tx, owned.view.code, ids)
    wake.reload()
    return json({"retried": retried}, 202)


@get(f"{ENDPOINT}/attempts", summary="The log of HTTP attempts, newest first")
async def attempts(request: REQUEST) -> Response[Any]:
    owned = await _owned(request)
    asked = request.query_params
    event_id = read_id(asked["event"]) if asked.get("event") else None
    failed = asked.get("failed", "") in ("1", "true", "yes")
    limit = limit_of(request, PAGE_MAX, 100)
    async with owned.db.reading() as tx:
        return json({"attempts": await list_attempts(tx, owned.view.id, event_id, failed, limit)})


HANDLERS = [
    list_events, show_event, list_types, show_schema, index, create, show, verify, pause, resume,
    skip, ping, add_secret, list_deliveries, retry, attempts,
]  # fmt: skip
