"""Usage as pages read it: exact, of one organization, in whole buckets."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.db.database import Database
from tradewind.features.accounts.schemas import SignedIn
from tradewind.readmodels import usage
from tradewind.readmodels.usage import Period, window_of
from tradewind.readmodels.usage_export import export
from tradewind.readmodels.usage_slices import Grouping, Measure, Scope
from tradewind.testing.portal_world import PortalWorld

NOW = datetime(2030, 1, 31, 12, 34, 56, tzinfo=UTC)
HOUR = NOW.replace(minute=0, second=0)


@pytest.fixture
def world(database: Database) -> PortalWorld:
    return PortalWorld(database)


@pytest.fixture
def signed_in(world: PortalWorld) -> SignedIn:
    return world.sign_in()


@pytest.fixture
def scope(signed_in: SignedIn) -> Scope:
    return Scope(signed_in.viewer.organization_id)


@given(
    st.sampled_from(Period),
    st.datetimes(
        min_value=datetime(2020, 1, 1),  # noqa: DTZ001
        max_value=datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
)
def test_a_window_is_whole_buckets_and_holds_now_in_its_last(period: Period, now: datetime):
    window = window_of(period, now)

    assert window.until - window.bucket <= now < window.until
    assert (window.until - window.since) % window.bucket == timedelta(0)
    assert 24 <= len(window.starts) <= 120
    assert window.starts[0] == window.since
    assert window.starts[-1] + window.bucket == window.until
    assert window.since.minute == 0


def test_sums_hold_what_64_bits_do_not(world: PortalWorld, signed_in: SignedIn, scope: Scope):
    huge = 2**63 - 1
    for hours in (0, 1):
        world.add_usage(
            signed_in.viewer, hour=HOUR - timedelta(hours=hours), cost_nanos=huge, requests=2**40
        )

    with world.database.transaction() as tx:
        (totals,) = usage.read_totals(tx, scope, window_of(Period.DAY, NOW))

    assert totals.cost_nanos == 2 * huge
    assert totals.requests == 2**41


def test_another_organization_is_never_counted(
    world: PortalWorld, signed_in: SignedIn, scope: Scope
):
    world.add_usage(signed_in.viewer, organization_id="org_other", hour=HOUR)
    window = window_of(Period.DAY, NOW)

    with world.database.transaction() as tx:
        assert usage.read_totals(tx, scope, window) == []
        assert usage.read_groups(tx, scope, window, Grouping.KEY, Measure.SPEND) == []
        assert export(tx, scope, window) == []
        steps = usage.read_first_steps(tx, scope.organization_id)
    assert not steps.answer


def test_a_window_takes_its_first_hour_and_not_the_one_after_its_last(
    world: PortalWorld, signed_in: SignedIn, scope: Scope
):
    window = window_of(Period.DAY, NOW)
    hours = [window.since - timedelta(hours=1), window.since, window.until]
    for number, hour in enumerate(hours):
        world.add_usage(signed_in.viewer, hour=hour, requests=10**number)

    with world.database.transaction() as tx:
        (totals,) = usage.read_totals(tx, scope, window)
    assert totals.requests == 10


def test_the_series_of_a_chart_add_up_to_the_totals(
    world: PortalWorld, signed_in: SignedIn, scope: Scope
):
    window = window_of(Period.WEEK, NOW)
    for number in range(12):
        world.add_usage(
            signed_in.viewer,
            hour=window.since + number * timedelta(hours=13),
            model=f"publisher/model-{number:02}",
            cost_nanos=10**number,
            requests=12 - number,
        )

    with world.database.transaction() as tx:
        (totals,) = usage.read_totals(tx, scope, window)
        for measure, whole in (
            (Measure.SPEND, totals.cost_nanos),
            (Measure.REQUESTS, totals.requests),
            (Measure.TOKENS, totals.input_tokens + totals.output_tokens),
        ):
            groups = usage.read_groups(tx, scope, window, Grouping.MODEL, measure)
            series = usage.read_series(
                tx,
                scope,
                window,
                Grouping.MODEL,
                measure,
                largest=groups,
                currency="USD" if measure is Measure.SPEND else None,
            )
            assert len(groups) == 12
            assert [line.label for line in series[:-1]] == [row.label for row in groups[:7]]
            assert series[-1].group == usage.OTHER
            assert sum(sum(line.values) for line in series) == whole


def test_a_bucket_holds_the_hours_from_its_start_on(
    world: PortalWorld, signed_in: SignedIn, scope: Scope
):
    window = window_of(Period.MONTH, NOW)
    start = window.starts[40]
    for hour in (start, start + timedelta(hours=5), start + timedelta(hours=6)):
        world.add_usage(signed_in.viewer, hour=hour, requests=1)

    with world.database.transaction() as tx:
        groups = usage.read_groups(tx, scope, window, Grouping.MODEL, Measure.REQUESTS)
        (line,) = usage.read_series(
            tx, scope, window, Grouping.MODEL, Measure.REQUESTS, largest=groups
        )
    assert line.values[40:42] == [2, 1]
    assert sum(line.values) == 3


def test_currencies_are_kept_apart(world: PortalWorld, signed_in: SignedIn, scope: Scope):
    window = window_of(Period.DAY, NOW)
    world.add_usage(signed_in.viewer, hour=HOUR, cost_nanos=5, requests=3)
    world.add_usage(signed_in.viewer, hour=HOUR, cost_nanos=7, currency="EUR", price_id="p2")

    with world.database.transaction() as tx:
        totals = usage.read_totals(tx, scope, window)
        groups = usage.read_groups(tx, scope, window, Grouping.MODEL, Measure.SPEND)
        euros = usage.read_series(
            tx, scope, window, Grouping.MODEL, Measure.SPEND, largest=groups, currency="EUR"
        )
    assert {entry.currency: entry.cost_nanos for entry in totals} == {"USD": 5, "EUR": 7}
    assert [row.totals.currency for row in groups] == ["EUR", "USD"]
    assert [sum(line.values) for line in euros] == [7]


def test_keys_of_the_platform_are_one_row_each(
    world: PortalWorld, signed_in: SignedIn, scope: Scope
):
    own = world.add_key(signed_in.viewer, "website")
    with world.database.transaction() as tx:
        minted = [
            world.accounts.mint_playground_key(tx, signed_in.viewer).row.key_id for _ in range(2)
        ]
    for key_id in (own, *minted, "k0123456789a"):
        world.add_usage(signed_in.viewer, hour=HOUR, key_id=key_id)

    with world.database.transaction() as tx:
        groups = usage.read_groups(
            tx, scope, window_of(Period.DAY, NOW), Grouping.KEY, Measure.REQUESTS
        )

    assert {row.label: row.totals.requests for row in groups} == {
        "website": 10,
        "Playground": 20,
        "Earlier short-lived keys": 10,
    }
    assert {row.group for row in groups} == {own, "playground", "deleted"}


def test_one_model_can_be_asked_for(world: PortalWorld, signed_in: SignedIn, scope: Scope):
    world.add_usage(signed_in.viewer, hour=HOUR, model="a/b", requests=2)
    world.add_usage(signed_in.viewer, hour=HOUR, model="a/c", requests=3)

    with world.database.transaction() as tx:
        (totals,) = usage.read_totals(
            tx, Scope(scope.organization_id, "a/b"), window_of(Period.DAY, NOW)
        )
    assert totals.requests == 2


def test_the_mean_of_nothing_is_nothing(world: PortalWorld, signed_in: SignedIn, scope: Scope):
    world.add_usage(signed_in.viewer, hour=HOUR, first_token_count=0, first_token_us_total=0)

    with world.database.transaction() as tx:
        (totals,) = usage.read_totals(tx, scope, window_of(Period.DAY, NOW))
    assert totals.first_token_us_mean is None


def test_the_start_up_check_is_not_an_answer_that_anybody_got(
    world: PortalWorld, signed_in: SignedIn, scope: Scope
):
    with world.database.transaction() as tx:
        key_id = world.accounts.mint_start_up_key(tx).row.key_id
    world.add_usage(signed_in.viewer, key_id=key_id)
    with world.database.transaction() as tx:
        steps = usage.read_first_steps(tx, scope.organization_id)
    assert steps == usage.FirstSteps(answer=False, own_key=False)

    own = world.add_key(signed_in.viewer, "website")
    world.add_usage(signed_in.viewer, key_id=own)
    with world.database.transaction() as tx:
        steps = usage.read_first_steps(tx, scope.organization_id)
    assert steps == usage.FirstSteps(answer=True, own_key=True)
