"""One JSON object that is a CloudEvents 1.0 structured event and a Standard Webhooks body.

The log keeps columns; this file alone turns them into bytes. The same row always gives the same
bytes, and `id` is the `webhook-id` of every attempt, redelivery and replay.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from wms.errors import Invalid

TENANT = "main"
MAJOR = 1


class BadEventId(Invalid):
    say = "{id!r} is not an event id (evt_ and 32 hexadecimal digits)."


class LogRow(msgspec.Struct, kw_only=True):
    """One sealed event as the log holds it; `data` is JSON text."""

    pos: int
    event_id: UUID
    lane: int
    type: str
    okey: str
    keyseq: int | None
    subject: str
    owner: str
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    correlation_id: str
    causation_id: str
    data: str
    traceparent: str = ""
    test: bool = False


class Envelope(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Field order is the order on the wire; names are CloudEvents attributes and extensions."""

    specversion: str
    id: str
    type: str
    source: str
    subject: str
    time: str
    timestamp: str
    recordedtime: str
    sequence: str
    partitionkey: str
    keyseq: str | None = None
    correlationid: str = ""
    causationid: str = ""
    traceparent: str = ""
    datacontenttype: str
    dataschema: str
    tenant: str
    site: str
    owner: str = ""
    actor: str = ""
    conflated: int = 0
    test: bool = False
    dataref: str = ""
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Site(msgspec.Struct, frozen=True):
    """What an envelope says about where it comes from."""

    code: str
    base_url: str = "http://localhost"
    tenant: str = TENANT


def public_id(event_id: UUID) -> str:
    """`evt_` and the UUID in hexadecimal; no dots, so it can be signed as webhook-id."""
    return f"evt_{event_id.hex}"


def read_id(text: str) -> UUID:
    """The UUID behind a public id. Raises BadEventId."""
    try:
        return UUID(hex=text.removeprefix("evt_"))
    except ValueError:
        raise BadEventId(id=text) from None


def rfc3339(at: datetime) -> str:
    """UTC with microseconds, always the same width."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def schema_url(site: Site, type: str, major: int = MAJOR) -> str:
    return f"{site.base_url}/v1/event-schemas/{type}/{major}.json"


def envelope(row: LogRow, site: Site, data: bytes | None = None, conflated: int = 0) -> Envelope:
    """The envelope of a log row; `data` replaces the payload (masked)."""
    time = rfc3339(row.occurred_at)
    return Envelope(
        specversion="1.0",
        id=public_id(row.event_id),
        type=row.type,
        source=f"/wms/{site.tenant}/{site.code}",
        subject=row.subject,
        time=time,
        timestamp=time,
        recordedtime=rfc3339(row.recorded_at),
        sequence=f"{row.pos:020d}",
        partitionkey=row.okey,
        keyseq=None if row.keyseq is None else str(row.keyseq),
        correlationid=row.correlation_id,
        causationid=row.causation_id,
        traceparent=row.traceparent,
        datacontenttype="application/json",
        dataschema=schema_url(site, row.type),
        tenant=site.tenant,
        site=site.code,
        owner=row.owner,
        actor=row.actor,
        conflated=conflated,
        test=row.test,
        data=msgspec.Raw(data if data is not None else row.data.encode()),
    )


_encoder = msgspec.json.Encoder()


def render(row: LogRow, site: Site, data: bytes | None = None, conflated: int = 0) -> bytes:
    """The bytes that are signed and sent."""
    return _encoder.encode(envelope(row, site, data, conflated))


def render_reference(row: LogRow, site: Site, dataref: str, conflated: int = 0) -> bytes:
    """The bytes of an event whose data is fetched elsewhere: a CloudEvents claim check."""
    told = envelope(row, site, b"{}", conflated)
    told.data = msgspec.UNSET
    told.dataref = dataref
    return _encoder.encode(told)


def to_builtins(row: LogRow, site: Site) -> dict[str, Any]:
    """The envelope as plain values, for answers that hold many."""
    return msgspec.json.decode(render(row, site))
