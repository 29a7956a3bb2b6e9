"""The grammar of a floor step: questions, which codes they accept, and the judgement of scans.

A step is walked from nothing by the raw scans of one act. The same walk runs on the device (for
the verdict in milliseconds), in the form without JavaScript, in the simulator, and again on the
server inside the transaction. The server's walk decides. Everything here is pure.
"""

import re
from collections.abc import Sequence
from datetime import date

import msgspec

from wms.barcodes import Reading, read
from wms.errors import Refused

Facts = dict[str, str]


class WrongScan(Refused):
    say = "Expected {expected}, scanned {scanned}. Go back and scan {expected}."


class WrongQuantity(Refused):
    say = "{scanned} is not a quantity from {least} to {most}."


class WrongDate(Refused):
    say = "{scanned} is not a date. Key it as year-month-day, like 2027-03-31."


class NothingAsked(Refused):
    say = "Nothing more is asked here; {scanned} was ignored."


class Unfinished(Refused):
    say = "The step is not finished: {ask} {show}."


class Question(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One prompt.

    `fact` is what the answer establishes. `kind`: `code` (a scan looked up in `accepts`, or any
    fresh label of a kind in `fresh`), `qty`, `text`, `date`. `accepts` maps normal forms
    (barcodes.read) and keyed short forms (check digits) to the facts they prove, more than one
    where one scan proves more (a case barcode: item and each-quantity). `default` is accepted by
    Enter, and silently when the next question's code comes instead. `default_by` gives it per value
    of the fact `by`. `only_if` asks the question only where every named fact has one of the values.
    `silent` is never asked: it judges the fact only when a GS1 scan carries it.
    """

    fact: str
    ask: str
    show: str = ""
    kind: str = "code"
    accepts: dict[str, Facts] = {}
    fresh: tuple[str, ...] = ()
    least: int = 0
    most: int = 999_999
    default: str = ""
    by: str = ""
    default_by: dict[str, str] = {}
    only_if: dict[str, tuple[str, ...]] = {}
    silent: bool = False
    choices: tuple[tuple[str, str], ...] = ()  # (value, words) offered as buttons


class Path(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A way out of the normal course (short, damaged, full, skip…), with its own questions."""

    code: str
    word: str
    questions: tuple[Question, ...] = ()


class Step(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One confirming act: what is asked, and what the page shows around it.

    `ref` names the act for the server (`pick/123`); `version` guards against stale pages.
    `repeat`: the step stays after it is confirmed (receiving, packing). `keep`: facts that carry
    over to the next repetition until another code of that kind is scanned (sticky target LPN).
    """

    ref: str
    version: int
    title: str
    questions: tuple[Question, ...]
    paths: tuple[Path, ...] = ()
    verb: str = ""  # the small word over the prompt: GO TO, TAKE, PUT
    name: str = ""  # what it is, in words
    note: str = ""  # one line of why or care
    qty: str = ""  # the large number with its unit word
    repeat: bool = False
    keep: tuple[str, ...] = ()


class Packet(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """All a device needs to work through a tour, or through one place, without the network."""

    flow: str  # receive | putaway | pick | pack | load | count | move | putback
    title: str
    steps: tuple[Step, ...]
    here: str  # URL of this packet
    after: str = "/floor"  # where to go when the last step is done
    done: int = 0
    total: int = 0
    message: str = ""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One operator act as a device sends it. `scans` are the raw strings in order, misses too."""

    key: str
    ref: str
    version: int
    scans: tuple[str, ...]
    path: str = ""
    seq: int | None = None
    at: str = ""  # device time, RFC 3339


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the server answers to an act.

    `tone`: accepted | step_done | task_done | wrong | care. `go`: load this URL now (the course
    changed, or the tour ended). `replayed`: this is the stored answer of an act sent before.
    """

    ok: bool
    say: str
    tone: str = "accepted"
    code: str = ""  # class name of the refusal
    go: str = ""
    replayed: bool = False


class Miss(msgspec.Struct, frozen=True):
    scanned: str
    code: str
    say: str


class Walk(msgspec.Struct, frozen=True):
    """Where the scans of an act lead: facts, refused scans, and the question still open."""

    facts: Facts
    misses: tuple[Miss, ...]
    open: Question | None


def question(questions: Sequence[Question], facts: Facts) -> Question | None:
    """The first question that applies and is unanswered."""
    for asked in questions:
        if not asked.silent and asked.fact not in facts and applies(asked, facts):
            return asked
    return None


def applies(asked: Question, facts: Facts) -> bool:
    return all(facts.get(fact) in values for fact, values in asked.only_if.items())


def default_of(asked: Question, facts: Facts) -> str:
    return asked.default_by.get(facts.get(asked.by, ""), asked.default)


def judge(questions: Sequence[Question], facts: Facts, raw: str) -> Facts:
    """The facts one scan proves, given those already proved. Raises a Refused leaf.

    A scan that the open question refuses is tried on the next one when the open question has a
    default: the trigger on the tote accepts the quantity.
    """
    asked = question(questions, facts)
    if asked is None:
        raise NothingAsked(scanned=raw)
    fallback = default_of(asked, facts)
    if raw == "" and fallback:
        return {asked.fact: fallback}
    try:
        return _answer(questions, asked, facts, raw)
    except Refused:
        if not fallback:
            raise
        assumed = {**facts, asked.fact: fallback}
        following = question(questions, assumed)
        if following is None:
            raise
        try:
            return {asked.fact: fallback, **_answer(questions, following, assumed, raw)}
        except Refused:
            pass
        raise


def _answer(questions: Sequence[Question], asked: Question, facts: Facts, raw: str) -> Facts:
    if asked.kind == "qty":
        return {asked.fact: _quantity(asked, raw)}
    if asked.kind == "date":
        return {asked.fact: _date(raw)}
    if asked.kind == "text":
        if not raw.strip():
            raise WrongScan(expected=asked.ask, scanned="nothing")
        return {asked.fact: raw.strip()[:80]}
    reading = read(raw)
    proved = asked.accepts.get(reading.code)
    if proved is None and reading.kind in asked.fresh:
        proved = {asked.fact: reading.code}
    if proved is None:
        raise WrongScan(expected=asked.show or asked.ask, scanned=raw)
    return _with_extras(questions, {**facts, **proved}, proved, reading)


def _with_extras(
    questions: Sequence[Question], facts: Facts, proved: Facts, reading: Reading
) -> Facts:
    """Facts a GS1 code carries besides the item answer later questions of the step."""
    for later in questions:
        value = reading.facts.get(later.fact)
        if value is None or later.fact in facts or not applies(later, facts):
            continue
        proved = {**proved, **_answer(questions, later, facts, value)}
    return proved


def _quantity(asked: Question, raw: str) -> str:
    text = raw.strip()
    if not re.fullmatch(r"[0-9]{1,6}", text) or not asked.least <= int(text) <= asked.most:
        raise WrongQuantity(scanned=raw, least=asked.least, most=asked.most)
    return str(int(text))


def _date(raw: str) -> str:
    text = raw.strip()
    if re.fullmatch(r"[0-9]{6}", text):
        text = f"20{text[:2]}-{text[2:4]}-{text[4:]}"
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise WrongDate(scanned=raw) from None


def walk(questions: Sequence[Question], scans: Sequence[str]) -> Walk:
    """Walk the questions with the raw scans from the start; a refused scan changes nothing."""
    facts: Facts = {}
    misses: list[Miss] = []
    for raw in scans:
        try:
            facts = {**facts, **judge(questions, facts, raw)}
        except Refused as refusal:
            misses.append(Miss(raw, refusal.code, str(refusal)))
    return Walk(facts, tuple(misses), question(questions, facts))


def finished(step: Step, act: Act) -> Facts:
    """The facts of a finished act. Raises the last refusal's words when it is not finished."""
    questions = step.questions
    if act.path:
        found = next((path for path in step.paths if path.code == act.path), None)
        if found is None:
            raise NothingAsked(scanned=act.path)
        questions = found.questions
    return answered(questions, act.scans)


def answered(questions: Sequence[Question], scans: Sequence[str]) -> Facts:
    """The facts of scans that answer all questions. Raises WrongScan or Unfinished."""
    walked = walk(questions, scans)
    if walked.open is None:
        return walked.facts
    trailing = default_of(walked.open, walked.facts)
    if trailing and question(questions, {**walked.facts, walked.open.fact: trailing}) is None:
        return {**walked.facts, walked.open.fact: trailing}
    if walked.misses:
        raise WrongScan(expected=walked.open.show or walked.open.ask,
                        scanned=walked.misses[-1].scanned)
    raise Unfinished(ask=walked.open.ask, show=walked.open.show)
