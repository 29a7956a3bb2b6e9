"""Documents as partners sent them: what became of each, and the way to send one again.

GET  /office/documents?state=&before=        those without a good end; `state=all` for every one
GET  /office/documents/{id}                  as it came, what was answered
GET  /office/documents/{id}/content          its bytes
POST /office/documents/{id}/again            body=<text>; without it the bytes as they came

Sent again, a document goes the way it came: the same request, for the same partner.
"""

import asyncio
from typing import Any
from urllib.parse import unquote, urlencode

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from web.api.security import Resent
from web.numbers import MOST, whole
from web.office.frame import GUARDS, REQUEST, face_of, onward, page
from web.office.writing import note, writing
from web.session import session_of, stamp_of
from wms.access.rules import GUARDED, SCOPES, ApiClient
from wms.jobs import kept
from wms.jobs.kept import Kept
from wms.jobs.refused import resolve_again
from wms.jobs.tables import KEPT_STATES
from wms.stamp import Stamp

PAGE = 50
SHOWN_MAX = 64 * 1024
HOME = "/office/documents"
STATES = ("all", *KEPT_STATES)


@get(HOME, guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    asked = request.query_params
    state = asked.get("state", "") if asked.get("state", "") in STATES else ""
    last = whole(asked.get("before", "")) or MOST
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        found = await kept.list_kept(tx, face.stamp, state, last, PAGE)
    more = ""
    if len(found) == PAGE:
        more = f"{HOME}?" + urlencode({"state": state, "before": found[-1].id})
    return page(
        request, face, "files", "documents", found=found, states=STATES, chosen=state, more=more,
        said=_said,
    )  # fmt: skip


@get(f"{HOME}/{{id:int}}", guards=GUARDS, include_in_schema=False)
async def show_one(request: REQUEST, id: FromPath[int]) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        each = await kept.get_kept(tx, face.stamp, min(id, 2**53))
    body = _text(each) if len(each.body) <= SHOWN_MAX else None
    return page(
        request, face, "files", "document", each=each, body=body, errors=_errors(each), said=_said
    )


@get(f"{HOME}/{{id:int}}/content", guards=GUARDS, include_in_schema=False)
async def content(request: REQUEST, id: FromPath[int]) -> Response[Any]:
    """Never shown by the browser: it is what a stranger sent."""
    stamp = stamp_of(await session_of(request))
    async with request.app.state.db.reading() as tx:
        each = await kept.get_kept(tx, stamp, min(id, 2**53))
    return Response(
        each.body, media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="document-{each.id}"'},
    )  # fmt: skip


@post(f"{HOME}/{{id:int}}/again", guards=GUARDS, include_in_schema=False)
async def again(request: REQUEST, id: FromPath[int]) -> Response[Any]:
    """Corrected or as it came, for the partner who sent it; both are kept."""
    stamp = stamp_of(await session_of(request))
    given = (await request.form()).get("body")
    db = request.app.state.db
    async with db.reading() as tx:
        each = await kept.get_kept(tx, stamp, min(id, 2**53))
    if each.state == "done":
        return _back(each.id, "It was taken in already.")
    text = _text(each) if given is None else str(given).replace("\r\n", "\n")
    body = each.body if text == _text(each) else text.encode()
    await note(request, "document.sent_again", f"document/{each.id}")
    status, answer = await asyncio.create_task(_send(request, stamp, each, body))
    if status >= 400:
        return _back(each.id, f"Refused again. {_detail(answer)}")
    async with db.reading() as tx:
        copy = await kept.find_copy(tx, stamp, each.id)
    if copy is not None and copy.state == "refused":
        return _back(each.id, f"Not all of it. {copy.answer}")
    job = copy.answer if copy is not None else ""
    async with writing(request) as write:
        said = f"Sent again by {stamp.actor} and {f'became {job}' if job else 'taken in'}."
        await kept.sent_again(write.tx, write.stamp, each, said)
        if not job:  # it tells of its lines when it ends
            await resolve_again(write.tx, write.stamp, each.id)
        how = "as it came" if body == each.body else "corrected"
        await write.note("document.taken_in", f"document/{each.id}", why=how)
    return _back(each.id, f"{job} does it: its end says what stayed out." if job else "Taken in.")


async def _send(
    request: REQUEST, stamp: Stamp, each: Kept, body: bytes
) -> tuple[int, bytes]:
    """The same request, through the application, in the sender's name."""
    client = ApiClient(
        id=0, code=each.sender, warehouse_ids=(stamp.warehouse_id,), owner_ids=each.owner_ids,
        scopes=tuple(scope for scope in SCOPES if scope not in GUARDED),
    )  # fmt: skip
    path, _, query = each.target.partition("?")
    headers = {"host": request.headers.get("host", ""), "content-type": each.media,
               "x-correlation-id": each.correlation_id}  # fmt: skip
    sent = request.scope | {
        "method": each.method, "path": unquote(path), "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"), "path_params": {},
        "headers": [(name.encode(), value.encode()) for name, value in headers.items() if value],
        "state": {"resent": Resent(client=client, original_id=each.id, by=stamp.actor)},
    }  # fmt: skip
    status, answer = 0, bytearray()

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        answer.extend(message.get("body", b""))

    for name in ("route_handler", "session", "user", "auth", "_ls_connection_state"):
        sent.pop(name, None)  # type: ignore[misc]
    await request.app(sent, receive, send)  # type: ignore[arg-type]
    return status, bytes(answer)


def _text(each: Kept) -> str:
    """A document as people read and correct it; line ends as forms send them."""
    try:
        return msgspec.json.format(each.body, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return each.body.decode("utf-8", "replace").replace("\0", "")


def _answer(answer: str | bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _errors(each: Kept) -> list[dict[str, Any]]:
    return _answer(each.answer).get("errors", [])


def _detail(answer: str | bytes) -> str:
    return str(_answer(answer).get("detail", ""))


def _said(each: Kept) -> str:
    """What was answered, in a sentence."""
    return _detail(each.answer) or each.answer[:200]


def _back(id: int, said: str) -> Response[Any]:
    return onward(f"{HOME}/{id}?" + urlencode({"message": said}))


HANDLERS = [show, show_one, content, again]
