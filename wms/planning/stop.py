"""Stopping rules for the planners: when a search has done enough.

A rule is a frozen, picklable value. Calling it starts a watch for one run: `watch = rule()`.
The planner calls `watch(best)` once per round with its best cost so far (lower is better) and
stops when the answer is a reason instead of None. One rule serves any number of runs.
Only `MaxSeconds` reads a clock, and the clock is an argument: all other rules are reproducible.
A rule may also want to hear of the best plan so far (`Heard`); planners offer it once per round.
"""

import math
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct

Watch: TypeAlias = Callable[[float], str | None]
StopRule: TypeAlias = Callable[[], Watch]


class MaxRounds(Struct, frozen=True):
    """Stop after this many rounds; 0 keeps the first constructed plan."""

    rounds: int

    def __post_init__(self) -> None:
        if self.rounds < 0:
            raise ValueError(f"rounds must be >= 0, not {self.rounds}")

    def __call__(self) -> Watch:
        done = 0

        def watch(best: float) -> str | None:
            nonlocal done
            done += 1
            return "rounds" if done > self.rounds else None

        return watch


class Deadline(Struct, frozen=True):
    """The watch of `MaxSeconds`; says also how long there is."""

    end: float
    clock: Callable[[], float]

    def __call__(self, best: float) -> str | None:
        """Say "time" when it is over."""
        return "time" if self.left() <= 0 else None

    def left(self) -> float:
        """Seconds until the end."""
        return self.end - self.clock()


def seconds_left(watch: Watch) -> float:
    """How long a watch still allows; endless where it reads no clock."""
    left = getattr(watch, "left", None)
    return math.inf if left is None else left()


Hear: TypeAlias = Callable[[Callable[[], Any]], None]


class Heard(Struct, frozen=True):
    """A rule, and somebody who may ask for the plan while it is being searched."""

    rule: StopRule
    hear: Hear

    def __call__(self) -> Watch:
        return Listening(self.rule(), self.hear)


class Listening(Struct, frozen=True):
    """The watch of `Heard`."""

    watch: Watch
    hear: Hear

    def __call__(self, best: float) -> str | None:
        return self.watch(best)

    def left(self) -> float:
        """Seconds until the end."""
        return seconds_left(self.watch)


def offer(watch: Watch, plan: Callable[[], object]) -> None:
    """Offer the best plan so far to whoever listens; it is made when they ask, and only then."""
    hear = getattr(watch, "hear", None)
    if hear is not None:
        hear(plan)


class MaxSeconds(Struct, frozen=True):
    """Stop when the clock has advanced this far since the run began.

    Units: seconds. `clock` is any monotonic function of no arguments.
    """

    seconds: float
    clock: Callable[[], float] = time.perf_counter

    def __post_init__(self) -> None:
        if not self.seconds >= 0:
            raise ValueError(f"seconds must be >= 0, not {self.seconds}")

    def __call__(self) -> Watch:
        return Deadline(self.clock() + self.seconds, self.clock)


class NoImprovement(Struct, frozen=True):
    """Stop after this many rounds in a row without a lower best cost."""

    rounds: int

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"rounds must be >= 1, not {self.rounds}")

    def __call__(self) -> Watch:
        lowest: float | None = None
        stale = 0

        def watch(best: float) -> str | None:
            nonlocal lowest, stale
            if lowest is None or best < lowest:
                lowest, stale = best, 0
            else:
                stale += 1
            return "no improvement" if stale >= self.rounds else None

        return watch


class Target(Struct, frozen=True):
    """Stop as soon as the best cost is at or below `cost` (a known bound, or good enough)."""

    cost: float

    def __call__(self) -> Watch:
        return lambda best: "target" if best <= self.cost else None


class FirstOf(Struct, frozen=True):
    """The watch of `AnyOf`."""

    watches: list[Watch]

    def __call__(self, best: float) -> str | None:
        """Ask every watch, so that the ones that count see every round; the first reason."""
        answers = [ask(best) for ask in self.watches]
        return next((reason for reason in answers if reason is not None), None)

    def left(self) -> float:
        """Seconds until the first clock runs out."""
        return min(map(seconds_left, self.watches))


class AnyOf(Struct, frozen=True):
    """Stop when the first of several rules says so; the earliest in the list names the reason."""

    rules: tuple[StopRule, ...]

    def __post_init__(self) -> None:
        if not self.rules:
            raise ValueError("rules must name at least one rule")

    def __call__(self) -> Watch:
        return FirstOf([rule() for rule in self.rules])


def any_of(*rules: StopRule) -> AnyOf:
    """Combine rules: `any_of(MaxSeconds(2), NoImprovement(50))`."""
    return AnyOf(rules)
