"""Load clients: keep-alive HTTP/1.1 connections that send prepared requests one after the other.

Bare asyncio protocols, because a client library would cost more CPU than the server it measures.
"""

import asyncio
import time
from collections.abc import Iterator

import msgspec


class Timed(msgspec.Struct, frozen=True):
    """What the clients saw: successes, failures, seconds, and latencies in milliseconds."""

    clients: int
    done: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        return self.done / self.seconds


class Client(asyncio.Protocol):
    """Sends the next request when the answer of the last is complete."""

    def __init__(self, requests: Iterator[bytes], until: float, good: bytes) -> None:
        self.requests, self.until, self.good = requests, until, good
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.times: list[float] = []
        self.failed = 0
        self.sample = b""
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._next()

    def _next(self) -> None:
        request = next(self.requests, None)
        if request is None or time.perf_counter() > self.until:
            self.transport.close()
            if not self.ended.done():
                self.ended.set_result(None)
            return
        self._sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) < int(length or 0):
            return
        self.times.append(time.perf_counter() - self._sent)
        if self.good not in body:
            self.failed += 1
            self.sample = self.sample or head + b"\n" + body
        self._buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def run_load(
    host: str, port: int, requests: list[Iterator[bytes]], seconds: float, good: bytes
) -> Timed:
    """One connection per iterator, for at most `seconds`; a body with `good` in it is a success.

    Raises RuntimeError with the first bad answer when nothing succeeded.
    """
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    clients = [
        (await loop.create_connection(lambda it=it: Client(it, start + seconds, good), host, port))[
            1
        ]
        for it in requests
    ]
    await asyncio.gather(*(client.ended for client in clients))
    took = time.perf_counter() - start
    times = sorted(t for client in clients for t in client.times)
    failed = sum(client.failed for client in clients)
    if len(times) == failed:
        sample = next((client.sample for client in clients if client.sample), b"no answer")
        raise RuntimeError(f"no request succeeded: {sample.decode()[:800]}")
    return Timed(len(clients), len(times) - failed, failed, took,
                 times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000)  # fmt: skip
