"""From an API request to the partner behind it: key, scope, warehouse, and the stamp of the act."""

from typing import Any

import msgspec
from litestar import Request

from web.session import client_of, memory_of, partner_stamp, who_of
from wms.access import audit
from wms.access.rules import ApiClient, require_owner, require_scope
from wms.db import Db
from wms.requests import NoSuchWarehouse, get_warehouse_id
from wms.stamp import Stamp

REQUEST = Request[Any, Any, Any]
CORRELATION_MAX = 128
AUDITED_READS = frozenset({"money:read", "audit:read"})
AUDITED_WRITES = frozenset({"webhooks:write", "events:replay", "masks:admin", "exceptions:write",
                            "files:write", "money:write"})  # fmt: skip


class Partner(msgspec.Struct, frozen=True):
    """Who asks, and the stamp of what they do; `db` is the process's database."""

    client: ApiClient
    stamp: Stamp
    db: Db

    def require_owner(self, owner_id: int) -> None:
        """Raises OwnerForbidden."""
        require_owner(self.client, owner_id)


async def asking(request: REQUEST) -> ApiClient:
    """Who asks; their answer will say what is left of their quota (web.api.tracing).

    Raises CredentialMissing, KeyUnknown, KeyExpired, TokenInvalid, CertificateWrong.
    """
    request.state.client = client = await client_of(request)
    return client


async def client_with(request: REQUEST, scope: str) -> ApiClient:
    """The partner of a request that names no warehouse.

    Raises CredentialMissing, KeyUnknown, KeyExpired, TokenInvalid, CertificateWrong, ScopeMissing.
    """
    client = await asking(request)
    require_scope(client, scope)
    await _note(request, client, scope, None)
    return client


async def _note(
    request: REQUEST, client: ApiClient, scope: str, warehouse_id: int | None
) -> None:
    """Asked-for reads of money and writes that no other log tells stand in the audit log.

    In a transaction of its own, before the act: who tried and was refused is told too.
    """
    safe = request.method in ("GET", "HEAD")
    if scope not in (AUDITED_READS if safe else AUDITED_WRITES):
        return
    who = msgspec.structs.replace(who_of(request, client), warehouse_id=warehouse_id)
    subject = f"{request.method} {request.url.path}".replace("\x00", "")[:300]
    async with request.app.state.db.transaction() as tx:
        await audit.record(tx, who, f"api.{scope}", subject)


async def partner_of(request: REQUEST, scope: str) -> Partner:
    """The partner of a request below /v1/warehouses/{code}.

    Raises what `client_with` raises, NoSuchWarehouse, WarehouseForbidden.
    """
    client = await asking(request)
    require_scope(client, scope)
    db: Db = request.app.state.db
    code = str(request.path_params["code"])
    if "\x00" in code:  # no text of the database has one
        raise NoSuchWarehouse(code=code)
    memory = memory_of(request)
    known = memory.find(f"warehouse/{code}")
    if not isinstance(known, int):
        async with db.reading() as tx:
            known = memory.keep(f"warehouse/{code}", await get_warehouse_id(tx, code))
    await _note(request, client, scope, known)
    correlation = request.headers.get("x-correlation-id", "")[:CORRELATION_MAX]
    return Partner(client, partner_stamp(client, known, correlation_id=correlation), db)
