"""The auditor's side of the ledger machine: its own model, and a loop to ask PostgreSQL from."""

import asyncio
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

# place, sku, lot, serial, status
Key = tuple[str, str, str, str, str]


@dataclass
class Heap:
    """What the books say of one balance."""

    qty: int
    since: int  # the step in which the oldest of it was received
    promised: int = 0


@dataclass
class Books:
    """The auditor's own model."""

    heaps: dict[Key, Heap] = field(default_factory=dict)
    promises: dict[int, tuple[Key, int]] = field(default_factory=dict)  # id -> heap, quantity
    lines: dict[str, list[int]] = field(default_factory=dict)  # sku -> waiting, allocated, picked
    plates: dict[str, str] = field(default_factory=dict)  # plate -> bin

    def credit(self, key: Key, qty: int, since: int) -> None:
        heap = self.heaps.get(key)
        if heap is None:
            self.heaps[key] = Heap(qty, since)
        else:
            heap.qty += qty
            heap.since = min(heap.since, since)

    def debit(self, key: Key, qty: int) -> int:
        """Takes it away; returns how old it is."""
        heap = self.heaps[key]
        heap.qty -= qty
        if heap.qty == 0:
            del self.heaps[key]
        return heap.since

    def free(self, key: Key) -> int:
        heap = self.heaps.get(key)
        return heap.qty - heap.promised if heap else 0

    def serial_is_here(self, sku: str, serial: str) -> bool:
        return any(key[1] == sku and key[3] == serial for key in self.heaps)


class Loop:
    """An event loop in a thread of its own, for a machine that is not async."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, act: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(timeout=30)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
