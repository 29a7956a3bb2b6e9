"""What happened to it: find a piece of work by any number somebody has, and see its whole way.

GET /office/events/find?q=      event id, order, notice, SSCC, ordering key or correlation id
GET /office/events/one/{id}     one event: the envelope (masked) and what each endpoint made of it
"""

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from web.office.frame import GUARDS, REQUEST, Face, face_of, page
from wms.db import Tx
from wms.events.attempts import list_of_event
from wms.events.envelope import Site, envelope, public_id, read_id
from wms.events.keys import Vault
from wms.events.masks import Mask
from wms.events.queries import find_event
from wms.events.trail import TRAIL_MAX, Step, find_thread, list_heard, list_trail
from wms.inbound.asn_trail import find_asn_keys
from wms.outbound.order_trail import find_order_keys

ASKED_MAX = 200
SHOWN_PROFILE = "default"  # people see payloads as the careful profile shows them
_EVENT_ID = re.compile(r"(evt_)?[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
TROUBLE = ("short", "cancel", "reject", "exception", "exhausted", "held", "discrepancy")
# A wait is drawn longer the longer it was: seconds up to which each of the five lengths goes.
GAPS_S = (60, 600, 3600, 6 * 3600)


class Thread(msgspec.Struct, kw_only=True):
    """What a search found: the events, in words what they have in common, and the one asked for."""

    about: str = ""
    steps: list[Step] = msgspec.field(default_factory=list)
    marked: UUID | None = None


class Mark(msgspec.Struct, kw_only=True):
    """One event on the drawn line; `gap` says how long nothing happened before it."""

    step: Step
    stage: str
    words: str
    gap: str = ""
    length: int = 0


# ---- finding -------------------------------------------------------------------------------------


async def find(tx: Tx, face: Face, asked: str) -> Thread:
    """The thread of whatever number was given; empty when nothing carries it."""
    if _EVENT_ID.fullmatch(asked):
        event_id = read_id(asked.lower())
        found = await find_thread(tx, face.stamp.warehouse_id, event_id)
        if found is not None:
            thread = await _of_key(tx, face, *found)
            return msgspec.structs.replace(thread, marked=event_id)
    elif "/" in asked:
        return await _of_key(tx, face, asked, "")
    else:
        for kind in ("order", "asn"):
            thread = await _of_document(tx, face, kind, asked, "")
            if thread is not None:
                return thread
    return await _of_correlation(tx, face, asked)


async def _of_correlation(tx: Tx, face: Face, asked: str) -> Thread:
    """What carries the id; when that is all of one order or delivery, its whole way."""
    steps = await list_trail(tx, face.stamp.warehouse_id, [], [asked])
    documents = {step.okey for step in steps if step.okey.startswith(("order/", "asn/"))}
    if len(documents) == 1:
        thread = await _of_key(tx, face, documents.pop(), asked)
        return msgspec.structs.replace(thread, about=f"{thread.about}, correlation {asked}")
    return Thread(about=f"correlation {asked}", steps=steps)


async def _of_key(tx: Tx, face: Face, key: str, correlation: str) -> Thread:
    """The document behind an ordering key, or just the key's own events."""
    kind, _, rest = key.partition("/")
    owner, _, number = rest.partition("/")
    thread = await _of_document(tx, face, kind, number, owner) if number else None
    if thread is not None:
        return thread
    steps = await list_trail(
        tx, face.stamp.warehouse_id, [key], [correlation] if correlation else []
    )
    return Thread(about=key, steps=steps)


async def _of_document(
    tx: Tx, face: Face, kind: str, number: str, owner: str
) -> Thread | None:
    warehouse_id = face.stamp.warehouse_id
    if kind == "order":
        order = await find_order_keys(tx, face.stamp, number, owner)
        if order is None:
            return None
        steps = await list_trail(
            tx, warehouse_id, order.own + order.shared, _some(order.correlation_id)
        )
        told = [step for step in steps if _is_about(step, order.own, order.external_id)]
        return Thread(about=f"order {order.external_id}", steps=told)
    if kind == "asn":
        notice = await find_asn_keys(tx, face.stamp, number, owner)
        if notice is None:
            return None
        steps = await list_trail(tx, warehouse_id, notice.keys, _some(notice.correlation_id))
        return Thread(about=f"delivery {notice.external_id}", steps=steps)
    return None


def _some(correlation: str) -> list[str]:
    return [correlation] if correlation else []


def _is_about(step: Step, own: list[str], number: str) -> bool:
    """A load and a wave carry other orders too; what is about those alone is left out."""
    return step.okey in own or '"external_id"' not in step.data or f'"{number}"' in step.data


# ---- drawing -------------------------------------------------------------------------------------


def draw(steps: list[Step]) -> list[Mark]:
    """The events with the waits between them."""
    marks: list[Mark] = []
    before: datetime | None = None
    for step in steps:
        mark = Mark(step=step, stage=stage_of(step.type), words=summary(step.data))
        if before is not None:
            apart = (step.recorded_at - before).total_seconds()
            if apart >= 1:
                mark.gap = pause(apart)
                mark.length = 1 + sum(apart >= limit for limit in GAPS_S)
        before = max(before or step.recorded_at, step.recorded_at)
        marks.append(mark)
    return marks


def pause(seconds: float) -> str:
    """A wait in words: `4 s`, `12 min`, `3 h 05`, `2 days`."""
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d}"
    return f"{timedelta(minutes=minutes).days} days"


