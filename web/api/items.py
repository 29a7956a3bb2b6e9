"""Items over HTTP: put one by its natural key, read, list; barcodes; who may set what, proposals.

    /v1/owners/{owner}/items                     GET ?updated_since=&after=&limit=
    /v1/owners/{owner}/items/{sku}               PUT, GET
    /v1/owners/{owner}/field-owners              GET, PUT {"dimensions": "CUBISCAN"}
    /v1/barcodes/{value}                         GET
    /v1/items/proposals                          GET ?state=&owner=&after=&limit=
    /v1/items/proposals/{id}/accept, /decline    POST
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post, put
from msgspec import Meta

from web.api.admission import DOCUMENTS, QueueFull, crowded, reading
from web.api.asked import changes, number, word
from web.api.describe import describe
from web.api.jobs import as_job_of_one
from web.api.kept import taken
from web.api.paging import json, limit_of, page, versioned
from web.api.security import REQUEST, Partner
from web.api.writes import again, at_large, document_of, put_answer
from web.paging import page_token
from wms.access.clients import narrowed_to
from wms.access.rules import may_see
from wms.db import Tx
from wms.documents import BadDocument, DocumentError, decode, parse
from wms.jobs.running import Job
from wms.masterdata import barcodes_known, items, stewardship
from wms.masterdata.item_documents import CLASSES, ItemDoc, ItemOutcome, ItemRead
from wms.masterdata.stewardship import Proposal

ITEMS = "/v1/owners/{owner:str}/items"
ITEM = ITEMS + "/{sku:str}"
FIELD_OWNERS = "/v1/owners/{owner:str}/field-owners"
PROPOSALS = "/v1/items/proposals"
PAGE_MAX = 500
READ = ("not-found", "forbidden-owner")
FieldOwners = dict[str, Annotated[str, Meta(max_length=64, pattern="^[!-~]*$")]]


class ItemPage(msgspec.Struct):
    """One page of the list."""

    items: list[ItemRead]


class ProposalPage(msgspec.Struct):
    """One page of the list."""

    proposals: list[Proposal]


class Meanings(msgspec.Struct):
    """The items a barcode stands for: one of each owner at most."""

    value: str
    items: list[barcodes_known.Meaning]


@put(
    ITEM, status_code=200, summary="Create or change one item",
    **describe(
        "items:write", takes=ItemDoc, answers={200: ItemOutcome, 201: ItemOutcome, 202: Job},
        refuses=(
            *READ, "validation-failed", "version-mismatch", "stale-version", "barcode-conflict",
            "unit-in-use", "exists-with-different",
        ),
    ),
)  # fmt: skip
async def put_item(request: REQUEST) -> Response[Any]:
    """Idempotent by (owner, sku). 201 created; 200 updated, exists, proposed or ignored_stale.

    Members that are left out stay as they are. Fields that belong to another sender are kept as
    proposals. An older `source_version` of the same sender is ignored, or refused with `Prefer:
    handling=strict`. Factors of units cannot change while there is stock.
    """
    partner = await at_large(request, "items:write")
    owner, sku = _names(request)
    given = await document_of(request, partner, ItemDoc, owner=owner, sku=sku)

    async def write(tx: Tx) -> ItemOutcome:
        return await items.put_item(
            tx, partner.stamp, partner.client, given.read, if_match=given.expected
        )

    if crowded(partner):
        if given.expected is not None:
            raise QueueFull()
        return await as_job_of_one(request, partner, "items", given.value, owner)
    return put_answer(request, await again(partner, write, DOCUMENTS), sku, given)


@get(
    ITEM, summary="One item with its pack levels and barcodes",
    **describe("items:read", answers={200: ItemRead}, refuses=READ),
)  # fmt: skip
async def get_item(request: REQUEST) -> Response[Any]:
    """`ETag` is the version, for `If-Match`."""
    partner = await at_large(request, "items:read")
    owner, sku = _names(request)
    async with reading(partner) as tx:
        owner_id = await items.get_owner_id(tx, partner.client, owner)
        found = await items.find_item(tx, owner_id, sku)
    if found is None:
        raise items.UnknownItem(owner=owner, sku=sku)
    return versioned(found.read(), found.version)


@get(
    ITEMS, summary="Items by their last change, page by page",
    **describe(
        "items:read", answers={200: ItemPage}, listed=True, refuses=(*READ, "bad-request"),
        query={"updated_since": str, "after": str, "limit": int},
    ),
)  # fmt: skip
async def list_items(request: REQUEST) -> Response[Any]:
    """An item that changes while one walks comes again at the end; none is missed."""
    partner = await at_large(request, "items:read")
    limit = limit_of(request, PAGE_MAX)
    since, after = changes(request)
    async with reading(partner) as tx:
        owner_id = await items.get_owner_id(tx, partner.client, str(request.path_params["owner"]))
        found = await items.list_items(tx, owner_id, since=since, after=after, limit=limit)
    token = page_token(found[-1].updated_at, found[-1].id) if found else ""
    return page(request, "items", [each.read() for each in found], limit, token)


@get(
    "/v1/barcodes/{value:str}", summary="What a barcode means",
    **describe("items:read", answers={200: Meanings}, refuses=("not-found", "refused")),
)  # fmt: skip
async def get_barcode(request: REQUEST) -> Response[Any]:
    """The value as it is scanned: a GTIN of any length, a GS1 element string, or any other code."""
    partner = await at_large(request, "items:read")
    value = str(request.path_params["value"])
    async with reading(partner) as tx:
        code, found = await barcodes_known.meanings(tx, value, partner.client.owner_ids)
    return json(Meanings(code, found))


@get(
    FIELD_OWNERS, summary="Which sender may set which fields of items",
    **describe("items:steward", answers={200: FieldOwners}, refuses=READ),
)  # fmt: skip
async def get_field_owners(request: REQUEST) -> Response[Any]:
    """By class of fields. A class that is not named may be set by everybody."""
    partner = await at_large(request, "items:steward")
    async with reading(partner) as tx:
        owner_id = await items.get_owner_id(tx, partner.client, str(request.path_params["owner"]))
        return json(await stewardship.field_owners(tx, owner_id))


@put(
    FIELD_OWNERS, status_code=200, summary="Say which sender may set which fields of items",
    **describe(
        "items:steward", takes=FieldOwners, answers={200: FieldOwners},
        refuses=(*READ, "validation-failed"),
    ),
)  # fmt: skip
async def put_field_owners(request: REQUEST) -> Response[Any]:
    """Codes of API clients by class; an empty code frees the class. Others stay as they are."""
    partner = await at_large(request, "items:steward")
    value = decode(await taken(request, partner))
    if not isinstance(value, dict):
        raise BadDocument([DocumentError("", "wrong-type", "Expected an object")])
    errors = [
        DocumentError(f"/{name}", "unknown-class", "No such class of fields", None, CLASSES)
        for name in value
        if name not in CLASSES
    ]
    if errors:
        raise BadDocument(errors)
    owners, _ = parse(value, FieldOwners)

    async def write(tx: Tx) -> dict[str, str]:
        owner_id = await items.get_owner_id(tx, partner.client, str(request.path_params["owner"]))
        return await stewardship.set_field_owners(tx, owner_id, owners)

    return json(await again(partner, write))


@get(
    PROPOSALS, summary="Values that wait for a decision",
    **describe(
        "items:read", answers={200: ProposalPage}, listed=True,
        refuses=("bad-request", "forbidden-owner"),
        query={"state": str, "owner": str, "after": int, "limit": int},
    ),
)  # fmt: skip
async def list_proposals(request: REQUEST) -> Response[Any]:
    """The oldest first; `state` is open (without it), accepted or declined."""
    partner = await at_large(request, "items:read")
    limit = limit_of(request, PAGE_MAX)
    state, after = word(request, "state") or "open", number(request, "after")
    async with reading(partner) as tx:
        mine = await narrowed_to(tx, partner.client, word(request, "owner"))
        found = await stewardship.list_proposals(
            tx, state=state, after=after, limit=limit, owner_ids=mine
        )
    return page(request, "proposals", found, limit, found[-1].id if found else "")


DECIDED = describe(
    "items:steward", answers={200: Proposal},
    refuses=("not-found", "conflict", "barcode-conflict", "unit-in-use"),
)  # fmt: skip


@post(f"{PROPOSALS}/{{id:int}}/accept", status_code=200, summary="Take a proposed value", **DECIDED)
async def accept_proposal(request: REQUEST) -> Response[Any]:
    """The field gets the value, and the item a new version. Accepting twice changes nothing."""
    return await _decide(request, "accepted")


@post(
    f"{PROPOSALS}/{{id:int}}/decline", status_code=200, summary="Refuse a proposed value", **DECIDED
)
async def decline_proposal(request: REQUEST) -> Response[Any]:
    """The field stays as it is. Declining twice changes nothing."""
    return await _decide(request, "declined")


async def _decide(request: REQUEST, state: str) -> Response[Any]:
    partner = await at_large(request, "items:steward")
    id = min(max(int(request.path_params["id"]), 0), 2**62)

    async def decide(tx: Tx) -> Proposal:
        return await _decided(tx, partner, id, state)

    return json(await again(partner, decide))


async def _decided(tx: Tx, partner: Partner, id: int, state: str) -> Proposal:
    asked = await stewardship.get_proposal(tx, id)
    if not may_see(partner.client, asked.owner_id):
        raise stewardship.UnknownProposal(id=id)
    stored = await items.take_item(tx, asked.owner_id, asked.sku)
    new = await stewardship.close(tx, partner.stamp, id, state)
    if new is not None and state == "accepted":
        await items.change(tx, partner.stamp, stored, {new.field: new.value}, new.source)
    return await stewardship.get_proposal(tx, id)


def _names(request: REQUEST) -> tuple[str, str]:
    return str(request.path_params["owner"]), str(request.path_params["sku"])


HANDLERS = [
    put_item, get_item, list_items, get_barcode, get_field_owners, put_field_owners,
    list_proposals, accept_proposal, decline_proposal,
]  # fmt: skip
