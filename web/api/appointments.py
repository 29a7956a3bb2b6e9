"""Dock appointments over HTTP: when docks are free, who booked them, and what became of it.

Below /v1/warehouses/{code}:
GET  /docks/availability?day=&dock=
GET  /appointments?day=&state=&after=&limit=        by their start
PUT  /appointments/{external_id}                    any number of times
GET  /appointments/{external_id}
POST /appointments/{external_id}/outcome            {"outcome": "arrived", "reason": ""}
POST /appointments/{external_id}/cancel             {"reason": "..."}
"""

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, post, put

from web.api.admission import reading
from web.api.asked import day, plain, word
from web.api.describe import describe
from web.api.kept import taken
from web.api.paging import json, limit_of, page
from web.api.security import REQUEST, partner_of
from web.api.writes import again
from web.paging import BadPage, page_place, page_token
from wms.db import Tx
from wms.documents import decode, parse
from wms.inbound import appointments
from wms.inbound.appointment_documents import Appointment, AppointmentDoc
from wms.inbound.appointments import DockDay
from wms.inbound.tables import APPOINTMENT_STATES

HERE = "/v1/warehouses/{code:str}"
ONE = HERE + "/appointments/{external_id:str}"
WRITES = ("bad-request", "malformed-body", "validation-failed", "not-found", "forbidden-owner",
          "exists-with-different", "conflict")  # fmt: skip
State = Literal["", "booked", "arrived", "completed", "missed", "cancelled"]
Reason = Annotated[str, msgspec.Meta(max_length=200, pattern="^[^\\x00]*$")]


class AppointmentPage(msgspec.Struct):
    """Appointments by their start."""

    appointments: list[Appointment]


class Docks(msgspec.Struct):
    """Free times of each dock on one day of the warehouse's calendar."""

    day: date
    docks: list[DockDay]


class Became(msgspec.Struct):
    """What became of an appointment."""

    outcome: Literal["arrived", "completed", "missed"]
    reason: Reason = ""


class Why(msgspec.Struct):
    """The body of a cancellation."""

    reason: Reason = ""


@get(f"{HERE}/docks/availability", summary="When docks are free",
     **describe("appointments:read", query={"day": date, "dock": str}, answers={200: Docks},
                refuses=("bad-request", "not-found")))  # fmt: skip
async def show_docks(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "appointments:read")
    asked, dock = day(request, "day"), word(request, "dock")
    async with reading(partner) as tx:
        found = await appointments.list_free(tx, partner.stamp, asked, dock)
    return json(Docks(asked, list(found)))


@put(ONE, status_code=200, summary="Book a dock, or change the booking",
     **describe("appointments:write", takes=AppointmentDoc,
                answers={200: Appointment, 201: Appointment}, refuses=WRITES))  # fmt: skip
async def put_appointment(request: REQUEST) -> Response[Any]:
    """Idempotent by its name. 201 booked, 200 changed or unchanged, 409 when the dock is taken."""
    partner = await partner_of(request, "appointments:write")
    name = _name(request)
    document, _unknown = parse(decode(await taken(request, partner)), AppointmentDoc)

    async def book(tx: Tx) -> Appointment:
        return await appointments.put(tx, partner.stamp, partner.client, name, document)

    done = await again(partner, book)
    return json(done, 201 if done.outcome == "created" else 200)


@get(ONE, summary="One appointment",
     **describe("appointments:read", answers={200: Appointment},
                refuses=("bad-request", "not-found")))  # fmt: skip
async def get_appointment(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "appointments:read")
    async with reading(partner) as tx:
        return json(
            await appointments.find(tx, partner.stamp, partner.client, _name(request))
        )


@get(f"{HERE}/appointments", summary="Appointments by their start, page by page",
     **describe("appointments:read", answers={200: AppointmentPage}, listed=True,
                query={"day": date, "state": State, "after": str, "limit": int},
                refuses=("bad-request", "not-found")))  # fmt: skip
async def list_appointments(request: REQUEST) -> Response[Any]:
    """Without `day` all there are; `Link: rel="next"` leads on."""
    partner = await partner_of(request, "appointments:read")
    limit = limit_of(request, appointments.PAGE_MAX)
    state = word(request, "state")
    if state and state not in APPOINTMENT_STATES:
        raise BadPage(name="state", value=state)
    place = page_place(word(request, "after", 40))
    if place is not None and not 0 <= place[1] < 2**62:
        raise BadPage(name="after", value=str(place[1]))
    async with reading(partner) as tx:
        found = await appointments.list_appointments(
            tx, partner.stamp, partner.client, state=state, limit=limit,
            day=day(request, "day") if "day" in request.query_params else None,
            after=place,
        )  # fmt: skip
    last = page_token(found[-1].starts_at, found[-1].id) if found else ""
    return page(request, "appointments", found, limit, last)


@post(f"{ONE}/outcome", status_code=200, summary="Say what became of an appointment",
      **describe("appointments:write", takes=Became, answers={200: Appointment},
                 refuses=WRITES))  # fmt: skip
async def tell_outcome(request: REQUEST) -> Response[Any]:
    """The floor tells it too: arrived with the first receipt, missed an hour after its end."""
    partner = await partner_of(request, "appointments:write")
    told, _unknown = parse(decode(await taken(request, partner)), Became)
    return await _step(request, told.outcome, told.reason, partner)


@post(f"{ONE}/cancel", status_code=200, summary="Call an appointment off",
      **describe("appointments:write", takes=Why, answers={200: Appointment},
                 refuses=WRITES))  # fmt: skip
async def cancel_appointment(request: REQUEST) -> Response[Any]:
    """The dock is free again at once."""
    partner = await partner_of(request, "appointments:write")
    body = await taken(request, partner)
    why, _unknown = parse(decode(body) if body else {}, Why)
    return await _step(request, "cancelled", why.reason, partner)


async def _step(request: REQUEST, state: str, why: str, partner: Any) -> Response[Any]:
    name = _name(request)

    async def act(tx: Tx) -> Appointment:
        return await appointments.step(tx, partner.stamp, partner.client, name, state, why)

    return json(await again(partner, act))


def _name(request: REQUEST) -> str:
    return plain(str(request.path_params["external_id"]), "external_id", 64)


HANDLERS = [
    show_docks, put_appointment, get_appointment, list_appointments, tell_outcome,
    cancel_appointment,
]  # fmt: skip
