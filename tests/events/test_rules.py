"""What answers mean, when a message is retried, and when the endpoint as a whole is ill."""

import pytest

from wms.events.rules import (
    AUTH,
    CONSUMER,
    CONSUMER_ERROR,
    FULL,
    GONE,
    NETWORK,
    OK,
    OPEN_AT,
    REDIRECT,
    SERVER,
    STREAK_KEYS,
    THROTTLED,
    TIMEOUT,
    Health,
    Tuning,
    Verdict,
    classify,
)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, OK), (204, OK), (301, REDIRECT), (400, CONSUMER), (401, AUTH), (403, AUTH),
        (404, CONSUMER), (407, AUTH), (408, SERVER), (409, CONSUMER), (410, GONE),
        (413, CONSUMER), (422, CONSUMER), (425, SERVER), (429, THROTTLED), (500, SERVER),
        (503, SERVER), (522, SERVER),
    ],
)  # fmt: skip
def test_statuses_have_the_classes_of_the_published_table(status: int, outcome: str):
    assert classify(status) == outcome


def test_the_full_schedule_is_twelve_attempts_in_three_days():
    delays = [FULL.delay(n, 0.5) for n in range(1, 13)]
    assert delays[-1] is None
    assert sum(delay for delay in delays if delay) == pytest.approx(75.7 * 3600, rel=0.01)
    assert CONSUMER_ERROR.delay(6, 0.5) is None
    assert FULL.delay(1, 0.0) == pytest.approx(4)
    assert FULL.delay(1, 1.0) == pytest.approx(6)


def make(most: int = 32) -> Health:
    return Health(Tuning(), most)


def test_a_poison_message_never_makes_the_endpoint_ill():
    health = make()
    for now in range(100):
        assert health.judge(SERVER, "poison", now, now) is Verdict.MESSAGE
        assert health.judge(OK, f"k{now}", now, now) is Verdict.OK
    assert health.step == 0


def test_one_lonely_poison_message_does_not_either():
    health = make()
    for now in range(0, 1000, 5):
        assert health.judge(TIMEOUT, "poison", now, now) is Verdict.MESSAGE


def test_several_keys_failing_in_a_row_are_the_endpoint():
    health = make()
    found = [health.judge(SERVER, f"k{n}", n, n) for n in range(STREAK_KEYS)]
    assert found == [Verdict.MESSAGE] * (STREAK_KEYS - 1) + [Verdict.ENDPOINT]


def test_a_refused_connection_is_the_endpoint_at_once_and_the_breaker_opens_at_the_third():
    health = make()
    now = 100.0
    for step in range(1, OPEN_AT + 1):
        assert health.judge(NETWORK, "k", now, now) is Verdict.ENDPOINT
        assert health.is_open == (step >= OPEN_AT)
        assert health.room(now, 0) == 0
        now = health.until
        assert health.room(now, 0) == 1
        assert health.room(now, 1) == 0


def test_requests_begun_before_a_pause_do_not_lengthen_it():
    health = make()
    for _ in range(20):  # all were under way when the first came back
        health.judge(NETWORK, "k", 10.0, 9.0)
    assert health.step == 1


def test_after_success_the_load_comes_back_in_doublings():
    health = make(16)
    health.judge(NETWORK, "k", 1.0, 1.0)
    rooms = []
    for n in range(6):
        health.judge(OK, f"k{n}", 10.0 + n, 10.0 + n)
        rooms.append(health.room(10.0 + n, 0))
    assert rooms == [1, 2, 4, 8, 16, 16]


def test_any_answer_about_the_message_shows_that_the_endpoint_lives():
    health = make()
    for n in range(4):
        health.judge(NETWORK, "k", float(n), float(n))
    assert health.judge(CONSUMER, "k", 60.0, 60.0) is Verdict.MESSAGE
    assert health.step == 0


def test_throttling_waits_as_told_and_halves_the_load():
    health = make(8)
    assert health.judge(THROTTLED, "k", 1.0, 1.0, retry_after=7) is Verdict.ENDPOINT
    assert health.room(7.9, 0) == 0
    assert health.room(8.0, 0) == 4
    health.judge(THROTTLED, "k", 8.0, 8.0, retry_after=1e9)
    assert health.until == pytest.approx(8.0 + 86400)


def load(health: Health) -> int:
    """Requests that may be in flight, once all pauses are over."""
    return health.room(1e12, 0)


def test_a_hundred_successes_allow_one_more_request_in_flight():
    health = make(8)
    health.judge(THROTTLED, "k", 1.0, 1.0)
    loads = []
    for n in range(500):
        health.judge(OK if n % 5 else CONSUMER, f"k{n}", 10.0 + n, 10.0 + n)
        loads.append(load(health))
    assert [loads.index(each) + 1 for each in (5, 6, 7, 8)] == [125, 250, 375, 500]


def test_slow_answers_halve_the_load_once_for_what_was_under_way_together():
    health = make(16)
    now = 0.0

    def answers(slow: int, quick: int, began: float) -> int:
        for n in range(slow + quick):
            health.judge(OK, f"k{n}", began + (3.5 if n < slow else 0.1), began)
        return load(health)

    assert answers(1, 19, now) == 16  # p95 is below three seconds
    assert answers(1, 0, now) == 8
    assert answers(20, 0, now) == 8  # begun under the load before
    assert answers(19, 0, now + 10) == 8  # too few to judge
    assert answers(1, 0, now + 10) == 4
    for _ in range(20):
        now += 100
        answers(20, 0, now)
    assert load(health) == 1


def test_timeouts_of_one_moment_halve_the_load_once():
    health = make(16)
    for key in ("a", "b", "c"):
        assert health.judge(TIMEOUT, key, 20.0, 5.0) is Verdict.MESSAGE
    assert load(health) == 8
    assert health.judge(TIMEOUT, "a", 50.0, 35.0, retry=True) is Verdict.MESSAGE
    assert load(health) == 4


def test_gone_suspends_only_when_it_is_still_gone_a_minute_later():
    health = make()
    assert health.judge(GONE, "k", 0.5, 0.5) is Verdict.ENDPOINT
    assert health.room(60.4, 0) == 0
    assert health.room(60.6, 0) == 1
    assert health.judge(GONE, "k", 60.6, 60.6) is Verdict.SUSPEND


def test_retries_of_old_failures_do_not_open_the_breaker():
    health = make()
    for n in range(20):
        assert health.judge(SERVER, f"k{n}", n, n, retry=True) is Verdict.MESSAGE
    assert health.step == 0


def test_an_ill_endpoint_may_say_when_to_come_back():
    health = Health(Tuning(), 8)
    assert health.judge(NETWORK, "a", 1.0, 0.5) is Verdict.ENDPOINT
    assert health.judge(SERVER, "b", 3.0, 2.5, retry_after=120.0) is Verdict.ENDPOINT
    assert (health.room(122.0, 0), health.room(123.5, 0)) == (0, 1)
