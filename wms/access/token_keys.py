"""The keys that sign access tokens: Ed25519, private half sealed, changed with an overlap.

A new key is published before it signs and an old one until its last token has ended, so nobody who
verifies tokens ever meets a key that is not in the set. Rotation happens by itself.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from joserfc.jwk import KeySet, OKPKey
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from wms.db import Tx, rows

TOKEN_LIFE = timedelta(minutes=10)
ALGORITHM = "Ed25519"  # EdDSA by its own name (RFC 9864)
AHEAD = timedelta(minutes=10)  # published before it signs
OVERLAP = TOKEN_LIFE + timedelta(minutes=5)
ROTATE = timedelta(days=30)


class _Row(msgspec.Struct):
    kid: str
    sealed: bytes
    signs_from: datetime


class _Public(msgspec.Struct):
    public: dict[str, Any]


NEWEST = text(
    """
    SELECT kid, sealed, signs_from FROM token_key
     WHERE expires_at IS NULL OR expires_at > :at
     ORDER BY signs_from DESC
    """
)
PUBLIC = text(
    "SELECT public FROM token_key WHERE expires_at IS NULL OR expires_at > :at ORDER BY signs_from"
)
ADD = text(
    """
    INSERT INTO token_key (kid, sealed, public, signs_from)
    VALUES (:kid, :sealed, :public, :signs_from)
    """
).bindparams(bindparam("public", type_=JSONB))
RETIRE = text(
    "UPDATE token_key SET expires_at = :expires_at WHERE expires_at IS NULL AND kid <> :kid"
)
FORGET = text("DELETE FROM token_key WHERE expires_at < :at")
# One process at a time makes a key; the others find it.
QUEUE = text("SELECT pg_advisory_xact_lock(hashtextextended('token keys', 8420))")


async def find_signing_key(tx: Tx, sealer: Fernet, at: datetime) -> OKPKey | None:
    """The key to sign with, or None when one must be made or is about to be due (`rotate`)."""
    found = await rows(tx, NEWEST, _Row, at=at)
    if not found or found[0].signs_from < at - ROTATE:
        return None
    return _first(found, sealer, at)


async def rotate(tx: Tx, sealer: Fernet, at: datetime, *, force: bool = False) -> OKPKey:
    """Makes the next key when it is time (or `force`); answers the one that signs now."""
    await tx.execute(QUEUE)
    found = await rows(tx, NEWEST, _Row, at=at)
    signing = _first(found, sealer, at)
    fresh = bool(found) and found[0].signs_from >= at - ROTATE
    if signing is not None and fresh and not force:
        return signing
    key = OKPKey.generate_key(ALGORITHM, auto_kid=True)
    signs_from = at if signing is None else at + AHEAD
    values = {"kid": key.kid, "sealed": sealer.encrypt(key.as_bytes(private=True)),
              "public": _public(key), "signs_from": signs_from}  # fmt: skip
    await tx.execute(ADD, values)
    await tx.execute(RETIRE, {"kid": key.kid, "expires_at": signs_from + OVERLAP})
    await tx.execute(FORGET, {"at": at})
    return signing or key


async def public_set(tx: Tx, at: datetime) -> dict[str, Any]:
    """The JSON Web Key Set of everything that may have signed a living token, or soon will."""
    return {"keys": [found.public for found in await rows(tx, PUBLIC, _Public, at=at)]}


async def verifying_keys(tx: Tx, at: datetime) -> KeySet:
    keys = (await public_set(tx, at))["keys"]
    return KeySet([OKPKey.import_key(key) for key in keys])


def _first(found: list[_Row], sealer: Fernet, at: datetime) -> OKPKey | None:
    """The newest that signs already and that this installation can open."""
    for each in found:
        if each.signs_from <= at:
            try:
                return OKPKey.import_key(sealer.decrypt(each.sealed), {"kid": each.kid})
            except InvalidToken:  # sealed with another installation's key: lost
                return None
    return None


def _public(key: OKPKey) -> dict[str, Any]:
    return {**key.as_dict(private=False), "alg": ALGORITHM, "use": "sig"}
