"""The partner's side of the demo: a real HTTP receiver that verifies, remembers and checks order.

It keeps what it got in a file, so a demo that was killed goes on where it was. Answers 2xx only
for deliveries whose signature holds.
"""

import base64
import hashlib
import hmac
import time
from pathlib import Path

import msgspec
from aiohttp import web

TOLERANCE_S = 300


class Received(msgspec.Struct):
    """One accepted delivery, as remembered."""

    id: str
    key: str
    keyseq: str
    pos: int


class Receiver:
    """Counts: `events` by id, `again` deliveries of a known id, `unverified`, `out_of_order`."""

    def __init__(self, memory: Path) -> None:
        self.events: dict[str, Received] = {}
        self.again = 0
        self.unverified = 0
        self.out_of_order = 0
        self.secret = b""
        self._last_pos: dict[str, int] = {}
        self._memory = memory
        if memory.exists():
            for line in memory.read_bytes().splitlines():
                self._remember(msgspec.json.decode(line, type=Received))
        self._file = memory.open("ab", buffering=0)
        self._runner: web.AppRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; returns the URL to subscribe."""
        app = web.Application(client_max_size=2**20)
        app.router.add_post("/events", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = self._runner.addresses[0][1]
        return f"http://{host}:{bound}/events"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._file.close()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self._verified(request, body):
            self.unverified += 1
            return web.json_response({"error": "the signature does not hold"}, status=401)
        event = msgspec.json.decode(body)
        if event["type"] == "endpoint.verification":
            return web.json_response(event["data"])
        got = Received(
            event["id"], event.get("partitionkey", ""), event.get("keyseq", ""),
            int(event.get("sequence", "0")),
        )  # fmt: skip
        if got.id in self.events:
            self.again += 1
        else:
            if self._last_pos.get(got.key, -1) > got.pos:
                self.out_of_order += 1
            self._remember(got)
            self._file.write(msgspec.json.encode(got) + b"\n")
        return web.Response(status=204)

    def _remember(self, got: Received) -> None:
        self.events[got.id] = got
        self._last_pos[got.key] = got.pos

    def _verified(self, request: web.Request, body: bytes) -> bool:
        """Standard Webhooks 1.0: HMAC-SHA256 over id, timestamp and body; any signature may fit."""
        head = request.headers
        stamp = head.get("webhook-timestamp", "")
        if not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE_S:
            return False
        signed = f"{head.get('webhook-id', '')}.{stamp}.".encode() + body
        expected = base64.b64encode(hmac.digest(self.secret, signed, hashlib.sha256)).decode()
        given = head.get("webhook-signature", "").split()
        return any(hmac.compare_digest(each, f"v1,{expected}") for each in given)


def secret_bytes(text: str) -> bytes:
    """The key of a `whsec_…` secret."""
    return base64.b64decode(text.removeprefix("whsec_"))
