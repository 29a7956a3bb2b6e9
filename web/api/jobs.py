"""Many documents in one request, as lines of JSON, and the jobs that larger ones become.

    /v1/warehouses/{code}/orders:batch           POST ?mode=partial|atomic
    /v1/warehouses/{code}/asns:batch             POST
    /v1/owners/{owner}/items:batch               POST
    /v1/jobs/{id}                                GET  progress, counts, the first hundred errors
    /v1/jobs/{id}/outcomes, /errors              GET  one line for each line, NDJSON
"""

from typing import Any

from litestar import Response, get, post
from msgspec.json import encode

from web.api import paging
from web.api.admission import DOCUMENTS, INBOX, crowded, reading
from web.api.asked import BadWord
from web.api.describe import describe
from web.api.kept import taken, tell_lines
from web.api.paging import json
from web.api.security import REQUEST, Partner, partner_of
from web.api.writes import Undone, again, at_large, keyed, respond_async
from wms.db import Tx
from wms.documents import BadDocument, DocumentError, decode
from wms.errors import Invalid
from wms.inbound.asn_documents import AsnDoc
from wms.jobs import running
from wms.jobs.lines import Line, LineOutcome, accepted, run_lines, split
from wms.jobs.running import Job, create_job, rolled_back
from wms.masterdata import items
from wms.masterdata.item_documents import ItemDoc
from wms.outbound.order_documents import OrderDoc

NDJSON = "application/x-ndjson"
BODY_MAX = 20 * 1024 * 1024
LINES_MAX = 10_000
AT_ONCE_MAX = 1_000
JOB = "/v1/jobs/{id:int}"


class BatchTooLarge(Invalid):
    say = "A batch has at most {lines_max} lines; this one has {lines}."


class NotLines(Invalid):
    say = "Send application/x-ndjson: one JSON object a line."


def _said(scope: str, takes: Any) -> dict[str, Any]:
    said = describe(
        scope, takes=takes, media=NDJSON, answers={200: LineOutcome, 202: Job}, keyed=True,
        answer_media=NDJSON, query={"mode": str},
        refuses=("validation-failed", "bad-request", "payload-too-large", "unsupported-media-type"),
    )  # fmt: skip
    return {**said, "status_code": 200, "request_max_body_size": BODY_MAX}


@post(
    "/v1/warehouses/{code:str}/orders:batch", summary="Create or change orders, one a line",
    **_said("orders:write", OrderDoc),
)  # fmt: skip
async def batch_orders(request: REQUEST) -> Response[Any]:
    """One outcome a line, with the line's number. `mode=atomic` takes all lines or none.

    A line may carry an `idempotency_key`. More than 1,000 lines, or `Prefer: respond-async`: 202
    and a job that does them.
    """
    partner = await partner_of(request, "orders:write")
    return await _batch(request, partner, "orders")


@post(
    "/v1/warehouses/{code:str}/asns:batch", summary="Announce or change deliveries, one a line",
    **_said("asns:write", AsnDoc),
)  # fmt: skip
async def batch_asns(request: REQUEST) -> Response[Any]:
    """As for orders."""
    partner = await partner_of(request, "asns:write")
    return await _batch(request, partner, "asns")


@post(
    "/v1/owners/{owner:str}/items:batch", summary="Create or change items, one a line",
    **_said("items:write", ItemDoc),
)  # fmt: skip
async def batch_items(request: REQUEST) -> Response[Any]:
    """As for orders."""
    partner = await at_large(request, "items:write")
    owner = str(request.path_params["owner"])
    async with reading(partner) as tx:
        await items.get_owner_id(tx, partner.client, owner)
    return await _batch(request, partner, "items", owner)


