"""What a handler takes and answers, said beside it; web.api.openapi builds the document from it.

Bodies are read raw so that a partner hears of every error at once (wms.documents), and the
framework therefore cannot know their shapes. `**describe(...)` in the route decorator says them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

OPT = "described"


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """Shapes are types msgspec can write a JSON Schema of; `refuses` are slugs of PROBLEMS."""

    scope: str = ""
    takes: Any = None
    media: str = "application/json"
    answers: Mapping[int, Any] = {}
    query: Mapping[str, Any] = {}
    refuses: Sequence[str] = ()
    keyed: bool = False  # an Idempotency-Key header may be sent
    listed: bool = False  # answers pages with `Link: rel="next"`


def describe(
    scope: str = "",
    *,
    takes: Any = None,
    media: str = "application/json",
    answers: Mapping[int, Any] | None = None,
    query: Mapping[str, Any] | None = None,
    refuses: Sequence[str] = (),
    keyed: bool = False,
    listed: bool = False,
) -> dict[str, Any]:
    """Keyword arguments for a route decorator. No `scope`: open to everybody."""
    said = Described(
        scope=scope, takes=takes, media=media, answers=answers or {}, query=query or {},
        refuses=refuses, keyed=keyed, listed=listed,
    )  # fmt: skip
    return {"opt": {OPT: said}}
