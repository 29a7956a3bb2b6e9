"""Corrections of stock that other systems ask for.

Below /v1/warehouses/{code}/inventory/adjustment-requests:
POST                          one correction, idempotent by its request_id
GET    ?state=&owner=&after=&limit=  the partner's own, in the order they came
GET    /{request_id}          where one stands
"""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, post

from web.api.admission import reading
from web.api.asked import number, one_of, word
from web.api.describe import describe
from web.api.kept import taken
from web.api.paging import json, limit_of, page
from web.api.security import REQUEST, partner_of
from web.api.writes import again
from wms.access.clients import narrowed_to
from wms.counting import adjustments
from wms.counting.adjustment_documents import Adjustment, AdjustmentDoc
from wms.counting.tables import REQUEST_STATES
from wms.db import Tx
from wms.documents import decode, parse

REQUESTS = "/v1/warehouses/{code:str}/inventory/adjustment-requests"
State = Literal["", "posted", "counting", "waiting", "refused"]
Id = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class AdjustmentPage(msgspec.Struct):
    """Requests in the order they came."""

    requests: list[Adjustment]


@post(REQUESTS, status_code=201, summary="Ask for a correction of stock",
      **describe("inventory:write", takes=AdjustmentDoc,
                 answers={200: Adjustment, 201: Adjustment, 202: Adjustment},
                 refuses=("malformed-body", "validation-failed", "exists-with-different",
                          "forbidden-owner", "not-found", "refused", "conflict")))  # fmt: skip
async def post_request(request: REQUEST) -> Response[Any]:
    """201 posted, 202 waiting for a supervisor or being counted, 200 known already."""
    partner = await partner_of(request, "inventory:write")
    document, _unknown = parse(decode(await taken(request, partner)), AdjustmentDoc)

    async def ask(tx: Tx) -> Adjustment:
        return await adjustments.request(tx, partner.stamp, partner.client, document)

    done = await again(partner, ask)
    if done.outcome == "exists":
        return json(done)
    return json(done, 201 if done.state == "posted" else 202)


@get(f"{REQUESTS}/{{request_id:str}}", summary="One correction that was asked for",
     **describe("inventory:read", answers={200: Adjustment},
                refuses=("bad-request", "not-found")))  # fmt: skip
async def get_request(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "inventory:read")
    name = str(request.path_params["request_id"])
    if "\x00" in name:
        raise adjustments.UnknownRequest(request=name)
    async with reading(partner) as tx:
        return json(await adjustments.find(tx, partner.stamp, partner.client.code, name))


@get(REQUESTS, summary="Corrections that this partner asked for",
     **describe("inventory:read", answers={200: AdjustmentPage},
                query={"state": State, "owner": str, "after": Id, "limit": int},
                refuses=("bad-request", "not-found", "forbidden-owner"), listed=True))  # fmt: skip
async def list_requests(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "inventory:read")
    limit = limit_of(request, adjustments.PAGE_MAX, 100)
    state = one_of(request, "state", REQUEST_STATES)
    async with reading(partner) as tx:
        found = await adjustments.list_requests(
            tx, partner.stamp, partner.client.code, after=number(request, "after"), limit=limit,
            state=state, owner_ids=await narrowed_to(tx, partner.client, word(request, "owner")),
        )  # fmt: skip
    last = found[-1].id if found else ""
    return page(request, "requests", found, limit, last)


HANDLERS = [post_request, get_request, list_requests]
