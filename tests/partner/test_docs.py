"""What docs/integration.md shows is true: its code runs, its paths and types exist."""

import base64
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.partner.programs import run
from tests.partner.snippets import DOCS, python_verify, snippets
from web.api.openapi import openapi
from web.app import create_app
from web.errors import PROBLEMS
from wms.events.catalog import TYPES
from wms.events.samples import sample_event
from wms.partner.probe import read_secret
from wms.settings import Settings

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
BODY = sample_event("order.shipped")


def cases() -> list[tuple[dict[str, str], bool]]:
    """Headers, and whether they are right."""
    now = int(time.time())
    key, other = read_secret(SECRET), read_secret("whsec_" + base64.b64encode(b"o" * 32).decode())

    def headers(at: int, signature: str) -> dict[str, str]:
        return {"webhook-id": "evt_1", "webhook-timestamp": str(at), "webhook-signature": signature}

    good, wrong = key.sign("evt_1", now, BODY), other.sign("evt_1", now, BODY)
    return [
        (headers(now, good), True),
        (headers(now, f"{wrong} v1a,AAAA {good}"), True),
        (headers(now, wrong), False),
        (headers(now, good[:-4]), False),
        (headers(now + 1, good), False),
        (headers(now - 900, key.sign("evt_1", now - 900, BODY)), False),
        (headers(now, key.sign("evt_2", now, BODY)), False),
        ({"webhook-id": "evt_1"}, False),
    ]


def test_the_python_verification_is_right():
    verify = python_verify()
    assert [verify(SECRET, headers, BODY) for headers, _ in cases()] == [ok for _, ok in cases()]
    assert not verify(SECRET, cases()[0][0], BODY + b" ")


@pytest.mark.parametrize("language", ["node", "java", "php", "go"])
def test_the_verification_is_right_in(language: str, tmp_path: Path):
    needed = "javac" if language == "java" else language  # a runtime alone cannot read a source
    if shutil.which(needed) is None:
        assert language != "node" or not os.environ.get("CI"), "CI has node"
        pytest.skip(f"no {needed} here")
    printed = run(language, tmp_path, SECRET, BODY, [headers for headers, _ in cases()])
    assert printed.split() == [str(ok).lower() for _, ok in cases()]


def test_six_languages_and_each_python_block_compiles():
    for language in ("python", "javascript", "php", "java", "csharp", "go"):
        assert snippets(language), language
    for block in snippets("python"):
        compile(block, str(DOCS), "exec")


def test_every_path_problem_and_type_on_the_page_exists():
    text = DOCS.read_text()
    app = create_app(Settings(database_url="postgresql://nobody@localhost/none"), background=False)
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(openapi(app, "1")))
    ends = {re.sub(r"\{\w+\}", "{}", path) for path in document["paths"]}
    named = re.findall(r"(?:GET|POST|PUT|DELETE) (/v1/[^\s`?]+|…/[^\s`?]+)", text)
    assert len(named) >= 5
    for path in named:
        shape = re.sub(r"\{\w+\}", "{}", path.replace("W1/orders/ACME/SO-1001", "{}/orders/{}/{}"))
        assert any(each.endswith(shape.removeprefix("…")) for each in ends), path
    assert {"idempotency-key-reuse"} <= PROBLEMS.keys()
    for name in re.findall(r"`(order\.\w+|test\.\w+)`", text):
        assert name in TYPES
