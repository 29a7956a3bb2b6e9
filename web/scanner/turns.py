"""The walk of a posted form: what one more scan, button or command label leads to. Pure.

The page without JavaScript carries the scans of the open step in hidden fields; each post adds
one. `form_turn` (web/scanner/frame.py) drives this; static/scan.js does the same on the device:

- a command label (`CM-<path>-c`) opens a way out of the step, `CM-UNDO-c` takes a scan back;
- a fact in `step.keep` is answered again by the scan that proved it, as soon as it is asked;
- scanning another code of that kind before it is asked changes what is kept.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from wms.barcodes import read
from wms.errors import Refused
from wms.steps import Act, Answer, Facts, Packet, Question, Step, Walk, judge, walk

UNDO = "UNDO"
CHANGED = "This step is done already, or it has changed. Go on with what the page asks now."
UNDONE = "Last scan taken back."


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Where a posted form leads: a finished `act`, or else another page to show."""

    act: Act | None = None
    step_index: int = 0
    path: str = ""
    scans: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()  # `fact=raw scan`
    message: str = ""
    tone: str = ""
    key: str = ""


def questions_of(step: Step, path: str) -> tuple[Question, ...]:
    found = next((way for way in step.paths if way.code == path), None)
    return found.questions if found else step.questions


def by_fact(kept: Sequence[str]) -> dict[str, str]:
    """`fact=raw scan` pairs as a table."""
    return {fact: raw for fact, _, raw in (pair.partition("=") for pair in kept)}


def with_kept(
    questions: Sequence[Question], scans: tuple[str, ...], kept: Sequence[str]
) -> tuple[str, ...]:
    """The scans, and behind them the kept ones that the open questions ask for."""
    left = by_fact(kept)
    walked = walk(questions, scans)
    while walked.open is not None and walked.open.fact in left:
        raw = left.pop(walked.open.fact)
        further = walk(questions, (*scans, raw))
        if len(further.misses) == len(walked.misses):
            scans, walked = (*scans, raw), further
    return scans


def kept_after(step: Step, scans: Sequence[str]) -> tuple[str, ...]:
    """Which scans prove the facts that carry over to the next repetition."""
    if not step.repeat:
        return ()
    proof: dict[str, str] = {}
    facts: Facts = {}
    for end in range(1, len(scans) + 1):
        now = walk(step.questions, scans[:end]).facts
        for fact in step.keep:
            if fact in now and fact not in facts and scans[end - 1]:
                proof[fact] = scans[end - 1]
        facts = now
    return tuple(f"{fact}={raw}" for fact, raw in proof.items())


def kept_instead(step: Step, kept: Sequence[str], raw: str) -> tuple[str, ...] | None:
    """The kept scans with `raw` in the place of the one it replaces; None if it replaces none."""
    for pair in kept:
        fact = pair.partition("=")[0]
        asked = next((each for each in step.questions if each.fact == fact), None)
        if asked is None or asked.kind != "code":
            continue
        try:
            judge((msgspec.structs.replace(asked, only_if={}),), {}, raw)
        except Refused:
            continue
        return tuple(f"{fact}={raw}" if each == pair else each for each in kept)
    return None


def command(step: Step, raw: str) -> str:
    """The path code a command label opens (or UNDO); empty for anything else."""
    try:
        reading = read(raw)
    except Refused:
        return ""
    if reading.kind != "CM":
        return ""
    code = reading.code[3:-2]
    known = {path.code.upper(): path.code for path in step.paths}
    return UNDO if code == UNDO else known.get(code, "")


def scanned(step: Step, turn: Turn, raw: str) -> Turn:
    """The turn after one more scan. The caller sees by `is_complete` whether the act is whole."""
    questions = questions_of(step, turn.path)
    before = walk(questions, turn.scans)
    if raw == "" and not _has_default(before):
        return msgspec.structs.replace(turn, message="", tone="")
    after = walk(questions, (*turn.scans, raw))
    if len(after.misses) == len(before.misses):
        scans = with_kept(questions, (*turn.scans, raw), turn.kept)
        return msgspec.structs.replace(turn, scans=scans, message=raw, tone="accepted")
    way = command(step, raw)
    if way:
        return undone(turn) if way == UNDO else opened(turn, way)
    kept = kept_instead(step, turn.kept, raw)
    if kept is not None:
        return msgspec.structs.replace(turn, kept=kept, message=f"From now on {raw}.", tone="care")
    return msgspec.structs.replace(
        turn, scans=(*turn.scans, raw), message=after.misses[-1].say, tone="wrong"
    )


def undone(turn: Turn) -> Turn:
    path = turn.path if turn.scans else ""
    return msgspec.structs.replace(
        turn, scans=turn.scans[:-1], path=path, message=UNDONE, tone="care"
    )


def opened(turn: Turn, path: str) -> Turn:
    return msgspec.structs.replace(turn, scans=(), path=path, message="", tone="")


def is_complete(step: Step, turn: Turn) -> bool:
    if turn.path and not any(way.code == turn.path for way in step.paths):
        return False
    return walk(questions_of(step, turn.path), turn.scans).open is None


def onward(packet: Packet, turn: Turn, answer: Answer) -> str:
    """Where to send the browser after the act of a form was answered: the page that shows it."""
    params: list[tuple[str, str]] = [("said", turn.key)]
    url = answer.go
    if not url:
        last = turn.step_index == len(packet.steps) - 1
        ended = answer.ok and last and not packet.steps[turn.step_index].repeat
        url = packet.after if ended else packet.here
        if not ended:
            params += [("kept", pair) for pair in turn.kept]
    return f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"


def field(form: Mapping[str, object], name: str) -> str:
    """The last value of a form field, without control characters except GS."""
    values = fields(form, name)
    return values[-1] if values else ""


def fields(form: Mapping[str, object], name: str) -> tuple[str, ...]:
    """All values of a form field. Takes litestar's FormMultiDict and plain dicts alike."""
    getall = getattr(form, "getall", None)
    found = getall(name, []) if getall else form.get(name, [])
    values = [found] if isinstance(found, str) else found
    assert isinstance(values, Sequence)
    return tuple(_clean(str(value)) for value in values)


def _clean(value: str) -> str:
    value = value.replace("\u241d", "\x1d")
    return "".join(x for x in value if x >= " " or x == "\x1d")[:200].strip(" \x1d")


def _has_default(walked: Walk) -> bool:
    asked = walked.open
    return asked is not None and bool(asked.default_by.get(walked.facts.get(asked.by, ""),
                                                           asked.default))  # fmt: skip
