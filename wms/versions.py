"""Which of two versions of one document wins, and the rule that said so.

The order of truth: the document's state, `If-Match`, the sender's `source_version`, who owns a
field, and then the last writer. Every answer names the rule that decided (`decided_by`).
"""

import msgspec

from wms.errors import Conflict

STATE, IF_MATCH, SOURCE_VERSION = "state", "if_match", "source_version"
FIELD_OWNER, LAST_WRITER, CONTENT = "field_owner", "last_writer", "content"


class VersionMismatch(Conflict):
    say = "It is version {version} now, not {expected}: read it, then decide again."


class StaleVersion(Conflict):
    say = "Source version {given} is older than the stored one: nothing was changed."


class Decision(msgspec.Struct, frozen=True):
    """What becomes of a document, and which rule said so."""

    outcome: str
    by: str


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stored document stands, and what the one that came says of it."""

    version: int
    source_version: int
    if_match: int | None = None
    given: int | None = None  # source_version of the one that came

    @property
    def stale(self) -> bool:
        return self.given is not None and self.given < self.source_version

    @property
    def counts_on(self) -> bool:
        """The sender's count has gone on, so what it counted before is stale from now on."""
        return self.given is not None and self.given > self.source_version

    @property
    def counted_twice(self) -> bool:
        """The sender gave one number to two contents."""
        return self.given is not None and 0 < self.given == self.source_version


def decide(versions: Versions, changed: list[str], *, changeable: bool) -> Decision:
    """`changed` are the fields that differ; `changeable` is what the document's state allows.

    A document that says nothing new is `exists` whatever its If-Match, so a retry is never refused;
    its source version counts all the same (`counts_on`).
    """
    if not versions.stale:
        if not changed:
            return Decision("exists", CONTENT)
        if not changeable:
            return Decision(f"exists_with_different_{changed[0]}", STATE)
    if versions.if_match is not None and versions.if_match != versions.version:
        return Decision("version_mismatch", IF_MATCH)
    if versions.stale:
        return Decision("ignored_stale", SOURCE_VERSION)
    if versions.counted_twice:
        return Decision(f"exists_with_different_{changed[0]}", SOURCE_VERSION)
    if versions.if_match is not None:
        return Decision("updated", IF_MATCH)
    return Decision("updated", LAST_WRITER if versions.given is None else SOURCE_VERSION)
