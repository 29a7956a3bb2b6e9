"""Payloads of asked-for corrections, dock appointments, milestones and proofs of delivery."""

from typing import Any

from msgspec import field

from wms.events.groups import Doc, Loc, Payload, Personal, Reason, When


class InventoryAdjustmentDecided(Payload):
    request_id: str
    client: str
    outcome: str  # posted | counting | refused
    sku: str
    owner: str
    qty: int = 0
    to_status: str = ""
    bin: str = ""
    reason: Reason | None = None
    count_ids: list[str] = field(default_factory=list)
    decided_by: str = ""


class AppointmentEvent(Payload):
    """Shape of every event about a carrier's time at a dock."""

    appointment: Doc
    carrier: str
    dock: Loc
    starts_at: When
    ends_at: When
    direction: str = "inbound"
    asn_ids: list[str] = field(default_factory=list)
    trailer_no: str = ""
    changed_fields: list[str] = field(default_factory=list)
    reason: Reason | None = None


class ShipmentMilestoneRecorded(Payload):
    shipment_id: str
    milestone: str
    occurred_at: When
    received_at: When
    source: str
    raw_code: str
    carrier: str = ""
    tracking_no: str = ""
    orders: list[str] = field(default_factory=list)
    reason_code: str = ""
    place: str = ""
    estimated_delivery: When | None = None
    late_by_s: int = 0
    out_of_order: bool = False
    doubt: str = ""


class ShipmentStatus(Payload):
    """Shape of the events that say a shipment's state changed; each is told once."""

    shipment_id: str
    milestone: str
    at: When
    orders: list[str] = field(default_factory=list)
    carrier: str = ""
    tracking_no: str = ""
    reason: Reason | None = None
    attempts: int = 0


class PodReceived(Payload):
    pod_id: str
    shipment_id: str
    kind: str
    at: When
    orders: list[str] = field(default_factory=list)
    signed_by: Personal = ""
    clean: bool = True
    exceptions: list[dict[str, Any]] = field(default_factory=list)
    media: str = ""
    sha256: str = ""
    size: int = 0


class BillingEligible(Payload):
    """The shipment may be billed; `evidence` names what proves it."""

    shipment_id: str
    rule: str
    eligible_at: When
    orders: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)


class BillingBlocked(Payload):
    """It may not, or not any more: what is missing."""

    shipment_id: str
    rule: str
    orders: list[str] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
