"""What of an endpoint's health outlives a process: open breaker, since when, and its state.

Written only when a breaker opens, pauses again or closes; a healthy endpoint costs no write.
"""

import time

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.events.catalog import EndpointEvent
from wms.events.leases import EndpointRow
from wms.events.outbox import emit
from wms.events.outcomes import system_stamp
from wms.events.rules import Health


class _Saved(msgspec.Struct):
    step: int
    wait_s: float | None
    failing_s: float | None
    gone_s: float | None


LOAD = text(
    """
    SELECT breaker_step AS step, extract(epoch FROM breaker_until - now())::float8 AS wait_s,
           extract(epoch FROM now() - failing_since)::float8 AS failing_s,
           extract(epoch FROM now() - gone_at)::float8 AS gone_s
      FROM endpoint WHERE id = :id
    """
)

SAVE = text(
    """
    UPDATE endpoint
       SET breaker = :breaker, breaker_step = :step, last_class = :last_class,
           breaker_until = now() + make_interval(secs => CAST(:wait_s AS float8)),
           failing_since = CASE WHEN CAST(:failing_s AS float8) IS NOT NULL THEN
             coalesce(failing_since, now() - make_interval(secs => CAST(:failing_s AS float8))) END,
           gone_at = now() - make_interval(secs => CAST(:gone_s AS float8)),
           state = CASE WHEN state = 'active' AND CAST(:state AS text) <> '' THEN :state
                        ELSE state END
     WHERE id = :id
    """
)


class HealthLog:
    """Carries a Health between memory and its endpoint's row, and tells the world of changes."""

    def __init__(self, warehouse_id: int, endpoint: EndpointRow) -> None:
        self.warehouse_id = warehouse_id
        self.endpoint = endpoint
        self.state = ""  # the state the endpoint should go to
        self._cause = ""
        self._open_step = 0  # what the row says
        self._saving_step = 0

    async def load(self, tx: Tx, health: Health) -> None:
        """Go on where the last owner was."""
        found = await row(tx, LOAD, _Saved, id=self.endpoint.id)
        if found is None or not found.step:
            return
        now = time.monotonic()
        health.step = found.step
        health.until = now + max(0.0, found.wait_s or 0.0)
        health.failing_since = now - (found.failing_s or 0.0)
        health.gone_at = None if found.gone_s is None else now - found.gone_s
        self._open_step = found.step

    def want_state(self, state: str, cause: str) -> None:
        if not self.state:
            self.state, self._cause = state, cause

    def is_due(self, health: Health) -> bool:
        """True when something should be written."""
        if health.failing_since is not None and not self.state:
            failing = time.monotonic() - health.failing_since
            if failing >= health.tuning.suspend_s:
                self.want_state("suspended", health.last_class)
        return bool(self.state) or self._open_step != (health.step if health.is_open else 0)

    async def save(self, tx: Tx, health: Health) -> None:
        """Emits endpoint.breaker_opened, breaker_closed, paused, suspended, blocked."""
        now = time.monotonic()
        since = health.failing_since
        self._saving_step = health.step if health.is_open else 0
        values = {
            "id": self.endpoint.id,
            "breaker": "open" if health.is_open else "closed",
            "step": health.step if health.is_open else 0,
            "wait_s": max(0.0, health.until - now) if health.is_open else None,
            "failing_s": None if since is None or not health.is_open else now - since,
            "gone_s": None if health.gone_at is None else now - health.gone_at,
            "last_class": health.last_class if health.is_open else "",
            "state": self.state,
        }
        await tx.execute(SAVE, values)
        for verb in self._news(health):
            await emit(
                tx,
                system_stamp(self.warehouse_id),
                f"endpoint.{verb}",
                f"endpoint/{self.endpoint.code}",
                EndpointEvent(
                    endpoint_id=self.endpoint.code, cause=self._cause or health.last_class
                ),
            )

    def _news(self, health: Health) -> list[str]:
        news = [self.state] if self.state else []
        if health.is_open and not self._open_step:
            news.append("breaker_opened")
        elif self._open_step and not health.is_open:
            news.append("breaker_closed")
        return news

    def saved(self) -> bool:
        """What `save` wrote has committed; True when the endpoint is no longer active."""
        self._open_step = self._saving_step
        ended = bool(self.state)
        self.state = self._cause = ""
        return ended
