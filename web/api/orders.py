"""Orders over HTTP: put one by its natural key, post many, read, hold, release the hold.

    Below /v1/warehouses/{code}/orders:
    POST                                         up to 1,000 orders in one request
    GET    ?state=&owner=&after=&limit=          by cutoff, page by page
    PUT    /{owner}/{external_id}?dry_run=       one order, any number of times
    GET    /{owner}/{external_id}                lines, cartons, events
    POST   /{owner}/{external_id}/hold           {"reason": "..."}
    POST   /{owner}/{external_id}/release-hold

A rejected order is an event as well, so a rejection commits and is answered, not raised.
"""

from typing import Any

import msgspec
from litestar import Response, get, post, put
from msgspec.json import encode

from web.api import writes
from web.api.admission import DOCUMENTS, URGENT, QueueFull, crowded, reading
from web.api.asked import one_of, plain, word
from web.api.describe import describe
from web.api.jobs import as_job, as_job_of_one
from web.api.kept import taken
from web.api.paging import json, limit_of, page, versioned
from web.api.security import REQUEST, Partner, partner_of
from web.api.writes import again, document_of, keyed, strict, tried
from web.errors import problem
from web.paging import page_place, page_token
from wms.access.clients import narrowed_to, require_owner_code
from wms.access.rules import OwnerForbidden
from wms.db import Tx
from wms.documents import BadDocument, DocumentError, check, decode, parse
from wms.errors import Conflict, WmsError
from wms.jobs.lines import Line
from wms.jobs.running import Job
from wms.outbound import orders, promising, queries
from wms.outbound.cancel_requests import Reason
from wms.outbound.order_documents import OrderDoc, Outcome
from wms.outbound.order_events import OrderHead, UnknownOrder
from wms.outbound.order_events import find_order as find_head
from wms.outbound.promising import Promise
from wms.outbound.queries import Filter
from wms.outbound.tables import ORDER_STATES
from wms.versions import SOURCE_VERSION, StaleVersion, VersionMismatch

BATCH_MAX = 1000
ORDERS = "/v1/warehouses/{code:str}/orders"
ORDER = ORDERS + "/{owner:str}/{external_id:str}"
VERSIONED = ("version-mismatch", "stale-version", "exists-with-different", "validation-failed")
READ = ("not-found", "forbidden-owner")


class ExistsWithDifferent(Conflict):
    say = "Order {external_id} is {state} and differs in {field}: it can no longer change."


class Why(msgspec.Struct):
    """The body of a hold."""

    reason: Reason


class Batch(msgspec.Struct, frozen=True):
    """What became of a batch: one outcome for each order, in the order sent."""

    outcomes: list[Outcome]
    accepted: int
    rejected: int


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """An order after a hold began or ended."""

    id: str
    owner: str
    external_id: str
    state: str
    hold_reason: str
    version: int


class OrderPage(msgspec.Struct):
    """One page of the list."""

    orders: list[queries.OrderRow]


