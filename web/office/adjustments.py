"""Corrections that partners ask for and that are too large to be posted unseen.

GET  /office/adjustments
POST /office/adjustments/{id}     decision=approve | refuse, note=
"""

from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath

from web.office.frame import GUARDS, REQUEST, face_of, field, onward, page
from web.office.writing import writing
from wms.counting.adjustments import decide, list_waiting
from wms.errors import WmsError


@get("/office/adjustments", guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        waiting, settled = await list_waiting(tx, face.stamp)
    return page(
        request, face, "adjustments", "adjustments", waiting=waiting, settled=settled
    )


@post("/office/adjustments/{id:int}", guards=GUARDS, include_in_schema=False)
async def settle(request: REQUEST, id: FromPath[int]) -> Response[Any]:
    """Approve, which posts it at once, or refuse with a word why."""
    form = await request.form()
    decision, note = field(form, "decision"), field(form, "note")[:200]
    if decision not in ("approve", "refuse"):
        return onward("/office/adjustments?" + urlencode({"message": "Approve it or refuse it."}))
    try:
        async with writing(request) as write:
            done = await decide(write.tx, write.stamp, id, decision == "approve", note)
            await write.note(f"adjustment.{decision}", f"adjustment/{done.request_id}", why=note)
        said = f"Request {done.request_id}: {done.state}."
    except WmsError as refusal:
        said = str(refusal)
    return onward("/office/adjustments?" + urlencode({"message": said}))


HANDLERS = [show, settle]
