"""Sending events of the past again to one endpoint: counted first, audited, beside the live stream.

Below /v1/endpoints/{endpoint}/replays:
    POST  /preview         the same body without a reason: counts per type and bytes
    POST                   {"types": ["order.*"], "missing_only": true, "reason": "ERP restored"}
    GET   ?after=&limit=   newest first
    GET   /{id}            how far it is
    POST  /{id}/cancel

Events keep their ids, so a receiver that took them before knows them again. Nothing is sent that
the endpoint would not hear live, and with the same mask.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, post

from web.api.asked import number, plain, sane
from web.api.describe import describe
from web.api.endpoints import ENDPOINT, Owned, owned_of
from web.api.feed import Limit, Pos, limit
from web.api.paging import json, page
from web.api.security import REQUEST
from web.numbers import whole
from web.session import now
from wms.access.rules import WarehouseForbidden
from wms.documents import BadDocument, DocumentError, decode, parse
from wms.events import replay_views, replays, wake
from wms.events.envelope import read_id
from wms.events.new_endpoint import Word
from wms.events.replay_views import ReplayShown, UnknownReplay
from wms.events.replays import RATE, Count, Preview, Selector

SCOPE = "events:replay"
REPLAYS = f"{ENDPOINT}/replays"
REPLAY = REPLAYS + "/{id:str}"
IDS_MAX = 1000
ONLY = {"failed_only": "failed", "missing_only": "missing", "never_attempted": "never"}
When = Annotated[datetime, msgspec.Meta(tz=True)]


class ReplayWhat(msgspec.Struct, kw_only=True):
    """Which events; what is left out does not narrow. At most one of the last three: `failed_only`
    were tried and never taken, `missing_only` were never taken, `never_attempted` were not tried.
    """

    warehouse: Word | None = None
    ids: Annotated[list[Word], msgspec.Meta(max_length=IDS_MAX)] | None = None
    key: Word | None = None
    types: Annotated[list[Word], msgspec.Meta(max_length=200)] | None = None
    owners: Annotated[list[Word], msgspec.Meta(max_length=500)] | None = None
    since: When | None = None
    until: When | None = None
    from_pos: Pos = 1
    to_pos: Pos | None = None
    failed_only: bool = False
    missing_only: bool = False
    never_attempted: bool = False

    def selector(self) -> Selector:
        """Raises BadDocument, BadPage, BadEventId."""
        chosen = [only for name, only in ONLY.items() if getattr(self, name)]
        if len(chosen) > 1:
            raise BadDocument([DocumentError("", "one-of", f"At most one of {', '.join(ONLY)}")])
        return Selector(
            ids=None if self.ids is None else [read_id(id) for id in self.ids], okey=self.key,
            types=self.types, owners=self.owners,
            since=None if self.since is None else sane(self.since, "since"),
            until=None if self.until is None else sane(self.until, "until"),
            from_pos=max(1, self.from_pos), to_pos=self.to_pos,
            only=chosen[0] if chosen else "all",
        )  # fmt: skip


class NewReplay(ReplayWhat, kw_only=True):
    """`same_id` sends all of it; `probe` only the first event, to see whether it is taken now."""

    reason: Annotated[Word, msgspec.Meta(min_length=1)]
    mode: Literal["same_id", "probe"] = "same_id"
    rate_per_s: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = RATE


class SitePreview(Preview, kw_only=True):
    """What of one warehouse would be sent."""

    warehouse: str


class PreviewShown(msgspec.Struct, kw_only=True):
    """What would be sent; a filter of the endpoint may narrow it further."""

    events: int
    bytes: int
    types: list[Count]
    warehouses: list[SitePreview]


class Started(msgspec.Struct):
    """One replay for each warehouse."""

    replays: list[ReplayShown]


def _sites(owned: Owned, code: str | None) -> dict[int, str]:
    """Warehouses a replay is about. Raises WarehouseForbidden."""
    mine = {
        id: site for id, site in owned.sites.items()
        if id in owned.client.warehouse_ids and code in (None, site)
    }  # fmt: skip
    if not mine:
        raise WarehouseForbidden(code=owned.client.code)
    return mine


def _asked(owned: Owned, what: ReplayWhat) -> Selector:
    return replays.narrowed(what.selector(), owned.view.types, owned.view.owners)


@post(f"{REPLAYS}/preview", status_code=200, summary="Count what a replay would send",
      **describe(SCOPE, takes=ReplayWhat, answers={200: PreviewShown},
                 refuses=("bad-request", "forbidden-site")))  # fmt: skip
async def preview_replay(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request, SCOPE)
    what, _ = parse(decode(await request.body() or b"{}"), ReplayWhat)
    asked, found = _asked(owned, what), list[SitePreview]()
    async with owned.db.reading() as tx:
        for warehouse_id, site in _sites(owned, what.warehouse).items():
            counted = await replays.preview(tx, warehouse_id, owned.view.id, asked)
            found.append(SitePreview(**msgspec.structs.asdict(counted), warehouse=site))
    types: dict[str, Count] = {}
    for each in (count for site in found for count in site.types):
        known = types.setdefault(each.type, Count(each.type, 0, 0))
        known.events, known.bytes = known.events + each.events, known.bytes + each.bytes
    return json(
        PreviewShown(
            events=_total(found, "events"), bytes=_total(found, "bytes"),
            types=[types[name] for name in sorted(types)], warehouses=found,
        )
    )  # fmt: skip


def _total(found: list[SitePreview], name: str) -> int:
    return sum(getattr(each, name) for each in found)


@post(REPLAYS, status_code=202, summary="Send events of the past again",
      **describe(SCOPE, takes=NewReplay, answers={202: Started},
                 refuses=("bad-request", "conflict", "forbidden-site", "rate-limited"),
      ))  # fmt: skip
async def start_replay(request: REQUEST) -> Response[Any]:
    """Only where the live stream leaves room, and at most `rate_per_s`. One at a time per
    warehouse; who asked and why is kept and told as an event."""
    owned = await owned_of(request, SCOPE)
    what, _ = parse(decode(await request.body()), NewReplay)
    asked = _asked(owned, what)
    async with owned.db.transaction() as tx:
        made = [
            await replays.start(
                tx, warehouse_id, owned.view.id, asked, owned.actor, what.reason, now(),
                mode=what.mode, rate_per_s=what.rate_per_s,
            )
            for warehouse_id in _sites(owned, what.warehouse)
        ]  # fmt: skip
        shown = [await replay_views.get_replay(tx, owned.view, id) for id in made]
    wake.reload()
    return json(Started(shown), 202)


@get(REPLAYS, summary="Replays to this endpoint, newest first",
     **describe(SCOPE, answers={200: Started}, refuses=("bad-request",), listed=True,
                query={"after": Pos, "limit": Limit}))  # fmt: skip
async def list_replays(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request, SCOPE)
    most = limit(request, 50)
    async with owned.db.reading() as tx:
        before = number(request, "after") or None
        found = await replay_views.list_replays(tx, owned.view, before, most)
    return page(request, "replays", found, most, found[-1].id if found else "")


def _id(request: REQUEST) -> int:
    """Raises UnknownReplay."""
    text = plain(str(request.path_params["id"]), "id")
    id = whole(text)
    if id is None:
        raise UnknownReplay(replay=text)
    return id


@get(REPLAY, summary="How far a replay is",
     **describe(SCOPE, answers={200: ReplayShown}, refuses=("bad-request",)))  # fmt: skip
async def show_replay(request: REQUEST) -> Response[Any]:
    owned = await owned_of(request, SCOPE)
    async with owned.db.reading() as tx:
        return json(await replay_views.get_replay(tx, owned.view, _id(request)))


@post(f"{REPLAY}/cancel", status_code=200, summary="Stop a replay where it is",
      **describe(SCOPE, answers={200: ReplayShown}, refuses=("bad-request",)))  # fmt: skip
async def cancel_replay(request: REQUEST) -> Response[Any]:
    """What has ended stays as it is."""
    owned = await owned_of(request, SCOPE)
    async with owned.db.transaction() as tx:
        known = await replay_views.get_replay(tx, owned.view, _id(request))
        for warehouse_id in _sites(owned, known.warehouse):
            await replays.cancel(tx, warehouse_id, owned.view.id, int(known.id))
        answer = await replay_views.get_replay(tx, owned.view, int(known.id))
    wake.reload()
    return json(answer)


HANDLERS = [preview_replay, start_replay, list_replays, show_replay, cancel_replay]
