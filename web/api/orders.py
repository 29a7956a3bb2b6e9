"""Orders over HTTP: put one by its natural key, post many, read, hold, release the hold, cancel.

    Below /v1/warehouses/{code}/orders:
    POST                                         up to 1,000 orders in one request
    GET    ?state=&after=&limit=                 by cutoff, page by page
    PUT    /{owner}/{external_id}                one order, any number of times
    GET    /{owner}/{external_id}                lines, cartons, events
    POST   /{owner}/{external_id}/cancel         {"reason": "..."}
    POST   /{owner}/{external_id}/hold           {"reason": "..."}
    POST   /{owner}/{external_id}/release-hold

A rejected order is an event as well, so a rejection commits and is answered, not raised.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post, put

from web.api.paging import json, limit_of, page
from web.api.security import REQUEST, Partner, partner_of
from web.api.writes import again, keyed, same_as_path
from web.errors import problem
from web.paging import page_place, page_token
from wms.access.rules import OwnerForbidden
from wms.db import Tx
from wms.documents import BadDocument, DocumentError, check, decode, parse
from wms.errors import Conflict
from wms.outbound import cancelling, orders, queries
from wms.outbound.order_documents import OrderDoc, Outcome
from wms.outbound.order_events import OrderHead, UnknownOrder
from wms.outbound.order_events import find_order as find_head
from wms.outbound.queries import Filter

BATCH_MAX = 1000
ORDERS = "/v1/warehouses/{code:str}/orders"
ORDER = ORDERS + "/{owner:str}/{external_id:str}"


class ExistsWithDifferent(Conflict):
    say = "Order {external_id} is {state} and has another {field}: it can no longer change."


class CancelRefused(Conflict):
    say = "Order {external_id} is {stage}: it can no longer be cancelled."


class Why(msgspec.Struct):
    """The body of a hold or a cancellation."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Batch(msgspec.Struct, frozen=True):
    """What became of a batch: one outcome for each order, in the order sent."""

    outcomes: list[Outcome]
    accepted: int
    rejected: int


@put(ORDER, status_code=200, summary="Create or change one order")
async def put_order(request: REQUEST) -> Response[Any]:
    """Idempotent by (owner, external_id). 201 created, 200 updated or unchanged, 409, 422."""
    partner = await partner_of(request, "orders:write")
    value = decode(await request.body())
    _, owner, external_id = _names(request)
    same_as_path(value, "owner", owner)
    same_as_path(value, "external_id", external_id)
    document, unknown = parse(value, OrderDoc)

    async def accept(tx: Tx) -> Outcome:
        return (await orders.accept(tx, partner.stamp, [document], partner.client.owner_ids))[0]

    outcome = await again(partner, accept)
    if outcome.outcome == "rejected":
        if any(error.code == "forbidden-owner" for error in outcome.errors):
            return problem(OwnerForbidden(code=partner.client.code), request)
        return problem(BadDocument(outcome.errors), request)
    if outcome.outcome.startswith("exists_with_different_"):
        field = outcome.outcome.removeprefix("exists_with_different_")
        return problem(
            ExistsWithDifferent(
                external_id=outcome.external_id, field=field, state=outcome.state,
                version=outcome.version,
            ),
            request,
        )  # fmt: skip
    outcome = msgspec.structs.replace(outcome, unknown_fields=tuple(unknown))
    return json(outcome, 201 if outcome.outcome == "created" else 200)


@post(ORDERS, status_code=200, summary="Create or change many orders")
async def post_orders(request: REQUEST) -> Response[Any]:
    """A list of orders; good ones go in, each bad one is answered with all its errors.

    With an Idempotency-Key the same request again gets the stored answer.
    """
    partner = await partner_of(request, "orders:write")
    value = decode(await request.body())
    if not isinstance(value, list) or not 1 <= len(value) <= BATCH_MAX:
        raise BadDocument(
            [DocumentError("", "wrong-length", f"Expected a list of 1 to {BATCH_MAX} orders")]
        )

    async def accept(tx: Tx) -> tuple[int, bytes]:
        return 200, msgspec.json.encode(await _accept_batch(tx, partner, value))

    return await keyed(request, partner, value, accept)


