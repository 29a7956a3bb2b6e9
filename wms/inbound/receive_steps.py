"""The questions of receiving, from a delivery to its packet. Pure.

One page for the whole truck. Scan an announced plate twice: all of it is in. Or scan an item (a
GS1 case says lot, date and quantity itself), then whatever is not yet known, then the plate the
goods stand on; that plate stays until another one is scanned. The ways out: damaged, not
expected, unknown code, plate complete, truck empty.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from wms.barcodes import OWN_KINDS, read
from wms.errors import Refused
from wms.inbound.receive_sql import Delivery
from wms.inbound.rules import DAMAGES, Line, NotOnLabel
from wms.steps import Facts, Packet, Path, Question, Step

PLATE_LABELS = ("LP", "sscc")


def packet_of(delivery: Delivery, *, message: str = "") -> Packet:
    head = delivery.head
    done = sum(min(line.received, line.qty) for line in delivery.lines)
    total = sum(line.qty for line in delivery.lines)
    steps = (receive_step(delivery),) if head.state in ("open", "receiving") else ()
    return Packet(
        flow="receive",
        title=f"Receive {head.external_id}",
        steps=steps,
        here=f"/floor/receive/{head.id}",
        done=done,
        total=total,
        message=message,
    )


def receive_step(delivery: Delivery) -> Step:
    head = delivery.head
    left = sum(line.open for line in delivery.lines)
    return Step(
        ref=f"receive/{head.id}",
        version=1,  # every act is judged against the delivery as it is now, never as it was shown
        title=f"Receive {head.external_id}",
        verb="RECEIVE",
        name=" · ".join(part for part in (head.supplier, head.owner_code) if part),
        note=_biggest_open(delivery.lines),
        qty=f"{left} to come" if left else "all here",
        questions=normal_questions(delivery),
        paths=paths_of(delivery),
        repeat=True,
        keep=("lpn",),
    )


def _biggest_open(lines: list[Line]) -> str:
    most = sorted((line for line in lines if line.open), key=lambda line: -line.open)[:3]
    return ", ".join(f"{line.open} × {line.sku}" for line in most)


def normal_questions(delivery: Delivery) -> tuple[Question, ...]:
    items = Question(
        fact="item",
        ask="Scan pallet, case or item",
        show=f"goods of {delivery.head.external_id}",
        accepts={**item_codes(delivery), **plate_codes(delivery)},
    )
    return (items, *_again_questions(delivery), *item_questions(delivery, _open_qty(delivery)),
            _plate_question(delivery))  # fmt: skip


def item_codes(delivery: Delivery) -> dict[str, Facts]:
    """Barcode or SKU -> item and pack level. A barcode of two items on the truck proves neither."""
    shared = Counter(code.value for code in delivery.codes)
    accepts = {
        code.value: {"item": str(code.item_id), "unit": f"{code.item_id}.{code.level}"}
        for code in delivery.codes
        if shared[code.value] == 1
    }
    for line in delivery.lines:
        each = {"item": str(line.item_id), "unit": f"{line.item_id}.each"}
        accepts.setdefault(normal(line.sku), each)
    return accepts


def normal(code: str) -> str:
    """The form in which a scan of this code is looked up."""
    try:
        return read(code).code
    except Refused:
        return code


def announced_plates(delivery: Delivery) -> dict[str, list[Line]]:
    """Announced plates that can be taken whole: all is known of them, nothing of them came yet."""
    plates: dict[str, list[Line]] = {}
    for line in delivery.lines:
        if line.sscc:
            plates.setdefault(line.sscc, []).append(line)
    return {sscc: lines for sscc, lines in plates.items() if all(map(_is_told, lines))}


def _is_told(line: Line) -> bool:
    """True when the announcement says all that stock must know, and nothing of it came yet."""
    lot_known = not line.lot_tracked or line.lot_code != ""
    date_known = not line.expiry_tracked or line.expires_on is not None
    return lot_known and date_known and not line.serial_tracked and not line.received


def plate_codes(delivery: Delivery) -> dict[str, Facts]:
    return {sscc: {"item": "plate", "plate": sscc} for sscc in announced_plates(delivery)}


def _again_questions(delivery: Delivery) -> list[Question]:
    """Content right? The same plate again takes all of it; each plate shows its own content."""
    return [
        Question(
            fact="all",
            ask="Content right? Scan the plate again",
            show=", ".join(f"{line.qty} × {line.sku}" for line in lines)[:120],
            accepts={sscc: {"all": sscc}},
            only_if={"plate": (sscc,)},
        )
        for sscc, lines in announced_plates(delivery).items()
    ]


def item_questions(delivery: Delivery, qty_default: dict[str, str]) -> list[Question]:
    """Lot, date and serial where the item is tracked; quantity where it is not by serial."""
    asked: list[Question] = []
    lots = {line.lot_code: line for line in delivery.lines if line.lot_code}
    for fact, ask, kind, tracked in (
        ("lot", "Scan or key the lot", "text", _ids(delivery, "lot_tracked")),
        ("expiry", "Best before", "date", _ids(delivery, "expiry_tracked")),
        ("serial", "Scan the serial", "text", _ids(delivery, "serial_tracked")),
    ):
        if tracked:
            question = Question(fact=fact, ask=ask, kind=kind, only_if={"item": tracked})
            if fact == "expiry":
                dates = {code: str(line.expires_on) for code, line in lots.items()
                         if line.expires_on}  # fmt: skip
                question = msgspec.structs.replace(question, by="lot", default_by=dates)
            asked.append(question)
    counted = _ids(delivery, "serial_tracked", wanted=False)
    if counted:
        asked.append(
            Question(fact="qty", ask="How many pieces?", kind="qty", least=1, by="unit",
                     default_by=qty_default, only_if={"item": counted})
        )  # fmt: skip
    return asked


def _ids(delivery: Delivery, flag: str, *, wanted: bool = True) -> tuple[str, ...]:
    found = {str(line.item_id) for line in delivery.lines if getattr(line, flag) is wanted}
    return tuple(sorted(found, key=int))


def _open_qty(delivery: Delivery) -> dict[str, str]:
    """By scanned unit: what is still to come for a piece, the pack's content for a case."""
    left = Counter({line.item_id: 0 for line in delivery.lines})
    for line in delivery.lines:
        left[line.item_id] += line.open
    defaults = {unit: str(qty) for unit, qty in _units(delivery).items() if qty > 1}
    defaults |= {f"{item_id}.each": str(qty) for item_id, qty in left.items() if qty}
    return defaults


