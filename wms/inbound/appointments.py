"""Dock appointments: booked by natural key, changed while nobody came, kept or missed.

A dock is booked by the quarter of an hour, and the key of `dock_slot` lets two carriers never have
the same one, whoever writes and however close together.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from wms.access.rules import ApiClient
from wms.db import Tx, row, rows
from wms.documents import BadDocument
from wms.errors import Busy, Conflict, NotFound
from wms.events import catalog
from wms.events.groups import doc, loc, reason
from wms.events.outbox import emit
from wms.inbound import appointment_sql as sql
from wms.inbound.appointment_documents import (
    Appointment,
    AppointmentDoc,
    AsnRef,
    References,
    check_references,
    load_references,
)
from wms.stamp import Stamp

PAGE_MAX = 500
QUARTER = timedelta(minutes=15)
MISSED_AFTER = timedelta(hours=1)
# What may follow what; the same told twice changes nothing.
STEPS = {
    "booked": ("arrived", "missed", "cancelled"),
    "missed": ("arrived", "cancelled"),  # late is better than never
    "arrived": ("completed",),
    "completed": (),
    "cancelled": (),
}
FREES = ("missed", "cancelled", "completed")  # the dock, from now on


class UnknownAppointment(NotFound):
    say = "There is no appointment {external_id}."


class DockTaken(Conflict):
    say = "Dock {dock} is booked by others from {taken_from}; look at its free times."


class ExistsWithDifferent(Conflict):
    say = "Appointment {external_id} is {state} and has another {field}: it can no longer change."


class NameTaken(Conflict):
    say = "There is an appointment {external_id} of somebody else: choose another name."


class IllegalStep(Conflict):
    say = "Appointment {external_id} is {state}: it can not become {wanted}."


class Window(msgspec.Struct, frozen=True):
    """A free time."""

    starts_at: datetime
    ends_at: datetime


class DockDay(msgspec.Struct, frozen=True, kw_only=True):
    """When a dock is free on a day of the warehouse's calendar."""

    dock: str
    free: list[Window]


class _Id(msgspec.Struct):
    id: int


class _Slot(msgspec.Struct):
    dock: str
    at: datetime | None


class _Zone(msgspec.Struct):
    timezone: str


class _Due(msgspec.Struct):
    external_id: str
    came: bool


async def put(
    tx: Tx, stamp: Stamp, client: ApiClient, external_id: str, given: AppointmentDoc
) -> Appointment:
    """Book or change a time; the same again changes nothing.

    Locks the appointment, then the quarters of the dock. Emits appointment.booked and changed.
    Raises BadDocument with all its errors, DockTaken, ExistsWithDifferent, Busy.
    """
    refs = await load_references(tx, stamp, client, given)
    known = await _take(tx, stamp, client, external_id)
    version = given.source_version
    if known is not None and version is not None and version < known.source_version:
        return msgspec.structs.replace(known, outcome="ignored_stale")
    changed = known.says(given) if known is not None else []
    if known is not None and not changed:
        return msgspec.structs.replace(known, outcome="exists")
    errors = check_references(given, refs)
    if errors:
        raise BadDocument(errors)
    values = _columns(stamp, given, refs)
    if known is None:
        made = await row(tx, sql.CREATE, _Id, **values, external_id=external_id, client=client.code)
        if made is None and await _take(tx, stamp, client, external_id) is not None:
            raise Busy()  # the same sender made it this moment: look again
        if made is None:
            raise NameTaken(external_id=external_id)
        await _book(tx, values | {"id": made.id}, given.dock)
        await _bring(tx, stamp, made.id, refs)
    else:
        if known.state != "booked":
            raise ExistsWithDifferent(external_id=external_id, state=known.state, field=changed[0])
        values |= {"id": known.id}
        values["source_version"] = max(values["source_version"], known.source_version)
        await tx.execute(sql.UPDATE, values)
        await _free(tx, stamp, known.id, None)
        await _book(tx, values, given.dock)
        await _bring(tx, stamp, known.id, refs)
    now = await find(tx, stamp, client, external_id)
    await _tell(tx, stamp, now, "changed" if known else "booked", changed)
    return msgspec.structs.replace(now, outcome="updated" if known else "created")


