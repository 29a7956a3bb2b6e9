"""Payloads the engine itself emits: endpoint life, dead deliveries, tests."""

from typing import Any

from msgspec import field

from wms.events.groups import Payload, Personal, When


class EndpointEvent(Payload):
    """Shape of every event about an endpoint's life."""

    endpoint_id: str
    name: str = ""
    since: str = ""
    cause: str = ""  # class of the last outcome
    lag_events: int = 0
    by: str = ""


class EndpointSkipped(EndpointEvent):
    from_pos: int = 0
    to_pos: int = 0


class EndpointFailing(EndpointEvent, kw_only=True):
    """`stage` is which notice of this failure it is, of four; the last comes after three days.
    At `suspends_at` sending ends when it still fails."""

    stage: int
    minutes_failing: int
    suspends_at: When | None = None


class SecretExpiring(Payload):
    """After `expires_at` the key `kid` signs no more; what verifies only it is refused then."""

    endpoint_id: str
    kid: str
    alg: str
    expires_at: When
    name: str = ""
    live_keys: int = 0  # that sign on after it


class DeliveryExhausted(Payload):
    endpoint_id: str
    event_id: str
    type: str
    okey: str
    attempts: int
    last_class: str = ""
    last_status: int = 0


class DeliveryDiscarded(Payload):
    endpoint_id: str
    event_id: str
    type: str
    okey: str
    attempts: int
    by: str
    reason: str


class ReceiptRejected(Payload):
    """`endpoint_id` is empty when a consumer that pulls gave the verdict."""

    source: str
    event_id: str
    type: str
    okey: str
    endpoint_id: str = ""
    code: str = ""
    detail: str = ""
    by: str = ""


class ReplayStarted(Payload):
    endpoint_id: str
    replay_id: str
    events: int
    from_pos: int
    to_pos: int
    by: str
    reason: str


class ConsumerSuspended(Payload):
    """What it has not read before `first_pos` is gone."""

    client: str
    name: str
    pos: int
    first_pos: int


class TestPing(Payload):
    message: str = "ping"


class ExceptionEvent(Payload):
    """Shape of every event about an exception's life."""

    exception_id: str
    code: str
    subject: str
    severity: str
    team: str
    due_at: When


class ExceptionOpened(ExceptionEvent):
    reopened: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


class ExceptionAssigned(ExceptionEvent):
    assignee: Personal
    by: Personal = ""


class ExceptionEscalated(ExceptionEvent):
    """`team` is whose it is now; the person it was assigned to still has it."""

    from_team: str
    assignee: Personal = ""
    minutes_open: int = 0


class ExceptionResolved(ExceptionEvent):
    resolution: str
    how: str = ""
    by: Personal = ""
    minutes_open: int = 0
