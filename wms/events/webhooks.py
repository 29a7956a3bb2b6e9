"""Signs and sends one request: the only outgoing HTTP client of the system.

Rules: the bytes signed are the bytes sent, redirects are not followed, addresses are judged when
the socket is made, and of the answer at most 64 KiB are read and 4 KiB kept.
"""

import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec

from wms.events import rules
from wms.events.egress import BlockedAddress, Egress, read_url
from wms.events.keys import Secret

READ_MAX, KEEP_MAX = 65_536, 4096
KEPT_HEADERS = ("content-type", "retry-after", "server", "webhook-delivery", "webhook-key-used",
                "x-request-id", "location", "date")  # fmt: skip
USER_AGENT = "wms-events/1"


class Outcome(msgspec.Struct, kw_only=True):
    """What one attempt brought; `status` 0 means no answer. Times in milliseconds."""

    status: int = 0
    outcome: str = rules.OK
    detail: str = ""
    control: str = ""  # the receiver's webhook-delivery header
    retry_after: float | None = None
    at: float = 0.0  # wall clock at the start
    dns_ms: int | None = None
    connect_ms: int | None = None
    ttfb_ms: int | None = None
    total_ms: int = 0
    ip: str = ""
    head: dict[str, str] = msgspec.field(default_factory=dict)
    body: str = ""
    content: bytes = b""  # of a 207 answer
    kids: list[str] = msgspec.field(default_factory=list)


def content_type(media: str, mode: str) -> str:
    """What the body is called: plain JSON, or CloudEvents in structured (batch) mode."""
    if media == "json":
        return "application/json"
    batch = "-batch" if mode == "batch" else ""
    return f"application/cloudevents{batch}+json"


