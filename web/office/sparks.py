"""The pulse of an endpoint as bars for SVG (30 by 10 units): answered below, failed on top."""

import msgspec

from wms.events.monitor import Pulse

HIGH = 10.0
LOWEST = 0.7  # one attempt among thousands is still to be seen


class Bar(msgspec.Struct, frozen=True):
    """One stretch of time; `y` and `height` of each of its two parts."""

    x: int
    ok_y: float
    ok: float
    failed_y: float
    failed: float
    words: str


def bars(pulse: Pulse | None) -> list[Bar]:
    """Bars of a pulse; an endpoint that was not called has none."""
    if pulse is None:
        return []
    most = max(beat.ok + beat.failed for beat in pulse.beats)
    found: list[Bar] = []
    for beat in pulse.beats:
        failed = max(HIGH * beat.failed / most, LOWEST) if beat.failed else 0.0
        ok = min(max(HIGH * beat.ok / most, LOWEST) if beat.ok else 0.0, HIGH - failed)
        words = f"{beat.ok} delivered" + (f", {beat.failed} failed" if beat.failed else "")
        found.append(
            Bar(beat.slot or 0, round(HIGH - ok, 2), round(ok, 2),
                round(HIGH - ok - failed, 2), round(failed, 2), words)
        )  # fmt: skip
    return found
