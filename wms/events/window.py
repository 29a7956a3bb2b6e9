"""What one delivery has read and not yet put behind it. Pure: no clock, no database, no network.

Rules: events of one ordering key leave strictly one after the other and in log order; keys leave
side by side; the cursor never passes an event that is neither delivered nor parked.
"""

from collections import deque

from wms.events.envelope import LogRow

QUEUED, SENDING, DONE = "queued", "sending", "done"


class Item:
    """One event on its way. `n` counts attempts made; `parked` is true once it has a row."""

    __slots__ = ("began", "key", "n", "parked", "row", "state", "trigger")

    def __init__(self, row: LogRow, key: str, trigger: str = "live", n: int = 0) -> None:
        self.row = row
        self.key = key
        self.trigger = trigger
        self.n = n
        self.state = QUEUED
        self.began = 0.0
        self.parked = trigger == "retry"


class Window:
    """Events read, in position order, with one queue per key."""

    def __init__(self, lanes: dict[int, int], lane_count: int) -> None:
        """`lanes` maps each held lane to the position up to which it is done."""
        self.mask = lane_count - 1
        self.start = dict(lanes)
        self.read_pos = min(lanes.values())
        self.blocked: set[str] = set()  # keys with parked rows: later events wait behind them
        self._items: deque[Item] = deque()
        self._queues: dict[str, deque[Item]] = {}
        self._ready: deque[str] = deque()
        self._busy: set[str] = set()

    def __len__(self) -> int:
        return len(self._items)

    def lane_of(self, row: LogRow) -> int:
        return row.lane & self.mask

    def is_mine(self, row: LogRow) -> bool:
        """In a lane that is held, and after that lane's cursor."""
        lane = self.lane_of(row)
        return lane in self.start and row.pos > self.start[lane]

    def add(self, row: LogRow, key: str) -> Item | None:
        """Take an event in. Answers it when its key is blocked: it must be parked as waiting."""
        item = Item(row, key)
        if key in self.blocked:
            return item
        self._items.append(item)
        queue = self._queues.setdefault(key, deque())
        queue.append(item)
        if len(queue) == 1 and key not in self._busy:
            self._ready.append(key)
        return None

    def has_ready(self) -> bool:
        return bool(self._ready)

    def take(self) -> Item | None:
        """The next event that may be sent; its key is busy until `done`, `park` or `put_back`."""
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._busy.add(key)
        item = self._queues[key][0]
        item.state = SENDING
        return item

    def done(self, item: Item) -> None:
        """Delivered: the key's next event may go."""
        self._leave(item)
        self._free(item.key)

    def put_back(self, item: Item) -> None:
        """Not its fault: it stays first of its key, and other keys are tried before it."""
        item.state = QUEUED
        self._free(item.key)

    def park(self, item: Item) -> list[Item]:
        """Its key is blocked from now on. Answers the later events of the key, in order."""
        self._leave(item)
        self.blocked.add(item.key)
        waiting = list(self._queues.pop(item.key, ()))
        for later in waiting:
            later.state = DONE
        self._free(item.key)
        return waiting

    def unblock(self, key: str) -> None:
        """Nothing of the key is parked any more."""
        self.blocked.discard(key)

    def head(self) -> Item | None:
        """The first event that holds the cursor."""
        self._trim()
        return self._items[0] if self._items else None

    def done_behind(self) -> int:
        """Events finished but held back by the head."""
        return sum(item.state == DONE for item in self._items)

    def cursors(self) -> dict[int, int]:
        """The position each lane may advance to."""
        self._trim()
        found = dict.fromkeys(self.start, self.read_pos)
        missing = len(found)
        seen: set[int] = set()
        for item in self._items:
            if item.state != DONE:
                lane = self.lane_of(item.row)
                if lane not in seen:
                    seen.add(lane)
                    found[lane] = item.row.pos - 1
                    if len(seen) == missing:
                        break
        return found

    def _leave(self, item: Item) -> None:
        item.state = DONE
        queue = self._queues.get(item.key)
        if queue and queue[0] is item:
            queue.popleft()

    def _free(self, key: str) -> None:
        self._busy.discard(key)
        if self._queues.get(key):
            self._ready.append(key)
        else:
            self._queues.pop(key, None)

    def _trim(self) -> None:
        while self._items and self._items[0].state == DONE:
            self._items.popleft()
