"""Sign in to the office with the company's identity provider, beside badge and PIN.

GET /office/oidc?warehouse=              off to the provider
GET /office/oidc/back?code=&state=       back from it: in, or the reason on the sign-in page

Off unless WMS_OIDC_ISSUER is set; the provider must know the redirect …/office/oidc/back.
"""

import base64
from typing import Any
from urllib.parse import quote_plus

import aiohttp
import msgspec
from litestar import Response, get
from litestar.datastructures import Cookie
from litestar.response import Redirect

from web.office.frame import REQUEST
from web.office.login import signed_in_answer, turned_away
from web.session import device_of, is_secure, now, public_url
from wms.access import audit, oidc, queries, signin
from wms.access.audit import Who
from wms.access.installation import sealer
from wms.access.oidc import NotVouched, Provider, Trip
from wms.errors import NotFound, WmsError
from wms.settings import Settings

BEGIN, BACK = "/office/oidc", "/office/oidc/back"
COOKIE = "oidc"
PATIENCE = aiohttp.ClientTimeout(total=10)
ANSWER_MAX = 1 << 20


class NoProvider(NotFound):
    say = "This house has no identity provider. Sign in with badge and PIN."


class _Tokens(msgspec.Struct):
    id_token: str


async def _fetch(
    url: str, shape: Any, form: dict[str, str] | None = None, headers: Any = None
) -> Any:
    """An answer of the provider. Raises NotVouched."""
    oidc.require_safe(url)
    try:
        async with (
            aiohttp.ClientSession(timeout=PATIENCE) as http,
            http.request("POST" if form else "GET", url, data=form, headers=headers,
                         allow_redirects=False) as answer,
        ):  # fmt: skip
            if answer.status != 200:
                raise NotVouched(reason=f"it answered {answer.status}")
            body = b""
            async for chunk in answer.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > ANSWER_MAX:
                    raise NotVouched(reason="its answer is too long")
        return msgspec.json.decode(body, type=shape)
    except (TimeoutError, aiohttp.ClientError, OSError):
        raise NotVouched(reason="it cannot be reached") from None
    except msgspec.MsgspecError:
        raise NotVouched(reason="its answer cannot be read") from None


async def _provider(settings: Settings) -> Provider:
    """Raises NoProvider, NotVouched."""
    if not settings.oidc_issuer:
        raise NoProvider()
    issuer = settings.oidc_issuer.rstrip("/")
    provider = await _fetch(f"{issuer}/.well-known/openid-configuration", Provider)
    oidc.require_provider(provider, issuer)
    return provider


def _cookie(value: str, settings: Settings) -> Cookie:
    return Cookie(
        key=COOKIE, value=value, max_age=oidc.ROUND_TRIP_S if value else 0, path=BEGIN,
        httponly=True, samesite="lax", secure=is_secure(settings),
    )  # fmt: skip


@get(BEGIN, include_in_schema=False)
async def begin(request: REQUEST) -> Response[Any]:
    settings: Settings = request.app.state.settings
    try:
        provider = await _provider(settings)
        async with request.app.state.db.reading() as tx:
            codes = await queries.list_warehouse_codes(tx)
        wanted = request.query_params.get("warehouse", "")
        trip = oidc.new_trip(wanted if wanted in codes else codes[0] if codes else "")
    except WmsError as refusal:
        return await turned_away(request, str(refusal))
    url = oidc.ask_url(provider, trip, settings.oidc_client_id, public_url(settings) + BACK)
    answer = Redirect(url, status_code=303)
    answer.set_cookie(_cookie(oidc.seal_trip(trip, sealer(settings, "oidc")), settings))
    return answer


@get(BACK, include_in_schema=False)
async def back(request: REQUEST) -> Response[Any]:
    settings: Settings = request.app.state.settings
    try:
        trip, who = await _who(request, settings)
        async with request.app.state.db.transaction() as tx:
            person = await oidc.find_person(tx, who, by_code=settings.oidc_claim != "email")
            device = device_of(request)
            token = await signin.open_session(tx, person, device, trip.warehouse, now())
            address = request.client.host if request.client else ""
            came = Who(actor=f"user:{person.code}", origin=f"{address} {device}")
            await audit.record(tx, came, "signin.oidc", f"user/{person.code}")
    except WmsError as refusal:
        answer = await turned_away(request, str(refusal))
    else:
        answer = signed_in_answer(request, token, device, trip.warehouse)
    answer.set_cookie(_cookie("", settings))
    return answer


def _basic(settings: Settings) -> dict[str, str]:
    """Our client secret as RFC 6749, 2.3.1 writes it."""
    if not settings.oidc_client_secret:
        return {}
    pair = f"{quote_plus(settings.oidc_client_id)}:{quote_plus(settings.oidc_client_secret)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


async def _who(request: REQUEST, settings: Settings) -> tuple[Trip, str]:
    """Whom the provider vouches for, in this very sign-in. Raises NotVouched, NoProvider."""
    asked = request.query_params
    provider = await _provider(settings)
    sealed = request.cookies.get(COOKIE, "")
    trip = oidc.open_trip(sealed, sealer(settings, "oidc"), asked.get("state", ""))
    if "iss" in asked and asked["iss"] != provider.issuer:  # RFC 9207
        raise NotVouched(reason="another provider answered")
    if "error" in asked or not asked.get("code"):
        raise NotVouched(reason="it refused or was not asked")
    form = {
        "grant_type": "authorization_code", "code": asked["code"], "code_verifier": trip.verifier,
        "redirect_uri": public_url(settings) + BACK, "client_id": settings.oidc_client_id,
    }  # fmt: skip
    tokens = await _fetch(provider.token_endpoint, _Tokens, form, _basic(settings))
    keys = await _fetch(provider.jwks_uri, dict[str, Any])
    who = oidc.who_is(
        tokens.id_token, keys, provider, settings.oidc_client_id, trip.nonce,
        settings.oidc_claim, now(),
    )  # fmt: skip
    return trip, who


HANDLERS = [begin, back]
