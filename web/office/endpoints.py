"""One endpoint: is it well, what failed, what waits, and what a person may do about it.

GET  /office/endpoints/{code}?show=all|failed|parked|dead&after=
GET  /office/endpoints/{code}/live                 its live part
POST /office/endpoints/{code}/{pause|resume|probe|skip|retry}     confirm=<code> for skip
"""

from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath

from web.office.fixes import WORDS, advice
from web.office.frame import GUARDS, REQUEST, Face, face_of, field, onward, page, part
from web.office.sparks import bars
from web.office.writing import note, writing
from web.paging import page_place, page_token
from wms.access.rules import require
from wms.db import Tx
from wms.errors import Refused, WmsError
from wms.events import attempts, endpoints, monitor, trials, wake
from wms.events.envelope import Site
from wms.events.monitor import Glance
from wms.events.queries import UnknownEndpoint, get_endpoint

PAGE = 50
VIEWS = ("all", "failed", "parked", "dead")
NOTED = {
    "pause": "endpoint.paused", "resume": "endpoint.resumed", "retry": "endpoint.retried",
    "skip": "endpoint.skipped",
}  # fmt: skip


class NoSuchAct(Refused):
    say = "An endpoint cannot be told to {act}."


class NotConfirmed(Refused):
    say = "Nothing was skipped: key {code} to confirm."


async def glance_of(tx: Tx, face: Face, code: str) -> Glance:
    """An endpoint that hears this warehouse. Raises UnknownEndpoint."""
    found = await monitor.find_glance(tx, face.stamp.warehouse_id, code)
    if found is None:
        raise UnknownEndpoint(endpoint=code)
    return found


async def _facts(tx: Tx, face: Face, code: str) -> dict[str, Any]:
    glance = await glance_of(tx, face, code)
    pulses = await monitor.read_pulses(
        tx, face.stamp.warehouse_id, [glance.id], face.stamp.at
    )
    pulse = pulses.get(glance.id)
    return {"each": glance, "pulse": pulse, "drawn": bars(pulse), "outcomes": WORDS,
            "advice": advice}  # fmt: skip


@get("/office/endpoints/{code:str}", guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    asked = request.query_params.get("show", "")
    after = page_place(request.query_params.get("after", ""))
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        facts = await _facts(tx, face, code)
        glance: Glance = facts["each"]
        view = asked if asked in VIEWS else ("dead" if glance.dead else "all")
        facts |= await _rows(tx, face, glance, view, after)
    place = facts.pop("place")
    more = f"/office/endpoints/{code}?" + urlencode({"show": view, "after": place})
    return page(
        request, face, "events", "endpoint", view=view, more=more if place else "",
        may_skip="admin" in face.session.roles, **facts,
    )  # fmt: skip


async def _rows(
    tx: Tx, face: Face, glance: Glance, view: str, after: Any
) -> dict[str, Any]:
    """The chosen list; `place` is where it goes on."""
    warehouse_id, place = face.stamp.warehouse_id, ""
    if view in ("all", "failed"):
        tries = await attempts.list_of_endpoint(
            tx, warehouse_id, glance.id, failed=view == "failed",
            before=after or attempts.NEWEST, limit=PAGE,
        )  # fmt: skip
        if len(tries) == PAGE:
            place = page_token(tries[-1].at, tries[-1].id)
        return {"tries": tries, "stuck": [], "died": [], "place": place}
    states = ("dead",) if view == "dead" else monitor.LIVE_STATES
    stuck = await monitor.list_stuck(
        tx, warehouse_id, glance.id, states, after[1] if after else monitor.END, PAGE
    )
    if len(stuck) == PAGE:
        place = page_token(face.stamp.at, stuck[-1].pos)
    causes = await monitor.count_causes(tx, warehouse_id, glance.id) if view == "dead" else []
    return {"tries": [], "stuck": stuck, "died": causes, "place": place}


@get("/office/endpoints/{code:str}/live", guards=GUARDS, include_in_schema=False)
async def live(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        facts = await _facts(tx, face, code)
    return part(face, "_endpoint", **facts)


@post("/office/endpoints/{code:str}/probe", guards=GUARDS, include_in_schema=False)
async def probe(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    """A signed test event right now, past the breaker; when it is answered, deliveries go on."""
    state = request.app.state
    try:
        async with state.db.reading() as tx:
            face = await face_of(request, tx)
            await glance_of(tx, face, code)
            view = await get_endpoint(tx, code)
        site = Site(face.site.code, state.settings.base_url)
        await note(request, "endpoint.probed", f"endpoint/{code}")
        tried = await trials.probe(
            state.db, state.settings, view, face.stamp.warehouse_id, site
        )
        said = f"It answered {tried.status or 'nothing'} after {tried.total_ms} ms."
        said += " Deliveries go on." if tried.probed else f" {tried.detail}"
    except WmsError as refusal:
        said = str(refusal)
    return onward(f"/office/endpoints/{code}?" + urlencode({"message": said.strip()}))


@post("/office/endpoints/{code:str}/{act:str}", guards=GUARDS, include_in_schema=False)
async def change(request: REQUEST, code: FromPath[str], act: FromPath[str]) -> Response[Any]:
    """Told to the world as done by the person who is signed in."""
    confirmed = field(await request.form(), "confirm").strip()
    try:
        async with writing(request) as write:
            tx, stamp = write.tx, write.stamp
            await glance_of(tx, await face_of(request, tx), code)
            match act:
                case "pause":
                    await endpoints.pause(tx, code, stamp.actor, stamp.at)
                    said = "Paused. Its place in the log is kept."
                case "resume":
                    await endpoints.resume(tx, code, stamp.actor, stamp.at)
                    said = "Goes on in order where it stopped."
                case "retry":
                    tried = await endpoints.retry(tx, code)
                    said = f"{tried} parked deliveries are tried again now."
                case "skip":
                    require(write.session, "admin")
                    if confirmed != code:
                        raise NotConfirmed(code=code)
                    await endpoints.skip(tx, code, stamp.actor, stamp.at)
                    said = "Skipped. Deliveries go on with what happens from now on."
                case _:
                    raise NoSuchAct(act=act)
            await write.note(NOTED[act], f"endpoint/{code}")
        wake.reload()
    except WmsError as refusal:
        said = str(refusal)
    return onward(f"/office/endpoints/{code}?" + urlencode({"message": said}))


HANDLERS = [show, live, probe, change]
