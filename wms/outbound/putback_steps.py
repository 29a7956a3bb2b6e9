"""The questions of bringing goods back to the shelves, from facts to packets. Pure.

Scan the container (once), the item, accept the quantity, scan the bin. What is not there, is
damaged or does not fit has its own way out; a container that is empty is free again.
"""

from collections.abc import Iterable, Sequence

import msgspec

from wms.errors import Refused
from wms.inventory.fits import Load, Room, loose_refusal, with_load
from wms.outbound.contents import Content, normal
from wms.outbound.pick_steps import bin_codes
from wms.steps import Facts, Packet, Path, Question, Step


class NotInContainer(Refused):
    say = "By the book {container} no longer holds that. Look at the page again."


class Back(msgspec.Struct, frozen=True, kw_only=True):
    """One putback task with its target bin; `first` asks for the container."""

    id: int
    tour_id: int
    seq: int
    version: int
    state: str
    order_id: int
    order_no: str
    item_id: int
    sku: str
    lot_id: int | None
    left: int
    lpn_id: int
    lpn_code: str
    lpn_kind: str
    bin_id: int
    bin_code: str
    check_digits: str
    first: bool


class Target(msgspec.Struct, frozen=True):
    """Where goods go, and why: `origin` is the bin they came from."""

    bin_id: int
    why: str


def choose_target(load: Load, candidates: Sequence[int], rooms: dict[int, Room]) -> int | None:
    """The first candidate in which these goods may stand, or None; `rooms` gets them in."""
    for bin_id in candidates:
        room = rooms.get(bin_id)
        if room is not None and loose_refusal(room, load) is None:
            rooms[bin_id] = with_load(room, load)
            return bin_id
    return None


def item_accepts(contents: Sequence[Content], *, beyond: bool = False) -> dict[str, Facts]:
    """What proves an item: its barcodes (with what each counts), its SKU, its serials.

    A code that counts more than is there is not accepted; `beyond` takes it, to say so in words.
    """
    accepts: dict[str, Facts] = {}
    for content in contents:
        item = {"item": str(content.item_id), "per": "1"}
        accepts[normal(content.sku)] = item
        for code, per in zip(content.codes, content.code_qtys, strict=True):
            if per <= content.qty or beyond:
                accepts[code] = {**item, "per": str(per)}
    for content in contents:
        if content.serial:
            fact = {"item": str(content.item_id), "per": "1", "serial": content.serial}
            accepts.setdefault(normal(content.serial), fact)
    return accepts


def lot_and_serial(contents: Sequence[Content]) -> list[Question]:
    """Lot where an item has more than one here (else only checked), serial where tracked."""
    asked: list[Question] = []
    for item_id in sorted({content.item_id for content in contents}):
        mine = [content for content in contents if content.item_id == item_id]
        only = {"item": (str(item_id),)}
        lots = {normal(c.lot_code): {"lot": c.lot_code} for c in mine if c.lot_code}
        if lots:
            asked.append(
                Question(fact="lot", ask="Scan the lot", show=" or ".join(sorted(lots)),
                         accepts=lots, only_if=only, silent=len(lots) == 1)
            )  # fmt: skip
        serials = {normal(c.serial): {"serial": c.serial} for c in mine if c.serial}
        if serials:
            asked.append(
                Question(fact="serial", ask="Scan the serial", show=f"a serial of {mine[0].sku}",
                         accepts=serials, only_if=only)
            )  # fmt: skip
    return asked


def is_meant(content: Content, facts: Facts) -> bool:
    """Whether the facts name this balance, or leave it open."""
    return (
        str(content.item_id) == facts.get("item")
        and facts.get("lot", content.lot_code) == content.lot_code
        and facts.get("serial", content.serial) == content.serial
    )


def find_content(contents: Iterable[Content], facts: Facts, **more: object) -> Content | None:
    """The balance that the facts name; the fullest where they leave a choice."""
    found = [
        content
        for content in contents
        if is_meant(content, facts)
        and all(getattr(content, name) == value for name, value in more.items())
    ]
    return max(found, key=lambda content: content.qty, default=None)


def back_step(back: Back, contents: Sequence[Content], *, goods_in_hand: bool) -> Step:
    """One way back to a bin."""
    mine = [c for c in contents if c.item_id == back.item_id and c.lot_id == back.lot_id]
    asked: list[Question] = []
    if back.first:
        asked.append(
            Question(fact="container", ask="Scan the container", show=back.lpn_code,
                     accepts={back.lpn_code: {"container": str(back.lpn_id)}})
        )  # fmt: skip
    asked.append(Question(fact="item", ask="Scan item", show=back.sku, accepts=item_accepts(mine)))
    asked += lot_and_serial(mine)
    qty = Question(fact="qty", ask="How many?", show=str(back.left), kind="qty", least=1,
                   most=back.left, default=str(back.left))  # fmt: skip
    if back.left > 1:
        asked.append(qty)
    asked.append(
        Question(fact="bin", ask="Put into bin", show=back.bin_code,
                 accepts=bin_codes(back.bin_id, back.bin_code, back.check_digits))
    )  # fmt: skip
    gone = msgspec.structs.replace(qty, ask="How many are not there?")
    broken = msgspec.structs.replace(qty, ask="How many are damaged?", default="1")
    paths = [
        Path(code="missing", word="Not there", questions=(gone,)),
        Path(code="damaged", word="Damaged", questions=(broken,)),
        Path(code="full", word="Bin full"),
        Path(code="skip", word="Skip for now"),
    ]
    if not goods_in_hand:
        paths.append(Path(code="later", word="Give back"))
    return Step(
        ref=f"putback/{back.id}",
        version=back.version,
        title=f"Put back {back.order_no}",
        verb="PUT BACK",
        name=f"{mine[0].description if mine else back.sku} · {back.sku}",
        note=f"From {back.lpn_code}" + (f", lot {mine[0].lot_code}" if mine and mine[0].lot_code
                                        else ""),
        qty=f"{back.left} {'piece' if back.left == 1 else 'pieces'}",
        questions=tuple(asked),
        paths=tuple(paths),
    )  # fmt: skip


def back_packet(
    tour_id: int, tasks: Sequence[Back], contents: Sequence[Content], *, goods_in_hand: bool
) -> Packet:
    """The whole way back."""
    here = f"/floor/putback/{tour_id}"
    steps = [
        back_step(task, [c for c in contents if c.lpn_id == task.lpn_id],
                  goods_in_hand=goods_in_hand)
        for task in tasks
        if task.state == "open"
    ]  # fmt: skip
    return Packet(flow="putback", title="Put back", steps=tuple(steps), here=here,
                  after="/floor/next", done=len(tasks) - len(steps), total=len(tasks))  # fmt: skip
