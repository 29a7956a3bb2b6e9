"""Events out: does everything arrive? Endpoints at a glance, and the way to anything that happened.

GET /office/events         the page
GET /office/events/live    its live part, asked again every few seconds
"""

from typing import Any

from litestar import Response, get

from web.office.fixes import WORDS
from web.office.frame import GUARDS, REQUEST, Face, face_of, page, part
from web.office.sparks import bars
from wms.db import Tx
from wms.events.monitor import list_glances, read_pulses


async def _facts(tx: Tx, face: Face) -> dict[str, Any]:
    warehouse_id = face.stamp.warehouse_id
    glances = await list_glances(tx, warehouse_id)
    pulses = await read_pulses(tx, warehouse_id, [each.id for each in glances], face.stamp.at)
    order = {"bad": 0, "warn": 1, "": 2}
    glances.sort(key=lambda each: (order[each.tone], each.code))
    return {
        "glances": glances,
        "pulses": pulses,
        "sparks": {each.id: bars(pulses.get(each.id)) for each in glances},
        "outcomes": WORDS,
    }


@get("/office/events", guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        facts = await _facts(tx, face)
    return page(request, face, "events", "events", asked="", **facts)


@get("/office/events/live", guards=GUARDS, include_in_schema=False)
async def live(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        facts = await _facts(tx, face)
    return part(face, "_events", **facts)


HANDLERS = [show, live]
