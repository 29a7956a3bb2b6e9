"""Reconciliation over HTTP: is what a partner holds the same as what the warehouse holds?

Below /v1/warehouses/{code}/reconciliation:
GET  /stream?from_pos=&to_pos=&by=hour|type|range&parts=     the log in counts and hashes
POST /stream/compare    {"ranges": [{"from_pos", "to_pos", "count", "hash"} or {…, "ids"}]}

A range's hash is SHA-256, in hexadecimal, over the 16 bytes of each event id in position order.
A consumer halves (or cuts in a thousand) what differs, and sends ids at the end.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post

from web.api.asked import number, word
from web.api.describe import describe
from web.api.paging import json
from web.api.security import REQUEST, Partner, partner_of
from web.paging import BadPage
from wms.documents import decode, parse
from wms.events.queries import list_owners
from wms.reconciliation import streams
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
    by: str
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
            tx, partner.stamp, partner.client.code, body.ranges, differing
        )
    return json(Compared(equal=not differing, head_pos=head.head_pos, differing=differing))


async def _owners(tx: Any, partner: Partner) -> list[str] | None:
    """Codes of the owners a partner is narrowed to, or None."""
    ids = partner.client.owner_ids
    return await list_owners(tx, ids) if ids else None


HANDLERS = [show_stream, compare_stream]
