"""Closing a carton: weigh, label, prove the label, stand the box in the carrier's lane.

The label can be printed from the first item on, so one scan of it accepts the expected weight and
closes the box. A weight outside the tolerance forces a recount; a label of another box is a hard
stop. The last box makes the order packed.
"""

from sqlalchemy import text

from wms.db import Tx, rows
from wms.events import catalog
from wms.events.groups import Carr, Doc, Line, doc, line, reason, who
from wms.events.outbox import emit
from wms.inventory import lpns, plates
from wms.outbound import loads, pack_sql
from wms.outbound.bench import Seen
from wms.outbound.line_parts import Shifted
from wms.outbound.order_events import OrderHead, bump, emit_order
from wms.outbound.pack_rules import (
    OpenCarton,
    expected_g,
    require_count,
    require_not_recalled,
    require_weight,
)
from wms.outbound.shipped import settle_shipped
from wms.outbound.shipping_queries import (
    carr,
    describe_packages,
    list_packages,
    tracking_number,
)
from wms.stamp import Stamp
from wms.steps import Answer, Facts
from wms.tasks import engine

# What no bin had when the order left the bench will not ship with it.
CUT_WAITING = text(
    """
    UPDATE order_line l SET short = l.short + l.waiting, waiting = 0, promised = 0
      FROM order_line old JOIN item i ON i.id = old.item_id
     WHERE l.warehouse_id = :warehouse_id AND l.order_id = :order_id AND l.waiting > 0
       AND old.warehouse_id = l.warehouse_id AND old.id = l.id
    RETURNING l.id, l.order_id, l.line_no, old.waiting AS qty, i.sku
    """
)


class _Cut(Shifted, frozen=True):
    sku: str


async def close_box(
    tx: Tx, stamp: Stamp, seen: Seen, carton: OpenCarton, facts: Facts, path: str
) -> Answer:
    """Close the open carton with the facts of its close questions.

    Locks: share the carrier's open load, then take the bench, before. Raises WeightOff,
    CountDiffers, LotRecalled. Emits package.closed, label.created, load.opened for the first
    carton of a carrier, order.packed for the last of the order.
    """
    require_not_recalled(seen.bench.boxed)
    weight_g, check = int(facts["weight"]), "inside"
    if path == "recount":
        require_count(seen.bench.boxed, facts)
        check = "recounted"
    else:
        require_weight(carton, seen.bench.boxed, weight_g)
    order = seen.order
    lane = await loads.get_lane(tx, stamp, order.carrier_id, order.service)
    carrier = carr(lane.carrier, order.service, tracking_number(lane.carrier, carton.sscc))
    plate = await plates.take_plate(tx, stamp, carton.lpn_id)
    values = {"warehouse_id": stamp.warehouse_id, "weight_g": weight_g}
    await tx.execute(pack_sql.CLOSE_PLATE, {**values, "id": plate.id})
    await tx.execute(
        pack_sql.NEW_SHIPMENT_CARTON,
        {**values, "order_id": order.id, "lpn_id": plate.id, "sscc": carton.sscc,
         "tracking_no": carrier.tracking_no, "carrier_id": order.carrier_id,
         "carton_type_id": carton.type.id, "at": stamp.at},
    )  # fmt: skip
    await lpns.relocate(tx, stamp, plate, lane.stage_id, "move")
    await _tell_closed(tx, stamp, seen, carton, weight_g, check, carrier)
    await loads.open_load_for(tx, stamp, order, lane)
    say = f"Box {seen.bench.closed + 1} closed: bring it to {lane.stage}"
    if seen.bench.inside:
        return Answer(ok=True, say=say, tone="step_done", go=f"/floor/pack/{seen.tour.id}")
    await finish_order(tx, stamp, seen, packed=True)
    return Answer(ok=True, say=f"{say}. {order.external_id} is packed", tone="task_done",
                  go="/floor/next")  # fmt: skip


async def _tell_closed(
    tx: Tx, stamp: Stamp, seen: Seen, carton: OpenCarton, weight_g: int, check: str, carrier: Carr
) -> None:
    order = seen.order
    mine = [each for each in await list_packages(tx, stamp, [order.id])
            if each.lpn_id == carton.lpn_id]  # fmt: skip
    package = (await describe_packages(tx, stamp, mine))[order.id][0]
    closed = catalog.PackageClosed(
        package=package, order=order_doc(order), weight_actual_g=weight_g, weight_check=check,
        weight_expected_g=expected_g(carton, seen.bench.boxed), who=who(stamp),
    )  # fmt: skip
    await emit(tx, stamp, "package.closed", order.key, closed, owner=order.owner,
               correlation_id=order.correlation_id)  # fmt: skip
    made = catalog.LabelCreated(package_id=carton.sscc, carrier=carrier, sscc=carton.sscc,
                                label_format="svg")  # fmt: skip
    await emit(tx, stamp, "label.created", order.key, made, owner=order.owner,
               correlation_id=order.correlation_id)  # fmt: skip


async def finish_order(tx: Tx, stamp: Stamp, seen: Seen, *, packed: bool) -> None:
    """Nothing of the order is left at the bench: end its work; with boxes it is packed.

    Emits order.shorted for what still waited, order.packed, task.completed; order.shipped when
    its boxes left before.
    """
    order = seen.order
    for task in await engine.list_tasks(tx, stamp, seen.tour.id):
        if task.state == "open":
            await engine.finish_task(tx, stamp, task, close=False)
    await engine.close_tour(tx, stamp, seen.tour.id, seen.tour.bin_id)
    cuts = await rows(tx, CUT_WAITING, _Cut, warehouse_id=stamp.warehouse_id, order_id=order.id)
    for cut in sorted(cuts, key=lambda each: each.id):
        short = line(cut.id, cut.sku, short=cut.qty, short_reason="not in stock",
                     external_line_id=cut.line_no)  # fmt: skip
        await tell_short(tx, stamp, order.id, short, cut.qty, "no_stock")
    if not packed:
        return
    head = await bump(tx, stamp, order.id, state="packed", cause="")
    packages = await describe_packages(tx, stamp, await list_packages(tx, stamp, [order.id]))
    told = catalog.OrderPacked(order=order_doc(head), packages=packages.get(order.id, []))
    await emit_order(tx, stamp, head, "order.packed", told)
    await settle_shipped(tx, stamp, [order.id])


async def tell_short(
    tx: Tx, stamp: Stamp, order_id: int, short: Line, qty: int, why: str, **changes: str
) -> None:
    """order.shorted for one line, with any change of the order that goes with it."""
    head = await bump(tx, stamp, order_id, **changes)
    told = catalog.OrderShorted(order=order_doc(head), line=short, qty=qty, reason=reason(why))
    await emit_order(tx, stamp, head, "order.shorted", told)


def order_doc(head: OrderHead) -> Doc:
    return doc("order", head.id, head.external_id, owner=head.owner, version=head.version,
               status=head.state)  # fmt: skip
