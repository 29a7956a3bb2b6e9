"""Sign in by badge and PIN, and sign out. The first page of a shift.

    GET  /floor/login                  "Scan your badge"
    POST /floor/login  badge           known: the same page asks for the PIN; else says why not
    POST /floor/login  badge, pin      in: cookie, on to `next` or /floor; else says why not
    POST /floor/logout                 out: back to the first page

A device stands in one warehouse: `?warehouse=CODE` once, remembered by cookie; with one warehouse
there is nothing to choose.
"""

import asyncio
from typing import Any

from litestar import Request, Response, get, post
from litestar.enums import MediaType
from litestar.response import Redirect

from web.scanner.frame import render_login
from web.scanner.turns import field
from web.session import (
    SESSION_COOKIE,
    WAREHOUSE_COOKIE,
    device_cookie,
    device_of,
    memory_of,
    now,
    same_site,
    session_cookie,
    session_of,
    warehouse_cookie,
)
from wms.access import queries, signin
from wms.access.rules import NotSignedIn
from wms.access.signin import BadgeUnknown, WarehouseUnknown
from wms.db import Db
from wms.errors import Denied, WmsError


class WarehouseNotChosen(Denied):
    say = "Which warehouse is this device in? Open this page once with ?warehouse={codes}."


def _page(html: str, status: int = 200) -> Response[str]:
    return Response(html, media_type=MediaType.HTML, status_code=status)


@get("/floor/login")
async def show(request: Request[Any, Any, Any]) -> Response[str]:
    """Asks for the badge, and notes the warehouse this device stands in."""
    wanted = request.query_params.get("warehouse", "")
    next_url = request.query_params.get("next", "")
    async with request.app.state.db.reading() as tx:
        codes = await queries.list_warehouse_codes(tx)
    message, tone = "", "wrong"
    if wanted and wanted not in codes:
        message = str(WarehouseUnknown(code=wanted))
    elif request.cookies.get(SESSION_COOKIE) and not await _is_signed_in(request):
        message, tone = "You were signed out. Log in; your work waits for you.", "care"
    page = _page(render_login(message=message, tone=tone, next_url=next_url))
    if wanted in codes:
        page.set_cookie(warehouse_cookie(wanted, request.app.state.settings))
    return page


async def _is_signed_in(request: Request[Any, Any, Any]) -> bool:
    try:
        await session_of(request)
    except NotSignedIn:
        return False
    return True


@post("/floor/login", guards=[same_site])
async def enter(request: Request[Any, Any, Any]) -> Response[Any]:
    """A scanned badge leads to the PIN; badge and PIN lead to work."""
    form = await request.form()
    badge, pin = field(form, "badge").strip(), field(form, "pin").strip()
    next_url = field(form, "next")
    db: Db = request.app.state.db
    name = ""
    try:
        async with db.reading() as tx:
            name = await queries.find_badge_holder(tx, badge) or ""
        if not name:
            raise BadgeUnknown()
        if not pin:
            return _page(render_login(badge=badge, name=name, next_url=next_url))
        return await _sign_in(request, badge, pin, next_url)
    except WmsError as refusal:
        known = badge if name else ""
        html = render_login(badge=known, name=name, message=str(refusal), next_url=next_url)
        return _page(html, 401 if isinstance(refusal, Denied) else 503)


async def _sign_in(
    request: Request[Any, Any, Any], badge: str, pin: str, next_url: str
) -> Response[Any]:
    db: Db = request.app.state.db
    settings = request.app.state.settings
    device = device_of(request)
    async with db.transaction() as tx:
        warehouse = _warehouse(request, await queries.list_warehouse_codes(tx))
        attempt = await signin.start_attempt(tx, badge, pin)
    await asyncio.to_thread(signin.check_pin, attempt, pin)
    async with db.transaction() as tx:
        token = await signin.open_session(tx, attempt, device, warehouse, now())
    memory_of(request).forget(request.cookies.get(SESSION_COOKIE, ""))
    page = Redirect(_local(next_url) or "/floor", status_code=303)
    page.set_cookie(session_cookie(token, settings))
    page.set_cookie(device_cookie(device, settings))
    return page


def _warehouse(request: Request[Any, Any, Any], codes: list[str]) -> str:
    chosen = request.cookies.get(WAREHOUSE_COOKIE, "")
    if chosen in codes:
        return chosen
    if len(codes) != 1:
        raise WarehouseNotChosen(codes=" or ".join(codes))
    return codes[0]


def _local(url: str) -> str:
    """The URL if it stays in this application: a path, and no `//host` or backslash trick."""
    return url if url.startswith("/") and url[1:2] not in ("/", "\\") and "\\" not in url else ""


@post("/floor/logout", guards=[same_site])
async def leave(request: Request[Any, Any, Any]) -> Redirect:
    """Ends the session of this device; claimed work stays leased to the person."""
    token = request.cookies.get(SESSION_COOKIE, "")
    if token:
        async with request.app.state.db.transaction() as tx:
            await signin.sign_out(tx, token)
        memory_of(request).forget(token)
    page = Redirect("/floor/login", status_code=303)
    page.set_cookie(session_cookie("", request.app.state.settings))
    return page


HANDLERS = (show, enter, leave)
