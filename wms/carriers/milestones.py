"""What carriers tell: recorded against the carton, however late, once however often it is sent.

A tracking number that no carton has is kept for PARKED_DAYS and recorded when the carton appears.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import text

from wms.access.rules import ApiClient
from wms.carriers import billing, rules
from wms.carriers.rules import Seen
from wms.db import Tx, row, rows
from wms.documents import BadDocument, DocumentError, check
from wms.events import catalog
from wms.events.groups import reason
from wms.events.outbox import emit
from wms.stamp import Stamp

Word = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[^\\x00]+$")]
Text = Annotated[str, Meta(max_length=200, pattern="^[^\\x00]*$")]


class MilestoneDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One status. `source`: who says it (karrio, easypost, shipengine, project44, at7, or a name
    of your own); `raw_code`: in the source's words, or a canonical code."""

    source: Word
    tracking_no: Word
    raw_code: Word
    occurred_at: Annotated[datetime, Meta(tz=True)]
    carrier: Text = ""
    place: Text = ""
    reason: Text = ""
    estimated_at: Annotated[datetime, Meta(tz=True)] | None = None

    @property
    def dedupe_key(self) -> bytes:
        parts = [self.source, self.carrier, self.tracking_no, self.raw_code,
                 self.occurred_at.astimezone(UTC).isoformat(), self.place]  # fmt: skip
        return hashlib.sha256(msgspec.json.encode(parts)).digest()


