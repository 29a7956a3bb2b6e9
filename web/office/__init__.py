"""Pages for supervisors, under /office: what to release, what waits and why, who does what."""

from typing import Any

from web.office import counts, events, exceptions, login, now, orders, waves

HANDLERS: list[Any] = [
    *login.HANDLERS, *now.HANDLERS, *orders.HANDLERS, *waves.HANDLERS, *counts.HANDLERS,
    *exceptions.HANDLERS, *events.HANDLERS,
]  # fmt: skip