def _columns(stamp: Stamp, given: AppointmentDoc, refs: References) -> dict[str, Any]:
    return {
        "warehouse_id": stamp.warehouse_id, "source_version": given.source_version or 0,
        "carrier_id": refs.carrier_id, "dock_id": refs.dock_id, "direction": given.direction,
        "starts_at": given.starts_at, "ends_at": given.ends_at, "trailer_no": given.trailer_no,
    }  # fmt: skip


async def _book(tx: Tx, values: dict[str, Any], dock: str) -> None:
    """Take every quarter of the window, or none. Raises DockTaken."""
    names = ("warehouse_id", "dock_id", "id", "starts_at", "ends_at")
    booking = {name: values[name] for name in names}
    await tx.execute(sql.BOOK, booking)
    taken = (await tx.execute(sql.TAKEN, booking)).scalar()
    if taken is not None:
        raise DockTaken(dock=dock, taken_from=taken.isoformat())


async def _free(tx: Tx, stamp: Stamp, id: int, since: datetime | None) -> None:
    await tx.execute(sql.FREE, {"warehouse_id": stamp.warehouse_id, "id": id, "since": since})


async def _bring(tx: Tx, stamp: Stamp, id: int, refs: References) -> None:
    values = {"warehouse_id": stamp.warehouse_id, "id": id}
    await tx.execute(sql.FORGET_ASNS, values)
    await tx.execute(sql.BRING, {**values, "asn_ids": sorted(refs.asns.values())})


async def step(
    tx: Tx, stamp: Stamp, client: ApiClient | None, external_id: str, state: str, why: str = ""
) -> Appointment:
    """The truck arrived, is done, did not come, or will not: the same again changes nothing.

    Locks the appointment. Emits appointment.arrived, completed, missed or cancelled. Raises
    UnknownAppointment, IllegalStep.
    """
    known = await _take(tx, stamp, client, external_id)
    if known is None:
        raise UnknownAppointment(external_id=external_id)
    if known.state == state:
        return msgspec.structs.replace(known, outcome="exists")
    if state not in STEPS[known.state]:
        raise IllegalStep(external_id=external_id, state=known.state, wanted=state)
    await tx.execute(sql.STEP, {
        "warehouse_id": stamp.warehouse_id, "id": known.id, "state": state, "reason": why,
        "at": stamp.at, "closes": state in FREES,
    })  # fmt: skip
    if state in FREES:
        await _free(tx, stamp, known.id, stamp.at if state == "completed" else None)
    now = await find(tx, stamp, client, external_id)
    await _tell(tx, stamp, now, state, ["state"])
    return msgspec.structs.replace(now, outcome=state)


async def follow(tx: Tx, stamp: Stamp) -> int:
    """Trucks whose goods are being received have arrived; those an hour late have not come."""
    due = await rows(tx, sql.DUE, _Due, warehouse_id=stamp.warehouse_id, at=stamp.at,
                     missed=stamp.at - MISSED_AFTER)  # fmt: skip
    for each in due:
        await step(tx, stamp, None, each.external_id, "arrived" if each.came else "missed")
    return len(due)


async def find(tx: Tx, stamp: Stamp, client: ApiClient | None, external_id: str) -> Appointment:
    """Raises UnknownAppointment, also for those of others when the client has owners."""
    found = await _read(tx, sql.FIND, stamp, client, external_id=external_id)
    if not found:
        raise UnknownAppointment(external_id=external_id)
    return found[0]


