"""The conformance kit for receivers: what a partner's endpoint must take, and what it must refuse.

Each check is one question with one verdict. Everything sent is marked `test: true` and carries ids
of its own, so it can be run against a receiver in use.
"""

import base64
import platform
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec

from wms.events.envelope import rfc3339
from wms.events.keys import ED25519, HMAC, Secret, new_secret
from wms.partner.probe import Probe, Reply, event

PASS, FAIL, WARN, SKIP = "pass", "fail", "warn", "skip"
SLOW_MS, TIMEOUT_S = 5_000, 15.0
BATCHES = (20, 10, 5, 2, 1)
OLD_S = 3600


class Verdict(msgspec.Struct, frozen=True):
    """`result`: pass, fail, warn (allowed, but it will cost you) or skip."""

    result: str
    got: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report."""

    check: str
    asks: str
    result: str
    got: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a partner can attach to a ticket."""

    url: str
    at: str
    took_ms: int
    results: list[Result]
    kit: str = "wms-contract/1"
    python: str = platform.python_version()

    @property
    def failed(self) -> int:
        return sum(each.result == FAIL for each in self.results)


Check = Callable[[Probe], Awaitable[Verdict]]
CHECKS: dict[str, tuple[str, bool, Check]] = {}  # name -> question, needs the secret, check


def check(name: str, asks: str, *, secret: bool = True) -> Callable[[Check], Check]:
    """Put a check on the list, in the order of this file."""

    def add(function: Check) -> Check:
        CHECKS[name] = (asks, secret, function)
        return function

    return add


async def run_contract(
    url: str, secret: Secret | None = None, timeout_s: float = TIMEOUT_S
) -> Report:
    """Every check, one after the other. Never raises for what the receiver does."""
    begun = time.perf_counter()
    probe = Probe(url, secret, timeout_s)
    results: list[Result] = []
    try:
        for name, (asks, needs_secret, function) in CHECKS.items():
            if needs_secret and secret is None:
                verdict = Verdict(SKIP, "needs --secret")
            else:
                verdict = await function(probe)
            results.append(Result(check=name, asks=asks, result=verdict.result, got=verdict.got))
    finally:
        await probe.close()
    took_ms = round((time.perf_counter() - begun) * 1000)
    return Report(url=url, at=rfc3339(datetime.now(UTC)), took_ms=took_ms, results=results)


def _taken(reply: Reply) -> Verdict:
    return Verdict(PASS if reply.taken else FAIL, str(reply))


def _refused(reply: Reply) -> Verdict:
    return Verdict(PASS if reply.refused else FAIL, str(reply))


def _all_taken(*replies: Reply) -> Verdict:
    wrong = [reply for reply in replies if not reply.taken]
    return _taken(wrong[0] if wrong else replies[-1])


# ---- the address ---------------------------------------------------------------------------------


@check("get", "A GET is answered without an error and changes nothing", secret=False)
async def _get(probe: Probe) -> Verdict:
    reply = await probe.request("GET", {})
    return Verdict(PASS if 0 < reply.status < 500 else FAIL, str(reply))


@check("options", "An OPTIONS handshake is answered without an error", secret=False)
async def _options(probe: Probe) -> Verdict:
    reply = await probe.request("OPTIONS", {"webhook-request-origin": "wms"})
    if reply.headers.get("webhook-allowed-origin", "") in ("*", "wms") and reply.taken:
        return Verdict(PASS, f"{reply}, allows us")
    return Verdict(PASS if 0 < reply.status < 500 else FAIL, f"{reply}, does not name us")


@check("verification", "The nonce of endpoint.verification is echoed, or OPTIONS allows us")
async def _verification(probe: Probe) -> Verdict:
    nonce = f"n_{time.time_ns():x}"
    asked = {**event(), "type": "endpoint.verification", "data": {"nonce": nonce}}
    reply = await probe.deliver(asked)
    if reply.taken and nonce in reply.text:
        return Verdict(PASS, str(reply))
    allowed = await probe.request("OPTIONS", {"webhook-request-origin": "wms"})
    allows = allowed.taken and allowed.headers.get("webhook-allowed-origin", "") in ("*", "wms")
    return Verdict(PASS if allows else FAIL, f"{reply}, nonce not in the answer")


# ---- signatures ----------------------------------------------------------------------------------


@check("good-signature", "A signed event is taken with 2xx, without a redirect")
async def _good(probe: Probe) -> Verdict:
    return _taken(await probe.deliver(event()))


@check("no-signature", "An unsigned event is refused with 4xx", secret=False)
async def _unsigned(probe: Probe) -> Verdict:
    return _refused(await probe.deliver(event(), signature=""))


@check("bad-signature", "An event signed with another key is refused with 4xx", secret=False)
async def _bad(probe: Probe) -> Verdict:
    return _refused(await probe.deliver(event(), signature=_foreign()))


@check("tampered-body", "A body that differs from what was signed is refused with 4xx")
async def _tampered(probe: Probe) -> Verdict:
    good = event()
    other = msgspec.json.encode({**good, "type": "order.cancelled"})
    return _refused(await probe.deliver(good, tampered=other))


@check("tampered-id", "An id that differs from what was signed is refused with 4xx")
async def _tampered_id(probe: Probe) -> Verdict:
    good = event()
    body = msgspec.json.encode(good)
    wrong = probe.sign("evt_other", int(time.time()), body)
    return _refused(await probe.deliver(good, signature=wrong))


@check("old-timestamp", "An event signed an hour ago is refused with 4xx")
async def _old(probe: Probe) -> Verdict:
    return _refused(await probe.deliver(event(), age_s=OLD_S))


