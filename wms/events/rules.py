"""What an answer means, when to try again, and when an endpoint as a whole is ill. Pure.

A failing message delays its own ordering key only; a failing endpoint stops its cursor and costs
no rows. Telling the two apart is the work of `Health`.
"""

from collections import deque
from enum import Enum

import msgspec


class Verdict(Enum):
    """What to do with the event that was sent."""

    OK = "delivered"
    MESSAGE = "this message fails: park its key"
    ENDPOINT = "the endpoint fails: the event stays where it is"
    FINAL = "never try this message again"
    SUSPEND = "the endpoint is gone: a person must resume it"
    BLOCK = "the address must not be called"


OK, REDIRECT, CONSUMER = "ok", "redirect", "consumer_error"
AUTH, SERVER, GONE, THROTTLED = "auth", "server_error", "gone", "throttled"
NETWORK, TIMEOUT, BLOCKED, ABORTED = "network", "timeout", "blocked", "aborted"
DEFERRED = "deferred"

AMBIGUOUS = {SERVER, TIMEOUT}  # the message or the endpoint: judged by what else happened
ENDPOINT_CLASSES = {AUTH, NETWORK, GONE, THROTTLED}


def classify(status: int) -> str:
    """The class of an HTTP status."""
    if 200 <= status < 300:
        return OK
    if 300 <= status < 400:
        return REDIRECT
    if status in (401, 403, 407):
        return AUTH
    if status == 410:
        return GONE
    if status == 429:
        return THROTTLED
    if status in (408, 425) or status >= 500:
        return SERVER
    return CONSUMER


class Schedule(msgspec.Struct, frozen=True):
    """Seconds before attempt 2, 3, …; when they are used up the delivery is dead."""

    delays: tuple[float, ...]
    jitter: float = 0.2

    def delay(self, failures: int, dice: float) -> float | None:
        """Seconds to wait after this many failures, or None; `dice` is uniform in 0..1."""
        if failures > len(self.delays):
            return None
        return self.delays[failures - 1] * (1 + self.jitter * (2 * dice - 1))


FULL = Schedule((5, 30, 120, 600, 1800, 7200, 18000, 36000, 50400, 72000, 86400))
CONSUMER_ERROR = Schedule((300, 1800, 7200, 36000, 86400))


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """Every time and size of the engine; tests shorten them."""

    full: Schedule = FULL
    consumer: Schedule = CONSUMER_ERROR
    breaker_s: tuple[float, ...] = (0.25, 1, 5, 10, 20, 40, 80, 160, 300)
    gone_s: float = 60
    retry_after_max_s: float = 86400
    suspend_s: float = 120 * 3600
    lease_s: float = 45
    seal_busy_s: float = 0.02
    seal_idle_s: float = 0.5
    flush_s: float = 0.1  # how long attempts and parked rows wait to be written together
    place_s: float = 1.0  # what was delivered so long ago at most is sent again after a crash
    flush_size: int = 200
    read_size: int = 500
    soft_deadline_s: float = 1.0
    soft_backlog: int = 50
    supervise_s: float = 1.0
    look_s: float = 5.0  # how often parked rows are looked for where none are known
    fault_rest_s: float = 30.0
    chores_s: float = 30.0
    block_wait_s: float = 1.0
    retention_s: float = 3600.0

    def schedule(self, outcome: str) -> Schedule:
        return self.consumer if outcome in (CONSUMER, REDIRECT) else self.full


OPEN_AT = 3  # pauses in a row before the endpoint counts as failing
STREAK_KEYS = 4  # keys that failed ambiguously with no success between them
WINDOW_S, WINDOW_SIZE, WINDOW_KEYS = 60.0, 50, 8
GROW_AFTER = 100  # successes for one more request in flight
SLOW_S, SLOW_SHARE, SLOW_SAMPLE = 3.0, 0.05, 20  # p95 over this, of so many answers at least


