"""Signing in with badge and PIN, and out. A badge is never taken for a PIN, nor the other way.

The attempt is counted and committed before the PIN is looked at, so parallel guesses all count;
between the two short transactions the slow PIN check runs with nothing locked:

    attempt = start_attempt(tx, badge, pin)     # transaction 1: who is it, one more attempt
    check_pin(attempt, pin)                     # no transaction, off the event loop
    token = open_session(tx, attempt, ...)      # transaction 2: attempts back to 0, session
"""

import re
import secrets
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import text

from wms import barcodes
from wms.access.hashing import pin_fits, secret_hash
from wms.access.rules import Session
from wms.db import Tx, row
from wms.errors import Denied, Refused

PIN_ATTEMPTS_MAX = 5
SESSION_LIFE = timedelta(hours=14)  # longer than a shift with overtime
PIN_FORM = re.compile(r"[0-9]{4,6}")


class NotABadge(Denied):
    say = "That is not a badge: {scanned}. Scan your badge first."


class NotAPin(Denied):
    say = "A PIN is 4 to 6 digits, keyed. A scanned badge or label is never a PIN."


class BadgeUnknown(Denied):
    say = "This badge is not known or no longer active. Ask your supervisor."


class WrongPin(Denied):
    say = "Wrong PIN. {left} more tries before the badge is locked."


class BadgeLocked(Denied):
    say = "This badge is locked after 5 wrong PINs. A supervisor unlocks it."


class WarehouseUnknown(Denied):
    say = "There is no warehouse {code}."


class UserUnknown(Denied):
    say = "There is no user {code}."


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One counted try to sign in."""

    user_id: int
    code: str
    pin_hash: bytes
    failed_pins: int


class _Active(msgspec.Struct):
    active: bool


class _Id(msgspec.Struct):
    id: int


# Served by app_user_badge_hash_key; locks that one user until the attempt is counted.
COUNT_ATTEMPT = text(
    """
    UPDATE app_user SET failed_pins = failed_pins + 1
     WHERE badge_hash = :badge_hash AND active AND failed_pins < :attempts_max
    RETURNING id AS user_id, code, pin_hash, failed_pins
    """
)
WHY_NOT = text("SELECT active FROM app_user WHERE badge_hash = :badge_hash")
WAREHOUSE = text("SELECT id FROM warehouse WHERE code = :code")
FORGIVE = text("UPDATE app_user SET failed_pins = 0 WHERE id = :user_id AND active RETURNING id")
LEAVE_DEVICE = text(
    """
    DELETE FROM session
     WHERE device = :device AND warehouse_id = :warehouse_id AND token_hash <> :token_hash
    """
)
OPEN = text(
    """
    INSERT INTO session (token_hash, user_id, warehouse_id, device, started_at, expires_at, bin_id)
    VALUES (:token_hash, :user_id, :warehouse_id, :device, :at, :expires_at,
            (SELECT s.bin_id FROM session s
              WHERE s.user_id = :user_id AND s.warehouse_id = :warehouse_id
              ORDER BY s.started_at DESC LIMIT 1))
    """
)
CLOSE = text("DELETE FROM session WHERE token_hash = :token_hash")
FIND = text(
    """
    SELECT u.id AS user_id, u.code, u.name, u.roles, s.warehouse_id, w.code AS warehouse_code,
           s.device, s.expires_at
      FROM session s
      JOIN app_user u ON u.id = s.user_id
      JOIN warehouse w ON w.id = s.warehouse_id
     WHERE s.token_hash = :token_hash AND s.expires_at > :at AND u.active
    """
)
UNLOCK = text("UPDATE app_user SET failed_pins = 0 WHERE code = :code RETURNING id")
FORGET_EXPIRED = text("DELETE FROM session WHERE expires_at < :at")


def badge_code(scanned: str) -> str:
    """The badge label in normal form. Raises NotABadge for everything else."""
    try:
        reading = barcodes.read(scanned)
    except Refused:
        raise NotABadge(scanned=scanned[:40]) from None
    if reading.kind != "BD":
        raise NotABadge(scanned=scanned[:40] or "nothing")
    return reading.code


async def start_attempt(tx: Tx, badge: str, pin: str) -> Attempt:
    """Who is signing in; counts the attempt, so commit before checking the PIN.

    Raises NotABadge, NotAPin, BadgeUnknown or BadgeLocked.
    """
    badge_hash = secret_hash(badge_code(badge))
    if not PIN_FORM.fullmatch(pin):
        raise NotAPin()
    attempt = await row(
        tx, COUNT_ATTEMPT, Attempt, badge_hash=badge_hash, attempts_max=PIN_ATTEMPTS_MAX
    )
    if attempt is None:
        known = await row(tx, WHY_NOT, _Active, badge_hash=badge_hash)
        raise BadgeLocked() if known is not None and known.active else BadgeUnknown()
    return attempt


def check_pin(attempt: Attempt, pin: str) -> None:
    """About 20 ms of one core: call it off the event loop. Raises WrongPin or BadgeLocked."""
    if pin_fits(pin, attempt.pin_hash):
        return
    left = PIN_ATTEMPTS_MAX - attempt.failed_pins
    raise WrongPin(left=left) if left > 0 else BadgeLocked()


async def open_session(
    tx: Tx, attempt: Attempt, device: str, warehouse_code: str, at: datetime
) -> str:
    """The session token; earlier attempts are forgiven and the device's last person signed out.

    Raises WarehouseUnknown, or BadgeUnknown when the user was switched off meanwhile.
    """
    warehouse = await row(tx, WAREHOUSE, _Id, code=warehouse_code)
    if warehouse is None:
        raise WarehouseUnknown(code=warehouse_code)
    if await row(tx, FORGIVE, _Id, user_id=attempt.user_id) is None:
        raise BadgeUnknown()
    token = secrets.token_urlsafe(32)
    session = {
        "token_hash": secret_hash(token),
        "warehouse_id": warehouse.id,
        "device": device,
    }
    person = {"user_id": attempt.user_id, "at": at, "expires_at": at + SESSION_LIFE}
    await tx.execute(OPEN, {**session, **person})
    await tx.execute(LEAVE_DEVICE, session)
    return token


async def sign_out(tx: Tx, token: str) -> None:
    """Ends that session; nothing happens when it has ended already."""
    await tx.execute(CLOSE, {"token_hash": secret_hash(token)})


async def find_session(tx: Tx, token: str, at: datetime) -> Session | None:
    """The session of a token, unless it has expired or the user was switched off."""
    return await row(tx, FIND, Session, token_hash=secret_hash(token), at=at)


async def unlock(tx: Tx, code: str) -> None:
    """A supervisor lets a user try again (the caller requires the role). Raises UserUnknown."""
    if await row(tx, UNLOCK, _Id, code=code) is None:
        raise UserUnknown(code=code)


async def forget_sessions(tx: Tx, at: datetime) -> int:
    """Chore: delete sessions that ended by time; returns how many."""
    return (await tx.execute(FORGET_EXPIRED, {"at": at})).rowcount
