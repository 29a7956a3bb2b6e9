"""Hints inside one process that there may be something to seal, deliver, reload or read.

A hint may come too early (before the commit) or not at all (another process wrote): polling is the
truth, hints only shorten the wait. Nothing here touches the database.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

_sealers: set[asyncio.Event] = set()
_supervisors: set[asyncio.Event] = set()


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


_readers: set[Reader] = set()


def join(sealer: asyncio.Event, supervisor: asyncio.Event) -> None:
    """A worker of this process wants hints."""
    _sealers.add(sealer)
    _supervisors.add(supervisor)


def leave(sealer: asyncio.Event, supervisor: asyncio.Event) -> None:
    _sealers.discard(sealer)
    _supervisors.discard(supervisor)


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
    for sealer in _sealers:
        sealer.set()


def sealed() -> None:
    """Events got their positions."""
    for reader in _mine():
        reader.woken.set()


def end_readers() -> None:
    """The process stops: whoever follows a stream on this loop ends it now."""
    for reader in _mine():
        reader.ended = True
        reader.woken.set()


def _mine() -> list[Reader]:
    loop = asyncio.get_running_loop()
    return [reader for reader in _readers if reader.loop is loop]


def reload() -> None:
    """Endpoints, secrets or parked deliveries were changed by a person."""
    for event in _sealers | _supervisors:
        event.set()
