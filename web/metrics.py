"""GET /metrics for Prometheus: how long requests take, and how the warehouse is doing.

Requests are counted in plain Python on the way out (a scan must not get slower); the database is
asked at most every LOOK_S seconds, whoever asks. Open to the addresses of WMS_METRICS_ALLOW, and to
whoever brings WMS_METRICS_TOKEN as a bearer token; a request that came through a proxy needs it.
"""

import asyncio
import hmac
import time
from bisect import bisect_left
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from wms.db import Db
from wms.events.egress import read_networks
from wms.events.envelope import MAJOR
from wms.metrics import LATENCY_S, MILESTONE_S, Attempts, Milestones, Now, read_now
from wms.settings import Settings

LOOK_S = 5.0
BOUNDS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
API = "/v1/"
WRITES = ("POST", "PUT", "PATCH", "DELETE")
KNOWN = b'{"outcome":"exists"'


class Requests:
    """Counts of this process, by (method, route, status)."""

    def __init__(self) -> None:
        self.times: dict[tuple[str, str, int], list[float]] = {}  # buckets, then the sum
        self.replays = 0
        self.rejects: dict[str, int] = {}
        self.sent: dict[str, list[int]] = {}  # by partner: writes, and those that said nothing new

    def took(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status)
        found = self.times.get(key)
        if found is None:
            found = self.times[key] = [0.0] * (len(BOUNDS_S) + 2)
        found[bisect_left(BOUNDS_S, seconds)] += 1
        found[-1] += seconds

    def rejected(self, body: bytes) -> None:
        """A refused request of a partner, by the code of its problem document."""
        try:
            code = msgspec.json.decode(body, type=_Problem).code
        except (msgspec.DecodeError, UnicodeDecodeError):
            code = "unknown"
        self.rejects[code] = self.rejects.get(code, 0) + 1


    def wrote(self, source: str, again: bool) -> None:
        """A partner's write; `again`: it was known already, by its key or by its number."""
        counts = self.sent.setdefault(source, [0, 0])
        counts[0] += 1
        counts[1] += again


class _Problem(msgspec.Struct):
    code: str = "unknown"


