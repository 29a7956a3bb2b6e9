"""A handheld: one HTTP client with its cookie, its outbox of one act, and a bad radio.

An act that got no answer is sent again under the same key until one comes: that is the promise the
real device makes, and the only way a cut connection neither loses nor doubles a scan.
"""

import asyncio
from datetime import UTC, datetime
from random import Random
from typing import Any

import aiohttp
import msgspec

from wms.errors import WmsError
from wms.ids import uuid7
from wms.steps import Act, Answer, Packet


class SignInFailed(WmsError):
    say = "{person} cannot sign in: {why}"


class Broken(WmsError):
    say = "{url} answered {status}: {body}"


class Chances(msgspec.Struct, frozen=True, kw_only=True):
    """How often things go wrong, each per act."""

    wrong_scan: float = 0.03
    double_scan: float = 0.02
    lost_answer: float = 0.02
    short: float = 0.01
    damaged: float = 0.005
    tote_full: float = 0.003
    skip: float = 0.01


class Tally(msgspec.Struct):
    """What all devices of a day sent."""

    acts: int = 0
    refused: int = 0
    replayed: int = 0
    misses: int = 0
    lost_answers: int = 0
    doubled: int = 0
    retries: int = 0
    expected_refusals: int = 0


class Device:
    """One person's handheld against a running server."""

    def __init__(self, base: str, rng: Random, chances: Chances, tally: Tally) -> None:
        self.base, self.rng, self.chances, self.tally = base, rng, chances, tally
        self.seq = 0
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(total=20),
            headers={"accept": "application/json"},
        )

    async def close(self) -> None:
        await self._http.close()

    async def sign_in(self, badge: str, pin: str) -> None:
        """Badge, then PIN. Raises SignInFailed with the page's own words."""
        form = {"badge": badge, "pin": pin}
        status, body = await self._until_answered("POST", "/floor/login", data=form)
        if status not in (200, 303):
            raise SignInFailed(person=badge, why=body[:300].decode())

    async def get(self, path: str) -> Any:
        """JSON of a page, after its redirects. Raises Broken."""
        status, body = await self._until_answered("GET", path)
        if status != 200:
            raise Broken(url=path, status=status, body=body[:400].decode())
        return msgspec.json.decode(body)

    async def post(self, path: str, **form: str) -> Any:
        """JSON answer of a posted form. Raises Broken."""
        status, body = await self._until_answered("POST", path, data=form)
        if status != 200:
            raise Broken(url=path, status=status, body=body[:400].decode())
        return msgspec.json.decode(body)

    async def packet(self, path: str) -> Packet | None:
        """The packet at a URL, or None when that page is something else (no work, the hub)."""
        status, body = await self._until_answered("GET", path)
        if status in (404, 409):
            return None
        if status != 200:
            raise Broken(url=path, status=status, body=body[:400].decode())
        found = msgspec.json.decode(body)
        return msgspec.convert(found, Packet) if "steps" in found else None

    async def act(self, ref: str, version: int, scans: list[str], path: str = "") -> Answer:
        """Send one act, with the day's bad luck: sent twice, or its first answer lost."""
        self.seq += 1
        sent = Act(key=str(uuid7()), ref=ref, version=version, scans=tuple(scans), path=path,
                   seq=self.seq, at=datetime.now(UTC).isoformat())  # fmt: skip
        body = msgspec.json.encode(sent)
        self.tally.acts += 1
        if self.rng.random() < self.chances.lost_answer:
            self.tally.lost_answers += 1
            await self._cut(body)
        if self.rng.random() < self.chances.double_scan:
            self.tally.doubled += 1
            first, second = await asyncio.gather(self._send(body), self._send(body))
            answer = second if first.replayed else first
            self.tally.replayed += first.replayed + second.replayed
        else:
            answer = await self._send(body)
            self.tally.replayed += answer.replayed
        self.tally.refused += not answer.ok
        return answer

    async def _send(self, body: bytes) -> Answer:
        status, text = await self._until_answered(
            "POST", "/floor/act", data=body, headers={"content-type": "application/json"}
        )
        if status != 200:
            raise Broken(url="/floor/act", status=status, body=text[:600].decode())
        return msgspec.json.decode(text, type=Answer)

    async def _cut(self, body: bytes) -> None:
        """Send and hang up before the answer: the server may or may not have done it."""
        request = self._http.post(
            f"{self.base}/floor/act", data=body, headers={"content-type": "application/json"}
        )
        try:
            async with asyncio.timeout(self.rng.uniform(0.0005, 0.02)), request:
                pass
        except (TimeoutError, aiohttp.ClientError):
            pass

    async def _until_answered(self, method: str, path: str, **sent: Any) -> tuple[int, bytes]:
        """Status and body; a server that is away or busy is asked again, up to two minutes."""
        wait = 0.05
        for _ in range(60):
            try:
                async with self._http.request(method, self.base + path, **sent) as answer:
                    body = await answer.read()
                    if answer.status != 503:
                        return answer.status, body
            except (aiohttp.ClientError, TimeoutError):
                pass
            self.tally.retries += 1
            await asyncio.sleep(wait * self.rng.uniform(0.8, 1.2))
            wait = min(wait * 2, 3)
        raise Broken(url=path, status="no answer", body="for two minutes")
