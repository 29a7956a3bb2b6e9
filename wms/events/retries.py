"""Brings parked deliveries of one endpoint back into play, key by key and in order.

A key that is drained is sent from here alone, until nothing of it is parked; only then do its later
events flow from the window again. What was answered but not yet written is never read again.
"""

from collections import deque

from wms.db import Db
from wms.events import parking
from wms.events.parking import ParkedRow, Place
from wms.events.rules import Tuning
from wms.events.window import Item, Window

KEYS = 64  # keys taken up in one look


class Retries:
    """Due keys with their next rows in memory; `look_at` is when the database is asked again."""

    def __init__(self, db: Db, place: Place, tuning: Tuning, window: Window) -> None:
        self.db = db
        self.place = place
        self.tuning = tuning
        self.window = window
        self.look_at = 0.0
        self._queues: dict[str, deque[Item]] = {}
        self._ready: deque[str] = deque()
        self._ended: set[str] = set()

    def has_ready(self) -> bool:
        return bool(self._ready)

    def take(self) -> Item | None:
        """The next parked event that may be sent; the key's others wait for its answer."""
        for _ in range(len(self._ready)):
            key = self._ready.popleft()
            if key in self.window.busy:  # a late answer or a replay of it is under way
                self._ready.append(key)
                continue
            self.window.busy.add(key)
            return self._queues[key].popleft()
        return None

    def answered(self, item: Item, go_on: bool) -> None:
        """The next of its key may go, or (not `go_on`) the key is looked at anew."""
        self.window.busy.discard(item.key)
        queue = self._queues.get(item.key)
        if go_on and queue:
            self._ready.append(item.key)
            return
        self._queues.pop(item.key, None)
        self._ended.add(item.key)

    @property
    def has_ended(self) -> bool:
        """True when keys wait for `free`, which must find everything written."""
        return bool(self._ended)

    async def free(self) -> None:
        """Let keys go that have nothing parked any more. Call it after writing."""
        ended = set(self._ended)
        async with self.db.reading() as tx:
            still = await parking.list_blocked(tx, self.place, ended)
        self._ended -= ended
        for key in ended - still:
            self.window.unblock(key)
        self.look_at = 0.0

    async def feed(self, now: float) -> None:
        """Take up keys that are due."""
        async with self.db.reading() as tx:
            keys = await parking.list_due(tx, self.place, KEYS)
            fresh = [key for key in keys if key not in self._queues]
            rows = await parking.load(tx, self.place, fresh) if fresh else []
        often = min(1.0, self.tuning.full.delays[0])
        self.look_at = now + (often if self.window.blocked else self.tuning.look_s)
        # What was answered while we read is not written yet: its rows would be sent twice.
        known = self._queues.keys() | self._ended | self.window.busy
        for row in rows:
            if row.key not in known:
                self._take_up(row)

    def _take_up(self, row: ParkedRow) -> None:
        if row.key not in self._queues:
            self._queues[row.key] = deque()
            self._ready.append(row.key)
            self.window.blocked.add(row.key)
        self._queues[row.key].append(Item(row, row.key, "retry", row.n))
