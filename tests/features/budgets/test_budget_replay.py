"""A replay decides as leases do: the same calls are stopped, to the nano."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.budgets.replay import PastCall, replay
from tradewind.features.budgets.rules import Balance, LeaseTotals, renew
from tradewind.features.budgets.schemas import PeriodKind

BEGIN = datetime(2030, 1, 10, tzinfo=UTC)


def call(second, cost, *, lasts_s=0, currency="USD", can_cost=True):
    return PastCall(
        BEGIN + timedelta(seconds=second), lasts_s * 1_000_000, cost, currency, can_cost
    )


def of_month(calls, amount, **how):
    kind = how.pop("kind", PeriodKind.MONTH)
    return replay(
        calls,
        kind=kind,
        amount_nanos=amount,
        currency="USD",
        is_hard=how.pop("is_hard", True),
        **how,
    )


def test_calls_that_do_not_fit_any_more_are_stopped_and_cheaper_ones_still_run():
    (month,) = of_month([call(0, 60), call(1, 50), call(2, 40), call(3, 1)], 100)

    assert (month.calls, month.stopped, month.stopped_nanos) == (4, 2, 51)
    assert month.spent_nanos == 100
    assert month.first_stopped_at == BEGIN + timedelta(seconds=1)


def test_a_call_that_runs_holds_what_it_costs_until_its_end():
    held = [call(0, 60, lasts_s=10), call(5, 60), call(11, 40)]

    (month,) = of_month(held, 100)

    assert (month.stopped, month.spent_nanos) == (1, 100)


def test_a_day_begins_anew_and_counts_calls_where_they_began():
    late = call(86_399, 100, lasts_s=100)

    first, second = of_month([late, call(86_410, 100)], 100, kind=PeriodKind.DAY)

    assert (first.stopped, second.stopped) == (0, 0)
    assert (first.spent_nanos, second.spent_nanos) == (100, 100)


def test_a_budget_of_all_time_begins_with_what_was_spent_before():
    (always,) = of_month([call(0, 10)], 100, kind=PeriodKind.TOTAL, spent_before=95)

    assert (always.stopped, always.spent_nanos) == (1, 95)


def test_free_calls_hold_nothing_and_failed_ones_of_a_price_need_something_left():
    calls = [call(0, 100), call(1, 0, can_cost=False), call(2, 0)]

    (month,) = of_month(calls, 100)

    assert (month.calls, month.stopped) == (3, 1)


def test_a_hard_budget_refuses_calls_with_a_price_in_another_currency():
    (month,) = of_month([call(0, 7, currency="EUR"), call(1, 7)], 100)

    assert (month.stopped, month.other_currency, month.stopped_nanos) == (1, 1, 0)
    assert month.spent_nanos == 7


def test_a_soft_budget_stops_nothing_and_tells_when_its_parts_were_spent():
    calls = [call(0, 80), call(1, 30), call(2, 100)]

    (month,) = of_month(calls, 100, is_hard=False, percents=(100, 80))

    assert month.stopped == 0
    assert month.reached == ((80, BEGIN), (100, BEGIN + timedelta(seconds=1)))


def test_calls_are_told_by_calendar_month_whatever_the_period_is():
    calls = [call(0, 60), call(30 * 86_400, 60)]

    (always,) = of_month(calls, 100, kind=PeriodKind.TOTAL)

    assert [(each.month.month, each.calls, each.stopped) for each in always.months] == [
        (1, 1, 0),
        (2, 1, 1),
    ]


_CALLS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 60), st.integers(0, 20), st.booleans()),
    max_size=40,
)


@given(_CALLS, st.integers(0, 400))
def test_it_decides_as_one_gateway_does_that_leases_for_each_call(drawn, amount):
    calls = [
        call(second, cost if is_priced else 0, lasts_s=lasts, can_cost=is_priced)
        for second, cost, lasts, is_priced in sorted(drawn, key=lambda each: each[0])
    ]

    stopped = 0
    balance, lease = Balance(amount, 0, 0), LeaseTotals()
    running = []
    for each in calls:
        for end in sorted(end for end in running if end[0] <= each.at):
            running.remove(end)
            lease_used = lease.used + end[2]
            held = sum(other[1] for other in running)
            balance, lease = renew(balance, lease, used=lease_used, needed=held, wanted=held)
        if not each.can_cost:
            continue
        holds = max(1, each.cost_nanos)
        held = sum(other[1] for other in running)
        balance, lease = renew(
            balance, lease, used=lease.used, needed=held + holds, wanted=held + holds
        )
        if lease.granted - lease.used < held + holds:
            stopped += 1
        else:
            end = each.at + timedelta(microseconds=each.duration_us)
            running.append((end, holds, each.cost_nanos))
        assert balance.spent + balance.leased <= amount

    assert sum(period.stopped for period in of_month(calls, amount)) == stopped
