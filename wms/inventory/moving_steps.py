"""The questions of moving, from a source to a packet. Pure.

The page of a known plate asks only where it goes; the page of a known bin asks what is taken, how
many, and where it goes. Without a source: scan the plate, then where it goes, or leave by "From a
bin". A bin scanned twice as source means everything in it.
"""

from collections import Counter

import msgspec

from wms.barcodes import label
from wms.steps import Facts, Packet, Path, Question, Step

PLATES = ("LP", "TT", "sscc")
NONE = "-"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Goods at the source that may be moved: one item, lot and serial, over all statuses."""

    item_id: int
    sku: str
    description: str
    mark: str  # its lot or serial
    free: int
    codes: list[str] = []


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where goods are taken: `kind` bin | plate | any."""

    kind: str
    ident: str = "0"
    code: str = ""
    check_digits: str = ""
    parts: list[Part] = []


def packet_of(source: Source) -> Packet:
    step = move_step(source)
    here = f"/floor/move/{source.ident}"
    return Packet(flow="move", title="Move", steps=(step,), here=here, after="/floor")


def move_step(source: Source) -> Step:
    to = Question(fact="to", ask="Where to? Scan bin or plate", show="bin or plate",
                  fresh=("BN", *PLATES))  # fmt: skip
    plate = Question(fact="plate", ask="Scan the plate", show="plate", fresh=PLATES)
    bin_ = Question(fact="bin", ask="Scan the bin", show="bin", fresh=("BN",))
    item = Question(fact="item", ask="Scan the item", show="item", fresh=("gtin", "raw"))
    mark = Question(fact="mark", ask="Lot or serial, if it has one", kind="text", default=NONE)
    qty = Question(fact="qty", ask="How many pieces?", kind="qty", least=1)
    match source.kind:
        case "plate":
            part = (*_part_questions(source), to)
            paths = (Path(code="part", word="Part of it", questions=part),) if source.parts else ()
            questions = (to,)
        case "bin":
            paths = ()
            questions = (*_part_questions(source), to)
        case _:
            loose = (bin_, item, mark, qty, to)
            paths = (Path(code="loose", word="From a bin", questions=loose),)
            questions = (plate, to)
    return Step(
        ref=f"move/{source.ident}",
        version=1,
        title="Move",
        verb="MOVE",
        name=", ".join(f"{part.free} × {part.sku}" for part in source.parts)[:200],
        note=source.code,
        questions=questions,
        paths=paths,
        repeat=source.kind == "any",
    )


def _part_questions(source: Source) -> tuple[Question, ...]:
    """What is taken from a known source; everything, when the source itself is scanned."""
    accepts: dict[str, Facts] = {}
    everything = {"item": "all", "mark": NONE, "qty": "0"}
    if source.kind == "bin":
        accepts[label("BN", source.code)] = everything
        if source.check_digits:
            accepts[source.check_digits] = everything
    marks = Counter(part.item_id for part in source.parts)
    owners: dict[str, set[int]] = {}
    for part in source.parts:
        for code in (*part.codes, part.sku):
            owners.setdefault(code, set()).add(part.item_id)
    most: dict[str, str] = {}
    for part in source.parts:
        one = marks[part.item_id] == 1
        proof = {"item": str(part.item_id)} | ({"mark": part.mark or NONE} if one else {})
        named = [code for code in (*part.codes, part.sku) if len(owners[code]) == 1]
        accepts |= dict.fromkeys(named, proof)
        most[str(part.item_id)] = str(part.free) if one else ""
    several = tuple(str(item_id) for item_id, count in marks.items() if count > 1)
    asked = [
        Question(fact="item", ask="What is moved?", show="item, or the bin again for all",
                 accepts=accepts),
    ]  # fmt: skip
    if several:
        asked.append(Question(fact="mark", ask="Scan its lot or serial", kind="text",
                              only_if={"item": several}))  # fmt: skip
    asked.append(Question(fact="qty", ask="How many pieces?", kind="qty", least=1, by="item",
                          default_by=most))  # fmt: skip
    return tuple(asked)