def timed(requests: Requests) -> Any:
    """Middleware that notes how long each request took until its answer began."""

    def factory(app: ASGIApp) -> ASGIApp:
        async def measure(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            began = time.perf_counter()
            route: str = scope.get("path_template") or "unknown"  # type: ignore[assignment]
            method = str(scope["method"])
            partner = route.startswith(API)
            refused = wrote = replayed = False

            async def noting(message: Message) -> None:
                nonlocal refused, wrote, replayed
                if message["type"] == "http.response.start":
                    status = message["status"]
                    requests.took(method, route, status, time.perf_counter() - began)
                    if partner:
                        refused = status >= 400
                        replayed = (b"idempotency-replayed", b"true") in message["headers"]
                        requests.replays += replayed
                        wrote = method in WRITES and not refused
                elif message["type"] == "http.response.body":
                    if refused:
                        refused = False
                        requests.rejected(message["body"])
                    elif wrote:
                        wrote = False
                        again = replayed or message["body"].startswith(KNOWN)
                        requests.wrote(_source(scope), again)
                await send(message)

            await app(scope, receive, noting)

        return measure

    return factory


def _source(scope: Scope) -> str:
    """The partner who sent it; the answer of a handler comes after it was known."""
    client = scope["state"].get("client")
    return "unknown" if client is None else client.code


class Looks:
    """What the database told last; asked again when that is LOOK_S old, by one caller at a time."""

    def __init__(self, db: Db) -> None:
        self.db = db
        self.now: Now | None = None
        self.attempts = Attempts()
        self.milestones = Milestones()
        self._at = float("-inf")
        self._lock = asyncio.Lock()

    async def look(self) -> None:
        async with self._lock:
            if time.monotonic() - self._at < LOOK_S:
                return
            self._at = time.monotonic()
            async with self.db.reading() as tx:
                self.now = await read_now(tx)
                await self.attempts.look(tx)
                await self.milestones.look(tx)


class Metrics(Collector):
    """One process's metrics, in the words of the documentation."""

    def __init__(self, db: Db) -> None:
        self.requests = Requests()
        self.looks = Looks(db)
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    async def text(self) -> bytes:
        await self.looks.look()
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        yield from self._http()
        yield from self._inbound()
        yield from self._attempts()
        yield from self._milestones()
        if self.looks.now is not None:
            yield from _state(self.looks.now)

    def _http(self) -> Iterator[Metric]:
        times = HistogramMetricFamily(
            "http_request_duration_seconds", "Until the answer began",
            labels=["method", "route", "status"],
        )  # fmt: skip
        for (method, route, status), found in list(self.requests.times.items()):
            times.add_metric(
                [method, route, str(status)], _buckets(BOUNDS_S, found[:-1]), found[-1]
            )
        yield times
        yield CounterMetricFamily(
            "idempotency_replays", "Requests answered from a stored answer",
            value=self.requests.replays,
        )  # fmt: skip
        rejects = CounterMetricFamily(
            "inbound_reject", "Refused requests of partners", labels=["code"]
        )
        for code, count in list(self.requests.rejects.items()):
            rejects.add_metric([code], count)
        yield rejects

    def _inbound(self) -> Iterator[Metric]:
        writes = CounterMetricFamily("inbound_writes", "Writes of partners", labels=["source"])
        known = CounterMetricFamily(
            "inbound_duplicates", "Writes that said what was known already", labels=["source"]
        )
        for source, (count, again) in list(self.requests.sent.items()):
            writes.add_metric([source], count)
            known.add_metric([source], again)
        yield writes
        yield known

    def _milestones(self) -> Iterator[Metric]:
        delays = HistogramMetricFamily(
            "milestone_latency_seconds", "From what happened to when the carrier told it",
            labels=["carrier"],
        )  # fmt: skip
        for carrier, found in self.looks.milestones.by_carrier.items():
            delays.add_metric([carrier], _buckets(MILESTONE_S, found[:-1]), found[-1])
        yield delays

    def _attempts(self) -> Iterator[Metric]:
        attempts = self.looks.attempts
        made = CounterMetricFamily(
            "delivery_attempts", "Attempts to deliver, of all processes", labels=["class"]
        )
        for outcome, count in attempts.by_class.items():
            made.add_metric([outcome], count)
        yield made
        delays = HistogramMetricFamily(
            "delivery_latency_seconds", "From recorded to answered with success"
        )
        counts = [float(count) for count in attempts.delays]
        delays.add_metric([], _buckets(LATENCY_S, counts), attempts.delay_sum)
        yield delays


def _buckets(bounds: tuple[float, ...], counts: list[float]) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus wants them."""
    total, found = 0.0, []
    for bound, count in zip([*map(str, bounds), "+Inf"], counts, strict=True):
        total += count
        found.append((bound, total))
    return found


def _gauge(name: str, told: str, labels: list[str], values: Any) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, told, labels=labels)
    for at, value in values:
        gauge.add_metric(at, value)
    return gauge


def _state(now: Now) -> Iterator[Metric]:
    site = ["warehouse"]
    yield _gauge("seal_lag_seconds", "Age of the oldest event not sealed", site,
                 [([s.warehouse], s.lag_s) for s in now.streams])  # fmt: skip
    yield _gauge("stream_head_pos", "Position of the newest sealed event", site,
                 [([s.warehouse], s.pos) for s in now.streams])  # fmt: skip
    place = ["endpoint", "warehouse"]
    for name, told, field in (
        ("endpoint_lag_events", "Events not looked at for the endpoint", "behind"),
        ("endpoint_lag_seconds", "Age of the next event to look at", "behind_s"),
        ("endpoint_oldest_unsent_seconds", "Age of the oldest event not delivered", "oldest_s"),
        ("parked_keys", "Ordering keys with a parked delivery", "keys"),
    ):
        values = [([each.endpoint, each.warehouse], getattr(each, field)) for each in now.lines]
        yield _gauge(name, told, place, values)
    states = {each.endpoint: each for each in now.lines}.values()
    yield _gauge("breaker_state", "0 closed, 1 open", ["endpoint"],
                 [([each.endpoint], float(each.breaker == "open")) for each in states])  # fmt: skip
    yield _gauge("endpoint_up", "1 while the endpoint is active", ["endpoint"],
                 [([each.endpoint], float(each.state == "active")) for each in states])  # fmt: skip
    yield _gauge("dead_letters", "Deliveries and documents a person must decide", ["direction"],
                 [(["out"], sum(each.dead for each in now.lines)), (["in"], now.letters)],
                 )  # fmt: skip
    yield from _open(now)
    yield from _quality(now)


def _open(now: Now) -> Iterator[Metric]:
    teams: dict[tuple[str, str], int] = {}
    gaps: dict[tuple[str, str], int] = {}
    for each in now.troubles:
        key = (each.team, each.severity)
        teams[key] = teams.get(key, 0) + each.count
        if each.code.endswith("_gap"):
            gap = (each.code, each.age)
            gaps[gap] = gaps.get(gap, 0) + each.count
    yield _gauge("exception_open", "Exceptions that wait for somebody", ["team", "severity"],
                 [(list(key), count) for key, count in teams.items()])  # fmt: skip
    yield _gauge("recon_backlog", "Differences found and not explained", ["kind", "age"],
                 [(list(gap), count) for gap, count in gaps.items()])  # fmt: skip
    yield _gauge("secret_days_left", "Until an endpoint's last signing key ends", ["endpoint"],
                 [([each.endpoint], each.days) for each in now.secrets])  # fmt: skip


def _quality(now: Now) -> Iterator[Metric]:
    yield _gauge("duplicate_inbound_ratio", "Documents of the last hour that had come before",
                 ["source"], [([each.source], each.again / each.count) for each in now.sent],
                 )  # fmt: skip
    yield _gauge("exception_mttr_seconds", "Mean time to resolve, of the last 7 days", ["code"],
                 [([each.code], each.mean_s) for each in now.repairs])  # fmt: skip
    yield _gauge("milestone_missing", "Shipments gone 1 to 4 days that nothing was told of",
                 ["carrier"], [([each.carrier], each.count) for each in now.silent])  # fmt: skip
    yield _gauge("schema_major_usage", "Active endpoints that hear a type in a major version",
                 ["type", "major"],
                 [([name, str(MAJOR)], count) for name, count in now.heard.items()])  # fmt: skip


def may_read(request: Request[Any, Any, Any], settings: Settings) -> bool:
    """By the token, or by the address when nobody stands between."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    wanted = settings.metrics_token
    if wanted and scheme.lower() == "bearer":
        return hmac.compare_digest(token.encode(), wanted.encode())
    forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded"))
    if forwarded or request.client is None:
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    return any(address in network for network in read_networks(settings.metrics_allow))


@get("/metrics", include_in_schema=False)
async def show(request: Request[Any, Any, Any]) -> Response[bytes]:
    """In the text format of Prometheus."""
    if not may_read(request, request.app.state.settings):
        return Response(b"not from here\n", status_code=403, media_type="text/plain")
    metrics: Metrics = request.app.state.metrics
    return Response(await metrics.text(), media_type=CONTENT_TYPE_LATEST)


HANDLERS = [show]
