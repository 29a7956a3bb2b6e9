"""Send a part of the log again to one endpoint: say what, see how much it is, then start.

GET  /office/endpoints/{code}/replay?only=&types=&owner=&key=&since=&until=&from=&to=&ids=&preview=1
GET  /office/endpoints/{code}/replay/progress        replays and how far they are
POST /office/endpoints/{code}/replay/start           the same fields and a reason
POST /office/endpoints/{code}/replay/{id}/cancel
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath

from web.numbers import whole
from web.office.endpoints import glance_of
from web.office.frame import GUARDS, REQUEST, Face, face_of, field, onward, page, part
from web.office.writing import writing
from wms.db import Tx
from wms.errors import Invalid, WmsError
from wms.events import monitor, replays, wake
from wms.events.envelope import read_id
from wms.events.monitor import ReplayView
from wms.events.replay_views import SelectedEvent, ids_of, read_selected
from wms.events.replays import BadSelector, Selector
from wms.events.subscription import fold_types

REPLAY = "/office/endpoints/{code:str}/replay"
FIELDS = ("only", "types", "owner", "key", "since", "until", "from", "to", "ids")
CHOICES = {
    "missing": "not delivered",
    "failed": "tried, not delivered",
    "never": "not tried",
    "all": "all of them",
}


class NoReason(Invalid):
    say = "Say why it is sent again: the reason is kept with the replay."


def read_selector(asked: dict[str, str], face: Face) -> Selector:
    """The form as a selector, times on the warehouse's clock. Raises BadSelector, BadEventId."""
    ids = [read_id(word) for word in asked["ids"].replace(",", " ").split()]
    types = asked["types"].replace(",", " ").split()
    return Selector(
        ids=ids or None,
        okey=asked["key"] or None,
        types=types or None,
        owner=asked["owner"] or None,
        since=_time(asked, "since", face),
        until=_time(asked, "until", face),
        from_pos=_place(asked, "from") or 1,
        to_pos=_place(asked, "to"),
        only=asked["only"] or "missing",
    )


def _time(asked: dict[str, str], name: str, face: Face) -> datetime | None:
    if not asked[name]:
        return None
    try:
        at = datetime.fromisoformat(asked[name])
    except ValueError:
        raise BadSelector(field=name, reason=f"{asked[name]} is not a time") from None
    return at if at.tzinfo else at.replace(tzinfo=face.zone)


def _place(asked: dict[str, str], name: str) -> int | None:
    if not asked[name]:
        return None
    place = whole(asked[name])
    if not place:
        raise BadSelector(field=name, reason=f"{asked[name]} is not a position of the log")
    return place


def _clean(value: str) -> str:
    return "".join(c for c in value if c.isprintable()).strip()[:4000]


@get(REPLAY, guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    asked = {name: _clean(request.query_params.get(name, "")) for name in FIELDS}
    wanted = bool(request.query_params.get("preview"))
    refused, counted, named = "", None, list[UUID]()
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        glance = await glance_of(tx, face, code)
        found = await monitor.list_replays(tx, face.stamp.warehouse_id, glance.id)
        if wanted:
            try:
                chosen = read_selector(asked, face)
                named = chosen.ids or []
                counted = await replays.preview(tx, face.stamp.warehouse_id, glance.id, chosen)
            except Invalid as refusal:
                refused = str(refusal)
        known = await _selected(tx, face, found, named)
    return page(
        request, face, "events", "replay", each=glance, asked=asked, choices=CHOICES,
        counted=counted, refused=refused, replays=found, said_fields=_said,
        named=_told(named, known), named_of=lambda one: _told(ids_of(one.selector), known),
        running=any(each.state == "running" for each in found),
    )  # fmt: skip


@get(REPLAY + "/progress", guards=GUARDS, include_in_schema=False)
async def progress(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        glance = await glance_of(tx, face, code)
        found = await monitor.list_replays(tx, face.stamp.warehouse_id, glance.id)
        known = await _selected(tx, face, found, [])
    return part(
        face, "_replays", each=glance, replays=found, said_fields=_said,
        named_of=lambda one: _told(ids_of(one.selector), known),
    )  # fmt: skip


async def _selected(
    tx: Tx, face: Face, found: list[ReplayView], asked: list[UUID]
) -> dict[UUID, SelectedEvent]:
    """What the named events are: those that are asked for first, then those of the replays."""
    ids = [*asked, *(id for each in found for id in ids_of(each.selector))]
    known = await read_selected(tx, [(face.site.code, id) for id in ids])
    return {id: event for (_, id), event in known.items()}


def _told(ids: list[UUID], known: dict[UUID, SelectedEvent]) -> list[SelectedEvent]:
    return [known[id] for id in ids if id in known]


def _said(selector: dict[str, Any]) -> str:
    """A stored selector in words."""
    words = [CHOICES.get(str(selector.get("only", "all")), "")]
    for name, form in (("types", "types {}"), ("okey", "of {}"), ("owner", "owner {}"),
                       ("since", "from {}"), ("until", "to {}")):  # fmt: skip
        value = selector.get(name)
        if name == "types" and value:
            value = fold_types(value)
        if value:
            words.append(form.format(", ".join(value) if isinstance(value, list) else value))
    if selector.get("ids"):
        words.append(f"{len(selector['ids'])} named events")
    return "; ".join(words)


@post(REPLAY + "/start", guards=GUARDS, include_in_schema=False)
async def start(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    """Asked for by the person who is signed in; one at a time for each endpoint."""
    form = await request.form()
    asked = {name: _clean(field(form, name)) for name in FIELDS}
    reason = field(form, "reason").strip()[:500]
    try:
        async with writing(request) as write:
            tx, stamp = write.tx, write.stamp
            face = await face_of(request, tx)
            glance = await glance_of(tx, face, code)
            if not reason:
                raise NoReason()
            await replays.start(
                tx, stamp.warehouse_id, glance.id, read_selector(asked, face), stamp.actor,
                reason, stamp.at,
            )  # fmt: skip
            await write.note("replay.started", f"endpoint/{code}", after=asked, why=reason)
        wake.reload()
        return onward(f"/office/endpoints/{code}/replay")
    except WmsError as refusal:
        again = {**{k: v for k, v in asked.items() if v}, "preview": "1", "message": str(refusal)}
    return onward(f"/office/endpoints/{code}/replay?" + urlencode(again))


@post(REPLAY + "/{replay_id:int}/cancel", guards=GUARDS, include_in_schema=False)
async def cancel(request: REQUEST, code: FromPath[str], replay_id: FromPath[int]) -> Response[Any]:
    async with writing(request) as write:
        face = await face_of(request, write.tx)
        glance = await glance_of(write.tx, face, code)
        ended = await replays.cancel(write.tx, face.stamp.warehouse_id, glance.id, replay_id)
        await write.note("replay.cancelled", f"endpoint/{code}", after={"replay": replay_id})
    wake.reload()
    said = "Stopped where it was." if ended else "It had ended already."
    return onward(f"/office/endpoints/{code}/replay?" + urlencode({"message": said}))


HANDLERS = [show, progress, start, cancel]