async def _batch(
    request: REQUEST, partner: Partner, kind: str, owner: str = ""
) -> Response[Any]:
    mode = request.query_params.get("mode", "partial")
    if mode not in ("partial", "atomic"):
        raise BadWord(name="mode", value=ascii(mode[:40]), known="partial, atomic")
    if "ndjson" not in request.headers.get("content-type", "").lower():
        raise NotLines()
    lines = split(await taken(request, partner))
    if not lines:
        raise BadDocument([DocumentError("", "wrong-length", "There is no line")])
    if len(lines) > LINES_MAX:
        raise BatchTooLarge(lines=len(lines), lines_max=LINES_MAX)
    if len(lines) > AT_ONCE_MAX or respond_async(request) or crowded(partner):
        answer = await as_job(request, partner, kind, lines, mode=mode, owner=owner)
        answer.media_type = NDJSON  # one line: the job
        return answer

    async def run(tx: Tx) -> tuple[int, list[LineOutcome]]:
        done = await run_lines(tx, partner.stamp, partner.client, kind, lines, owner)
        if mode == "atomic" and not all(accepted(each) for each in done):
            raise Undone(rolled_back(done))
        await tell_lines(tx, partner, kind, done, mode)
        return 200, done

    try:
        asked = [each.text for each in lines]
        answer = await keyed(request, partner, asked, run, lane=DOCUMENTS, write=paging.lines)
    except Undone as undone:
        found: list[LineOutcome] = undone.found
        await again(partner, lambda tx: tell_lines(tx, partner, kind, found, mode))
        return Response(paging.lines(found), media_type=NDJSON)
    answer.media_type = NDJSON
    return answer


async def as_job(
    request: REQUEST,
    partner: Partner,
    kind: str,
    lines: list[Line],
    *,
    mode: str = "partial",
    owner: str = "",
) -> Response[Any]:
    """202: the lines are kept and will be done; `Location` is the job."""

    async def keep(tx: Tx) -> tuple[int, Job]:
        job = await create_job(
            tx, partner.stamp, partner.client, kind, lines, mode=mode, owner=owner
        )
        partner.sent.job_id = int(job.id)
        return 202, job

    answer = await keyed(request, partner, [each.text for each in lines], keep, lane=INBOX)
    answer.headers["Location"] = f"/v1/jobs/{decode(answer.content)['id']}"
    if respond_async(request):
        answer.headers["Preference-Applied"] = "respond-async"
    return answer


async def as_job_of_one(
    request: REQUEST, partner: Partner, kind: str, value: Any, owner: str = ""
) -> Response[Any]:
    """202: one document, kept because too many wait already."""
    line = Line(1, encode(value).decode())
    return await as_job(request, partner, kind, [line], owner=owner)


@get(
    JOB, summary="How far a job is",
    **describe("jobs:read", answers={200: Job}, refuses=("not-found",)),
)  # fmt: skip
async def get_job(request: REQUEST) -> Response[Any]:
    """Counts and the first hundred refused lines; `Retry-After` while it runs."""
    partner = await at_large(request, "jobs:read")
    async with reading(partner) as tx:
        job = await running.get_job(tx, partner.client, _id(request))
    answer = json(job)
    if job.state != "done":
        answer.headers["Retry-After"] = "1"
    return answer


FILE = describe(
    "jobs:read", answers={200: LineOutcome}, answer_media=NDJSON, refuses=("not-found",)
)  # fmt: skip


@get(f"{JOB}/outcomes", summary="The outcome of every line so far", **FILE)
async def get_outcomes(request: REQUEST) -> Response[Any]:
    """One JSON object a line, in the order of the lines."""
    return await _file(request, refused=False)


@get(f"{JOB}/errors", summary="Every refused line so far", **FILE)
async def get_errors(request: REQUEST) -> Response[Any]:
    """One JSON object a line, in the order of the lines."""
    return await _file(request, refused=True)


async def _file(request: REQUEST, *, refused: bool) -> Response[Any]:
    partner = await at_large(request, "jobs:read")
    async with reading(partner) as tx:
        found = await running.job_outcomes(tx, partner.client, _id(request), refused=refused)
    return Response(paging.lines(found), media_type=NDJSON)


def _id(request: REQUEST) -> int:
    return min(max(int(request.path_params["id"]), 0), 2**62)


HANDLERS = [batch_orders, batch_asns, batch_items, get_job, get_outcomes, get_errors]
