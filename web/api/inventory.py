"""Stock over HTTP: levels per item, balances per bin, the ledger, and a snapshot of all of it.

    GET  /v1/warehouses/{code}/inventory/levels?owner=&sku=&after=&limit=
    GET  /v1/warehouses/{code}/inventory/balances?owner=&sku=&after=&limit=
    GET  /v1/warehouses/{code}/inventory/movements?owner=&sku=&after=&limit=
    POST /v1/warehouses/{code}/inventory/snapshots?owner=          NDJSON, head first

Every answer names the position of the event log it was read at (`as_of_pos`).
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.response import Stream

from web.api.admission import reading, require_reads
from web.api.asked import number, plain, word
from web.api.describe import describe
from web.api.paging import limit_of, page
from web.api.security import REQUEST, partner_of
from wms.inventory import movements
from wms.inventory.movements import MovementEntry, SnapshotHead
from wms.outbound import levels
from wms.outbound.levels import Balance, Level

STOCK = "/v1/warehouses/{code:str}/inventory"
NDJSON = "application/x-ndjson"
Id = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
FILTER: dict[str, Any] = {"owner": str, "sku": str, "limit": int}
REFUSES = ("bad-request", "not-found")


class LevelPage(msgspec.Struct):
    """Items in the order of owner and sku."""

    levels: list[Level]
    as_of_pos: int


class BalancePage(msgspec.Struct):
    """Balances in the order they were made."""

    balances: list[Balance]
    as_of_pos: int


class MovementPage(msgspec.Struct):
    """Movements in the order of their ids."""

    movements: list[MovementEntry]
    as_of_pos: int


@get(f"{STOCK}/levels", summary="Stock of items: on hand, allocated, promised, available",
     **describe("inventory:read", query={**FILTER, "after": str}, answers={200: LevelPage},
                refuses=REFUSES, listed=True))  # fmt: skip
async def list_levels(request: REQUEST) -> Response[Any]:
    """`after` is the last item read, as owner/sku."""
    partner = await partner_of(request, "inventory:read")
    limit = limit_of(request, levels.PAGE_MAX, 100)
    owner, _, sku = word(request, "after").partition("/")
    async with reading(partner) as tx:
        position = await levels.log_position(tx, partner.stamp)
        found = await levels.list_levels(
            tx, partner.stamp, after=(owner, sku), owner=word(request, "owner"),
            sku=word(request, "sku"), owner_ids=partner.client.owner_ids, limit=limit,
        )  # fmt: skip
    last = f"{found[-1].owner}/{found[-1].sku}" if found else ""
    return page(request, "levels", found, limit, last, as_of_pos=position)


@get(f"{STOCK}/balances", summary="Balances by bin, lot, serial and status",
     **describe("inventory:read", query={**FILTER, "after": Id}, answers={200: BalancePage},
                refuses=REFUSES, listed=True))  # fmt: skip
async def list_balances(request: REQUEST) -> Response[Any]:
    partner = await partner_of(request, "inventory:read")
    limit = limit_of(request, levels.PAGE_MAX, 100)
    async with reading(partner) as tx:
        position = await levels.log_position(tx, partner.stamp)
        found = await levels.list_balances(
            tx, partner.stamp, after=number(request, "after"), owner=word(request, "owner"),
            sku=word(request, "sku"), owner_ids=partner.client.owner_ids, limit=limit,
        )  # fmt: skip
    last = found[-1].id if found else ""
    return page(request, "balances", found, limit, last, as_of_pos=position)


@get(f"{STOCK}/movements", summary="The ledger: every movement of goods",
     **describe("inventory:read", query={**FILTER, "after": Id}, answers={200: MovementPage},
                refuses=REFUSES, listed=True))  # fmt: skip
async def list_movements(request: REQUEST) -> Response[Any]:
    """A walk from the start holds everything up to the `as_of_pos` of its first page.

    An act that commits later may have drawn its ids earlier than the last one read. To
    follow the floor, read the event log after that position.
    """
    partner = await partner_of(request, "inventory:read")
    limit = limit_of(request, movements.PAGE_MAX, 100)
    async with reading(partner) as tx:
        position = await levels.log_position(tx, partner.stamp)
        found = await movements.list_movements(
            tx, partner.stamp, after=number(request, "after"), owner=word(request, "owner"),
            sku=word(request, "sku"), owner_ids=partner.client.owner_ids, limit=limit,
        )  # fmt: skip
    last = found[-1].id if found else ""
    return page(request, "movements", found, limit, last, as_of_pos=position)


@post(f"{STOCK}/snapshots", status_code=200, summary="All stock at one moment, line by line",
      **describe("inventory:read", query={"owner": str}, answers={200: SnapshotHead},
                 answer_media=NDJSON, refuses=REFUSES))  # fmt: skip
async def take_snapshot(request: REQUEST) -> Stream:
    """The first line tells position, rows and totals; each line after it is a balance.

    An answer with fewer lines than `rows` was cut on its way: ask again.
    """
    partner = await partner_of(request, "inventory:read")
    owner = plain(request.query_params.get("owner", ""), "owner")
    lane = require_reads(partner)

    async def lines() -> AsyncIterator[bytes]:
        async with lane.turn(partner.client.code):
            found = movements.snapshot(
                partner.db, partner.stamp, owner=owner, owner_ids=partner.client.owner_ids
            )
            async for part in found:
                yield part

    return Stream(lines(), media_type=NDJSON)


HANDLERS = [list_levels, list_balances, list_movements, take_snapshot]
