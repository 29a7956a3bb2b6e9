"""Slotting: which goods should lie nearer, what that saves, and the moves that make it so.

    GET  /office/slotting?days=&payback=            the page
    GET  /office/slotting/proposal?days=&payback=   moves that pay back; takes seconds
    POST /office/slotting   move=… (as the proposal names them)   they become directed work
"""

from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post

from web.numbers import whole
from web.office.frame import GUARDS, REQUEST, face_of, fields, onward, page, part
from web.office.writing import writing
from wms.outbound.slotting import Proposal, count_open, direct, propose
from wms.planning.pool import PlanFailed, PlanTimeout

DAYS, PAYBACK = 28, 30
DAYS_MAX = 366


def _asked(request: REQUEST) -> tuple[int, int]:
    """Days looked back and days to pay back; nonsense asks for the usual."""

    def number(name: str, usual: int) -> int:
        value = whole(request.query_params.get(name, ""), 9999)
        return usual if value is None else min(max(value, 1), DAYS_MAX)

    return number("days", DAYS), number("payback", PAYBACK)


@get("/office/slotting", guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    days, payback = _asked(request)
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        waiting = await count_open(tx, face.stamp)
    return page(request, face, "slotting", "slotting", days=days, payback=payback, waiting=waiting)


@get("/office/slotting/proposal", guards=GUARDS, include_in_schema=False)
async def show_proposal(request: REQUEST) -> Response[Any]:
    days, payback = _asked(request)
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
    try:
        proposal = await propose(request.app.state.db, face.stamp, days, payback)
    except (PlanTimeout, PlanFailed):
        proposal = Proposal(why_not="The planner is busy with a wave. Look again in a minute.")
    most = max((step.saved_m for step in proposal.steps), default=1.0)
    return part(face, "_slotting", proposal=proposal, most=most, payback=payback)


@post("/office/slotting", guards=GUARDS, include_in_schema=False)
async def accept(request: REQUEST) -> Response[Any]:
    keys = fields(await request.form(), "move")
    async with writing(request) as write:
        done = await direct(write.tx, write.stamp, keys)
        await write.note("moves.directed", "slotting", after=keys)
    said = f"{done} move{'s' if done != 1 else ''} on the way to the floor."
    if done < len(keys):
        said += f" {len(keys) - done} changed meanwhile and were left out."
    return onward("/office/slotting?" + urlencode({"message": said if keys else "None chosen."}))


HANDLERS = [show, show_proposal, accept]
