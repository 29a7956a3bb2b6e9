"""The questions of the pack bench, from facts to packets. Pure.

Scan the tote, take the proposed carton (or scan another), scan every item into it; the last item
leads to closing: the weight is accepted or keyed, the label on the box is scanned. Screens: carton
(opens one with its first item), pack, close, and aside for an order that was stopped.
"""

from collections.abc import Sequence

import msgspec

from wms.barcodes import label
from wms.outbound.contents import Content, normal
from wms.outbound.pack_rules import (
    Bench,
    CartonChoice,
    OpenCarton,
    expected_g,
    legal_types,
    suggest_type,
)
from wms.outbound.putback_steps import item_accepts, lot_and_serial
from wms.steps import Facts, Packet, Path, Question, Step

ASIDE_VERSION = 0
# A carton step's version: the number of the box, and above it the carton type that was proposed.
BOXES_MOST = 1 << 16


def tote_question(bench: Bench) -> Question:
    holding = {content.lpn_id for content in bench.inside}
    totes = [tote for tote in bench.totes if tote.lpn_id in holding]
    return Question(
        fact="tote",
        ask="Scan the tote",
        show=" or ".join(tote.code for tote in totes[:3]),
        accepts={normal(tote.code): {"tote": str(tote.lpn_id)} for tote in totes},
    )


def carton_question(types: Sequence[CartonChoice], default: str) -> Question:
    return Question(
        fact="carton",
        ask="Take a carton",
        show=default or "any carton",
        accepts={label("CT", choice.code): {"carton": choice.code} for choice in types},
        default=default,
    )


def item_questions(bench: Bench, *, beyond: bool = False) -> list[Question]:
    """Any item in the totes. `beyond` takes what is too many as well, to refuse it in words: a
    page that stood for some scans takes codes that are no longer due."""
    kinds = {content.sku for content in bench.inside}
    show = min(kinds) if len(kinds) == 1 else f"an item of {bench.order_no}"
    contents = [*bench.boxed, *bench.inside] if beyond else bench.inside
    item = Question(fact="item", ask="Scan each item", show=show,
                    accepts=item_accepts(contents, beyond=beyond))  # fmt: skip
    return [item, *lot_and_serial(bench.inside)]


def missing_path(contents: Sequence[Content]) -> Path:
    """What is not there cannot be scanned: it is chosen, then its number is given."""
    lots = {(c.sku, c.lot_code, c.serial): c for c in contents}
    accepts: dict[str, Facts] = {}
    choices: list[tuple[str, str]] = []
    for (sku, lot, serial), content in sorted(lots.items()):
        word = " ".join(part for part in (sku, lot, serial) if part)
        accepts[normal(word)] = {"which": word, "item": str(content.item_id)} | {
            name: value for name, value in (("lot", lot), ("serial", serial)) if value
        }
        choices.append((word, f"{content.description} {lot} {serial}".strip()))
    which = Question(fact="which", ask="What is missing?", accepts=accepts, choices=tuple(choices))
    most = max((content.qty for content in contents), default=1)
    qty = Question(fact="qty", ask="How many are missing?", kind="qty", least=1, most=most,
                   default="1")  # fmt: skip
    return Path(code="missing", word="Missing", questions=(which, qty))


def _other_paths(contents: Sequence[Content]) -> tuple[Path, ...]:
    code = Question(fact="code", ask="Scan the extra item", kind="text")
    plate = Question(fact="plate", ask="Put it on a plate", show="a clarify plate", fresh=("LP",))
    return (
        missing_path(contents),
        Path(code="extra", word="Extra", questions=(code, plate)),
        Path(code="later", word="Give back"),
    )


def _qty_path(bench: Bench, questions: Sequence[Question]) -> Path:
    of_item: dict[int, int] = {}
    for content in bench.inside:
        of_item[content.item_id] = of_item.get(content.item_id, 0) + content.qty
    most = max(of_item.values(), default=1)
    qty = Question(fact="qty", ask="How many?", show=f"1 to {most}", kind="qty", least=1, most=most)
    return Path(code="qty", word="Key a number", questions=(*questions, qty))


def carton_step(bench: Bench, *, beyond: bool = False) -> Step:
    """Open a carton and put its first item in."""
    suggested = suggest_type(bench)
    code = suggested.code if suggested else ""
    questions = (
        tote_question(bench),
        carton_question(legal_types(bench), code),
        *item_questions(bench, beyond=beyond),
    )
    return Step(
        ref=f"carton/{bench.tour_id}",
        version=bench.closed + 1 + BOXES_MOST * bench.proposed,
        title=f"Pack {bench.order_no}",
        verb="TAKE CARTON",
        name=code or "Any carton",
        note=contents_words(bench.inside),
        qty=f"{bench.left} {'piece' if bench.left == 1 else 'pieces'}",
        questions=questions,
        paths=(_qty_path(bench, questions), *_other_paths(bench.inside)),
        keep=("tote",),
    )


