"""The one jinja environment: strict, escaping, with the words and numbers of the floor as filters.

`render(template, **facts)` is all that pages need. The security policy that every page is served
under stands here too, because templates are what it forbids things to.
"""

from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from web.assets import asset

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


@cache
def environment() -> Environment:
    """Made once per process; templates are compiled on first use and kept."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    made.globals["asset"] = asset
    made.filters["quantity"] = quantity
    made.filters["kg"] = kg
    made.filters["clock"] = clock
    made.filters["share"] = share
    made.filters["size"] = size
    return made


def render(template: str, **facts: object) -> str:
    return environment().get_template(template).render(**facts)


def quantity(value: int) -> str:
    """12345 is `12 345`, with a narrow space that does not break."""
    return f"{value:,}".replace(",", "\u202f")


def kg(grams: int) -> str:
    return f"{grams / 1000:.1f} kg" if grams < 100_000 else f"{grams / 1000:.0f} kg"


def clock(at: datetime) -> str:
    return at.strftime("%H:%M")


def share(part: float, whole: float) -> int:
    """Percent for a progress bar; nothing of nothing is all of it."""
    return 100 if whole <= 0 else max(0, min(100, round(100 * part / whole)))


def size(text: str) -> str:
    """Which of five type sizes a prompt gets. The same rule is `size` in static/view.js."""
    longest = max((len(word) for word in text.split()), default=0)
    for limit, words, name in ((7, 7, "xl"), (10, 10, "l"), (14, 28, "m"), (20, 60, "s")):
        if longest <= limit and len(text) <= words:
            return name
    return "xs"
