"""What of a field may be seen: every field has a class, a profile says what is done with a class.

Classes: public; internal (how the house works); personal (a person can be recognised); finance;
secret. A hash is keyed with the installation's key, so equal values stay joinable and nobody else
can try them out. One profile covers events and API answers alike.
"""

import hmac
from collections.abc import Mapping
from typing import Any

from wms.errors import Invalid

PUBLIC, INTERNAL, PERSONAL, FINANCE, SECRET = CLASSES = (
    "public", "internal", "personal", "finance", "secret",
)  # fmt: skip
KEEP, DROP, HASH, LAST4 = ACTIONS = ("keep", "drop", "hash", "last4")


def _profile(personal: str, finance: str, internal: str = KEEP) -> dict[str, str]:
    return {PUBLIC: KEEP, INTERNAL: internal, PERSONAL: personal, FINANCE: finance, SECRET: DROP}


PROFILES: dict[str, dict[str, str]] = {
    "default": _profile(HASH, DROP),
    "finance": _profile(HASH, KEEP),
    "full": _profile(KEEP, KEEP),
    "strict": _profile(DROP, DROP, DROP),
    "support": _profile(LAST4, DROP),
}
OPEN_PROFILES = ("default", "strict")  # those an integrator may choose without an admin's word

Path = tuple[str, ...]  # `*` stands for each element of a list or each value of a mapping


class BadProfile(Invalid):
    say = "{profile!r} is no mask profile; there are {known}."


def require_profile(name: str) -> None:
    """Raises BadProfile."""
    if name not in PROFILES:
        raise BadProfile(profile=name, known=", ".join(sorted(PROFILES)))


class Cover:
    """One profile with the key of its hashes."""

    def __init__(self, profile: str, key: bytes) -> None:
        """Raises BadProfile."""
        require_profile(profile)
        self.actions = PROFILES[profile]
        self._key = key
        self.keeps_all = all(
            action == KEEP for kind, action in self.actions.items() if kind != SECRET
        )

    def changes(self, paths: Mapping[Path, str]) -> dict[Path, str]:
        """Of classified paths, those that this profile does not just keep, with what it does."""
        found = {path: self.actions[kind] for path, kind in paths.items()}
        return {path: action for path, action in found.items() if action != KEEP}

    def apply(self, tree: Any, path: Path, action: str) -> None:
        """Does `action` to what stands at `path`, in place."""
        head, rest = path[0], path[1:]
        if head == "*":
            each = tree.values() if isinstance(tree, dict) else tree
            for part in each if isinstance(tree, dict | list) else ():
                self.apply(part, rest, action)
            return
        if not isinstance(tree, dict) or tree.get(head) in (None, ""):
            return
        if rest:
            self.apply(tree[head], rest, action)
        elif action == DROP:
            del tree[head]
        else:
            tree[head] = self.cover(tree[head], action)

    def cover(self, value: Any, action: str) -> Any:
        """A value as the profile shows it; of a list or mapping, each value in it."""
        if isinstance(value, dict):
            return {name: self.cover(part, action) for name, part in value.items()}
        if isinstance(value, list):
            return [self.cover(part, action) for part in value]
        if value in (None, ""):
            return value
        kind, colon, name = str(value).partition(":")
        if colon and kind in ("partner", "system"):  # who acted: a system is no person
            return value
        if colon and kind == "user":
            return f"user:{self._cover(name, action)}"
        return self._cover(str(value), action)

    def actor(self, actor: str) -> str:
        """The envelope's actor: a person is personal, a system or partner is not."""
        action = self.actions[PERSONAL]
        if action == KEEP or not actor.startswith("user:"):
            return actor
        return "" if action == DROP else self.cover(actor, action)

    def _cover(self, text: str, action: str) -> str:
        if action == LAST4:
            return f"…{text[-4:]}" if len(text) > 8 else "…"
        return f"h_{hmac.new(self._key, text.encode(), 'sha256').hexdigest()[:20]}"
