"""Adds people. Badges and PINs come in clear and are stored hashed."""

import os
from collections.abc import Sequence

import msgspec
from sqlalchemy import text

from wms.access.hashing import pin_hash, secret_hash
from wms.access.tables import app_user
from wms.bulk import Put, put_missing
from wms.db import Tx, rows


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """A person as told to us: the whole badge label, and the PIN."""

    code: str
    name: str
    badge: str
    pin: str
    roles: tuple[str, ...]


class _Holder(msgspec.Struct):
    code: str
    badge_hash: bytes


HOLDERS = text("SELECT code, badge_hash FROM app_user WHERE badge_hash = ANY(:hashes)")


async def put_users(tx: Tx, users: Sequence[NewUser]) -> Put:
    """New people are added; a PIN of somebody known is not changed. About 20 ms each."""
    offered = [
        {
            "code": user.code,
            "name": user.name,
            "badge_hash": secret_hash(user.badge),
            "pin_hash": pin_hash(user.pin, os.urandom(16)),
            "roles": list(user.roles),
        }
        for user in users
    ]
    return await put_missing(tx, app_user, ["code"], offered, apart=["pin_hash"])


async def list_badge_holders(tx: Tx, badges: Sequence[str]) -> dict[str, str]:
    """Which of these badge labels belong to whom already."""
    labels = {secret_hash(badge): badge for badge in badges}
    found = await rows(tx, HOLDERS, _Holder, hashes=list(labels))
    return {labels[holder.badge_hash]: holder.code for holder in found}
