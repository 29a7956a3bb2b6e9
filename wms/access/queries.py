"""Who exists and who is signed in where."""

from datetime import datetime

import msgspec
from sqlalchemy import text

from wms.access.signin import PIN_ATTEMPTS_MAX
from wms.db import Tx, rows


class Person(msgspec.Struct, kw_only=True):
    """One line of the people page."""

    id: int
    code: str
    name: str
    roles: tuple[str, ...]
    active: bool
    locked: bool


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
    SELECT id, code, name, roles, active, failed_pins >= :attempts_max AS locked
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


async def list_people(tx: Tx) -> list[Person]:
    return await rows(tx, PEOPLE, Person, attempts_max=PIN_ATTEMPTS_MAX)


async def list_signed_in(tx: Tx, warehouse_id: int, at: datetime) -> list[SignedIn]:
    return await rows(tx, SIGNED_IN, SignedIn, warehouse_id=warehouse_id, at=at)
