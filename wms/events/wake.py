"""Hints inside one process that there may be something to seal, deliver or reload.

A hint may come too early (before the commit) or not at all (another process wrote): polling is the
truth, hints only shorten the wait. Nothing here touches the database.
"""

import asyncio

_sealers: set[asyncio.Event] = set()
_supervisors: set[asyncio.Event] = set()


def join(sealer: asyncio.Event, supervisor: asyncio.Event) -> None:
    """A worker of this process wants hints."""
    _sealers.add(sealer)
    _supervisors.add(supervisor)


def leave(sealer: asyncio.Event, supervisor: asyncio.Event) -> None:
    _sealers.discard(sealer)
    _supervisors.discard(supervisor)


def nudge() -> None:
    """An event was written, or is about to commit."""
    for sealer in _sealers:
        sealer.set()


def reload() -> None:
    """Endpoints, secrets or parked deliveries were changed by a person."""
    for event in _sealers | _supervisors:
        event.set()
