"""The floor's pages: a packet's frame (packet in, HTML out), and login, hub, inquiry and message.

Any handler that has a Packet shows it with `render_page`. The page works through the packet by
itself where JavaScript runs (static/scan.js, from the same JSON). Where it does not, each scan
posts the form to /floor/act: `form_turn` says what to show next, or hands over the finished act:

    turn = form_turn(packet, await request.form())
    if turn.act is None:
        return page(render_turn(packet, turn, user_initials=…))
    answer = await perform(turn.act)
    return Redirect(onward(packet, turn, answer))          # onward is in web/scanner/turns.py

and the GET handler gives render_page the stored answer of `?said=<key>` (message, tone) and the
`kept` values of the query.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import msgspec

from web.scanner import turns
from web.scanner.turns import Turn
from web.templating import render, size
from wms.barcodes import BadGs1, MisreadLabel
from wms.steps import (
    Act,
    Facts,
    NothingAsked,
    Packet,
    Question,
    Step,
    WrongDate,
    WrongQuantity,
    WrongScan,
    applies,
    default_of,
    walk,
)

# What each outcome is called in the feedback strip; tones and vibration are in static/feedback.js.
WORDS = {
    "accepted": "OK",
    "step_done": "Done",
    "task_done": "Finished",
    "wrong": "Wrong",
    "care": "Careful",
    "stored": "Stored",
    "lost": "Stop",
}
SILENT = {"tone": "", "word": "", "text": ""}  # a strip with nothing to say yet
# The sentences of refusals, once: the device says exactly what the server says.
SAYINGS = {
    kind.__name__: kind.say
    for kind in (WrongScan, WrongQuantity, WrongDate, NothingAsked, MisreadLabel, BadGs1)
}


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A word that leads somewhere; `count` is shown large on hub tiles."""

    word: str
    url: str
    count: int | None = None
    post: bool = False  # send it as a form (it changes something)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One of the last scans."""

    at: datetime
    what: str
    ok: bool = True


class Hub(msgspec.Struct, frozen=True, kw_only=True):
    """The page between tasks. `next_url` opens the next work; tiles are open work by kind."""

    name: str
    initials: str
    next_url: str = "/floor/next"
    next_word: str = "Next work"
    tiles: tuple[Link, ...] = ()
    links: tuple[Link, ...] = ()
    last: tuple[Line, ...] = ()
    message: str = ""
    tone: str = ""


class Inquiry(msgspec.Struct, frozen=True, kw_only=True):
    """What a scanned bin, item, license plate or order is: rows of (label, value)."""

    title: str
    rows: tuple[tuple[str, str], ...]
    kind: str = ""
    actions: tuple[Link, ...] = ()


def render_page(
    packet: Packet,
    *,
    user_initials: str,
    scans: Sequence[str] = (),
    path: str = "",
    step_index: int = 0,
    message: str = "",
    tone: str = "",
    key: str = "",
    kept: Sequence[str] = (),
) -> str:
    """The page of a packet at one of its steps, after the given scans of that step."""
    message = message or packet.message
    tone = tone or ("care" if message else "")
    strip = {"tone": tone, "word": WORDS.get(tone, ""), "text": message}
    if not packet.steps:
        return render_message(packet.title, message or "Nothing is left to do here.",
                              packet.after, user_initials=user_initials)  # fmt: skip
    key = key or str(uuid4())
    step = packet.steps[min(step_index, len(packet.steps) - 1)]
    scans = turns.with_kept(turns.questions_of(step, path), tuple(scans), kept)
    return render(
        "floor/frame.html",
        packet=packet,
        packet_json=_embedded(packet),
        now_json=_embedded(
            {
                "key": key,
                "path": path,
                "scans": scans,
                "kept": turns.by_fact(kept),
            }
        ),
        words_json=_embedded({"words": WORDS, "say": SAYINGS}),
        step=step,
        step_index=step_index,
        path=next((way for way in step.paths if way.code == path), None),
        view=_view(packet, step, path, scans),
        strip=strip,
        scans=scans,
        kept=kept,
        key=key,
        initials=user_initials,
    )


def render_turn(packet: Packet, turn: Turn, *, user_initials: str) -> str:
    """The page that a turn without an act leads to."""
    return render_page(
        packet,
        user_initials=user_initials,
        scans=turn.scans,
        path=turn.path,
        step_index=turn.step_index,
        message=turn.message,
        tone=turn.tone,
        key=turn.key,
        kept=turn.kept,
    )


def form_turn(packet: Packet, form: Mapping[str, Any]) -> Turn:
    """What a posted form means. `form` is litestar's FormMultiDict or a dict of lists."""
    index = _index(packet, turns.field(form, "ref"), turns.field(form, "version"))
    if index is None:
        return Turn(message=turns.CHANGED, tone="care")
    step = packet.steps[index]
    turn = Turn(
        step_index=index,
        path=turns.field(form, "path"),
        scans=turns.fields(form, "scans"),
        kept=turns.fields(form, "kept"),
        key=turns.field(form, "key"),
    )
    if "undo" in form:
        turn = turns.undone(turn)
    elif "leave" in form:
        turn = turns.opened(turn, "")
    elif "open" in form:
        turn = turns.opened(turn, turns.field(form, "open"))
    else:
        turn = turns.scanned(step, turn, turns.field(form, "choice") or turns.field(form, "scan"))
    return _with_act(step, turn) if turns.is_complete(step, turn) else turn


