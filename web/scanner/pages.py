"""The floor over HTTP: hub, next work, packets, acts, scan anything.

    GET  /floor                hub: what is open, what was scanned last
    GET  /floor/next           resume, or claim the best work, and go there
    GET  /floor/<flow>/<id>    a packet, as page or as JSON
    POST /floor/act            one act, as JSON (device) or as a form (no JavaScript)
    POST /floor/scan           anything scanned at the hub leads to where it belongs
"""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from litestar import Request, Response, asgi, get, post
from litestar.enums import MediaType
from litestar.exceptions import MethodNotAllowedException
from litestar.response import Redirect
from litestar.types import Receive, Scope, Send

from web.scanner import frame
from web.scanner.acts import UnknownAct, perform
from web.scanner.flows import ACTS, PACKETS, ROLES
from web.scanner.turns import field, onward
from web.session import initials, same_site, session_of, stamp_of
from wms import replay
from wms.access import rules as access
from wms.access.rules import Session
from wms.db import Db, Tx
from wms.errors import Invalid, NotFound, WmsError
from wms.inventory import identify
from wms.outbound import board, opening, shipping_queries
from wms.outbound.labels import label_svg
from wms.stamp import Stamp
from wms.steps import Act, Packet
from wms.tasks import engine, leases, queries
from wms.tasks.rules import kinds_for

KIND_WORDS = {
    "putaway": "Put away",
    "pick": "Pick",
    "pack": "Pack",
    "load": "Load",
    "count": "Count",
    "putback": "Put back",
    "replenish": "Replenish",
}
REQUEST = Request[Any, Any, Any]
BODY_MAX = 65_536
# What a page and an act are about: a number; the source of a move; the slot of a tour.
NAMED = re.compile(
    r"[a-z-]{1,20}/[0-9]{1,18}|move/(bin|lpn)-[0-9]{1,18}|bind/[0-9]{1,18}\.[0-9]{1,9}"
)


class NoSuchFlow(NotFound):
    say = "There is no page {flow}."


class NoSuchWork(NotFound):
    say = "There is no work {ident}. Scan its label, or go back and take the next work."


class NoSuchLabel(NotFound):
    say = "No box has the label {sscc}."


class BadAct(Invalid):
    say = "That is not an act: {why}"


def _html(text: str, status: int = 200) -> Response[str]:
    return Response(text, media_type=MediaType.HTML, status_code=status)


def _json(thing: object, status: int = 200) -> Response[bytes]:
    return Response(msgspec.json.encode(thing), media_type=MediaType.JSON, status_code=status)


def wants_json(request: REQUEST) -> bool:
    return "application/json" in request.headers.get("accept", "")


@get("/floor")
async def hub(request: REQUEST) -> Response[Any]:
    """What is open for this person's roles, and what they scanned last."""
    session = await session_of(request)
    stamp = stamp_of(session)
    async with request.app.state.db.reading() as tx:
        work = await queries.list_open_work(tx, stamp, kinds_for(set(session.roles)))
        last = await queries.list_last_scans(tx, stamp)
        due = await identify.list_due_asns(tx, stamp) if _may(session, "receive") else []
        zone = ZoneInfo((await board.get_site(tx, stamp)).timezone)
    tiles = tuple(
        frame.Link(word=KIND_WORDS[each.kind], url=f"/floor/next?kind={each.kind}",
                   count=each.ready)
        for each in work
    )  # fmt: skip
    receipts = tuple(
        frame.Link(word=f"Receive {asn.external_id}", url=f"/floor/receive/{asn.id}") for asn in due
    )
    page = frame.Hub(
        name=session.name,
        initials=initials(session.name),
        tiles=tiles,
        links=(*receipts, frame.Link(word="Log out", url="/floor/logout", post=True)),
        last=tuple(_line(scan, zone) for scan in last),
        message=request.query_params.get("message", ""),
    )
    return _json(page) if wants_json(request) else _html(frame.render_hub(page))


def _line(scan: queries.LastScan, zone: ZoneInfo) -> frame.Line:
    said = msgspec.json.decode(scan.answer)["say"]
    at = scan.at if isinstance(scan.at, datetime) else datetime.now(UTC)
    return frame.Line(at=at.astimezone(zone), what=said, ok=scan.ok)


