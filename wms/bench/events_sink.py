"""A receiver in a process of its own: counts what comes, and how old it is at the first byte.

`POST /e/<n>` takes a delivery, `GET /stats` tells and forgets. Times are of one machine's clock.
"""

import subprocess
import sys
import time
from datetime import datetime

import aiohttp
import msgspec
from aiohttp import web

HOST = "127.0.0.1"
RECORDED = b'"recordedtime":"'


class Stats(msgspec.Struct, kw_only=True):
    """What came since the last question: by endpoint, with ages in milliseconds."""

    count: int = 0
    each: dict[str, int] = msgspec.field(default_factory=dict)
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    first: float = 0.0
    last: float = 0.0

    @property
    def per_s(self) -> float:
        return self.count / max(self.last - self.first, 1e-3)


class Sink:
    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.ages: list[float] = []
        self.each: dict[str, int] = {}
        self.first = self.last = 0.0

    async def take(self, request: web.Request) -> web.Response:
        now = time.time()
        body = await request.read()
        name = request.match_info["n"]
        self.each[name] = self.each.get(name, 0) + 1
        self.first, self.last = self.first or now, now
        found = body.find(RECORDED)
        if found >= 0:
            at = body[found + len(RECORDED) :][:27].decode()
            self.ages.append(now - datetime.fromisoformat(at).timestamp())
        return web.Response(status=204)

    async def stats(self, _request: web.Request) -> web.Response:
        ages = sorted(self.ages) or [0.0]
        told = Stats(
            count=sum(self.each.values()), each=self.each, first=self.first, last=self.last,
            p50_ms=round(1000 * ages[len(ages) // 2], 1),
            p99_ms=round(1000 * ages[int(len(ages) * 0.99)], 1),
        )  # fmt: skip
        self._forget()
        return web.Response(body=msgspec.json.encode(told))


def main() -> None:
    """Serve on the port of the first argument (0 takes a free one) and print it."""
    import asyncio

    async def serve() -> None:
        sink = Sink()
        app = web.Application()
        app.router.add_post("/e/{n}", sink.take)
        app.router.add_get("/stats", sink.stats)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, int(sys.argv[1]), reuse_address=True).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.to_thread(sys.stdin.read)  # its end is ours

    asyncio.run(serve())


class Receiver:
    """The sink's process."""

    def __init__(self, port: int = 0) -> None:
        code = "from wms.bench.events_sink import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None, "piped"
        self.port = int(self._process.stdout.readline())

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self.port}/e/{name}"

    async def stats(self) -> Stats:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://{HOST}:{self.port}/stats") as answer,
        ):
            return msgspec.json.decode(await answer.read(), type=Stats)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