class Sender:
    """Requests to one URL, on connections of its own; a slow receiver holds up nobody else."""

    def __init__(
        self, url: str, egress: Egress, timeout_s: float, connections: int,
        media: str = "application/json",
    ) -> None:  # fmt: skip
        """Raises BadUrl."""
        self.url = url
        self.timeout_s = timeout_s
        self.secrets: list[Secret] = []
        self._egress = egress
        self._target = read_url(url, egress)
        self._ip = ""
        self._blocked = ""
        trace = aiohttp.TraceConfig()
        trace.on_dns_resolvehost_start.append(_mark("dns"))
        trace.on_dns_resolvehost_end.append(_took("dns"))
        trace.on_connection_create_start.append(_mark("connect"))
        trace.on_connection_create_end.append(_took("connect"))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections,
                ttl_dns_cache=30,
                socket_factory=self._make_socket,
            ),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
            auto_decompress=False,
            headers={"user-agent": USER_AGENT, "content-type": media},
        )

    def _make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        address = str(info[4][0])
        try:
            self._egress.check_socket(address, self._target)
        except BlockedAddress as error:
            self._blocked = str(error)
            raise
        self._ip = address
        made = socket.socket(info[0], info[1], info[2])
        made.setblocking(False)
        return made

    async def close(self) -> None:
        await self._session.close()

    def signed(self, message_id: str, body: bytes, at: int) -> dict[str, str]:
        """The three Standard Webhooks headers; all live keys sign, newest last added first."""
        signatures = [secret.sign(message_id, at, body) for secret in self.secrets]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(at),
            "webhook-signature": " ".join(signatures),
        }

    async def post(self, message_id: str, body: bytes, extra: dict[str, str]) -> Outcome:
        """One attempt. Never raises for what the network or the receiver does."""
        marks: dict[str, float] = {}
        result = Outcome(at=time.time(), kids=[secret.kid for secret in self.secrets])
        headers = {**extra, **self.signed(message_id, body, int(result.at))}
        begun = time.perf_counter()
        try:
            await self._exchange(body, headers, marks, result, begun)
        except TimeoutError:
            result.outcome, result.detail = rules.TIMEOUT, f"no answer in {self.timeout_s} s"
        except aiohttp.ClientError as error:
            result.outcome, result.detail = _network(error), _text(error)
            if self._blocked and result.outcome == rules.NETWORK:
                result.outcome, result.detail = rules.BLOCKED, self._blocked
        except (OSError, ValueError) as error:
            result.outcome, result.detail = rules.NETWORK, _text(error)
        result.total_ms = round((time.perf_counter() - begun) * 1000)
        result.dns_ms, result.connect_ms = _ms(marks, "dns"), _ms(marks, "connect")
        result.ip = self._ip
        return result

    async def _exchange(
        self,
        body: bytes,
        headers: dict[str, str],
        marks: dict[str, float],
        result: Outcome,
        begun: float,
    ) -> None:
        async with self._session.post(
            self.url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=marks
        ) as answer:
            result.ttfb_ms = round((time.perf_counter() - begun) * 1000)
            result.status = answer.status
            result.outcome = rules.classify(answer.status)
            result.control = answer.headers.get("webhook-delivery", "").strip().lower()
            result.retry_after = _seconds(answer.headers.get("retry-after", ""), result.at)
            content = await _read(answer)
            if result.status == 207:
                result.content = content
            if result.outcome != rules.OK:
                result.head = {
                    name: answer.headers[name][:200]
                    for name in KEPT_HEADERS
                    if name in answer.headers
                }
            result.body = _clean(content[:KEEP_MAX])
        if result.control == "abort-message":
            result.outcome = rules.ABORTED
        elif result.control.startswith("defer="):
            result.outcome = rules.DEFERRED
            result.retry_after = _seconds(result.control.removeprefix("defer="), result.at)

    async def fetch_echo(self, message_id: str, body: bytes) -> tuple[Outcome, str]:
        """One signed POST whose answer's text matters (verification)."""
        result = Outcome(at=time.time(), kids=[secret.kid for secret in self.secrets])
        headers = self.signed(message_id, body, int(result.at))
        try:
            async with self._session.post(
                self.url, data=body, headers=headers, allow_redirects=False, trace_request_ctx={}
            ) as answer:
                result.status = answer.status
                result.outcome = rules.classify(answer.status)
                return result, _clean(await _read(answer))
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            result.outcome = rules.BLOCKED if self._blocked else rules.NETWORK
            result.detail = self._blocked or _text(error)
            return result, ""

    async def allows_origin(self, origin: str) -> bool:
        """The CloudEvents webhook handshake: OPTIONS, and the answer names us or everybody."""
        try:
            async with self._session.options(
                self.url,
                headers={"webhook-request-origin": origin},
                allow_redirects=False,
                trace_request_ctx={},
            ) as answer:
                allowed = answer.headers.get("webhook-allowed-origin", "")
                return answer.status < 300 and allowed in ("*", origin)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return False


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size < READ_MAX and (part := await answer.content.read(READ_MAX - size)):
        parts.append(part)
        size += len(part)
    if size >= READ_MAX:
        answer.close()
    return b"".join(parts)


def _mark(name: str) -> Any:
    async def note(_session: Any, context: Any, _params: Any) -> None:
        if context.trace_request_ctx is not None:
            context.trace_request_ctx[name] = -time.perf_counter()

    return note


def _took(name: str) -> Any:
    async def note(_session: Any, context: Any, _params: Any) -> None:
        marks = context.trace_request_ctx
        if marks is not None and marks.get(name, 0) < 0:
            marks[name] += time.perf_counter()

    return note


def _ms(marks: dict[str, float], name: str) -> int | None:
    took = marks.get(name)
    return None if took is None or took < 0 else round(took * 1000)


def _network(error: aiohttp.ClientError) -> str:
    """DNS, TCP and TLS say the endpoint is ill; a connection cut in mid-answer may be the event."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientConnectorDNSError):
        return rules.NETWORK
    if isinstance(error, aiohttp.ServerTimeoutError):
        return rules.TIMEOUT
    if isinstance(error, aiohttp.InvalidURL):
        return rules.NETWORK
    return rules.SERVER


def _text(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    return _clean(str(error).encode() or type(error).__name__.encode())[:300]


def _clean(content: bytes) -> str:
    """Text that PostgreSQL stores: no NUL, no broken UTF-8."""
    return content.decode("utf-8", "replace").replace("\x00", "")


def _seconds(text: str, now: float) -> float | None:
    """Retry-After in seconds or as a date; None when absent or unreadable."""
    text = text.strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError):
        return None
