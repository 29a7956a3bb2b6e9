"""What an act carries into its events: the W3C traceparent of the request that does it."""

import re
from contextvars import ContextVar

traceparent: ContextVar[str] = ContextVar("traceparent", default="")
_FORM = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def read_traceparent(text: str) -> str:
    """The header when it is well formed, else nothing."""
    return text if _FORM.fullmatch(text) else ""
