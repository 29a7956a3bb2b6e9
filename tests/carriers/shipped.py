"""Cartons that left, in a few words."""

from typing import Any

from tests import world as w
from tests.world import World
from wms.db import insert
from wms.outbound import tables as outbound


async def shipped(
    world: World, external_id: str, *tracking: str, sku: str = "MUG", left: bool = True
) -> dict[str, Any]:
    """An order whose cartons carry these tracking numbers; {"order", "load", "id"}."""
    order = await w.order(world, external_id, (sku, len(tracking)))
    wid = world.warehouse_id
    async with world.db.transaction() as tx:
        load_id = None
        if left:
            load_id = await insert(
                tx, outbound.load, warehouse_id=wid, carrier_id=world.carriers["PARCEL"],
                dock_id=world.bins["DOCK-PARCEL"], state="departed", opened_at=world.at,
                departed_at=world.at,
            )  # fmt: skip
        for number, each in enumerate(tracking):
            lpn_id = await insert(
                tx, w.inventory.lpn, warehouse_id=wid, code=f"{external_id}-{number}",
                kind="carton", state="shipped", bin_id=world.bins["CUSTOMER"],
            )  # fmt: skip
            await insert(
                tx, outbound.shipment_carton, warehouse_id=wid, order_id=order["id"],
                lpn_id=lpn_id, sscc=f"{external_id}-{number}", tracking_no=each,
                carrier_id=world.carriers["PARCEL"], carton_type_id=world.cartons["S"],
                weight_g=500, load_id=load_id, closed_at=world.at,
            )  # fmt: skip
    return {"order": order["id"], "load": load_id, "id": f"{order['id']}-{load_id}"}
