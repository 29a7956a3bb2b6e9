"""Events out: is anything not arriving? Endpoints with lag, parked deliveries, last attempts.

GET /office/events
"""

from typing import Any

from litestar import Response, get

from web.office.frame import GUARDS, REQUEST, face_of, page
from wms.events.queries import list_attempts, list_endpoints, list_lag, list_parked

SHOWN = 20


@get("/office/events", guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        endpoints = await list_endpoints(tx)
        lag = {each.id: await list_lag(tx, each.id) for each in endpoints}
        parked = {each.id: await list_parked(tx, each.id, limit=SHOWN) for each in endpoints}
        failed = {
            each.id: await list_attempts(tx, each.id, failed=True, limit=5) for each in endpoints
        }
    return page(
        request, face, "events", "events", endpoints=endpoints, lag=lag, parked=parked,
        failed=failed,
    )  # fmt: skip


HANDLERS = [show]
