"""Forecasts: when each truck's orders are done, as things stand and if a release were pressed.

    GET /office/forecast                                the floor as it is, asked again and again
    GET /office/release/forecast?cutoff=&carrier= | order=…   with these orders released now
"""

from datetime import datetime
from typing import Any

from litestar import Response, get

from web.numbers import whole
from web.office.drawing import draw_trucks
from web.office.frame import GUARDS, REQUEST, Face, face_of, part
from wms.outbound import board
from wms.outbound.forecast import Forecast
from wms.outbound.outlook import look_ahead, preview


@get("/office/forecast", guards=GUARDS, include_in_schema=False)
async def show_floor(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        forecast = await look_ahead(tx, face.stamp)
    return _drawn(face, forecast, released=True)


@get("/office/release/forecast", guards=GUARDS, include_in_schema=False)
async def show_release(request: REQUEST) -> Response[Any]:
    """Planned as a release would be, in the time a person waits for a page."""
    asked = request.query_params
    chosen = {whole(each) for each in asked.getall("order", [])} - {None}
    cutoff_at, carrier_id = cutoff_of(request)
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        ids = await board.list_candidates(
            tx, face.stamp, cutoff_at=cutoff_at, carrier_id=carrier_id
        )
    if chosen:
        ids = [order_id for order_id in ids if order_id in chosen]
    forecast = await preview(request.app.state.db, face.stamp, ids)
    return _drawn(face, forecast, released=False)


def cutoff_of(request: REQUEST) -> tuple[datetime | None, int | None]:
    """The truck that the address names; nonsense in it names none."""
    asked = request.query_params
    return moment(asked.get("cutoff", "")), whole(asked.get("carrier", ""))


def moment(value: str) -> datetime | None:
    """A point in time as the address has it, or None."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else None


def _drawn(face: Face, forecast: Forecast, *, released: bool) -> Response[str]:
    trucks = draw_trucks(forecast, face.zone)
    return part(face, "_forecast", forecast=forecast, trucks=trucks, released=released)


HANDLERS = [show_floor, show_release]
