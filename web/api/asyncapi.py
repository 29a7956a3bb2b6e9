"""The AsyncAPI 3 document: every event type as a message that we send to a subscriber's channel."""

from typing import Any

import msgspec

from web.api.schemas import COMPONENTS, components
from wms.events.catalog import TYPES
from wms.events.envelope import Envelope
from wms.events.samples import sample_event
from wms.events.schemas import without_masked

Json = dict[str, Any]
WIRE = (
    "Signed as Standard Webhooks 1.0 (`webhook-id`, `webhook-timestamp`, `webhook-signature`); the "
    "body is a CloudEvents 1.0 event in structured mode. At least once, in order of the ordering "
    "key; the same events can be read by position at /v1/warehouses/{code}/events."
)

WEBHOOK_HEADERS: dict[str, str] = {
    "webhook-id": "Id of the event (of the batch in batch mode), the same over all attempts.",
    "webhook-timestamp": "Seconds since 1970 of this attempt; refuse what is older than 5 minutes.",
    "webhook-signature": "`v1,<base64>` (HMAC-SHA256) or `v1a,<base64>` (Ed25519), by spaces.",
}


def asyncapi(version: str) -> Json:
    """The document. Deterministic: the same catalogue gives the same bytes."""
    _, known = components([*(kind.struct for kind in TYPES.values()), Envelope])
    return {
        "asyncapi": "3.1.0",
        "info": {"title": "Warehouse floor events", "version": version, "description": WIRE},
        "defaultContentType": "application/json",
        "channels": {
            "endpoint": {
                "address": None,
                "title": "Your endpoint",
                "description": "The URL that was given when the endpoint was made.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in TYPES},
                "bindings": {"http": {"bindingVersion": "0.3.0"}},
            }
        },
        "operations": {
            "deliver": {
                "action": "send",
                "channel": {"$ref": "#/channels/endpoint"},
                "title": "Deliver an event",
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
            }
        },
        "components": {
            "messages": {name: _message(name) for name in TYPES},
            "messageTraits": {"signed": {"headers": _headers()}},
            "schemas": without_masked(known),
        },
    }


def _message(name: str) -> Json:
    kind = TYPES[name]
    return {
        "name": name,
        "title": name,
        "summary": kind.text,
        "contentType": "application/json",
        "tags": [{"name": kind.volume}],
        "correlationId": {"location": "$message.payload#/correlationid"},
        "traits": [{"$ref": "#/components/messageTraits/signed"}],
        "payload": event_schema(name),
        "examples": [{"name": "full", "payload": msgspec.json.decode(sample_event(name))}],
    }


def _headers() -> Json:
    said = {
        name: {"type": "string", "description": text} for name, text in WEBHOOK_HEADERS.items()
    }
    return {"type": "object", "required": list(WEBHOOK_HEADERS), "properties": said}


def event_schema(name: str) -> Json:
    """The envelope with this type and its payload."""
    return {
        "allOf": [{"$ref": f"{COMPONENTS}Envelope"}],
        "properties": {
            "type": {"const": name},
            "data": {"$ref": COMPONENTS + TYPES[name].struct.__name__},
        },
    }
