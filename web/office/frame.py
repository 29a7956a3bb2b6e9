"""What every supervisor page needs: who looks, in which warehouse, its clock, and the frame.

A page is `show(request, template, tx-read facts)`; with `HX-Request` only the changed part is
rendered where the page has one. Times are shown in the warehouse's zone.
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.response import Redirect

from web.session import initials, needs, same_site, session_of, stamp_of
from web.templating import render
from wms.access.rules import Session
from wms.db import Db, Tx
from wms.outbound.board import Site, get_site
from wms.stamp import Stamp

REQUEST = Request[Any, Any, Any]
GUARDS = [needs("supervisor", "admin"), same_site]

PAGES = (
    ("now", "/office", "Floor now"),
    ("orders", "/office/orders", "Orders"),
    ("release", "/office/release", "Release"),
    ("waves", "/office/waves", "Waves"),
    ("slotting", "/office/slotting", "Slotting"),
    ("counts", "/office/counts", "Counts"),
    ("adjustments", "/office/adjustments", "Adjustments"),
    ("exceptions", "/office/exceptions", "Exceptions"),
    ("reconciliation", "/office/reconciliation", "Reconciliation"),
    ("files", "/office/files", "Files"),
    ("events", "/office/events", "Events"),
    ("access", "/office/access", "Access"),
)

# Causes as people read them; the code stays beside the words in the page.
CAUSES = {
    "": "",
    "awaiting_release": "Waits for a supervisor to release it",
    "planning": "Its tours are being planned",
    "held": "On hold",
    "out_of_stock": "Nothing to promise when last tried",
    "part_out_of_stock": "On the floor; a part waits for stock",
    "cancelling": "Cancelled; its goods are on their way back",
    "promised_to_others": "In the house, promised to earlier orders",
    "in_putaway": "In the house, not put away yet",
    "stopped": "In the house, on hold or damaged",
}
ORDER_STATES = (
    "open", "held", "released", "picking", "picked", "packed", "shipped", "shorted", "cancelled",
)  # fmt: skip


class Face(msgspec.Struct, frozen=True):
    """Who looks at what: the person, their stamp, the warehouse and its clock."""

    session: Session
    stamp: Stamp
    site: Site
    zone: ZoneInfo
    db: Db

    def local(self, at: datetime | None, form: str = "%H:%M") -> str:
        """A time on the warehouse's clock, or a dash."""
        return "–" if at is None else at.astimezone(self.zone).strftime(form)

    def day(self, at: datetime) -> str:
        """`today`, `tomorrow`, `yesterday` or the date."""
        apart = (at.astimezone(self.zone).date() - self.stamp.at.astimezone(self.zone).date()).days
        near = {-1: "yesterday", 0: "today", 1: "tomorrow"}
        return near.get(apart) or at.astimezone(self.zone).strftime("%a %d %b")

    def minutes(self, at: datetime) -> int:
        """Minutes from now; negative when it has passed."""
        return round((at - self.stamp.at).total_seconds() / 60)

    def left(self, at: datetime) -> str:
        """Time left in words: `3 h 05`, `12 min`, `8 min late`."""
        return span(self.minutes(at))

    def later(self, minutes: int) -> datetime:
        """The time in so many minutes."""
        return self.stamp.at + timedelta(minutes=minutes)

    def words(self, minutes: int) -> str:
        """Minutes in words: `3 h 05`, `12 min`."""
        return span(minutes)

    def ago(self, at: datetime | None) -> str:
        """How long ago, coarsely."""
        if at is None:
            return "never"
        seconds = (self.stamp.at - at).total_seconds()
        if seconds < 90:
            return f"{max(0, round(seconds))} s"
        return f"{round(seconds / 60)} min" if seconds < 5400 else f"{round(seconds / 3600)} h"


def span(minutes: int) -> str:
    """Minutes in words; negative is late."""
    much = abs(minutes)
    if much < 60:
        words = f"{much} min"
    elif much < 48 * 60:
        words = f"{much // 60} h {much % 60:02d}"
    else:
        words = f"{much // 1440} days"
    return f"{words} late" if minutes < 0 else words


async def face_of(request: REQUEST, tx: Tx) -> Face:
    """Raises NotSignedIn."""
    session = await session_of(request)
    stamp = stamp_of(session)
    site = await get_site(tx, stamp)
    return Face(session, stamp, site, ZoneInfo(site.timezone), request.app.state.db)


def page(
    request: REQUEST, face: Face, here: str, template: str, status: int = 200, **facts: object
) -> Response[str]:
    """A page in the frame. `here` is the nav entry that is marked."""
    html = render(
        f"office/{template}.html",
        face=face,
        here=here,
        pages=PAGES,
        who=face.session.name,
        initials=initials(face.session.name),
        causes=CAUSES,
        message=request.query_params.get("message", ""),
        **facts,
    )
    return Response(html, media_type=MediaType.HTML, status_code=status)


def part(face: Face, template: str, **facts: object) -> Response[str]:
    """A fragment that a page swaps in."""
    html = render(f"office/{template}.html", face=face, causes=CAUSES, **facts)
    return Response(html, media_type=MediaType.HTML)


def wants_json(request: REQUEST) -> bool:
    return "application/json" in request.headers.get("accept", "")


def json(thing: object, status: int = 200) -> Response[Any]:
    return Response(msgspec.json.encode(thing), media_type=MediaType.JSON, status_code=status)


def onward(url: str) -> Redirect:
    """After a write: look at what it did."""
    return Redirect(url, status_code=303)


def field(form: Any, name: str) -> str:
    """The last value of a form field, without control characters; empty when it is not there."""
    values = fields(form, name)
    return values[-1] if values else ""


def fields(form: Any, name: str) -> list[str]:
    """All values of a form field."""
    return ["".join(c for c in str(value) if c.isprintable()) for value in form.getall(name, [])]
