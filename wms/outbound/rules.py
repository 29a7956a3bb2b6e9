"""What outbound decides without a database: which stock serves whom, and why an order waits.

Rotation: first expired first out for items rotated by expiry, else first in first out by the day of
receipt; of equals a pick face before reserve, then as few bins as can be, then the shortest walk.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from wms.inventory.allocations import Stock, Take


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What one order line still wants. `promised` is its soft promise, a part of `qty`."""

    order_id: int
    order_line_id: int
    item_id: int
    qty: int
    promised: int = 0
    whole: bool = False  # all of its order, or nothing of it


class Choice(msgspec.Struct, frozen=True):
    """Takes in the order of demands, and what each order line could not get."""

    takes: tuple[Take, ...]
    missing: dict[int, int]


Rank = tuple[bool, date, date, bool]


def rank(stock: Stock) -> Rank:
    """Smaller goes first; equals may be chosen freely. LOCK_STOCK ranks the same way."""
    return (
        stock.expires_on is None,
        stock.expires_on or stock.received_on,
        stock.received_on,
        stock.bin_kind != "pick",
    )


class Shelf:
    """What is left of the stock of one item while demands are served."""

    def __init__(self, stocks: Iterable[Stock], walks: Mapping[int, float]) -> None:
        groups: dict[Rank, list[Stock]] = {}
        for stock in stocks:
            groups.setdefault(rank(stock), []).append(stock)
        self.groups = [
            sorted(groups[key], key=lambda s: (walks.get(s.bin_id, 0.0), s.pick_sequence,
                                               s.balance_id))
            for key in sorted(groups)
        ]  # fmt: skip
        self.left = {stock.balance_id: stock.free for group in self.groups for stock in group}

    def take(self, qty: int) -> list[tuple[int, int]]:
        """Up to `qty` as (balance, quantity), in rotation, from as few bins as each rank allows."""
        taken: list[tuple[int, int]] = []
        for group in self.groups:
            while qty > 0:
                balance_id = self._best(group, qty)
                if balance_id is None:
                    break
                part = min(qty, self.left[balance_id])
                self.left[balance_id] -= part
                taken.append((balance_id, part))
                qty -= part
            if qty == 0:
                break
        return taken

    def _best(self, group: Sequence[Stock], qty: int) -> int | None:
        """The first bin that covers all of it, else the fullest one."""
        fullest: int | None = None
        for stock in group:
            left = self.left[stock.balance_id]
            if left >= qty:
                return stock.balance_id
            if left > 0 and (fullest is None or left > self.left[fullest]):
                fullest = stock.balance_id
        return fullest

    def put_back(self, taken: Iterable[tuple[int, int]]) -> None:
        for balance_id, qty in taken:
            self.left[balance_id] += qty


def choose(
    demands: Sequence[Demand],
    stocks: Sequence[Stock],
    unpromised: Mapping[int, int] | None = None,
    walks: Mapping[int, float] | None = None,
) -> Choice:
    """Serve demands in their order; lines of one order stand together.

    `unpromised` is what of each item no soft promise claims: a line gets its own promise and beyond
    it only from there, so an order that came first keeps its goods however late it is released.
    Without it nothing is held back for others. `walks` says how far each bin is, in mm.
    """
    by_item: dict[int, list[Stock]] = {}
    for stock in stocks:
        by_item.setdefault(stock.item_id, []).append(stock)
    shelves = {item_id: Shelf(found, walks or {}) for item_id, found in by_item.items()}
    spare = None if unpromised is None else dict(unpromised)
    takes: list[Take] = []
    missing: dict[int, int] = {}
    for lines in _by_order(demands):
        taken: list[tuple[Demand, list[tuple[int, int]]]] = []
        for line in lines:
            limit = line.qty
            if spare is not None:
                limit = min(line.qty, line.promised + max(0, spare.get(line.item_id, 0)))
            shelf = shelves.get(line.item_id)
            found = shelf.take(limit) if shelf else []
            taken.append((line, found))
            got = sum(qty for _, qty in found)
            if spare is not None:
                spare[line.item_id] = spare.get(line.item_id, 0) - max(0, got - line.promised)
            if got < line.qty:
                missing[line.order_line_id] = line.qty - got
        if any(line.whole and line.order_line_id in missing for line in lines):
            _give_back(taken, shelves, spare)
            continue
        takes += [
            Take(order_line_id=line.order_line_id, balance_id=balance_id, qty=qty)
            for line, found in taken
            for balance_id, qty in found
        ]
    return Choice(tuple(takes), missing)


def _by_order(demands: Sequence[Demand]) -> list[list[Demand]]:
    groups: dict[int, list[Demand]] = {}
    for demand in demands:
        groups.setdefault(demand.order_id, []).append(demand)
    return list(groups.values())


def _give_back(
    taken: Sequence[tuple[Demand, list[tuple[int, int]]]],
    shelves: Mapping[int, Shelf],
    spare: dict[int, int] | None,
) -> None:
    for line, found in taken:
        if found:
            shelves[line.item_id].put_back(found)
        if spare is not None:
            got = sum(qty for _, qty in found)
            spare[line.item_id] = spare.get(line.item_id, 0) + max(0, got - line.promised)


def next_cutoff(now: datetime, zone: str, at: time) -> datetime:
    """The first time after `now` that the warehouse's clock shows `at`; aware, in UTC."""
    local = now.astimezone(ZoneInfo(zone))
    due = datetime.combine(local.date(), at, tzinfo=local.tzinfo)
    if due <= local:
        due = datetime.combine(local.date() + timedelta(days=1), at, tzinfo=local.tzinfo)
    return due.astimezone(UTC)


def soft_promises(wants: Sequence[tuple[int, int]], spare: dict[int, int]) -> list[int]:
    """What of each (item, quantity) can be promised from what is spare; lowers `spare`."""
    given: list[int] = []
    for item_id, qty in wants:
        part = min(qty, max(0, spare.get(item_id, 0)))
        spare[item_id] = spare.get(item_id, 0) - part
        given.append(part)
    return given


def why_missing(free: int, got: int, elsewhere: int, stopped: int) -> str:
    """Why an order cannot have all of an item, as a code; the first cause that could be mended."""
    if free > got:
        return "promised_to_others"
    if elsewhere > 0:
        return "in_putaway"
    return "stopped" if stopped > 0 else "out_of_stock"
