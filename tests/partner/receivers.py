"""Receivers as partners build them: one that is right, and the usual ways to be wrong."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.partner.snippets import python_verify

Verify = Callable[[str, dict[str, str], bytes], bool]
KNOWN_TYPES = {"order.shipped", "endpoint.verification"}


class Receiver:
    """Right, unless a class below or `verify` says otherwise."""

    batch_max = 8

    def __init__(self, secret: str, verify: Verify | None = None) -> None:
        self.secret = secret
        self.verify: Verify = verify or python_verify()
        self.seen: dict[str, int] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not self.verify(self.secret, headers, body):
            return web.Response(status=401)
        told = json.loads(body)
        events = told if isinstance(told, list) else [told]
        if len(events) > self.batch_max:
            return web.Response(status=413)
        if events[0]["type"] == "endpoint.verification":
            return web.json_response({"nonce": events[0]["data"]["nonce"]})
        for event in events:
            self.seen[event["id"]] = self.seen.get(event["id"], 0) + 1
        return await self.take(events)

    async def take(self, events: list[dict[str, Any]]) -> web.StreamResponse:
        return web.Response(status=204)

    async def other(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=405)


class Strict(Receiver):
    """Refuses what it does not know, and a document that goes back in time."""

    def __init__(self, secret: str) -> None:
        super().__init__(secret)
        self.versions: dict[str, int] = {}

    async def take(self, events: list[dict[str, Any]]) -> web.StreamResponse:
        for event in events:
            key, version = event["partitionkey"], int(event.get("keyseq", 0))
            if event["type"] not in KNOWN_TYPES or "newattribute" in event:
                return web.Response(status=422)
            if self.seen[event["id"]] > 1 or version < self.versions.get(key, 0):
                return web.Response(status=409)
            if event["data"]["order"].get("status", "picked") != "picked":
                return web.Response(status=400)
            self.versions[key] = version
        return web.Response(status=200)


class Broken(Receiver):
    """Falls over on anything but one event that it expects."""

    async def take(self, events: list[dict[str, Any]]) -> web.StreamResponse:
        if len(events) > 1:
            raise TypeError("list indices must be integers")
        return web.HTTPFound("/elsewhere")

    async def other(self, request: web.Request) -> web.StreamResponse:
        raise RuntimeError("no such method")


class Slow(Receiver):
    async def take(self, events: list[dict[str, Any]]) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return web.Response(status=204)


@asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[str]:
    """The receiver on loopback; its URL."""
    app = web.Application(client_max_size=2**20)
    app.router.add_post("/hook", receiver.answer)
    app.router.add_route("*", "/hook", receiver.other)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()
