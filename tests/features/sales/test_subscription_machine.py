"""The life of a subscription on a clock that the test turns."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tradewind.core.pricing.charges import PlanTerms, Term
from tradewind.features.sales.errors import MoveRefused
from tradewind.features.sales.rules import life as rules
from tradewind.features.sales.rules.life import Binding, Move, Policy, State, share

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
POLICY = Policy()
TERMS = {
    "plan_a": PlanTerms("USD", fee_nanos=31_000_000_007),
    "plan_b": PlanTerms("USD", fee_nanos=93_000_000_001, trial_days=14),
    "plan_y": PlanTerms("USD", fee_nanos=900_000_000_003, term=Term.YEAR),
}
DAYS = st.integers(0, 40 * 24).map(lambda hours: timedelta(hours=hours, microseconds=hours))


class Offered:
    """Every plan at its list price."""

    def renewed(self, plan_id, at):
        return self.listed(plan_id)

    def listed(self, plan_id):
        return Binding(plan_id, TERMS[plan_id])


class SubscriptionLife(RuleBasedStateMachine):
    @initialize(plan=st.sampled_from(sorted(TERMS)), waits=st.booleans(), trial=st.booleans())
    def subscribe(self, plan, waits, trial):
        self.now = NOW
        self.paid = 0
        self.due = Fraction(0)
        self.moves = 0
        self.lost_time = False
        self.life: Any = None
        self.enter(rules.begin(Offered().listed(plan), 2, NOW, waits=waits, has_trial=trial))

    def enter(self, step):
        former = self.life
        if former is not None and former.since is not None and not former.is_in_trial:
            fee = former.terms.fee_nanos * former.quantity
            end = step.at if step.life.since != former.since else former.since
            self.due += fee * share(end - former.since, former.whole)
        self.life = step.life
        self.paid += sum(charge.nanos for charge in step.charges)
        self.moves += 1

    def attempt(self, move):
        try:
            step = move()
        except MoveRefused:
            return
        if step is not None:
            self.enter(step)

    @rule(by=DAYS)
    def turn(self, by):
        target = self.now + by
        while (at := rules.next_at(self.life, POLICY)) is not None and at <= target:
            step = rules.advance(self.life, POLICY, Offered())
            assert step.at == at
            self.enter(step)
        self.now = target

    @rule(plan=st.sampled_from(sorted(TERMS)), quantity=st.integers(1, 5))
    def change(self, plan, quantity):
        self.attempt(lambda: rules.change(self.life, self.now, Offered().listed(plan), quantity))

    @rule()
    def activate(self):
        self.attempt(lambda: rules.activate(self.life, self.now))

    @rule()
    def pause(self):
        self.attempt(lambda: rules.pause(self.life, self.now))

    @rule()
    def resume(self):
        self.attempt(lambda: rules.resume(self.life, self.now, Offered()))

    @rule()
    def unpaid(self):
        self.attempt(lambda: rules.note_unpaid(self.life, self.now))

    @rule()
    def paid_up(self):
        self.attempt(lambda: rules.note_paid(self.life, self.now, Offered()))

    @rule(reason=st.sampled_from(["abuse", rules.UNPAID]))
    def suspend(self, reason):
        self.attempt(lambda: rules.suspend(self.life, self.now, reason))

    @rule()
    def reinstate(self):
        self.attempt(lambda: rules.reinstate(self.life, self.now, Offered()))

    @rule(is_now=st.booleans())
    def cancel(self, is_now):
        self.attempt(lambda: rules.cancel(self.life, self.now, is_now=is_now, refunds=True))

    @rule()
    def keep(self):
        self.attempt(lambda: rules.keep(self.life, self.now))

    @invariant()
    def what_was_charged_is_what_was_had_and_what_is_left(self):
        # Not where standing still lost time that had been paid for.
        if self.life.state is State.SUSPENDED:
            self.lost_time = True
        if self.lost_time or self.life.is_in_trial:
            return
        left = Fraction(0)
        begun = self.life.paused_at or self.life.since
        if self.life.state is not State.CANCELLED and begun is not None:
            fee = self.life.terms.fee_nanos * self.life.quantity
            left = fee * share(self.life.term_end - begun, self.life.whole)
        assert abs(self.paid - self.due - left) <= self.moves

    @invariant()
    def nothing_lies_in_the_past(self):
        due = rules.next_at(self.life, POLICY)
        assert due is None or due >= self.now
        assert (self.life.since is not None) == (self.life.state in rules.USABLE)
        assert self.life.state is not State.CANCELLED or due is None


TestSubscriptionLife = SubscriptionLife.TestCase
TestSubscriptionLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def active(plan="plan_a", at=NOW):
    return rules.begin(Offered().listed(plan), 1, at, waits=False, has_trial=False).life


def test_a_term_that_begins_on_the_31st_comes_back_to_it():
    life, ends = active(), []
    for _ in range(3):
        ends.append(life.term_end.date().isoformat())
        life = rules.advance(life, POLICY, Offered()).life
    assert ends == ["2030-02-28", "2030-03-31", "2030-04-30"]


def test_a_change_in_the_middle_of_a_term_charges_the_exact_rest():
    life = active()
    middle = NOW + (life.term_end - NOW) / 2
    step = rules.change(life, middle, Offered().listed("plan_b"), 1)
    assert [charge.nanos for charge in step.charges] == [-15_500_000_004, 46_500_000_000]
    assert {(charge.since, charge.until) for charge in step.charges} == {(middle, life.term_end)}


def test_a_trial_costs_nothing_and_then_the_first_term_begins():
    step = rules.begin(Offered().listed("plan_b"), 1, NOW, waits=False, has_trial=True)
    assert (step.move, step.charges) == (Move.TRIAL_BEGAN, ())
    notice = rules.advance(step.life, POLICY, Offered())
    assert (notice.move, notice.at, notice.charges) == (
        Move.TRIAL_ENDING,
        NOW + timedelta(days=11),
        (),
    )
    first = rules.advance(notice.life, POLICY, Offered())
    assert (first.move, first.at) == (Move.ACTIVATED, NOW + timedelta(days=14))
    assert [charge.nanos for charge in first.charges] == [TERMS["plan_b"].fee_nanos]


def test_from_the_second_a_private_price_ends_the_list_price_applies():
    end = NOW + timedelta(days=7)
    private = Binding("plan_a", PlanTerms("USD", fee_nanos=3_100_000_000), end)
    life = rules.begin(private, 1, NOW, waits=False, has_trial=False).life
    assert rules.next_at(life, POLICY) == end
    step = rules.advance(life, POLICY, Offered())
    assert step.at == end
    assert step.life.terms == TERMS["plan_a"]
    rest = Fraction(3, 4)
    wanted = [-round(3_100_000_000 * rest), round(TERMS["plan_a"].fee_nanos * rest)]
    assert [charge.nanos for charge in step.charges] == wanted


def test_a_private_price_outlives_a_renewal():
    private = Binding("plan_a", PlanTerms("USD", fee_nanos=1), NOW + timedelta(days=40))
    life = rules.begin(private, 1, NOW, waits=False, has_trial=False).life
    step = rules.advance(life, POLICY, Offered())
    assert step.move is Move.RENEWED
    assert [charge.nanos for charge in step.charges] == [1]


def test_who_does_not_pay_is_reminded_suspended_and_cancelled():
    unpaid = rules.note_unpaid(active(), NOW + timedelta(days=1))
    assert unpaid is not None
    life = unpaid.life
    moves = []
    while rules.next_at(life, POLICY) is not None:
        step = rules.advance(life, POLICY, Offered())
        assert step is not None
        moves.append((step.move, (step.at - NOW).days - 1))
        life = step.life
    assert moves == [
        (Move.REMINDED, 0),
        (Move.REMINDED, 3),
        (Move.REMINDED, 7),
        (Move.REMINDED, 12),
        (Move.SUSPENDED, 14),
        (Move.CANCELLED, 44),
    ]


def test_what_is_paused_keeps_the_rest_of_its_term():
    life = active()
    paused = rules.pause(life, NOW + timedelta(days=1)).life
    resumed = rules.resume(paused, NOW + timedelta(days=11), Offered()).life
    assert resumed.term_end == life.term_end + timedelta(days=10)
    assert rules.advance(resumed, POLICY, Offered()).life.term_start == resumed.term_end


def test_what_is_cancelled_moves_no_more():
    life = rules.cancel(active(), NOW, is_now=True).life
    for move in (
        lambda: rules.cancel(life, NOW, is_now=True),
        lambda: rules.pause(life, NOW),
        lambda: rules.keep(life, NOW),
        lambda: rules.change(life, NOW, Offered().listed("plan_b"), 1),
    ):
        with pytest.raises(MoveRefused):
            move()


def test_paying_ends_no_suspension_for_something_else():
    unpaid = rules.note_unpaid(active(), NOW + timedelta(days=1))
    assert unpaid is not None
    abused = rules.suspend(unpaid.life, NOW + timedelta(days=2), "abuse").life
    paid = rules.note_paid(abused, NOW + timedelta(days=3), Offered())
    assert paid is not None
    assert (paid.life.state, paid.life.suspended_for, paid.life.past_due_since) == (
        State.SUSPENDED,
        "abuse",
        None,
    )
