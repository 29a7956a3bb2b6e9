"""The CSV files `wms load DIR` reads: one struct a file, one field a column, in reading order.

These structs are the only definition: the reader, the checks and docs/csv.md all follow them.
A field with a default may be left empty. `key` names a row; `refs` are columns that must name a row
of another file (or one already in the database).
"""

from datetime import date, datetime, time
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from wms.masterdata.codes import CODE_PATTERN, SKU_PATTERN


def said(text: str, **bounds: object) -> Meta:
    return Meta(description=text, **bounds)  # type: ignore[arg-type]


Code = Annotated[str, said("capitals, digits, dots, dashes", pattern=CODE_PATTERN)]
Sku = Annotated[str, said("the owner's item number", pattern=SKU_PATTERN)]
Text = Annotated[str, said("free text", min_length=1, max_length=120)]
Mm = Annotated[int, said("millimetres", ge=0, le=1_000_000)]
Side = Annotated[int, said("millimetres", ge=1, le=20_000)]
Grams = Annotated[int, said("grams", ge=0, le=50_000_000)]
Qty = Annotated[int, said("base units", ge=1, le=1_000_000)]
OwnerRef = Annotated[str, said("code in owners.csv")]
BinRef = Annotated[str, said("code in bins.csv")]

Refs = tuple[tuple[tuple[str, ...], str], ...]
Role = Literal[
    "receiver", "putaway", "picker", "packer", "loader", "counter", "supervisor", "admin"
]
ITEM_REF = (("owner", "sku"), "items.csv")


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a file."""

    file: ClassVar[str]
    key: ClassVar[tuple[str, ...]]
    refs: ClassVar[Refs] = ()
    loaded: ClassVar[bool] = True  # False: read and checked only; the demo sends it to the API

    def key_of(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.key)


class WarehouseForm(Form, frozen=True, kw_only=True):
    """The warehouse that all other files describe: exactly one row, always there."""

    file = "warehouse.csv"
    key = ("code",)
    code: Code
    name: Text
    timezone: Annotated[str, said("IANA name; cutoffs and days are in its time")] = "UTC"
    gs1_prefix: Annotated[
        str, said("GS1 company prefix of the SSCCs it issues", pattern=r"^[0-9]{4,12}$")
    ] = "0000000"
    cart_slots: Annotated[int, said("totes on a picking cart", ge=1, le=100)] = 8
    tote_mm3: Annotated[int, said("usable volume of a tote", ge=1)] = 60_000_000
    tote_g: Annotated[int, said("load of a tote", ge=1)] = 20_000
    plan_seconds: Annotated[int, said("time a wave's planning may take", ge=1, le=600)] = 5


class ZoneForm(Form, frozen=True, kw_only=True):
    """Parts of the warehouse that people are sent to."""

    file = "zones.csv"
    key = ("code",)
    code: Code
    name: Text


class AisleForm(Form, frozen=True, kw_only=True):
    """Walkable aisles: vertical lines of the floor plan."""

    file = "aisles.csv"
    key = ("code",)
    refs = ((("zone",), "zones.csv"),)
    code: Code
    zone: Annotated[str, said("code in zones.csv")]
    x_mm: Mm
    y_from_mm: Mm
    y_to_mm: Mm
    direction: Annotated[Literal["both", "up", "down"], said("up is one-way towards larger y")] = (
        "both"
    )


class CrossAisleForm(Form, frozen=True, kw_only=True):
    """Where one can change aisles: horizontal lines over the whole floor plan."""

    file = "cross_aisles.csv"
    key = ("y_mm",)
    y_mm: Mm


class BinForm(Form, frozen=True, kw_only=True):
    """Places for goods. Virtual bins and the bins of people's hands are made by themselves.

    A carrier's staging lane is the `stage_out` bin named `OUT-<carrier>`.
    """

    file = "bins.csv"
    key = ("code",)
    refs = ((("zone",), "zones.csv"), (("aisle",), "aisles.csv"))
    code: Code
    kind: Annotated[
        Literal["pick", "reserve", "dock", "stage_in", "clarify", "pack", "stage_out"],
        said("pick and reserve are storage; at least one of each other kind is needed"),
    ]
    zone: Annotated[str, said("code in zones.csv; storage needs one")] = ""
    aisle: Annotated[str, said("code in aisles.csv; storage needs one")] = ""
    x_mm: Mm = 0
    y_mm: Mm = 0
    z_mm: Annotated[int, said("height of the shelf", ge=0, le=100_000)] = 0
    pick_sequence: Annotated[int, said("walking order when nothing better is known", ge=0)] = 0
    check_digits: Annotated[
        str,
        said("keyed when the label cannot be scanned; made when empty", pattern=r"^([0-9]{2})?$"),
    ] = ""
    capacity_mm3: Annotated[int, said("empty: not limited", ge=0)] | None = None
    capacity_g: Annotated[int, said("empty: not limited", ge=0)] | None = None
    capacity_lpns: Annotated[int, said("empty: not limited", ge=0, le=10_000)] | None = None
    mix_items: Annotated[bool, said("several items may lie here")] = True
    mix_lots: Annotated[bool, said("several lots of an item may lie here")] = True


class OwnerForm(Form, frozen=True, kw_only=True):
    """Whose goods: the clients of a 3PL, or just the house."""

    file = "owners.csv"
    key = ("code",)
    code: Code
    name: Text


class ItemForm(Form, frozen=True, kw_only=True):
    """The articles of an owner."""

    file = "items.csv"
    key = ("owner", "sku")
    refs = ((("owner",), "owners.csv"),)
    owner: OwnerRef
    sku: Sku
    description: Text
    lot_tracked: Annotated[bool, said("the lot is asked at receipt")] = False
    serial_tracked: Annotated[bool, said("each unit has its own number")] = False
    expiry_tracked: Annotated[bool, said("each lot has an expiry date; needs lot_tracked")] = False
    min_days_receipt: Annotated[int, said("days of life asked at receipt", ge=0, le=10_000)] = 0
    rotation: Annotated[
        Literal["fifo", "fefo"],
        said("which stock leaves first: oldest receipt, or first to expire"),
    ] = "fifo"
    fragile: Annotated[bool, said("nothing on top of it")] = False
    upright: Annotated[bool, said("this side up")] = False
    flat: Annotated[bool, said("lies on its largest side; not with upright")] = False
    separation: Annotated[
        str, said("hazard or temperature class that must not mix", max_length=20)
    ] = ""
    own_container: Annotated[bool, said("ships in its own package, takes no carton")] = False
    carton_qty_max: Annotated[int, said("of it in one carton; empty: not limited", ge=1)] | None = (
        None
    )
    velocity: Annotated[Literal["a", "b", "c"], said("a fast, b medium, c slow")] = "c"


class PackLevelForm(Form, frozen=True, kw_only=True):
    """How an item is packed. Every item needs `each`; `base_qty` counts eaches."""

    file = "pack_levels.csv"
    key = ("owner", "sku", "level")
    refs = (ITEM_REF,)
    owner: OwnerRef
    sku: Sku
    level: Literal["each", "inner", "case", "pallet"]
    base_qty: Qty
    length_mm: Side
    width_mm: Side
    height_mm: Side
    weight_g: Grams
    load_max_g: (
        Annotated[int, said("grams that may rest on one; empty: not limited", ge=0, le=50_000_000)]
        | None
    ) = None


class BarcodeForm(Form, frozen=True, kw_only=True):
    """What is printed on the goods: GTINs (8 to 14 digits), or codes of the owner's own."""

    file = "barcodes.csv"
    key = ("value", "owner", "sku")
    refs = ((("owner", "sku", "level"), "pack_levels.csv"),)
    value: Annotated[str, said("GTIN, or a code of the owner's own", min_length=3, max_length=80)]
    owner: OwnerRef
    sku: Sku
    level: Literal["each", "inner", "case", "pallet"] = "each"