class MilestoneOutcome(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of one: created | parked (no such carton yet) | exists | rejected."""

    outcome: str
    tracking_no: str
    milestone: str = ""
    shipment_id: str = ""
    warehouse: str = ""
    out_of_order: bool = False
    doubt: str = ""
    errors: Sequence[DocumentError] = ()


class _Carton(msgspec.Struct, kw_only=True):
    order_id: int
    lpn_id: int
    load_id: int
    order: str
    owner: str
    correlation_id: str
    carrier: str
    warehouse: str
    departed_at: datetime | None

    @property
    def shipment(self) -> str:
        return f"{self.order_id}-{self.load_id}"


class _Id(msgspec.Struct):
    id: int


class _Code(msgspec.Struct):
    raw_code: str
    code: str


class _Held(Seen, frozen=True, kw_only=True):
    lpn_id: int


class _Parked(msgspec.Struct, kw_only=True):
    id: int
    client: str
    owner_ids: list[int]
    document: str
    received_at: datetime


# shipment_carton_tracking_ix. The order is taken, so that two statuses of it are judged in turn.
CARTON = text(
    """
    SELECT s.order_id, s.lpn_id, coalesce(s.load_id, 0) AS load_id, o.external_id AS order,
           w.code AS owner, o.correlation_id, c.code AS carrier, h.code AS warehouse,
           d.departed_at
      FROM shipment_carton s
      JOIN outbound_order o ON o.warehouse_id = s.warehouse_id AND o.id = s.order_id
      JOIN owner w ON w.id = o.owner_id
      JOIN carrier c ON c.id = s.carrier_id
      JOIN warehouse h ON h.id = s.warehouse_id
      LEFT JOIN load d ON d.warehouse_id = s.warehouse_id AND d.id = s.load_id
     WHERE s.warehouse_id = :warehouse_id AND s.tracking_no = :tracking_no
       AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
            OR o.owner_id = ANY (CAST(:owner_ids AS bigint[])))
     ORDER BY s.id DESC LIMIT 1
       FOR NO KEY UPDATE OF o
    """
)
# milestone_warehouse_id_dedupe_key_key
RECORD = text(
    """
    INSERT INTO milestone (warehouse_id, dedupe_key, order_id, load_id, lpn_id, source, carrier,
                           tracking_no, code, raw_code, reason, occurred_at, utc_offset_min,
                           received_at, place, estimated_at, out_of_order, doubt)
    VALUES (:warehouse_id, :dedupe_key, :order_id, :load_id, :lpn_id, :source, :carrier,
            :tracking_no, :code, :raw_code, :reason, :occurred_at, :utc_offset_min, :received_at,
            :place, :estimated_at, :out_of_order, :doubt)
    ON CONFLICT (warehouse_id, dedupe_key) DO NOTHING
    RETURNING id
    """
)
# shipment_carton_order_ix, then milestone_shipment_ix.
OF_SHIPMENT = text(
    """
    SELECT s.lpn_id, m.code, m.source, m.occurred_at, m.doubt
      FROM shipment_carton s
      JOIN milestone m ON m.warehouse_id = s.warehouse_id AND m.order_id = s.order_id
       AND m.lpn_id = s.lpn_id
     WHERE s.warehouse_id = :warehouse_id AND s.order_id = :order_id
       AND coalesce(s.load_id, 0) = :load_id
     ORDER BY m.occurred_at, m.id
    """
)
CARTONS = text(
    """
    SELECT s.lpn_id AS id FROM shipment_carton s
      JOIN lpn l ON l.warehouse_id = s.warehouse_id AND l.id = s.lpn_id AND l.state <> 'void'
     WHERE s.warehouse_id = :warehouse_id AND s.order_id = :order_id
       AND coalesce(s.load_id, 0) = :load_id
    """
)
OWN_CODES = text("SELECT raw_code, code FROM milestone_code WHERE source = :source")
PARK = text(
    """
    INSERT INTO milestone_parked (dedupe_key, client, warehouse_ids, owner_ids, tracking_no,
                                  document, received_at)
    VALUES (:dedupe_key, :client, :warehouse_ids, :owner_ids, :tracking_no,
            CAST(:document AS jsonb), :at)
    ON CONFLICT (dedupe_key) DO NOTHING
    RETURNING id
    """
)
# milestone_parked_tracking_ix against shipment_carton_tracking_ix; other processes take others.
APPEARED = text(
    """
    SELECT p.id, p.client, p.owner_ids, CAST(p.document AS text) AS document, p.received_at
      FROM milestone_parked p
     WHERE :warehouse_id = ANY (p.warehouse_ids)
       AND EXISTS (SELECT 1 FROM shipment_carton s
                     JOIN outbound_order o ON o.warehouse_id = s.warehouse_id AND o.id = s.order_id
                    WHERE s.warehouse_id = :warehouse_id AND s.tracking_no = p.tracking_no
                      AND (cardinality(p.owner_ids) = 0 OR o.owner_id = ANY (p.owner_ids)))
     ORDER BY p.id LIMIT 200
       FOR UPDATE OF p SKIP LOCKED
    """
)
UNPARK = text("DELETE FROM milestone_parked WHERE id = :id")
FORGET = text("DELETE FROM milestone_parked WHERE received_at < :before")


def check_milestone(value: Any) -> list[DocumentError]:
    """Every way in which a decoded value is no status."""
    errors = check(value, MilestoneDoc).errors
    if not errors:
        given = msgspec.convert(value, MilestoneDoc)
        for name in ("occurred_at", "estimated_at"):
            errors += check_moment(f"/{name}", getattr(given, name))
    return errors


def check_moment(path: str, at: datetime | None) -> list[DocumentError]:
    """Times far outside this century and the next are mistakes."""
    if at is None or 2000 <= at.year < 2200:
        return []
    return [DocumentError(path, "out-of-range", "Not between 2000 and 2200", at.isoformat())]


async def record(
    tx: Tx, stamp: Stamp, client: ApiClient, document: MilestoneDoc
) -> MilestoneOutcome:
    """Record one status in the warehouse whose carton it names, or park it.

    Locks the carton's order. Emits shipment.milestone_recorded and, when the state changes,
    shipment.delivered, delivery_failed, returning or exception. Raises BadDocument.
    """
    errors = check_milestone(msgspec.to_builtins(document))
    if errors:
        raise BadDocument(errors)
    for warehouse_id in client.warehouse_ids:
        carton = await row(
            tx, CARTON, _Carton, warehouse_id=warehouse_id, tracking_no=document.tracking_no,
            owner_ids=list(client.owner_ids),
        )  # fmt: skip
        if carton is not None:
            here = msgspec.structs.replace(stamp, warehouse_id=warehouse_id)
            return await _match(tx, here, client.code, carton, document, stamp.at)
    parked = await row(
        tx, PARK, _Id, dedupe_key=document.dedupe_key, client=client.code,
        warehouse_ids=list(client.warehouse_ids), owner_ids=list(client.owner_ids),
        tracking_no=document.tracking_no, document=msgspec.json.encode(document).decode(),
        at=stamp.at,
    )  # fmt: skip
    outcome = "exists" if parked is None else "parked"
    return MilestoneOutcome(outcome=outcome, tracking_no=document.tracking_no)


async def match_parked(tx: Tx, stamp: Stamp) -> int:
    """Statuses whose carton has appeared in this warehouse meanwhile."""
    found = await rows(tx, APPEARED, _Parked, warehouse_id=stamp.warehouse_id)
    for each in found:
        document = msgspec.json.decode(each.document, type=MilestoneDoc)
        carton = await row(
            tx, CARTON, _Carton, warehouse_id=stamp.warehouse_id,
            tracking_no=document.tracking_no, owner_ids=each.owner_ids,
        )  # fmt: skip
        assert carton is not None
        await _match(tx, stamp, each.client, carton, document, each.received_at)
        await tx.execute(UNPARK, {"id": each.id})
    return len(found)


async def forget_parked(tx: Tx, at: datetime) -> int:
    """Statuses that nobody's carton ever had."""
    before = at - timedelta(days=rules.PARKED_DAYS)
    return (await tx.execute(FORGET, {"before": before})).rowcount


async def own_codes(tx: Tx, client: str, source: str) -> Mapping[str, str]:
    """A partner's words for canonical codes, in small letters."""
    found = await rows(tx, OWN_CODES, _Code, source=f"{client}/{source.lower()}")
    return {each.raw_code: each.code for each in found}


