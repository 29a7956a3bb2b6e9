"""Shipments as partners read them, and the proofs of their delivery.

A shipment is what of one order leaves with one load; its number is `<order id>-<load id>`.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import text

from wms.access.rules import ApiClient, may_see
from wms.carriers import billing
from wms.carriers.milestones import check_moment
from wms.carriers.rules import Seen, shipment_state, state_of
from wms.db import Tx, row, rows
from wms.documents import BadDocument
from wms.errors import Invalid, NotFound
from wms.events import catalog
from wms.events.outbox import emit
from wms.stamp import Stamp

PAGE_MAX = 200
POD_MAX = 20 * 1024 * 1024
Text = Annotated[str, Meta(max_length=200, pattern="^[^\\x00]*$")]


class NoSuchShipment(NotFound):
    say = "There is no shipment {shipment}."


class NoSuchPod(NotFound):
    say = "There is no proof {pod} of that shipment."


class PodTooLarge(Invalid):
    say = "A proof of delivery has 1 byte to 20 MiB, not {size} bytes."


class PodException(msgspec.Struct, frozen=True, kw_only=True):
    """What the consignee found wrong."""

    code: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[^\\x00]+$")]
    line: Text = ""
    qty: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class PodFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof says besides its picture or document."""

    kind: Literal["signature", "photo", "edi", "scan"]
    at: Annotated[datetime, Meta(tz=True)]
    media: Annotated[str, Meta(max_length=100, pattern="^[a-z0-9.+-]+/[a-z0-9.+-]+$")]
    name: Text = ""
    signed_by: Text = ""
    clean: bool = True
    exceptions: Annotated[list[PodException], Meta(max_length=200)] = []


