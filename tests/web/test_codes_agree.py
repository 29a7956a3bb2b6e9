"""The device judges as the server does: one table of scans through both walks, and the same for
every GS1 application identifier, for random scans, and for the turns of kept facts and commands."""

import json
import os
import random
import re
import shutil
from pathlib import Path

import msgspec
import pytest
from biip import ParseError, parse
from biip.gs1_application_identifiers import _GS1_APPLICATION_IDENTIFIERS as AIS
from playwright.async_api import async_playwright

from web.assets import STATIC
from web.scanner import turns
from web.scanner.turns import Turn
from wms.barcodes import gs1_check_digit, label
from wms.errors import Refused
from wms.steps import Question, Step, walk

TABLE = json.loads((Path(__file__).parent / "codes.json").read_text())
QUESTIONS = {
    name: msgspec.convert(asked, tuple[Question, ...]) for name, asked in TABLE["questions"].items()
}
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome") or ""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

WALK = """async ([sets, cases]) => {
  const { walk } = await import("/walk.js");
  return cases.map(({ questions, scans }) => {
    const walked = walk(sets[questions], scans);
    return { facts: walked.facts, misses: walked.misses.map((miss) => miss.refusal.code),
             open: walked.open?.fact ?? "" };
  });
}"""
TURNS = """async (cases) => {
  const { command, keptAfter, keptInstead, withKept, questionsOf } = await import("/walk.js");
  return cases.map(({ step, scans, kept, raw }) => ({
    kept: keptAfter(step, scans), filled: withKept(questionsOf(step, ""), scans, kept),
    instead: keptInstead(step, kept, raw), command: command(step, raw),
  }));
}"""


@pytest.fixture(scope="module")
async def device():
    """A page in Chromium that may import our modules by name."""
    if not CHROMIUM:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: .ci/run has to install it")
        pytest.skip("no Chromium on this machine")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page()

        async def give(route):
            path = STATIC / route.request.url.rsplit("/", 1)[1]
            if path.suffix == ".js":
                await route.fulfill(path=path, content_type="text/javascript")
            else:
                await route.fulfill(body="<!doctype html>", content_type="text/html")

        await page.route("**/*", give)
        await page.goto("http://floor.test/")
        yield page
        await browser.close()


def stumbles(raw: str) -> bool:
    """biip itself fails on it, instead of saying that it cannot read it."""
    try:
        parse(raw.strip())
    except ParseError:
        return False
    except (ValueError, IndexError, AssertionError):
        return True
    return False


async def assert_agreed(device, cases):
    judged = await device.evaluate(WALK, [TABLE["questions"], cases])
    for case, theirs in zip(cases, judged, strict=True):
        if any(stumbles(raw) for raw in case["scans"]):
            continue  # the server refuses such a scan in its own way
        walked = walk(QUESTIONS[case["questions"]], case["scans"])
        ours = {
            "facts": walked.facts,
            "misses": [miss.code for miss in walked.misses],
            "open": walked.open.fact if walked.open else "",
        }
        assert theirs == ours, case


async def test_the_table_is_judged_alike(device):
    await assert_agreed(device, TABLE["cases"])


async def test_the_table_knows_every_refusal_and_every_kind_of_question():
    codes = set()
    for case in TABLE["cases"]:
        codes |= {miss.code for miss in walk(QUESTIONS[case["questions"]], case["scans"]).misses}
    assert codes == {
        "WrongScan", "WrongQuantity", "WrongDate", "NothingAsked", "MisreadLabel", "BadGs1",
    }  # fmt: skip
    kinds = {asked.kind for questions in QUESTIONS.values() for asked in questions}
    assert kinds == {"code", "qty", "date", "text"}


def values(seed: int):
    """Strings of the kinds that identifiers' values are made of, and some that fit none."""
    draw = random.Random(seed)
    digits = "".join(draw.choices("0123456789", k=draw.choice([1, 2, 3, 6, 8, 10, 13, 14, 18, 20])))
    day = f"{draw.randrange(100):02}{draw.randrange(14):02}{draw.randrange(33):02}"
    letters = "".join(draw.choices('ABZabz019!"%&/-_?=:^ ~', k=draw.choice([1, 3, 20, 28, 35, 91])))
    return (digits, day, day + digits[:4], letters, digits + letters)


