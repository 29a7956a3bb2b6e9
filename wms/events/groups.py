"""Groups of fields that many event payloads share, and short constructors for them.

Rule: integers named `base_qty`, `delta`, `expected`, `counted`… are in the item's base unit; `qty`
is the decimal string in `uom`. Default values are left out of the JSON. A field's mask class
(`personal`, `finance`) travels with its type; every field without one is public to the endpoint.
"""

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, Struct, field

from wms.stamp import Stamp

When = Annotated[datetime, Meta(tz=True)]
Personal = Annotated[str, Meta(extra_json_schema={"x-mask": "personal"})]
FinanceText = Annotated[str, Meta(extra_json_schema={"x-mask": "finance"})]
FinanceMinor = Annotated[int, Meta(extra_json_schema={"x-mask": "finance"})]


class Payload(Struct, kw_only=True, omit_defaults=True):
    """Base of everything inside `data`."""


class Doc(Payload):
    """A document: ours (`id`), the partner's (`external_id`), its version and where it stands."""

    id: str
    type: str
    version: int
    external_id: str = ""
    owner: str = ""
    status: str = ""


class Line(Payload):
    """A line of an order, announcement or receipt with what was asked for and what was done."""

    line_id: str
    sku: str
    external_line_id: str = ""
    gtin: str = ""
    uom: str = "each"
    qty_ordered: str = "0"
    qty_done: str = "0"
    qty_short: str = "0"
    short_reason: str = ""


class Stk(Payload):
    """Stock: what it is, whose, in which state, how much."""

    sku: str
    owner: str
    base_qty: int
    qty: str
    uom: str = "each"
    gtin: str = ""
    lot: str = ""
    best_before: date | None = None
    serials: list[str] = field(default_factory=list)
    stock_status: str = "available"
    country_of_origin: str = ""


class Loc(Payload):
    """A place: site is the warehouse code; then zone, bin and license plate as far as known."""

    bin: str
    site: str = ""
    zone: str = ""
    lpn: str = ""
    sscc: str = ""


class Reason(Payload):
    """Why, as a code that programs read and a sentence that people read."""

    code: str
    text: str = ""


class Who(Payload):
    """Who did it and how."""

    user: Personal
    device: str = ""
    via: str = "rf"


class Party(Payload):
    """A consignee, supplier or carrier."""

    name: Personal = ""
    role: str = "ship_to"
    code: str = ""
    gln: str = ""
    street: Personal = ""
    city: str = ""
    postcode: str = ""
    region: str = ""
    country: str = ""
    contact: Personal = ""


class Pkg(Payload):
    """A closed package: dimensions in mm, weight in g."""

    package_id: str
    lpn: str = ""
    sscc: str = ""
    type: str = ""
    length_mm: int = 0
    width_mm: int = 0
    height_mm: int = 0
    weight_g: int = 0
    tracking_no: str = ""
    contents: list[Stk] = field(default_factory=list)


class Carr(Payload):
    """Who carries it, with which service and references."""

    carrier: str
    service: str = ""
    scac: str = ""
    tracking_no: str = ""
    bol_no: str = ""


def doc(
    type: str,
    id: object,
    external_id: str = "",
    *,
    owner: str = "",
    version: int = 1,
    status: str = "",
) -> Doc:
    """`doc("order", order.id, order.external_id, owner="ACME", version=3, status="picked")`."""
    return Doc(
        id=str(id), type=type, external_id=external_id, owner=owner, version=version, status=status
    )


def line(
    line_id: object,
    sku: str,
    *,
    ordered: int = 0,
    done: int = 0,
    short: int = 0,
    short_reason: str = "",
    external_line_id: str = "",
) -> Line:
    """Quantities in base units: `line("10", "SKU-1", ordered=5, done=4, short=1)`."""
    return Line(
        line_id=str(line_id),
        external_line_id=external_line_id,
        sku=sku,
        qty_ordered=str(ordered),
        qty_done=str(done),
        qty_short=str(short),
        short_reason=short_reason,
    )


def stk(
    sku: str,
    owner: str,
    qty: int,
    *,
    lot: str = "",
    best_before: date | None = None,
    serial: str = "",
    serials: list[str] | None = None,
    status: str = "available",
) -> Stk:
    """Quantity in base units: `stk("SKU-1", "ACME", 3, lot="L7")`."""
    return Stk(
        sku=sku,
        owner=owner,
        base_qty=qty,
        qty=str(qty),
        lot=lot or "",
        best_before=best_before,
        serials=serials or ([serial] if serial else []),
        stock_status=status,
    )


def loc(bin: str, *, lpn: str = "", zone: str = "", sscc: str = "", site: str = "") -> Loc:
    """`loc("A-01-03", lpn="LPN7")`."""
    return Loc(bin=bin, lpn=lpn or "", zone=zone, sscc=sscc, site=site)


def reason(code: str, text: str = "") -> Reason:
    """`reason("damaged", "wet carton")`."""
    return Reason(code=code, text=text)


def who(stamp: Stamp, via: str = "rf") -> Who:
    """The person and device of a stamp."""
    return Who(user=stamp.actor, device=stamp.device, via=via)