def render_login(
    *,
    badge: str = "",
    name: str = "",
    message: str = "",
    tone: str = "wrong",
    next_url: str = "",
) -> str:
    """Badge first; with `badge` given (and checked) the PIN of that person is asked."""
    strip = {"tone": tone if message else "", "word": WORDS.get(tone, "") if message else "",
             "text": message}  # fmt: skip
    return render("floor/login.html", badge=badge, name=name, strip=strip, next_url=next_url)


def render_hub(hub: Hub) -> str:
    strip = {"tone": hub.tone or ("care" if hub.message else ""), "text": hub.message}
    strip["word"] = WORDS.get(strip["tone"], "")
    return render("floor/hub.html", hub=hub, strip=strip, initials=hub.initials,
                  words_json=_embedded({"words": WORDS, "say": SAYINGS}))  # fmt: skip


def render_inquiry(inquiry: Inquiry, *, user_initials: str, back: str = "/floor") -> str:
    return render("floor/inquire.html", inquiry=inquiry, initials=user_initials, back=back,
                  strip=SILENT, words_json=_embedded({"words": WORDS, "say": SAYINGS}))  # fmt: skip


def render_message(
    title: str, text: str, next_url: str, *, user_initials: str = "", word: str = "Go on",
    tone: str = "",
) -> str:  # fmt: skip
    """A page that says one thing and leads on."""
    return render("floor/message.html", title=title, text=text, next_url=next_url, word=word,
                  tone=tone, initials=user_initials, strip=SILENT,
                  words_json=_embedded({"words": WORDS, "say": SAYINGS}))  # fmt: skip


def _with_act(step: Step, turn: Turn) -> Turn:
    """The finished act. Its key follows from the page's key and the act, so a form sent twice is
    one act, and a form sent again with another scan is another."""
    content = msgspec.json.encode((turn.key, step.ref, step.version, turn.path, turn.scans))
    key = str(uuid5(NAMESPACE_URL, content.decode()))
    act = Act(
        key=key,
        ref=step.ref,
        version=step.version,
        scans=turn.scans,
        path=turn.path,
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    kept = turn.kept if turn.path else turns.kept_after(step, turn.scans)
    return msgspec.structs.replace(turn, act=act, key=key, kept=kept)


def _index(packet: Packet, ref: str, version: str) -> int | None:
    for index, step in enumerate(packet.steps):
        if step.ref == ref and str(step.version) == version:
            return index
    return None


def _view(packet: Packet, step: Step, path: str, scans: Sequence[str]) -> dict[str, Any]:
    """What the frame shows of a step after some scans. The same rules are in static/view.js."""
    questions = turns.questions_of(step, path)
    walked = walk(questions, scans)
    asked = walked.open
    default = default_of(asked, walked.facts) if asked else ""
    number, _, unit = step.qty.partition(" ")
    if number and not path and not step.repeat:  # there it is what is left
        number = walked.facts.get("qty", number)
    way = next((each.word for each in step.paths if each.code == path), "")
    verb = way or (step.verb if asked and not walked.facts else "")
    if asked and asked.ask.lower().startswith(verb.lower()):
        verb = ""
    show = (asked.show or default or asked.ask) if asked else step.title
    return {
        "title": step.title or packet.title,
        "verb": verb,
        "ask": asked.ask if asked and show != asked.ask else _how(asked),
        "show": show,
        "size": size(show),
        "kind": asked.kind if asked else "code",
        "choices": asked.choices if asked else (),
        "accept": _accept_word(asked, default),
        "number": number,
        "unit": unit,
        "chips": [_chip(each, walked.facts) for each in questions
                  if _says(each, walked.facts) and applies(each, walked.facts)],
        "progress": f"{packet.done} of {packet.total}" if packet.total else "",
    }  # fmt: skip


def _how(asked: Question | None) -> str:
    return "YYMMDD" if asked and asked.kind == "date" else ""


def _says(asked: Question, facts: Facts) -> bool:
    """Goods without a lot, and none of them, are facts that say nothing."""
    return facts.get(asked.fact, "") not in ("", "0" if asked.kind == "qty" else "-")


def _accept_word(asked: Question | None, default: str) -> str:
    return _worded(asked, default) if asked and default else ""


def _worded(asked: Question, value: str) -> str:
    """A fact in the words of the choice that stands for it."""
    meant = (words for code, words in asked.choices
             if asked.accepts.get(code, {}).get(asked.fact) == value)  # fmt: skip
    return next(meant, value)


def _chip(asked: Question, facts: Facts) -> str:
    """A fact in words: as the prompt had it where only that was right, else the code of it."""
    value = facts[asked.fact]
    if asked.fact.startswith("qty"):
        return f"× {value}"
    words = _worded(asked, value)
    if words != value or asked.kind != "code":
        return words
    codes = [code for code, proved in asked.accepts.items() if proved.get(asked.fact) == value]
    if codes and len(codes) == len(asked.accepts):
        return asked.show or value
    return codes[-1] if codes else value


def _embedded(thing: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return msgspec.json.encode(thing).decode().replace("<", "\\u003c").replace("\u2028", "\\u2028")
