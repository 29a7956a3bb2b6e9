"""How a client proves itself at the token endpoint: its secret, a signed assertion, a certificate.

The secret is any live API key of the client. An assertion (RFC 7523) is signed with a registered
key, short-lived, meant for us, and taken once. A certificate (RFC 8705) is known by thumbprint.
"""

import base64
import hashlib
import warnings
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet
from sqlalchemy import text

from wms.access.api_keys import find_client
from wms.access.clients import CODE
from wms.access.public_keys import ALGORITHMS
from wms.access.rules import ApiClient, KeyUnknown
from wms.db import Tx, row
from wms.errors import Denied

LIFE_MAX_S = 600
SKEW_S = 60
LENGTH_MAX = 16384


class ProofWrong(Denied):
    say = "That client could not be recognised: {reason}."


class _Client(msgspec.Struct):
    id: int
    code: str
    warehouse_ids: tuple[int, ...]
    owner_ids: tuple[int, ...]
    scopes: tuple[str, ...]
    jwks: dict[str, Any]
    certificates: tuple[str, ...]


class _Assertion(msgspec.Struct):
    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    jti: str
    iat: float | None = None
    nbf: float | None = None


FIND = text(
    """
    SELECT id, code, warehouse_ids, owner_ids, scopes, jwks, certificates
      FROM api_client WHERE code = :code AND active
    """
)
FORGET = text("DELETE FROM assertion_seen WHERE client_id = :client_id AND expires_at < :at")
TAKE = text(
    """
    INSERT INTO assertion_seen (client_id, jti_hash, expires_at)
    VALUES (:client_id, :jti_hash, :expires_at)
    ON CONFLICT DO NOTHING
    """
)


async def by_secret(tx: Tx, code: str, secret: str, pepper: bytes) -> tuple[ApiClient, int | None]:
    """The client, and its key's id when its use should be noted. Raises KeyUnknown, KeyExpired."""
    client, used = await find_client(tx, secret, pepper)
    if client.code != code:
        raise KeyUnknown()
    return client, used


async def by_assertion(
    tx: Tx, assertion: str, audience: tuple[str, ...], at: datetime
) -> ApiClient:
    """Remembers the assertion, so commit. Raises ProofWrong."""
    code = _subject(assertion)
    found = await _find(tx, code)
    if not found.jwks.get("keys"):
        raise ProofWrong(reason="it has no public keys registered")
    claims = _verified(assertion, found.jwks)
    if not claims.iss == claims.sub == code:
        raise ProofWrong(reason="iss and sub are not the client")
    meant_for = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if not set(meant_for).intersection(audience):
        raise ProofWrong(reason="the assertion is meant for somebody else")
    now_s = at.timestamp()
    if not now_s - SKEW_S < claims.exp <= now_s + LIFE_MAX_S + SKEW_S:
        raise ProofWrong(reason="the assertion has expired, or lives longer than 10 minutes")
    if max(claims.iat or 0, claims.nbf or 0) > now_s + SKEW_S:
        raise ProofWrong(reason="the assertion is from the future")
    if not 1 <= len(claims.jti) <= 256:
        raise ProofWrong(reason="the assertion needs a jti of at most 256 characters")
    await tx.execute(FORGET, {"client_id": found.id, "at": at})
    kept_until = datetime.fromtimestamp(claims.exp + 2 * SKEW_S, UTC)
    jti_hash = hashlib.sha256(claims.jti.encode("utf-8", "surrogatepass")).digest()
    taken = {"client_id": found.id, "jti_hash": jti_hash, "expires_at": kept_until}
    if (await tx.execute(TAKE, taken)).rowcount == 0:
        raise ProofWrong(reason="the assertion was used before")
    return _client(found)


async def by_certificate(tx: Tx, code: str, thumbprint: str) -> ApiClient:
    """Raises ProofWrong."""
    found = await _find(tx, code)
    if not thumbprint:
        raise ProofWrong(reason="no certificate came with it by way of a trusted proxy")
    if thumbprint not in found.certificates:
        raise ProofWrong(reason="that certificate is not registered")
    return _client(found)


async def has_certificate(tx: Tx, code: str, thumbprint: str) -> bool:
    found = await row(tx, FIND, _Client, code=code)
    return found is not None and thumbprint in found.certificates


async def _find(tx: Tx, code: str) -> _Client:
    found = await row(tx, FIND, _Client, code=code) if CODE.fullmatch(code) else None
    if found is None:
        raise ProofWrong(reason="the client is not known or switched off")
    return found


def _subject(assertion: str) -> str:
    """Who it claims to be, unverified: only to find the keys."""
    try:
        middle = assertion.split(".")[1]
        body = msgspec.json.decode(_unpadded(middle))
        return str(body["sub"])
    except (IndexError, ValueError, TypeError, KeyError):
        raise ProofWrong(reason="the assertion is malformed") from None


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _verified(assertion: str, jwks: dict[str, Any]) -> _Assertion:
    if len(assertion) > LENGTH_MAX or not assertion.isascii():
        raise ProofWrong(reason="the assertion is malformed")
    try:
        with warnings.catch_warnings():  # EdDSA by its old name is what most partners send
            warnings.simplefilter("ignore", SecurityWarning)
            keys = KeySet.import_key_set(cast(Any, jwks))
            read = jwt.decode(assertion, keys, algorithms=list(ALGORITHMS))
        return msgspec.convert(read.claims, _Assertion)
    except (JoseError, ValueError, TypeError, KeyError):
        raise ProofWrong(reason="the assertion's signature or form is wrong") from None


def _client(found: _Client) -> ApiClient:
    return ApiClient(
        id=found.id, code=found.code, warehouse_ids=found.warehouse_ids,
        owner_ids=found.owner_ids, scopes=found.scopes,
    )  # fmt: skip
