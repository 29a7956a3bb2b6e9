"""What of an endpoint's health outlives a process: open breaker, since when, and its state.

Written only when a breaker opens, pauses again or closes; a healthy endpoint costs no write.
"""

import time
from typing import Any

import msgspec
from sqlalchemy import text

from wms.db import Tx, row
from wms.events.catalog import EndpointEvent
from wms.events.endpoints import tell
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
      FROM endpoint WHERE id = :id AND :warehouse_id = ANY (open_in)
    """
)

# The deliveries of all warehouses write this row: who closes leaves it open for those that did not
# get an answer yet. What a person paused meanwhile stays as it is.
SAVE = text(
    """
    UPDATE endpoint
       SET breaker = 'open', breaker_step = :step, last_class = :last_class,
           open_in = array_append(array_remove(open_in, CAST(:warehouse_id AS int)),
                                  CAST(:warehouse_id AS int)),
           breaker_until = now() + make_interval(secs => CAST(:wait_s AS float8)),
           failing_since = coalesce(failing_since,
                                    now() - make_interval(secs => CAST(:failing_s AS float8))),
           gone_at = coalesce(now() - make_interval(secs => CAST(:gone_s AS float8)), gone_at)
     WHERE id = :id AND state = 'active'
    """
)
CLOSE = text(
    """
    UPDATE endpoint
       SET open_in = array_remove(open_in, CAST(:warehouse_id AS int)),
           breaker = CASE WHEN {last} THEN 'closed' ELSE breaker END,
           breaker_step = CASE WHEN {last} THEN 0 ELSE breaker_step END,
           last_class = CASE WHEN {last} THEN '' ELSE last_class END,
           breaker_until = CASE WHEN {last} THEN NULL ELSE breaker_until END,
           failing_since = CASE WHEN {last} THEN NULL ELSE failing_since END,
           gone_at = CASE WHEN {last} THEN NULL ELSE gone_at END
     WHERE id = :id AND state = 'active'
    """.format(last="array_remove(open_in, CAST(:warehouse_id AS int)) = '{}'")
)
END = text("UPDATE endpoint SET state = :state WHERE id = :id AND state = 'active'")


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
        found = await row(tx, LOAD, _Saved, id=self.endpoint.id, warehouse_id=self.warehouse_id)
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
        """Locks the endpoint. Emits endpoint.breaker_opened and breaker_closed for this warehouse;
        endpoint.paused, suspended, blocked for each one that the endpoint hears."""
        self._saving_step = health.step if health.is_open else 0
        place = {"id": self.endpoint.id, "warehouse_id": self.warehouse_id}
        if health.is_open:
            done = await tx.execute(SAVE, {**place, **self._facts(health)})
        else:
            done = await tx.execute(CLOSE, place)
        if not done.rowcount:
            return
        cause = self._cause or health.last_class
        for verb in self._news(health):
            told = EndpointEvent(endpoint_id=self.endpoint.code, cause=cause)
            stamp = system_stamp(self.warehouse_id)
            await emit(tx, stamp, f"endpoint.{verb}", f"endpoint/{self.endpoint.code}", told)
        if self.state:
            await tx.execute(END, {"id": self.endpoint.id, "state": self.state})
            stamp = system_stamp(self.warehouse_id)
            await tell(tx, self.endpoint.code, self.state, stamp.actor, stamp.at, cause)

    def _facts(self, health: Health) -> dict[str, Any]:
        now, since, gone = time.monotonic(), health.failing_since, health.gone_at
        return {
            "step": health.step,
            "wait_s": max(0.0, health.until - now),
            "failing_s": None if since is None else now - since,
            "gone_s": None if gone is None else now - gone,
            "last_class": health.last_class,
        }

    def _news(self, health: Health) -> list[str]:
        news: list[str] = []
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
