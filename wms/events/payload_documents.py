"""Payloads of announcements, receipts, orders, waves, packages, loads and shipments.

Fields may be added, never renamed, narrowed or removed (a test compares with the last release).
"""

from typing import Any

from msgspec import field

from wms.events.groups import Carr, Doc, Line, Loc, Party, Payload, Pkg, Reason, Stk, When, Who


class AsnAccepted(Payload):
    asn: Doc
    kind: str = "asn"
    supplier: str = ""
    expected_at: When | None = None
    lines: list[Line] = field(default_factory=list)


class AsnUpdated(Payload):
    asn: Doc
    changed_fields: list[str] = field(default_factory=list)
    lines_removed: list[str] = field(default_factory=list)


class AsnCancelled(AsnUpdated):
    reason: Reason | None = None


class ReceiptStarted(Payload):
    receipt: Doc
    asn: Doc | None = None
    dock: Loc | None = None


class ReceiptLineReceived(Payload):
    receipt_id: str
    stock: Stk
    location: Loc
    line: Line | None = None
    expected: int = 0
    condition: str = "good"
    who: Who | None = None


class ReceiptDiscrepancyRecorded(Payload):
    receipt_id: str
    kind: str
    qty: int
    line: Line | None = None
    stock: Stk | None = None
    reason: Reason | None = None
    who: Who | None = None


class ReceiptCompleted(Payload):
    receipt: Doc
    asn: Doc | None = None
    lines: list[Line] = field(default_factory=list)
    received: int = 0
    damaged: int = 0
    short: int = 0
    over: int = 0
    started_at: When | None = None
    closed_at: When | None = None


class PutawayCompleted(Payload):
    stock: Stk
    to: Loc
    lpn: str = ""
    task_id: str = ""
    strategy: str = ""
    duration_s: float = 0
    who: Who | None = None


class OrderEvent(Payload):
    """Shape of every event about an order."""

    order: Doc


class OrderAccepted(OrderEvent):
    ship_to: Party | None = None
    carrier: Carr | None = None
    service_level: str = ""
    ship_by: When | None = None
    lines: list[Line] = field(default_factory=list)


class OrderRejected(Payload):
    external_id: str
    owner: str = ""
    errors: list[dict[str, Any]] = field(default_factory=list)
    inbound_message_id: str = ""


class OrderUpdated(OrderEvent):
    changed_fields: list[str] = field(default_factory=list)
    lines_added: list[str] = field(default_factory=list)
    lines_removed: list[str] = field(default_factory=list)


class OrderHeld(OrderEvent):
    hold_code: str = ""
    reason: Reason | None = None
    set_by: str = ""


class OrderHoldReleased(OrderEvent):
    hold_code: str = ""
    released_by: str = ""


class OrderAllocated(OrderEvent):
    lines: list[Line] = field(default_factory=list)
    fill_rate: float = 1.0


class OrderReleased(OrderEvent):
    wave_id: str = ""
    release_mode: str = "wave"
    due_at: When | None = None
    priority: int = 0


class OrderPickStarted(OrderEvent):
    lines: list[Line] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    tour_id: str = ""


class OrderPicked(OrderEvent):
    lines: list[Line] = field(default_factory=list)
    stock: list[Stk] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)


class OrderPacked(OrderEvent):
    packages: list[Pkg] = field(default_factory=list)


class OrderShorted(OrderEvent):
    line: Line
    qty: int
    reason: Reason | None = None


class OrderShipped(OrderEvent):
    shipment_id: str = ""
    carrier: Carr | None = None
    packages: list[Pkg] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    shipped_at: When | None = None


class OrderCancelRequested(OrderEvent):
    requested_by: str = ""
    stage: str = ""
    reason: Reason | None = None
    restock_tasks: list[str] = field(default_factory=list)


class OrderCancelled(OrderCancelRequested):
    pass


class OrderCancelRefused(OrderCancelRequested):
    pass


class WaveReleased(Payload):
    wave_id: str
    orders: int = 0
    lines: int = 0
    units: int = 0
    tours: int = 0
    cutoff: When | None = None


class WaveCompleted(WaveReleased):
    shorted: int = 0


class PackageClosed(Payload):
    package: Pkg
    order: Doc
    weight_expected_g: int = 0
    weight_actual_g: int = 0
    weight_check: str = ""
    who: Who | None = None


class LabelCreated(Payload):
    package_id: str
    carrier: Carr
    shipment_id: str = ""
    sscc: str = ""
    label_format: str = "html"


class LabelVoided(LabelCreated):
    reason: Reason | None = None


class LoadOpened(Payload):
    load_id: str
    dock: Loc | None = None
    carrier: Carr | None = None
    trailer_no: str = ""


class LoadPackageLoaded(Payload):
    load_id: str
    package_id: str
    lpn: str = ""
    sscc: str = ""
    order: Doc | None = None
    who: Who | None = None


class LoadDeparted(LoadOpened):
    seal_nos: list[str] = field(default_factory=list)
    shipments: list[str] = field(default_factory=list)
    packages: int = 0
    weight_g: int = 0
    departed_at: When | None = None


class ShipmentCreated(Payload):
    shipment: Doc
    orders: list[str] = field(default_factory=list)
    carrier: Carr | None = None
    ship_to: Party | None = None
    packages: list[Pkg] = field(default_factory=list)


class ShipmentVoided(Payload):
    shipment: Doc
    orders: list[str] = field(default_factory=list)
    carrier: Carr | None = None
    reason: Reason | None = None


class ShipmentDeparted(Payload):
    shipment: Doc
    load_id: str = ""
    orders: list[str] = field(default_factory=list)
    carrier: Carr | None = None
    packages: list[str] = field(default_factory=list)
    bol_no: str = ""
    departed_at: When | None = None
