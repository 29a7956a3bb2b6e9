"""The event log over HTTP, read by position: pages, single events, consumers, blocks, catalogue.

Below /v1/warehouses/{code}:
    GET    /events?after=&limit=&types=&owner=&consumer=
    GET    /events/{id}
    GET    /blocks?after=&limit=                      roots that vouch for the log
    GET    /consumers                                 this partner's, with their lag
    POST   /consumers/{name}/commit   {"pos": 42}     never moves back
    POST   /consumers/{name}/seek     {"pos": 0} or {"time": "2026-03-02T00:00:00Z"}
    DELETE /consumers/{name}
and
    GET    /v1/event-types                            the catalogue
    GET    /v1/event-schemas/{type}/{major}.json      JSON Schema of a payload

A partner sees the events of its owners only, masked unless its key may see masked fields.
"""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath

from web.api.asked import POS_MAX, number, sane, word
from web.api.describe import describe
from web.api.paging import json
from web.api.schemas import EventTypeInfo
from web.api.security import REQUEST, Partner, partner_of
from web.api.writes import again, raw
from web.masking import profile_of
from wms.access.rules import ApiClient, OwnerForbidden
from wms.db import Db, Tx
from wms.documents import BadDocument, DocumentError, decode, parse
from wms.events import consumers, export
from wms.events.bodies import masked
from wms.events.catalog import TYPES
from wms.events.consumers import Consumer
from wms.events.envelope import Envelope, LogRow, Site, read_id
from wms.events.export import BlockView
from wms.events.keys import Vault
from wms.events.masks import Mask
from wms.events.queries import find_event, list_owners, read_log
from wms.events.schemas import schema_of
from wms.events.subscription import expand_types

SITE = "/v1/warehouses/{code:str}"
EVENTS = f"{SITE}/events"
CONSUMER = SITE + "/consumers/{name:str}"
PAGE_MAX = 1000
LIST_MAX = 4000  # characters of a list of types

Pos = Annotated[int, msgspec.Meta(ge=0, le=POS_MAX)]
Limit = Annotated[int, msgspec.Meta(ge=0, le=POS_MAX)]  # more than a page holds means a full page


class EventPage(msgspec.Struct):
    """A run of the log. Read on at `next_after`; at `caught_up` there is nothing more yet. What
    came before `first_pos` is no longer kept."""

    events: list[Envelope]
    next_after: int
    head_pos: int
    first_pos: int
    caught_up: bool


class BlockPage(msgspec.Struct):
    """A run of blocks; read on after the last `block_no`."""

    blocks: list[BlockView]


class Consumers(msgspec.Struct):
    """All consumers of a partner in a warehouse."""

    consumers: list[Consumer]


class Committed(msgspec.Struct):
    """Everything up to this position is done."""

    pos: Pos


class Seek(msgspec.Struct):
    """Where to read on: after a position, or at the first event logged at or after a time."""

    pos: Pos | None = None
    time: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class Reading(msgspec.Struct, frozen=True):
    """Who reads the log of which warehouse, and what of it they may see."""

    partner: Partner
    site: Site
    mask: Mask
    types: set[str] | None
    owners: set[str] | None

    @property
    def warehouse_id(self) -> int:
        return self.partner.stamp.warehouse_id

    def show(self, row: LogRow) -> bytes:
        return masked(row, self.site, self.mask)


async def reading_of(request: REQUEST) -> Reading:
    """Raises BadPage, BadPattern, OwnerForbidden, and what `partner_of` raises."""
    partner = await partner_of(request, "events:read")
    types = word(request, "types", LIST_MAX)
    return Reading(
        partner=partner,
        site=site_of(request, str(request.path_params["code"])),
        mask=mask_of(request, partner.client),
        types=expand_types(types.split(",")) if types else None,
        owners=await owners_of(partner.db, partner.client, word(request, "owner")),
    )


def site_of(request: REQUEST, code: str) -> Site:
    settings = request.app.state.settings
    return Site(code, settings.base_url)


def mask_of(request: REQUEST, client: ApiClient) -> Mask:
    """Personal and finance fields are for keys with the scopes for them."""
    state = request.app.state
    if "mask_key" not in state:
        state["mask_key"] = Vault(state.settings).mask_key
    return Mask(profile_of(client), state["mask_key"])


async def owners_of(db: Db, client: ApiClient, asked: str = "") -> set[str] | None:
    """Owner codes the answer is narrowed to. Raises OwnerForbidden."""
    if not client.owner_ids:
        return {asked} if asked else None
    async with db.reading() as tx:
        mine = set(await list_owners(tx, client.owner_ids))
    if asked and asked not in mine:
        raise OwnerForbidden(code=client.code)
    return {asked} if asked else mine


def limit(request: REQUEST, default: int) -> int:
    """How many the page shall hold. Raises BadPage."""
    return max(1, min(number(request, "limit", default), PAGE_MAX))


# ---- the log -------------------------------------------------------------------------------------