def _may(session: Session, flow: str) -> bool:
    return "supervisor" in session.roles or bool(set(ROLES[flow]) & set(session.roles))


@get("/floor/next")
async def next_work(request: REQUEST) -> Response[Any]:
    """Resume what this person holds, or claim the best work of their roles (or of `?kind=`)."""
    session = await session_of(request)
    stamp = stamp_of(session)
    kinds = kinds_for(set(session.roles))
    wanted = request.query_params.get("kind", "")
    async with request.app.state.db.transaction() as tx:
        tour = await engine.find_mine(tx, stamp)
        if tour is not None:
            await engine.resume(tx, stamp, tour)
        else:
            chosen = [kind for kind in kinds if kind == wanted] or kinds
            tour = await engine.claim_next(tx, stamp, chosen)
    if tour is not None:
        return Redirect(f"/floor/{tour.kind}/{tour.id}", status_code=303)
    if wants_json(request):
        return _json({"idle": True})
    return Redirect("/floor?message=No+work+is+ready+for+you.+Scan+anything.", status_code=303)


@get("/floor/{flow:str}/{ident:str}")
async def show(request: REQUEST) -> Response[Any]:
    """A packet: the page with its questions, or the same as JSON."""
    session = await session_of(request)
    flow, ident = request.path_params["flow"], request.path_params["ident"]
    _require_page(flow, ident)
    access.require(session, *ROLES[flow], "supervisor")
    stamp = stamp_of(session)
    db: Db = request.app.state.db
    async with db.reading() as tx:
        packet = await PACKETS[flow](tx, stamp, ident)
        said = await _said(tx, stamp, request.query_params.get("said", ""))
    if wants_json(request):
        return _json(packet)
    message, tone = said
    return _html(
        frame.render_page(
            packet,
            user_initials=initials(session.name),
            message=message,
            tone=tone,
            kept=request.query_params.getall("kept", []),
        )
    )


def _require_page(flow: str, ident: str) -> None:
    """Raises NoSuchFlow, NoSuchWork."""
    if flow not in PACKETS:
        raise NoSuchFlow(flow=flow)
    if not NAMED.fullmatch(f"{flow}/{ident}"):
        raise NoSuchWork(ident=ascii(ident)[1:41])


async def _said(tx: Any, stamp: Stamp, key: str) -> tuple[str, str]:
    try:
        known = msgspec.structs.replace(stamp, key=UUID(key))
    except ValueError:
        return "", ""
    found = await replay.find_said(tx, known)
    return ("", "") if found is None else (found.say, found.tone)


@asgi("/floor/act", copy_scope=False)
async def act(scope: Scope, receive: Receive, send: Send) -> None:
    """One act. JSON: the answer. Form: the next page, or a redirect to where the answer leads.

    A plain ASGI handler: this is the one request every scan makes, and the framework's own work
    for a request costs more than all of ours.
    """
    request: REQUEST = Request(scope, receive, send)  # type: ignore[arg-type]
    if request.method != "POST":
        raise MethodNotAllowedException()
    await same_site(request, None)
    session = await session_of(request)
    body = await _read_body(receive)
    if request.headers.get("content-type", "").startswith("application/json"):
        answer = await _perform(request, session, _decode(body))
        await _send_json(send, msgspec.json.encode(answer))
        return
    form = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
    response = await _form_act(request, session, form)
    await response.to_asgi_response(None, request)(scope, receive, send)


async def _read_body(receive: Receive) -> bytes:
    body = b""
    while len(body) <= BODY_MAX:
        message = await receive()
        body += message.get("body", b"")  # type: ignore[union-attr]
        if not message.get("more_body"):
            return body
    raise BadAct(why=f"it is longer than {BODY_MAX} bytes")


