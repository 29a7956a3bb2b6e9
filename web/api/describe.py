"""What a handler takes and answers, said beside it; web.api.openapi builds the document from it.

Bodies are read raw so that a partner hears of every error at once (wms.documents), and the
framework therefore cannot know their shapes. `**describe(...)` in the route decorator says them.
"""

from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

OPT = "described"


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """Shapes are types msgspec can write a JSON Schema of, or a JSON Schema; an answer of None has
    no body. `refuses` are slugs of PROBLEMS."""

    scope: str = ""
    or_scope: str = ""  # opens it as well
    takes: Any = None
    media: str = "application/json"
    answers: Mapping[int, Any] = {}
    answer_media: str = "application/json"
    query: Mapping[str, Any] = {}
    refuses: Sequence[str] = ()
    keyed: bool = False  # an Idempotency-Key header may be sent
    listed: bool = False  # answers pages with `Link: rel="next"`


def describe(
    scope: str = "",
    *,
    or_scope: str = "",
    takes: Any = None,
    media: str = "application/json",
    answers: Mapping[int, Any] | None = None,
    answer_media: str = "application/json",
    query: Mapping[str, Any] | None = None,
    refuses: Sequence[str] = (),
    keyed: bool = False,
    listed: bool = False,
) -> dict[str, Any]:
    """Keyword arguments for a route decorator. No `scope`: open to everybody."""
    said = Described(
        scope=scope, or_scope=or_scope, takes=takes, media=media, answers=answers or {},
        answer_media=answer_media, query=query or {}, refuses=refuses, keyed=keyed, listed=listed,
    )  # fmt: skip
    return {"opt": {OPT: said}}


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path, with what its handler says of itself."""

    path: str
    method: str
    path_params: Sequence[str]
    name: str
    summary: str
    text: str
    said: Described | None


PUBLIC = ("/v1/", "/oauth/")


def operations(app: Litestar) -> list[Operation]:
    """Everything that partners may call, by path and method."""
    found: list[Operation] = []
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or not route.path_format.startswith(PUBLIC):
            continue
        for handler in route.route_handlers:
            if handler.include_in_schema is False and OPT not in handler.opt:
                continue
            found += [
                _operation(route, handler, str(method))
                for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"})
            ]
    return sorted(found, key=lambda each: (each.path, each.method))


def _operation(route: HTTPRoute, handler: HTTPRouteHandler, method: str) -> Operation:
    function: Any = handler.fn
    return Operation(
        path=route.path_format, method=method.lower(), path_params=list(route.path_parameters),
        name=function.__name__, summary=handler.summary or "",
        text=cleandoc(function.__doc__ or ""), said=handler.opt.get(OPT),
    )  # fmt: skip
