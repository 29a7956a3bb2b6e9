"""Places in a list that is walked by (time, id), as opaque tokens."""

from datetime import UTC, datetime, timedelta

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
    try:
        at, _, id = token.partition(".")
        return EPOCH + timedelta(microseconds=int(at)), int(id)
    except (ValueError, OverflowError):
        raise BadPage(name="after", value=token) from None