async def _send_json(send: Send, body: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[typeddict-item]
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _form_act(
    request: REQUEST, session: Session, form: dict[str, list[str]]
) -> Response[Any]:
    packet = await _packet_of(request, session, field(form, "here"))
    turn = frame.form_turn(packet, form)
    if turn.act is None:
        return _html(frame.render_turn(packet, turn, user_initials=initials(session.name)))
    answer = await _perform(request, session, turn.act)
    return Redirect(onward(packet, turn, answer), status_code=303)


def _decode(body: bytes) -> Act:
    try:
        return msgspec.json.decode(body, type=Act)
    except msgspec.DecodeError as error:
        raise BadAct(why=str(error)) from error


async def _perform(request: REQUEST, session: Session, sent: Act) -> Any:
    if not NAMED.fullmatch(sent.ref):
        raise UnknownAct(ref=ascii(sent.ref)[1:41])
    try:
        key = UUID(sent.key)
    except ValueError:
        raise BadAct(why=f"{sent.key} is not a UUID") from None
    device_at = None
    if sent.at:
        try:
            device_at = datetime.fromisoformat(sent.at)
        except ValueError:
            raise BadAct(why=f"{sent.at} is not a time") from None
        if device_at.tzinfo is None:
            raise BadAct(why=f"{sent.at} has no time zone")
    return await perform(request.app.state.db, stamp_of(session, key, device_at), sent, ACTS)


async def _packet_of(request: REQUEST, session: Session, here: str) -> Packet:
    flow, _, ident = here.removeprefix("/floor/").partition("/")
    _require_page(flow, ident)
    async with request.app.state.db.reading() as tx:
        return await PACKETS[flow](tx, stamp_of(session), ident)


@post("/floor/scan", guards=[same_site], status_code=200)
async def scan_anything(request: REQUEST) -> Response[Any]:
    """Whatever was scanned: its open work if this person may do it, else what it is."""
    session = await session_of(request)
    stamp = stamp_of(session)
    code = field(await request.form(), "code").strip()
    db: Db = request.app.state.db
    try:
        async with db.transaction() as tx:
            found = await identify.identify(tx, stamp, code)
            opened = await _open_work(tx, stamp, session, found)
            if opened:
                return Redirect(opened, status_code=303)
            facts = await identify.inquire(tx, stamp, found)
    except WmsError as refusal:
        return _html(
            frame.render_message("Not found", str(refusal), "/floor",
                                 user_initials=initials(session.name), tone="wrong"), 200
        )  # fmt: skip
    inquiry = frame.Inquiry(title=facts.title, kind=facts.kind, rows=tuple(facts.rows),
                            actions=_acts_on(session, found))  # fmt: skip
    return _html(frame.render_inquiry(inquiry, user_initials=initials(session.name)))


def _acts_on(session: Session, found: identify.Found) -> tuple[frame.Link, ...]:
    """What may be done with a thing that nobody is at."""
    if found.kind not in ("bin", "plate") or not _may(session, "move"):
        return ()
    source = f"bin-{found.bin_id}" if found.kind == "bin" else f"lpn-{found.lpn_id}"
    return (frame.Link(word="Move", url=f"/floor/move/{source}"),)


async def _open_work(tx: Tx, stamp: Stamp, session: Session, found: identify.Found) -> str:
    """The page of the work about what was scanned, claimed; empty when there is none."""
    if found.asn_id is not None and _may(session, "receive"):
        return f"/floor/receive/{found.asn_id}"
    if found.bin_id is not None and _may(session, "load"):
        tour_id = await opening.find_load_tour(tx, stamp, found.code)
        return f"/floor/load/{tour_id}" if tour_id is not None else ""
    if found.lpn_id is None:
        return ""
    for flow, find in (("pack", opening.find_pack_tour), ("putback", opening.find_putback_tour)):
        tour_id = await find(tx, stamp, found.code) if _may(session, flow) else None
        if tour_id is not None:
            return f"/floor/{flow}/{tour_id}"
    if _may(session, "putaway"):
        tour_id = await queries.find_tour_about(tx, stamp, found.lpn_id, ["putaway"])
        if tour_id is not None:
            await leases.claim_tour(tx, stamp, tour_id)
            return f"/floor/putaway/{tour_id}"
    return ""


@get("/floor/label/{sscc:str}")
async def show_label(request: REQUEST) -> Response[Any]:
    """The label of a box, to print; also before the box is closed."""
    stamp = stamp_of(await session_of(request))
    sscc = request.path_params["sscc"]
    async with request.app.state.db.reading() as tx:
        carton = await shipping_queries.find_label(tx, stamp, sscc)
    if carton is None:
        raise NoSuchLabel(sscc=sscc)
    return Response(label_svg(carton), media_type="image/svg+xml")


HANDLERS = [hub, next_work, show, act, scan_anything, show_label]
