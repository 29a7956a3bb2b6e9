"""One failed delivery: what was sent, what came back, why, and the two ways out of the box.

GET  /office/endpoints/{code}/deliveries/{event}
POST /office/endpoints/{code}/deliveries/{event}/{retry|discard}    reason (discard needs one)
POST /office/endpoints/{code}/discard      reason, last_class, type: all dead ones of a cause
"""

from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath

from web.numbers import whole
from web.office.endpoints import glance_of
from web.office.fixes import WORDS, advice
from web.office.frame import GUARDS, REQUEST, face_of, field, onward, page
from web.office.timeline import masked
from web.office.writing import writing
from wms.errors import WmsError
from wms.events import endpoints, giving_up, monitor, wake
from wms.events.attempts import list_of_event
from wms.events.envelope import public_id, read_id
from wms.events.queries import find_event

DELIVERY = "/office/endpoints/{code:str}/deliveries/{event:str}"


@get(DELIVERY, guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST, code: FromPath[str], event: FromPath[str]) -> Response[Any]:
    event_id = read_id(event)
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        glance = await glance_of(tx, face, code)
        warehouse_id = face.stamp.warehouse_id
        found = await find_event(tx, warehouse_id, event_id)
        stuck = await monitor.find_stuck(tx, warehouse_id, glance.id, event_id)
        tries = await list_of_event(tx, warehouse_id, event_id, glance.id)
        gone = await giving_up.find_given_up(tx, warehouse_id, glance.id, found.pos)
    last = next((each for each in tries if each.outcome != "ok"), None)
    told = advice(last.outcome, last.status) if last else None
    if stuck is not None and stuck.last_class == "skipped":
        told = advice("skipped", 0)
    return page(
        request, face, "events", "delivery", each=glance, event=found, stuck=stuck, tries=tries,
        gone=gone, advice=told, outcomes=WORDS, id=public_id(event_id),
        payload=masked(request, face, found),
    )  # fmt: skip


@post(DELIVERY + "/{act:str}", guards=GUARDS, include_in_schema=False)
async def change(
    request: REQUEST, code: FromPath[str], event: FromPath[str], act: FromPath[str]
) -> Response[Any]:
    event_id = read_id(event)
    reason = field(await request.form(), "reason").strip()
    url = f"/office/endpoints/{code}/deliveries/{public_id(event_id)}?"
    try:
        async with writing(request) as write:
            tx, face = write.tx, await face_of(request, write.tx)
            glance = await glance_of(tx, face, code)
            if act == "retry":
                tried = await endpoints.retry(tx, code, [event_id])
                said = "It is tried again now." if tried else "It is not parked any more."
            else:
                done = await giving_up.discard(
                    tx, write.stamp, glance.id, reason, event_id=event_id
                )
                said = "Discarded." if done else "It is not a dead letter any more."
            verb = "retried" if act == "retry" else "discarded"
            subject = f"endpoint/{code}/{public_id(event_id)}"
            await write.note(f"delivery.{verb}", subject, why=reason)
        wake.reload()
    except WmsError as refusal:
        said = str(refusal)
    return onward(url + urlencode({"message": said}))


@post("/office/endpoints/{code:str}/discard", guards=GUARDS, include_in_schema=False)
async def discard_cause(request: REQUEST, code: FromPath[str]) -> Response[Any]:
    """All dead letters of one cause, with one reason."""
    form = await request.form()
    try:
        async with writing(request) as write:
            face = await face_of(request, write.tx)
            glance = await glance_of(write.tx, face, code)
            reason = field(form, "reason").strip()
            done = await giving_up.discard(
                write.tx, write.stamp, glance.id, reason,
                last_class=field(form, "class"), type=field(form, "type"),
                last_status=whole(field(form, "status"), 999) or 0,
            )  # fmt: skip
            cause = {"class": field(form, "class"), "type": field(form, "type"), "events": done}
            await write.note("delivery.discarded", f"endpoint/{code}", after=cause, why=reason)
        said = f"{done} dead letters were discarded."
        wake.reload()
    except WmsError as refusal:
        said = str(refusal)
    return onward(f"/office/endpoints/{code}?" + urlencode({"message": said, "show": "dead"}))


HANDLERS = [show, change, discard_cause]