def _units(delivery: Delivery) -> dict[str, int]:
    """Every unit a code of the delivery may name, with its pieces."""
    units = {f"{line.item_id}.each": 1 for line in delivery.lines}
    return units | {f"{code.item_id}.{code.level}": code.qty for code in delivery.codes}


def mark_of(delivery: Delivery, facts: Facts, fact: str) -> str:
    """The lot or serial of an act. A second scan of the item is none; a GS1 code says its own."""
    keyed = facts.get(fact, "")
    try:
        reading = read(keyed)
    except Refused:
        return keyed
    mark = reading.facts.get(fact, keyed)
    of_item = reading.code in {code.value for code in delivery.codes}
    if mark == keyed and (of_item or reading.kind in ("sscc", *OWN_KINDS)):
        raise NotOnLabel(scanned=keyed, fact=fact)
    return mark


def pieces(delivery: Delivery, facts: Facts, scans: Sequence[str]) -> int:
    """The quantity of an act in pieces: a GS1 count (AI 30, 37) counts the units of its GTIN."""
    qty = int(facts["qty"])
    for raw in scans:
        try:
            reading = read(raw)
        except Refused:
            continue
        if reading.kind == "gtin" and reading.facts.get("qty") == facts["qty"]:
            return qty * _units(delivery).get(facts.get("unit", ""), 1)
    return qty


def _plate_question(delivery: Delivery) -> Question:
    """The plate the goods stand on, asked of real items only."""
    real = {str(line.item_id) for line in delivery.lines}
    return Question(
        fact="lpn",
        ask="Scan the plate",
        show="open or new plate",
        accepts={code: {"lpn": code} for code in delivery.open_plates},
        fresh=PLATE_LABELS,
        only_if={"item": tuple(sorted(real, key=int))},
    )


def paths_of(delivery: Delivery) -> tuple[Path, ...]:
    aside = Question(fact="lpn", ask="Scan a plate for them", show=delivery.head.clarify_code,
                     fresh=PLATE_LABELS,
                     accepts={code: {"lpn": code} for code in delivery.open_plates})  # fmt: skip
    item = Question(fact="item", ask="Scan the item", accepts=item_codes(delivery))
    ones = dict.fromkeys(_units(delivery), "1")
    why = Question(fact="why", ask="What is wrong?", show="reason", choices=DAMAGES,
                   accepts={code: {"why": code} for code, _word in DAMAGES})  # fmt: skip
    anything = msgspec.structs.replace(item, fresh=("gtin", "raw"))
    many = Question(fact="qty", ask="How many pieces?", kind="qty", least=1)
    sure = Question(fact="sure", ask="Is the truck empty?", show="yes",
                    accepts={"yes": {"sure": "yes"}},
                    choices=(("yes", "Truck empty"),))  # fmt: skip
    paths = [
        Path(code="damaged", word="Damaged",
             questions=(item, *item_questions(delivery, ones), why, aside)),
        Path(code="over", word="Not expected",
             questions=(anything, *_over_questions(delivery), many, aside)),
        Path(code="unknown", word="Unknown code",
             questions=(Question(fact="code", ask="Scan its code", kind="text"),
                        Question(fact="what", ask="What is it?", kind="text"), many, aside)),
    ]  # fmt: skip
    if delivery.open_plates:
        done = Question(fact="lpn", ask="Which plate is complete?", show="open plate",
                        accepts={code: {"lpn": code} for code in delivery.open_plates})  # fmt: skip
        paths.append(Path(code="full", word="Plate complete", questions=(done,)))
    paths.append(Path(code="close", word="Truck empty", questions=(sure,)))
    return tuple(paths)


def _over_questions(delivery: Delivery) -> list[Question]:
    """Lot, date and serial of announced items; what is not announced is clarified later."""
    return [each for each in item_questions(delivery, {}) if each.fact != "qty"]
