"""What was measured of hosts: sums of hours and days, and percentiles told from histograms."""

import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from tradewind.features.metering.tables import request_log, usage_hour
from tradewind.readmodels.offer_stats.histograms import (
    LAST_BUCKET,
    STEPS,
    bucket_of,
    merged,
    middle_of,
    percentile,
)
from tradewind.readmodels.offer_stats.reading import read_average_chat, read_stats
from tradewind.readmodels.offer_stats.roll_up import drop_old, newest_hour, sum_hour
from tradewind.readmodels.offer_stats.tables import offer_day, offer_hour
from tradewind.testing.logged_calls import ended_call, log_calls
from tradewind.usage.event import Attempt, Outcome, Trail, Usage, UsageSource

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
MODEL = "tw/small"
VALUES = st.lists(st.integers(1, 10**9), min_size=1, max_size=300)


def an_attempt(host: str = "groq", failure: str = "", duration_us: int = 500_000) -> Attempt:
    return Attempt("target", host, "only target", 200, failure, duration_us)


def a_call(at: datetime, *attempts: Attempt, first_us: int | None = 100_000, **changes):
    """A stream of 101 tokens whose last attempt was the whole of it, unless told otherwise."""
    attempts = attempts or (an_attempt(),)
    values = {
        "model": MODEL,
        "is_stream": True,
        "outcome": Outcome.COMPLETED,
        "usage": Usage(10, 0, 101, UsageSource.UPSTREAM),
        "first_token_us": first_us,
        "duration_us": sum(attempt.duration_us for attempt in attempts),
    }
    return ended_call(at, trail=Trail("openai", "small", attempts), **values | changes)


def the_stats(database, now=NOW, host="groq"):
    with database.transaction() as tx:
        return read_stats(tx, [MODEL], now).get((MODEL, host))


def of_day(database, **how):
    """What was measured in the last day, which there is."""
    found = the_stats(database, **how)
    assert found is not None
    assert found.day is not None
    return found.day


def of_month(database, **how):
    found = the_stats(database, **how)
    assert found is not None
    assert found.month is not None
    return found.month


def sum_up(database, *hours: datetime) -> None:
    for hour in hours:
        with database.transaction() as tx:
            sum_hour(tx, hour)


def exact(values: list[int], percent: int) -> int:
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


@given(VALUES, st.integers(1, 99))
def test_a_percentile_is_off_by_one_bucket_at_most(values, percent):
    histogram = merged({bucket_of(value): 1} for value in values)

    told = percentile(histogram, percent)

    assert told is not None
    assert abs(bucket_of(told) - bucket_of(exact(values, percent))) <= 1


@given(st.integers(1, 2**39))
def test_a_value_lies_in_its_bucket(value):
    bucket = bucket_of(value)

    assert 2 ** (bucket / STEPS) <= value * (1 + 1e-9)
    assert value < 2 ** ((bucket + 1) / STEPS) * (1 + 1e-9)


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_histograms_that_are_added_up_are_one_of_all_values(parts):
    apart = merged(merged({bucket_of(value): 1} for value in part) for part in parts)

    assert apart == merged({bucket_of(value): 1} for part in parts for value in part)


def test_the_ends_of_the_scale():
    assert bucket_of(-5) == bucket_of(0) == bucket_of(1) == 0
    assert bucket_of(2**62) == LAST_BUCKET
    assert percentile({}, 50) is None
    assert bucket_of(middle_of(40)) == 40


@pytest.mark.postgres
def test_percentiles_of_a_day_are_those_of_its_calls(database):
    dice = random.Random(7)
    firsts = [round(dice.lognormvariate(12, 0.8)) for _ in range(300)]
    speeds = [dice.randint(5, 400) for _ in firsts]
    log_calls(
        database,
        *(
            a_call(
                NOW - timedelta(minutes=4 * number),
                an_attempt(duration_us=first + round(101e6 / speed)),
                first_us=first,
            )
            for number, (first, speed) in enumerate(zip(firsts, speeds, strict=True))
        ),
    )
    sum_up(database, *(NOW - timedelta(hours=hour) for hour in range(24)))

    found = of_day(database)

    assert found.streams == found.attempts == 300
    for percent, told in ((50, found.first_token_us_p50), (95, found.first_token_us_p95)):
        assert abs(bucket_of(told or 0) - bucket_of(exact(firsts, percent))) <= 1
    assert abs(bucket_of(found.speed_p50 or 0) - bucket_of(exact(speeds, 50) * 1000)) <= 1


@pytest.mark.postgres
@pytest.mark.parametrize("value", [1, 2, 3, 7, 90_509, 1_000_000, 2**32, 2**40])
def test_postgresql_and_python_agree_on_the_bucket(database, value):
    log_calls(database, a_call(NOW, an_attempt(duration_us=value), first_us=value))
    sum_up(database, NOW)

    with database.transaction() as tx:
        stored = tx.execute(select(offer_hour.c.first_token_us)).scalar_one()

    [bucket] = stored
    assert abs(int(bucket) - bucket_of(value)) <= (value > 2**30)


