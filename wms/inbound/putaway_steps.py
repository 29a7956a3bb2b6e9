"""The questions of putaway, from facts to packets. Pure.

Scan the plate, go, scan the bin (or key its check digits). A mixed plate also asks for the item
that goes into this bin. Another bin is taken when it is legal: its second scan confirms. The ways
out: bin full (part may have gone in), bin blocked, give back; where no bin is known, the plate can
be set aside for a lead.
"""

import msgspec

from wms.barcodes import label
from wms.steps import Facts, Packet, Path, Question, Step

PLANNED = "planned"


class PutFacts(msgspec.Struct, kw_only=True):
    """Everything one put asks and shows; one row of putaway_sql.LOAD_PUTS."""

    id: int
    tour_id: int
    version: int
    state: str
    item_id: int | None
    sku: str
    description: str
    item_codes: list[str]
    lot_id: int | None
    lot_code: str
    qty: int
    qty_done: int
    lpn_id: int
    lpn_code: str
    lpn_bin_id: int
    contents: str
    mixed: bool
    to_bin_id: int | None
    to_code: str
    check_digits: str
    clarify_code: str
    reason: str
    goods_in_hand: bool
    correlation_id: str
    puts_open: int

    @property
    def left(self) -> int:
        return self.qty - self.qty_done


def put_step(put: PutFacts) -> Step:
    whole = put.item_id is None
    return Step(
        ref=f"putaway/{put.id}",
        version=put.version,
        title=f"Put away {put.lpn_code}",
        verb="PUT IN" if put.to_code else "FIND A BIN",
        name=put.contents if whole else f"{put.description} · {put.sku}",
        note=put.reason + (f", lot {put.lot_code}" if put.lot_code else ""),
        qty="whole plate" if whole else f"{put.left} {'piece' if put.left == 1 else 'pieces'}",
        questions=(*_load_questions(put), *_bin_questions(put)),
        paths=_paths(put),
    )


def _load_questions(put: PutFacts) -> tuple[Question, ...]:
    """What is put away: the plate in the stage, or the item of a plate that is in hand."""
    asked: list[Question] = []
    if not put.goods_in_hand:
        plate = {put.lpn_code: {"lpn": put.lpn_code}}
        asked.append(Question(fact="lpn", ask="Scan the plate", show=put.lpn_code, accepts=plate))
    if put.item_id is not None and put.mixed:
        codes = {code: {"item": str(put.item_id)} for code in (*put.item_codes, put.sku)}
        asked.append(Question(fact="item", ask="Take", show=put.sku, accepts=codes))
    return tuple(asked)


def _target(put: PutFacts) -> dict[str, Facts]:
    if not put.to_code:
        return {}
    bin_label = label("BN", put.to_code)
    proof = {"bin": bin_label, "sure": PLANNED}
    codes = {bin_label: proof}
    return codes | ({put.check_digits: proof} if put.check_digits else {})


def _bin_questions(put: PutFacts) -> tuple[Question, ...]:
    """The planned bin answers both; another one is asked for twice."""
    codes = _target(put)
    return (
        Question(fact="bin", ask="Go to bin" if put.to_code else "Scan a bin with room",
                 show=put.to_code, accepts=codes, fresh=("BN",)),
        Question(fact="sure", ask="Not the planned bin. Scan it again to put it there",
                 show=put.to_code, accepts=codes, fresh=("BN",)),
    )  # fmt: skip


def _paths(put: PutFacts) -> tuple[Path, ...]:
    paths: list[Path] = []
    if put.to_code:
        here = Question(fact="bin", ask="Scan the bin", show=put.to_code, accepts=_target(put))
        fit: list[Question] = []
        if put.item_id is not None and put.left > 1:
            fit.append(Question(fact="fit", ask="How many did fit?", kind="qty", least=0,
                                most=put.left - 1, default="0"))  # fmt: skip
        paths.append(Path(code="full", word="Bin full",
                          questions=(*_load_questions(put), here, *fit)))  # fmt: skip
        paths.append(Path(code="blocked", word="Bin blocked", questions=()))
    elif put.clarify_code:
        there = {label("BN", put.clarify_code): {"bin": put.clarify_code}}
        aside = Question(fact="bin", ask="Set the plate aside", show=put.clarify_code,
                         accepts=there)  # fmt: skip
        plate = () if put.goods_in_hand else _load_questions(put)[:1]
        paths.append(Path(code="aside", word="No room: set aside", questions=(*plate, aside)))
    if not put.goods_in_hand:
        paths.append(Path(code="later", word="Give back"))
    return tuple(paths)


def tour_packet(tour_id: int, puts: list[PutFacts], *, message: str = "") -> Packet:
    """All puts of one plate in their order."""
    here = f"/floor/putaway/{tour_id}"
    steps = tuple(put_step(put) for put in puts if put.state == "open")
    return Packet(flow="putaway", title="Put away", steps=steps, here=here, after="/floor/next",
                  done=len(puts) - len(steps), total=len(puts), message=message)  # fmt: skip
