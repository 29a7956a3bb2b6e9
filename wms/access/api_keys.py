"""API keys: `wms_<id>_<secret>`, shown once, stored hashed, expiring within a year.

The id may be seen: it finds the row, and tells whose key leaked. The secret is 256 random bits, so
one keyed SHA-256 is enough. A client has at most two live keys: make the second, move the partner
over, revoke the first.
"""

import hmac
import re
import secrets
from datetime import datetime
from hashlib import sha256

import msgspec
from sqlalchemy import text

from wms.access.rules import ApiClient, KeyExpired, KeyUnknown
from wms.db import Tx, row, rows
from wms.errors import Conflict, Invalid, NotFound

DAYS_MAX = 365
LIVE_MAX = 2
FORM = re.compile(r"wms_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class ClientUnknown(NotFound):
    say = "There is no API client {code}."


class NoSuchKey(NotFound):
    say = "{code} has no live key {kid}."


class TooManyKeys(Conflict):
    say = "{code} has two live keys already. Revoke one of them first."


class BadLifetime(Invalid):
    say = "A key lives 1 to 365 days, not {days}."


class KeyView(msgspec.Struct, kw_only=True):
    """One key as people see it."""

    kid: str
    made_by: str
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    live: bool


class _Found(msgspec.Struct):
    id: int
    code: str
    warehouse_ids: tuple[int, ...]
    owner_ids: tuple[int, ...]
    scopes: tuple[str, ...]
    key_id: int
    key_hash: bytes
    peppered: bool
    expires_at: datetime
    live: bool
    noted: bool


class _Id(msgspec.Struct):
    id: int


_FIND = """
    SELECT c.id, c.code, c.warehouse_ids, c.owner_ids, c.scopes, k.id AS key_id, k.key_hash,
           k.peppered, k.expires_at, k.expires_at > now() AS live,
           coalesce(k.used_at > now() - interval '1 minute', false) AS noted
      FROM api_key k
      JOIN api_client c ON c.id = k.client_id
     WHERE k.{} = :wanted AND k.revoked_at IS NULL AND c.active
"""
FIND = text(_FIND.format("kid"))  # served by api_key_kid_key
FIND_OLD = text(_FIND.format("key_hash"))  # keys of before had no id; api_key_key_hash_key
# The client's row is locked, so of two makers at once the second sees the first one's key.
LOCK = text("SELECT id FROM api_client WHERE code = :code FOR UPDATE")
LIVE = text(
    """
    SELECT id FROM api_key
     WHERE client_id = :client_id AND revoked_at IS NULL AND expires_at > now()
    """
)
MAKE = text(
    """
    INSERT INTO api_key (client_id, kid, key_hash, peppered, made_by, expires_at)
    VALUES (:client_id, :kid, :key_hash, :peppered, :made_by, now() + make_interval(days => :days))
    """
)
REVOKE = text(
    """
    UPDATE api_key k SET revoked_at = now()
      FROM api_client c
     WHERE c.id = k.client_id AND c.code = :code AND k.revoked_at IS NULL
       AND (:kid = '' OR k.kid = :kid)
    """
)
NOTE_USE = text(
    """
    UPDATE api_key SET used_at = now()
     WHERE id = :key_id AND (used_at IS NULL OR used_at < now() - interval '1 minute')
    """
)
LIST = text(
    """
    SELECT k.kid, k.made_by, k.made_at, k.expires_at, k.used_at, k.revoked_at,
           k.revoked_at IS NULL AND k.expires_at > now() AS live
      FROM api_key k JOIN api_client c ON c.id = k.client_id
     WHERE c.code = :code ORDER BY k.id DESC
    """
)


async def make_key(
    tx: Tx, code: str, *, pepper: bytes = b"", days: int = DAYS_MAX, by: str = "system:wms"
) -> str:
    """One more key for a client; it cannot be read again. Locks the client.

    Raises ClientUnknown, TooManyKeys, BadLifetime.
    """
    if not 1 <= days <= DAYS_MAX:
        raise BadLifetime(days=days)
    client = await row(tx, LOCK, _Id, code=code)
    if client is None:
        raise ClientUnknown(code=code)
    if len(await rows(tx, LIVE, _Id, client_id=client.id)) >= LIVE_MAX:
        raise TooManyKeys(code=code)
    kid, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    await tx.execute(
        MAKE,
        {"client_id": client.id, "kid": kid, "key_hash": _hash(kid, secret, pepper),
         "peppered": bool(pepper), "made_by": by, "days": days},
    )  # fmt: skip
    return f"wms_{kid}_{secret}"


async def find_client(tx: Tx, key: str, pepper: bytes = b"") -> tuple[ApiClient, int | None]:
    """The partner whose key this is, and the key's id when its use should be noted now.

    Raises KeyUnknown, KeyExpired.
    """
    form = FORM.fullmatch(key)
    if form is None:
        found = await row(tx, FIND_OLD, _Found, wanted=sha256(key.encode()).digest())
    else:
        found = await row(tx, FIND, _Found, wanted=form[1])
        if found is not None:
            given = _hash(form[1], form[2], pepper if found.peppered else b"")
            if not hmac.compare_digest(given, found.key_hash):
                found = None
    if found is None:
        raise KeyUnknown()
    if not found.live:
        raise KeyExpired(
            what="API key", expired_at=f"{found.expires_at:%Y-%m-%d %H:%M} UTC",
            next="Ask for a new one.",
        )  # fmt: skip
    client = ApiClient(
        id=found.id, code=found.code, warehouse_ids=found.warehouse_ids,
        owner_ids=found.owner_ids, scopes=found.scopes,
    )  # fmt: skip
    return client, None if found.noted else found.key_id


async def note_use(tx: Tx, key_id: int) -> None:
    """Writes down that a key is in use, once a minute."""
    await tx.execute(NOTE_USE, {"key_id": key_id})


async def revoke_key(tx: Tx, code: str, kid: str) -> None:
    """That key stops working at once. Raises NoSuchKey."""
    if not kid or (await tx.execute(REVOKE, {"code": code, "kid": kid})).rowcount == 0:
        raise NoSuchKey(code=code, kid=kid)


async def revoke_all(tx: Tx, code: str) -> int:
    """No key of this client works any more; returns how many were live or expired."""
    return (await tx.execute(REVOKE, {"code": code, "kid": ""})).rowcount


async def list_keys(tx: Tx, code: str) -> list[KeyView]:
    """All keys a client ever had, newest first."""
    return await rows(tx, LIST, KeyView, code=code)


def _hash(kid: str, secret: str, pepper: bytes) -> bytes:
    return hmac.digest(pepper, f"{kid}.{secret}".encode(), "sha256")
