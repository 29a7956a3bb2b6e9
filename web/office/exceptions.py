"""Exceptions: what is wrong, whose it is, until when; goods in silent hands; orders that wait.

GET  /office/exceptions?team=&show=                      open ones, late ones first
GET  /office/exceptions/{id}                             history, and documents that failed
POST /office/exceptions/{id}/assign                      user=<code>; empty means me
POST /office/exceptions/{id}/resolve, discard            why=...
POST /office/letters/{id}/resubmit                       body=<JSON>
POST /office/tours/{id}/hand-over                        to=<user id>
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from web.office import resubmitting
from web.office.frame import GUARDS, REQUEST, face_of, field, onward, page
from web.session import session_of, stamp_of
from wms.access.rules import Session
from wms.db import Tx
from wms.errors import WmsError
from wms.exceptions import letters, life, queries
from wms.exceptions.queries import Filter
from wms.exceptions.rules import CODES, TEAMS
from wms.outbound.board import list_causes
from wms.stamp import Stamp
from wms.tasks.board import list_stuck, list_trouble, list_workers
from wms.tasks.leases import hand_over

HOME = "/office/exceptions"
SHOWN = 200
SHOWS = ("open", "resolved", "discarded")
Act = Callable[[Tx, Stamp, Session], Awaitable[object]]


@get(HOME, guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    asked = request.query_params
    team = asked.get("team", "") if asked.get("team", "") in TEAMS else ""
    state = asked.get("show", "open") if asked.get("show", "open") in SHOWS else "open"
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        teams = await queries.list_teams(tx, face.stamp)
        found = await queries.list_exceptions(
            tx, face.stamp, Filter(team=team, state=state), after=None, limit=SHOWN
        )
        stuck = await list_stuck(tx, face.stamp)
        waiting = await list_causes(tx, face.stamp)
        trouble = await list_trouble(tx, face.stamp)
        people = await list_workers(tx, face.stamp)
    return page(
        request, face, "exceptions", "exceptions", trouble=trouble, teams=teams, found=found,
        team=team,
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

    async def act(tx: Tx, stamp: Stamp, session: Session) -> object:
        return await life.assign(tx, stamp, min(id, 2**53), user or session.code)

    return await _done(request, id, act, f"{user or 'You'} take care of it.")


@post(f"{HOME}/{{id:int}}/resolve", guards=GUARDS, include_in_schema=False)
async def resolve(request: REQUEST, id: FromPath[int]) -> Response[Any]:
    why = field(await request.form(), "why")

    async def act(tx: Tx, stamp: Stamp, _session: Session) -> object:
        return await life.resolve(tx, stamp, min(id, 2**53), why)

    return await _done(request, id, act, "Resolved.")


@post(f"{HOME}/{{id:int}}/discard", guards=GUARDS, include_in_schema=False)
async def discard(request: REQUEST, id: FromPath[int]) -> Response[Any]:
    why = field(await request.form(), "why")

    async def act(tx: Tx, stamp: Stamp, _session: Session) -> object:
        return await life.discard(tx, stamp, min(id, 2**53), why)

    return await _done(request, id, act, "Discarded.")


@post("/office/letters/{id:int}/resubmit", guards=GUARDS, include_in_schema=False)
async def resubmit(request: REQUEST, id: FromPath[int]) -> Response[Any]:
    """A corrected document, as if the partner had sent it; both versions are kept."""
    stamp = stamp_of(await session_of(request))
    body = str((await request.form()).get("body", ""))
    db = request.app.state.db
    async with db.reading() as tx:
        letter = await letters.get_letter(tx, stamp, min(id, 2**53))
    said = await resubmitting.resubmit(db, stamp, letter, body)
    return _back(letter.exception_id, said)


@post("/office/tours/{tour_id:int}/hand-over", guards=GUARDS, include_in_schema=False)
async def give(request: REQUEST, tour_id: FromPath[int]) -> Response[Any]:
    """Another person takes over a tour, goods and all."""
    stamp = stamp_of(await session_of(request))
    to = field(await request.form(), "to")
    if not to.isdigit():
        return onward(f"{HOME}?" + urlencode({"message": "Choose who takes it over."}))
    try:
        async with request.app.state.db.transaction() as tx:
            await hand_over(tx, stamp, tour_id, int(to))
        said = "Handed over."
    except WmsError as refusal:
        said = str(refusal)
    return onward(f"{HOME}?" + urlencode({"message": said}))


async def _done(request: REQUEST, id: int, act: Act, said: str) -> Response[Any]:
    """Do it and look at it, or say why not."""
    session = await session_of(request)
    try:
        async with request.app.state.db.transaction() as tx:
            await act(tx, stamp_of(session), session)
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


HANDLERS = [show, show_one, assign, resolve, discard, resubmit, give]