async def test_every_gs1_identifier_is_read_alike(device):
    cases = []
    for number, ai in enumerate(AIS):
        for value in values(number):
            cases.append({"questions": "any", "scans": [f"]C1{ai}{value}\x1d10L1"]})
            cases.append({"questions": "any", "scans": [f"]d210L1\x1d{ai}{value}"]})
    numbers = (f"]C1{ai:04}123456" for ai in range(10000))
    cases += [{"questions": "any", "scans": [raw]} for raw in numbers]
    await assert_agreed(device, cases)


def random_scan(draw: random.Random) -> str:
    known = [raw for case in TABLE["cases"] for raw in case["scans"]]
    raw = draw.choice(known)
    if draw.random() < 0.5 and raw:
        at = draw.randrange(len(raw))
        raw = raw[:at] + draw.choice(["", "0", "A", "-", "\x1d", raw[at:]]) + raw[at + 1 :]
    if draw.random() < 0.2:
        body = "".join(draw.choices("0123456789", k=13))
        raw = draw.choice(["01", "]C101", "02", "]d201"]) + body + gs1_check_digit(body) + raw[:12]
    raw = raw.strip("\x1d")  # as the capture and the form do
    return raw if re.match(r"\][A-Za-z]\d|[^]]", raw) else "A-04-2"  # a broken AIM identifier


async def test_random_scans_are_judged_alike(device):
    draw = random.Random(4711)
    names = list(QUESTIONS)
    await assert_agreed(
        device,
        [
            {
                "questions": draw.choice(names),
                "scans": [random_scan(draw) for _ in range(draw.randrange(1, 7))],
            }
            for _ in range(4000)
        ],
    )


def turn_cases():
    draw = random.Random(4711)
    for name, questions in QUESTIONS.items():
        for _ in range(150):
            scans = tuple(random_scan(draw) for _ in range(draw.randrange(5)))
            keep = tuple(q.fact for q in questions if draw.random() < 0.5)
            kept = {fact: random_scan(draw) for fact in keep}
            step = {
                "ref": name, "version": 1, "title": name, "keep": keep,
                "repeat": draw.random() < 0.8, "questions": TABLE["questions"][name],
                "paths": [{"code": "short", "word": "Short"}, {"code": "Full", "word": "Full"}],
            }  # fmt: skip
            labels = [label("CM", code) for code in ("SHORT", "full", "UNDO")]
            raw = draw.choice([*labels, random_scan(draw)])
            yield {"step": step, "scans": scans, "kept": kept, "raw": raw}


async def test_kept_facts_and_commands_turn_alike(device):
    cases = list(turn_cases())
    for case, theirs in zip(cases, await device.evaluate(TURNS, cases), strict=True):
        step = msgspec.convert(case["step"], Step)
        kept = tuple(f"{fact}={raw}" for fact, raw in case["kept"].items())
        instead = turns.kept_instead(step, kept, case["raw"])
        assert theirs == {
            "kept": as_dict(turns.kept_after(step, case["scans"])),
            "filled": list(turns.with_kept(step.questions, tuple(case["scans"]), kept)),
            "instead": None if instead is None else as_dict(instead),
            "command": turns.command(step, case["raw"]),
        }, case


def as_dict(kept: tuple[str, ...]) -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in kept)


def test_a_refusal_is_said_when_a_form_scan_misses():
    step = Step(ref="x", version=1, title="x", questions=QUESTIONS["pick"])
    turn = turns.scanned(step, Turn(), "nonsense")
    assert (turn.tone, turn.scans) == ("wrong", ("nonsense",))
    assert "Expected A-04-2" in turn.message
    with pytest.raises(Refused):
        turns.judge(step.questions, {}, "nonsense")
