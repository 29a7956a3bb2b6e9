"""Signing in to the office with the company's identity provider (OpenID Connect Core 1.0, 3.1).

Authorization code with PKCE, state and nonce; the three travel in a sealed cookie, so no process
keeps anything. The provider says who it is; which roles that person has is still ours to say.
"""

import base64
import hmac
import secrets
import warnings
from datetime import datetime
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet
from sqlalchemy import text

from wms.access.public_keys import ALGORITHMS
from wms.access.signin import Attempt
from wms.db import Tx, row
from wms.errors import Denied

ROUND_TRIP_S = 600
SKEW_S = 60
LENGTH_MAX = 32768


class NotVouched(Denied):
    say = "The identity provider does not vouch for you: {reason}."


class NobodyHere(Denied):
    say = "{who} is nobody here. Ask an admin to enter it with your badge."


class Provider(msgspec.Struct, kw_only=True):
    """The part of a provider's discovery document that we use."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class Trip(msgspec.Struct, kw_only=True):
    """What must come back the same: sealed in a cookie while the person is at the provider."""

    state: str
    nonce: str
    verifier: str
    warehouse: str


class IdToken(msgspec.Struct, kw_only=True):
    """The claims we look at, besides the one that says who it is."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    nonce: str = ""
    iat: float = 0
    azp: str = ""
    email_verified: bool | str = False


FIND = text(
    """
    SELECT id AS user_id, code, pin_hash, failed_pins FROM app_user
     WHERE active AND CASE WHEN :by_code THEN code = :who ELSE lower(email) = lower(:who) END
    """
)


def require_provider(provider: Provider, issuer: str) -> None:
    """Its document must be its own, and everything it names be encrypted. Raises NotVouched."""
    if provider.issuer.rstrip("/") != issuer.rstrip("/"):
        raise NotVouched(reason="its document names another issuer")
    for url in (provider.authorization_endpoint, provider.token_endpoint, provider.jwks_uri):
        require_safe(url)


def require_safe(url: str) -> None:
    """https, or this very machine. Raises NotVouched."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise NotVouched(reason="its addresses must begin with https")


def new_trip(warehouse: str) -> Trip:
    return Trip(
        state=secrets.token_urlsafe(32), nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48), warehouse=warehouse,
    )  # fmt: skip


def seal_trip(trip: Trip, sealer: Fernet) -> str:
    return sealer.encrypt(msgspec.json.encode(trip)).decode()


def open_trip(sealed: str, sealer: Fernet, state: str) -> Trip:
    """The trip that this answer ends. Raises NotVouched."""
    try:
        trip = msgspec.json.decode(sealer.decrypt(sealed, ttl=ROUND_TRIP_S), type=Trip)
    except (InvalidToken, msgspec.MsgspecError, ValueError):
        raise NotVouched(reason="the sign-in took too long or began elsewhere") from None
    if not hmac.compare_digest(trip.state.encode(), state.encode("utf-8", "replace")):
        raise NotVouched(reason="the answer belongs to another sign-in")
    return trip


def ask_url(provider: Provider, trip: Trip, client_id: str, redirect_uri: str) -> str:
    """Where the person goes to sign in."""
    digest = sha256(trip.verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    query = {
        "response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri,
        "scope": "openid email profile", "state": trip.state, "nonce": trip.nonce,
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    joint = "&" if "?" in provider.authorization_endpoint else "?"
    return f"{provider.authorization_endpoint}{joint}{urlencode(query)}"


def who_is(
    id_token: str, keys: dict[str, Any], provider: Provider, client_id: str, nonce: str,
    claim: str, at: datetime,
) -> str:  # fmt: skip
    """The value of the claim in a token meant for this very sign-in. Raises NotVouched."""
    raw = _claims(id_token, keys)
    try:
        claims = msgspec.convert(raw, IdToken)
    except msgspec.ValidationError:
        raise NotVouched(reason="its token lacks what it must say") from None
    meant_for = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    now_s = at.timestamp()
    if claims.iss != provider.issuer:
        raise NotVouched(reason="its token is from another issuer")
    if client_id not in meant_for or (len(meant_for) > 1 and claims.azp != client_id):
        raise NotVouched(reason="its token is meant for somebody else")
    if not claims.exp > now_s - SKEW_S or claims.iat > now_s + SKEW_S:
        raise NotVouched(reason="its token has expired or is from the future")
    if not hmac.compare_digest(claims.nonce.encode(), nonce.encode()):
        raise NotVouched(reason="its token belongs to another sign-in")
    if claim == "email" and claims.email_verified not in (True, "true"):
        raise NotVouched(reason="your email address is not verified there")
    who = raw.get(claim)
    if not isinstance(who, str) or not 1 <= len(who) <= 254 or not who.isprintable():
        raise NotVouched(reason=f"its token has no {claim}")
    return who


def _claims(id_token: str, keys: dict[str, Any]) -> dict[str, Any]:
    if len(id_token) > LENGTH_MAX or not id_token.isascii():
        raise NotVouched(reason="its token is malformed")
    try:
        with warnings.catch_warnings():  # EdDSA by its old name
            warnings.simplefilter("ignore", SecurityWarning)
            known = KeySet.import_key_set(cast(Any, keys))
            if any(key.key_type == "oct" for key in known.keys):
                raise NotVouched(reason="it publishes shared secrets")
            return jwt.decode(id_token, known, algorithms=list(ALGORITHMS)).claims
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise NotVouched(reason="its token's signature is wrong") from None


async def find_person(tx: Tx, who: str, *, by_code: bool) -> Attempt:
    """The person of ours; roles and badge as always. Raises NobodyHere."""
    found = await row(tx, FIND, Attempt, who=who, by_code=by_code)
    if found is None:
        raise NobodyHere(who=who)
    return found