class Pod(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A proof as it is kept. `outcome`: created, or exists when the same file came before."""

    id: str
    kind: str
    media: str
    sha256: str
    size: int
    at: datetime
    received_at: datetime
    name: str = ""
    signed_by: str = ""
    clean: bool = True
    outcome: str = ""


class ShipmentCarton(msgspec.Struct, frozen=True, kw_only=True):
    """A carton and how far it got."""

    sscc: str
    tracking_no: str
    weight_g: int
    state: str


class MilestoneRead(msgspec.Struct, frozen=True, kw_only=True):
    """One status as it was recorded."""

    tracking_no: str
    code: str
    raw_code: str
    source: str
    reason: str
    occurred_at: datetime
    utc_offset_min: int
    received_at: datetime
    place: str
    estimated_at: datetime | None
    out_of_order: bool
    doubt: str


class Shipment(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A shipment with its cartons; milestones and proofs when it is read alone."""

    id: str
    order: str
    owner: str
    carrier: str
    service: str
    state: str
    departed_at: datetime | None
    cartons: list[ShipmentCarton]
    milestones: list[MilestoneRead] = []
    pods: list[Pod] = []


class _Head(msgspec.Struct, kw_only=True):
    order_id: int
    load_id: int
    owner_id: int
    order: str
    owner: str
    correlation_id: str
    carrier: str
    service: str
    departed_at: datetime | None


class _Box(msgspec.Struct, kw_only=True):
    order_id: int
    load_id: int
    lpn_id: int
    sscc: str
    tracking_no: str
    weight_g: int


class _Told(Seen, frozen=True, kw_only=True):
    lpn_id: int


_HEAD = """
    SELECT DISTINCT o.id AS order_id, s.load_id, o.owner_id, o.external_id AS order,
           w.code AS owner, o.correlation_id, c.code AS carrier, o.service, d.departed_at
      FROM shipment_carton s
      JOIN outbound_order o ON o.warehouse_id = s.warehouse_id AND o.id = s.order_id
      JOIN owner w ON w.id = o.owner_id
      JOIN carrier c ON c.id = s.carrier_id
      JOIN load d ON d.warehouse_id = s.warehouse_id AND d.id = s.load_id
     WHERE s.warehouse_id = :warehouse_id
"""
# shipment_carton_load_ix walks loads, each with its orders.
LIST = text(
    f"""
    {_HEAD} AND (s.load_id, s.order_id) > (:after_load, :after_order)
       AND (cardinality(CAST(:owner_ids AS bigint[])) = 0
            OR o.owner_id = ANY (CAST(:owner_ids AS bigint[])))
       AND (CAST(:owner AS text) = '' OR w.code = :owner)
       AND (CAST(:order AS text) = '' OR o.external_id = :order)
     ORDER BY s.load_id, o.id LIMIT :limit
    """
)
FIND = text(f"{_HEAD} AND s.order_id = :order_id AND s.load_id = :load_id")
BOXES = text(
    """
    SELECT s.order_id, s.load_id, s.lpn_id, s.sscc, s.tracking_no, s.weight_g
      FROM shipment_carton s
      JOIN lpn l ON l.warehouse_id = s.warehouse_id AND l.id = s.lpn_id AND l.state <> 'void'
     WHERE s.warehouse_id = :warehouse_id AND s.order_id = ANY (CAST(:order_ids AS bigint[]))
       AND s.load_id IS NOT NULL
     ORDER BY s.id
    """
)
SEEN = text(
    """
    SELECT lpn_id, code, source, occurred_at, doubt FROM milestone
     WHERE warehouse_id = :warehouse_id AND order_id = ANY (CAST(:order_ids AS bigint[]))
    """
)
MILESTONES = text(
    """
    SELECT m.tracking_no, m.code, m.raw_code, m.source, m.reason, m.occurred_at, m.utc_offset_min,
           m.received_at, m.place, m.estimated_at, m.out_of_order, m.doubt
      FROM milestone m
      JOIN shipment_carton s ON s.warehouse_id = m.warehouse_id AND s.lpn_id = m.lpn_id
     WHERE m.warehouse_id = :warehouse_id AND m.order_id = :order_id AND s.load_id = :load_id
     ORDER BY m.occurred_at, m.id LIMIT 1000
    """
)
_POD = """
    SELECT CAST(id AS text) AS id, kind, media, encode(sha256, 'hex') AS sha256,
           length(bytes) AS size, at, received_at, name, signed_by, clean
      FROM pod
     WHERE warehouse_id = :warehouse_id AND order_id = :order_id AND load_id = :load_id
"""
PODS = text(f"{_POD} ORDER BY id LIMIT 200")
SAME_POD = text(f"{_POD} AND sha256 = :sha256")
POD_BYTES = text(
    """
    SELECT bytes FROM pod
     WHERE warehouse_id = :warehouse_id AND order_id = :order_id AND load_id = :load_id
       AND id = :id
    """
)
# pod_…_sha256_key: the same file again is the same proof.
KEEP_POD = text(
    """
    INSERT INTO pod (warehouse_id, order_id, load_id, sha256, kind, media, name, bytes, signed_by,
                     at, clean, exceptions, received_at)
    VALUES (:warehouse_id, :order_id, :load_id, :sha256, :kind, :media, :name, :bytes, :signed_by,
            :at, :clean, CAST(:exceptions AS jsonb), :received_at)
    ON CONFLICT (warehouse_id, order_id, load_id, sha256) DO NOTHING
    RETURNING id
    """
)


class _Id(msgspec.Struct):
    id: int


def read_number(shipment: str) -> tuple[int, int]:
    """Order and load of a shipment number. Raises NoSuchShipment."""
    order, dash, load = shipment.partition("-")
    plain = order + load
    if not dash or not order or not load or not (plain.isascii() and plain.isdigit()):
        raise NoSuchShipment(shipment=repr(shipment[:40]))
    if max(len(order), len(load)) > 18:
        raise NoSuchShipment(shipment=shipment[:40])
    return int(order), int(load)


async def list_shipments(
    tx: Tx,
    stamp: Stamp,
    *,
    owner: str = "",
    order: str = "",
    owner_ids: Sequence[int] = (),
    after: str = "",
    limit: int = 50,
) -> list[Shipment]:
    """Shipments by load and order, from after one of them. Raises NoSuchShipment."""
    after_order, after_load = read_number(after) if after else (0, 0)
    heads = await rows(
        tx, LIST, _Head, warehouse_id=stamp.warehouse_id, owner=owner, order=order,
        owner_ids=list(owner_ids), after_load=after_load, after_order=after_order,
        limit=min(limit, PAGE_MAX),
    )  # fmt: skip
    return await _whole(tx, stamp, heads)


async def find_shipment(tx: Tx, stamp: Stamp, client: ApiClient, shipment: str) -> Shipment:
    """One with its milestones and proofs. Raises NoSuchShipment, also for those of other owners."""
    head = await _head(tx, stamp, client, shipment)
    values = {
        "warehouse_id": stamp.warehouse_id, "order_id": head.order_id, "load_id": head.load_id,
    }  # fmt: skip
    [found] = await _whole(tx, stamp, [head])
    return msgspec.structs.replace(
        found,
        milestones=await rows(tx, MILESTONES, MilestoneRead, **values),
        pods=await rows(tx, PODS, Pod, **values),
    )


async def _head(tx: Tx, stamp: Stamp, client: ApiClient, shipment: str) -> _Head:
    order_id, load_id = read_number(shipment)
    values = {"warehouse_id": stamp.warehouse_id, "order_id": order_id, "load_id": load_id}
    head = await row(tx, FIND, _Head, **values)
    if head is None or not may_see(client, head.owner_id):
        raise NoSuchShipment(shipment=shipment)
    return head


async def _whole(tx: Tx, stamp: Stamp, heads: Sequence[_Head]) -> list[Shipment]:
    ids = [each.order_id for each in heads]
    values = {"warehouse_id": stamp.warehouse_id, "order_ids": ids}
    boxes = await rows(tx, BOXES, _Box, **values) if ids else []
    told = await rows(tx, SEEN, _Told, **values) if ids else []
    of_box: dict[int, list[Seen]] = {}
    for each in told:
        of_box.setdefault(each.lpn_id, []).append(each)
    made: list[Shipment] = []
    for head in heads:
        cartons = [
            ShipmentCarton(sscc=box.sscc, tracking_no=box.tracking_no, weight_g=box.weight_g,
                           state=state_of(of_box.get(box.lpn_id, [])))
            for box in boxes
            if (box.order_id, box.load_id) == (head.order_id, head.load_id)
        ]  # fmt: skip
        whole = Shipment(
            id=f"{head.order_id}-{head.load_id}", order=head.order, owner=head.owner,
            carrier=head.carrier, service=head.service, departed_at=head.departed_at,
            state=shipment_state([each.state for each in cartons]), cartons=cartons,
        )  # fmt: skip
        made.append(whole)
    return made


async def keep_pod(
    tx: Tx, stamp: Stamp, client: ApiClient, shipment: str, facts: PodFacts, content: bytes
) -> Pod:
    """Keep a proof of delivery; the same file again is the same proof.

    Emits pod.received, billing.eligible, billing.blocked. Raises NoSuchShipment,
    PodTooLarge, BadDocument.
    """
    errors = check_moment("/at", facts.at)
    if errors:
        raise BadDocument(errors)
    if not 1 <= len(content) <= POD_MAX:
        raise PodTooLarge(size=len(content))
    head = await _head(tx, stamp, client, shipment)
    digest = hashlib.sha256(content)
    values = {
        "warehouse_id": stamp.warehouse_id, "order_id": head.order_id, "load_id": head.load_id,
    }  # fmt: skip
    exceptions = [msgspec.to_builtins(each) for each in facts.exceptions]
    made = await row(
        tx, KEEP_POD, _Id, **values, sha256=digest.digest(), kind=facts.kind, media=facts.media,
        name=facts.name, bytes=content, signed_by=facts.signed_by, at=facts.at, clean=facts.clean,
        exceptions=msgspec.json.encode(exceptions).decode(), received_at=stamp.at,
    )  # fmt: skip
    kept = await row(tx, SAME_POD, Pod, **values, sha256=digest.digest())
    assert kept is not None
    if made is None:
        return msgspec.structs.replace(kept, outcome="exists")
    await emit(
        tx, stamp, "pod.received", f"shipment/{shipment}",
        catalog.PodReceived(
            pod_id=kept.id, shipment_id=shipment, kind=facts.kind, at=facts.at,
            orders=[head.order], signed_by=facts.signed_by, clean=facts.clean,
            exceptions=exceptions, media=facts.media, sha256=kept.sha256, size=kept.size,
        ),
        owner=head.owner, correlation_id=head.correlation_id,
    )  # fmt: skip
    await billing.tell_proof(tx, stamp, billing.Head(
        order_id=head.order_id, load_id=head.load_id, order=head.order, owner=head.owner,
        correlation_id=head.correlation_id,
    ), kept.id)  # fmt: skip
    return msgspec.structs.replace(kept, outcome="created")


async def read_pod(
    tx: Tx, stamp: Stamp, client: ApiClient, shipment: str, pod_id: int
) -> bytes:
    """The proof as it came. Raises NoSuchShipment, NoSuchPod."""
    head = await _head(tx, stamp, client, shipment)
    values = {"warehouse_id": stamp.warehouse_id, "order_id": head.order_id,
              "load_id": head.load_id, "id": pod_id}  # fmt: skip
    found = (await tx.execute(POD_BYTES, values)).scalar()
    if found is None:
        raise NoSuchPod(pod=pod_id)
    return bytes(found)
