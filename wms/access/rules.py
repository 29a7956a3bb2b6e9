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

# What a partner's key or token may open: `<object>:<verb>`, each with the sentence that a person
# reads before granting it. The office page, the CLI and the API's document are made from this.
SCOPES: dict[str, str] = {
    "orders:read": "Read orders with their lines, cartons and events.",
    "orders:write": "Create, change, hold and release orders.",
    "asns:read": "Read announced deliveries and what was received of them.",
    "asns:write": "Announce, change and cancel deliveries.",
    "items:read": "Read items with their pack levels and barcodes.",
    "items:write": "Create and change items.",
    "inventory:read": "Read stock levels and balances.",
    "events:read": "Read the event log.",
    "webhooks:write": "Manage the endpoints that hear events, their keys and their deliveries.",
    "orders:cancel": "Cancel orders.",
    "events:replay": "Send events of the past again.",
    "masks:admin": "See personal and finance fields in clear; choose any mask profile.",
    "money:read": "Read charges, rates and invoices; every read is audited.",
    "exceptions:read": "Read exceptions and reconciliation.",
    "exceptions:write": "Assign, resolve and comment exceptions.",
    "files:read": "Read interchange files and what became of them.",
    "files:write": "Send interchange files.",
    "items:steward": "Say which sender may set which fields of items; decide on proposals.",
    "locations:read": "Read the bins of a warehouse.",
    "locations:write": "Create, change and block bins.",
    "parties:read": "Read consignees and suppliers.",
    "parties:write": "Create and change consignees and suppliers.",
    "jobs:read": "Read the progress and the outcomes of one's own jobs.",
    "audit:read": "Read the audit log.",
    "inventory:write": "Ask for corrections of stock.",
    "appointments:read": "Read dock appointments and free times of docks.",
    "appointments:write": "Book, change and cancel dock appointments.",
    "shipments:read": "Read shipments with their cartons, milestones and proofs of delivery.",
    "milestones:write": "Report milestones and proofs of delivery; manage signed hooks.",
}
# Given only by name: they open what other partners, people and finance keep to themselves.
GUARDED = ("masks:admin", "money:read", "audit:read", "items:steward")
USUAL = tuple(scope for scope in SCOPES if scope not in GUARDED)


class NotSignedIn(Denied):
    say = "Nobody is signed in on this device. Scan your badge."


class RoleMissing(Denied):
    say = "{name} may not do this; it needs the role {needed}. Ask your supervisor."


class KeyUnknown(Denied):
    say = "That API key is not known or no longer active."
    challenge = 'Bearer error="invalid_token", error_description="not known or revoked"'


class CredentialMissing(KeyUnknown):
    say = "This request carries no API key and no access token (Authorization: Bearer ...)."
    challenge = "Bearer"  # RFC 6750: no error code when nothing was presented


class KeyExpired(KeyUnknown):
    say = "That {what} expired at {expired_at}. {next}"
    challenge = 'Bearer error="invalid_token", error_description="expired"'


class TokenInvalid(KeyUnknown):
    say = "That access token is not valid: {reason}."
    challenge = 'Bearer error="invalid_token", error_description="not valid"'


class CertificateWrong(KeyUnknown):
    say = "That access token is bound to another client certificate."
    challenge = 'Bearer error="invalid_token", error_description="bound to another certificate"'


class ScopeMissing(Denied):
    say = "The key of {code} has no scope {needed}."

    @property
    def challenge(self) -> str:
        return f'Bearer error="insufficient_scope", scope="{self.facts["needed"]}"'


class PersonalHidden(ScopeMissing):
    say = "{what} shows persons; the key of {code} has no scope {needed}, which lets it see them."


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


def require_owner(client: ApiClient, owner_id: int | None) -> None:
    """`None` is an owner that does not exist: a narrowed client does not learn the difference.

    Raises OwnerForbidden.
    """
    if not may_see(client, owner_id):
        raise OwnerForbidden(code=client.code)


def may_see(client: ApiClient, owner_id: int | None) -> bool:
    """Whether things of an owner are for this client."""
    return not client.owner_ids or owner_id in client.owner_ids


def unknown_roles(roles: Iterable[str]) -> list[str]:
    return [role for role in roles if role not in ROLES]
