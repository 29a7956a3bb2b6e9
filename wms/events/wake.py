"""Hints that there may be something to seal, deliver, reload or read, for this process and others.

A hint may come too early (before the commit) or not at all: polling is the truth, hints only
shorten the wait. Nothing here touches the database; a `Line` (wms/events/line.py) carries hints to
other processes.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

NUDGE, SEALED, RELOAD = "nudge", "sealed", "reload"


class Worker(Protocol):
    """Who seals and delivers in this process."""

    seal_now: asyncio.Event
    supervise_now: asyncio.Event

    def look(self) -> None:
        """Events got their positions: deliveries read on."""
        ...


class Carrier(Protocol):
    """Who tells the other processes."""

    loop: asyncio.AbstractEventLoop

    def say(self, word: str) -> None: ...


class Reader:
    """Somebody who follows a stream; `ended` when the process is about to stop."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.ended = False
        self.loop = asyncio.get_running_loop()

    async def rest(self, seconds: float) -> None:
        """Sleep until there may be more, or the time is over."""
        try:
            await asyncio.wait_for(self.woken.wait(), seconds)
        except TimeoutError:
            return


_workers: set[Worker] = set()
_carriers: set[Carrier] = set()
_readers: set[Reader] = set()


def join(worker: Worker) -> None:
    """A worker of this process wants hints."""
    _workers.add(worker)


def leave(worker: Worker) -> None:
    _workers.discard(worker)


@contextmanager
def carrying(carrier: Carrier) -> Iterator[None]:
    """What is hinted in this process goes to the others meanwhile."""
    _carriers.add(carrier)
    try:
        yield
    finally:
        _carriers.discard(carrier)


@contextmanager
def reading() -> Iterator[Reader]:
    """Somebody of this process follows a stream."""
    reader = Reader()
    _readers.add(reader)
    try:
        yield reader
    finally:
        _readers.discard(reader)


def nudge() -> None:
    """An event was written, or is about to commit."""
    hear(NUDGE)
    _tell(NUDGE)


def sealed() -> None:
    """Events got their positions."""
    hear(SEALED)
    _tell(SEALED)


def reload() -> None:
    """Endpoints, secrets or parked deliveries were changed by a person."""
    hear(RELOAD)
    _tell(RELOAD)


def hear(word: str) -> None:
    """A hint for this process only: its own, or one that another process told."""
    if word == SEALED:
        for reader in _mine():
            reader.woken.set()
        for worker in _workers:
            worker.look()
        return
    for worker in _workers:
        worker.seal_now.set()
        if word == RELOAD:
            worker.supervise_now.set()


def end_readers() -> None:
    """The process stops: whoever follows a stream on this loop ends it now."""
    for reader in _mine():
        reader.ended = True
        reader.woken.set()


def _mine() -> list[Reader]:
    loop = asyncio.get_running_loop()
    return [reader for reader in _readers if reader.loop is loop]


def _tell(word: str) -> None:
    if _carriers:
        loop = asyncio.get_running_loop()
        for carrier in _carriers:
            if carrier.loop is loop:
                carrier.say(word)