async def _take(
    tx: Tx, stamp: Stamp, client: ApiClient | None, external_id: str
) -> Appointment | None:
    found = await _read(tx, sql.TAKE, stamp, client, external_id=external_id)
    return found[0] if found else None


async def _read(
    tx: Tx, statement: Any, stamp: Stamp, client: ApiClient | None, **values: Any
) -> list[Appointment]:
    """A partner of some owners sees what it booked itself."""
    mine = client.code if client is not None and client.owner_ids else ""
    found = await tx.execute(
        statement, {"warehouse_id": stamp.warehouse_id, "client": mine, **values}
    )
    return [
        msgspec.convert(
            {**each, "asns": [msgspec.json.decode(x, type=AsnRef) for x in each["asns"]]},
            Appointment,
        )
        for each in found.mappings()
    ]


async def list_appointments(
    tx: Tx,
    stamp: Stamp,
    client: ApiClient,
    *,
    day: date | None = None,
    state: str = "",
    after: tuple[datetime, int] | None = None,
    limit: int = 50,
) -> list[Appointment]:
    """Appointments by their start; of one day of the warehouse's calendar, or all."""
    since, until = await _bounds(tx, stamp, day)
    at, id = after or (since, 0)
    return await _read(
        tx, sql.LIST, stamp, client, state=state, since=since, until=until, after_at=at,
        after_id=id, limit=min(limit, PAGE_MAX),
    )  # fmt: skip


async def list_free(tx: Tx, stamp: Stamp, day: date, dock: str = "") -> Sequence[DockDay]:
    """When each dock is free on a day of the warehouse's calendar."""
    since, until = await _bounds(tx, stamp, day)
    values = {"warehouse_id": stamp.warehouse_id, "since": since, "until": until}
    slots = await rows(tx, sql.SLOTS, _Slot, **values, dock=dock)
    taken: dict[str, list[datetime]] = {}
    for each in slots:
        quarters = taken.setdefault(each.dock, [])
        if each.at is not None:
            quarters.append(each.at)
    return [DockDay(dock=name, free=gaps(at, since, until)) for name, at in taken.items()]


def gaps(taken: Sequence[datetime], since: datetime, until: datetime) -> list[Window]:
    """The times between taken quarters, which are sorted. Pure."""
    free: list[Window] = []
    start = since
    for at in taken:
        if at > start:
            free.append(Window(start, at))
        start = max(start, at + QUARTER)
    if start < until:
        free.append(Window(start, until))
    return free


async def _bounds(tx: Tx, stamp: Stamp, day: date | None) -> tuple[datetime, datetime]:
    zone = ZoneInfo("UTC")
    if day is None:
        return datetime(2000, 1, 1, tzinfo=zone), datetime(2200, 1, 1, tzinfo=zone)
    site = await row(tx, sql.ZONE, _Zone, warehouse_id=stamp.warehouse_id)
    assert site is not None
    local = ZoneInfo(site.timezone)
    midnight = datetime.combine(day, time(), local)
    after = datetime.combine(day + timedelta(days=1), time(), local)
    return midnight.astimezone(zone), after.astimezone(zone)


async def _tell(
    tx: Tx, stamp: Stamp, now: Appointment, verb: str, changed: list[str]
) -> None:
    owners = {each.owner for each in now.asns}
    await emit(
        tx, stamp, f"appointment.{verb}", f"appointment/{now.external_id}",
        catalog.AppointmentEvent(
            appointment=doc("appointment", now.id, now.external_id, version=now.version,
                            status=now.state),
            carrier=now.carrier, dock=loc(now.dock), starts_at=now.starts_at, ends_at=now.ends_at,
            direction=now.direction, trailer_no=now.trailer_no, changed_fields=changed,
            asn_ids=[f"{each.owner}/{each.external_id}" for each in now.asns],
            reason=reason("partner", now.reason) if now.reason else None,
        ),
        owner=owners.pop() if len(owners) == 1 else "", keyseq=now.version,
    )  # fmt: skip