def stage_of(type: str) -> str:
    """Which part of the way an event belongs to; it has a colour."""
    thing, _, verb = type.partition(".")
    if any(word in verb for word in TROUBLE):
        return "bad"
    if verb in ("picked", "pick_started") or thing in ("task", "inventory", "putaway"):
        return "picking"
    if thing in ("package", "label", "handling_unit") or verb == "packed":
        return "packed"
    if thing in ("load", "shipment") or verb in ("shipped", "departed"):
        return "shipped"
    return "released" if thing == "wave" or verb in ("released", "allocated") else "open"


def summary(data: str) -> str:
    """A payload in a few words; names and addresses are left out."""
    told: Any = msgspec.json.decode(data)
    if not isinstance(told, dict):
        return ""
    stock, line = told.get("stock") or {}, told.get("line") or {}
    words: list[str] = []
    if stock.get("sku"):
        words.append(f"{stock.get('base_qty') or stock.get('qty') or ''} × {stock['sku']}".strip())
    elif line.get("sku"):
        words.append(f"{told.get('qty', '')} × {line['sku']}")
    places = [_bin(told.get(name)) for name in ("from", "to", "location")]
    words.append(" → ".join(place for place in places if place))
    for name, form in _SAID.items():
        value = told.get(name)
        if name == "lpn" and value == told.get("package_id"):
            continue  # a box is its own plate
        if value not in (None, "", [], {}):
            many = len(value) if isinstance(value, list) else value
            words.append(form.format(many).removesuffix("s" if many == 1 else "\0"))
    reason = told.get("reason")
    if isinstance(reason, dict):
        words.append(str(reason.get("text") or reason.get("code") or ""))
    return ", ".join(word for word in words if word)


_SAID = {
    "wave_id": "wave {}", "tour_id": "tour {}", "load_id": "load {}", "lines": "{} lines",
    "packages": "{} packages", "orders": "{} orders", "changed_fields": "changed {} fields",
    "package_id": "carton {}", "lpn": "plate {}", "outcome": "{}", "cause": "{}",
    "shipment_id": "shipment {}",
}  # fmt: skip


def _bin(place: Any) -> str:
    """The bin; without one, the plate or the box."""
    if not isinstance(place, dict):
        return ""
    return str(place.get("bin") or place.get("lpn") or place.get("sscc") or "")


# ---- pages ---------------------------------------------------------------------------------------


@get("/office/events/find", guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    asked = "".join(c for c in request.query_params.get("q", "") if c.isprintable())
    asked = asked.strip()[:ASKED_MAX]
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        thread = await find(tx, face, asked) if asked else Thread()
    return page(
        request, face, "events", "trail", asked=asked, thread=thread, marks=draw(thread.steps),
        public_id=public_id, most=TRAIL_MAX,
        took=pause((thread.steps[-1].recorded_at - thread.steps[0].recorded_at).total_seconds())
        if thread.steps else "",
    )  # fmt: skip


@get("/office/events/one/{event_id:str}", guards=GUARDS, include_in_schema=False)
async def show_one(request: REQUEST, event_id: FromPath[str]) -> Response[Any]:
    wanted = read_id(event_id)
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        event = await find_event(tx, face.stamp.warehouse_id, wanted)
        heard = await list_heard(tx, face.stamp.warehouse_id, event)
        tries = await list_of_event(tx, face.stamp.warehouse_id, wanted)
    return page(
        request, face, "events", "event", event=event, heard=heard, tries=tries,
        payload=masked(request, face, event), id=public_id(wanted),
    )  # fmt: skip


def masked(request: REQUEST, face: Face, event: Any) -> str:
    """The envelope as JSON for reading, with personal and financial fields masked."""
    settings = request.app.state.settings
    mask = Mask(SHOWN_PROFILE, Vault(settings).mask_key)
    data = mask.data(event.type, event.data)
    site = Site(face.site.code, settings.base_url)
    seen = msgspec.structs.replace(event, actor=mask.actor(event.actor))
    return msgspec.json.format(msgspec.json.encode(envelope(seen, site, data)), indent=2).decode()


HANDLERS = [show, show_one]
