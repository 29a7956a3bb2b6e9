"""What one delivery has read and not yet put behind it. Pure: no clock, no database, no network.

Rules: events of one ordering key leave strictly one after the other and in log order; keys leave
side by side; the cursor never passes an event that is neither delivered nor parked.
"""

from bisect import bisect_right
from collections import deque
from itertools import accumulate

from wms.events.envelope import LogRow

QUEUED, SENDING, DONE = "queued", "sending", "done"
BATCH_BYTES = 512 * 1024
ENVELOPE = 1_000  # bytes of an event around its data, about


class Item:
    """One event on its way. `n` counts attempts made; `parked` is true once it has a row."""

    __slots__ = ("began", "conflated", "key", "n", "parked", "row", "state", "trigger")

    def __init__(self, row: LogRow, key: str, trigger: str = "live", n: int = 0) -> None:
        self.row = row
        self.key = key
        self.trigger = trigger  # live | retry | replay
        self.n = n
        self.state = QUEUED
        self.began = 0.0
        self.parked = trigger == "retry"
        self.conflated = 0

    @property
    def size(self) -> int:
        """About how many bytes it has on the wire."""
        return len(self.row.data) + ENVELOPE


class Window:
    """Events read, in position order, with one queue per key.

    `busy` (keys with a request under way) and `blocked` (keys with parked rows: later events wait
    behind them) may be shared by several windows of one endpoint.
    """

    def __init__(
        self, lanes: dict[int, int], lane_count: int, beside: "Window | None" = None
    ) -> None:
        """`lanes` maps each held lane to the position up to which it is done."""
        self.mask = lane_count - 1
        self.start = dict(lanes)
        self.read_pos = min(lanes.values())
        self.blocked: set[str] = beside.blocked if beside else set()
        self.busy: set[str] = beside.busy if beside else set()
        self._items: deque[Item] = deque()
        self._queues: dict[str, deque[Item]] = {}
        self._ready: deque[str] = deque()
        self._mine: set[str] = set()  # busy with an event of this window

    def __len__(self) -> int:
        return len(self._items)

    def lane_of(self, row: LogRow) -> int:
        return row.lane & self.mask

    def is_mine(self, row: LogRow) -> bool:
        """In a lane that is held, and after that lane's cursor."""
        lane = self.lane_of(row)
        return lane in self.start and row.pos > self.start[lane]

    def add(self, row: LogRow, key: str, trigger: str = "live") -> Item | None:
        """Take an event in. Answers it when its key is blocked: it must be parked as waiting."""
        item = Item(row, key, trigger)
        if key in self.blocked:
            return item
        self._items.append(item)
        queue = self._queues.setdefault(key, deque())
        queue.append(item)
        if len(queue) == 1 and key not in self._mine:
            self._ready.append(key)
        return None

    def conflate(self, key: str) -> None:
        """The newest event of the key replaces older ones of its type that are not under way."""
        queue = self._queues.get(key, deque())
        newest = queue[-1] if queue else None
        if newest is None:
            return
        for item in [item for item in queue if item is not newest]:
            if item.row.type == newest.row.type and item.state == QUEUED:
                newest.conflated += item.conflated + 1
                item.state = DONE
                queue.remove(item)

    def has_ready(self) -> bool:
        return any(key in self._queues and key not in self.busy for key in self._ready)

    def take(self) -> Item | None:
        """The next event that may be sent; its key is busy until `done`, `park` or `put_back`."""
        run = self.take_run(1)
        return run[0] if run else None

    def take_run(self, most: int, room: int = BATCH_BYTES, must: bool = True) -> list[Item]:
        """The next events of one key, in order, to be sent in one request.

        `room` is how many bytes they may have; the first one goes (`must`) whatever its size.
        """
        for _ in range(len(self._ready)):
            key = self._ready.popleft()
            if key not in self._queues:  # it was evicted
                continue
            if key in self.busy:  # a retry or a replay of it is under way
                self._ready.append(key)
                continue
            run = [item for item, _ in zip(self._queues[key], range(most), strict=False)]
            sizes = list(accumulate(item.size for item in run))
            run = run[: max(bisect_right(sizes, room), int(must))]
            if not run:
                self._ready.appendleft(key)
                return []
            self.busy.add(key)
            self._mine.add(key)
            for item in run:
                item.state = SENDING
            return run
        return []

    def done(self, item: Item) -> None:
        """Delivered. After the last of a run, the key's next event may go."""
        self._leave(item)
        queue = self._queues.get(item.key)
        if not queue or queue[0].state != SENDING:
            self._free(item.key)

    def put_back(self, item: Item) -> None:
        """Not its fault: it stays first of its key, and other keys are tried before it."""
        for other in self._queues.get(item.key, ()):
            other.state = QUEUED
        self._free(item.key)

    def park(self, item: Item) -> list[Item]:
        """Its key is blocked from now on. Answers the later events of the key, in order."""
        self._leave(item)
        self.blocked.add(item.key)
        waiting = self.evict(item.key)
        self._free(item.key)
        return waiting

    def evict(self, key: str) -> list[Item]:
        """Take out the events of a blocked key, in order: they must be parked as waiting."""
        waiting = [item for item in self._queues.pop(key, ()) if item.state != DONE]
        for later in waiting:
            later.state = DONE
        return waiting

    def unblock(self, key: str) -> None:
        """Nothing of the key is parked any more."""
        self.blocked.discard(key)

    def holds(self, item: Item) -> bool:
        """Read by this window, and the cursor is not behind it."""
        return any(each is item for each in self._items)

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
        self.busy.discard(key)
        self._mine.discard(key)
        if self._queues.get(key):
            self._ready.append(key)
        else:
            self._queues.pop(key, None)

    def _trim(self) -> None:
        while self._items and self._items[0].state == DONE:
            self._items.popleft()


def take_together(windows: list[Window], most: int) -> list[Item]:
    """Events for one request, of the first window as long as it has any that may go."""
    items: list[Item] = []
    for window in windows:
        while len(items) < most:
            room = BATCH_BYTES - sum(item.size for item in items)
            run = window.take_run(most - len(items), room, must=not items)
            if not run:
                break
            items += run
    return items
