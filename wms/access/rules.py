"""Who may do what, as pure answers. Roles are few and stand for work, not for screens.

A supervisor may do every work of the floor; an admin runs the system and does no floor work unless
given those roles too.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from wms.access.tables import ROLES
from wms.errors import Denied

FLOOR_ROLES = ("receiver", "putaway", "picker", "packer", "loader", "counter")

# Which roles may do a task of a kind (tasks.tables.TASK_KINDS), and the acts that are no task.
ROLES_OF_WORK: dict[str, tuple[str, ...]] = {
    "receive": ("receiver",),
    "putaway": ("putaway",),
    "replenish": ("putaway",),
    "pick": ("picker",),
    "putback": ("picker", "putaway"),
    "pack": ("packer",),
    "load": ("loader",),
    "count": ("counter",),
    "move": ("putaway",),
    "inquire": FLOOR_ROLES,
}

SCOPES = (
    "orders:read",
    "orders:write",
    "asns:read",
    "asns:write",
    "items:read",
    "items:write",
    "inventory:read",
    "events:read",
    "webhooks:write",
)


class NotSignedIn(Denied):
    say = "Nobody is signed in on this device. Scan your badge."


class RoleMissing(Denied):
    say = "{name} may not do this; it needs the role {needed}. Ask your supervisor."


class KeyUnknown(Denied):
    say = "That API key is not known or no longer active."


class ScopeMissing(Denied):
    say = "The key of {code} has no scope {needed}."


class WarehouseForbidden(Denied):
    say = "The key of {code} has no access to that warehouse."


class OwnerForbidden(Denied):
    say = "The key of {code} has no access to that owner."


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One person signed in on one device in one warehouse."""

    user_id: int
    code: str
    name: str
    roles: tuple[str, ...]
    warehouse_id: int
    warehouse_code: str
    device: str
    expires_at: datetime


class ApiClient(msgspec.Struct, frozen=True, kw_only=True):
    """A partner system and what its key opens. No owners named means all owners."""

    id: int
    code: str
    warehouse_ids: tuple[int, ...]
    owner_ids: tuple[int, ...]
    scopes: tuple[str, ...]


def may(roles: Iterable[str], work: str) -> bool:
    """Whether these roles allow a kind of work (a task kind, or receive, move, inquire)."""
    held = set(roles)
    return "supervisor" in held or bool(held.intersection(ROLES_OF_WORK.get(work, ())))


def works(roles: Iterable[str]) -> tuple[str, ...]:
    """All kinds of work these roles allow, in the order of ROLES_OF_WORK."""
    held = tuple(roles)
    return tuple(work for work in ROLES_OF_WORK if may(held, work))


def require(session: Session, *roles: str) -> None:
    """Any one of the roles will do; a supervisor has all of the floor. Raises RoleMissing."""
    held = set(session.roles)
    if "supervisor" in held:
        held.update(FLOOR_ROLES)
    if not held.intersection(roles):
        raise RoleMissing(name=session.name, needed=" or ".join(roles))


def require_work(session: Session, work: str) -> None:
    """Raises RoleMissing naming the roles that may do this kind of work."""
    if not may(session.roles, work):
        needed = ROLES_OF_WORK.get(work, ("supervisor",))
        raise RoleMissing(name=session.name, needed=" or ".join(needed))


def require_scope(client: ApiClient, scope: str) -> None:
    """Raises ScopeMissing."""
    if scope not in client.scopes:
        raise ScopeMissing(code=client.code, needed=scope)


def require_warehouse(client: ApiClient, warehouse_id: int) -> None:
    """Raises WarehouseForbidden."""
    if warehouse_id not in client.warehouse_ids:
        raise WarehouseForbidden(code=client.code)


def require_owner(client: ApiClient, owner_id: int) -> None:
    """Raises OwnerForbidden."""
    if client.owner_ids and owner_id not in client.owner_ids:
        raise OwnerForbidden(code=client.code)


def unknown_roles(roles: Iterable[str]) -> list[str]:
    return [role for role in roles if role not in ROLES]