class CartonTypeForm(Form, frozen=True, kw_only=True):
    """Cartons that orders are packed into."""

    file = "carton_types.csv"
    key = ("code",)
    code: Code
    inner_length_mm: Side
    inner_width_mm: Side
    inner_height_mm: Side
    outer_length_mm: Side
    outer_width_mm: Side
    outer_height_mm: Side
    tare_g: Grams
    gross_max_g: Annotated[int, said("contents and carton, grams", ge=1)]
    cost_minor: Annotated[int, said("cents", ge=0)] = 0


class CarrierForm(Form, frozen=True, kw_only=True):
    """Who takes the parcels and pallets away."""

    file = "carriers.csv"
    key = ("code",)
    code: Code
    name: Text


class CutoffForm(Form, frozen=True, kw_only=True):
    """When a carrier's service leaves, every day, and at which dock."""

    file = "cutoffs.csv"
    key = ("carrier", "service")
    refs = ((("carrier",), "carriers.csv"), (("dock",), "bins.csv"))
    carrier: Annotated[str, said("code in carriers.csv")]
    service: Annotated[str, said("service level of the carrier", min_length=1)] = "standard"
    at: Annotated[time, said("HH:MM in the warehouse's time")]
    dock: Annotated[str, said("code in bins.csv, a bin of kind dock")]


