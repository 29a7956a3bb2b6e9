"""Orders and cutoffs: what will be late, what waits and why; one order with its history.

GET  /office/orders?cutoff=&carrier=&state=&cause=&search=&after=
GET  /office/orders/{id}
POST /office/orders/{id}/{hold|release-hold|cancel|close-out}     reason
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath

from web.numbers import whole
from web.office.drawing import stacked
from web.office.frame import GUARDS, ORDER_STATES, REQUEST, face_of, field, onward, page
from web.office.writing import writing
from web.paging import page_place, page_token
from wms.errors import Busy, Refused, WmsError
from wms.outbound import board, cancelling, orders, queries
from wms.outbound.order_events import UnknownOrder
from wms.outbound.queries import Filter

PAGE = 50
BAR = ("open", "held", "released", "picking", "picked", "packed", "shipped", "ended")


NOTED = {
    "hold": "order.held", "release-hold": "order.hold_released", "cancel": "order.cancel_asked",
    "close-out": "order.closed_out",
}  # fmt: skip


class NoSuchAct(Refused):
    say = "An order cannot be told to {act}."


def _filter(request: REQUEST) -> tuple[Filter, dict[str, str]]:
    """What the address asks for; nonsense in it asks for nothing."""
    asked = {
        name: request.query_params.get(name, "")
        for name in ("cutoff", "carrier", "state", "cause", "search")
    }
    cutoff: datetime | None = None
    try:
        cutoff = datetime.fromisoformat(asked["cutoff"]) if asked["cutoff"] else None
    except ValueError:
        asked["cutoff"] = ""
    if cutoff is not None and cutoff.tzinfo is None:
        cutoff, asked["cutoff"] = None, ""
    carrier = whole(asked["carrier"])
    if carrier is None:
        asked["carrier"] = ""
    which = Filter(
        state=asked["state"] if asked["state"] in ORDER_STATES else "",
        cutoff_at=cutoff, cause=asked["cause"], carrier_id=carrier, search=asked["search"].strip(),
    )  # fmt: skip
    return which, {name: value for name, value in asked.items() if value}


@get("/office/orders", guards=GUARDS, include_in_schema=False)
async def show_list(request: REQUEST) -> Response[Any]:
    which, asked = _filter(request)
    after = page_place(request.query_params.get("after", ""))
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        cutoffs = await board.list_cutoffs(tx, face.stamp)
        found = await queries.list_orders(tx, face.stamp, which, after=after, limit=PAGE)
    more = ""
    if len(found) == PAGE:
        token = page_token(found[-1].cutoff_at, int(found[-1].id))
        more = "/office/orders?" + urlencode({**asked, "after": token})
    bars = [
        (cutoff, stacked([(name, getattr(cutoff, name)) for name in BAR])) for cutoff in cutoffs
    ]
    return page(
        request, face, "orders", "orders", cutoffs=bars, orders=found, asked=asked, more=more,
        order_states=ORDER_STATES, bar_states=BAR,
    )  # fmt: skip


@get("/office/orders/{order_id:int}", guards=GUARDS, include_in_schema=False)
async def show_order(request: REQUEST, order_id: FromPath[int]) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        order = await queries.find_order(tx, face.stamp, order_id)
    if order is None:
        raise UnknownOrder(order=order_id)
    final = order.state in orders.FINAL
    return page(
        request, face, "orders", "order", order=order, final=final,
        parts=("waiting", "allocated", "picked", "packed", "shipped", "short", "cancelled"),
        bars={line.line_no: stacked([(part, getattr(line, part)) for part in
              ("waiting", "allocated", "picked", "packed", "shipped", "short", "cancelled")])
              for line in order.lines},
    )  # fmt: skip


@post("/office/orders/{order_id:int}/{act:str}", guards=GUARDS, include_in_schema=False)
async def change(request: REQUEST, order_id: FromPath[int], act: FromPath[str]) -> Response[Any]:
    """Hold, let go on, cancel, or stop waiting for what cannot be had."""
    why = field(await request.form(), "reason").strip() or "supervisor"
    said = ""
    try:
        for attempt in (1, 2, 3):
            try:
                async with writing(request) as write:
                    tx, stamp = write.tx, write.stamp
                    match act:
                        case "hold":
                            await orders.hold(tx, stamp, order_id, why)
                        case "release-hold":
                            await orders.release_hold(tx, stamp, order_id)
                        case "cancel":
                            done = await cancelling.cancel(tx, stamp, order_id, why)
                            said = _verdict(done)
                        case "close-out":
                            await cancelling.close_out(tx, stamp, order_id)
                        case _:
                            raise NoSuchAct(act=act)
                    await write.note(NOTED[act], f"order/{order_id}", why=why)
                break
            except Busy:
                if attempt == 3:
                    raise
    except WmsError as refusal:
        said = str(refusal)
    return onward(
        f"/office/orders/{order_id}" + ("?" + urlencode({"message": said}) if said else "")
    )


def _verdict(done: cancelling.Cancelled) -> str:
    match done.verdict:
        case "cancelled":
            return "Cancelled."
        case "will_cancel":
            return "Goods are on their way back; the order ends with the last of them."
        case _:
            return f"Too late: the order is {done.stage}."


HANDLERS = [show_list, show_order, change]
