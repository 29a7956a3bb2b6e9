"""Partner systems: what they may open, and how they prove who they are."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from wms.access.api_keys import (
    DAYS_MAX,
    ClientUnknown,
    KeyView,
    find_client,
    list_keys,
    make_key,
    revoke_all,
)
from wms.access.rules import SCOPES, USUAL, ApiClient, KeyUnknown, require_owner
from wms.db import Tx, row, rows
from wms.errors import Conflict, Invalid

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class ScopeUnknown(Invalid):
    say = "There is no scope {scope}. Scopes are {known}."


class ClientExists(Conflict):
    say = "There is already an API client {code}."


class BadClientCode(Invalid):
    say = "A client's code is 1 to 64 letters, digits, dots, dashes or underscores, not {code}."


class NoSuchCode(Invalid):
    say = "There is no {what} {code}."


class ClientView(msgspec.Struct, kw_only=True):
    """One client with its keys, as people see it. No owners: all of them."""

    id: int
    code: str
    active: bool
    warehouses: tuple[str, ...]
    owners: tuple[str, ...]
    scopes: tuple[str, ...]
    jwks: dict[str, Any]
    certificates: tuple[str, ...]
    keys: list[KeyView] = msgspec.field(default_factory=list)


NOBODY = 0  # no owner has it


class _Id(msgspec.Struct):
    id: int


class _Coded(msgspec.Struct):
    id: int
    code: str


class Names(msgspec.Struct):
    """Codes of warehouses and owners."""

    sites: list[str]
    owners: list[str]


NAMES = text(
    """
    SELECT array(SELECT code FROM warehouse WHERE id = ANY(:warehouse_ids) ORDER BY code) AS sites,
           array(SELECT code FROM owner WHERE id = ANY(:owner_ids) ORDER BY code) AS owners
    """
)
CREATE = text(
    """
    INSERT INTO api_client (code, warehouse_ids, owner_ids, scopes)
    VALUES (:code, :warehouse_ids, :owner_ids, :scopes)
    ON CONFLICT (code) DO NOTHING
    RETURNING id
    """
)
_VIEW = """
    SELECT c.id, c.code, c.active, c.scopes, c.jwks, c.certificates,
           array(SELECT code FROM warehouse WHERE id = ANY(c.warehouse_ids) ORDER BY code)
             AS warehouses,
           array(SELECT code FROM owner WHERE id = ANY(c.owner_ids) ORDER BY code) AS owners
      FROM api_client c
