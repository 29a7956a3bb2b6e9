"""Endpoints that hear events, managed by the partner who made them.

    GET, POST /v1/endpoints                        POST answers the signing secret, once
    GET       /v1/endpoints/{endpoint}             with its lag per warehouse
    GET       /v1/endpoints/{endpoint}/health      lag, rates, times, breaker, receipts
    POST      /v1/endpoints/{endpoint}/verify, pause, resume, skip, secrets
    POST      /v1/endpoints/{endpoint}/ping        {"type": "order.shipped"}, or nothing
    POST      /v1/endpoints/{endpoint}/probe       does it answer now?
    POST      /v1/endpoints/{endpoint}/test-filter {"event": {…}} or {"id": "evt_…"}
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post

from web.api.asked import plain
from web.api.describe import describe
from web.api.feed import site_of
from web.api.paging import json
from web.api.security import REQUEST, client_with
from web.session import now, partner_stamp
from wms.access.rules import ApiClient, OwnerForbidden, WarehouseForbidden, require_scope
from wms.db import Db
from wms.documents import BadDocument, DocumentError, decode, parse
from wms.events import endpoints, filters, health, queries, trials, wake
from wms.events.endpoints import Created, egress_of
from wms.events.envelope import Site, read_id
from wms.events.filters import GivenEvent, Judged
from wms.events.health import EndpointHealth
from wms.events.keys import HMAC, Vault
from wms.events.masks import OPEN_PROFILES, require_profile
from wms.events.new_endpoint import NewEndpoint, Word
from wms.events.queries import EndpointView, Lag, UnknownEndpoint, list_owners, list_sites
from wms.events.trials import Tried
from wms.stamp import Stamp

SCOPE = "webhooks:write"
ENDPOINT = "/v1/endpoints/{endpoint:str}"


class NewSecret(msgspec.Struct):
    """How to rotate: which kind of key, and how long the old ones sign along."""

    alg: str = HMAC
    overlap_days: Annotated[int, msgspec.Meta(ge=0, le=30)] = endpoints.OVERLAP_DAYS


class Ping(msgspec.Struct):
    """Without a type a test.ping goes through the log; with one a sample is sent at once."""

    type: Word = ""


class Pinged(msgspec.Struct):
    """It is on its way."""

    type: str


class TestFilter(msgspec.Struct):
    """An event, given or named, and the choice to test; what is left out is the endpoint's own."""

    event: GivenEvent | None = None
    id: Word | None = None
    types: list[Word] | None = None
    owners: list[Word] | None = None
    predicate: dict[str, Any] | None = None


class Endpoints(msgspec.Struct):
    """All endpoints of a partner."""

    endpoints: list[EndpointView]


class EndpointWithLag(EndpointView, kw_only=True):
    """An endpoint, and how far it is behind in each warehouse."""

    lag: list[Lag]


class Owned(msgspec.Struct, frozen=True):
    """An endpoint of the partner that asks."""

    client: ApiClient
    actor: str
    db: Db
    view: EndpointView
    sites: dict[int, str]

    def stamp(self, warehouse_id: int) -> Stamp:
        """Raises WarehouseForbidden."""
        return partner_stamp(self.client, warehouse_id)


async def _client(request: REQUEST, scope: str = SCOPE) -> tuple[ApiClient, str, Db]:
    client = await client_with(request, scope)
    return client, f"partner:{client.code}", request.app.state.db


async def owned_of(request: REQUEST, scope: str = SCOPE) -> Owned:
    """The endpoint a path names, with the warehouses it hears. Raises UnknownEndpoint, also for
    endpoints of others."""
    client, actor, db = await _client(request, scope)
    code = plain(str(request.path_params["endpoint"]), "endpoint")
    async with db.reading() as tx:
        view = await queries.get_endpoint(tx, code)
        sites = await list_sites(tx)
    if view.created_by != actor:
        raise UnknownEndpoint(endpoint=code)
    all_sites = not view.warehouses
    heard = {id: site for id, site in sites.items() if all_sites or site in view.warehouses}
    return Owned(client, actor, db, view, heard)


