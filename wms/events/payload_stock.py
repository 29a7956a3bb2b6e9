"""Payloads of stock, license plates, counts and directed work; fields are only ever added."""

from msgspec import field

from wms.events.groups import Doc, Loc, Payload, Reason, Stk, Who


class InventoryMoved(Payload):
    movement_id: str
    stock: Stk
    to: Loc
    from_: Loc = field(name="from")
    purpose: str
    task_id: str = ""
    who: Who | None = None


class InventoryAdjusted(Payload):
    movement_id: str
    stock: Stk
    location: Loc
    delta: int
    reason: Reason
    on_hand_after: int | None = None
    count_id: str = ""
    approved_by: str = ""
    request_id: str = ""
    who: Who | None = None


class InventoryStatusChanged(Payload):
    movement_id: str
    stock: Stk
    location: Loc
    from_status: str
    to_status: str
    reason: Reason | None = None
    hold_id: str = ""
    request_id: str = ""
    who: Who | None = None


class InventoryLevelChanged(Payload):
    """An item's stock as it is, in the words of GET .../inventory/levels, never as a difference.

    `version` rises with each telling of the item, and the numbers hold every event up to
    `as_of_pos` (and may hold later ones): keep the highest, drop what is older.
    `statuses` are the units anywhere in the house by stock status; `inbound` is announced.
    """

    sku: str
    owner: str
    on_hand: int
    allocated: int
    available: int
    version: int = 0
    on_hold: int = 0
    damaged: int = 0
    inbound: int = 0
    as_of_pos: int = 0
    promised: int = 0
    available_to_promise: int = 0
    stopped: int = 0
    elsewhere: int = 0
    statuses: dict[str, int] = field(default_factory=dict)


class InventoryShortageFound(Payload):
    stock: Stk
    location: Loc
    expected: int
    found: int
    task_id: str = ""
    order: Doc | None = None
    action: str = "recount"
    count_id: str = ""
    who: Who | None = None


class HandlingUnitClosed(Payload):
    lpn: str
    type: str
    sscc: str = ""
    parent_lpn: str = ""
    contents: list[Stk] = field(default_factory=list)
    location: Loc | None = None


class CountStarted(Payload):
    count_id: str | int
    scope: str = "bin"
    blind: bool = True
    bin: str = ""
    cause: str = ""


class CountVarianceRecorded(Payload):
    count_id: str | int
    stock: Stk
    location: Loc
    booked: int
    counted: int
    recount_no: int = 0
    needs_approval: bool = False
    who: Who | None = None


class CountCompleted(Payload):
    count_id: str | int
    scope: str = "bin"
    blind: bool = True
    bin: str = ""
    lines: int = 0
    variances: int = 0
    approved_by: str = ""
    outcome: str = ""


class TaskAssigned(Payload):
    tour_id: str | int
    kind: str = ""
    user: str = ""
    device: str = ""
    tasks: int = 0


class TaskCompleted(Payload):
    tour_id: str | int
    task_id: str | int = ""
    kind: str = ""
    user: str = ""
    priority: int = 0
    from_: Loc | None = field(name="from", default=None)
    to: Loc | None = None
    stock: Stk | None = None
    qty: int = 0
    actual_s: float = 0
    travel_m: float = 0


class TaskExceptionRaised(Payload):
    code: str
    task_id: str | int = ""
    tour_id: str | int = ""
    location: Loc | None = None
    stock: Stk | None = None
    detail: str = ""
    action: str = ""
    who: Who | None = None


class InventorySnapshotPublished(Payload):
    """Totals of one owner's stock: what every event up to `as_of_pos` has made of it."""

    snapshot_id: str
    as_of_pos: int
    owner: str
    lines: int
    units: dict[str, int]  # by stock status
    hash: str
