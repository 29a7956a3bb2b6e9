"""The questions of picking into totes, from facts to packets. Pure.

The picker binds a tote to each place of the cart, then at every bin: scan the bin (or key its
check digits), scan the item, take the quantity (the trigger on the tote accepts it), scan the
tote. At the end all totes are dropped at a pack station. Screens: bind, pick, drop.
"""

import msgspec

from wms.barcodes import label
from wms.steps import Facts, Packet, Path, Question, Step

SLOT_WORDS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FOUND_MAX = 500  # a short of more units than this is keyed as nothing found


class PickFacts(msgspec.Struct, kw_only=True):
    """Everything one pick step asks and shows; one row of LOAD_PICKS."""

    id: int
    tour_id: int
    seq: int
    version: int
    state: str
    qty: int
    qty_done: int
    slot: int
    tour_state: str
    claimed_by: int | None
    order_id: int
    order_no: str
    correlation_id: str
    owner_id: int
    owner_code: str
    order_line_id: int
    allocation_id: int | None
    item_id: int
    sku: str
    description: str
    item_codes: list[str]
    lot_id: int | None
    lot_code: str
    expires_on: str
    serial: str
    bin_id: int
    bin_code: str
    check_digits: str
    lpn_id: int | None
    lpn_code: str
    tote_id: int | None
    tote_code: str
    hand_bin_id: int | None = None

    @property
    def left(self) -> int:
        return self.qty - self.qty_done


class SlotFacts(msgspec.Struct, kw_only=True):
    """One place on the cart."""

    slot: int
    order_no: str
    tote_code: str


def bin_codes(bin_id: int, code: str, digits: str) -> dict[str, Facts]:
    """What proves a bin: its label, or the check digits printed beside it."""
    proof = {"bin": str(bin_id)}
    codes = {label("BN", code): proof}
    if digits:
        codes[digits] = proof
    return codes


def pick_questions(pick: PickFacts) -> tuple[Question, ...]:
    """Bin, item (a GS1 lot is checked), serial where tracked, quantity over one, tote."""
    item = {"item": str(pick.item_id)}
    accepted = dict.fromkeys((*pick.item_codes, pick.sku), item)
    if pick.lpn_code:
        accepted[pick.lpn_code] = item
    asked = [
        Question(fact="bin", ask="Go to bin", show=pick.bin_code,
                 accepts=bin_codes(pick.bin_id, pick.bin_code, pick.check_digits)),
        Question(fact="item", ask="Scan item", show=pick.sku, accepts=accepted),
    ]  # fmt: skip
    if pick.lot_code:
        asked.append(
            Question(fact="lot", ask="Scan lot", show=pick.lot_code, silent=True,
                     accepts={pick.lot_code: {"lot": pick.lot_code}})
        )  # fmt: skip
    if pick.serial:
        asked.append(
            Question(fact="serial", ask="Scan serial", show=pick.serial,
                     accepts={pick.serial: {"serial": pick.serial}})
        )  # fmt: skip
    if pick.left > 1:
        asked.append(
            Question(fact="qty", ask="Take", show=str(pick.left), kind="qty", least=1,
                     most=pick.left, default=str(pick.left))
        )  # fmt: skip
    asked.append(tote_question(pick))
    return tuple(asked)


def tote_question(pick: PickFacts) -> Question:
    return Question(
        fact="tote",
        ask=f"Put in tote {SLOT_WORDS[pick.slot - 1]}",
        show=pick.tote_code,
        accepts={pick.tote_code: {"tote": str(pick.tote_id)}},
    )