@get("/v1/endpoints", summary="Endpoints of this partner",
     **describe(SCOPE, answers={200: Endpoints}))  # fmt: skip
async def index(request: REQUEST) -> Response[Any]:
    _, actor, db = await _client(request)
    async with db.reading() as tx:
        mine = [each for each in await queries.list_endpoints(tx) if each.created_by == actor]
    return json(Endpoints(mine))


@post("/v1/endpoints", summary="Add an endpoint; the answer shows its signing secret once",
      **describe(SCOPE, takes=NewEndpoint, answers={201: Created},
                 refuses=("bad-request", "conflict", "forbidden-site", "forbidden-owner"),
      ))  # fmt: skip
async def create(request: REQUEST) -> Response[Any]:
    """It hears nothing before POST …/verify has succeeded. A mask profile that shows personal or
    finance fields needs a key that an admin opened for them."""
    client, actor, db = await _client(request)
    new, _ = parse(decode(await request.body()), NewEndpoint)
    require_profile(new.mask_profile)
    if new.mask_profile not in OPEN_PROFILES:
        require_scope(client, "masks:admin")
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
    if not mine or not set(new.warehouses) <= set(mine):
        raise WarehouseForbidden(code=client.code)
    new.warehouses = new.warehouses or mine
    if client.owner_ids:
        if not owners or not set(new.owners) <= set(owners):
            raise OwnerForbidden(code=client.code)
        new.owners = new.owners or owners


@get(ENDPOINT, summary="One endpoint, with its lag per warehouse",
     **describe(SCOPE, answers={200: EndpointWithLag}, refuses=("bad-request",)))  # fmt: skip
async def show(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request)
    async with owned.db.reading() as tx:
        lag = await queries.list_lag(tx, owned.view.id)
    return json(EndpointWithLag(**msgspec.structs.asdict(owned.view), lag=lag))


@get(f"{ENDPOINT}/health", summary="Lag, success, times, breaker and receipts of one endpoint",
     **describe(SCOPE, answers={200: EndpointHealth}, refuses=("bad-request",)))  # fmt: skip
async def show_health(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request)
    async with owned.db.reading() as tx:
        return json(await health.read_health(tx, owned.view, now()))


@post(f"{ENDPOINT}/verify", status_code=200, summary="Prove that the receiver wants the events",
      **describe(SCOPE, answers={200: EndpointView},
                 refuses=("bad-request", "conflict", "refused")))  # fmt: skip
async def verify(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request)
    await endpoints.verify(owned.db, request.app.state.settings, owned.view.code, owned.actor)
    return await _shown(owned)


@post(f"{ENDPOINT}/pause", status_code=200, summary="Stop sending; the place is kept",
      **describe(SCOPE, answers={200: EndpointView}, refuses=("bad-request", "conflict"),
      ))  # fmt: skip
async def pause(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request)
    async with owned.db.transaction() as tx:
        await endpoints.pause(tx, owned.view.code, owned.actor, now())
    return await _shown(owned)


@post(f"{ENDPOINT}/resume", status_code=200, summary="Go on in order where it stopped",
      **describe(SCOPE, answers={200: EndpointView}, refuses=("bad-request", "conflict"),
      ))  # fmt: skip
async def resume(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request)
    async with owned.db.transaction() as tx:
        await endpoints.resume(tx, owned.view.code, owned.actor, now())
    return await _shown(owned)


@post(f"{ENDPOINT}/skip", status_code=200, summary="Give up what was not delivered yet",
      **describe(SCOPE, answers={200: EndpointView}, refuses=("bad-request",)))  # fmt: skip
async def skip(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request)
    async with owned.db.transaction() as tx:
        await endpoints.skip(tx, owned.view.code, owned.actor, now())
    return await _shown(owned)


async def _shown(owned: Owned) -> Response[Any]:
    wake.reload()
    async with owned.db.reading() as tx:
        return json(await queries.get_endpoint(tx, owned.view.code))