@pytest.mark.postgres
def test_the_first_token_is_the_hosts_alone(database):
    slow = an_attempt("slow", "first_byte_timeout", 2_000_000)
    log_calls(database, a_call(NOW, slow, an_attempt(duration_us=400_000), first_us=2_100_000))
    sum_up(database, NOW)

    assert bucket_of(of_day(database).first_token_us_p50 or 0) == bucket_of(100_000)
    failed = of_day(database, host="slow")
    assert (failed.attempts, failed.failed, failed.streams) == (1, 1, 0)
    assert failed.first_token_us_p95 is None


@pytest.mark.postgres
def test_what_the_caller_broke_says_nothing_of_the_host(database):
    log_calls(
        database,
        a_call(NOW, an_attempt(failure="caller"), outcome=Outcome.FAILED, http_status=400),
        a_call(NOW, an_attempt(failure="cancelled"), outcome=Outcome.CANCELLED),
    )
    sum_up(database, NOW)

    assert the_stats(database) is None


@pytest.mark.postgres
def test_a_minute_is_down_when_nobody_was_answered_in_it(database):
    start = NOW.replace(minute=0)
    failed = an_attempt(failure="failed")
    log_calls(
        database,
        a_call(start, failed, first_us=None, outcome=Outcome.FAILED),
        a_call(start + timedelta(seconds=9)),
        a_call(start + timedelta(minutes=1), failed, first_us=None, outcome=Outcome.FAILED),
        a_call(start + timedelta(minutes=2)),
    )
    sum_up(database, NOW)

    found = of_day(database)

    assert (found.attempts, found.failed) == (4, 2)
    assert (found.minutes, found.minutes_down, found.minutes_up) == (3, 1, 2)


@pytest.mark.postgres
def test_an_answer_in_one_piece_tells_no_first_token(database):
    log_calls(database, a_call(NOW, is_stream=False))
    sum_up(database, NOW)

    found = of_day(database)

    assert (found.attempts, found.streams, found.speed_p50) == (1, 0, None)


@pytest.mark.postgres
def test_summing_twice_and_late_adds_nothing_twice(database):
    log_calls(database, a_call(NOW), a_call(NOW - timedelta(days=10)))
    for _ in range(2):
        sum_up(database, NOW, NOW - timedelta(days=10))
    log_calls(database, a_call(NOW))
    sum_up(database, NOW)

    assert of_day(database).attempts == 2
    assert of_month(database).attempts == 3


@pytest.mark.postgres
def test_sums_stay_when_the_log_has_gone(database):
    log_calls(database, a_call(NOW))
    sum_up(database, NOW)
    with database.transaction() as tx:
        tx.execute(delete(request_log))
    sum_up(database, NOW)

    assert of_month(database).attempts == 1


@pytest.mark.postgres
def test_what_is_old_is_not_shown_and_goes(database):
    log_calls(database, a_call(NOW - timedelta(days=40)), a_call(NOW - timedelta(days=5)))
    sum_up(database, NOW - timedelta(days=40), NOW - timedelta(days=5))

    found = the_stats(database)
    assert found is not None
    assert found.day is None
    assert of_month(database).attempts == 1

    with database.transaction() as tx:
        assert newest_hour(tx) == (NOW - timedelta(days=5)).replace(minute=0)
        drop_old(tx, NOW + timedelta(days=80))
        assert newest_hour(tx) is None
        assert tx.execute(select(func.count()).select_from(offer_day)).scalar() == 1


@pytest.mark.postgres
def test_models_and_hosts_are_kept_apart(database):
    log_calls(database, a_call(NOW), a_call(NOW, an_attempt("own")), a_call(NOW, model="tw/other"))
    sum_up(database, NOW)

    with database.transaction() as tx:
        assert set(read_stats(tx, [MODEL], NOW)) == {(MODEL, "groq"), (MODEL, "own")}
        assert set(read_stats(tx, ["tw/other"], NOW)) == {("tw/other", "groq")}


@pytest.mark.postgres
def test_the_average_chat_and_what_a_thousand_of_them_cost(database):
    with database.transaction() as tx:
        assert read_average_chat(tx, "org_a", NOW) is None
        for organization, operation, requests in (
            ("org_a", "chat", 10),
            ("org_a", "embeddings", 90),
            ("org_b", "chat", 900),
        ):
            tx.execute(
                usage_hour.insert().values(
                    organization_id=organization,
                    hour=NOW.replace(minute=0),
                    project_id="p",
                    key_id="k",
                    model=MODEL,
                    operation=operation,
                    price_id="price",
                    currency="USD",
                    requests=requests,
                    failed=2,
                    cancelled=0,
                    orphaned=0,
                    input_tokens=3_200,
                    cached_input_tokens=800,
                    output_tokens=1_600,
                    cost_nanos=1,
                    first_token_count=0,
                    first_token_us_total=0,
                    duration_us_total=0,
                )
            )
        found = read_average_chat(tx, "org_a", NOW)

    assert found is not None
    assert (found.calls, found.input_tokens, found.output_tokens) == (8, 3_200, 1_600)
    # A thousand: 300,000 fresh and 100,000 cached tokens in, 200,000 out.
    assert found.cost_nanos(1_000_000_000, 2_000_000_000, 500_000_000) == 750_000_000
    assert found.cost_nanos(1_000_000_000, None, None) == 400_000_000
