"""Every event name with its payload, ordering key and meaning: the public contract.

A type is `<object>.<past verb>`. Procedures emit `catalog.OrderShipped(...)` under its name with
`wms.events.outbox.emit`; `groups` has the short constructors `doc`, `line`, `stk`, `loc`, `who`.
"""

from msgspec import Struct

from wms.events.groups import Payload
from wms.events.payload_carriers import (
    AppointmentEvent,
    BillingBlocked,
    BillingEligible,
    InventoryAdjustmentDecided,
    PodReceived,
    ShipmentMilestoneRecorded,
    ShipmentStatus,
)
from wms.events.payload_documents import (
    AsnAccepted,
    AsnCancelled,
    AsnUpdated,
    LabelCreated,
    LabelVoided,
    LoadDeparted,
    LoadOpened,
    LoadPackageLoaded,
    OrderAccepted,
    OrderAllocated,
    OrderCancelled,
    OrderCancelRefused,
    OrderCancelRequested,
    OrderHeld,
    OrderHoldReleased,
    OrderPacked,
    OrderPicked,
    OrderPickStarted,
    OrderRejected,
    OrderReleased,
    OrderShipped,
    OrderShorted,
    OrderUpdated,
    PackageClosed,
    PutawayCompleted,
    ReceiptCompleted,
    ReceiptDiscrepancyRecorded,
    ReceiptLineReceived,
    ReceiptStarted,
    ShipmentCreated,
    ShipmentDeparted,
    ShipmentVoided,
    WaveCompleted,
    WaveReleased,
)
from wms.events.payload_master import (
    ItemConflictDetected,
    ItemCreated,
    ItemUpdated,
    LocationChanged,
    PartnerUpdated,
    StewardshipDecided,
)
from wms.events.payload_stock import (
    CountCompleted,
    CountStarted,
    CountVarianceRecorded,
    HandlingUnitClosed,
    InventoryAdjusted,
    InventoryLevelChanged,
    InventoryMoved,
    InventoryShortageFound,
    InventorySnapshotPublished,
    InventoryStatusChanged,
    TaskAssigned,
    TaskCompleted,
    TaskExceptionRaised,
)
from wms.events.payload_system import (
    ConsumerSuspended,
    DeliveryDiscarded,
    DeliveryExhausted,
    EndpointEvent,
    EndpointFailing,
    EndpointSkipped,
    ExceptionAssigned,
    ExceptionEscalated,
    ExceptionOpened,
    ExceptionResolved,
    ReceiptRejected,
    ReplayStarted,
    SecretExpiring,
    TestPing,
)

SCAN, LINE, DOCUMENT, RARE = "scan", "line", "document", "rare"


class EventType(Struct, frozen=True):
    """`volume` says how often (scan events are off unless subscribed by name or `*`);
    `key` is the pattern of the ordering key; `level` events may be conflated."""

    struct: type[Payload]
    volume: str
    key: str
    text: str
    level: bool = False


STOCK = "stock/<owner>/<sku>"
ORDER = "order/<owner>/<external_id>"

