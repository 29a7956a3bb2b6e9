"""Receiving, decided: what a delivery takes, in which status, and on which license plate. Pure.

Quantities in base units. The sum booked against a line never passes what was announced plus the
delivery's tolerance: what is more goes to clarification, never silently into stock.
"""

from collections.abc import Sequence
from datetime import date

import msgspec

from wms.errors import Conflict, NotFound, Refused
from wms.inventory.lpns import Lpn

DAMAGES = (("crushed", "Crushed"), ("wet", "Wet"), ("broken", "Broken"), ("other", "Other"))


class NoSuchDelivery(NotFound):
    say = "There is no delivery {ident} here. Scan its number, or call your lead."


class NoPlace(NotFound):
    say = "This warehouse has no {kind} bin; load its layout first."


class DeliveryClosed(Conflict):
    say = "Delivery {delivery} is {state}: nothing more is received on it. Call your lead."


class OverReceipt(Refused):
    say = (
        "Only {left} × {sku} are still expected, not {qty}. Take {left}; the rest: !, Not expected."
    )


class UnknownBarcode(Refused):
    say = "Nothing is known under {scanned}. Set it aside: !, Unknown code."


class SerialInHouse(Refused):
    say = "Serial {serial} of {sku} is already in stock. Scan the serial on this piece."


class NotOnLabel(Refused):
    say = "{scanned} is another code, not the {fact}. Scan or key the {fact}."


class PlateUnusable(Refused):
    say = "Plate {plate} cannot take this: it {why}. Scan another plate."


class OwnPlateNeeded(Refused):
    say = "These are {status}: {why}. Scan a new plate for them; it goes to {bin}."


class PlateOpened(Refused):
    say = "Part of plate {plate} is received already: go on item by item."


class StillReceiving(Conflict):
    say = "{user} received here a moment ago and goods are missing. Ask first, then close."


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One announced line with the item it is about."""

    id: int
    line_no: str
    item_id: int
    qty: int
    received: int
    lot_code: str = ""
    expires_on: date | None = None
    sscc: str = ""
    sku: str = ""
    description: str = ""
    lot_tracked: bool = False
    serial_tracked: bool = False
    expiry_tracked: bool = False
    min_days_receipt: int = 0

    @property
    def open(self) -> int:
        return max(self.qty - self.received, 0)


class Share(msgspec.Struct, frozen=True):
    """So much of one act booked against one line; `over` of it within the tolerance."""

    line: Line
    qty: int
    over: int = 0


class Arrival(msgspec.Struct, frozen=True):
    """The status goods get as they arrive, and why when they are not simply available."""

    status: str = "available"
    kind: str = ""
    why: str = ""


def left_to_receive(lines: Sequence[Line], tolerance_pct: int) -> int:
    """How many units of one item the delivery still takes, tolerance included."""
    announced = sum(line.qty for line in lines)
    most = announced + announced * tolerance_pct // 100
    return max(most - sum(line.received for line in lines), 0)


def spread(lines: Sequence[Line], qty: int, lot_code: str, tolerance_pct: int) -> list[Share]:
    """Which lines of one item take the quantity: same lot first, loose before announced plates.

    Raises OverReceipt.
    """
    left = left_to_receive(lines, tolerance_pct)
    if qty > left:
        raise OverReceipt(left=left, sku=lines[0].sku if lines else "that", qty=qty)
    ranked = sorted(lines, key=lambda line: (_lot_rank(line, lot_code), line.sscc != "", line.id))
    shares: list[Share] = []
    for line in ranked:
        part = min(line.open, qty)
        if part:
            shares.append(Share(line, part))
            qty -= part
    if qty:
        first = shares[0] if shares else Share(ranked[0], 0)
        shares = [Share(first.line, first.qty + qty, qty), *shares[1:]]
    return shares


def _lot_rank(line: Line, lot_code: str) -> int:
    if line.lot_code == lot_code:
        return 0
    return 1 if line.lot_code == "" else 2


def arrival(
    expires_on: date | None, today: date, min_days: int, *, recalled: bool = False
) -> Arrival:
    """The status of goods on arrival by lot and remaining shelf life."""
    if recalled:
        return Arrival("hold", "recalled_lot", "the lot is recalled")
    if expires_on is None:
        return Arrival()
    days = (expires_on - today).days
    if days < 0:
        return Arrival("hold", "expired", f"best before {expires_on} is past")
    if days < min_days:
        return Arrival("hold", "short_life", f"best before in {days} days, {min_days} are asked")
    return Arrival()


def judge_plate(plate: Lpn, owner_id: int, bin_id: int) -> None:
    """Raises PlateUnusable when goods of this owner must not go on the plate in that bin."""
    why = ""
    if plate.state in ("void", "shipped", "loaded"):
        why = f"is {plate.state}"
    elif plate.order_id is not None:
        why = "serves an order"
    elif plate.kind in ("carton", "cart"):
        why = f"is a {plate.kind}"
    elif plate.owner_id is not None and plate.owner_id != owner_id:
        why = "carries goods of another owner"
    elif plate.bin_id != bin_id and plate.state != "free":
        why = f"stands in {plate.bin_code}"
    if why:
        raise PlateUnusable(plate=plate.code, why=why)
