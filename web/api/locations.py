"""Bins over HTTP: put one by its code, read, list.

    /v1/warehouses/{code}/locations              GET ?kind=&updated_since=&after=&limit=
    /v1/warehouses/{code}/locations/{location}   PUT, GET
"""

from typing import Any

import msgspec
from litestar import Response, get, put

from web.api.admission import DOCUMENTS, reading
from web.api.asked import changes, word
from web.api.describe import describe
from web.api.paging import limit_of, page, versioned
from web.api.security import REQUEST, partner_of
from web.api.writes import again, document_of, put_answer
from web.paging import page_token
from wms.db import Tx
from wms.masterdata import locations
from wms.masterdata.locations import Location, LocationDoc, LocationOutcome

LOCATIONS = "/v1/warehouses/{code:str}/locations"
LOCATION = LOCATIONS + "/{location:str}"
PAGE_MAX = 500


class LocationPage(msgspec.Struct):
    """One page of the list."""

    locations: list[Location]


@put(
    LOCATION, status_code=200, summary="Create or change one location",
    **describe(
        "locations:write", takes=LocationDoc, answers={200: LocationOutcome, 201: LocationOutcome},
        refuses=(
            "validation-failed", "version-mismatch", "stale-version", "exists-with-different",
            "conflict", "refused",
        ),
    ),
)  # fmt: skip
async def put_location(request: REQUEST) -> Response[Any]:
    """Idempotent by its code; a member that is left out has its default.

    A location with goods or work keeps its kind, and gets no limit that it already breaks (409).
    """
    partner = await partner_of(request, "locations:write")
    code = str(request.path_params["location"])
    given = await document_of(request, partner, LocationDoc, code=code)

    async def write(tx: Tx) -> LocationOutcome:
        return await locations.put_location(
            tx, partner.stamp, given.read, if_match=given.expected
        )

    return put_answer(request, await again(partner, write, DOCUMENTS), code, given)


@get(
    LOCATION, summary="One location",
    **describe("locations:read", answers={200: Location}, refuses=("not-found",)),
)  # fmt: skip
async def get_location(request: REQUEST) -> Response[Any]:
    """`ETag` is the version, for `If-Match`."""
    partner = await partner_of(request, "locations:read")
    code = str(request.path_params["location"])
    async with reading(partner) as tx:
        found = await locations.get_location(tx, partner.stamp, code)
    return versioned(found, found.version)


@get(
    LOCATIONS, summary="Locations by their last change, page by page",
    **describe(
        "locations:read", answers={200: LocationPage}, listed=True, refuses=("bad-request",),
        query={"kind": str, "updated_since": str, "after": str, "limit": int},
    ),
)  # fmt: skip
async def list_locations(request: REQUEST) -> Response[Any]:
    """One that changes while one walks comes again at the end; none is missed."""
    partner = await partner_of(request, "locations:read")
    limit = limit_of(request, PAGE_MAX)
    since, after = changes(request)
    async with reading(partner) as tx:
        found = await locations.list_locations(
            tx, partner.stamp, kind=word(request, "kind"), since=since, after=after, limit=limit
        )
    token = page_token(found[-1].location.updated_at, found[-1].id) if found else ""
    return page(request, "locations", [each.location for each in found], limit, token)


HANDLERS = [put_location, get_location, list_locations]
