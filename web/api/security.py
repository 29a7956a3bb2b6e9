"""From an API request to the partner behind it: key, scope, warehouse, and the stamp of the act."""

from typing import Any

import msgspec
from litestar import Request

from web.session import client_of, memory_of, partner_stamp, who_of
from wms.access import audit
from wms.access.rules import ApiClient, WarehouseForbidden, require_scope
from wms.db import Db
from wms.requests import find_warehouse_id
from wms.stamp import Stamp

REQUEST = Request[Any, Any, Any]
CORRELATION_MAX = 128
AUDITED_READS = frozenset({"money:read", "audit:read"})
AUDITED_WRITES = frozenset({"webhooks:write", "events:replay", "masks:admin", "exceptions:write",
                            "files:write", "money:write"})  # fmt: skip


class Sent(msgspec.Struct):
    """The document that a request brought, as it is kept (web.api.kept); 0: none is."""

    id: int = 0
    subject: str = ""
    state: str = ""  # as marked in the transaction of its effect
    original_id: int | None = None  # the kept one that a person sends again with it
    job_id: int = 0  # that it became
    stayed_out: str = ""  # what is said of its lines that did not go in


class Resent(msgspec.Struct, frozen=True):
    """A kept document that a person sends again, for the partner who sent it."""

    client: ApiClient
    original_id: int
    by: str


class Partner(msgspec.Struct, frozen=True):
    """Who asks, and the stamp of what they do; `db` is the process's database."""

    client: ApiClient
    stamp: Stamp
    db: Db
    sent: Sent = msgspec.field(default_factory=Sent)


async def asking(request: REQUEST) -> ApiClient:
    """Who asks; their answer will say what is left of their quota (web.api.tracing).

    Raises CredentialMissing, KeyUnknown, KeyExpired, TokenInvalid, CertificateWrong.
    """
    resent: Resent | None = request.scope["state"].get("resent")
    client = await client_of(request) if resent is None else resent.client
    request.state.client = client
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

    Raises what `client_with` raises, WarehouseForbidden (whether there is such a warehouse or not).
    """
    client = await asking(request)
    require_scope(client, scope)
    db: Db = request.app.state.db
    code = str(request.path_params["code"])
    if "\x00" in code:  # no text of the database has one
        raise WarehouseForbidden(code=client.code)
    memory = memory_of(request)
    known = memory.find(f"warehouse/{code}")
    if not isinstance(known, int):
        known = await memory.read(f"warehouse/{code}", lambda: _warehouse_id(db, code))
    if known is None:
        raise WarehouseForbidden(code=client.code)
    await _note(request, client, scope, known)
    correlation = request.headers.get("x-correlation-id", "")[:CORRELATION_MAX]
    return Partner(client, partner_stamp(client, known, correlation_id=correlation), db)


async def _warehouse_id(db: Db, code: str) -> int | None:
    async with db.reading() as tx:
        return await find_warehouse_id(tx, code)
