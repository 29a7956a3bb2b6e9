"""What closed cartons are, for events, labels and the pages of the door."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, row, rows
from wms.events.groups import Carr, Line, Pkg, line, stk
from wms.outbound.contents import list_contents
from wms.outbound.labels import CartonLabel
from wms.stamp import Stamp


class Package(msgspec.Struct, kw_only=True):
    """A closed carton with what it is and where it got to. `state` is its plate's."""

    lpn_id: int
    order_id: int
    sscc: str
    tracking_no: str
    type: str
    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int
    state: str
    load_id: int | None


class _OrderLine(msgspec.Struct):
    order_id: int
    id: int
    line_no: str
    sku: str
    ordered: int
    shipped: int
    packed: int
    short: int


class _Left(msgspec.Struct):
    lpn_id: int
    sku: str
    owner_code: str
    lot_code: str
    serial: str
    qty: int


class _Printed(msgspec.Struct, kw_only=True):
    sscc: str
    tracking_no: str
    carrier: str
    service: str
    order_no: str
    owner: str
    ship_from: str
    ship_to: str
    carton_type: str
    weight_g: int
    number: int


# Served by shipment_carton_order_ix; a carton that was opened again (void) is none.
PACKAGES = text(
    """
    SELECT s.lpn_id, s.order_id, s.sscc, s.tracking_no, k.code AS type,
           k.outer_length_mm AS length_mm, k.outer_width_mm AS width_mm,
           k.outer_height_mm AS height_mm, s.weight_g, l.state, s.load_id
      FROM shipment_carton s
      JOIN lpn l ON l.warehouse_id = s.warehouse_id AND l.id = s.lpn_id
      JOIN carton_type k ON k.id = s.carton_type_id
     WHERE s.warehouse_id = :warehouse_id AND s.order_id = ANY (CAST(:order_ids AS bigint[]))
       AND l.state <> 'void'
     ORDER BY s.order_id, s.closed_at, s.id
    """
)
LINES = text(
    """
    SELECT l.order_id, l.id, l.line_no, i.sku, l.ordered, l.shipped, l.packed, l.short
      FROM order_line l JOIN item i ON i.id = l.item_id
     WHERE l.warehouse_id = :warehouse_id AND l.order_id = ANY (CAST(:order_ids AS bigint[]))
     ORDER BY l.order_id, l.id
    """
)
# What left the house is known by its movements. Served by movement_item_ix, for the few orders
# that leave with more than one load.
LEFT = text(
    """
    SELECT m.from_lpn_id AS lpn_id, i.sku, w.code AS owner_code, coalesce(t.code, '') AS lot_code,
           m.serial, m.qty
      FROM movement m
      JOIN item i ON i.id = m.item_id
      JOIN owner w ON w.id = m.owner_id
      LEFT JOIN lot t ON t.warehouse_id = m.warehouse_id AND t.id = m.lot_id
     WHERE m.warehouse_id = :warehouse_id AND m.kind = 'ship'
       AND m.from_lpn_id = ANY (CAST(:lpn_ids AS bigint[]))
       AND m.item_id IN (SELECT item_id FROM order_line
                          WHERE warehouse_id = :warehouse_id
                            AND order_id = ANY (CAST(:order_ids AS bigint[])))
     ORDER BY m.id
    """
)
# The label of a box can be printed while it is filled: weight and tracking number come with the
# close, the SSCC and the tracking number follow from the plate.
LABEL = text(
    """
    SELECT l.code AS sscc, coalesce(s.tracking_no, '') AS tracking_no, c.code AS carrier,
           o.service, o.external_id AS order_no, w.code AS owner, h.name AS ship_from,
           CAST(o.ship_to AS text) AS ship_to,
           coalesce(k.code, '') AS carton_type, coalesce(s.weight_g, 0) AS weight_g,
           (SELECT count(*) FROM lpn b WHERE b.warehouse_id = l.warehouse_id
               AND b.order_id = l.order_id AND b.kind = 'carton' AND b.id <= l.id) AS number
      FROM lpn l
      JOIN outbound_order o ON o.warehouse_id = l.warehouse_id AND o.id = l.order_id
      JOIN carrier c ON c.id = o.carrier_id
      JOIN owner w ON w.id = o.owner_id
      JOIN warehouse h ON h.id = l.warehouse_id
      LEFT JOIN carton_type k ON k.id = l.carton_type_id
      LEFT JOIN shipment_carton s ON s.warehouse_id = l.warehouse_id AND s.lpn_id = l.id
     WHERE l.warehouse_id = :warehouse_id AND l.code = :sscc AND l.kind = 'carton'
    """
)


