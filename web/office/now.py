"""Floor now: where is it stuck? Work by kind, people and what they hold, orders by state.

GET /office          the page
GET /office/now      its live part, asked again every few seconds
"""

from typing import Any

from litestar import Response, get

from web.office.drawing import stacked
from web.office.frame import GUARDS, REQUEST, Face, face_of, page, part
from wms.db import Tx
from wms.outbound.board import count_states
from wms.tasks.board import list_open_counts, list_trouble, list_work, list_workers
from wms.tasks.rules import ROLE_OF_KIND

IDLE_MIN = 10


async def _facts(tx: Tx, face: Face) -> dict[str, Any]:
    work = {each.kind: each for each in await list_work(tx, face.stamp)}
    people = await list_workers(tx, face.stamp)
    states = await count_states(tx, face.stamp)
    trouble = await list_trouble(tx, face.stamp)
    recent = [each for each in trouble if (face.stamp.at - each.at).total_seconds() < 3600]
    return {
        "kinds": [work[kind] for kind in ROLE_OF_KIND if kind in work],
        "quiet": [kind for kind in ROLE_OF_KIND if kind not in work],
        "people": people,
        "busy": sum(person.tour_id is not None for person in people),
        "states": states,
        "pieces": stacked(list(states.items())),
        "counts": await list_open_counts(tx, face.stamp),
        "trouble": recent,
        "idle_min": IDLE_MIN,
    }


@get("/office", guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        facts = await _facts(tx, face)
    return page(request, face, "now", "now", **facts)


@get("/office/now", guards=GUARDS, include_in_schema=False)
async def live(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        facts = await _facts(tx, face)
    return part(face, "_now", **facts)


HANDLERS = [show, live]
