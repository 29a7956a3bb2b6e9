"""The window against a model: order per key, one at a time, and a cursor that passes nothing."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from wms.events.envelope import LogRow
from wms.events.window import DONE, Item, Window

AT = datetime(2026, 1, 1, tzinfo=UTC)


def event(pos: int, key: str) -> LogRow:
    return LogRow(
        pos=pos, event_id=UUID(int=pos), lane=ord(key) % 64, type="order.updated", okey=key,
        keyseq=None, subject=key, owner="", occurred_at=AT, recorded_at=AT, actor="",
        correlation_id="", causation_id="", data="{}",
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    keys=st.lists(st.sampled_from("abcd"), min_size=1, max_size=30),
    moves=st.lists(st.tuples(st.sampled_from(["take", "ok", "back", "park", "free"]),
                             st.integers(0, 9)), max_size=120),
    lanes=st.sampled_from([1, 4]),
)  # fmt: skip
def test_any_run_of_answers_keeps_order_and_the_cursor_safe(keys, moves, lanes):
    window = Window(dict.fromkeys(range(lanes), 0), lanes)
    waiting = list(enumerate(keys, 1))
    sending: list[Item] = []
    delivered: dict[str, list[int]] = {}
    parked: dict[int, str] = {}
    finished: set[int] = set()

    def check() -> None:
        for lane, pos in window.cursors().items():
            behind = [
                place
                for place, key in enumerate(keys, 1)
                if place <= pos and ord(key) % 64 & window.mask == lane
            ]
            assert set(behind) <= finished | parked.keys()

    for move, number in moves:
        if waiting:
            pos, key = waiting.pop(0)
            held = window.add(event(pos, key), key)
            window.read_pos = pos
            if held is not None:
                parked[pos] = key
        if move == "take":
            item = window.take()
            if item is not None:
                assert item.key not in {other.key for other in sending}
                sending.append(item)
        elif move == "free" and parked:
            key = sorted(parked.values())[number % len(parked)]
            drained = sorted(pos for pos in parked if parked[pos] == key)
            delivered.setdefault(key, []).extend(drained)
            finished.update(drained)
            for pos in drained:
                del parked[pos]
            window.unblock(key)
        elif sending:
            item = sending.pop(number % len(sending))
            if move == "ok":
                window.done(item)
                delivered.setdefault(item.key, []).append(item.row.pos)
                finished.add(item.row.pos)
            elif move == "park":
                for later in [item, *window.park(item)]:
                    parked[later.row.pos] = later.key
            else:
                window.put_back(item)
        check()
    assert all(places == sorted(places) for places in delivered.values())


def test_lanes_advance_each_for_itself():
    window = Window({0: 0, 1: 0}, 2)
    for pos, key in enumerate("bab", 1):  # b is lane 0, a is lane 1
        window.add(event(pos, key), key)
        window.read_pos = pos
    first = window.take()
    second = window.take()
    assert first is not None
    assert second is not None
    window.done(second)
    assert window.cursors() == {0: 0, 1: 3}
    window.done(first)
    assert first.state == DONE
    assert window.cursors() == {0: 2, 1: 3}