class Health:
    """Judges one endpoint by its outcomes; times are seconds of one clock, given by the caller.

    `step` counts pauses in a row (0 is well, OPEN_AT and more is an open breaker), `until` ends
    the pause, `limit` is how many requests may be in flight.
    """

    def __init__(self, tuning: Tuning, max_inflight: int) -> None:
        self.tuning = tuning
        self.max_inflight = max_inflight
        self.step = 0
        self.until = 0.0
        self.failing_since: float | None = None
        self.gone_at: float | None = None
        self.last_class = OK
        self._changed = 0.0  # outcomes of requests begun before this say nothing new
        self._limit = float(max_inflight)
        self._ramping = False
        self._shrunk = 0.0  # answers to requests begun before this are of the load before
        self._oks = 0
        self._slow: deque[bool] = deque(maxlen=GROW_AFTER)
        self._streak: set[str] = set()
        self._recent: deque[tuple[float, str, bool]] = deque(maxlen=WINDOW_SIZE)

    @property
    def is_open(self) -> bool:
        return self.step >= OPEN_AT

    @property
    def limit(self) -> int:
        return 1 if self.step else int(self._limit)

    def room(self, now: float, inflight: int) -> int:
        """How many more requests may start now. While ill, one probe after each pause."""
        if now < self.until:
            return 0
        if self.step:
            return 0 if inflight else 1
        return max(0, int(self._limit) - inflight)

    def judge(
        self,
        outcome: str,
        key: str,
        now: float,
        began: float,
        retry_after: float | None = None,
        retry: bool = False,
    ) -> Verdict:
        """Take one outcome in and say what to do with its message.

        A `retry` of a message that failed before does not make a well endpoint ill.
        """
        if outcome in (OK, DEFERRED, CONSUMER, REDIRECT, ABORTED):
            self._answered(key, now)
            self._pace(outcome, now, began)
            if outcome == OK:
                return Verdict.OK
            return Verdict.FINAL if outcome == ABORTED else Verdict.MESSAGE
        if outcome == BLOCKED:
            return Verdict.BLOCK
        if outcome == THROTTLED:
            wait = min(retry_after or 1.0, self.tuning.retry_after_max_s)
            self.until = max(self.until, now + wait)
            self._shrink(now, began)
            return Verdict.ENDPOINT
        if outcome == GONE:
            return self._gone(now, began)
        if outcome == TIMEOUT:
            self._shrink(now, began)
        if outcome in AMBIGUOUS and retry and not self.step:
            return Verdict.MESSAGE
        if outcome in AMBIGUOUS and not self._is_ill(key, now):
            return Verdict.MESSAGE
        self._pause(outcome, now, began)
        if retry_after:  # an ill endpoint may say when to come back, too
            self.until = max(self.until, now + min(retry_after, self.tuning.retry_after_max_s))
        return Verdict.ENDPOINT

    def _answered(self, key: str, now: float) -> None:
        self._recent.append((now, key, True))
        self._streak.clear()
        self.gone_at = None
        if self.step:
            self.step, self.until, self._changed = 0, 0.0, now
            self.failing_since = None
            self._limit, self._ramping = 1.0, True
            self._recent.clear()
        elif self._ramping:
            self._limit = min(self._limit * 2, self.max_inflight)
            self._ramping = self._limit < self.max_inflight

    def _pace(self, outcome: str, now: float, began: float) -> None:
        """One more at a time for each run of successes; half of them when answers get slow."""
        if began < self._shrunk:
            return
        self._slow.append(now - began > SLOW_S)
        if len(self._slow) >= SLOW_SAMPLE and sum(self._slow) > SLOW_SHARE * len(self._slow):
            self._shrink(now, began)
        elif outcome == OK and not self._ramping and self._limit < self.max_inflight:
            self._oks += 1
            if self._oks >= GROW_AFTER:
                self._oks = 0
                self._limit = min(self._limit + 1, self.max_inflight)

    def _is_ill(self, key: str, now: float) -> bool:
        if self.step:
            return True
        self._streak.add(key)
        self._recent.append((now, key, False))
        recent = [part for part in self._recent if part[0] > now - WINDOW_S]
        failed = {part[1] for part in recent if not part[2]}
        failures = sum(not part[2] for part in recent)
        return (
            len(self._streak) >= STREAK_KEYS
            or len(failed) >= WINDOW_KEYS
            or (len(failed) >= STREAK_KEYS and len(recent) >= 10 and failures * 2 >= len(recent))
        )

    def _pause(self, outcome: str, now: float, began: float) -> None:
        self.last_class = outcome
        if began < self._changed:
            return
        waits = self.tuning.breaker_s
        self.step += 1
        self.until = now + waits[min(self.step, len(waits)) - 1]
        self._changed = now
        self.failing_since = self.failing_since or now

    def _gone(self, now: float, began: float) -> Verdict:
        if self.gone_at is not None and now - self.gone_at >= self.tuning.gone_s:
            self.last_class = GONE
            return Verdict.SUSPEND
        self.gone_at = self.gone_at or now
        self._pause(GONE, now, began)
        self.until = max(self.until, self.gone_at + self.tuning.gone_s)
        return Verdict.ENDPOINT

    def _shrink(self, now: float, began: float) -> None:
        """Once for all requests that were under way together."""
        if began < self._shrunk:
            return
        self._limit, self._shrunk = max(1.0, self._limit / 2), now
        self._ramping = False
        self._oks = 0
        self._slow.clear()
