"""What a partner's key may see of an API answer; the one serialiser of answers asks here.

A field is classified by its own type (`x-mask` in its schema) or by its name in NAMES. Who asks is
remembered for the request when the key is read, so no handler can forget to mask.
"""

from contextvars import ContextVar
from functools import cache
from typing import Any

import msgspec

from wms.access.masking import FINANCE, INTERNAL, KEEP, PERSONAL, PROFILES, Path
from wms.access.rules import ApiClient, PersonalHidden
from wms.events.keys import Vault
from wms.events.masks import Mask
from wms.settings import Settings

# Names that mean the same in every answer.
NAMES = {
    **dict.fromkeys(("actor", "user", "assignee", "by", "ended_by", "requested_by", "discarded_by",
                     "created_by", "contact", "signed_by", "phone", "email", "street"), PERSONAL),
    **dict.fromkeys(("amount", "amount_minor", "price", "rate_minor", "cost", "charge",
                     "total_minor", "unit_price", "net", "gross", "tax"), FINANCE),
    "screen": INTERNAL,
}  # fmt: skip
# Where a name means something else, or a field is opaque; by struct and field.
SPECIAL: dict[tuple[str, str], str] = {
    ("Adjustment", "decided_by"): PERSONAL,
    ("Pod", "name"): PERSONAL,  # of the file, as the driver's device named it
    ("Proposal", "decided_by"): PERSONAL,
    ("Entry", "actor"): INTERNAL,  # an audit log that does not say who is none
    ("EndpointView", "contact"): INTERNAL,  # the partner's own, as it told us
    ("EndpointWithLag", "contact"): INTERNAL,
    ("Envelope", "actor"): INTERNAL,  # samples; events are masked as they are rendered
    ("EndpointView", "created_by"): INTERNAL,
    ("EndpointWithLag", "created_by"): INTERNAL,
}
# Members of opaque parts: what somebody sent is told back in errors, and may be a name or a street.
BELOW: dict[tuple[str, str], Path] = {("LetterHead", "errors"): ("*", "value")}
PARTIES = ("ship_to", "ship_from", "bill_to")  # addresses as they came in: by member
OPEN_MEMBERS = frozenset({"city", "postcode", "region", "state", "country", "residential"})
EVENTS = ("events",)  # members that hold events of the log: masked by their own type

LOOK: ContextVar[Mask | None] = ContextVar("mask", default=None)


def profile_of(client: ApiClient) -> str:
    """What its scopes let a client see."""
    if "masks:admin" in client.scopes:
        return "full"
    return "finance" if "money:read" in client.scopes else "default"


def require_clear(client: ApiClient, what: str) -> None:
    """What cannot be masked in part, as a picture of a signature, is for those who see persons.

    Raises PersonalHidden.
    """
    if PROFILES[profile_of(client)][PERSONAL] != KEEP:
        raise PersonalHidden(code=client.code, needed="masks:admin", what=what)


def look_as(client: ApiClient, settings: Settings) -> None:
    """From here on this request's answers are for that client."""
    profile = profile_of(client)
    LOOK.set(_mask(profile, settings))


@cache
def _mask(profile: str, settings: Settings) -> Mask:
    return Mask(profile, Vault(settings).mask_key)


def shown(thing: Any) -> Any:
    """An answer as the asking client may see it."""
    mask = LOOK.get()
    return thing if mask is None or mask.keeps_all else _shown(thing, mask)


def _shown(thing: Any, mask: Mask) -> Any:
    if isinstance(thing, dict):
        return {name: _shown(part, mask) for name, part in thing.items()}
    if isinstance(thing, list | tuple):
        return [_shown(part, mask) for part in thing]
    if not isinstance(thing, msgspec.Struct):
        return thing
    changes = mask.changes(classes_of(type(thing)))
    if not changes:
        return thing
    tree = msgspec.to_builtins(thing, enc_hook=_raw)
    for path, action in changes.items():
        if path[-1] in PARTIES:
            _party(tree, path, action, mask)
        elif path[-1] == "data":
            _event(tree, path[:-1], mask)
        else:
            mask.apply(tree, path, action)
    return tree


def _raw(thing: Any) -> Any:
    if isinstance(thing, msgspec.Raw):
        return msgspec.json.decode(thing)
    raise NotImplementedError


@cache
def classes_of(kind: type[msgspec.Struct]) -> dict[Path, str]:
    """Every field of a struct that is not public, by path."""
    _, known = msgspec.json.schema_components([kind])
    found: dict[Path, str] = {}
    _walk(kind.__name__, known, (), found, ())
    return found


def _walk(
    name: str, known: dict[str, Any], path: Path, found: dict[Path, str], above: tuple[str, ...]
) -> None:
    properties: dict[str, Any] = known[name].get("properties", {})
    for field, schema in properties.items():
        here = (*path, field)
        kind = schema.get("x-mask") or SPECIAL.get((name, field)) or NAMES.get(field)
        if below := BELOW.get((name, field)):
            found[(*here, *below)] = PERSONAL
        if field in PARTIES or (field == "data" and path[-2:-1] == EVENTS):
            kind = PERSONAL
        if kind is not None:
            found[here] = kind
            continue
        for part in (schema, *schema.get("anyOf", ())):
            inner, below = part, here
            while isinstance(inner.get("items"), dict):
                inner, below = inner["items"], (*below, "*")
            target = inner.get("$ref", "").rpartition("/")[2]
            if target and target not in above:  # a history of itself is cut: classified above
                _walk(target, known, below, found, (*above, target))


def _party(tree: Any, path: Path, action: str, mask: Mask) -> None:
    """An address keeps where it lies and loses who lives there."""
    for party in _at(tree, path):
        for member in [name for name in party if name not in OPEN_MEMBERS]:
            mask.apply(party, (member,), action)


def _event(tree: Any, path: Path, mask: Mask) -> None:
    """The payload of an event, by the classes of its type."""
    for event in _at(tree, path):
        seen = mask.data(str(event.get("type", "")), msgspec.json.encode(event["data"]).decode())
        if seen is not None:
            event["data"] = msgspec.json.decode(seen)


def _at(tree: Any, path: Path) -> list[dict[str, Any]]:
    found = [tree]
    for name in path:
        if name == "*":
            found = [part for each in found if isinstance(each, list) for part in each]
        else:
            found = [each[name] for each in found if isinstance(each, dict) and each.get(name)]
    return [each for each in found if isinstance(each, dict)]


