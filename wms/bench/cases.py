"""What every benchmark set is read into: cases with a best known value and judged outcomes."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct, field


class Outcome(Struct, frozen=True):
    """A judged answer. `value` is computed by the checker, not taken from the planner."""

    valid: bool
    value: float
    fault: str = ""
    extra: dict[str, float] = field(default_factory=dict)


class Case(Struct, frozen=True):
    """One instance: plan it in so many seconds and judge the plan. `always`: in every sample."""

    id: str
    solve: Callable[[float], Outcome]
    best: float | None = None
    more_is_better: bool = False
    always: bool = False


Reader: TypeAlias = Callable[[Path], list[Case]]


def read_instances(folder: Path) -> list[dict[str, Any]]:
    """All instances of `instances.jsonl.gz`."""
    with gzip.open(folder / "instances.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def read_known(folder: Path) -> dict[str, dict[str, str]]:
    """Rows of `known_values.csv` by id; none when there is no such file."""
    path = folder / "known_values.csv"
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as rows:
        return {row["id"]: row for row in csv.DictReader(rows)}


def number(row: dict[str, str] | None, *names: str) -> float | None:
    """The first of the named columns that holds a number."""
    for name in names:
        text = (row or {}).get(name, "")
        if text not in ("", None):
            return float(text)
    return None