class UserForm(Form, frozen=True, kw_only=True):
    """People. Badge and PIN stand here in clear and are stored hashed; guard this file."""

    file = "users.csv"
    key = ("code",)
    code: Code
    name: Text
    badge: Annotated[
        str, said("code inside the badge label `BD-<badge>-<check>`", pattern=CODE_PATTERN)
    ]
    pin: Annotated[str, said("4 to 6 digits", pattern=r"^[0-9]{4,6}$")]
    roles: Annotated[
        tuple[Role, ...],
        said(
            "receiver, putaway, picker, packer, loader, counter, supervisor, admin;"
            " several apart by spaces",
            min_length=1,
        ),
    ]


class PlateForm(Form, frozen=True, kw_only=True):
    """Totes, and pallets or cases with a printed license plate, and where they stand."""

    file = "plates.csv"
    key = ("code",)
    refs = ((("bin",), "bins.csv"),)
    code: Annotated[
        str, said("code inside the label (`TT-`, `CA-` or `LP-`), or an SSCC", pattern=CODE_PATTERN)
    ]
    kind: Literal["pallet", "case", "tote", "cart"]
    bin: BinRef


class StockForm(Form, frozen=True, kw_only=True):
    """Opening stock, booked as movements from the supplier, into a ledger that has none yet."""

    file = "stock.csv"
    key = ("owner", "sku", "bin", "plate", "lot", "serial", "status")
    refs = (ITEM_REF, (("bin",), "bins.csv"), (("plate",), "plates.csv"))
    owner: OwnerRef
    sku: Sku
    bin: BinRef
    qty: Qty
    plate: Annotated[str, said("code in plates.csv of the plate it stands on")] = ""
    lot: Annotated[str, said("lot-tracked items need one", max_length=40)] = ""
    expires_on: Annotated[date, said("expiry-tracked items need one")] | None = None
    serial: Annotated[str, said("serial-tracked items need one, with qty 1", max_length=40)] = ""
    status: Literal["available", "damaged", "hold", "quarantine"] = "available"
    received_on: Annotated[date, said("for FIFO; empty is today")] | None = None


class AsnForm(Form, frozen=True, kw_only=True):
    """Announced deliveries."""

    file = "asns.csv"
    key = ("owner", "asn")
    refs = ((("owner",), "owners.csv"), (("dock",), "bins.csv"))
    loaded = False
    owner: OwnerRef
    asn: Annotated[str, said("the owner's number of the delivery", min_length=1)]
    supplier: Annotated[str, said("who sends it")] = ""
    expected_at: Annotated[datetime, said("in the warehouse's time")]
    dock: Annotated[str, said("code in bins.csv")] = ""
    over_tolerance_pct: Annotated[int, said("percent taken above the line", ge=0, le=100)] = 0