@get(EVENTS, summary="Read the event log after a position", **describe(
    "events:read", answers={200: EventPage},
    refuses=("bad-request", "forbidden-owner", "conflict", "refused"),
    query={"after": Pos, "limit": Limit, "types": str, "owner": str, "consumer": str},
))  # fmt: skip
async def list_events(request: REQUEST) -> Response[Any]:
    """`after` may be left out with `consumer`: then it reads on after what that one committed.

    A position that the log has not reached is refused: who holds one would miss what comes next
    under numbers it knows, as after a restore to an earlier time.
    """
    reading = await reading_of(request)
    after = number(request, "after")
    consumer = word(request, "consumer")
    if consumer and "after" not in request.query_params:
        async with reading.partner.db.reading() as tx:
            client = reading.partner.client.code
            after = await consumers.place_of(tx, reading.warehouse_id, client, consumer)
    found = await read_log(
        reading.partner.db, reading.warehouse_id, after, limit(request, 500),
        types=reading.types, owners=reading.owners,
    )  # fmt: skip
    check_reached(after, found.head)
    events: list[Any] = [msgspec.Raw(reading.show(row)) for row in found.rows]
    page = EventPage(events, found.next_after, found.head, found.first, found.caught_up)
    return raw(msgspec.json.encode(page), 200)  # masked already


def check_reached(after: int, head: int) -> None:
    """Raises AheadOfLog."""
    if after > head:
        raise consumers.AheadOfLog(pos=after, head=head)


@get(EVENTS + "/{id:str}", summary="One event by its id", **describe(
    "events:read", answers={200: Envelope}, refuses=("bad-request",),
))  # fmt: skip
async def show_event(request: REQUEST) -> Response[Any]:
    reading = await reading_of(request)
    event_id = read_id(str(request.path_params["id"]))
    async with reading.partner.db.reading() as tx:
        row = await find_event(tx, reading.warehouse_id, event_id, reading.owners)
    return raw(reading.show(row), 200)


@get(f"{SITE}/blocks", summary="Sealed blocks: a root for each run of the log, chained",
     **describe("events:read", answers={200: BlockPage}, refuses=("bad-request",),
                query={"after": Pos, "limit": Limit}))  # fmt: skip
async def list_blocks(request: REQUEST) -> Response[Any]:
    """Each names the hash of the one before, so the last hash vouches for the whole log."""
    partner = await partner_of(request, "events:read")
    async with partner.db.reading() as tx:
        found = await export.list_blocks(
            tx, partner.stamp.warehouse_id, number(request, "after"), limit(request, 100)
        )
    return json(BlockPage(found))


# ---- consumers -----------------------------------------------------------------------------------


def _name(request: REQUEST) -> str:
    return str(request.path_params["name"])


@get(f"{SITE}/consumers", summary="Named places in the log, with their lag",
     **describe("events:read", answers={200: Consumers}))  # fmt: skip
async def list_consumers(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "events:read")
    async with partner.db.reading() as tx:
        found = await consumers.list_consumers(tx, partner.stamp.warehouse_id, partner.client.code)
    return json(Consumers(found))


@post(f"{CONSUMER}/commit", status_code=200, summary="Everything up to a position is done",
      **describe("events:read", takes=Committed, answers={200: Consumer},
                 refuses=("bad-request", "conflict", "refused")))  # fmt: skip
async def commit(request: REQUEST) -> Response[Any]:
    """Never moves back; the first commit makes the consumer. Answers where it stands."""
    partner = await partner_of(request, "events:read")
    done, _ = parse(decode(await request.body()), Committed)

    async def act(tx: Tx) -> Consumer:
        return await consumers.commit(
            tx, partner.stamp, partner.client.code, _name(request), done.pos
        )

    return json(await again(partner, act))


@post(f"{CONSUMER}/seek", status_code=200, summary="Read on elsewhere in the log",
      **describe("events:read", takes=Seek, answers={200: Consumer},
                 refuses=("bad-request", "refused")))  # fmt: skip
async def seek(request: REQUEST) -> Response[Any]:
    """By position (0 is the beginning) or by time; exactly one of the two."""
    partner = await partner_of(request, "events:read")
    asked, _ = parse(decode(await request.body()), Seek)
    if (asked.pos is None) == (asked.time is None):
        raise BadDocument([DocumentError("", "one-of", "Expected either pos or time")])
    time = None if asked.time is None else sane(asked.time, "time")

    async def act(tx: Tx) -> Consumer:
        return await consumers.seek(
            tx, partner.stamp, partner.client.code, _name(request), asked.pos, time
        )

    return json(await again(partner, act))


@delete(CONSUMER, status_code=204, summary="Forget a consumer",
        **describe("events:read", answers={204: None}, refuses=("bad-request",)))  # fmt: skip
async def forget(request: REQUEST) -> None:
    """The log need not be kept for it any more."""
    partner = await partner_of(request, "events:read")

    async def act(tx: Tx) -> None:
        await consumers.forget(tx, partner.stamp.warehouse_id, partner.client.code, _name(request))

    await again(partner, act)


# ---- the catalogue -------------------------------------------------------------------------------


@get("/v1/event-types", summary="Every event type", sync_to_thread=False,
     **describe(answers={200: list[EventTypeInfo]}))  # fmt: skip
def list_types() -> list[EventTypeInfo]:
    return [
        EventTypeInfo(
            type=name, text=kind.text, volume=kind.volume, ordering_key=kind.key,
            conflatable=kind.level, major=1,
        )
        for name, kind in TYPES.items()
    ]  # fmt: skip


@get("/v1/event-schemas/{type:str}/{file:str}", summary="JSON Schema of an event's data",
     sync_to_thread=False, **describe(answers={200: dict[str, Any]}))  # fmt: skip
def show_schema(type: FromPath[str], file: FromPath[str]) -> dict[str, Any]:
    return schema_of(type, file.removesuffix(".json"))


HANDLERS = [
    list_events, show_event, list_blocks, list_consumers, commit, seek, forget, list_types,
    show_schema,
]  # fmt: skip
