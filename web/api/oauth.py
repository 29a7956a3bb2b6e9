"""Access tokens for partner systems: OAuth 2.0 client credentials (RFC 6749, 4.4).

    POST /oauth/token                                grant_type=client_credentials [scope=]
                                                     [sites=] [owners=] narrow it further
    GET  /oauth/jwks                                 the keys that sign the tokens
    GET  /.well-known/oauth-authorization-server     RFC 8414

A client proves itself with its API key as secret (Basic or in the form), with a signed assertion
(RFC 7523), or with a registered certificate (RFC 8705), to which the token is then bound.
"""

import base64
import binascii
import logging
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from litestar import Response, get, post
from litestar.enums import MediaType

from web.api.describe import describe
from web.api.security import REQUEST
from web.peers import certificate_of
from web.session import now, public_url
from wms.access import api_keys, proofs, token_keys, tokens
from wms.access.api_keys import NoSuchKey
from wms.access.installation import pepper, sealer
from wms.access.public_keys import ALGORITHMS
from wms.access.rules import SCOPES, ApiClient
from wms.access.tokens import Asked
from wms.db import Db
from wms.errors import Busy, Denied, Invalid, WmsError

log = logging.getLogger("wms.web")
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM_MAX = 65536
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt",
           "self_signed_tls_client_auth"]  # fmt: skip


class BadTokenRequest(Invalid):
    say = "{problem}"


class TokenAnswer(msgspec.Struct, kw_only=True):
    """A fresh token and how long it lives."""

    access_token: str
    token_type: str = "Bearer"
    expires_in: int
    scope: str


def _no(error: str, words: str, status: int = 400) -> Response[Any]:
    """An error as RFC 6749, 5.2 writes it."""
    headers = dict(NO_STORE)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="wms"'
    body = msgspec.json.encode({"error": error, "error_description": words})
    return Response(body, status_code=status, media_type=MediaType.JSON, headers=headers)


class TokenError(msgspec.Struct):
    """RFC 6749, 5.2."""

    error: str
    error_description: str


class KeySetAnswer(msgspec.Struct):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, Any]]


