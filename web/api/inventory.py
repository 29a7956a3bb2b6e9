"""Stock over HTTP: levels per item, balances per bin; both in pages, with the log's position.

    GET /v1/warehouses/{code}/inventory/levels?owner=&sku=&after=&limit=
    GET /v1/warehouses/{code}/inventory/balances?owner=&sku=&after=&limit=
"""

from typing import Any

from litestar import Response, get

from web.api.paging import limit_of, page
from web.api.security import REQUEST, partner_of
from web.paging import BadPage
from wms.outbound import levels

STOCK = "/v1/warehouses/{code:str}/inventory"


@get(f"{STOCK}/levels", summary="Stock of items: on hand, allocated, promised, available")
async def list_levels(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "inventory:read")
    limit = limit_of(request, levels.PAGE_MAX, 100)
    asked = request.query_params
    owner, _, sku = asked.get("after", "").partition("/")
    async with partner.db.reading() as tx:
        position = await levels.log_position(tx, partner.stamp)
        found = await levels.list_levels(
            tx, partner.stamp, after=(owner, sku), owner=asked.get("owner", ""),
            sku=asked.get("sku", ""), owner_ids=partner.client.owner_ids, limit=limit,
        )  # fmt: skip
    last = f"{found[-1].owner}/{found[-1].sku}" if found else ""
    return page(request, "levels", found, limit, last, as_of_pos=position)


@get(f"{STOCK}/balances", summary="Balances by bin, lot, serial and status")
async def list_balances(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "inventory:read")
    limit = limit_of(request, levels.PAGE_MAX, 100)
    asked = request.query_params
    after = asked.get("after", "0")
    if not after.isdigit():
        raise BadPage(name="after", value=after)
    async with partner.db.reading() as tx:
        position = await levels.log_position(tx, partner.stamp)
        found = await levels.list_balances(
            tx, partner.stamp, after=int(after), owner=asked.get("owner", ""),
            sku=asked.get("sku", ""), owner_ids=partner.client.owner_ids, limit=limit,
        )  # fmt: skip
    last = found[-1].id if found else ""
    return page(request, "balances", found, limit, last, as_of_pos=position)


HANDLERS = [list_levels, list_balances]
