"""Sign in to the office with badge and PIN; the same session as on the floor.

GET  /office/login     badge and PIN
POST /office/login     in: on to the office; else the reason
POST /office/logout    out
"""

import asyncio
from typing import Any

from litestar import Response, get, post
from litestar.enums import MediaType
from litestar.response import Redirect

from web.office.frame import REQUEST, field
from web.session import (
    SESSION_COOKIE,
    WAREHOUSE_COOKIE,
    device_cookie,
    device_of,
    memory_of,
    now,
    same_site,
    session_cookie,
    warehouse_cookie,
)
from web.templating import render
from wms.access import queries, signin
from wms.errors import WmsError


def _page(
    request: REQUEST, codes: list[str], message: str = "", status: int = 200
) -> Response[Any]:
    html = render(
        "office/login.html",
        codes=codes,
        chosen=request.cookies.get(WAREHOUSE_COOKIE, ""),
        message=message,
        provider=bool(request.app.state.settings.oidc_issuer),
    )
    return Response(html, media_type=MediaType.HTML, status_code=status)


@get("/office/login", include_in_schema=False)
async def show(request: REQUEST) -> Response[Any]:
    async with request.app.state.db.reading() as tx:
        codes = await queries.list_warehouse_codes(tx)
    return _page(request, codes)


@post("/office/login", guards=[same_site], include_in_schema=False)
async def enter(request: REQUEST) -> Response[Any]:
    """Badge, PIN and warehouse at once: a desk has a keyboard."""
    form = await request.form()
    badge, pin = field(form, "badge").strip(), field(form, "pin").strip()
    db = request.app.state.db
    device = device_of(request)
    async with db.reading() as tx:
        codes = await queries.list_warehouse_codes(tx)
    warehouse = field(form, "warehouse") or (codes[0] if len(codes) == 1 else "")
    try:
        async with db.transaction() as tx:
            attempt = await signin.start_attempt(tx, badge, pin)
        await asyncio.to_thread(signin.check_pin, attempt, pin)
        async with db.transaction() as tx:
            token = await signin.open_session(tx, attempt, device, warehouse, now())
    except WmsError as refusal:
        return _page(request, codes, str(refusal), 401)
    return signed_in_answer(request, token, device, warehouse)


def signed_in_answer(
    request: REQUEST, token: str, device: str, warehouse: str
) -> Response[Any]:
    """On to the office with the new session."""
    settings = request.app.state.settings
    memory_of(request).forget(request.cookies.get(SESSION_COOKIE, ""))
    answer = Redirect("/office", status_code=303)
    answer.set_cookie(session_cookie(token, settings))
    answer.set_cookie(device_cookie(device, settings))
    answer.set_cookie(warehouse_cookie(warehouse, settings))
    return answer


async def turned_away(request: REQUEST, message: str) -> Response[Any]:
    """The sign-in page with the reason."""
    async with request.app.state.db.reading() as tx:
        codes = await queries.list_warehouse_codes(tx)
    return _page(request, codes, message, 401)


@post("/office/logout", guards=[same_site], include_in_schema=False)
async def leave(request: REQUEST) -> Redirect:
    token = request.cookies.get(SESSION_COOKIE, "")
    if token:
        async with request.app.state.db.transaction() as tx:
            await signin.sign_out(tx, token)
        memory_of(request).forget(token)
    answer = Redirect("/office/login", status_code=303)
    answer.set_cookie(session_cookie("", request.app.state.settings))
    return answer


HANDLERS = [show, enter, leave]