def tracking_number(carrier: str, sscc: str) -> str:
    """Our own tracking number until a carrier's interface gives one: it follows from the SSCC."""
    return f"{carrier}-{sscc[-11:]}"


async def list_packages(tx: Tx, stamp: Stamp, order_ids: Sequence[int]) -> list[Package]:
    """The closed cartons of these orders, in the order they were closed."""
    return await rows(
        tx, PACKAGES, Package, warehouse_id=stamp.warehouse_id, order_ids=list(order_ids)
    )


async def describe_packages(
    tx: Tx, stamp: Stamp, packages: Sequence[Package]
) -> dict[int, list[Pkg]]:
    """Packages with their contents as events tell them, by order."""
    inside: dict[int, list[Any]] = {}
    here = [package.lpn_id for package in packages if package.state != "shipped"]
    for content in await list_contents(tx, stamp, here):
        inside.setdefault(content.lpn_id, []).append(content.stk(content.qty))
    gone = [package for package in packages if package.state == "shipped"]
    if gone:
        values = {"lpn_ids": [each.lpn_id for each in gone],
                  "order_ids": sorted({each.order_id for each in gone})}  # fmt: skip
        for left in await rows(tx, LEFT, _Left, warehouse_id=stamp.warehouse_id, **values):
            inside.setdefault(left.lpn_id, []).append(
                stk(left.sku, left.owner_code, left.qty, lot=left.lot_code, serial=left.serial)
            )
    told: dict[int, list[Pkg]] = {}
    for each in packages:
        told.setdefault(each.order_id, []).append(
            Pkg(
                package_id=each.sscc, lpn=each.sscc, sscc=each.sscc, type=each.type,
                length_mm=each.length_mm, width_mm=each.width_mm, height_mm=each.height_mm,
                weight_g=each.weight_g, tracking_no=each.tracking_no,
                contents=inside.get(each.lpn_id, []),
            )
        )  # fmt: skip
    return told


async def describe_lines(
    tx: Tx, stamp: Stamp, order_ids: Sequence[int]
) -> dict[int, list[Line]]:
    """Lines with what was ordered, what ships and what is short, by order."""
    told: dict[int, list[Line]] = {}
    values = {"warehouse_id": stamp.warehouse_id, "order_ids": list(order_ids)}
    for each in await rows(tx, LINES, _OrderLine, **values):
        told.setdefault(each.order_id, []).append(
            line(each.id, each.sku, ordered=each.ordered, done=each.shipped + each.packed,
                 short=each.short, external_line_id=each.line_no)
        )  # fmt: skip
    return told


async def find_label(tx: Tx, stamp: Stamp, sscc: str) -> CartonLabel | None:
    """What is printed on the box with this SSCC (also before it is closed), or None."""
    found = await row(tx, LABEL, _Printed, warehouse_id=stamp.warehouse_id, sscc=sscc)
    if found is None:
        return None
    to = {name: str(value) for name, value in msgspec.json.decode(found.ship_to).items() if value}
    town = " ".join(to[name] for name in ("postcode", "city", "region") if name in to)
    address = [to.get("name", ""), to.get("street", ""), town, to.get("country", "")]
    return CartonLabel(
        sscc=found.sscc,
        tracking_no=found.tracking_no or tracking_number(found.carrier, found.sscc),
        carrier=found.carrier,
        service=found.service,
        order_no=found.order_no,
        owner=found.owner,
        ship_from=found.ship_from,
        ship_to=tuple(part for part in address if part),
        carton_type=found.carton_type,
        weight_g=found.weight_g,
        number=found.number,
    )


def carr(carrier: str, service: str, tracking_no: str = "") -> Carr:
    return Carr(carrier=carrier, service=service, tracking_no=tracking_no)