"""
VIEW = text(f"{_VIEW} WHERE c.code = :code")
VIEWS = text(f"{_VIEW} ORDER BY c.code")
SWITCH = text("UPDATE api_client SET active = :active WHERE code = :code RETURNING id")
CHANGE = text(
    """
    UPDATE api_client
       SET warehouse_ids = :warehouse_ids, owner_ids = :owner_ids, scopes = :scopes
     WHERE code = :code RETURNING id
    """
)
SET_JWKS = text(
    "UPDATE api_client SET jwks = :jwks WHERE code = :code RETURNING id"
).bindparams(bindparam("jwks", type_=JSONB))  # fmt: skip
SET_CERTIFICATES = text(
    "UPDATE api_client SET certificates = :certificates WHERE code = :code RETURNING id"
)
WAREHOUSES = text("SELECT id, code FROM warehouse WHERE code = ANY(:codes)")
OWNERS = text("SELECT id, code FROM owner WHERE code = ANY(:codes)")


async def create_client(
    tx: Tx,
    code: str,
    *,
    warehouse_ids: Sequence[int],
    scopes: Sequence[str] = USUAL,
    owner_ids: Sequence[int] = (),
    pepper: bytes = b"",
    days: int = DAYS_MAX,
    by: str = "system:wms",
) -> str:
    """A new partner; returns its key, which cannot be read again. No `owner_ids`: every owner.

    Raises ScopeUnknown, ClientExists, BadClientCode, BadLifetime.
    """
    require_known(scopes)
    if not CODE.fullmatch(code):
        raise BadClientCode(code=code[:80])
    values = {
        "code": code,
        "warehouse_ids": list(warehouse_ids),
        "owner_ids": list(owner_ids),
        "scopes": list(scopes),
    }
    if (await tx.execute(CREATE, values)).first() is None:
        raise ClientExists(code=code)
    return await make_key(tx, code, pepper=pepper, days=days, by=by)


def require_known(scopes: Sequence[str]) -> None:
    """Raises ScopeUnknown."""
    for scope in scopes:
        if scope not in SCOPES:
            raise ScopeUnknown(scope=scope, known=", ".join(SCOPES))


async def renew_key(tx: Tx, code: str, *, pepper: bytes = b"", by: str = "system:wms") -> str:
    """A new key for a partner; its old ones stop working at once. Raises KeyUnknown."""
    await revoke_all(tx, code)
    try:
        key = await make_key(tx, code, pepper=pepper, by=by)
    except ClientUnknown:
        raise KeyUnknown() from None
    await tx.execute(SWITCH, {"code": code, "active": True})
    return key


async def get_client(tx: Tx, key: str, pepper: bytes = b"") -> ApiClient:
    """The partner whose key this is. Raises KeyUnknown, KeyExpired."""
    return (await find_client(tx, key, pepper))[0]


async def switch_off(tx: Tx, code: str) -> None:
    """Nothing of this client works any more: neither keys nor tokens. Raises ClientUnknown."""
    await _set(tx, SWITCH, code, active=False)


async def switch_on(tx: Tx, code: str) -> None:
    """Raises ClientUnknown."""
    await _set(tx, SWITCH, code, active=True)


async def change_client(
    tx: Tx, code: str, *, warehouse_ids: Sequence[int], owner_ids: Sequence[int],
    scopes: Sequence[str],
) -> None:  # fmt: skip
    """What it may open from now on; tokens given out before are narrowed too.

    Raises ScopeUnknown, ClientUnknown.
    """
    require_known(scopes)
    await _set(
        tx, CHANGE, code, warehouse_ids=list(warehouse_ids), owner_ids=list(owner_ids),
        scopes=list(scopes),
    )  # fmt: skip


async def set_jwks(tx: Tx, code: str, jwks: dict[str, Any]) -> None:
    """The public keys of its assertions. Raises ClientUnknown."""
    await _set(tx, SET_JWKS, code, jwks=jwks)


async def set_certificates(tx: Tx, code: str, thumbprints: Sequence[str]) -> None:
    """The client certificates it may present. Raises ClientUnknown."""
    await _set(tx, SET_CERTIFICATES, code, certificates=list(thumbprints))


async def _set(tx: Tx, statement: Any, code: str, **values: Any) -> None:
    if await row(tx, statement, _Id, code=code, **values) is None:
        raise ClientUnknown(code=code)


async def get_view(tx: Tx, code: str) -> ClientView:
    """Raises ClientUnknown."""
    found = await row(tx, VIEW, ClientView, code=code)
    if found is None:
        raise ClientUnknown(code=code)
    found.keys = await list_keys(tx, code)
    return found


async def list_clients(tx: Tx) -> list[ClientView]:
    """All clients with their keys. Few: one statement each for the keys."""
    found = await rows(tx, VIEWS, ClientView)
    for client in found:
        client.keys = await list_keys(tx, client.code)
    return found


async def warehouse_ids(tx: Tx, codes: Sequence[str]) -> list[int]:
    """Raises NoSuchCode."""
    return await _ids(tx, WAREHOUSES, "warehouse", codes)


async def owner_ids(tx: Tx, codes: Sequence[str]) -> list[int]:
    """Raises NoSuchCode."""
    return await _ids(tx, OWNERS, "owner", codes)


async def require_owner_code(tx: Tx, client: ApiClient, owner: str) -> None:
    """Before anything of a named owner is looked for. Raises OwnerForbidden (there or not)."""
    if client.owner_ids:
        await narrowed_to(tx, client, owner)


async def narrowed_to(tx: Tx, client: ApiClient, owner: str) -> Sequence[int]:
    """The owners a list is about: the named one, or the client's (none means every owner).

    Raises OwnerForbidden (there or not).
    """
    if not owner:
        return client.owner_ids
    found = await rows(tx, OWNERS, _Coded, codes=[owner])
    require_owner(client, found[0].id if found else None)
    return [found[0].id if found else NOBODY]


async def codes_of(
    tx: Tx, warehouse_ids: Sequence[int], owner_ids: Sequence[int]
) -> tuple[list[str], list[str]]:
    """Codes of these warehouses and of these owners."""
    ids = {"warehouse_ids": list(warehouse_ids), "owner_ids": list(owner_ids)}
    found = await row(tx, NAMES, Names, **ids)
    assert found is not None
    return found.sites, found.owners


async def list_places(tx: Tx) -> tuple[list[str], list[str]]:
    """Codes of all warehouses and of all owners, to choose from."""
    warehouses = (await tx.execute(text("SELECT code FROM warehouse ORDER BY code"))).scalars()
    owners = (await tx.execute(text("SELECT code FROM owner ORDER BY code"))).scalars()
    return list(warehouses), list(owners)


async def _ids(tx: Tx, statement: Any, what: str, codes: Sequence[str]) -> list[int]:
    known = {found.code: found.id for found in await rows(tx, statement, _Coded, codes=list(codes))}
    for code in codes:
        if code not in known:
            raise NoSuchCode(what=what, code=code[:80])
    return [known[code] for code in codes]