@check("future-timestamp", "An event signed for in an hour is refused with 4xx")
async def _future(probe: Probe) -> Verdict:
    return _refused(await probe.deliver(event(), age_s=-OLD_S))


def _foreign(alg: str = HMAC) -> str:
    body = msgspec.json.encode(event())
    return new_secret(alg)[0].sign("evt_foreign", int(time.time()), body)


for place, header in {
    "first": "{good} " + f"{_foreign()} {_foreign()}",
    "middle": f"{_foreign()} " + "{good}" + f" {_foreign()}",
    "last": f"{_foreign()} {_foreign()} " + "{good}",
}.items():

    @check(f"many-signatures-{place}", f"The right signature is found when it stands {place}")
    async def _many(probe: Probe, header: str = header) -> Verdict:
        return _taken(await probe.deliver(event(), signature=header))


@check("none-of-many", "Several wrong signatures are as wrong as one", secret=False)
async def _none(probe: Probe) -> Verdict:
    return _refused(await probe.deliver(event(), signature=f"{_foreign()} {_foreign()}"))


@check("other-version", "A signature of a version you do not know does not hide the right one")
async def _version(probe: Probe) -> Verdict:
    other = HMAC if probe.secret is not None and probe.secret.alg == ED25519 else ED25519
    unknown = "v9," + base64.b64encode(b"x" * 32).decode()
    return _taken(
        await probe.deliver(event(), signature=f"{_foreign(other)} {unknown} " + "{good}")
    )


@check("malformed-entry", "An unreadable entry in the header does not hide the right one")
async def _malformed(probe: Probe) -> Verdict:
    return _taken(await probe.deliver(event(), signature="nonsense v1 {good}"))


@check("version-mix-up", "The right bytes under the other version's name are refused with 4xx")
async def _mixed(probe: Probe) -> Verdict:
    good = event()
    body = msgspec.json.encode(good)
    mine, _, value = probe.sign(good["id"], int(time.time()), body).partition(",")
    other = HMAC if mine == ED25519 else ED25519
    return _refused(await probe.deliver(good, signature=f"{other},{value}"))


# ---- at least once, in order of each key ---------------------------------------------------------


@check("duplicate", "The same event again is answered with 2xx (and not done again)")
async def _duplicate(probe: Probe) -> Verdict:
    same = event()
    return _all_taken(*[await probe.deliver(same) for _ in range(3)])


@check("out-of-order", "An older version of a document after a newer one is answered with 2xx")
async def _order(probe: Probe) -> Verdict:
    key = f"order/ACME/{time.time_ns()}"
    newer = event(partitionkey=key, keyseq="2", sequence=f"{4712:020d}")
    older = event(partitionkey=key, keyseq="1", sequence=f"{4711:020d}")
    return _all_taken(await probe.deliver(newer), await probe.deliver(older))


@check("speed", f"An event is answered in less than {SLOW_MS} ms (we wait {TIMEOUT_S:g} s)")
async def _speed(probe: Probe) -> Verdict:
    replies = [await probe.deliver(event()) for _ in range(3)]
    slowest = max(replies, key=lambda reply: reply.ms)
    if not all(reply.taken for reply in replies):
        return _all_taken(*replies)
    return Verdict(PASS if slowest.ms < SLOW_MS else WARN, str(slowest))


# ---- what comes with time ------------------------------------------------------------------------


@check("unknown-field", "Members you do not know are ignored, in the envelope and in data")
async def _field(probe: Probe) -> Verdict:
    told = event(newattribute="x")
    told["data"] = {**told["data"], "new_member": {"of": ["any", "kind"]}}
    return _taken(await probe.deliver(told))


@check("unknown-enum", "A value you do not know is taken with 2xx")
async def _enum(probe: Probe) -> Verdict:
    told = event()
    told["data"] = {**told["data"], "order": {**told["data"]["order"], "status": "teleported"}}
    return _taken(await probe.deliver(told))


@check("unknown-type", "An event type you do not know is taken with 2xx and ignored")
async def _type(probe: Probe) -> Verdict:
    return _taken(await probe.deliver({**event(), "type": "order.teleported"}))


@check("missing-members", "An event with nothing but its required members is taken with 2xx")
async def _bare(probe: Probe) -> Verdict:
    told = event()
    order = {name: told["data"]["order"][name] for name in ("id", "type", "version")}
    for name in ("keyseq", "correlationid", "causationid", "owner", "actor"):
        told.pop(name, None)
    return _taken(await probe.deliver({**told, "data": {"order": order}}))


@check("text", "Text of every alphabet and a large event are taken with 2xx")
async def _text(probe: Probe) -> Verdict:
    told = event()
    lines = told["data"]["lines"] * 400
    odd = {**told["data"]["order"], "external_id": "Ærø ☂ 倉庫 \u202e \U0001f4e6"}
    return _taken(await probe.deliver({**told, "data": {**told["data"], "order": odd,
                                                        "lines": lines}}))  # fmt: skip


@check("cloudevents-media", "The same body as application/cloudevents+json is taken with 2xx")
async def _media(probe: Probe) -> Verdict:
    reply = await probe.deliver(event(), media="application/cloudevents+json")
    return Verdict(PASS if reply.taken else WARN, str(reply))


@check("batch", "A batch is taken; after a 413 each half of it is (endpoints in batch mode only)")
async def _batch(probe: Probe) -> Verdict:
    for size in BATCHES:
        reply = await probe.deliver([event() for _ in range(size)])
        if reply.taken:
            return Verdict(PASS, f"{reply}, {size} events in one request")
        if reply.status != 413:
            result = FAIL if reply.status in (0, *range(500, 600)) else WARN
            return Verdict(result, f"{reply}: use single deliveries")
    return Verdict(FAIL, "even a batch of one event was too large")