class AsnLineForm(Form, frozen=True, kw_only=True):
    """Lines of announced deliveries."""

    file = "asn_lines.csv"
    key = ("owner", "asn", "line_no")
    refs = ((("owner", "asn"), "asns.csv"), ITEM_REF)
    loaded = False
    owner: OwnerRef
    asn: Annotated[str, said("number in asns.csv")]
    line_no: Annotated[str, said("number of the line", min_length=1)]
    sku: Sku
    qty: Qty
    lot: Annotated[str, said("announced lot", max_length=40)] = ""
    expires_on: Annotated[date, said("announced expiry")] | None = None
    sscc: Annotated[str, said("pallet that carries the line", pattern=r"^([0-9]{18})?$")] = ""


class OrderForm(Form, frozen=True, kw_only=True):
    """Customers' orders."""

    file = "orders.csv"
    key = ("owner", "order")
    refs = ((("owner",), "owners.csv"), (("carrier", "service"), "cutoffs.csv"))
    loaded = False
    owner: OwnerRef
    order: Annotated[str, said("the owner's number of the order", min_length=1)]
    placed_at: Annotated[datetime, said("when it comes in, in the warehouse's time")]
    carrier: Annotated[str, said("code in carriers.csv")]
    service: Annotated[str, said("service in cutoffs.csv")] = "standard"
    ship_on: Annotated[date, said("day of the cutoff; empty is the next one")] | None = None
    priority: Annotated[int, said("minutes ahead of its due time", ge=0, le=1440)] = 0
    name: Annotated[str, said("who gets it")] = ""
    street: str = ""
    postcode: str = ""
    city: str = ""
    country: Annotated[str, said("ISO 3166 two letters", pattern=r"^([A-Z]{2})?$")] = ""


class OrderLineForm(Form, frozen=True, kw_only=True):
    """Lines of customers' orders."""

    file = "order_lines.csv"
    key = ("owner", "order", "line_no")
    refs = ((("owner", "order"), "orders.csv"), ITEM_REF)
    loaded = False
    owner: OwnerRef
    order: Annotated[str, said("number in orders.csv")]
    line_no: Annotated[str, said("number of the line", min_length=1)]
    sku: Sku
    qty: Qty


def kinds_of(wanted: Any) -> list[Any]:
    """The plain types of a column: unions apart, annotations off."""
    if get_origin(wanted) in (Union, UnionType):
        return [kind for part in get_args(wanted) for kind in kinds_of(part)]
    if hasattr(wanted, "__metadata__"):
        return kinds_of(get_args(wanted)[0])
    return [wanted]


def wanted(column: Any) -> str:
    """What a column takes, in words, from its type: for docs/csv.md and for complaints."""
    if get_origin(column) in (Union, UnionType):
        column = get_args(column)[0]
    metas = [meta for meta in getattr(column, "__metadata__", ()) if isinstance(meta, Meta)]
    kind = kinds_of(column)[0]
    words = {
        bool: "yes or no", int: "whole number", date: "day", time: "time",
        datetime: "day and time", str: "text",
    }  # fmt: skip
    if get_origin(kind) is Literal:
        base = "one of " + ", ".join(get_args(kind))
    else:
        base = words.get(kind, "words")
    least = next((meta.ge for meta in metas if meta.ge is not None), None)
    most = next((meta.le for meta in metas if meta.le is not None), None)
    if least is not None:
        base += f" from {least}" + (f" to {most}" if most is not None else "")
    said = [meta.description for meta in metas if meta.description]
    return f"{base} ({said[-1]})" if said else base


FORMS: tuple[type[Form], ...] = (
    WarehouseForm, ZoneForm, AisleForm, CrossAisleForm, BinForm, OwnerForm, ItemForm,
    PackLevelForm, BarcodeForm, CartonTypeForm, CarrierForm, CutoffForm, UserForm, PlateForm,
    StockForm, AsnForm, AsnLineForm, OrderForm, OrderLineForm,
)  # fmt: skip
