"""The questions of a blind count, from what is booked to a packet, and scans to a tally. Pure.

Scan the bin. One kind of goods: key how many. Otherwise item by item: scan it, its lot or serial
where it has one, key how many; a plate that is whole is one scan. The bin again: nothing else is
here. The ways out: empty, other goods than expected, a plate that is not booked here, give back.

One act carries the whole bin, so that it is judged and posted at one moment. The page asks for
up to ROUNDS_MAX things; what it accepts is hidden, and quantities are never shown.
"""

from collections.abc import Sequence

import msgspec

from wms.barcodes import label, read
from wms.counting.rules import Booked
from wms.errors import Refused
from wms.steps import Facts, Packet, Path, Question, Step

ROUNDS_MAX = 40
NONE = "-"


class CountFacts(msgspec.Struct, kw_only=True):
    """The count of one bin as its page needs it."""

    task_id: int
    tour_id: int
    version: int
    count_id: int
    round: int
    state: str
    cause: str
    bin_id: int
    bin_code: str
    check_digits: str


class Tallied(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was scanned: an item (by id or by its code), or a whole plate."""

    item_id: int | None = None
    code: str = ""
    plate: str = ""
    lot: str = ""
    serial: str = ""
    qty: int = 0


def packet_of(counts: Sequence[tuple[CountFacts, list[Booked]]], tour_id: int) -> Packet:
    return Packet(
        flow="count",
        title="Count",
        steps=tuple(count_step(facts, held) for facts, held in counts),
        here=f"/floor/count/{tour_id}",
        after="/floor/next",
        total=len(counts),
    )


def count_step(facts: CountFacts, held: list[Booked]) -> Step:
    one = only_goods(held)
    listed = (_bin(facts, opens=True), *_rounds(facts, held))
    paths = [Path(code="empty", word="Empty", questions=(_bin(facts),))]
    if one is not None:
        paths.append(Path(code="list", word="Other goods here", questions=listed))
    plate = Question(fact="plate", ask="Scan the plate", show="found here",
                     fresh=("LP", "TT", "sscc"))  # fmt: skip
    paths.append(Path(code="plate", word="Plate from elsewhere", questions=(_bin(facts), plate)))
    paths.append(Path(code="later", word="Give back"))
    return Step(
        ref=f"count/{facts.task_id}",
        version=facts.version,
        title=f"Count {facts.bin_code}",
        verb="COUNT",
        name=f"{one.description} · {one.sku}" if one else "Everything in the bin",
        note=f"Lot {one.lot_code}" if one and one.lot_code else "",
        questions=(_bin(facts), _quantity()) if one else listed,
        paths=tuple(paths),
    )


def only_goods(held: list[Booked]) -> Booked | None:
    """The one item and lot booked loose in the bin, when there is nothing else."""
    kinds = {each.key for each in held}
    if len(kinds) != 1 or held[0].lpn_id is not None or held[0].serial_tracked:
        return None
    return held[0]


def _bin(facts: CountFacts, *, opens: bool = False) -> Question:
    """The bin proves presence; in the list it also opens the rounds."""
    proof = {"bin": str(facts.bin_id)} | ({"open": "yes"} if opens else {})
    return Question(fact="bin", ask="Go to bin", show=facts.bin_code,
                    accepts=dict.fromkeys(_bin_labels(facts), proof))  # fmt: skip


def _bin_labels(facts: CountFacts) -> list[str]:
    return [label("BN", facts.bin_code), *([facts.check_digits] if facts.check_digits else [])]


def _quantity() -> Question:
    return Question(fact="qty", ask="How many pieces?", kind="qty")


def _rounds(facts: CountFacts, held: list[Booked]) -> list[Question]:
    """Item, lot, serial, quantity, over and over, until the bin is scanned again."""
    rounds = min(max(2 * len({each.key for each in held}) + 6, 10), ROUNDS_MAX)
    return [each for n in range(1, rounds + 1) for each in _round(facts, held, n)]


def _round(facts: CountFacts, held: list[Booked], n: int) -> list[Question]:
    item, lot, serial, qty = (f"{fact}{n}" for fact in ("item", "lot", "serial", "qty"))
    still = {"open": ("yes",)}
    end = {item: "end", "open": "no"}
    accepts: dict[str, Facts] = dict.fromkeys(_bin_labels(facts), end)
    lots, serials = {}, {}
    shared = _shared_codes(held)
    for each in held:
        if each.lpn_id is not None:
            whole = {item: f"plate:{each.lpn_code}", lot: NONE, serial: NONE, qty: "0"}
            accepts[each.lpn_code] = whole
            continue
        proof = {item: str(each.item_id)}
        proof |= {} if each.lot_tracked else {lot: NONE}
        proof |= {qty: "1"} if each.serial_tracked else {serial: NONE}
        codes = [code for code in (*each.codes, each.sku) if code not in shared]
        accepts |= dict.fromkeys(codes, proof)
        # A known item says whether it needs a mark; for any other the mark may be left out.
        lots[str(each.item_id)] = serials[str(each.item_id)] = ""
    return [
        Question(fact=item, ask="Scan item or plate; bin again when done", show=facts.bin_code,
                 accepts=accepts, fresh=("gtin", "raw"), only_if=still),
        Question(fact=lot, ask="Scan or key the lot", kind="text", default=NONE, by=item,
                 default_by=lots, only_if=still),
        Question(fact=serial, ask="Scan the serial", kind="text", default=NONE, by=item,
                 default_by=serials, only_if=still),
        Question(fact=qty, ask="How many pieces?", kind="qty", only_if=still),
    ]  # fmt: skip


def _shared_codes(held: list[Booked]) -> set[str]:
    """Codes of two items in the bin: they prove neither, so such an item is keyed by its SKU."""
    owners: dict[str, int] = {}
    shared: set[str] = set()
    for each in held:
        for code in (*each.codes, each.sku):
            if owners.setdefault(code, each.item_id) != each.item_id:
                shared.add(code)
    return shared


def tally(facts: Facts, held: list[Booked]) -> list[Tallied]:
    """What the facts of a finished act say is in the bin."""
    if "open" not in facts:
        one = only_goods(held)
        if one is None or "qty" not in facts:
            return []
        return [Tallied(item_id=one.item_id, lot=one.lot_code, qty=int(facts["qty"]))]
    found: list[Tallied] = []
    known = {str(each.item_id) for each in held}
    for n in range(1, ROUNDS_MAX + 1):
        item = facts.get(f"item{n}", "end")
        if item == "end":
            break
        if item.startswith("plate:"):
            found.append(Tallied(plate=item.removeprefix("plate:")))
            continue
        found.append(
            Tallied(
                item_id=int(item) if item in known else None,
                code="" if item in known else item,
                lot=_mark(facts.get(f"lot{n}", NONE), "lot"),
                serial=_mark(facts.get(f"serial{n}", NONE), "serial"),
                qty=int(facts[f"qty{n}"]),
            )
        )
    return found


def _mark(keyed: str, fact: str) -> str:
    """A lot or serial as keyed, or as a GS1 code says it."""
    if keyed == NONE:
        return ""
    try:
        return read(keyed).facts.get(fact, keyed)
    except Refused:
        return keyed
