"""Adds people and resets PINs. Badges and PINs come in clear and are stored hashed."""

import os
from collections.abc import Sequence

import msgspec
from sqlalchemy import text

from wms.access.hashing import pin_hash, secret_hash
from wms.access.rules import Session
from wms.access.signin import PIN_FORM, NotAPin, UserUnknown
from wms.access.tables import app_user
from wms.bulk import Put, put_missing
from wms.db import Tx, row, rows
from wms.errors import Denied


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


class NotYours(Denied):
    say = "Only an admin may do this for {code}, who is a supervisor or admin."


class _Person(msgspec.Struct):
    id: int
    roles: tuple[str, ...]


LOCK = text("SELECT id, roles FROM app_user WHERE code = :code FOR UPDATE")
SET_PIN = text("UPDATE app_user SET pin_hash = :pin_hash, failed_pins = 0 WHERE id = :id")
END_SESSIONS = text("DELETE FROM session WHERE user_id = :id")
SET_EMAIL = text("UPDATE app_user SET email = :email WHERE id = :id")
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


async def require_charge(tx: Tx, session: Session, code: str) -> int:
    """The id of a person this one may help; a supervisor helps the floor, an admin everybody.

    Raises UserUnknown, NotYours.
    """
    person = await row(tx, LOCK, _Person, code=code)
    if person is None:
        raise UserUnknown(code=code[:40])
    if "admin" not in session.roles and {"supervisor", "admin"}.intersection(person.roles):
        raise NotYours(code=code)
    return person.id


async def reset_pin(tx: Tx, user_id: int, pin: str) -> None:
    """A new PIN; the badge is unlocked and the person's sessions end. Raises NotAPin."""
    if not PIN_FORM.fullmatch(pin):
        raise NotAPin()
    await tx.execute(SET_PIN, {"id": user_id, "pin_hash": pin_hash(pin, os.urandom(16))})
    await tx.execute(END_SESSIONS, {"id": user_id})


async def set_email(tx: Tx, user_id: int, email: str) -> None:
    """Who this person is to the identity provider; empty: nobody."""
    await tx.execute(SET_EMAIL, {"id": user_id, "email": email or None})