def pack_step(bench: Bench, carton: OpenCarton, *, beyond: bool = False) -> Step:
    """Scan items into the open carton until none is left."""
    questions = (tote_question(bench), *item_questions(bench, beyond=beyond))
    bigger = Path(code="box", word="Other box", questions=(carton_question(bench.types, ""),))
    return Step(
        ref=f"pack/{bench.tour_id}",
        version=carton.lpn_id,
        title=f"Pack {bench.order_no}",
        verb="INTO",
        name=f"Box {bench.closed + 1}, carton {carton.type.code}",
        note=contents_words(bench.inside),
        qty=f"{bench.left} left",
        questions=questions,
        paths=(
            _qty_path(bench, questions),
            Path(code="full", word="Full", questions=close_questions(carton, bench.boxed)),
            bigger,
            *_other_paths(bench.inside),
        ),
        repeat=True,
        keep=("tote",),
    )


def close_questions(carton: OpenCarton, boxed: Sequence[Content]) -> tuple[Question, ...]:
    """The weight (the expected one is the default) and the label that is on the box."""
    expected = expected_g(carton, boxed)
    weight = Question(fact="weight", ask="Weight in g", show=f"{expected} g", kind="qty", least=1,
                      default=str(expected))  # fmt: skip
    check = Question(fact="label", ask="Label on, scan it", show=carton.sscc,
                     accepts={carton.sscc: {"label": carton.sscc}})  # fmt: skip
    return weight, check


def close_step(bench: Bench, carton: OpenCarton) -> Step:
    """Weigh, label, and prove that the label is on the right box."""
    weight, check = close_questions(carton, bench.boxed)
    counts = [
        Question(fact=f"count{n}", ask=f"How many {content.sku}?", kind="qty", least=0,
                 show=content.description)
        for n, content in enumerate(bench.boxed)
    ]  # fmt: skip
    weighed = msgspec.structs.replace(weight, default="")
    return Step(
        ref=f"close-carton/{carton.lpn_id}",
        version=bench.units_boxed,
        title=f"Close {bench.order_no}",
        verb="CLOSE",
        name=f"Box {bench.closed + 1}, carton {carton.type.code}",
        note=contents_words(bench.boxed),
        qty=f"{bench.units_boxed} in the box",
        questions=(weight, check),
        paths=(
            Path(code="recount", word="Recount", questions=(*counts, weighed, check)),
            *_other_paths(bench.boxed),
        ),
    )


def aside_step(bench: Bench) -> Step:
    """The order was stopped: its containers are put aside."""
    codes = [tote.code for tote in bench.totes]
    codes += [bench.carton.sscc] if bench.carton else []
    accepts = {normal(code): {"aside": code} for code in codes} or {"ASIDE": {"aside": "nothing"}}
    choices = () if codes else (("ASIDE", "Nothing is here"),)
    return Step(
        ref=f"pack/{bench.tour_id}",
        version=ASIDE_VERSION,
        title=f"Stop {bench.order_no}",
        verb="STOP",
        name=f"{bench.order_no} is {bench.stopped}: put {', '.join(codes) or 'it'} aside",
        questions=(Question(fact="aside", ask="Put aside and scan", show=" or ".join(codes[:3]),
                            accepts=accepts, choices=choices),),
    )  # fmt: skip


def contents_words(contents: Sequence[Content]) -> str:
    """`2 × MUG, 1 × LAMP`, the first few."""
    sums: dict[str, int] = {}
    for content in contents:
        sums[content.sku] = sums.get(content.sku, 0) + content.qty
    words = [f"{qty} × {sku}" for sku, qty in sorted(sums.items())]
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")


def current_step(bench: Bench) -> Step | None:
    """What the bench asks now; None when the order is packed."""
    if bench.stopped:
        return aside_step(bench)
    if bench.carton is None:
        return carton_step(bench) if bench.inside else None
    if bench.inside:
        return pack_step(bench, bench.carton)
    return close_step(bench, bench.carton)


def bench_packet(bench: Bench) -> Packet:
    """The one step that is open; the server leads to the next."""
    step = current_step(bench)
    here = f"/floor/pack/{bench.tour_id}"
    return Packet(
        flow="pack",
        title="Pack",
        steps=(step,) if step else (),
        here=here,
        after="/floor/next" if bench.stopped or step is None else here,
        done=bench.packed,
        total=bench.packed + bench.left,
    )
