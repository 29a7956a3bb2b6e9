"""A carrier's time at a dock as partners send it, checked against master data, and our answer."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import text

from wms.access.rules import ApiClient, may_see
from wms.db import Tx, row, rows
from wms.documents import DocumentError
from wms.stamp import Stamp

LONGEST = timedelta(hours=24)
Text = Annotated[str, Meta(max_length=64, pattern="^[^\\x00]*$")]
Named = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[^\\x00]+$")]
Moment = Annotated[datetime, Meta(tz=True)]


class AsnRef(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery by its natural key."""

    owner: Named
    external_id: Named


class AppointmentDoc(msgspec.Struct, frozen=True, kw_only=True):
    """A time at a dock; its name is in the path.

    Docks are booked by the quarter of an hour: every quarter that the window touches is taken.
    `source_version`: the sender's own counter; an older one than stored is ignored.
    """

    carrier: Named
    dock: Named
    starts_at: Moment
    ends_at: Moment
    direction: Literal["inbound", "outbound"] = "inbound"
    trailer_no: Text = ""
    asns: Annotated[list[AsnRef], Meta(max_length=100)] = []
    source_version: Annotated[int, Meta(ge=0, le=2**62)] | None = None


class Appointment(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An appointment as it stands: booked | arrived | completed | missed | cancelled.

    `outcome`: created | updated | exists | ignored_stale, or what was told last.
    """

    id: int
    external_id: str
    client: str
    state: str
    version: int
    source_version: int
    carrier: str
    dock: str
    direction: str
    starts_at: datetime
    ends_at: datetime
    trailer_no: str = ""
    reason: str = ""
    arrived_at: datetime | None = None
    closed_at: datetime | None = None
    asns: list[AsnRef] = []
    outcome: str = ""

    def says(self, given: AppointmentDoc) -> list[str]:
        """The members in which a document differs."""
        fields = [
            name
            for name in ("carrier", "dock", "starts_at", "ends_at", "direction", "trailer_no")
            if getattr(self, name) != getattr(given, name)
        ]
        mine = {(each.owner, each.external_id) for each in self.asns}
        theirs = {(each.owner, each.external_id) for each in given.asns}
        return fields if mine == theirs else [*fields, "asns"]


class _Names(msgspec.Struct, kw_only=True):
    """Ids by the codes that a document names."""

    carrier_id: int | None
    dock_id: int | None


class _Asn(msgspec.Struct):
    id: int
    owner_id: int
    owner: str
    external_id: str


NAMES = text(
    """
    SELECT (SELECT id FROM carrier WHERE code = :carrier) AS carrier_id,
           (SELECT id FROM bin WHERE warehouse_id = :warehouse_id AND code = :dock
               AND kind = 'dock') AS dock_id
    """
)
# The natural key of deliveries.
ASNS = text(
    """
    SELECT a.id, a.owner_id, o.code AS owner, a.external_id
      FROM unnest(CAST(:owners AS text[]), CAST(:names AS text[])) AS n (owner, name)
      JOIN owner o ON o.code = n.owner
      JOIN asn a ON a.warehouse_id = :warehouse_id AND a.owner_id = o.id
       AND a.external_id = n.name
    """
)


class References(msgspec.Struct, frozen=True, kw_only=True):
    carrier_id: int | None
    dock_id: int | None
    asns: dict[tuple[str, str], int]


async def load_references(
    tx: Tx, stamp: Stamp, client: ApiClient, given: AppointmentDoc
) -> References:
    """Everything a document names; deliveries of other owners are as if they were not there."""
    values = {"warehouse_id": stamp.warehouse_id}
    names = await row(tx, NAMES, _Names, **values, carrier=given.carrier, dock=given.dock)
    assert names is not None
    asns = await rows(
        tx, ASNS, _Asn, **values, owners=[each.owner for each in given.asns],
        names=[each.external_id for each in given.asns],
    )  # fmt: skip
    return References(
        carrier_id=names.carrier_id, dock_id=names.dock_id,
        asns={
            (each.owner, each.external_id): each.id for each in asns
            if may_see(client, each.owner_id)
        },
    )  # fmt: skip


def check_references(given: AppointmentDoc, refs: References) -> list[DocumentError]:
    """Everything in a document that leads nowhere or contradicts itself."""
    errors: list[DocumentError] = []
    if refs.carrier_id is None:
        errors.append(DocumentError("/carrier", "unknown-carrier", "No such carrier",
                                    given.carrier))  # fmt: skip
    if refs.dock_id is None:
        errors.append(DocumentError("/dock", "unknown-location", "No such dock", given.dock))
    if not timedelta() < given.ends_at - given.starts_at <= LONGEST:
        errors.append(DocumentError("/ends_at", "out-of-range", "After the start, within a day",
                                    given.ends_at.isoformat()))  # fmt: skip
    if not 2000 <= given.starts_at.year < 2200:
        errors.append(DocumentError("/starts_at", "out-of-range", "Not in this century or the next",
                                    given.starts_at.isoformat()))  # fmt: skip
    for number, each in enumerate(given.asns):
        if (each.owner, each.external_id) not in refs.asns:
            missing = f"{each.owner} announced no {each.external_id}"
            errors.append(DocumentError(f"/asns/{number}", "unknown-asn", missing))
    return errors
