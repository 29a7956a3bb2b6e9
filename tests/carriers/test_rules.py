"""The state of a carton from its milestones: by when things happened, not by when they came."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from wms.carriers.rules import (
    CODES,
    RAW,
    STATE_OF,
    TERMINAL,
    Seen,
    canonical,
    doubt_of,
    shipment_state,
    state_of,
)

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
seen = st.builds(
    Seen, code=st.sampled_from(CODES), source=st.sampled_from(["a", "b"]), doubt=st.just(""),
    occurred_at=st.integers(0, 10_000).map(lambda n: AT + timedelta(minutes=n)),
)  # fmt: skip


def story(*codes: str, source: str = "a") -> list[Seen]:
    return [
        Seen(code=code, source=source, occurred_at=AT + n * HOUR) for n, code in enumerate(codes)
    ]


@given(st.lists(seen, unique_by=lambda each: each.occurred_at), st.randoms())
def test_the_order_in_which_they_come_does_not_matter(told: list[Seen], random) -> None:
    mixed = list(told)
    random.shuffle(mixed)
    assert state_of(mixed) == state_of(told)


@given(st.lists(seen), st.sampled_from(TERMINAL))
def test_an_end_stays_whatever_others_say_later(told: list[Seen], end: str) -> None:
    last = Seen(code=end, source="c", occurred_at=AT - HOUR)
    assert state_of([last, *told]) == STATE_OF[end]


def test_a_source_may_correct_its_own_end() -> None:
    assert state_of(story("delivered", "returning")) == "returning"
    later = [Seen(code="in_transit", source="b", occurred_at=AT + 9 * HOUR)]
    assert state_of([*story("picked_up", "delivered"), *later]) == "delivered"


def test_what_cannot_be_true_makes_no_state() -> None:
    assert doubt_of("delivered", AT + 3 * HOUR, AT, None) == "future"
    assert doubt_of("eta", AT + 72 * HOUR, AT, None) == ""
    assert doubt_of("delivered", AT - 2 * HOUR, AT, AT) == "before_departure"
    assert doubt_of("label_created", AT - 2 * HOUR, AT, AT) == ""
    wrong = Seen(code="delivered", source="a", occurred_at=AT, doubt="future")
    assert state_of([wrong]) == "pre_transit"


def test_a_shipment_is_delivered_when_all_of_it_is_and_in_trouble_when_any_is() -> None:
    assert shipment_state(["delivered", "in_transit"]) == "in_transit"
    assert shipment_state(["delivered", "delivered"]) == "delivered"
    assert shipment_state(["delivered", "exception"]) == "exception"


def test_raw_codes_become_canonical_and_a_partners_own_words_go_first() -> None:
    assert canonical("AT7", "D1", {}) == "delivered"
    assert canonical("at7", "D1", {"d1": "returned"}) == "returned"
    assert canonical("nobody", "Delivered", {}) == "delivered"
    assert canonical("easypost", "strange", {}) == "other"
    assert {code for table in RAW.values() for code in table.values()} <= set(CODES)
