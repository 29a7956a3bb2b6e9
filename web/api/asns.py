"""Announced deliveries over HTTP: put one by its natural key, read, list, cancel.

Below /v1/warehouses/{code}/asns:
GET    ?state=&after=&limit=                 by expected time, page by page
PUT    /{owner}/{external_id}                one delivery, any number of times
GET    /{owner}/{external_id}                its lines, and what came
POST   /{owner}/{external_id}/cancel         {"reason": "..."}
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post, put

from web.api.paging import BadPage, json, limit_of, page
from web.api.security import REQUEST, partner_of
from web.api.writes import again, same_as_path
from wms.db import Tx
from wms.documents import decode, parse
from wms.inbound import asn, queries
from wms.inbound.asn_documents import AsnDoc, Outcome

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ASNS = "/v1/warehouses/{code:str}/asns"
ASN = ASNS + "/{owner:str}/{external_id:str}"


class Why(msgspec.Struct):
    """The body of a cancellation."""

    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


@put(ASN, status_code=200, summary="Announce or change one delivery")
async def put_asn(request: REQUEST) -> Response[Any]:
    """Idempotent by (owner, external_id). 201 created, 200 updated or unchanged, 409, 422."""
    partner = await partner_of(request, "asns:write")
    owner, external_id = _names(request)
    value = decode(await request.body())
    same_as_path(value, "owner", owner)
    same_as_path(value, "external_id", external_id)
    document, unknown = parse(value, AsnDoc)

    async def announce(tx: Tx) -> Outcome:
        return await asn.announce(tx, partner.stamp, partner.client, document)

    outcome = msgspec.structs.replace(await again(partner, announce), unknown_fields=unknown)
    return json(outcome, 201 if outcome.outcome == "created" else 200)


@get(ASN, summary="One delivery with its lines and what came")
async def get_asn(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "asns:read")
    owner, external_id = _names(request)
    async with partner.db.reading() as tx:
        known = await asn.find(tx, partner.stamp, owner, external_id)
        if known is None:
            raise asn.UnknownAsn(owner=owner, external_id=external_id)
        partner.require_owner(known.owner_id)
        receipts = await queries.list_receipts(tx, partner.stamp, known.id)
    answer = msgspec.to_builtins(known) | {"id": str(known.id), "receipts": receipts}
    answer.pop("owner_id")
    return json(answer)


@get(ASNS, summary="Deliveries by expected time, page by page")
async def list_asns(request: REQUEST) -> Response[Any]:
    """Without `state` those that may be received; `Link: rel="next"` leads on."""
    partner = await partner_of(request, "asns:read")
    asked = request.query_params
    limit = limit_of(request, queries.PAGE_MAX)
    async with partner.db.reading() as tx:
        found = await queries.list_asns(
            tx, partner.stamp, state=asked.get("state", ""), limit=limit,
            after=_place(asked.get("after", "")), owner_ids=partner.client.owner_ids,
        )  # fmt: skip
    after = _token(found[-1].expected_at, found[-1].id) if found else ""
    return page(request, "asns", found, limit, after)


@post(f"{ASN}/cancel", status_code=200, summary="Cancel one delivery")
async def cancel_asn(request: REQUEST) -> Response[Any]:
    """cancelled, or exists when it was cancelled before; 409 once goods are received."""
    partner = await partner_of(request, "asns:write")
    owner, external_id = _names(request)
    body = await request.body()
    why, _unknown = parse(decode(body) if body else {}, Why)

    async def cancel(tx: Tx) -> Outcome:
        return await asn.cancel(tx, partner.stamp, partner.client, owner, external_id, why.reason)

    return json(await again(partner, cancel))


def _names(request: REQUEST) -> tuple[str, str]:
    path = request.path_params
    return str(path["owner"]), str(path["external_id"])


def _token(at: datetime, id: int) -> str:
    """A place in the list, opaque to others."""
    return f"{(at - EPOCH) // timedelta(microseconds=1)}.{id}"


def _place(token: str) -> tuple[datetime, int] | None:
    """Raises BadPage."""
    if not token:
        return None
    try:
        at, _, id = token.partition(".")
        return EPOCH + timedelta(microseconds=int(at)), int(id)
    except (ValueError, OverflowError):
        raise BadPage(name="after", value=token) from None


HANDLERS = [put_asn, get_asn, list_asns, cancel_asn]
