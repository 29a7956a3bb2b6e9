"""What a simulated person does with a prompt: the scans that answer a step, right or wrong. Pure.

A person knows what stands on the page and what lies in front of them (`eyes`: codes by fact);
nothing else. All chance comes from the generator that is passed in.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from wms.barcodes import label
from wms.steps import Facts, Question, Step, default_of, judge, question

Eyes = Mapping[str, str]
WRONG = ("BN-Z-99-9-9", "4006381333931", "NOT-A-CODE", label("BN", "Z-99"), label("TT", "WRONG"))


def scans_for(
    questions: Sequence[Question], eyes: Eyes, fresh: Callable[[Question], str], rng: Random
) -> list[str]:
    """Scans that answer these questions one after the other.

    `eyes` gives the code of a fact that the person sees on the goods; `fresh` a new label.
    """
    facts: Facts = {}
    scans: list[str] = []
    while (asked := question(questions, facts)) is not None:
        raw = _scan(asked, facts, eyes, fresh, rng)
        got = judge(questions, facts, raw)
        facts = {**facts, **got}
        scans.append(raw)
    return scans


def _scan(
    asked: Question, facts: Facts, eyes: Eyes, fresh: Callable[[Question], str], rng: Random
) -> str:
    if asked.fact in eyes:
        return eyes[asked.fact]
    if asked.kind in ("qty", "date", "text"):
        return default_of(asked, facts) or (str(max(asked.least, 1)) if asked.kind == "qty" else "")
    if default_of(asked, facts) and rng.random() < 0.9:
        return ""
    if asked.accepts:
        labels = [code for code in asked.accepts if len(code) > 2] or list(asked.accepts)
        return rng.choice(labels[:8])
    return fresh(asked)


def with_wrong_scan(scans: Sequence[str], rng: Random) -> list[str]:
    """The same scans with a wrong one in front of a random code."""
    at = rng.randrange(len(scans)) if scans else 0
    return [*scans[:at], rng.choice(WRONG), *scans[at:]]


def path_of(step: Step, code: str) -> Sequence[Question] | None:
    """The questions of a way out, if the step has it."""
    return next((way.questions for way in step.paths if way.code == code), None)
