"""Partner systems and their API keys. A key is shown once, when it is made, and stored hashed."""

import secrets
from collections.abc import Sequence

from sqlalchemy import text

from wms.access.hashing import secret_hash
from wms.access.rules import SCOPES, ApiClient, KeyUnknown
from wms.db import Tx, row
from wms.errors import Conflict, Invalid


class ScopeUnknown(Invalid):
    say = "There is no scope {scope}. Scopes are {known}."


class ClientExists(Conflict):
    say = "There is already an API client {code}."


CREATE = text(
    """
    INSERT INTO api_client (code, key_hash, warehouse_ids, owner_ids, scopes)
    VALUES (:code, :key_hash, :warehouse_ids, :owner_ids, :scopes)
    ON CONFLICT (code) DO NOTHING
    RETURNING id
    """
)
FIND = text(
    """
    SELECT id, code, warehouse_ids, owner_ids, scopes FROM api_client
     WHERE key_hash = :key_hash AND active
    """
)
SWITCH_OFF = text("UPDATE api_client SET active = false WHERE code = :code")
NEW_KEY = text("UPDATE api_client SET key_hash = :key_hash, active = true WHERE code = :code")


async def create_client(
    tx: Tx,
    code: str,
    *,
    warehouse_ids: Sequence[int],
    scopes: Sequence[str] = tuple(SCOPES),
    owner_ids: Sequence[int] = (),
) -> str:
    """A new partner; returns its key, which cannot be read again. No `owner_ids`: every owner.

    Raises ScopeUnknown, ClientExists.
    """
    for scope in scopes:
        if scope not in SCOPES:
            raise ScopeUnknown(scope=scope, known=", ".join(SCOPES))
    key = f"wms_{secrets.token_urlsafe(32)}"
    values = {
        "code": code,
        "key_hash": secret_hash(key),
        "warehouse_ids": list(warehouse_ids),
        "owner_ids": list(owner_ids),
        "scopes": list(scopes),
    }
    if (await tx.execute(CREATE, values)).first() is None:
        raise ClientExists(code=code)
    return key


async def renew_key(tx: Tx, code: str) -> str:
    """A new key for a partner; the old one stops working at once. Raises KeyUnknown."""
    key = f"wms_{secrets.token_urlsafe(32)}"
    changed = await tx.execute(NEW_KEY, {"code": code, "key_hash": secret_hash(key)})
    if changed.rowcount == 0:
        raise KeyUnknown()
    return key


async def get_client(tx: Tx, key: str) -> ApiClient:
    """The partner whose key this is. Raises KeyUnknown."""
    found = await row(tx, FIND, ApiClient, key_hash=secret_hash(key))
    if found is None:
        raise KeyUnknown()
    return found


async def switch_off(tx: Tx, code: str) -> None:
    await tx.execute(SWITCH_OFF, {"code": code})
