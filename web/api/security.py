"""From an API request to the partner behind it: key, scope, warehouse, and the stamp of the act."""

from typing import Any

import msgspec
from litestar import Request

from web.session import client_of, memory_of, partner_stamp
from wms.access.rules import ApiClient, require_owner, require_scope
from wms.db import Db
from wms.requests import NoSuchWarehouse, get_warehouse_id
from wms.stamp import Stamp

REQUEST = Request[Any, Any, Any]
CORRELATION_MAX = 128


class Partner(msgspec.Struct, frozen=True):
    """Who asks, and the stamp of what they do; `db` is the process's database."""

    client: ApiClient
    stamp: Stamp
    db: Db

    def require_owner(self, owner_id: int) -> None:
        """Raises OwnerForbidden."""
        require_owner(self.client, owner_id)


async def partner_of(request: REQUEST, scope: str) -> Partner:
    """The partner of a request below /v1/warehouses/{code}.

    Raises KeyUnknown, ScopeMissing, NoSuchWarehouse, WarehouseForbidden.
    """
    client = await client_of(request)
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
    correlation = request.headers.get("x-correlation-id", "")[:CORRELATION_MAX]
    return Partner(client, partner_stamp(client, known, correlation_id=correlation), db)
