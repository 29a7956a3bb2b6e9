"""Consignees and suppliers over HTTP: put one by its natural key, read, list.

    /v1/owners/{owner}/parties                   GET ?updated_since=&after=&limit=
    /v1/owners/{owner}/parties/{external_id}     PUT, GET
"""

from typing import Any

import msgspec
from litestar import Response, get, put

from web.api.admission import DOCUMENTS, reading
from web.api.asked import changes
from web.api.describe import describe
from web.api.paging import limit_of, page, versioned
from web.api.security import REQUEST
from web.api.writes import again, at_large, document_of, put_answer
from web.paging import page_token
from wms.db import Tx
from wms.masterdata import items, parties
from wms.masterdata.parties import PartyDoc, PartyOutcome, PartyRead

PARTIES = "/v1/owners/{owner:str}/parties"
PARTY = PARTIES + "/{external_id:str}"
PAGE_MAX = 500
READ = ("not-found", "forbidden-owner")


class PartyPage(msgspec.Struct):
    """One page of the list."""

    parties: list[PartyRead]


@put(
    PARTY, status_code=200, summary="Create or change one party",
    **describe(
        "parties:write", takes=PartyDoc, answers={200: PartyOutcome, 201: PartyOutcome},
        refuses=(
            *READ, "validation-failed", "version-mismatch", "stale-version",
            "exists-with-different",
        ),
    ),
)  # fmt: skip
async def put_party(request: REQUEST) -> Response[Any]:
    """Idempotent by (owner, external_id); a member that is left out has its default."""
    partner = await at_large(request, "parties:write")
    owner, external_id = _names(request)
    given = await document_of(request, partner, PartyDoc, owner=owner, external_id=external_id)

    async def write(tx: Tx) -> PartyOutcome:
        owner_id = await items.get_owner_id(tx, partner.client, owner)
        return await parties.put_party(
            tx, partner.stamp, owner_id, given.read, if_match=given.expected
        )

    return put_answer(request, await again(partner, write, DOCUMENTS), external_id, given)


@get(
    PARTY, summary="One party", **describe("parties:read", answers={200: PartyRead}, refuses=READ)
)
async def get_party(request: REQUEST) -> Response[Any]:
    """`ETag` is the version, for `If-Match`."""
    partner = await at_large(request, "parties:read")
    owner, external_id = _names(request)
    async with reading(partner) as tx:
        owner_id = await items.get_owner_id(tx, partner.client, owner)
        found = await parties.get_party(tx, owner_id, owner, external_id)
    return versioned(found.read(), found.version)


@get(
    PARTIES, summary="Parties by their last change, page by page",
    **describe(
        "parties:read", answers={200: PartyPage}, listed=True, refuses=(*READ, "bad-request"),
        query={"updated_since": str, "after": str, "limit": int},
    ),
)  # fmt: skip
async def list_parties(request: REQUEST) -> Response[Any]:
    """One that changes while one walks comes again at the end; none is missed."""
    partner = await at_large(request, "parties:read")
    limit = limit_of(request, PAGE_MAX)
    since, after = changes(request)
    async with reading(partner) as tx:
        owner_id = await items.get_owner_id(tx, partner.client, str(request.path_params["owner"]))
        found = await parties.list_parties(tx, owner_id, since=since, after=after, limit=limit)
    token = page_token(found[-1].updated_at, found[-1].id) if found else ""
    return page(request, "parties", [each.read() for each in found], limit, token)


def _names(request: REQUEST) -> tuple[str, str]:
    return str(request.path_params["owner"]), str(request.path_params["external_id"])


HANDLERS = [put_party, get_party, list_parties]