def pick_paths(pick: PickFacts, *, goods_in_hand: bool) -> tuple[Path, ...]:
    """The ways out: short, damaged, tote full, skip, and (with empty hands) later."""
    most = min(pick.left, FOUND_MAX)
    found = Question(fact="found", ask="How many are there?", kind="qty", least=0, most=most - 1)
    if most == 1:
        found = msgspec.structs.replace(found, default="0")
    tote = msgspec.structs.replace(
        tote_question(pick), only_if={"found": tuple(str(n) for n in range(1, most))}
    )
    damaged = Question(fact="damaged", ask="How many are damaged?", kind="qty", least=1,
                       most=pick.left, default="1")  # fmt: skip
    fresh = Question(fact="tote", ask="Scan an empty tote", fresh=("TT",))
    paths = [
        Path(code="short", word="Short", questions=(found, tote)),
        Path(code="damaged", word="Damaged", questions=(damaged,)),
        Path(code="full", word="Tote full", questions=(fresh,)),
        Path(code="skip", word="Skip for now"),
    ]
    if not goods_in_hand:
        paths.append(Path(code="later", word="Give back"))
    return tuple(paths)


def pick_step(pick: PickFacts, *, goods_in_hand: bool = True) -> Step:
    """One pick as a step of the packet."""
    note = f"Lot {pick.lot_code}" if pick.lot_code else ""
    if pick.expires_on:
        note += f", best before {pick.expires_on}"
    return Step(
        ref=f"pick/{pick.id}",
        version=pick.version,
        title=f"Pick for {pick.order_no}",
        verb="GO TO",
        name=f"{pick.description} · {pick.sku}",
        note=note,
        qty=f"{pick.left} {'piece' if pick.left == 1 else 'pieces'}",
        questions=pick_questions(pick),
        paths=pick_paths(pick, goods_in_hand=goods_in_hand),
    )


def bind_step(tour_id: int, slot: SlotFacts) -> Step:
    """Bind an empty tote to a place of the cart."""
    word = SLOT_WORDS[slot.slot - 1]
    return Step(
        ref=f"bind/{tour_id}.{slot.slot}",
        version=1,
        title=f"Tote {word}",
        verb="PLACE",
        name=f"Empty tote on place {word} for {slot.order_no}",
        questions=(Question(fact="tote", ask=f"Scan an empty tote for {word}", show=word,
                            fresh=("TT",)),),
        paths=(Path(code="later", word="Give back"),),
    )  # fmt: skip


def drop_step(tour_id: int, stations: list[tuple[int, str, str]], totes: int) -> Step:
    """Drop all totes at a pack station. `stations`: (bin id, code, check digits)."""
    accepts: dict[str, Facts] = {}
    for bin_id, code, digits in stations:
        accepts.update(bin_codes(bin_id, code, digits))
    words = "Bring the tote" if totes == 1 else f"Bring {totes} totes"
    return Step(
        ref=f"drop/{tour_id}",
        version=1,
        title="Drop",
        verb="BRING TO",
        name=f"{words} to a pack station",
        questions=(Question(fact="bin", ask="Scan the pack station",
                            show=stations[0][1] if stations else "PACK", accepts=accepts),),
    )  # fmt: skip


def tour_packet(
    tour_id: int,
    slots: list[SlotFacts],
    picks: list[PickFacts],
    stations: list[tuple[int, str, str]],
    *,
    goods_in_hand: bool,
    message: str = "",
) -> Packet:
    """The whole tour: unbound totes first (then the page is asked again), then picks, then drop."""
    here = f"/floor/pick/{tour_id}"
    unbound = [bind_step(tour_id, slot) for slot in slots if not slot.tote_code]
    done = sum(pick.state != "open" for pick in picks)
    if unbound:
        return Packet(flow="pick", title="Get totes", steps=tuple(unbound), here=here, after=here,
                      done=len(slots) - len(unbound), total=len(slots))  # fmt: skip
    steps = [pick_step(pick, goods_in_hand=goods_in_hand) for pick in picks if pick.state == "open"]
    steps.append(drop_step(tour_id, stations, len(slots)))
    return Packet(flow="pick", title="Pick", steps=tuple(steps), here=here, after="/floor/next",
                  done=done, total=len(picks), message=message)  # fmt: skip