class TokenForm(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The form; besides the grant, one way to prove the client."""

    grant_type: Literal["client_credentials"]
    scope: str = ""
    sites: str = ""
    owners: str = ""
    client_id: str = ""
    client_secret: str = ""
    client_assertion_type: str = ""
    client_assertion: str = ""


@post("/oauth/token", status_code=200, include_in_schema=False,
      summary="An access token of ten minutes",
      **describe(takes=TokenForm, media="application/x-www-form-urlencoded",
                 answers={200: TokenAnswer, 400: TokenError, 401: TokenError}))  # fmt: skip
async def token(request: REQUEST) -> Response[Any]:
    """One access token of ten minutes."""
    try:
        form = await _form(request)
    except Invalid as refusal:
        return _no("invalid_request", str(refusal))
    if form.get("grant_type") != "client_credentials":
        return _no("unsupported_grant_type", "grant_type must be client_credentials")
    try:
        client = await _proven(request, form)
    except Invalid as refusal:
        return _no("invalid_request", str(refusal))
    except (Denied, NoSuchKey) as refusal:
        log.info("no token for %s: %s", ascii(form.get("client_id", ""))[:80], refusal)
        return _no("invalid_client", str(refusal), 401)
    try:
        return await _issue(request, client, form)
    except Busy:
        raise
    except WmsError as refusal:
        return _no("invalid_scope", str(refusal))


async def _form(request: REQUEST) -> dict[str, str]:
    """The form, each parameter once. Raises BadTokenRequest."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        raise BadTokenRequest(problem="send application/x-www-form-urlencoded")
    body = await request.body()
    if len(body) > FORM_MAX:
        raise BadTokenRequest(problem="the form is too large")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        raise BadTokenRequest(problem="the form is malformed") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise BadTokenRequest(problem="a parameter is given twice")
    if any("\x00" in value for value in form.values()):
        raise BadTokenRequest(problem="a parameter has a NUL in it")
    return form


async def _proven(request: REQUEST, form: dict[str, str]) -> tuple[ApiClient, str]:
    """The client, and the thumbprint that its token is bound to.

    Raises BadTokenRequest, BadCertificate, and Denied in its kinds.
    """
    db: Db = request.app.state.db
    settings = request.app.state.settings
    thumbprint = certificate_of(request)
    basic = _basic(request)
    given = [basic is not None, "client_secret" in form, "client_assertion" in form]
    if sum(given) > 1:
        raise BadTokenRequest(problem="prove the client in one way, not several")
    code = form.get("client_id", "")
    if basic is not None and code and code != basic[0]:
        raise BadTokenRequest(problem="client_id differs from the one in Authorization")
    if "client_assertion" in form:
        if form.get("client_assertion_type") != ASSERTION:
            raise BadTokenRequest(problem=f"client_assertion_type must be {ASSERTION}")
        issuer = public_url(settings)
        async with db.transaction() as tx:
            client = await proofs.by_assertion(
                tx, form["client_assertion"], (issuer, f"{issuer}/oauth/token"), now()
            )
        if code and code != client.code:
            raise proofs.ProofWrong(reason="client_id differs from the assertion's subject")
    elif basic is not None or "client_secret" in form:
        name, secret = basic or (code, form["client_secret"])
        async with db.transaction() as tx:
            client, used = await proofs.by_secret(tx, name, secret, pepper(settings))
            if used is not None:
                await api_keys.note_use(tx, used)
    else:
        if not code:
            raise BadTokenRequest(problem="client_id is missing")
        async with db.reading() as tx:
            client = await proofs.by_certificate(tx, code, thumbprint)
    if thumbprint:
        async with db.reading() as tx:
            if not await proofs.has_certificate(tx, client.code, thumbprint):
                thumbprint = ""
    return client, thumbprint


def _basic(request: REQUEST) -> tuple[str, str] | None:
    """Client and secret of the Authorization header. Raises BadTokenRequest."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = ""
        name = secret = ""
    if not colon:
        raise BadTokenRequest(problem="Authorization is malformed")
    return unquote_plus(name), unquote_plus(secret)


async def _issue(
    request: REQUEST, proven: tuple[ApiClient, str], form: dict[str, str]
) -> Response[Any]:
    """Signs and answers. Raises ScopeNotYours."""
    client, thumbprint = proven
    db: Db = request.app.state.db
    settings = request.app.state.settings
    seal = sealer(settings, "token keys")
    asked = Asked(
        scopes=form.get("scope", "").split(), sites=form.get("sites", "").split(),
        owners=form.get("owners", "").split(),
    )  # fmt: skip
    async with db.reading() as tx:
        claims = await tokens.grant(tx, client, asked, public_url(settings), now())
        key = await token_keys.find_signing_key(tx, seal, now())
    if key is None:
        async with db.transaction() as tx:
            key = await token_keys.rotate(tx, seal, now())
    if thumbprint:
        claims.cnf = {"x5t#S256": thumbprint}
    answer = TokenAnswer(
        access_token=tokens.sign(claims, key), expires_in=claims.exp - claims.iat,
        scope=claims.scope,
    )  # fmt: skip
    return Response(msgspec.json.encode(answer), media_type=MediaType.JSON, headers=NO_STORE)


@get("/oauth/jwks", include_in_schema=False, summary="The keys that sign access tokens",
     **describe(answers={200: KeySetAnswer}))  # fmt: skip
async def jwks(request: REQUEST) -> Response[Any]:
    """The next key is in it before it signs, the last one until its tokens have ended."""
    async with request.app.state.db.reading() as tx:
        keys = await token_keys.public_set(tx, now())
    headers = {"Cache-Control": "public, max-age=300"}
    return Response(msgspec.json.encode(keys), media_type=MediaType.JSON, headers=headers)


@get("/.well-known/oauth-authorization-server", include_in_schema=False, sync_to_thread=False)
def metadata(request: REQUEST) -> dict[str, Any]:
    issuer = public_url(request.app.state.settings)
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "scopes_supported": list(SCOPES),
        "token_endpoint_auth_methods_supported": METHODS,
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "tls_client_certificate_bound_access_tokens": True,
    }


HANDLERS = [token, jwks, metadata]
