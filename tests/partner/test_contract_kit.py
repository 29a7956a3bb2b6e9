"""The conformance kit finds what is wrong with a receiver, and nothing wrong with a right one."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.partner.receivers import Broken, Receiver, Slow, Strict, Verify, listening
from tests.partner.snippets import python_verify
from wms.cli.contract import contract
from wms.partner import contract as kit
from wms.partner.contract import run_contract
from wms.partner.probe import read_secret

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
KEY = read_secret(SECRET)


async def findings(receiver: Receiver, *results: str) -> set[str]:
    """Names of the checks that ended in one of these results."""
    async with listening(receiver) as url:
        report = await run_contract(url, KEY)
    assert [each.check for each in report.results] == list(kit.CHECKS)
    return {each.check for each in report.results if each.result in results}


async def test_a_right_receiver_passes_every_check():
    receiver = Receiver(SECRET)
    assert await findings(receiver, "fail", "warn", "skip") == set()
    assert sorted(receiver.seen.values())[-2:] == [1, 3]  # the doubles, and nothing else twice


async def test_ed25519_is_checked_with_the_private_half():
    private = Ed25519PrivateKey.from_private_bytes(b"p" * 32)

    def verify(_secret: str, headers: dict[str, str], body: bytes) -> bool:
        as_v1a = {**headers, "webhook-signature": ""}
        if not python_verify()(SECRET, as_v1a | {"webhook-signature": _hmac(headers, body)}, body):
            return False  # the time
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mine = "v1a," + base64.b64encode(private.sign(signed)).decode()
        return mine in headers["webhook-signature"].split()

    secret = read_secret("whsk_" + base64.b64encode(b"p" * 32).decode())
    async with listening(Receiver("", verify)) as url:
        report = await run_contract(url, secret)
    assert report.failed == 0


def _hmac(headers: dict[str, str], body: bytes) -> str:
    signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(b"k" * 32, signed, hashlib.sha256)).decode()


def _nothing(_secret: str, _headers: dict[str, str], _body: bytes) -> bool:
    return True


def _first_only(secret: str, headers: dict[str, str], body: bytes) -> bool:
    first = headers.get("webhook-signature", "").split(" ")[0]
    return python_verify()(secret, {**headers, "webhook-signature": first}, body)


def _timeless(secret: str, headers: dict[str, str], body: bytes) -> bool:
    return python_verify()(secret, headers, body, 10**9)


def _body_only(_secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Signs what it parsed, not what came: right until a member comes in another form."""
    again = json.dumps(json.loads(body), separators=(",", ":")).encode()
    return _hmac(headers, again) in headers.get("webhook-signature", "").split()


@pytest.mark.parametrize(
    ("verify", "wrong"),
    [
        (_nothing, {"no-signature", "bad-signature", "tampered-body", "tampered-id",
                    "old-timestamp", "future-timestamp", "none-of-many", "version-mix-up"}),
        (_first_only, {"many-signatures-middle", "many-signatures-last", "other-version",
                       "malformed-entry"}),
        (_timeless, {"old-timestamp", "future-timestamp"}),
        (_body_only, {"old-timestamp", "future-timestamp", "text"}),
    ],
)  # fmt: skip
async def test_a_wrong_verification_is_found(verify: Verify, wrong: set[str]):
    assert await findings(Receiver(SECRET, verify), "fail") == wrong


async def test_a_receiver_that_knows_no_future_is_found():
    assert await findings(Strict(SECRET), "fail") == {
        "duplicate", "out-of-order", "unknown-field", "unknown-enum", "unknown-type",
    }  # fmt: skip


async def test_errors_redirects_and_slowness_are_found(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.CRITICAL, "aiohttp.server")
    found = await findings(Broken(SECRET), "fail")
    assert {"get", "options", "batch", "good-signature", "duplicate", "speed"} <= found
    monkeypatch.setattr(kit, "SLOW_MS", 100)
    monkeypatch.setattr(
        kit, "CHECKS", {name: kit.CHECKS[name] for name in ("good-signature", "speed")}
    )
    assert await findings(Slow(SECRET), "warn") == {"speed"}
    async with listening(Slow(SECRET)) as url:
        report = await run_contract(url, KEY, timeout_s=0.05)
    assert {each.got for each in report.results} == {"no answer: no answer in 0.05 s"}


async def test_the_command_prints_a_report_and_fails_when_a_check_does(
    capsys: pytest.CaptureFixture[str],
):
    def told(*arguments: str) -> int:
        try:
            contract(["check", *arguments])
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    async def run(*arguments: str) -> tuple[int, str]:
        return await asyncio.to_thread(told, *arguments), capsys.readouterr().out

    async with listening(Receiver(SECRET)) as url:
        code, shown = await run(url, "--secret", SECRET)
        assert (code, "good-signature" in shown) == (0, True)
        code, shown = await run(url, "--json")
        results = {each["result"] for each in json.loads(shown)["results"]}
        assert (code, results) == (0, {"pass", "skip"})
    async with listening(Receiver(SECRET, _nothing)) as url:
        code, _ = await run(url, "--secret", SECRET)
        assert code == 1
    code, shown = await run("http://127.0.0.1:9/none", "--timeout", "1")
    assert code == 1
