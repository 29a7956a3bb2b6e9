"""Runs the planners on public instance sets and judges every answer without their help.

`run(setdir, seconds, sample)` recognises a set by the name of its folder, gives each case so many
seconds on one core, and answers one dict (`wms bench planning SETDIR --json`). A reader turns a
folder into cases; the answer of a case is judged by the reader's own checker, never by the planner.
Units: gaps are fractions (0.01 = 1 %) of the best known value, times are seconds.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wms.bench.cases import Case, Outcome, Reader
from wms.bench.sets_batching import READERS as BATCHING
from wms.bench.sets_packing import READERS as PACKING
from wms.bench.sets_release import READERS as RELEASE
from wms.bench.sets_retail import READERS as RETAIL
from wms.bench.sets_routing import READERS as ROUTING
from wms.bench.sets_slotting import READERS as SLOTTING
from wms.bench.sets_waves import READERS as WAVES
from wms.planning.warm import warm_up

# Folder name -> reader. A longer name is tried first, so `sprp_scattered` is never read as `sprp`.
READERS: dict[str, Reader] = {
    **ROUTING, **BATCHING, **WAVES, **RELEASE, **PACKING, **RETAIL, **SLOTTING,
}  # fmt: skip

EQUAL = 1e-6
WARM_SECONDS = 0.2


def reader_of(name: str) -> Reader:
    """The reader for a folder; a suffix to the known name is allowed (`sprp-holdout`)."""
    for known in sorted(READERS, key=len, reverse=True):
        if name.startswith(known):
            return READERS[known]
    raise ValueError(f"set must be one of {sorted(READERS)}: {name!r}")


def run(
    setdir: str | Path | None,
    seconds: float = 1.0,
    sample: int | None = None,
    tell: Callable[[str], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Plan and judge the cases of one set; without a folder, generated ones.

    `tell` gets one line per case. The same sample size always takes the same cases.
    """
    if setdir is None:
        name, cases = "generated", READERS["generated"](Path())
    else:
        folder = Path(setdir)
        name, cases = folder.name, reader_of(folder.name)(folder)
    wholes = [case for case in cases if case.always]
    cases = [case for case in cases if not case.always]
    if sample is not None and sample < len(cases):
        cases = random.Random(7).sample(cases, sample)
    cases += wholes
    if cases:
        # Compiled loops are loaded (or made) here, outside the measured time: those that a planning
        # process prepares, and the set's own; twice, because the first call may spend all its
        # seconds on compiling the first loop.
        warm_up()
        for _ in range(2):
            cases[0].solve(min(seconds, WARM_SECONDS))
    outcomes, times = [], []
    for case in cases:
        begun = clock()
        outcome = case.solve(seconds)
        times.append(clock() - begun)
        outcomes.append(outcome)
        if tell is not None:
            tell(_line(case, outcome, times[-1]))
    return {"set": name, **_summary(cases, outcomes, times)}


def _gap(case: Case, outcome: Outcome) -> float | None:
    if case.best is None or not outcome.valid:
        return None
    gap = outcome.value / case.best - 1
    return -gap if case.more_is_better else gap


def _line(case: Case, outcome: Outcome, took: float) -> str:
    gap = _gap(case, outcome)
    verdict = outcome.fault if not outcome.valid else "-" if gap is None else f"{100 * gap:+.3f} %"
    return f"{case.id}: {outcome.value:.2f} of {case.best} {verdict} in {took:.2f} s"


def _summary(cases: list[Case], outcomes: list[Outcome], times: list[float]) -> dict[str, Any]:
    """The figures of a set; extra figures of the cases are added up."""
    gaps = [
        gap
        for case, outcome in zip(cases, outcomes, strict=True)
        if (gap := _gap(case, outcome)) is not None
    ]
    ranked = sorted(times)
    extra: dict[str, float] = {}
    for outcome in outcomes:
        for name, value in outcome.extra.items():
            extra[name] = extra.get(name, 0) + value
    return {
        "instances": len(cases),
        "invalid": sum(not outcome.valid for outcome in outcomes),
        "compared": len(gaps),
        "optimal_or_best": _share(sum(gap <= EQUAL for gap in gaps), len(gaps)),
        "better_than_best": sum(gap < -EQUAL for gap in gaps),
        "gap_mean": _share(sum(gaps), len(gaps)),
        "gap_worst": max(gaps, default=None),
        "seconds_mean": _share(sum(times), len(times)),
        "seconds_p50": _rank(ranked, 0.50),
        "seconds_p95": _rank(ranked, 0.95),
        **extra,
    }


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _rank(ranked: list[float], share: float) -> float | None:
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else None


def report(result: dict[str, Any]) -> str:
    """The figures of a set as lines for a terminal."""
    return "\n".join(
        f"{name:>18}  {value:.4f}" if isinstance(value, float) else f"{name:>18}  {value}"
        for name, value in result.items()
    )
