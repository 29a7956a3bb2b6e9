"""Places in a list that is walked by (time, id), as opaque tokens."""

from datetime import UTC, datetime, timedelta

from web.numbers import whole
from wms.errors import Invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadPage(Invalid):
    say = "`{name}` is wrong: {value}"


def page_token(at: datetime, id: int) -> str:
    """A place in the list, opaque to others."""
    return f"{(at - EPOCH) // timedelta(microseconds=1)}.{id}"


def page_place(token: str) -> tuple[datetime, int] | None:
    """Where a token points; None for the start. Raises BadPage."""
    if not token:
        return None
    at, _, id = token.partition(".")
    last = whole(id)
    try:
        if last is not None:
            return EPOCH + timedelta(microseconds=int(at)), last
    except (ValueError, OverflowError):
        pass
    raise BadPage(name="after", value=token)