TYPES: dict[str, EventType] = {
    # master data, told in every warehouse
    "item.created": EventType(ItemCreated, RARE, "item/<owner>/<sku>", "An item is new."),
    "item.updated": EventType(ItemUpdated, RARE, "item/<owner>/<sku>", "An item changed."),
    "item.conflict_detected": EventType(
        ItemConflictDetected, RARE, "item/<owner>/<sku>", "A field belongs to another sender."
    ),
    "stewardship.decided": EventType(
        StewardshipDecided, RARE, "item/<owner>/<sku>", "A proposed value was decided on."
    ),
    "location.created": EventType(LocationChanged, RARE, "loc/<bin>", "A bin is new."),
    "location.updated": EventType(LocationChanged, RARE, "loc/<bin>", "A bin changed."),
    "location.blocked": EventType(LocationChanged, RARE, "loc/<bin>", "A bin is out of use."),
    "location.unblocked": EventType(LocationChanged, RARE, "loc/<bin>", "A bin is in use again."),
    "partner.updated": EventType(
        PartnerUpdated, RARE, "partner/<owner>/<external_id>", "A party is new or changed."
    ),
    # inbound
    "asn.accepted": EventType(
        AsnAccepted, DOCUMENT, "asn/<owner>/<id>", "An announced delivery passed validation."
    ),
    "asn.updated": EventType(
        AsnUpdated, DOCUMENT, "asn/<owner>/<id>", "An accepted change before receiving ended."
    ),
    "asn.cancelled": EventType(
        AsnCancelled, DOCUMENT, "asn/<owner>/<id>", "Cancelled before receiving ended."
    ),
    **{
        f"appointment.{verb}": EventType(
            AppointmentEvent, DOCUMENT, "appointment/<external_id>", text
        )
        for verb, text in {
            "booked": "A carrier has a time at a dock.",
            "changed": "Its time, dock or load changed.",
            "arrived": "The truck is here.",
            "completed": "The truck is done.",
            "missed": "Nobody came.",
            "cancelled": "It was called off; the dock is free.",
        }.items()
    },
    "receipt.started": EventType(
        ReceiptStarted, DOCUMENT, "receipt/<id>", "First scan against the delivery."
    ),
    "receipt.line_received": EventType(
        ReceiptLineReceived, LINE, "receipt/<id>", "A quantity was booked in."
    ),
    "receipt.discrepancy_recorded": EventType(
        ReceiptDiscrepancyRecorded,
        LINE,
        "receipt/<id>",
        "Over, short, damaged, wrong item or lot, or expired.",
    ),
    "receipt.completed": EventType(
        ReceiptCompleted, DOCUMENT, "receipt/<id>", "Receipt closed, with its totals."
    ),
    "putaway.completed": EventType(PutawayCompleted, SCAN, STOCK, "Stock reached its storage bin."),
    # inventory
    "inventory.moved": EventType(
        InventoryMoved, SCAN, STOCK, "Stock changed place, not quantity or status."
    ),
    "inventory.adjusted": EventType(InventoryAdjusted, LINE, STOCK, "Gain or loss."),
    "inventory.adjustment_decided": EventType(
        InventoryAdjustmentDecided, DOCUMENT, "adjustment/<client>/<request_id>",
        "A correction that a partner asked for was posted, refused, or is being counted.",
    ),
    "inventory.status_changed": EventType(
        InventoryStatusChanged, LINE, STOCK, "Hold, release, quarantine, damage, expiry."
    ),
    "inventory.level_changed": EventType(
        InventoryLevelChanged, LINE, STOCK, "New totals of an item; newest wins.", level=True
    ),
    "inventory.shortage_found": EventType(
        InventoryShortageFound, LINE, STOCK, "A pick found less than booked."
    ),
    "inventory.snapshot_published": EventType(
        InventorySnapshotPublished, DOCUMENT, "snapshot/<owner>",
        "The trial balance of an owner's stock at a log position.",
    ),
    "handling_unit.closed": EventType(
        HandlingUnitClosed, SCAN, "lpn/<code>", "A license plate was closed."
    ),
    "count.started": EventType(CountStarted, DOCUMENT, "count/<id>", "A bin will be counted."),
    "count.variance_recorded": EventType(
        CountVarianceRecorded, LINE, "count/<id>", "A counted bin differs from the ledger."
    ),
    "count.completed": EventType(
        CountCompleted, DOCUMENT, "count/<id>", "A count was posted, approved or cancelled."
    ),
    # work
    "task.assigned": EventType(TaskAssigned, SCAN, "tour/<id>", "Somebody got the work."),
    "task.completed": EventType(TaskCompleted, SCAN, "tour/<id>", "The work is done."),
    "task.exception_raised": EventType(
        TaskExceptionRaised, LINE, "tour/<id>", "Short, blocked, damaged, full, unreadable."
    ),
    # orders
    "order.accepted": EventType(OrderAccepted, DOCUMENT, ORDER, "An order passed validation."),
    "order.rejected": EventType(OrderRejected, DOCUMENT, ORDER, "An order failed validation."),
    "order.updated": EventType(OrderUpdated, DOCUMENT, ORDER, "An accepted change."),
    "order.held": EventType(OrderHeld, DOCUMENT, ORDER, "A hold stops the order."),
    "order.hold_released": EventType(OrderHoldReleased, DOCUMENT, ORDER, "A hold ended."),
    "order.allocated": EventType(OrderAllocated, DOCUMENT, ORDER, "All or part of it is reserved."),
    "order.released": EventType(OrderReleased, DOCUMENT, ORDER, "It went to the floor."),
    "order.pick_started": EventType(OrderPickStarted, DOCUMENT, ORDER, "First pick done."),
    "order.picked": EventType(OrderPicked, DOCUMENT, ORDER, "Last pick done."),
    "order.packed": EventType(OrderPacked, DOCUMENT, ORDER, "All packages closed."),
    "order.shorted": EventType(OrderShorted, LINE, ORDER, "A quantity will not ship."),
    "order.shipped": EventType(OrderShipped, DOCUMENT, ORDER, "It left our custody."),
    "order.cancel_requested": EventType(
        OrderCancelRequested, DOCUMENT, ORDER, "A cancellation was asked for."
    ),
    "order.cancelled": EventType(OrderCancelled, DOCUMENT, ORDER, "Nothing of it will ship."),
    "order.cancel_refused": EventType(
        OrderCancelRefused, DOCUMENT, ORDER, "Past the point of no return."
    ),
    "wave.released": EventType(WaveReleased, DOCUMENT, "wave/<id>", "A wave went to the floor."),
    "wave.completed": EventType(WaveCompleted, DOCUMENT, "wave/<id>", "All its picks ended."),
    # shipping
    "package.closed": EventType(PackageClosed, LINE, ORDER, "A carton was sealed and weighed."),
    "label.created": EventType(LabelCreated, LINE, ORDER, "A carrier label was made."),
    "label.voided": EventType(LabelVoided, LINE, ORDER, "A label will ship nothing any more."),
    "load.opened": EventType(LoadOpened, DOCUMENT, "load/<id>", "Loading began."),
    "load.package_loaded": EventType(
        LoadPackageLoaded, SCAN, "load/<id>", "A package went on the truck."
    ),
    "load.departed": EventType(LoadDeparted, DOCUMENT, "load/<id>", "The truck left."),
    "shipment.created": EventType(
        ShipmentCreated, DOCUMENT, "shipment/<id>", "A shipment came into being."
    ),
    "shipment.voided": EventType(
        ShipmentVoided, DOCUMENT, "shipment/<id>", "Its last carton came off the truck."
    ),
    "shipment.departed": EventType(
        ShipmentDeparted, DOCUMENT, "shipment/<id>", "Possession passed to the carrier."
    ),
    "shipment.milestone_recorded": EventType(
        ShipmentMilestoneRecorded, LINE, "shipment/<id>", "A carrier's status was accepted."
    ),
    **{
        f"shipment.{verb}": EventType(ShipmentStatus, DOCUMENT, "shipment/<id>", text)
        for verb, text in {
            "delivered": "It reached the consignee.",
            "delivery_failed": "The carrier tried and could not deliver.",
            "returning": "It is on its way back.",
            "exception": "Damaged, lost, refused, delayed or held.",
        }.items()
    },
    "pod.received": EventType(
        PodReceived, DOCUMENT, "shipment/<id>", "A proof of delivery came in."
    ),
    # billing
    "billing.eligible": EventType(
        BillingEligible, DOCUMENT, "shipment/<id>", "Delivered and proven: it may be billed."
    ),
    "billing.blocked": EventType(
        BillingBlocked, DOCUMENT, "shipment/<id>", "Delivered, and something keeps it from billing."
    ),
    # system
    **{
        f"endpoint.{verb}": EventType(EndpointEvent, RARE, "endpoint/<code>", text)
        for verb, text in {
            "created": "A subscriber was added.",
            "verified": "It proved that it is ours to send to.",
            "breaker_opened": "It fails as a whole; sending paused.",
            "breaker_closed": "It answers again.",
            "paused": "A person stopped sending.",
            "resumed": "Sending goes on where it stopped.",
            "suspended": "It failed too long; a person must resume it.",
            "blocked": "Its address is one we must not call.",
            "secret_added": "A signing key was added.",
        }.items()
    },
    "endpoint.skipped": EventType(
        EndpointSkipped, RARE, "endpoint/<code>", "A person gave up a range of positions."
    ),
    "endpoint.failing": EventType(
        EndpointFailing, RARE, "endpoint/<code>",
        "It has failed without a break for 15 minutes, an hour, a day, three days.",
    ),
    "secret.expiring": EventType(
        SecretExpiring, RARE, "endpoint/<code>", "A signing key ends in seven days, or in one."
    ),
    "delivery.exhausted": EventType(
        DeliveryExhausted, RARE, "endpoint/<code>", "A delivery ran out of attempts."
    ),
    "exception.opened": EventType(
        ExceptionOpened, DOCUMENT, "exception/<id>", "Something is wrong, or wrong again."
    ),
    "exception.assigned": EventType(
        ExceptionAssigned, DOCUMENT, "exception/<id>", "A person has it."
    ),
    "exception.escalated": EventType(
        ExceptionEscalated, DOCUMENT, "exception/<id>", "Its time passed: the next level has it."
    ),
    "exception.resolved": EventType(
        ExceptionResolved, DOCUMENT, "exception/<id>", "Done, gone by itself, or discarded."
    ),
    "delivery.discarded": EventType(
        DeliveryDiscarded, RARE, "endpoint/<code>", "A person gave up a dead delivery."
    ),
    "receipt_verdict.rejected": EventType(
        ReceiptRejected, RARE, "endpoint/<code>", "A subscriber cannot use an event."
    ),
    "replay.started": EventType(
        ReplayStarted, RARE, "endpoint/<code>", "A person has events of the past sent again."
    ),
    "consumer.suspended": EventType(
        ConsumerSuspended, RARE, "consumer/<client>/<name>", "It slept longer than the log."
    ),
    "test.ping": EventType(TestPing, RARE, "endpoint/<code>", "A test on request."),
}


def is_known(type: str, data: object) -> bool:
    """True when the type exists and a struct payload is the one it declares."""
    known = TYPES.get(type)
    return known is not None and (isinstance(data, (dict, known.struct)))