async def _accept_batch(tx: Tx, partner: Partner, values: list[Any]) -> Batch:
    """Orders with schema errors are answered; the others are taken in together."""
    outcomes: list[Outcome | None] = []
    good: list[OrderDoc] = []
    unknown: list[list[str]] = []
    for value in values:
        found = check(value, OrderDoc)
        if found.errors:
            outcomes.append(_malformed(value, found.errors))
        else:
            outcomes.append(None)
            good.append(msgspec.convert(value, OrderDoc))
            unknown.append(found.unknown)
    done = await orders.accept(tx, partner.stamp, good, partner.client.owner_ids) if good else []
    done = [
        msgspec.structs.replace(outcome, unknown_fields=tuple(names))
        for outcome, names in zip(done, unknown, strict=True)
    ]
    rest = iter(done)
    every = [outcome or next(rest) for outcome in outcomes]
    rejected = sum(outcome.outcome == "rejected" for outcome in every)
    return Batch(every, len(every) - rejected, rejected)


def _malformed(value: Any, errors: list[DocumentError]) -> Outcome:
    names = value if isinstance(value, dict) else {}
    return Outcome(
        outcome="rejected", owner=str(names.get("owner", "")),
        external_id=str(names.get("external_id", "")), errors=errors,
    )  # fmt: skip


@get(ORDER, summary="One order with its lines, cartons and events")
async def get_order(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "orders:read")
    async with partner.db.reading() as tx:
        head = await _head(tx, partner, request)
        order = await queries.find_order(tx, partner.stamp, head.id)
    return json(order)


@get(ORDERS, summary="Orders by cutoff, page by page")
async def list_orders(request: REQUEST) -> Response[Any]:
    """Without `state` all orders that are not at an end; `Link: rel="next"` leads on."""
    partner = await partner_of(request, "orders:read")
    asked = request.query_params
    limit = limit_of(request, queries.PAGE_MAX)
    which = Filter(state=asked.get("state", ""), cause=asked.get("cause", ""))
    async with partner.db.reading() as tx:
        found = await queries.list_orders(
            tx, partner.stamp, which, after=page_place(asked.get("after", "")), limit=limit,
            owner_ids=partner.client.owner_ids,
        )  # fmt: skip
    after = page_token(found[-1].cutoff_at, int(found[-1].id)) if found else ""
    return page(request, "orders", found, limit, after)


@post(f"{ORDER}/cancel", status_code=200, summary="Cancel one order")
async def cancel_order(request: REQUEST) -> Response[Any]:
    """cancelled; will_cancel (goods come back first); 409 when it has left."""
    partner = await partner_of(request, "orders:write")
    why, _ = parse(decode(await request.body()), Why)

    async def cancel(tx: Tx) -> cancelling.Cancelled:
        head = await _head(tx, partner, request)
        return await cancelling.cancel(tx, partner.stamp, head.id, why.reason)

    verdict = await again(partner, cancel)
    if verdict.verdict == "refused":
        _, _, external_id = _names(request)
        return problem(CancelRefused(external_id=external_id, stage=verdict.stage), request)
    return json(verdict)


@post(f"{ORDER}/hold", status_code=200, summary="Hold one order")
async def hold_order(request: REQUEST) -> Response[Any]:
    """What is being picked goes on; packing and loading stop. Holding twice changes nothing."""
    partner = await partner_of(request, "orders:write")
    why, _ = parse(decode(await request.body()), Why)

    async def hold(tx: Tx) -> OrderHead:
        head = await _head(tx, partner, request)
        return await orders.hold(tx, partner.stamp, head.id, why.reason)

    return json(_brief(await again(partner, hold)))


@post(f"{ORDER}/release-hold", status_code=200, summary="Let a held order go on")
async def release_hold(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "orders:write")

    async def release(tx: Tx) -> OrderHead:
        head = await _head(tx, partner, request)
        return await orders.release_hold(tx, partner.stamp, head.id)

    return json(_brief(await again(partner, release)))


async def _head(tx: Tx, partner: Partner, request: REQUEST) -> OrderHead:
    """The order a request names. Raises UnknownOrder, OwnerForbidden."""
    _, owner, external_id = _names(request)
    order_id = await orders.find_order_id(tx, partner.stamp, owner, external_id)
    head = None if order_id is None else await find_head(tx, partner.stamp, order_id)
    if head is None:
        raise UnknownOrder(order=external_id)
    partner.require_owner(head.owner_id)
    return head


def _names(request: REQUEST) -> tuple[str, str, str]:
    path = request.path_params
    return str(path["code"]), str(path.get("owner", "")), str(path.get("external_id", ""))


def _brief(head: OrderHead) -> dict[str, Any]:
    return {
        "id": str(head.id), "owner": head.owner, "external_id": head.external_id,
        "state": head.state, "hold_reason": head.hold_reason, "version": head.version,
    }  # fmt: skip


HANDLERS = [
    put_order, post_orders, get_order, list_orders, cancel_order, hold_order, release_hold,
]  # fmt: skip
