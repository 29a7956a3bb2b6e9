"""Pages for supervisors, under /office: what to release, what waits and why, who does what."""

from typing import Any

from web.office import (
    access,
    adjustments,
    counts,
    deadletters,
    documents,
    endpoints,
    events,
    exceptions,
    files,
    forecasts,
    login,
    now,
    oidc,
    orders,
    reconciliation,
    replays,
    slotting,
    timeline,
    waves,
)

HANDLERS: list[Any] = [
    *login.HANDLERS, *oidc.HANDLERS, *access.HANDLERS, *now.HANDLERS, *orders.HANDLERS,
    *waves.HANDLERS, *forecasts.HANDLERS,
    *counts.HANDLERS, *adjustments.HANDLERS, *files.HANDLERS,
    *documents.HANDLERS,
    *exceptions.HANDLERS, *reconciliation.HANDLERS, *events.HANDLERS, *endpoints.HANDLERS,
    *deadletters.HANDLERS,
    *replays.HANDLERS, *slotting.HANDLERS, *timeline.HANDLERS,
]  # fmt: skip