@put(
    ORDER, status_code=200, summary="Create or change one order",
    **describe(
        "orders:write", takes=OrderDoc, answers={200: Outcome | Promise, 201: Outcome, 202: Job},
        query={"dry_run": bool}, refuses=VERSIONED,
    ),
)  # fmt: skip
async def put_order(request: REQUEST) -> Response[Any]:
    """Idempotent by (owner, external_id). 201 created, 200 updated, exists or ignored_stale.

    `If-Match: "<version>"` changes that version only (412). An older `source_version` is ignored,
    or refused with `Prefer: handling=strict` (409). With `dry_run=true` nothing is written: the
    answer says what could be filled now and when it would leave. 202 when too many documents wait
    already: it is kept, and the job says what became of it.
    """
    partner = await partner_of(request, "orders:write")
    _, owner, external_id = names_of(request)
    given = await document_of(request, partner, OrderDoc, owner=owner, external_id=external_id)
    document, expected = given.read, given.expected

    async def accept(tx: Tx) -> Outcome:
        done = await orders.accept(
            tx, partner.stamp, [document], partner.client.owner_ids, if_match=expected
        )
        return done[0]

    async def promise(tx: Tx) -> tuple[Outcome, Promise]:
        outcome = await accept(tx)
        return outcome, await promising.promise(tx, partner.stamp, document, outcome)

    dry = request.query_params.get("dry_run") == "true"
    if crowded(partner):
        if dry or expected is not None:
            raise QueueFull()
        return await as_job_of_one(request, partner, "orders", given.value)
    if dry:
        outcome, promised = await tried(partner, promise)
        refusal = _refusal(request, partner, outcome, expected, document.source_version)
        return json(promised) if refusal is None else problem(refusal, request)
    outcome = await again(partner, accept, DOCUMENTS)
    refusal = _refusal(request, partner, outcome, expected, document.source_version)
    if refusal is not None:
        return problem(refusal, request)
    outcome = msgspec.structs.replace(outcome, unknown_fields=tuple(given.unknown))
    return versioned(outcome, outcome.version, 201 if outcome.outcome == "created" else 200)


def _refusal(
    request: REQUEST, partner: Partner, done: Outcome, expected: int | None, given: int | None
) -> WmsError | None:
    """An outcome that is a problem document, or None."""
    if done.outcome == "rejected":
        if any(error.code == "forbidden-owner" for error in done.errors):
            return OwnerForbidden(code=partner.client.code)
        return BadDocument(done.errors)
    if done.outcome == "version_mismatch":
        return VersionMismatch(
            version=done.version, expected=expected, decided_by=done.decided_by, id=done.id
        )
    if done.outcome == "ignored_stale" and strict(request):
        return StaleVersion(given=given, version=done.version, decided_by=done.decided_by)
    if done.outcome.startswith("exists_with_different_"):
        facts = {"field": done.outcome.removeprefix("exists_with_different_"),
                 "version": done.version, "decided_by": done.decided_by}  # fmt: skip
        if done.decided_by == SOURCE_VERSION:
            return writes.ExistsWithDifferent(name=f"Order {done.external_id}", **facts)
        return ExistsWithDifferent(external_id=done.external_id, state=done.state, **facts)
    return None


@post(
    ORDERS, status_code=200, summary="Create or change many orders",
    **describe(
        "orders:write", takes=list[OrderDoc], answers={200: Batch, 202: Job}, keyed=True,
        refuses=("validation-failed",),
    ),
)  # fmt: skip
async def post_orders(request: REQUEST) -> Response[Any]:
    """A list of orders; good ones go in, each bad one is answered with all its errors.

    With an Idempotency-Key the same request again gets the stored answer.
    """
    partner = await partner_of(request, "orders:write")
    value = decode(await taken(request, partner))
    if not isinstance(value, list) or not 1 <= len(value) <= BATCH_MAX:
        raise BadDocument(
            [DocumentError("", "wrong-length", f"Expected a list of 1 to {BATCH_MAX} orders")]
        )

    async def accept(tx: Tx) -> tuple[int, Batch]:
        every = await accept_values(tx, partner, value)
        rejected = sum(outcome.outcome == "rejected" for outcome in every)
        return 200, Batch(every, len(every) - rejected, rejected)

    if crowded(partner):
        lines = [Line(n, encode(each).decode()) for n, each in enumerate(value, 1)]
        return await as_job(request, partner, "orders", lines)
    return await keyed(request, partner, value, accept, lane=DOCUMENTS)


async def accept_values(tx: Tx, partner: Partner, values: list[Any]) -> list[Outcome]:
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
    return [outcome or next(rest) for outcome in outcomes]


def _malformed(value: Any, errors: list[DocumentError]) -> Outcome:
    names = value if isinstance(value, dict) else {}
    return Outcome(
        outcome="rejected", owner=str(names.get("owner", "")),
        external_id=str(names.get("external_id", "")), errors=errors,
    )  # fmt: skip


