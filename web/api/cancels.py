"""Cancellations of orders over HTTP, also of orders that are not here yet.

POST /v1/warehouses/{code}/orders/{owner}/{external_id}/cancel
"""

from typing import Any

from litestar import Response, post

from web.api.admission import URGENT
from web.api.describe import describe
from web.api.kept import taken
from web.api.orders import ORDER, names_of
from web.api.paging import json
from web.api.security import REQUEST, partner_of
from web.api.writes import again
from web.errors import problem
from wms.db import Tx
from wms.documents import decode, parse
from wms.errors import Conflict
from wms.outbound.cancel_requests import CancelDoc, request_cancel
from wms.outbound.cancelling import Cancelled


class CancelRefused(Conflict):
    say = "Order {external_id} is {stage}: it can no longer be cancelled."


@post(
    f"{ORDER}/cancel", status_code=200, summary="Cancel one order, or some of its lines",
    **describe(
        "orders:cancel", takes=CancelDoc, answers={200: Cancelled, 202: Cancelled},
        refuses=("not-found", "forbidden-owner", "change-window-closed", "validation-failed"),
    ),
)  # fmt: skip
async def cancel_order(request: REQUEST) -> Response[Any]:
    """cancelled; will_cancel (goods come back first); 409 when it has left.

    202 `kept` when the order is not known: it is cancelled when it arrives within seven days. The
    same `cancel_ref` again gets the same answer. Lines go only until the order is planned.
    """
    partner = await partner_of(request, "orders:cancel")
    asked, _ = parse(decode(await taken(request, partner)), CancelDoc)
    _, owner, external_id = names_of(request)

    async def cancel(tx: Tx) -> Cancelled:
        return await request_cancel(tx, partner.stamp, partner.client, owner, external_id, asked)

    verdict = await again(partner, cancel, URGENT)
    if verdict.verdict == "refused":
        return problem(CancelRefused(external_id=external_id, stage=verdict.stage), request)
    return json(verdict, 202 if verdict.verdict == "kept" else 200)


HANDLERS = [cancel_order]
