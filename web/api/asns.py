"""Announced deliveries over HTTP: put one by its natural key, read, list, cancel.

Below /v1/warehouses/{code}/asns:
GET    ?state=&owner=&after=&limit=          by expected time, page by page
PUT    /{owner}/{external_id}                one delivery, any number of times
GET    /{owner}/{external_id}                its lines, and what came
POST   /{owner}/{external_id}/cancel         {"reason": "..."}
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post, put

from web.api.admission import DOCUMENTS, URGENT, QueueFull, crowded, reading
from web.api.asked import one_of, word
from web.api.describe import describe
from web.api.jobs import as_job_of_one
from web.api.kept import taken
from web.api.paging import json, limit_of, page, versioned
from web.api.security import REQUEST, partner_of
from web.api.writes import again, document_of, strict
from web.errors import problem
from web.paging import page_place, page_token
from wms.access.clients import narrowed_to, require_owner_code
from wms.db import Tx
from wms.documents import decode, parse
from wms.inbound import asn, queries
from wms.inbound.asn_documents import AsnDoc, KnownLine, Outcome
from wms.inbound.tables import ASN_STATES
from wms.jobs.running import Job
from wms.versions import StaleVersion

ASNS = "/v1/warehouses/{code:str}/asns"
ASN = ASNS + "/{owner:str}/{external_id:str}"
READ = ("not-found", "forbidden-owner")


class Why(msgspec.Struct):
    """The body of a cancellation."""

    reason: Annotated[str, msgspec.Meta(max_length=200, pattern="^[^\\x00]*$")] = ""


class AsnRead(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery with its lines and every receiving act."""

    id: str
    owner: str
    external_id: str
    kind: str
    state: str
    version: int
    source_version: int
    supplier: str
    dock: str
    expected_at: str
    over_tolerance_pct: int
    correlation_id: str
    lines: list[KnownLine]
    receipts: list[queries.ReceiptRow]


class AsnPage(msgspec.Struct):
    """One page of the list."""

    asns: list[queries.AsnRow]


@put(
    ASN, status_code=200, summary="Announce or change one delivery",
    **describe(
        "asns:write", takes=AsnDoc, answers={200: Outcome, 201: Outcome, 202: Job},
        refuses=(
            "validation-failed", "forbidden-owner", "version-mismatch", "stale-version",
            "exists-with-different", "change-window-closed",
        ),
    ),
)  # fmt: skip
async def put_asn(request: REQUEST) -> Response[Any]:
    """Idempotent by (owner, external_id). 201 created, 200 updated, exists or ignored_stale.

    `If-Match: "<version>"` changes that version only (412). An older `source_version` is ignored,
    or refused with `Prefer: handling=strict` (409).
    """
    partner = await partner_of(request, "asns:write")
    owner, external_id = _names(request)
    given = await document_of(request, partner, AsnDoc, owner=owner, external_id=external_id)

    async def announce(tx: Tx) -> Outcome:
        return await asn.announce(
            tx, partner.stamp, partner.client, given.read, if_match=given.expected
        )

    if crowded(partner):
        if given.expected is not None:
            raise QueueFull()
        return await as_job_of_one(request, partner, "asns", given.value)
    outcome = await again(partner, announce, DOCUMENTS)
    outcome = msgspec.structs.replace(outcome, unknown_fields=given.unknown)
    if outcome.outcome == "ignored_stale" and strict(request):
        stale = StaleVersion(
            given=given.read.source_version, version=outcome.version, decided_by=outcome.decided_by
        )
        return problem(stale, request)
    return versioned(outcome, outcome.version, 201 if outcome.outcome == "created" else 200)


@get(
    ASN, summary="One delivery with its lines and what came",
    **describe("asns:read", answers={200: AsnRead}, refuses=READ),
)  # fmt: skip
async def get_asn(request: REQUEST) -> Response[Any]:
    """`ETag` is the version, for `If-Match`."""
    partner = await partner_of(request, "asns:read")
    owner, external_id = _names(request)
    async with reading(partner) as tx:
        await require_owner_code(tx, partner.client, owner)
        known = await asn.find(tx, partner.stamp, owner, external_id)
        if known is None:
            raise asn.UnknownAsn(owner=owner, external_id=external_id)
        receipts = await queries.list_receipts(tx, partner.stamp, known.id)
    values = msgspec.structs.asdict(known)
    values |= {"id": str(known.id), "expected_at": known.expected_at.isoformat()}
    values.pop("owner_id")
    return versioned(AsnRead(**values, receipts=receipts), known.version)


@get(
    ASNS, summary="Deliveries by expected time, page by page",
    **describe(
        "asns:read", answers={200: AsnPage}, listed=True,
        refuses=("bad-request", "forbidden-owner"),
        query={"state": {"enum": ["", *ASN_STATES]}, "owner": str, "after": str, "limit": int},
    ),
)  # fmt: skip
async def list_asns(request: REQUEST) -> Response[Any]:
    """Without `state` those that may be received; `Link: rel="next"` leads on."""
    partner = await partner_of(request, "asns:read")
    limit = limit_of(request, queries.PAGE_MAX)
    state, after = one_of(request, "state", ASN_STATES), request.query_params.get("after", "")
    async with reading(partner) as tx:
        found = await queries.list_asns(
            tx, partner.stamp, state=state, limit=limit, after=page_place(after),
            owner_ids=await narrowed_to(tx, partner.client, word(request, "owner")),
        )  # fmt: skip
    after = page_token(found[-1].expected_at, found[-1].id) if found else ""
    return page(request, "asns", found, limit, after)


@post(
    f"{ASN}/cancel", status_code=200, summary="Cancel one delivery",
    **describe(
        "asns:write", takes=Why, answers={200: Outcome},
        refuses=(*READ, "change-window-closed", "validation-failed"),
    ),
)  # fmt: skip
async def cancel_asn(request: REQUEST) -> Response[Any]:
    """cancelled, or exists when it was cancelled before; 409 once goods are received."""
    partner = await partner_of(request, "asns:write")
    owner, external_id = _names(request)
    body = await taken(request, partner)
    why, _unknown = parse(decode(body) if body else {}, Why)

    async def cancel(tx: Tx) -> Outcome:
        return await asn.cancel(tx, partner.stamp, partner.client, owner, external_id, why.reason)

    return json(await again(partner, cancel, URGENT))


def _names(request: REQUEST) -> tuple[str, str]:
    path = request.path_params
    return str(path["owner"]), str(path["external_id"])


HANDLERS = [put_asn, get_asn, list_asns, cancel_asn]