@get(
    ORDER, summary="One order with its lines, cartons and events",
    **describe("orders:read", answers={200: queries.Order}, refuses=READ),
)  # fmt: skip
async def get_order(request: REQUEST) -> Response[Any]:
    """`ETag` is the version, for `If-Match`."""
    partner = await partner_of(request, "orders:read")
    async with reading(partner) as tx:
        head = await _head(tx, partner, request)
        order = await queries.find_order(tx, partner.stamp, head.id)
    return versioned(order, head.version)


@get(
    ORDERS, summary="Orders by cutoff, page by page",
    **describe(
        "orders:read", answers={200: OrderPage}, listed=True,
        refuses=("bad-request", "forbidden-owner"),
        query={"state": {"enum": ["", *ORDER_STATES]}, "owner": str, "cause": str, "after": str,
               "limit": int},
    ),
)  # fmt: skip
async def list_orders(request: REQUEST) -> Response[Any]:
    """Without `state` all orders that are not at an end; `Link: rel="next"` leads on."""
    partner = await partner_of(request, "orders:read")
    asked = request.query_params
    limit = limit_of(request, queries.PAGE_MAX)
    which = Filter(state=one_of(request, "state", ORDER_STATES), cause=asked.get("cause", ""))
    async with reading(partner) as tx:
        found = await queries.list_orders(
            tx, partner.stamp, which, after=page_place(asked.get("after", "")), limit=limit,
            owner_ids=await narrowed_to(tx, partner.client, word(request, "owner")),
        )  # fmt: skip
    after = page_token(found[-1].cutoff_at, int(found[-1].id)) if found else ""
    return page(request, "orders", found, limit, after)


@post(
    f"{ORDER}/hold", status_code=200, summary="Hold one order",
    **describe(
        "orders:write", takes=Why, answers={200: Brief},
        refuses=(*READ, "change-window-closed", "validation-failed"),
    ),
)  # fmt: skip
async def hold_order(request: REQUEST) -> Response[Any]:
    """What is being picked goes on; packing and loading stop. Holding twice changes nothing."""
    partner = await partner_of(request, "orders:write")
    why, _ = parse(decode(await taken(request, partner)), Why)

    async def hold(tx: Tx) -> OrderHead:
        head = await _head(tx, partner, request)
        return await orders.hold(tx, partner.stamp, head.id, why.reason)

    return json(_brief(await again(partner, hold, URGENT)))


@post(
    f"{ORDER}/release-hold", status_code=200, summary="Let a held order go on",
    **describe("orders:write", answers={200: Brief}, refuses=READ),
)  # fmt: skip
async def release_hold(request: REQUEST) -> Response[Any]:
    """It goes on where it stood. An order that is not held stays as it is."""
    partner = await partner_of(request, "orders:write")

    async def release(tx: Tx) -> OrderHead:
        head = await _head(tx, partner, request)
        return await orders.release_hold(tx, partner.stamp, head.id)

    return json(_brief(await again(partner, release, URGENT)))


async def _head(tx: Tx, partner: Partner, request: REQUEST) -> OrderHead:
    """The order a request names. Raises UnknownOrder, OwnerForbidden (whether it exists or not)."""
    _, owner, external_id = names_of(request)
    await require_owner_code(tx, partner.client, owner)
    order_id = await orders.find_order_id(tx, partner.stamp, owner, external_id)
    head = None if order_id is None else await find_head(tx, partner.stamp, order_id)
    if head is None:
        raise UnknownOrder(order=external_id)
    return head


def names_of(request: REQUEST) -> tuple[str, str, str]:
    """Warehouse, owner and number of the path."""
    path = request.path_params
    owner, number = (plain(str(path.get(name, "")), name) for name in ("owner", "external_id"))
    return str(path["code"]), owner, number


def _brief(head: OrderHead) -> Brief:
    return Brief(
        id=str(head.id), owner=head.owner, external_id=head.external_id, state=head.state,
        hold_reason=head.hold_reason, version=head.version,
    )  # fmt: skip


HANDLERS = [put_order, post_orders, get_order, list_orders, hold_order, release_hold]
