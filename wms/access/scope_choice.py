"""From what a person asks for to scopes of the table: `orders:*`, `*:read`, `*`.

Rule: what a pattern opens is the usual; a guarded scope is granted only by its name.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from wms.access.clients import ScopeUnknown
from wms.access.rules import GUARDED, SCOPES, USUAL


def expand_scopes(patterns: Sequence[str]) -> list[str]:
    """In the order of the table. Raises ScopeUnknown for what matches nothing."""
    for pattern in patterns:
        known = SCOPES if pattern in GUARDED else USUAL
        if not any(fnmatchcase(scope, pattern) for scope in known):
            raise ScopeUnknown(scope=pattern, known=", ".join(SCOPES))
    return [
        scope for scope in SCOPES
        if scope in patterns
        or (scope not in GUARDED and any(fnmatchcase(scope, pattern) for pattern in patterns))
    ]  # fmt: skip
