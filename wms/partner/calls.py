"""Every call the client makes: method, path and shapes. A test holds them against the document."""

from typing import Any, Literal

import msgspec

from wms.documents import DocumentError
from wms.events.consumers import Consumer
from wms.events.envelope import Envelope
from wms.events.receipts import Receipt
from wms.inbound.asn_documents import AsnDoc
from wms.inbound.asn_documents import Outcome as AsnOutcome
from wms.masterdata.item_documents import ItemDoc, ItemOutcome, ItemRead
from wms.outbound.cancel_requests import CancelDoc
from wms.outbound.cancelling import Cancelled
from wms.outbound.levels import Balance, Level
from wms.outbound.order_documents import OrderDoc, Outcome
from wms.outbound.queries import Order, OrderRow

SITE = "/v1/warehouses/{code}"
ORDER = SITE + "/orders/{owner}/{external_id}"
ASN = SITE + "/asns/{owner}/{external_id}"
ITEM = "/v1/owners/{owner}/items/{sku}"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """`takes` None: no body. `answers` is the shape of the answer in each of `statuses`."""

    method: str
    path: str
    takes: Any = None
    answers: Any = None
    query: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ("200", "201")


class Batch(msgspec.Struct, frozen=True):
    """One outcome for each order, in the order sent."""

    outcomes: list[Outcome]
    accepted: int
    rejected: int


class Orders(msgspec.Struct):
    orders: list[OrderRow]


class Items(msgspec.Struct):
    items: list[ItemRead]


class Levels(msgspec.Struct):
    levels: list[Level]
    as_of_pos: int = 0


class Balances(msgspec.Struct):
    balances: list[Balance]
    as_of_pos: int = 0


class Events(msgspec.Struct):
    """A run of the log; at `caught_up` there is nothing more yet."""

    events: list[Envelope]
    next_after: int
    head_pos: int
    caught_up: bool


class Asn(msgspec.Struct, kw_only=True):
    """What a client needs of a delivery; the document has more."""

    id: str
    owner: str
    external_id: str
    state: str
    version: int


class Brief(msgspec.Struct, kw_only=True):
    """An order after a hold began or ended."""

    id: str
    owner: str
    external_id: str
    state: str
    hold_reason: str
    version: int


class Why(msgspec.Struct):
    reason: str


class Pos(msgspec.Struct):
    pos: int


class Said(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What became of an event that was taken."""

    verdict: Literal["processed", "rejected", "deferred"]
    endpoint: str | None = None
    consumer: str | None = None
    code: str = ""
    detail: str = ""


class Problem(msgspec.Struct, kw_only=True):
    """A problem document (RFC 9457); facts of the case beyond these stay in the text."""

    type: str = ""
    title: str = ""
    status: int = 0
    detail: str = ""
    code: str = ""
    retryable: bool = False
    errors: list[DocumentError] = []


PAGE = ("after", "limit")
CALLS: dict[str, Call] = {
    "put_order": Call(method="PUT", path=ORDER, takes=OrderDoc, answers=Outcome),
    "post_orders": Call(
        method="POST", path=f"{SITE}/orders", takes=list[OrderDoc], answers=Batch
    ),
    "get_order": Call(method="GET", path=ORDER, answers=Order),
    "list_orders": Call(
        method="GET", path=f"{SITE}/orders", answers=Orders, query=("state", *PAGE)
    ),
    "cancel_order": Call(
        method="POST", path=f"{ORDER}/cancel", takes=CancelDoc, answers=Cancelled,
        statuses=("200", "202"),
    ),
    "hold_order": Call(method="POST", path=f"{ORDER}/hold", takes=Why, answers=Brief),
    "release_hold": Call(method="POST", path=f"{ORDER}/release-hold", answers=Brief),
    "put_asn": Call(method="PUT", path=ASN, takes=AsnDoc, answers=AsnOutcome),
    "get_asn": Call(method="GET", path=ASN, answers=Asn),
    "cancel_asn": Call(method="POST", path=f"{ASN}/cancel", takes=Why, answers=AsnOutcome),
    "put_item": Call(method="PUT", path=ITEM, takes=ItemDoc, answers=ItemOutcome),
    "get_item": Call(method="GET", path=ITEM, answers=ItemRead),
    "list_items": Call(method="GET", path="/v1/owners/{owner}/items", answers=Items, query=PAGE),
    "levels": Call(
        method="GET", path=f"{SITE}/inventory/levels", answers=Levels, query=("owner", "sku", *PAGE)
    ),
    "balances": Call(
        method="GET", path=f"{SITE}/inventory/balances", answers=Balances,
        query=("owner", "sku", *PAGE),
    ),
    "events": Call(
        method="GET", path=f"{SITE}/events", answers=Events,
        query=("after", "limit", "types", "owner", "consumer"),
    ),
    "commit": Call(
        method="POST", path=SITE + "/consumers/{name}/commit", takes=Pos, answers=Consumer
    ),
    "say": Call(method="POST", path="/v1/events/{id}/receipts", takes=Said, answers=Receipt),
}  # fmt: skip
