"""Exceptions: what is wrong, whose it is, until when; goods in silent hands; orders that wait.

GET  /office/exceptions?team=&code=&show=                open ones, late ones first
GET  /office/exceptions/{id}                             history, and documents that failed
POST /office/exceptions/{id}/assign                      user=<code>; empty means me
POST /office/exceptions/{id}/resolve, discard            why=...
POST /office/exceptions/bulk                             act=, id=..., why=...
POST /office/letters/{id}/resubmit                       body=<JSON>
POST /office/tours/{id}/hand-over                        to=<user id>
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from web.numbers import whole
from web.office import resubmitting
from web.office.frame import GUARDS, REQUEST, face_of, field, fields, onward, page, span
from web.office.writing import Writing, note, writing
from web.session import session_of, stamp_of
from wms.errors import Invalid, WmsError
from wms.exceptions import bulk, letters, life, queries
from wms.exceptions.queries import Filter
from wms.exceptions.rules import CODES, TEAMS
from wms.outbound.board import list_causes
from wms.tasks.board import list_stuck, list_trouble, list_workers
from wms.tasks.leases import hand_over

HOME = "/office/exceptions"
SHOWN = 200
SHOWS = ("open", "resolved", "discarded")
ENDS = ("resolved", "discarded")
Act = Callable[[Writing], Awaitable[object]]


class NothingChosen(Invalid):
    say = "Nothing was changed: choose open exceptions, and whether to resolve or discard them."


@get(HOME, guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    asked = request.query_params
    team = asked.get("team", "") if asked.get("team", "") in TEAMS else ""
    state = asked.get("show", "open") if asked.get("show", "open") in SHOWS else "open"
    code = asked.get("code", "") if asked.get("code", "") in CODES else ""
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        teams = await queries.list_teams(tx, face.stamp)
        repairs = await queries.list_repair_times(tx, face.stamp)
        found = await queries.list_exceptions(
            tx, face.stamp, Filter(team=team, state=state, code=code), after=None, limit=SHOWN
        )
        stuck = await list_stuck(tx, face.stamp)
        waiting = await list_causes(tx, face.stamp)
        trouble = await list_trouble(tx, face.stamp)
        people = await list_workers(tx, face.stamp)
    return page(
        request, face, "exceptions", "exceptions", trouble=trouble, teams=teams, found=found,
        team=team, code=code, repairs=repairs, span=span,
        showing=state, shows=SHOWS, codes=CODES, stuck=stuck, waiting=waiting, people=people,
    )  # fmt: skip


@get(f"{HOME}/{{id:int}}", guards=GUARDS, include_in_schema=False)
async def show_one(request: REQUEST, id: FromPath[int]) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        view = await queries.get_exception(tx, face.stamp, min(id, 2**53))
        history = await queries.list_history(tx, face.stamp, int(view.id))
        kept = await letters.list_letters(tx, face.stamp, int(view.id))
        people = await list_workers(tx, face.stamp)
    return page(
        request, face, "exceptions", "exceptions_one", view=view, kind=CODES[view.code],
        history=history, letters=kept, people=people, pretty=_pretty,
    )  # fmt: skip


@post(f"{HOME}/{{id:int}}/assign", guards=GUARDS, include_in_schema=False)
async def assign(request: REQUEST, id: FromPath[int]) -> Response[Any]:
    user = field(await request.form(), "user")

    async def act(write: Writing) -> object:
        person = user or write.session.code
        await write.note("exception.assigned", f"exception/{id}", after={"assignee": person})
        return await life.assign(write.tx, write.stamp, min(id, 2**53), person)

    return await _done(request, id, act, f"{user or 'You'} take care of it.")


@post(f"{HOME}/{{id:int}}/resolve", guards=GUARDS, include_in_schema=False)
async def resolve(request: REQUEST, id: FromPath[int]) -> Response[Any]:
    why = field(await request.form(), "why")

    async def act(write: Writing) -> object:
        await write.note("exception.resolved", f"exception/{id}", why=why)
        return await life.resolve(write.tx, write.stamp, min(id, 2**53), why)

    return await _done(request, id, act, "Resolved.")


@post(f"{HOME}/{{id:int}}/discard", guards=GUARDS, include_in_schema=False)
async def discard(request: REQUEST, id: FromPath[int]) -> Response[Any]:
    why = field(await request.form(), "why")

    async def act(write: Writing) -> object:
        await write.note("exception.discarded", f"exception/{id}", why=why)
        return await life.discard(write.tx, write.stamp, min(id, 2**53), why)

    return await _done(request, id, act, "Discarded.")


@post(f"{HOME}/bulk", guards=GUARDS, include_in_schema=False)
async def end_many(request: REQUEST) -> Response[Any]:
    """Several with one reason: all of them end, or none. What ended meanwhile is left alone."""
    form = await request.form()
    chosen = fields(form, "shown" if field(form, "all") else "id")
    ids = [id for each in chosen if (id := whole(each)) is not None]
    verb, why = field(form, "act"), field(form, "why").strip()
    try:
        if verb not in ENDS or not ids:
            raise NothingChosen()
        async with writing(request) as write:
            ended = await bulk.end_many(write.tx, write.stamp, ids[:SHOWN], verb, why)
            for each in ended:
                await write.note(f"exception.{verb}", f"exception/{each}", why=why)
            if not ended:
                raise NothingChosen()
        said = f"{len(ended)} {verb}."
    except WmsError as refusal:
        said = str(refusal)
    back = {name: field(form, name) for name in ("team", "code") if field(form, name)}
    return onward(f"{HOME}?" + urlencode({**back, "message": said}))


@post("/office/letters/{id:int}/resubmit", guards=GUARDS, include_in_schema=False)
async def resubmit(request: REQUEST, id: FromPath[int]) -> Response[Any]:
    """A corrected document, as if the partner had sent it; both versions are kept."""
    stamp = stamp_of(await session_of(request))
    body = str((await request.form()).get("body", ""))
    db = request.app.state.db
    async with db.reading() as tx:
        letter = await letters.get_letter(tx, stamp, min(id, 2**53))
    await note(request, "letter.resubmitted", f"letter/{letter.id}")
    said = await resubmitting.resubmit(db, stamp, letter, body)
    return _back(letter.exception_id, said)


@post("/office/tours/{tour_id:int}/hand-over", guards=GUARDS, include_in_schema=False)
async def give(request: REQUEST, tour_id: FromPath[int]) -> Response[Any]:
    """Another person takes over a tour, goods and all."""
    to = whole(field(await request.form(), "to"))
    if to is None:
        return onward(f"{HOME}?" + urlencode({"message": "Choose who takes it over."}))
    try:
        async with writing(request) as write:
            await hand_over(write.tx, write.stamp, tour_id, to)
            await write.note("tour.handed_over", f"tour/{tour_id}", after={"to": to})
        said = "Handed over."
    except WmsError as refusal:
        said = str(refusal)
    return onward(f"{HOME}?" + urlencode({"message": said}))


async def _done(request: REQUEST, id: int, act: Act, said: str) -> Response[Any]:
    """Do it and look at it, or say why not."""
    try:
        async with writing(request) as write:
            await act(write)
    except WmsError as refusal:
        said = str(refusal)
    return _back(id, said)


def _pretty(body: str) -> str:
    """A document as people read it; what is no JSON stays as it came."""
    try:
        return msgspec.json.format(body, indent=2)
    except msgspec.DecodeError:
        return body


def _back(id: int, said: str) -> Response[Any]:
    return onward(f"{HOME}/{id}?" + urlencode({"message": said}))


HANDLERS = [show, show_one, assign, resolve, discard, end_many, resubmit, give]
