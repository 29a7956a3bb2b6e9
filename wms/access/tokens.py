"""Access tokens: JWTs of ten minutes (RFC 9068) that narrow what a client may open.

Rule: a token never opens more than its client does now. It is read together with the client's row,
so switching a client off, or taking a scope away, also narrows the tokens that are out.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from sqlalchemy import text

from wms.access.clients import codes_of
from wms.access.rules import ApiClient, KeyExpired, TokenInvalid
from wms.access.token_keys import ALGORITHM, TOKEN_LIFE
from wms.db import Tx, row
from wms.errors import Denied
from wms.ids import uuid7

TYP = "at+jwt"
ALL = "*"
SKEW_S = 60
LENGTH_MAX = 8192


class ScopeNotYours(Denied):
    say = "{code} may not open {what}."


class Claims(msgspec.Struct, kw_only=True):
    """What one of our tokens says. No `cnf`: it is not bound to a certificate."""

    iss: str
    aud: str
    sub: str
    exp: int
    iat: int
    jti: str
    client_id: str
    scope: str
    sites: list[str]
    owners: list[str]
    cnf: dict[str, str] = {}


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """A client as its key or token lets it act, until when, and with which certificate."""

    client: ApiClient
    expires_at: datetime | None = None
    thumbprint: str = ""


class _Grant(msgspec.Struct):
    id: int
    code: str
    scopes: tuple[str, ...]
    warehouse_ids: tuple[int, ...]
    owner_ids: tuple[int, ...]
    named_owner_ids: tuple[int, ...]


GRANT = text(
    """
    SELECT c.id, c.code, c.scopes, c.owner_ids,
           array(SELECT w.id FROM warehouse w
                  WHERE w.code = ANY(:sites) AND w.id = ANY(c.warehouse_ids)) AS warehouse_ids,
           array(SELECT o.id FROM owner o
                  WHERE o.code = ANY(:owners)
                    AND (cardinality(c.owner_ids) = 0 OR o.id = ANY(c.owner_ids)))
             AS named_owner_ids
      FROM api_client c
     WHERE c.code = :code AND c.active
    """
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a token shall open; empty means everything its client may."""

    scopes: Sequence[str] = ()
    sites: Sequence[str] = ()
    owners: Sequence[str] = ()


async def grant(tx: Tx, client: ApiClient, asked: Asked, issuer: str, at: datetime) -> Claims:
    """The claims of a new token. Raises ScopeNotYours."""
    sites, named = await codes_of(tx, client.warehouse_ids, client.owner_ids)
    owners = named if client.owner_ids else [ALL]
    for what, wanted, allowed in (
        ("scope", asked.scopes, client.scopes),
        ("site", asked.sites, sites),
        ("owner", asked.owners, owners),
    ):
        for each in wanted:
            if each not in allowed and allowed != [ALL]:
                raise ScopeNotYours(code=client.code, what=f"{what} {each[:80]}")
    issued = int(at.timestamp())
    return Claims(
        iss=issuer, aud=issuer, sub=client.code, client_id=client.code, jti=str(uuid7()),
        iat=issued, exp=issued + int(TOKEN_LIFE.total_seconds()),
        scope=" ".join(asked.scopes or client.scopes), sites=list(asked.sites or sites),
        owners=list(asked.owners or owners),
    )  # fmt: skip


def sign(claims: Claims, key: OKPKey) -> str:
    header = {"alg": ALGORITHM, "kid": key.kid, "typ": TYP}
    body = {name: value for name, value in msgspec.structs.asdict(claims).items() if value != {}}
    return jwt.encode(header, body, key, algorithms=[ALGORITHM])


def verify(token: str, keys: KeySet, issuer: str, at: datetime) -> Claims:
    """The claims of a token that is ours and still lives. Raises TokenInvalid, KeyExpired."""
    if len(token) > LENGTH_MAX or not token.isascii():
        raise TokenInvalid(reason="it is malformed")
    try:
        read = jwt.decode(token, keys, algorithms=[ALGORITHM])
        claims = msgspec.convert(read.claims, Claims)
    except (JoseError, ValueError, TypeError, KeyError):
        raise TokenInvalid(reason="its signature or form is wrong") from None
    if read.header.get("typ") != TYP:
        raise TokenInvalid(reason="it is no access token")
    if claims.iss != issuer or claims.aud != issuer:
        raise TokenInvalid(reason="it is meant for somebody else")
    now_s = at.timestamp()
    if claims.iat > now_s + SKEW_S:
        raise TokenInvalid(reason="it is from the future")
    if claims.exp <= now_s:
        ended = datetime.fromtimestamp(claims.exp, UTC)
        raise KeyExpired(what="access token", expired_at=f"{ended:%Y-%m-%d %H:%M:%S} UTC",
                         next="Get a fresh one.")  # fmt: skip
    return claims


async def narrow(tx: Tx, claims: Claims) -> Presented:
    """The client behind a token, with no more than both allow. Raises TokenInvalid."""
    named: dict[str, Any] = {"sites": claims.sites, "owners": claims.owners}
    found = await row(tx, GRANT, _Grant, code=claims.sub, **named)
    if found is None:
        raise TokenInvalid(reason="its client is not known or switched off")
    owner_ids = found.owner_ids if claims.owners == [ALL] else found.named_owner_ids
    if claims.owners != [ALL] and not owner_ids:  # none left must not read as all
        raise TokenInvalid(reason="its client has none of its owners any more")
    asked = set(claims.scope.split())
    client = ApiClient(
        id=found.id, code=found.code, warehouse_ids=found.warehouse_ids, owner_ids=owner_ids,
        scopes=tuple(scope for scope in found.scopes if scope in asked),
    )  # fmt: skip
    return Presented(
        client=client, expires_at=datetime.fromtimestamp(claims.exp, UTC),
        thumbprint=claims.cnf.get("x5t#S256", ""),
    )  # fmt: skip
