"""From what a person asks for to scopes of the table: `orders:*`, `*:read`, `*`."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from wms.access.clients import ScopeUnknown
from wms.access.rules import SCOPES


def expand_scopes(patterns: Sequence[str]) -> list[str]:
    """In the order of the table. Raises ScopeUnknown for what matches nothing."""
    for pattern in patterns:
        if not any(fnmatchcase(scope, pattern) for scope in SCOPES):
            raise ScopeUnknown(scope=pattern, known=", ".join(SCOPES))
    return [
        scope for scope in SCOPES if any(fnmatchcase(scope, pattern) for pattern in patterns)
    ]
