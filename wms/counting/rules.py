"""Counting, decided: how far a count is believed, and what it does to the stock. Pure.

A small difference is the counter's to post. A larger one is counted again by somebody else; two
equal counts are the truth; anything else a supervisor decides, who is neither of the two. Goods in
dispute are settled by every posted count: found goods are available again, missing ones are lost.
"""

from collections.abc import Mapping, Sequence

import msgspec

from wms.errors import Conflict, NotFound, Refused

OWN_LIMIT_UNITS = 2
OWN_LIMIT_PCT = 2
LOST_FIRST = ("disputed", "available", "hold", "quarantine", "damaged")

Key = tuple[int, int | None, int | None, str]  # item, lot, license plate, serial


class NoSuchCount(NotFound):
    say = "There is no such count. Your next work is shown."


class CounterDecides(Refused):
    say = "{user} counted this bin: somebody else must decide."


class NotInReview(Conflict):
    say = "Count {count} is {state}: there is nothing to decide."


class StockMovedSince(Conflict):
    say = "Less of {sku} is booked now than the count would take away. Count the bin again."


class UnknownItem(Refused):
    say = "Nothing is known under {scanned}. Set it aside, call your lead, and count the rest."


class UnknownLot(Refused):
    say = "Lot {lot} of {sku} is not known here. Scan the lot again, or set it aside for your lead."


class MarkNeeded(Refused):
    say = "{sku} is counted by {mark}. Scan the item again, then its {mark}."


class SerialPromised(Refused):
    say = "Serial {serial} is booked in {bin} and promised to an order. Call your lead."


class PlateNotMovable(Refused):
    say = "Plate {plate} {why}. Set it aside for your lead."


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """One balance of the bin."""

    id: int
    owner_id: int
    owner_code: str
    item_id: int
    sku: str
    description: str
    lot_id: int | None
    lot_code: str
    lpn_id: int | None
    lpn_code: str
    serial: str
    status: str
    on_hand: int
    allocated: int
    lot_tracked: bool
    serial_tracked: bool
    codes: list[str] = []

    @property
    def key(self) -> Key:
        return (self.item_id, self.lot_id, self.lpn_id, self.serial)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What one round says about one key."""

    key: Key
    booked: int
    counted: int
    disputed: int = 0

    @property
    def delta(self) -> int:
        return self.counted - self.booked


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One movement a posted count makes: `status` to `to_status`, `lost` or `found`."""

    kind: str  # status | lost | found
    balance: Booked | None
    qty: int


def compare(held: Sequence[Booked], counted: Mapping[Key, int]) -> list[Line]:
    """Every key that is booked or was counted, in a fixed order."""
    booked: dict[Key, int] = {}
    disputed: dict[Key, int] = {}
    for each in held:
        booked[each.key] = booked.get(each.key, 0) + each.on_hand
        if each.status == "disputed":
            disputed[each.key] = disputed.get(each.key, 0) + each.on_hand
    keys = sorted({*booked, *counted}, key=lambda key: (key[0], key[1] or 0, key[2] or 0, key[3]))
    return [
        Line(key=key, booked=booked.get(key, 0), counted=counted.get(key, 0),
             disputed=disputed.get(key, 0))
        for key in keys
    ]  # fmt: skip


def within_own_limit(line: Line) -> bool:
    """True when one person's count of this line may be posted.

    A count that finds exactly what a picker's short left is the second look at it. Serials and
    plates are single things: any difference is looked at twice.
    """
    if line.delta == 0 or (line.disputed and line.counted == line.booked - line.disputed):
        return True
    if line.key[2] is not None or line.key[3]:
        return False
    limit = max(OWN_LIMIT_UNITS, line.booked * OWN_LIMIT_PCT // 100)
    return min(abs(line.delta), abs(line.delta + line.disputed)) <= limit


def verdict(round: int, lines: Sequence[Line], before: Mapping[Key, int]) -> str:
    """`post`, `recount` or `review`. `before` has the differences of the first round."""
    if all(within_own_limit(line) for line in lines):
        return "post"
    if round == 1:
        return "recount"
    now = {line.key: line.delta for line in lines if line.delta}
    return "post" if now == {key: delta for key, delta in before.items() if delta} else "review"


def settle(held: Sequence[Booked], counted: int) -> list[Change]:
    """The changes that make the balances of one key hold what was counted.

    Guarantees: the sum of on hand after them is `counted`, and nothing stays disputed.
    """
    loss = max(sum(each.on_hand for each in held) - counted, 0)
    changes: list[Change] = []
    for each in sorted(held, key=lambda each: LOST_FIRST.index(each.status)):
        lost = min(each.on_hand, loss)
        loss -= lost
        if lost:
            changes.append(Change(kind="lost", balance=each, qty=lost))
        if each.status == "disputed" and each.on_hand > lost:
            changes.append(Change(kind="status", balance=each, qty=each.on_hand - lost))
    found = counted - sum(each.on_hand for each in held)
    if found > 0:
        changes.append(Change(kind="found", balance=held[0] if held else None, qty=found))
    return changes
