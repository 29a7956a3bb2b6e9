"""Counts: differences that two people could not settle, and the counts still to be done.

GET  /office/counts
POST /office/counts/{id}      decision=post | keep
"""

from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath

from web.office.frame import GUARDS, REQUEST, face_of, field, onward, page
from web.office.writing import writing
from wms.counting.deciding import decide
from wms.counting.queries import list_reviews
from wms.errors import WmsError
from wms.tasks.board import list_open_counts


@get("/office/counts", guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        lines = await list_reviews(tx, face.stamp)
        waiting = await list_open_counts(tx, face.stamp)
    reviews = [(count_id, list(group)) for count_id, group in groupby(lines, lambda x: x.id)]
    return page(request, face, "counts", "counts", reviews=reviews, waiting=waiting)


@post("/office/counts/{count_id:int}", guards=GUARDS, include_in_schema=False)
async def settle(request: REQUEST, count_id: FromPath[int]) -> Response[Any]:
    """Post the difference, or let the book stand. Never by somebody who counted."""
    accept = field(await request.form(), "decision") == "post"
    try:
        async with writing(request) as write:
            await decide(write.tx, write.stamp, count_id, accept)
            await write.note("count.posted" if accept else "count.kept", f"count/{count_id}")
        said = "Posted." if accept else "The book stands."
    except WmsError as refusal:
        said = str(refusal)
    return onward("/office/counts?" + urlencode({"message": said}))


HANDLERS = [show, settle]
