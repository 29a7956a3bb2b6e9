"""Roles and scopes."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest

from wms.access import rules
from wms.access.clients import ScopeUnknown
from wms.access.rules import ApiClient, RoleMissing, Session
from wms.access.scope_choice import expand_scopes
from wms.access.tables import ROLES
from wms.tasks.tables import TASK_KINDS


def session(*roles: str) -> Session:
    return Session(
        user_id=1, code="PIA", name="Pia", roles=roles, warehouse_id=1, warehouse_code="W1",
        device="d", expires_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def test_every_task_kind_has_roles_and_every_role_is_known() -> None:
    assert set(TASK_KINDS) <= set(rules.ROLES_OF_WORK)
    named = {role for roles in rules.ROLES_OF_WORK.values() for role in roles}
    assert named == set(rules.FLOOR_ROLES) < set(ROLES)
    assert rules.unknown_roles(["picker", "king"]) == ["king"]


@pytest.mark.parametrize(
    ("role", "work"),
    [
        ("receiver", {"receive", "inquire"}),
        ("putaway", {"putaway", "replenish", "putback", "move", "inquire"}),
        ("picker", {"pick", "putback", "inquire"}),
        ("packer", {"pack", "inquire"}),
        ("loader", {"load", "inquire"}),
        ("counter", {"count", "inquire"}),
        ("supervisor", set(rules.ROLES_OF_WORK)),
        ("admin", set()),
    ],
)
def test_what_each_role_may_do(role: str, work: set[str]) -> None:
    assert set(rules.works([role])) == work


def test_a_supervisor_stands_in_for_the_floor_but_not_for_the_admin() -> None:
    rules.require(session("supervisor"), "picker")
    rules.require(session("picker"), "picker", "packer")
    rules.require_work(session("picker"), "putback")
    with pytest.raises(RoleMissing, match="Pia may not do this; it needs the role admin"):
        rules.require(session("supervisor"), "admin")
    with pytest.raises(RoleMissing, match="role packer"):
        rules.require_work(session("picker"), "pack")
    with pytest.raises(RoleMissing):
        rules.require(session("admin"), "picker")


def test_a_pattern_opens_no_guarded_scope() -> None:
    for pattern in ("*", "*:*", "*:read", "audit:rea?"):
        with suppress(ScopeUnknown):
            assert not set(expand_scopes([pattern])).intersection(rules.GUARDED)
    named = ["orders:*", "audit:read"]
    assert expand_scopes(named) == ["orders:read", "orders:write", "orders:cancel", "audit:read"]
    with pytest.raises(ScopeUnknown):
        expand_scopes(["moon:*"])


def test_a_key_opens_only_its_scopes_warehouses_and_owners() -> None:
    client = ApiClient(
        id=1, code="ERP", warehouse_ids=(1,), owner_ids=(7,), scopes=("orders:write",)
    )
    rules.require_scope(client, "orders:write")
    rules.require_warehouse(client, 1)
    rules.require_owner(client, 7)
    with pytest.raises(rules.ScopeMissing):
        rules.require_scope(client, "asns:write")
    with pytest.raises(rules.WarehouseForbidden):
        rules.require_warehouse(client, 2)
    with pytest.raises(rules.OwnerForbidden):
        rules.require_owner(client, 8)
