import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.routing.ask import AttemptResult
from tradewind.gateway.routing.health import MOST_RECORDS, Health, Level

OK, BUSY, FAILED = AttemptResult.OK, AttemptResult.BUSY, AttemptResult.FAILED
UNREACHABLE, CALLER = AttemptResult.UNREACHABLE, AttemptResult.CALLER


def fail(health, now, replica="a", result=UNREACHABLE):
    health.started(replica, now)
    health.ended(replica, result, started=now, now=now)


def test_a_target_is_well_until_something_is_known_of_it():
    health = Health()
    assert health.level("a", 0.0) is Level.FIT
    assert not health.is_due("a", 0.0)
    health.ended("a", OK, started=0.0, now=1.0)
    assert not health.unwell


def test_one_that_cannot_be_reached_rests_at_once():
    health = Health()
    fail(health, 100.0)
    assert health.level("a", 101.9) is Level.RESTING
    assert health.level("a", 102.0) is Level.FIT
    assert health.is_due("a", 102.0)


def test_three_failures_in_a_row_make_a_rest_and_two_do_not():
    health = Health()
    for number in range(2):
        fail(health, float(number), result=FAILED)
    assert health.level("a", 2.0) is Level.FIT
    fail(health, 2.0, result=FAILED)
    assert health.level("a", 2.1) is Level.RESTING


def test_a_success_between_failures_counts_anew():
    health = Health()
    for number in range(20):
        fail(health, float(number), result=OK if number % 3 == 2 else FAILED)
        assert health.level("a", number + 0.5) is Level.FIT


def test_each_failed_probe_doubles_the_rest_up_to_a_minute():
    health, now, rests = Health(), 0.0, []
    fail(health, now)
    for _ in range(8):
        rests.append(health.rests_until("a") - now)
        now = health.rests_until("a")
        fail(health, now)
    assert rests == [2, 4, 8, 16, 32, 60, 60, 60]


def test_exactly_one_probe_is_let_through_until_it_succeeds():
    health = Health()
    fail(health, 0.0)
    assert health.is_due("a", 2.0)
    health.started("a", 2.0)
    assert health.level("a", 2.0) is Level.RESTING
    assert health.level("a", 500.0) is Level.RESTING
    health.answered("a", 2.0)
    assert health.level("a", 2.5) is Level.FIT
    assert not health.is_due("a", 2.5)


def test_a_probe_whose_caller_left_tells_nothing_and_another_is_let_through():
    health = Health()
    fail(health, 0.0)
    health.started("a", 2.0)
    health.ended("a", CALLER, started=2.0, now=3.0)
    assert health.is_due("a", 3.0)


def test_after_it_came_back_its_next_rest_is_short_again():
    health = Health()
    for _ in range(4):
        fail(health, health.rests_until("a"))
    now = health.rests_until("a")
    fail(health, now, result=OK)
    fail(health, now + 1)
    assert health.rests_until("a") == now + 3


def test_calls_that_were_under_way_when_it_went_to_rest_say_nothing():
    health = Health()
    fail(health, 10.0)
    for _ in range(50):
        health.ended("a", UNREACHABLE, started=9.0, now=10.5)
    assert health.rests_until("a") == 12.0
    health.ended("a", OK, started=9.0, now=11.0)
    assert health.level("a", 11.0) is Level.RESTING


def test_a_late_failure_does_not_end_the_probe():
    health = Health()
    fail(health, 10.0)
    health.started("a", 12.0)
    health.ended("a", FAILED, started=9.0, now=12.5)
    assert health.level("a", 12.6) is Level.RESTING
    assert not health.is_due("a", 12.6)


def test_a_call_sent_to_it_though_it_rests_can_heal_it_and_not_hurt_it():
    health = Health()
    fail(health, 10.0)
    fail(health, 11.0)
    assert health.rests_until("a") == 12.0
    fail(health, 11.5, result=OK)
    assert health.level("a", 11.5) is Level.FIT


def test_a_busy_target_goes_behind_for_as_long_as_it_asked_and_is_not_failing():
    health = Health()
    for _ in range(10):
        health.ended("a", BUSY, started=0.0, now=0.0, retry_after_s=5.0)
    assert health.level("a", 4.9) is Level.BUSY
    assert health.level("a", 5.0) is Level.FIT
    assert health.rests == 0


@pytest.mark.parametrize(("asked", "given"), [(None, 1.0), (0.25, 0.25), (86400.0, 60.0)])
def test_what_a_busy_target_asks_for_is_bounded(asked, given):
    health = Health()
    health.ended("a", BUSY, started=0.0, now=0.0, retry_after_s=asked)
    assert health.level("a", given - 0.01) is Level.BUSY
    assert health.level("a", given) is Level.FIT


def test_an_answer_to_an_older_call_does_not_end_being_busy():
    health = Health()
    health.ended("a", BUSY, started=10.0, now=10.0, retry_after_s=5.0)
    health.answered("a", 9.0)
    assert health.level("a", 11.0) is Level.BUSY
    health.answered("a", 11.0)
    assert health.level("a", 11.0) is Level.FIT


def test_a_probe_that_is_told_to_wait_has_shown_that_somebody_is_there():
    health = Health()
    fail(health, 0.0)
    fail(health, 2.0, result=BUSY)
    assert health.level("a", 2.5) is Level.BUSY
    assert health.level("a", 3.0) is Level.FIT
    assert not health.is_due("a", 3.0)


def test_one_that_is_not_set_up_right_rests_for_half_a_minute():
    health = Health()
    for number in range(3):
        fail(health, float(number), result=AttemptResult.MISCONFIGURED)
    assert health.rests_until("a") == 32.0
    fail(health, 32.0, result=AttemptResult.MISCONFIGURED)
    assert health.rests_until("a") == 62.0


def test_what_a_caller_did_wrong_is_not_the_targets_fault():
    health = Health()
    for _ in range(100):
        fail(health, 0.0, result=CALLER)
    assert not health.unwell


def test_a_restarted_replica_starts_anew():
    health = Health()
    fail(health, 0.0, replica="before")
    assert health.level("after", 0.0) is Level.FIT


def test_the_memory_of_targets_is_bounded():
    health = Health()
    for number in range(3 * MOST_RECORDS):
        fail(health, float(number), replica=str(number))
    assert len(health.unwell) == MOST_RECORDS
    assert health.level(str(3 * MOST_RECORDS - 1), 3.0 * MOST_RECORDS) is Level.RESTING


class Attempts:
    """Calls that start and end in any order, as the router reports them."""

    def __init__(self):
        self.health = Health()
        self.now = 0.0
        self.probes = []
        self.others = []

    def step(self, what, wait, result, place):
        self.now += wait
        if what == "start":
            started = self.probes if self.health.is_due("a", self.now) else self.others
            self.health.started("a", self.now)
            started.append(self.now)
        else:
            running = self.probes + self.others
            if running:
                started = running[place % len(running)]
                (self.probes if started in self.probes else self.others).remove(started)
                self.health.ended("a", result, started=started, now=self.now)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["start", "start", "end"]),
            st.sampled_from([0.5, 3.0, 70.0]),
            st.sampled_from([UNREACHABLE, FAILED, CALLER]),
            st.integers(0, 9),
        ),
        max_size=60,
    )
)
def test_there_is_never_more_than_one_probe_at_a_time(steps):
    attempts = Attempts()
    for step in steps:
        attempts.step(*step)
        assert len(attempts.probes) <= 1
