"""Payloads the engine itself emits: endpoint life, dead deliveries, tests."""

from wms.events.groups import Payload


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


class DeliveryExhausted(Payload):
    endpoint_id: str
    event_id: str
    type: str
    okey: str
    attempts: int
    last_class: str = ""
    last_status: int = 0


class TestPing(Payload):
    message: str = "ping"
