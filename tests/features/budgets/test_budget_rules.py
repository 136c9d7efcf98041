"""The rules of budgets, for all amounts there are."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tradewind.core.errors import InvalidInput
from tradewind.features.budgets import rules
from tradewind.features.budgets.rules import Balance, LeaseTotals
from tradewind.features.budgets.schemas import ModelLimits, NewBudget, NewTerms, PeriodKind
from tradewind.snapshot.contents import Conditions, Limits

amounts = st.integers(min_value=0, max_value=10**6)


class LeasesOfOneBudget(RuleBasedStateMachine):
    """Gateways report, ask, fall silent and come back; the amount is raised and lowered."""

    def __init__(self):
        super().__init__()
        self.balance = Balance(10_000, 0, 0)
        self.ceiling = 10_000
        self.leases = dict.fromkeys("abc", LeaseTotals())
        self.truly = dict.fromkeys("abc", 0)

    def keep(self, gateway, renewal):
        self.balance, self.leases[gateway] = renewal

    @rule(gateway=st.sampled_from("abc"), share=st.floats(0, 1), needed=amounts, more=amounts)
    def renew(self, gateway, share, needed, more):
        lease = self.leases[gateway]
        self.truly[gateway] += int(max(0, lease.granted - self.truly[gateway]) * share)
        renewal = rules.renew(
            self.balance, lease, used=self.truly[gateway], needed=needed, wanted=needed + more
        )
        outstanding = renewal.lease.granted - renewal.lease.used
        assert outstanding <= needed + self.ceiling // 100
        self.keep(gateway, renewal)

    @rule(gateway=st.sampled_from("abc"))
    def fall_silent(self, gateway):
        self.keep(gateway, rules.expire(self.balance, self.leases[gateway]))

    @rule(gateway=st.sampled_from("abc"), share=st.floats(0, 1))
    def reconcile(self, gateway, share):
        lease = self.leases[gateway]
        if lease.is_expired:
            self.truly[gateway] += int(max(0, lease.granted - self.truly[gateway]) * share)
            self.keep(gateway, rules.settle(self.balance, lease, self.truly[gateway]))

    @rule(amount=amounts)
    def change_amount(self, amount):
        self.balance = self.balance._replace(amount=amount)
        self.ceiling = max(amount, self.balance.spent + self.balance.leased)

    @rule(gateway=st.sampled_from("abc"))
    def repeat(self, gateway):
        """A message that comes twice changes nothing."""

        def ask():
            lease, used = self.leases[gateway], self.truly[gateway]
            return rules.renew(self.balance, lease, used=used, needed=0, wanted=0)

        self.keep(gateway, ask())
        assert ask() == (self.balance, self.leases[gateway])

    @invariant()
    def the_amount_is_never_exceeded(self):
        assert self.balance.spent + self.balance.leased <= self.ceiling

    @invariant()
    def nothing_is_lost(self):
        parts = [lease.parts for lease in self.leases.values()]
        assert tuple(map(sum, zip(*parts, strict=True))) == self.balance[1:]

    @invariant()
    def what_is_spent_covers_what_truly_was(self):
        assert self.balance.spent + self.balance.leased >= sum(self.truly.values())
        assert self.balance.overspent == 0


TestLeasesOfOneBudget = LeasesOfOneBudget.TestCase
TestLeasesOfOneBudget.settings = settings(max_examples=100, deadline=None)


def test_a_lease_gets_what_it_needs_and_a_hundredth_of_the_rest():
    renewal = rules.renew(Balance(10_000, 0, 0), LeaseTotals(), used=0, needed=500, wanted=9999)
    assert renewal.lease.granted == 500 + 95
    assert renewal.balance == Balance(10_000, 0, 595)
    modest = rules.renew(Balance(10_000, 0, 0), LeaseTotals(), used=0, needed=500, wanted=510)
    assert modest.lease.granted == 510


def test_of_a_small_rest_it_gets_all():
    renewal = rules.renew(Balance(100, 90, 0), LeaseTotals(), used=0, needed=500, wanted=500)
    assert renewal.lease.granted == 10
    assert renewal.balance.left == 0


def test_what_is_not_needed_any_more_goes_back():
    balance, lease = rules.renew(Balance(1000, 0, 0), LeaseTotals(), used=0, needed=400, wanted=400)
    balance, lease = rules.renew(balance, lease, used=150, needed=0, wanted=0)
    assert (balance, lease) == (Balance(1000, 150, 0), LeaseTotals(150, 150))


def test_what_was_used_beyond_the_lease_is_covered_if_there_is_anything_left():
    lease = LeaseTotals(100, 100)
    balance = Balance(1000, 100, 0)
    assert rules.renew(balance, lease, used=150, needed=0, wanted=0).balance == Balance(
        1000, 150, 0
    )
    full = Balance(1000, 980, 0)
    assert rules.renew(full, lease, used=150, needed=0, wanted=0).balance == Balance(
        1000, 1000, 0, 30
    )


def test_after_its_period_a_lease_does_not_grow():
    renewal = rules.renew(
        Balance(1000, 0, 0), LeaseTotals(), used=0, needed=10, wanted=10, may_grow=False
    )
    assert renewal.lease.granted == 0


@pytest.mark.parametrize(
    ("kind", "moment", "start", "end"),
    [
        (PeriodKind.DAY, (2030, 1, 31, 23, 59, 59), (2030, 1, 31), (2030, 2, 1)),
        (PeriodKind.MONTH, (2030, 1, 31, 23), (2030, 1, 1), (2030, 2, 1)),
        (PeriodKind.MONTH, (2030, 12, 1), (2030, 12, 1), (2031, 1, 1)),
        (PeriodKind.MONTH, (2028, 2, 29), (2028, 2, 1), (2028, 3, 1)),
    ],
)
def test_periods_are_those_of_utc(kind, moment, start, end):
    found = rules.period_at(kind, datetime(*moment, tzinfo=UTC))
    assert found == (datetime(*start, tzinfo=UTC), datetime(*end, tzinfo=UTC))


def test_a_moment_of_another_zone_is_taken_in_utc():
    east = datetime(2030, 2, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert rules.period_at(PeriodKind.DAY, east).start == datetime(2030, 1, 31, tzinfo=UTC)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
def test_every_moment_lies_in_its_period_and_so_does_its_start(moment):
    moment = moment.replace(tzinfo=UTC)
    for kind in PeriodKind:
        start, end = rules.period_at(kind, moment)
        assert start <= moment
        assert end is None or moment < end
        assert rules.period_at(kind, start) == (start, end)
        assert end is None or rules.period_at(kind, end).start == end


def test_all_of_time_never_ends():
    assert rules.period_at(PeriodKind.TOTAL, datetime(2030, 1, 1, tzinfo=UTC)).end is None


def test_alerts_are_due_when_their_part_is_spent():
    assert rules.percents_reached([50, 80, 100], 799, 1000) == [50]
    assert rules.percents_reached([50, 80, 100], 800, 1000) == [50, 80]
    assert rules.percents_reached([100], 0, 0) == [100]


@pytest.mark.parametrize(
    "terms",
    [
        NewTerms(limits=Limits(-1)),
        NewTerms(limits=Limits(2**31)),
        NewTerms(models=(ModelLimits("a", Limits(1)),) * 2),
        NewTerms(models=tuple(ModelLimits(str(n), Limits(1)) for n in range(201))),
        NewTerms(models=(ModelLimits("", Limits(1)),)),
        NewTerms(models=(ModelLimits("a\nb", Limits(1)),)),
        NewTerms(conditions=Conditions(regions=frozenset({"Nowhere!"}))),
        NewTerms(cache_ttl_s=-1),
        NewTerms(response_days=366),
        NewTerms(content_days=91),
    ],
)
def test_terms_that_cannot_be_are_refused(terms):
    with pytest.raises(InvalidInput):
        rules.check_terms(terms)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": " "},
        {"name": "x" * 81},
        {"amount_nanos": -1},
        {"amount_nanos": 2**63},
        {"currency": "usd"},
        {"alert_percents": (0,)},
        {"alert_percents": tuple(range(1, 12))},
    ],
)
def test_budgets_that_cannot_be_are_refused(changes):
    new = {"name": "b", "currency": "USD", "amount_nanos": 1, "period": PeriodKind.DAY}
    with pytest.raises(InvalidInput):
        rules.check_budget(NewBudget(**(new | changes)))
