"""A sample of every event type: the same bytes each time, for documents, partners and tests.

A sample is made from the payload's own fields, so it cannot fall behind them. `full` fills every
field; else only those that are always there.
"""

import re
import types
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID, uuid5

import msgspec

from wms.events.catalog import TYPES
from wms.events.envelope import LogRow, Site, render
from wms.events.masks import Mask
from wms.events.schemas import require_type

AT = datetime(2026, 3, 2, 8, 30, 0, 125000, tzinfo=UTC)
NAMESPACE = UUID("0b1f6d53-6d2b-5f43-9a63-3f5b1f2f7a10")
SITE = Site("W1", "https://wms.example")

# Plausible values by field name; every other field gets one by its type.
WORDS: dict[str, Any] = {
    "actor": "user:PIA", "alg": "v1", "amount": "12.34", "base_qty": 6, "bin": "A-01-03",
    "bol_no": "BOL-7001", "carrier": "PARCEL", "cause": "short", "city": "Kiel", "code": "damaged",
    "contact": "Ida Holm", "country": "DE", "country_of_origin": "DE", "currency": "EUR",
    "delta": -2, "device": "RF-7", "expected": 8, "external_id": "SO-1001",
    "external_line_id": "10", "fill_rate": 0.5, "found": 6, "gtin": "04006381333931",
    "kind": "pick", "line_id": "1", "lot": "L2603", "lpn": "LP00017", "name": "Ida Holm",
    "owner": "ACME", "package_id": "395212340000000178", "postcode": "24103", "qty": "6",
    "qty_done": "4", "qty_ordered": "6", "qty_short": "2", "scac": "PARC", "serials": "SN-1001",
    "service": "standard", "site": "W1", "sku": "MUG", "sscc": "395212340000000178",
    "status": "picked", "stock_status": "available", "street": "Hafenstrasse 1",
    "text": "Wet carton", "tracking_no": "1Z999AA10123456784", "type": "order", "uom": "each",
    "user": "user:PIA", "version": 3, "via": "rf", "zone": "A",
}  # fmt: skip


@cache
def sample_data(type: str, full: bool = True) -> bytes:
    """A payload of this type as JSON. Raises UnknownType."""
    return msgspec.json.encode(_struct(require_type(type).struct, full, type))


def sample_event(type: str, profile: str = "full", *, full: bool = True) -> bytes:
    """A whole event of this type as an endpoint of that mask profile would hear it."""
    data = sample_data(type, full)
    mask = Mask(profile, b"sample")
    row = LogRow(
        pos=4711, event_id=uuid5(NAMESPACE, type), lane=0, type=type, okey=_key(type), keyseq=3,
        subject=_key(type), owner="ACME", occurred_at=AT, recorded_at=AT,
        actor=mask.actor("user:PIA"), correlation_id="SO-1001", causation_id=str(NAMESPACE),
        data=data.decode(), test=True,
    )  # fmt: skip
    return render(row, SITE, None if mask.keeps_all else mask.data(type, row.data))


def _key(type: str) -> str:
    """The ordering key with sample values, such as `order/ACME/SO-1001`."""
    values = {"owner": "ACME", "sku": "MUG", "external_id": "SO-1001", "code": "erp"}
    return re.sub(r"<(\w+)>", lambda name: values.get(name[1], "7001"), TYPES[type].key)


def _struct(shape: Any, full: bool, where: str) -> Any:
    fields = msgspec.structs.fields(shape)
    return shape(
        **{
            field.name: _value(field.type, field.name.rstrip("_"), full, f"{where}/{field.name}")
            for field in fields
            if full or field.required
        }
    )


def _value(shape: Any, name: str, full: bool, where: str) -> Any:
    origin, parts = get_origin(shape), get_args(shape)
    if origin is Annotated:
        return _value(parts[0], name, full, where)
    if origin in (Union, types.UnionType):
        some = next(part for part in parts if part is not type(None))
        return _value(some, name, full, where)
    if origin is Literal:
        return parts[0]
    if origin in (list, tuple):
        return [_value(parts[0], name, full, where)]
    if origin is dict:
        if parts[1] is Any:
            return {"path": "/lines/0/sku", "code": "unknown-item"}
        return {"MUG": _value(parts[1], name, full, where)}
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return _struct(shape, full, where)
    return _plain(shape, name, where)


def _plain(shape: Any, name: str, where: str) -> Any:
    word = WORDS.get(name)
    if shape is str:
        return word if isinstance(word, str) else _text(name)
    if shape is bool:
        return True
    if shape is int:
        return word if isinstance(word, int) else len(name)
    if shape is float:
        return word if isinstance(word, float) else len(name) + 0.5
    by_type: dict[Any, Any] = {
        datetime: AT, date: date(2027, 6, 30), time: time(16, 0), UUID: uuid5(NAMESPACE, where),
        Any: word,
    }  # fmt: skip
    return by_type[shape]


def _text(name: str) -> str:
    """Ids look like ids, other words like themselves."""
    return "7001" if name.endswith(("_id", "id", "orders", "shipments")) else name.replace("_", "-")
