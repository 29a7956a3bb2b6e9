"""Reconciliation over HTTP: is what a partner holds the same as what the warehouse holds?

Below /v1/warehouses/{code}/reconciliation:
GET  /stream?from_pos=&to_pos=&by=hour|type|range&parts=     the log in counts and hashes
POST /stream/compare    {"ranges": [{"from_pos", "to_pos", "count", "hash"} or {…, "ids"}]}
GET  /stock?owner=&prefix=&as_of_pos=       totals by owner, or of an owner's buckets and items
GET  /snapshots                             stored trial balances, newest first
POST /snapshots                             store and publish one now
GET  /documents?from=&to=                   orders and deliveries by day and owner, differences
GET  /backlog                               everything unsettled, by kind and age

A range's hash is SHA-256, in hexadecimal, over the 16 bytes of each event id in position order.
A consumer halves (or cuts in a thousand) what differs, and sends ids at the end. An item is in the
bucket that SHA-256 of its SKU begins with; `wms.reconciliation.stock.Totals` says how it is hashed.
"""

from datetime import date, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post

from web.api.asked import day, number, word
from web.api.describe import describe
from web.api.paging import json
from web.api.security import REQUEST, Partner, partner_of
from web.api.writes import again
from web.paging import BadPage
from wms.documents import decode, parse
from wms.events.queries import list_owners
from wms.reconciliation import documents, stock, streams
from wms.reconciliation.documents import DeliveriesOfDay, Difference, OrdersOfDay, Span, Waiting
from wms.reconciliation.stock import Snapshot, StockLine, Totals, Which
from wms.reconciliation.streams import PARTS_MAX, Differing, Part, Range

BASE = "/v1/warehouses/{code:str}/reconciliation"
READ = "exceptions:read"
BYS = ("range", "hour", "type")


class Summary(msgspec.Struct, kw_only=True):
    """The log from one position to another. `first_kept_pos`: what is older was let go."""

    from_pos: int
    to_pos: int
    first_kept_pos: int
    head_pos: int
    by: Annotated[str, msgspec.Meta(extra_json_schema={"x-mask": "public"})]  # not who
    parts: list[Part]


class Compare(msgspec.Struct):
    """What a consumer holds."""

    ranges: Annotated[list[Range], msgspec.Meta(min_length=1, max_length=PARTS_MAX)]


class Compared(msgspec.Struct, kw_only=True):
    """Where it holds something else."""

    equal: bool
    head_pos: int
    differing: list[Differing]


@get(f"{BASE}/stream", summary="The event log in counts and hashes", **describe(
    READ, answers={200: Summary}, refuses=("bad-request", "refused"),
    query={"from_pos": int, "to_pos": int, "by": str, "parts": int},
))  # fmt: skip
async def show_stream(request: REQUEST) -> Response[Any]:
    """Without positions the newest of what is kept, at most as much as one request may span."""
    partner = await partner_of(request, READ)
    by = word(request, "by") or "range"
    if by not in BYS:
        raise BadPage(name="by", value=by)
    parts = max(1, min(number(request, "parts", 16), PARTS_MAX))
    async with partner.db.reading() as tx:
        owners = await _owners(tx, partner)
        head = await streams.get_head(tx, partner.stamp)
        to_pos = min(number(request, "to_pos", head.head_pos), head.head_pos)
        from_pos = max(number(request, "from_pos", max(1, to_pos - streams.SPAN_MAX + 1)),
                       head.first_pos)  # fmt: skip
        found = await streams.summarize(
            tx, partner.stamp, from_pos, to_pos, by, parts, owners
        )
    return json(Summary(
        from_pos=from_pos, to_pos=to_pos, first_kept_pos=head.first_pos, head_pos=head.head_pos,
        by=by, parts=found,
    ))  # fmt: skip


@post(f"{BASE}/stream/compare", status_code=200, summary="Which events does a consumer miss?",
      **describe(READ, takes=Compare, answers={200: Compared},
                 refuses=("bad-request", "malformed-body", "validation-failed", "refused")),
)  # fmt: skip
async def compare_stream(request: REQUEST) -> Response[Any]:
    """Answers the ranges that differ; where ids were sent, exactly which events are missing."""
    partner = await partner_of(request, READ)
    body, _ = parse(decode(await request.body()), Compare)
    async with partner.db.reading() as tx:
        owners = await _owners(tx, partner)
        head = await streams.get_head(tx, partner.stamp)
        differing = await streams.compare(tx, partner.stamp, body.ranges, owners)
    async with partner.db.transaction() as tx:
        await streams.note_compared(
            tx, partner.stamp, partner.client.code, body.ranges, differing, head
        )
    return json(Compared(equal=not differing, head_pos=head.head_pos, differing=differing))


async def _owners(tx: Any, partner: Partner) -> list[str] | None:
    """Codes of the owners a partner is narrowed to, or None."""
    ids = partner.client.owner_ids
    return await list_owners(tx, ids) if ids else None


class StockAnswer(msgspec.Struct, kw_only=True):
    """Without `owner`: totals of owners. With: totals of the buckets below `prefix`, and the lines
    when there are few."""

    as_of_pos: int
    owner: str
    prefix: str
    totals: list[Totals]
    lines: list[StockLine]


