"""Reconciliation: does what others hold agree with what the house holds, and what is unsettled?

GET  /office/reconciliation            backlog by age, stock, streams, documents of the week
POST /office/reconciliation/snapshots  publish the trial balance now
"""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post

from web.office.frame import GUARDS, REQUEST, face_of, onward, page
from web.office.writing import writing
from wms.errors import WmsError
from wms.reconciliation import documents, followers, stock, streams
from wms.reconciliation.documents import AGES, Span, Waiting

HOME = "/office/reconciliation"
# Where a person settles what is unsettled.
SCREENS = {
    "order_late": "/office/orders", "refused_document": "/office/exceptions",
    "dead_letter": "/office/events", "exception": "/office/exceptions",
    "disputed_stock": "/office/counts", "count_open": "/office/counts",
}  # fmt: skip
BAR_WIDTH, BAR_HEIGHT, BAR_STEP = 34, 30, 40


class Bar(msgspec.Struct, frozen=True):
    """One age of a kind as it is drawn: the tallest of a kind fills the height."""

    x: int
    y: float
    height: float
    count: int
    age: str
    tone: str


def bars(each: Waiting) -> list[Bar]:
    """The ages of a kind, the oldest in red."""
    most = max(each.ages) or 1
    tones = ("young", "young", "due", "late", "late")
    return [
        Bar(
            x=number * BAR_STEP, height=(height := max(1.5 if count else 0.0,
                                                       BAR_HEIGHT * count / most)),
            y=BAR_HEIGHT - height, count=count, age=age, tone=tone,
        )
        for number, (count, age, tone) in enumerate(zip(each.ages, AGES, tones, strict=True))
    ]  # fmt: skip


@get(HOME, guards=GUARDS, include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        face = await face_of(request, tx)
        today = face.stamp.at.astimezone(face.zone).date()
        span = Span(from_day=today - timedelta(days=6), to_day=today)
        backlog = await documents.list_backlog(tx, face.stamp)
        snapshots = await stock.list_snapshots(tx, face.stamp, limit=7)
        head = await streams.get_head(tx, face.stamp)
        heard = await followers.list_followers(tx, face.stamp)
        orders = await documents.list_orders(tx, face.stamp, span)
        deliveries = await documents.list_deliveries(tx, face.stamp, span)
        differences = await documents.list_differences(tx, face.stamp, span)
    return page(
        request, face, "reconciliation", "reconciliation", backlog=backlog, bars=bars,
        bands=AGES, screens=SCREENS, snapshots=snapshots, head=head, heard=heard, orders=orders,
        deliveries=deliveries, differences=differences[:20],
    )  # fmt: skip


@post(f"{HOME}/snapshots", guards=GUARDS, include_in_schema=False)
async def publish(request: REQUEST) -> Response[Any]:
    try:
        async with writing(request) as write:
            made, new = await stock.publish(write.tx, write.stamp)
            await write.note("snapshot.asked", f"snapshot/{made.as_of_pos}")
        said = "Nothing moved since the last."
        if new:
            said = f"Published at position {made.as_of_pos}."
    except WmsError as refusal:
        said = str(refusal)
    return onward(f"{HOME}?" + urlencode({"message": said}))


HANDLERS = [show, publish]
