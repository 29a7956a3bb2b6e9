"""Pages for supervisors, under /office: what to release, what waits and why, who does what."""

from typing import Any

HANDLERS: list[Any] = []
