"""What an integrator asks for when an endpoint is made, and every way in which it can be wrong."""

from typing import Annotated, Any

import msgspec

from wms.errors import Invalid
from wms.events import keys
from wms.events.leases import EndpointRow
from wms.events.masks import require_profile
from wms.events.subscription import BadPredicate, Subscription
from wms.events.tables import MEDIA

Word = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Words = Annotated[list[Word], msgspec.Meta(max_length=500)]


class BadEndpoint(Invalid):
    say = "{field} is wrong: {reason}"


class NewEndpoint(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What an integrator asks for. `start` is `now` or `beginning` of the log."""

    code: Word
    url: Annotated[str, msgspec.Meta(max_length=2000)]
    name: Word = ""
    warehouses: Words = msgspec.field(default_factory=list)
    types: Words = msgspec.field(default_factory=lambda: ["*"])
    owners: Words = msgspec.field(default_factory=list)
    predicate: dict[str, Any] | None = None
    mode: str = "ordered"
    media: str = "json"
    lanes: int = 1
    max_inflight: int = 32
    max_batch: Annotated[int, msgspec.Meta(ge=1, le=100)] = 100
    rate_per_s: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    timeout_ms: int = 15_000
    mask_profile: str = "default"
    conflate: bool = False
    on_dead: str = "continue"
    log_attempts: str = "all"
    team: Word = ""
    contact: Word = ""
    start: str = "now"
    alg: str = keys.HMAC


def check_new(new: NewEndpoint, sites: set[str]) -> None:
    """Raises BadEndpoint, BadProfile, BadPattern, BadPredicate."""
    bad: list[tuple[str, str]] = [
        ("code", "use letters, digits, dash and underscore")
        for _ in [0] if not new.code.replace("-", "").replace("_", "").isalnum()
    ]  # fmt: skip
    bad += [("warehouses", f"no warehouse {code}") for code in new.warehouses if code not in sites]
    for field, allowed in {
        "mode": ("ordered", "unordered", "batch"),
        "media": MEDIA,
        "on_dead": ("continue", "block_key"),
        "log_attempts": ("all", "failures"),
        "start": ("now", "beginning"),
        "alg": (keys.HMAC, keys.ED25519),
        "lanes": (1, 2, 4, 8, 16, 32, 64),
    }.items():
        if getattr(new, field) not in allowed:
            bad.append((field, f"one of {', '.join(map(str, allowed))}"))
    if not 1000 <= new.timeout_ms <= 30_000:
        bad.append(("timeout_ms", "1000 to 30000"))
    if not 1 <= new.max_inflight <= 256:
        bad.append(("max_inflight", "1 to 256"))
    if bad:
        raise BadEndpoint(field=bad[0][0], reason="; ".join(reason for _, reason in bad))
    require_profile(new.mask_profile)
    if new.predicate is not None and rb"\u0000" in msgspec.json.encode(new.predicate):
        raise BadPredicate(where="filter", reason="a NUL character is in no event")
    Subscription(as_row(0, new))


def as_row(id: int, new: NewEndpoint) -> EndpointRow:
    """The endpoint as deliveries see it."""
    values = msgspec.structs.asdict(new)
    names = {field.name for field in msgspec.structs.fields(EndpointRow)}
    return EndpointRow(**{"id": id, "allow": []} | {k: v for k, v in values.items() if k in names})
