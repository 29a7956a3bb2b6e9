"""Stopping rules: they count, time and combine as they say."""

import pickle

import pytest

from wms.planning.stop import MaxRounds, MaxSeconds, NoImprovement, Target, any_of


def test_rounds_allow_exactly_that_many_rounds_and_the_rule_can_be_used_again():
    rule = MaxRounds(2)
    for _ in range(2):
        watch = rule()
        assert [watch(9.0), watch(9.0), watch(9.0)] == [None, None, "rounds"]


def test_seconds_follow_the_injected_clock():
    now = [10.0]
    watch = MaxSeconds(1.5, clock=lambda: now[0])()
    assert watch(1.0) is None
    now[0] = 11.5
    assert watch(1.0) == "time"


def test_no_improvement_starts_again_at_each_lower_cost():
    watch = NoImprovement(2)()
    answers = [watch(cost) for cost in (5.0, 5.0, 4.0, 4.0, 4.0)]
    assert answers == [None, None, None, None, "no improvement"]


def test_any_of_gives_the_first_reason_and_keeps_all_counting():
    watch = any_of(Target(1.0), MaxRounds(3))()
    assert [watch(2.0), watch(2.0), watch(2.0), watch(1.0)] == [None, None, None, "target"]


@pytest.mark.parametrize(
    "bad", [lambda: MaxRounds(-1), lambda: MaxSeconds(-0.1), lambda: NoImprovement(0), any_of]
)
def test_a_bound_out_of_range_is_named(bad):
    with pytest.raises(ValueError, match="must"):
        bad()


def test_rules_travel_to_worker_processes():
    rule = pickle.loads(pickle.dumps(any_of(MaxSeconds(0.0), NoImprovement(3))))
    assert rule()(1.0) == "time"
