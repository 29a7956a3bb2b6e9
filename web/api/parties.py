"""Consignees and suppliers over HTTP: put one by its natural key, read, list.

    /v1/owners/{owner}/parties                   GET ?updated_since=&after=&limit=
    /v1/owners/{owner}/parties/{external_id}     PUT, GET
"""

from typing import Any

import msgspec
from litestar import Response, get, put

from web.api.admission import DOCUMENTS, reading
from web.api.asked import EARLIEST, moment, word
from web.api.describe import describe
from web.api.kept import taken
from web.api.paging import json, limit_of, page
from web.api.security import REQUEST
from web.api.writes import again, at_large, if_match, outcome_problem, same_as_path
from web.errors import problem
from web.paging import page_place, page_token
from wms.db import Tx
from wms.documents import decode, parse
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
    value = decode(await taken(request, partner))
    same_as_path(value, "owner", owner)
    same_as_path(value, "external_id", external_id)
    document, unknown = parse(value, PartyDoc)
    expected = if_match(request)

    async def write(tx: Tx) -> PartyOutcome:
        owner_id = await items.get_owner_id(tx, partner.client, owner)
        return await parties.put_party(tx, partner.stamp, owner_id, document, if_match=expected)

    done = await again(partner, write, DOCUMENTS)
    refusal = outcome_problem(request, done, external_id, expected, document.source_version)
    if refusal is not None:
        return problem(refusal, request)
    done = msgspec.structs.replace(done, unknown_fields=unknown)
    answer = json(done, 201 if done.outcome == "created" else 200)
    answer.headers["ETag"] = f'"{done.version}"'
    return answer


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
    answer = json(found.read())
    answer.headers["ETag"] = f'"{found.version}"'
    return answer


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
    since = moment(request, "updated_since") or EARLIEST
    after = page_place(word(request, "after")) or (EARLIEST, 0)
    async with reading(partner) as tx:
        owner_id = await items.get_owner_id(tx, partner.client, str(request.path_params["owner"]))
        found = await parties.list_parties(tx, owner_id, since=since, after=after, limit=limit)
    token = page_token(found[-1].updated_at, found[-1].id) if found else ""
    return page(request, "parties", [each.read() for each in found], limit, token)


def _names(request: REQUEST) -> tuple[str, str]:
    return str(request.path_params["owner"]), str(request.path_params["external_id"])


HANDLERS = [put_party, get_party, list_parties]
