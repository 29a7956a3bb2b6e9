"""JSON Schemas of event payloads as they are published, one per type and major.

A member that a mask profile may take away is never required, so that every endpoint's events fit.
"""

from typing import Any

import msgspec

from wms.errors import NotFound
from wms.events.catalog import TYPES, EventType
from wms.events.envelope import MAJOR

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class UnknownType(NotFound):
    say = "There is no event type {type} of major {major}."


def require_type(type: str, major: str = str(MAJOR)) -> EventType:
    """Raises UnknownType."""
    known = TYPES.get(type)
    if known is None or major != str(MAJOR):
        raise UnknownType(type=type, major=major)
    return known


def schema_of(type: str, major: str = str(MAJOR)) -> dict[str, Any]:
    """JSON Schema (2020-12) of a type's `data`. Raises UnknownType."""
    known = require_type(type, major)
    return {
        "$schema": DIALECT,
        "$id": f"/v1/event-schemas/{type}/{major}.json",
        "title": type,
        "description": known.text,
        **without_masked(msgspec.json.schema(known.struct)),
    }


def without_masked(tree: Any) -> Any:
    """The schema with classified members (`x-mask`) optional."""
    if isinstance(tree, list):
        return [without_masked(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    made = {key: without_masked(value) for key, value in tree.items()}
    fields = made.get("properties")
    if isinstance(fields, dict) and isinstance(made.get("required"), list):
        made["required"] = [name for name in made["required"] if "x-mask" not in fields[name]]
    return made