@post(f"{ENDPOINT}/secrets", summary="Add a signing key; old keys sign along for a while",
      **describe(SCOPE, takes=NewSecret, answers={201: Created}, refuses=("bad-request",),
      ))  # fmt: skip
async def add_secret(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request)
    asked, _ = parse(decode(await request.body() or b"{}"), NewSecret)
    async with owned.db.transaction() as tx:
        made = await endpoints.add_secret(
            tx, owned.view.code, Vault(request.app.state.settings), owned.actor, now(),
            asked.alg, asked.overlap_days,
        )  # fmt: skip
    wake.reload()
    return json(made, 201)


# ---- trials --------------------------------------------------------------------------------------


def _first(owned: Owned) -> int:
    """A warehouse the endpoint hears and the partner may act in. Raises WarehouseForbidden."""
    mine = [id for id in owned.sites if id in owned.client.warehouse_ids]
    if not mine:
        raise WarehouseForbidden(code=owned.client.code)
    return mine[0]


@post(f"{ENDPOINT}/ping", status_code=202, summary="Send a test event to this endpoint",
      **describe(SCOPE, takes=Ping, answers={200: Tried, 202: Pinged},
                 refuses=("bad-request", "conflict", "forbidden-site")))  # fmt: skip
async def ping(request: REQUEST) -> Response[Any]:
    """With a type a sample of it is sent at once, outside the stream, and 200 says what came."""
    owned = await owned_of(request)
    asked, _ = parse(decode(await request.body() or b"{}"), Ping)
    warehouse_id = _first(owned)
    if asked.type:
        site, settings = _site(request, owned, warehouse_id), request.app.state.settings
        return json(
            await trials.try_out(
                owned.db, settings, owned.view, warehouse_id, site, asked.type
            )
        )
    async with owned.db.transaction() as tx:
        await endpoints.ping(tx, owned.stamp(warehouse_id), owned.view.code)
    return json(Pinged("test.ping"), 202)


@post(f"{ENDPOINT}/probe", status_code=200, summary="Does it answer now?",
      **describe(SCOPE, answers={200: Tried},
                 refuses=("bad-request", "conflict", "forbidden-site")))  # fmt: skip
async def probe(request: REQUEST) -> Response[Any]:
    """Sends a test.ping at once. When it is answered and deliveries pause because of failures,
    they look again now, with the next real event."""
    owned = await owned_of(request)
    warehouse_id = _first(owned)
    site, settings = _site(request, owned, warehouse_id), request.app.state.settings
    return json(await trials.probe(owned.db, settings, owned.view, warehouse_id, site))


def _site(request: REQUEST, owned: Owned, warehouse_id: int) -> Site:
    return site_of(request, owned.sites[warehouse_id])


@post(f"{ENDPOINT}/test-filter", status_code=200, summary="Would this endpoint hear that event?",
      **describe(SCOPE, takes=TestFilter, answers={200: Judged}, refuses=("bad-request",),
      ))  # fmt: skip
async def test_filter(request: REQUEST) -> Response[Any]:
    """With the endpoint's own choice, or with another one that is tried before it is saved."""
    owned = await owned_of(request)
    asked, _ = parse(decode(await request.body() or b"{}"), TestFilter)
    if (asked.event is None) == (asked.id is None):
        raise BadDocument([DocumentError("", "one-of", "Expected either event or id")])
    async with owned.db.reading() as tx:
        if asked.event is not None:
            row = asked.event.as_row()
        else:
            owners = set(owned.view.owners) or None
            sites = [id for id in owned.sites if id in owned.client.warehouse_ids]
            row = await filters.find_named(tx, sites, read_id(asked.id or ""), owners)
    return json(filters.judge(owned.view, row, asked.types, asked.owners, asked.predicate))


HANDLERS = [
    index, create, show, show_health, verify, pause, resume, skip, add_secret, ping, probe,
    test_filter,
]  # fmt: skip
