"""Query parameters read strictly: what can never be right is refused by its name."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import msgspec

from web.api.security import REQUEST
from web.numbers import whole
from web.paging import BadPage, page_place


class BadWord(BadPage):
    say = "`{name}` is {known}; not {value}."


class BadTime(BadPage):
    say = "`{name}` is wrong: {value}. Expected a time such as 2026-03-02T09:00:00Z."


class BadDay(BadPage):
    say = "`{name}` is wrong: {value}. Expected a day such as 2026-03-02."


TEXT_MAX = 200
POS_MAX = 2**53  # a position that JSON numbers hold exactly
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def word(request: REQUEST, name: str, most: int = TEXT_MAX) -> str:
    """A short text; empty when it is not there. Raises BadPage."""
    return plain(request.query_params.get(name, ""), name, most)


def plain(text: str, name: str, most: int = TEXT_MAX) -> str:
    """A text that can be stored and searched. Raises BadPage."""
    if len(text) > most or "\x00" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise BadPage(name=name, value=ascii(text[:40]))
    return text


def one_of(request: REQUEST, name: str, words: Sequence[str]) -> str:
    """A word of a closed list, or nothing. Raises BadWord."""
    given = request.query_params.get(name, "")
    if given and given not in words:
        raise BadWord(name=name, value=ascii(given[:40]), known=", ".join(words))
    return given


def number(request: REQUEST, name: str, default: int = 0, most: int = POS_MAX) -> int:
    """Zero or a positive whole number. Raises BadPage."""
    text = request.query_params.get(name, str(default))
    found = whole(text, most)
    if found is None:
        raise BadPage(name=name, value=text[:40])
    return found


def flag(request: REQUEST, name: str) -> bool:
    """Raises BadPage."""
    text = request.query_params.get(name, "false").lower()
    if text not in ("1", "true", "yes", "0", "false", "no", ""):
        raise BadPage(name=name, value=text[:40])
    return text in ("1", "true", "yes")


def moment(request: REQUEST, name: str) -> datetime | None:
    """A time of RFC 3339 with its offset (`+` may have become a space). Raises BadPage."""
    text = request.query_params.get(name, "")
    if not text:
        return None
    try:
        return sane(msgspec.convert(text.replace(" ", "+"), datetime), name)
    except msgspec.ValidationError:
        raise BadTime(name=name, value=text[:40]) from None


def sane(at: datetime, name: str) -> datetime:
    """A time with an offset, in this century or the next. Raises BadPage."""
    if at.tzinfo is None or not EARLIEST.year <= at.year < LATEST.year:
        raise BadPage(name=name, value=at.isoformat())
    return at


def changes(request: REQUEST) -> tuple[datetime, tuple[datetime, int]]:
    """Of a list by the last change: since when, and after which place. Raises BadTime, BadPage."""
    since = moment(request, "updated_since") or EARLIEST
    return since, page_place(word(request, "after")) or (EARLIEST, 0)


def day(request: REQUEST, name: str) -> date:
    """A calendar day, `2026-03-02`. Raises BadPage."""
    text = request.query_params.get(name, "")
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise BadDay(name=name, value=text[:40]) from None
    if len(text) != 10 or not EARLIEST.year <= found.year < LATEST.year:
        raise BadDay(name=name, value=text[:40])
    return found
