"""Every page and button of the office under numbers that are none: told so, never a failure."""

import re
from collections.abc import Iterator

import httpx
import pytest
from litestar import Litestar

from tests.office.conftest import sign_in
from tests.world import World
from web.app import create_app
from web.numbers import MOST, whole
from web.paging import BadPage, page_place
from wms.settings import Settings

LONG = "9" * 30
ASKED = (
    "after", "before", "carrier", "days", "from", "id", "order", "payback", "shown", "status",
    "to", "tour",
)  # fmt: skip
KNOWN = {"act": "resolved", "preview": "1", "reason": "why", "why": "why"}


def pages(app: Litestar) -> Iterator[tuple[str, str]]:
    """Method and path of all that is below /office, but for coming and leaving."""
    left_out = ("/office/log", "/office/oidc")
    for route in app.routes:
        if route.path.startswith("/office") and not route.path.startswith(left_out):
            for method in {"GET", "POST"} & set(getattr(route, "methods", ())):
                yield method, route.path


@pytest.mark.parametrize("odd", ["²", LONG, "-1", "1\0"], ids=ascii)
async def test_no_number_makes_a_page_fail(
    browser: httpx.AsyncClient, world: World, odd: str
) -> None:
    await sign_in(browser, "SUE")
    app = create_app(Settings(database_url=world.db.url), background=False)
    asked = dict.fromkeys(ASKED, odd) | KNOWN
    seen, failed = 0, []
    for method, path in pages(app):
        url = re.sub(r"\{\w+:int\}", LONG if odd == LONG else "1", path)
        url = re.sub(r"\{\w+(:\w+)?\}", "erp", url)
        if method == "GET":
            answer = await browser.get(url, params=asked)
        else:
            answer = await browser.post(url, data=asked)
        seen += 1
        if answer.status_code >= 500:
            failed.append((method, url, answer.status_code))
    await app.state.db.close()
    assert failed == []
    assert seen > 50


def test_a_whole_number_is_ascii_digits_within_reach() -> None:
    assert [whole(text) for text in ("0", "07", str(MOST), "12")] == [0, 7, MOST, 12]
    for text in ("", "²", "٣", "-1", "+1", " 1", "1_0", "1\0", str(MOST + 1), LONG):
        assert whole(text) is None, text
    assert whole("100", 99) is None


@pytest.mark.parametrize("token", ["²", "1.²", f"1.{LONG}", f"{LONG}.1", "1", "1.-1", "."])
def test_a_place_in_a_list_that_cannot_be_is_refused(token: str) -> None:
    with pytest.raises(BadPage):
        page_place(token)
