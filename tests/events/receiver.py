"""A webhook receiver on loopback that verifies like a customer and fails as it is told."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook


@dataclass
class Got:
    """One delivery that was answered with success."""

    id: str
    key: str
    sequence: int
    keyseq: int | None
    body: dict[str, Any]
    headers: dict[str, str]


Fault = Callable[[dict[str, Any], int], web.Response | float | asyncio.Event | None]


@dataclass
class Receiver:
    """`fault(body, seen)` may answer a response, or seconds to sleep first, or an event to wait
    for; None means 204."""

    secret: str = ""
    fault: Fault | None = None
    got: list[Got] = field(default_factory=list)
    requests: int = 0
    unverified: int = 0
    overlaps: int = 0  # requests of a key that came while another of that key was under way
    url: str = ""
    nonce: str = ""  # what to echo instead of the nonce that was sent
    allowed_origin: str = ""  # its answer to the handshake of CloudEvents
    seen: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _busy: set[str] = field(default_factory=set)
    _runner: web.AppRunner | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, port: int = 0) -> "Receiver":
        app = web.Application()
        app.router.add_post("/hook", self._hook)
        app.router.add_options("/hook", self._shake)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        bound = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{bound}/hook"
        return self

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _shake(self, request: web.Request) -> web.Response:
        assert request.headers["webhook-request-origin"]
        return web.Response(headers={"webhook-allowed-origin": self.allowed_origin})

    async def _hook(self, request: web.Request) -> web.Response:
        raw = await request.read()
        body = json.loads(raw)
        self.requests += 1
        if self.secret:
            try:
                Webhook(self.secret).verify(raw, dict(request.headers))
            except Exception:
                self.unverified += 1
                return web.Response(status=401)
        if body["type"] == "endpoint.verification":
            return web.json_response({"nonce": self.nonce or body["data"]["nonce"]})
        key = body["partitionkey"]
        if key in self._busy:
            self.overlaps += 1
        self._busy.add(key)
        try:
            return await self._answer(body, dict(request.headers))
        finally:
            self._busy.discard(key)
            self._changed.set()

    async def _answer(self, body: dict[str, Any], headers: dict[str, str]) -> web.Response:
        seen = self.seen[body["id"]]
        self.seen[body["id"]] += 1
        told = self.fault(body, seen) if self.fault else None
        if isinstance(told, web.Response):
            return told
        if isinstance(told, float):
            await asyncio.sleep(told)
        if isinstance(told, asyncio.Event):
            await told.wait()
        keyseq = body.get("keyseq")
        self.got.append(
            Got(
                id=body["id"],
                key=body["partitionkey"],
                sequence=int(body["sequence"]),
                keyseq=None if keyseq is None else int(keyseq),
                body=body,
                headers={name.lower(): value for name, value in headers.items()},
            )
        )
        return web.Response(status=204)

    async def wait_for(self, n: int, seconds: float = 30) -> None:
        """Until `n` different events were taken."""
        async with asyncio.timeout(seconds):
            while len({got.id for got in self.got}) < n:
                self._changed.clear()
                await self._changed.wait()

    def first_order(self) -> dict[str, list[int]]:
        """Positions by key, in the order of first success."""
        found: dict[str, list[int]] = defaultdict(list)
        known: set[str] = set()
        for got in self.got:
            if got.id not in known:
                known.add(got.id)
                found[got.key].append(got.sequence)
        return found
