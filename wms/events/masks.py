"""What an endpoint may see of a payload: masks by field class, applied before signing.

Classes travel with the field types of the catalogue (`x-mask`): personal and finance; everything
else is public to whoever may read the event. The log itself keeps the full record. A hash is keyed
with the installation's key, so equal values stay joinable and nobody else can try them out.
"""

from functools import cache
from typing import Any

import msgspec

from wms.access.masking import (
    DROP,
    HASH,
    KEEP,
    OPEN_PROFILES,
    PROFILES,
    BadProfile,
    Cover,
    Path,
    require_profile,
)
from wms.events.catalog import TYPES

__all__ = [
    "DROP", "HASH", "KEEP", "OPEN_PROFILES", "PROFILES", "BadProfile", "Mask", "masked_fields",
    "require_profile",
]  # fmt: skip


@cache
def masked_fields(type: str) -> dict[Path, str]:
    """Paths of a type's classified fields; `*` stands for each element of a list."""
    kind = TYPES.get(type)
    if kind is None:
        return {}
    _, components = msgspec.json.schema_components([kind.struct])
    found: dict[Path, str] = {}
    _walk({"$ref": f"#/$defs/{kind.struct.__name__}"}, (), components, found)
    return found


def _walk(
    schema: dict[str, Any], path: Path, known: dict[str, Any], found: dict[Path, str]
) -> None:
    if "x-mask" in schema:
        found[path] = schema["x-mask"]
        return
    if "$ref" in schema:
        _walk(known[schema["$ref"].rpartition("/")[2]], path, known, found)
    for part in schema.get("anyOf", ()):
        _walk(part, path, known, found)
    for name, field in schema.get("properties", {}).items():
        _walk(field, (*path, name), known, found)
    if isinstance(schema.get("items"), dict):
        _walk(schema["items"], (*path, "*"), known, found)


class Mask(Cover):
    """One profile with the key of its hashes."""

    def data(self, type: str, data: str) -> bytes | None:
        """The payload as this profile shows it, or None when nothing in it changes."""
        changes = self.changes(masked_fields(type))
        if not changes:
            return None
        tree = msgspec.json.decode(data)
        for path, action in changes.items():
            self.apply(tree, path, action)
        return msgspec.json.encode(tree)