async def _match(
    tx: Tx, stamp: Stamp, client: str, carton: _Carton, document: MilestoneDoc,
    received_at: datetime,
) -> MilestoneOutcome:  # fmt: skip
    own = await own_codes(tx, client, document.source)
    code = rules.canonical(document.source, document.raw_code, own)
    held = await rows(
        tx, OF_SHIPMENT, _Held, warehouse_id=stamp.warehouse_id, order_id=carton.order_id,
        load_id=carton.load_id,
    )  # fmt: skip
    at = document.occurred_at
    doubt = rules.doubt_of(code, at, received_at, carton.departed_at)
    mine = [each for each in held if each.lpn_id == carton.lpn_id]
    late = any(not each.doubt and each.occurred_at > at for each in mine)
    made = await row(
        tx, RECORD, _Id, **_columns(stamp, carton, document, received_at), code=code,
        out_of_order=late, doubt=doubt,
    )  # fmt: skip
    said = MilestoneOutcome(
        outcome="exists" if made is None else "created", tracking_no=document.tracking_no,
        milestone=code, shipment_id=carton.shipment, warehouse=carton.warehouse,
        out_of_order=late, doubt=doubt,
    )  # fmt: skip
    if made is None:
        return said
    await _tell(tx, stamp, carton, document, received_at, said)
    seen = _Held(lpn_id=carton.lpn_id, code=code, source=document.source, occurred_at=at,
                 doubt=doubt)  # fmt: skip
    await _tell_state(tx, stamp, carton, document, held, seen)
    return said


def _columns(
    stamp: Stamp, carton: _Carton, document: MilestoneDoc, received_at: datetime
) -> dict[str, Any]:
    offset = document.occurred_at.utcoffset() or timedelta()
    return {
        "warehouse_id": stamp.warehouse_id, "dedupe_key": document.dedupe_key,
        "order_id": carton.order_id, "load_id": carton.load_id, "lpn_id": carton.lpn_id,
        "source": document.source, "carrier": document.carrier or carton.carrier,
        "tracking_no": document.tracking_no, "raw_code": document.raw_code,
        "reason": document.reason, "occurred_at": document.occurred_at,
        "utc_offset_min": offset // timedelta(minutes=1), "received_at": received_at,
        "place": document.place, "estimated_at": document.estimated_at,
    }  # fmt: skip


async def _tell(
    tx: Tx, stamp: Stamp, carton: _Carton, document: MilestoneDoc, received_at: datetime,
    said: MilestoneOutcome,
) -> None:  # fmt: skip
    await emit(
        tx, stamp, "shipment.milestone_recorded", f"shipment/{carton.shipment}",
        catalog.ShipmentMilestoneRecorded(
            shipment_id=carton.shipment, milestone=said.milestone,
            occurred_at=document.occurred_at, received_at=received_at, source=document.source,
            raw_code=document.raw_code, carrier=document.carrier or carton.carrier,
            tracking_no=document.tracking_no, orders=[carton.order],
            reason_code=document.reason, place=document.place,
            estimated_delivery=document.estimated_at, out_of_order=said.out_of_order,
            doubt=said.doubt,
        ),
        owner=carton.owner, correlation_id=carton.correlation_id,
    )  # fmt: skip


async def _tell_state(
    tx: Tx, stamp: Stamp, carton: _Carton, document: MilestoneDoc, held: Sequence[_Held],
    seen: _Held,
) -> None:  # fmt: skip
    """Each change of state is told once; delivered is told when all cartons are."""
    mine = [each for each in held if each.lpn_id == carton.lpn_id]
    before, after = rules.state_of(mine), rules.state_of([*mine, seen])
    type = rules.TOLD.get(after)
    if after == "delivered":
        cartons = await rows(
            tx, CARTONS, _Id, warehouse_id=stamp.warehouse_id, order_id=carton.order_id,
            load_id=carton.load_id,
        )  # fmt: skip
        all_of = [*held, seen]
        states = [rules.state_of([m for m in all_of if m.lpn_id == c.id]) for c in cartons]
        type = "shipment.delivered" if rules.shipment_state(states) == "delivered" else None
    if before == after or type is None:
        return
    await emit(
        tx, stamp, type, f"shipment/{carton.shipment}",
        catalog.ShipmentStatus(
            shipment_id=carton.shipment, milestone=seen.code, at=document.occurred_at,
            orders=[carton.order], carrier=document.carrier or carton.carrier,
            tracking_no=document.tracking_no,
            reason=reason(seen.code, document.reason) if type != "shipment.delivered" else None,
            attempts=sum(each.code == "delivery_attempted" for each in [*mine, seen]),
        ),
        owner=carton.owner, correlation_id=carton.correlation_id,
    )  # fmt: skip
    if type == "shipment.delivered":
        await billing.tell_delivered(tx, stamp, billing.Head(
            order_id=carton.order_id, load_id=carton.load_id, order=carton.order,
            owner=carton.owner, correlation_id=carton.correlation_id,
        ))  # fmt: skip
