"""What an endpoint may see of a payload: masks by field class, applied before signing.

Classes travel with the field types of the catalogue (`x-mask`): personal and finance; everything
else is public to whoever may read the event. The log itself keeps the full record. A hash is keyed
with the installation's key, so equal values stay joinable and nobody else can try them out.
"""

import hmac
from functools import cache
from typing import Any

import msgspec

from wms.errors import Invalid
from wms.events.catalog import TYPES

KEEP, DROP, HASH = "keep", "drop", "hash"
PROFILES: dict[str, dict[str, str]] = {
    "default": {"finance": DROP, "personal": HASH},
    "finance": {"finance": KEEP, "personal": HASH},
    "full": {"finance": KEEP, "personal": KEEP},
    "strict": {"finance": DROP, "personal": DROP},
}
OPEN_PROFILES = ("default", "strict")  # those an integrator may choose without an admin's word

Path = tuple[str, ...]


class BadProfile(Invalid):
    say = "{profile!r} is no mask profile; there are {known}."


def require_profile(name: str) -> None:
    """Raises BadProfile."""
    if name not in PROFILES:
        raise BadProfile(profile=name, known=", ".join(sorted(PROFILES)))


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


class Mask:
    """One profile with the key of its hashes."""

    def __init__(self, profile: str, key: bytes) -> None:
        """Raises BadProfile."""
        require_profile(profile)
        self._actions = PROFILES[profile]
        self._key = key
        self.keeps_all = set(self._actions.values()) == {KEEP}

    def data(self, type: str, data: str) -> bytes | None:
        """The payload as this profile shows it, or None when nothing in it changes."""
        paths = {
            path: self._actions[kind]
            for path, kind in masked_fields(type).items()
            if self._actions[kind] != KEEP
        }
        if not paths:
            return None
        tree = msgspec.json.decode(data)
        for path, action in paths.items():
            self._apply(tree, path, action)
        return msgspec.json.encode(tree)

    def actor(self, actor: str) -> str:
        """The envelope's actor: a person is personal, a system or partner is not."""
        kind, _, name = actor.partition(":")
        action = self._actions["personal"]
        if kind != "user" or action == KEEP:
            return actor
        return "" if action == DROP else f"user:{self._hash(name)}"

    def _apply(self, tree: Any, path: Path, action: str) -> None:
        head, rest = path[0], path[1:]
        if head == "*":
            for part in tree if isinstance(tree, list) else ():
                self._apply(part, rest, action)
            return
        if not isinstance(tree, dict) or tree.get(head) in (None, ""):
            return
        if rest:
            self._apply(tree[head], rest, action)
        elif action == DROP:
            del tree[head]
        else:
            tree[head] = self._hash(str(tree[head]))

    def _hash(self, value: str) -> str:
        return f"h_{hmac.new(self._key, value.encode(), 'sha256').hexdigest()[:20]}"
