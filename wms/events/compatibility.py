"""What a change of a payload's JSON Schema breaks for those who read it. Pure.

Additions never break: new optional members, new types, other words. Everything else needs a new
major of that one type.
"""

from typing import Any

Schema = dict[str, Any]
LIMITS = ("minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "enum")


def breaking(old: Schema, new: Schema) -> list[str]:
    """One sentence for each break, with a pointer; nothing when every reader goes on unchanged."""
    found: list[str] = []
    _compare(old, new, "", old, new, found, set())
    return found


def _compare(
    old: Schema, new: Schema, path: str, old_root: Schema, new_root: Schema, found: list[str],
    seen: set[tuple[str, str]],
) -> None:  # fmt: skip
    if "$ref" in old and "$ref" in new:
        pair = (old["$ref"], new["$ref"])
        if pair in seen:
            return
        seen = seen | {pair}
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    if _kind(old) != _kind(new):
        found.append(f"{path or '/'} was {_kind(old)} and is {_kind(new)}")
        return
    for limit in LIMITS:
        if old.get(limit) != new.get(limit):
            found.append(f"{path or '/'} has another {limit}")
    if old.get("format") != new.get("format"):
        found.append(f"{path or '/'} has another format")
    if old.get("x-mask") != new.get("x-mask"):
        found.append(f"{path or '/'} has another mask class")
    _compare_members(old, new, path, old_root, new_root, found, seen)
    for number, part in enumerate(old.get("anyOf", ())):
        _compare(part, new["anyOf"][number], path, old_root, new_root, found, seen)
    if isinstance(old.get("items"), dict):
        _compare(old["items"], new["items"], f"{path}/*", old_root, new_root, found, seen)


def _compare_members(
    old: Schema, new: Schema, path: str, old_root: Schema, new_root: Schema, found: list[str],
    seen: set[tuple[str, str]],
) -> None:  # fmt: skip
    was, now = old.get("properties", {}), new.get("properties", {})
    for name, member in was.items():
        if name in now:
            _compare(member, now[name], f"{path}/{name}", old_root, new_root, found, seen)
        else:
            found.append(f"{path}/{name} is gone")
    had, needs = set(old.get("required", ())), set(new.get("required", ()))
    found += [f"{path}/{name} is newly required" for name in sorted(needs - had)]
    found += [f"{path}/{name} may be missing now" for name in sorted((had - needs) & now.keys())]


def _resolved(schema: Schema, root: Schema) -> Schema:
    ref = schema.get("$ref")
    return schema if ref is None else root["$defs"][ref.rpartition("/")[2]]


def _kind(schema: Schema) -> str:
    """The type in words; alternatives count and stand in order."""
    if "anyOf" in schema:
        return "one of " + ", ".join(part.get("type", "an object") for part in schema["anyOf"])
    return str(schema.get("type", "anything"))
