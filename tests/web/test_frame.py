"""What the frame says of a step after some scans (static/view.js says the same on the device)."""

import re

from web.scanner.frame import render_page
from wms.barcodes import label
from wms.steps import Packet, Question, Step

CODE = label("LP", "1")
PLATE = {"plate": "7", "lot": "-", "qty": "0"}
COUNT = Step(
    ref="count/1", version=1, title="Count A-01-1",
    questions=(
        Question(fact="plate", ask="Scan item or plate",
                 accepts={CODE: PLATE, "PEN": {"plate": "3"}}),
        Question(fact="lot", ask="Lot", kind="text"),
        Question(fact="qty", ask="How many pieces?", kind="qty"),
        Question(fact="bin", ask="Scan the bin", accepts={"A-01-1": {"bin": "1"}}),
    ),
)  # fmt: skip
CLOSE = Step(
    ref="close/1", version=1, title="Close SO-1", qty="6 in the box",
    questions=(
        Question(fact="weight", ask="Weight in g", kind="qty", least=1),
        Question(fact="label", ask="Label on, scan it", accepts={"L": {"label": "L"}}),
    ),
)  # fmt: skip
DATE = Step(
    ref="receive/1", version=1, title="Receive ASN-1",
    questions=(Question(fact="expiry", ask="Best before", kind="date"),),
)  # fmt: skip


def shown(step: Step, *scans: str) -> str:
    packet = Packet(flow="any", title=step.title, steps=(step,), here="/floor/any/1")
    return render_page(packet, user_initials="AN", scans=scans)


def chips(page: str) -> list[str]:
    return re.findall(r"<li>(.*?)</li>", page)


def test_what_a_plate_proves_besides_is_no_chip():
    assert chips(shown(COUNT, CODE)) == [CODE]


def test_a_keyed_weight_is_not_the_number_of_pieces():
    page = shown(CLOSE, "1837")
    assert '<b id="number">6</b>' in page
    assert chips(page) == ["1837"]


def test_a_date_says_how_it_is_keyed():
    assert '<span id="ask">YYMMDD</span>' in shown(DATE)
