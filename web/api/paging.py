"""Pages of lists: `limit`, an opaque `after`, and the `Link` to the next page (RFC 8288)."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response
from litestar.enums import MediaType

from web.api.security import REQUEST
from web.masking import shown
from web.numbers import whole
from web.paging import BadPage

LIMIT_MAX = 10**9 - 1
SHOWN_MAX = 40  # of a wrong value that is told back


def limit_of(request: REQUEST, most: int, default: int = 50) -> int:
    """How many the page shall hold. Raises BadPage."""
    given = request.query_params.get("limit", str(default))
    limit = whole(given, LIMIT_MAX)
    if limit is None:
        raise BadPage(name="limit", value=given[:SHOWN_MAX])
    return max(1, min(limit, most))


def page(
    request: REQUEST, name: str, found: list[Any], limit: int, after: str, **more: object
) -> Response[Any]:
    """A page; a full one leads on to the next."""
    answer = json({name: found, **more})
    if len(found) == limit:
        query: Mapping[str, Any] = {**dict(request.query_params.items()), "after": after}
        answer.headers["Link"] = f'<{request.url.path}?{urlencode(query)}>; rel="next"'
    return answer


def versioned(thing: object, version: int, status: int = 200) -> Response[Any]:
    """A document with its version as `ETag`, for `If-Match`."""
    answer = json(thing, status)
    answer.headers["ETag"] = f'"{version}"'
    return answer


def written(thing: object) -> bytes:
    """An answer as JSON, as the asking client may see it."""
    return msgspec.json.encode(shown(thing))


def lines(things: Iterable[object]) -> bytes:
    """An answer as NDJSON, as the asking client may see it."""
    return b"".join(written(each) + b"\n" for each in things)


def json(thing: object, status: int = 200) -> Response[Any]:
    """An answer, as the asking client may see it."""
    return Response(written(thing), media_type=MediaType.JSON, status_code=status)
