"""Who exists and who is signed in where."""

from datetime import datetime

import msgspec
from sqlalchemy import text

from wms.access.hashing import secret_hash
from wms.access.signin import PIN_ATTEMPTS_MAX, badge_code
from wms.db import Tx, row, rows


class Person(msgspec.Struct, kw_only=True):
    """One line of the people page."""

    id: int
    code: str
    name: str
    roles: tuple[str, ...]
    active: bool
    locked: bool
    email: str | None = None


class SignedIn(msgspec.Struct, kw_only=True):
    """One person on one device of a warehouse, and the bin last scanned."""

    user_id: int
    code: str
    name: str
    device: str
    started_at: datetime
    bin_code: str | None


PEOPLE = text(
    """
    SELECT id, code, name, roles, active, failed_pins >= :attempts_max AS locked, email
      FROM app_user ORDER BY code
    """
)
SIGNED_IN = text(
    """
    SELECT u.id AS user_id, u.code, u.name, s.device, s.started_at, b.code AS bin_code
      FROM session s
      JOIN app_user u ON u.id = s.user_id
      LEFT JOIN bin b ON b.warehouse_id = s.warehouse_id AND b.id = s.bin_id
     WHERE s.warehouse_id = :warehouse_id AND s.expires_at > :at
     ORDER BY u.code, s.started_at
    """
)


BADGE_HOLDER = text("SELECT name FROM app_user WHERE badge_hash = :badge_hash AND active")
WAREHOUSES = text("SELECT code FROM warehouse ORDER BY id")


class _Code(msgspec.Struct):
    code: str


class _Name(msgspec.Struct):
    name: str


async def find_badge_holder(tx: Tx, badge: str) -> str | None:
    """The name to greet when a badge was scanned. Raises NotABadge."""
    holder = await row(tx, BADGE_HOLDER, _Name, badge_hash=secret_hash(badge_code(badge)))
    return None if holder is None else holder.name


async def list_warehouse_codes(tx: Tx) -> list[str]:
    return [found.code for found in await rows(tx, WAREHOUSES, _Code)]


async def list_people(tx: Tx) -> list[Person]:
    return await rows(tx, PEOPLE, Person, attempts_max=PIN_ATTEMPTS_MAX)


async def list_signed_in(tx: Tx, warehouse_id: int, at: datetime) -> list[SignedIn]:
    return await rows(tx, SIGNED_IN, SignedIn, warehouse_id=warehouse_id, at=at)
