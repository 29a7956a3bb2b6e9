"""Deliveries made by hand: events, signatures and times as a check wants them, right or wrong."""

import base64
import binascii
import time
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wms.errors import Invalid
from wms.events.envelope import rfc3339
from wms.events.keys import ED25519, HMAC, Secret
from wms.events.samples import sample_event
from wms.ids import uuid7

READ_MAX = 65_536


class BadSecret(Invalid):
    say = "A secret is whsec_ and base64 (HMAC), or whsk_ and base64 (the private Ed25519 key)."


class Reply(msgspec.Struct, kw_only=True):
    """What came back; `status` 0 means no answer, and `text` says why."""

    status: int
    ms: int
    text: str = ""
    headers: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        return 400 <= self.status < 500

    def __str__(self) -> str:
        return f"{self.status} in {self.ms} ms" if self.status else f"no answer: {self.text}"


def read_secret(text: str) -> Secret:
    """A key as it is given to partners. Raises BadSecret."""
    prefix, _, encoded = text.strip().partition("_")
    alg = {"whsec": HMAC, "whsk": ED25519}.get(prefix)
    try:
        key = base64.b64decode(encoded, validate=True)
        if alg is None or (alg == HMAC and not 16 <= len(key) <= 64):
            raise BadSecret()
        if alg == ED25519:
            Ed25519PrivateKey.from_private_bytes(key)
    except (binascii.Error, ValueError):
        raise BadSecret() from None
    return Secret(kid="k_given", alg=alg, key=key)


def event(type: str = "order.shipped", **changes: Any) -> dict[str, Any]:
    """A test event with an id of its own; `changes` replace members of the envelope."""
    body = msgspec.json.decode(sample_event(type))
    at, id = rfc3339(datetime.now(UTC)), uuid7().hex
    own = {"id": f"evt_{id}", "time": at, "timestamp": at, "partitionkey": f"order/ACME/{id}"}
    return {**body, **own, **changes}


class Probe:
    """One receiver and the key it shares with us."""

    def __init__(self, url: str, secret: Secret | None, timeout_s: float) -> None:
        self.url = url
        self.secret = secret
        self.timeout_s = timeout_s
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_s), cookie_jar=aiohttp.DummyCookieJar()
        )

    async def close(self) -> None:
        await self._session.close()

    def sign(self, id: str, at: int, body: bytes) -> str:
        """The right signature. The key was required before."""
        assert self.secret is not None, "checks of signatures need the secret"
        return self.secret.sign(id, at, body)

    async def deliver(
        self,
        what: Any,
        *,
        signature: str | None = None,
        age_s: int = 0,
        id: str = "",
        media: str = "application/json",
        tampered: bytes | None = None,
    ) -> Reply:
        """POST one event, or a list of them. No `signature`: the right one; `{good}` in it stands
        for the right one; an empty one leaves all three headers out. `tampered` is sent instead
        of what was signed."""
        body = msgspec.json.encode(what)
        at = int(time.time()) - age_s
        id = id or (what["id"] if isinstance(what, dict) else f"bat_{uuid7().hex}")
        headers = {"content-type": media, "user-agent": "wms-contract/1"}
        if signature != "":
            good = "" if self.secret is None else self.sign(id, at, body)
            headers |= {
                "webhook-id": id,
                "webhook-timestamp": str(at),
                "webhook-signature": (signature or "{good}").replace("{good}", good),
            }
        return await self.request("POST", headers, body if tampered is None else tampered)

    async def request(self, method: str, headers: dict[str, str], body: bytes = b"") -> Reply:
        """One exchange, redirects not followed. Never raises for what the receiver does."""
        begun = time.perf_counter()
        try:
            async with self._session.request(
                method, self.url, data=body or None, headers=headers, allow_redirects=False
            ) as answer:
                content = await answer.content.read(READ_MAX)
                return Reply(
                    status=answer.status, ms=_ms(begun), text=content.decode("utf-8", "replace"),
                    headers={name.lower(): value for name, value in answer.headers.items()},
                )  # fmt: skip
        except TimeoutError:
            return Reply(status=0, ms=_ms(begun), text=f"no answer in {self.timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Reply(status=0, ms=_ms(begun), text=str(error) or type(error).__name__)


def _ms(begun: float) -> int:
    return round((time.perf_counter() - begun) * 1000)
