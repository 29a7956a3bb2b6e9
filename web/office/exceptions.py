"""Exceptions: what needs a supervisor. Goods in a silent person's hands, orders that wait, reports.

GET  /office/exceptions
POST /office/tours/{id}/hand-over     to=<user id>
"""

from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath

from web.office.frame import GUARDS, REQUEST, face_of, field, onward, page
from web.session import session_of, stamp_of
from wms.errors import WmsError
from wms.outbound.board import list_causes
from wms.tasks.board import list_stuck, list_trouble, list_workers
from wms.tasks.leases import hand_over


@get("/office/exceptions", guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        stuck = await list_stuck(tx, face.stamp)
        waiting = await list_causes(tx, face.stamp)
        trouble = await list_trouble(tx, face.stamp)
        people = await list_workers(tx, face.stamp)
    return page(
        request, face, "exceptions", "exceptions", stuck=stuck, waiting=waiting, trouble=trouble,
        people=people,
    )  # fmt: skip


@post("/office/tours/{tour_id:int}/hand-over", guards=GUARDS, include_in_schema=False)
async def give(request: REQUEST, tour_id: FromPath[int]) -> Response[Any]:
    """Another person takes over a tour, goods and all."""
    stamp = stamp_of(await session_of(request))
    to = field(await request.form(), "to")
    if not to.isdigit():
        return onward("/office/exceptions?" + urlencode({"message": "Choose who takes it over."}))
    try:
        async with request.app.state.db.transaction() as tx:
            await hand_over(tx, stamp, tour_id, int(to))
        said = "Handed over."
    except WmsError as refusal:
        said = str(refusal)
    return onward("/office/exceptions?" + urlencode({"message": said}))


HANDLERS = [show, give]
