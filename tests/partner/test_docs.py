"""What docs/integration.md shows is true: its code runs, its paths and types exist."""

import base64
import json
import os
import re
import shutil
import subprocess
import time
from typing import Any

import msgspec
import pytest

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


def test_the_node_verification_is_right():
    node = shutil.which("node")
    if node is None:
        assert not os.environ.get("CI"), "CI has node"
        pytest.skip("no node here")
    asked = [headers for headers, _ in cases()]
    program = snippets("javascript")[0] + (
        f"const body = Buffer.from({json.dumps(BODY.decode())});"
        f"const asked = {json.dumps(asked)};"
        f"const secret = {json.dumps(SECRET)};"
        "console.log(JSON.stringify(asked.map((h) => verify(secret, h, body))));"
    )
    done = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [ok for _, ok in cases()]


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