class SnapshotAnswer(msgspec.Struct, kw_only=True):
    """A stored trial balance with what it says of the owners the partner may see."""

    snapshot: Snapshot
    totals: list[Totals]


class Snapshots(msgspec.Struct):
    snapshots: list[Snapshot]


@get(f"{BASE}/stock", summary="The trial balance of the stock", **describe(
    READ, answers={200: StockAnswer}, refuses=("bad-request", "not-found", "busy"),
    query={"owner": str, "prefix": str, "as_of_pos": int},
))  # fmt: skip
async def show_stock(request: REQUEST) -> Response[Any]:
    """Of now, or with `as_of_pos` of a stored one, which stands still while it is compared."""
    partner = await partner_of(request, READ)
    prefix = word(request, "prefix").lower()
    if len(prefix) > 63 or prefix.strip("0123456789abcdef"):
        raise BadPage(name="prefix", value=prefix)
    asked = "as_of_pos" in request.query_params
    which = Which(
        owner=word(request, "owner"), prefix=prefix, owner_ids=partner.client.owner_ids,
        as_of_pos=number(request, "as_of_pos") if asked else None,
    )  # fmt: skip
    lines: list[StockLine] = []
    async with partner.db.reading() as tx:
        if which.owner:
            found = await stock.by_bucket(tx, partner.stamp, which)
            lines = await stock.list_lines(tx, partner.stamp, which)
        else:
            found = await stock.by_owner(tx, partner.stamp, which)
    return json(StockAnswer(
        as_of_pos=found.as_of_pos, owner=which.owner, prefix=prefix, totals=found.totals,
        lines=lines,
    ))  # fmt: skip


@get(f"{BASE}/snapshots", summary="Stored trial balances, newest first",
     **describe(READ, answers={200: Snapshots}))  # fmt: skip
async def list_snapshots(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, READ)
    async with partner.db.reading() as tx:
        found = await stock.list_snapshots(tx, partner.stamp, 50, partner.client.owner_ids)
    return json(Snapshots(found))


@post(f"{BASE}/snapshots", status_code=201, summary="Store and publish a trial balance", **describe(
    "exceptions:write", answers={200: SnapshotAnswer, 201: SnapshotAnswer}, refuses=("busy",),
))  # fmt: skip
async def publish_snapshot(request: REQUEST) -> Response[Any]:
    """201; 200 when there is one of this position already."""
    partner = await partner_of(request, "exceptions:write")
    made, new = await again(partner, lambda tx: stock.publish(tx, partner.stamp))
    which = Which(as_of_pos=made.as_of_pos, owner_ids=partner.client.owner_ids)
    async with partner.db.reading() as tx:
        told = await stock.by_owner(tx, partner.stamp, which)
    mine = msgspec.structs.replace(
        made, lines=sum(each.lines for each in told.totals),
        units=sum(sum(each.units.values()) for each in told.totals),
    )  # fmt: skip
    return json(SnapshotAnswer(snapshot=mine, totals=told.totals), 201 if new else 200)


class Documents(msgspec.Struct, kw_only=True):
    """Orders by the day they came in, deliveries by the day they were expected."""

    orders: list[OrdersOfDay]
    deliveries: list[DeliveriesOfDay]
    differences: list[Difference]


class Backlog(msgspec.Struct, kw_only=True):
    """Everything unsettled; `ages` of each kind follow `bands`."""

    bands: list[str]
    backlog: list[Waiting]


@get(f"{BASE}/documents", summary="Documents against what became of them", **describe(
    READ, answers={200: Documents}, refuses=("bad-request",), query={"from": str, "to": str},
))  # fmt: skip
async def show_documents(request: REQUEST) -> Response[Any]:
    """`from` and `to` are days, both included; without them the last seven."""
    partner = await partner_of(request, READ)
    async with partner.db.reading() as tx:
        to_day = _day(request, "to", await documents.get_today(tx, partner.stamp))
        from_day = _day(request, "from", to_day - timedelta(days=6))
        if not 0 <= (to_day - from_day).days < documents.DAYS_MAX:
            raise BadPage(name="from", value=from_day.isoformat())
        span = Span(from_day=from_day, to_day=to_day, owner_ids=partner.client.owner_ids)
        answer = Documents(
            orders=await documents.list_orders(tx, partner.stamp, span),
            deliveries=await documents.list_deliveries(tx, partner.stamp, span),
            differences=await documents.list_differences(tx, partner.stamp, span),
        )
    return json(answer)


def _day(request: REQUEST, name: str, default: date) -> date:
    return day(request, name) if name in request.query_params else default


@get(f"{BASE}/backlog", summary="Everything unsettled, by kind and age",
     **describe(READ, answers={200: Backlog}))  # fmt: skip
async def show_backlog(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, READ)
    async with partner.db.reading() as tx:
        found = await documents.list_backlog(tx, partner.stamp, partner.client.owner_ids)
    return json(Backlog(bands=list(documents.AGES), backlog=found))


HANDLERS = [
    show_stream, compare_stream, show_stock, list_snapshots, publish_snapshot, show_documents,
    show_backlog,
]  # fmt: skip
