"""The questions of the pack bench, from facts to packets, and what the bench judges. Pure.

Scan the tote, take the proposed carton (or scan another), scan every item into it; the last item
leads to closing: the weight is accepted or keyed, the label on the box is scanned. Screens: carton
(opens one with its first item), pack, close, and aside for an order that was stopped.
"""

from collections.abc import Sequence

import msgspec

from wms.barcodes import label
from wms.errors import Refused
from wms.outbound.contents import Content, normal
from wms.outbound.putback_steps import find_content, item_accepts, lot_and_serial
from wms.steps import Facts, Packet, Path, Question, Step

# A scale and the master data agree within this, else the box is recounted.
TOLERANCE_SHARE = 0.05
TOLERANCE_G = 30
FILL_MAX = 0.85  # of a carton's volume, where no plan says better
ASIDE_VERSION = 0


class AllPacked(Refused):
    say = "All {sku} of {order} are in boxes already: this one is extra. Put it aside, tap Extra."


class TooMany(Refused):
    say = "Only {left} × {sku} can be taken at once here, not {qty}. Scan the pieces one by one."


class CartonFull(Refused):
    say = "With that the box weighs more than {max_g} g. Tap Full and open another box."


class WeightOff(Refused):
    say = "{weight} g, but {expected} g was expected. Take everything out and tap Recount."


class LotRecalled(Refused):
    say = "Stop: lot {lot} of {sku} was recalled. Put it aside and call your lead."


class CountDiffers(Refused):
    say = "{sku}: {counted} counted, {booked} scanned in. Look again, or tap Missing."


class Tote(msgspec.Struct, frozen=True, kw_only=True):
    """A tote of the order at the bench."""

    lpn_id: int
    code: str
    task_id: int


class CartonChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A carton type in the rack."""

    id: int
    code: str
    inner_mm: tuple[int, int, int]
    tare_g: int
    gross_max_g: int

    @property
    def inner_mm3(self) -> int:
        return self.inner_mm[0] * self.inner_mm[1] * self.inner_mm[2]


class OpenCarton(msgspec.Struct, frozen=True, kw_only=True):
    """The box that is being filled. Its label can be printed from the first item on."""

    lpn_id: int
    sscc: str
    bin_id: int
    type: CartonChoice


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the bench asks and shows for one order.

    `stopped`: held | cancelled | nothing. `planned`: type the plan wants next. `closed`: boxes
    closed so far. `packed`: units in boxes.
    """

    tour_id: int
    order_id: int
    order_no: str
    stopped: str = ""
    totes: list[Tote]
    inside: list[Content]  # in the totes
    carton: OpenCarton | None = None
    boxed: list[Content] = []  # in the open carton
    types: list[CartonChoice]
    planned: str = ""
    closed: int = 0
    packed: int = 0

    @property
    def left(self) -> int:
        return sum(content.qty for content in self.inside)

    @property
    def units_boxed(self) -> int:
        return sum(content.qty for content in self.boxed)


class Taken(msgspec.Struct, frozen=True):
    """So much of one balance goes into the box."""

    content: Content
    qty: int


def pick_up(bench: Bench, facts: Facts) -> Taken:
    """What the scanned facts take out of which tote: the scanned one, or where it is by the book.

    Raises AllPacked, TooMany.
    """
    per = facts.get("qty") or facts.get("per") or "1"
    qty = 1 if facts.get("serial") else int(per)
    tote = int(facts.get("tote", 0))
    here = find_content(bench.inside, facts, lpn_id=tote)
    anywhere = find_content(bench.inside, facts)
    for content in (here, anywhere):
        if content is not None and content.qty >= qty:
            return Taken(content, qty)
    if anywhere is None:
        known = find_content(bench.boxed, {"item": facts["item"]})
        raise AllPacked(sku=known.sku if known else "that", order=bench.order_no)
    raise TooMany(left=anywhere.qty, sku=anywhere.sku, qty=qty)


def require_not_recalled(contents: Sequence[Content]) -> None:
    """Recalled goods never leave. Raises LotRecalled."""
    for content in contents:
        if content.recalled:
            raise LotRecalled(lot=content.lot_code, sku=content.sku)


def require_strength(bench: Bench, carton: OpenCarton, taken: Taken) -> None:
    """A box is not made heavier than it may be; a single piece that is too heavy may still go.

    Raises CartonFull.
    """
    heavier = expected_g(carton, bench.boxed) + taken.qty * taken.content.unit_g
    if bench.boxed and heavier > carton.type.gross_max_g:
        raise CartonFull(max_g=carton.type.gross_max_g)


def expected_g(carton: OpenCarton, boxed: Sequence[Content]) -> int:
    """What the box should weigh by the master data."""
    return max(1, carton.type.tare_g + sum(content.qty * content.unit_g for content in boxed))


def require_weight(carton: OpenCarton, boxed: Sequence[Content], weight_g: int) -> None:
    """The weight fits the contents, where the master data knows every item's. Raises WeightOff."""
    expected = expected_g(carton, boxed)
    allowed = max(TOLERANCE_G, expected * TOLERANCE_SHARE)
    if all(content.unit_g for content in boxed) and abs(weight_g - expected) > allowed:
        raise WeightOff(weight=weight_g, expected=expected)


def require_count(boxed: Sequence[Content], facts: Facts) -> None:
    """A recount found exactly what was scanned in. Raises CountDiffers."""
    for n, content in enumerate(boxed):
        if int(facts[f"count{n}"]) != content.qty:
            raise CountDiffers(sku=content.sku, counted=facts[f"count{n}"], booked=content.qty)


def fits_inside(content: Content, carton: CartonChoice) -> bool:
    """One piece goes into the empty carton, turned any way."""
    pairs = zip(sorted(content.unit_mm), sorted(carton.inner_mm), strict=True)
    return all(piece <= room for piece, room in pairs)


def legal_types(bench: Bench) -> list[CartonChoice]:
    """Types that can take at least one of the pieces; all of them when no size can be right."""
    legal = [t for t in bench.types if any(fits_inside(content, t) for content in bench.inside)]
    return legal or bench.types


def suggest_type(bench: Bench) -> CartonChoice | None:
    """The planned type; without a plan the smallest that takes all, else the largest."""
    legal = sorted(legal_types(bench), key=lambda choice: (choice.inner_mm3, choice.code))
    for choice in legal:
        if choice.code == bench.planned:
            return choice
    volume = sum(c.qty * c.unit_mm[0] * c.unit_mm[1] * c.unit_mm[2] for c in bench.inside)
    weight = sum(content.qty * content.unit_g for content in bench.inside)
    for choice in legal:
        roomy = volume <= choice.inner_mm3 * FILL_MAX
        strong = choice.tare_g + weight <= choice.gross_max_g
        if roomy and strong and all(fits_inside(content, choice) for content in bench.inside):
            return choice
    return legal[-1] if legal else None


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
    most = max((content.qty for content in bench.inside), default=1)
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
        version=bench.closed + 1,
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
