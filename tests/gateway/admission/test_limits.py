"""Limits of keys, on a clock turned by hand."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.gateway.admission.limits import Limiter
from tradewind.snapshot.contents import Grant, Limits
from tradewind.wire.errors import ApiError

# A running machine's monotonic clock: large enough for sums of floats to be rough.
START = 5_000_000.123


def grant_of(requests=None, tokens=None, at_once=None, key_id="k1"):
    return Grant(key_id, b"", "org", "proj", limits=Limits(requests, tokens, at_once))


def is_admitted(limiter, grant, tokens, now):
    try:
        use = limiter.admit(grant, tokens, now)
    except ApiError as error:
        assert error.status == 429
        return False
    limiter.settle(use, tokens, tokens, now)
    return True


def refusal(limiter, grant, tokens, now):
    with pytest.raises(ApiError) as caught:
        limiter.admit(grant, tokens, now)
    return caught.value


def headers_of(lines):
    return {
        name: int(value.removesuffix("ms"))
        for name, value in (line.split(": ") for line in lines.decode().splitlines())
    }


steps = st.lists(
    st.tuples(st.floats(min_value=0, max_value=30), st.integers(min_value=0, max_value=120)),
    min_size=1,
    max_size=80,
)


@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=1, max_value=500), steps)
def test_no_window_ever_holds_more_requests_than_the_rate_and_one_burst(limit, found):
    limiter, grant, now = Limiter(), grant_of(requests=limit), START
    admitted = []
    for pause, tries in found:
        now += pause
        admitted += [now for _ in range(tries) if is_admitted(limiter, grant, 1, now)]
    for first, begin in enumerate(admitted):
        for last in range(first, len(admitted)):
            most = limit + limit * (admitted[last] - begin) / 60
            assert last - first + 1 <= most + 1e-3


@settings(max_examples=200, deadline=None)
@given(
    st.integers(min_value=100, max_value=10_000),
    st.lists(
        st.tuples(
            st.floats(min_value=0, max_value=30),
            st.integers(min_value=0, max_value=3000),
            st.integers(min_value=0, max_value=3000),
        ),
        min_size=1,
        max_size=60,
    ),
)
def test_no_window_ever_takes_more_tokens_than_the_rate_a_burst_and_one_calls_surplus(limit, found):
    limiter, grant, now = Limiter(), grant_of(tokens=limit), START
    used = []
    for pause, estimate, really in found:
        now += pause
        try:
            use = limiter.admit(grant, estimate, now)
        except ApiError:
            continue
        limiter.settle(use, estimate, really, now)
        used.append((now, really, max(0, really - estimate)))
    for first, (begin, _, _) in enumerate(used):
        total = 0
        for end, tokens, surplus in used[first:]:
            total += tokens
            # A call that took more than it reserved is found out when it has ended; it is the last
            # one until the surplus is paid back.
            assert total <= limit + limit * (end - begin) / 60 + surplus + 1e-2


@settings(max_examples=300, deadline=None)
@given(
    st.integers(min_value=1, max_value=100_000),
    st.floats(min_value=0, max_value=1e7),
    st.floats(min_value=0, max_value=59),
)
def test_a_full_burst_then_exactly_the_rate(limit, start, pause):
    limiter, grant = Limiter(), grant_of(tokens=limit)
    assert is_admitted(limiter, grant, limit, start)
    assert not is_admitted(limiter, grant, 1, start) or 60 / limit < 1e-3
    later = start + pause
    refilled = math.floor(limit * pause / 60 - 1e-3)
    if refilled >= 1:
        assert is_admitted(limiter, grant, refilled, later)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(min_value=1, max_value=1000),
    st.integers(min_value=10, max_value=100_000),
    st.lists(
        st.tuples(st.floats(min_value=0, max_value=20), st.integers(min_value=1, max_value=200)),
        max_size=40,
    ),
)
def test_whoever_waits_exactly_as_told_is_admitted_and_who_waits_less_is_not(
    requests, tokens, found
):
    limiter, grant, now = Limiter(), grant_of(requests=requests, tokens=tokens), START
    for pause, size in found:
        now += pause
        estimate = min(size, tokens)
        try:
            limiter.settle(limiter.admit(grant, estimate, now), estimate, estimate, now)
        except ApiError as error:
            told = headers_of(error.headers)
            wait_s = told["retry-after-ms"] / 1000
            assert told["retry-after"] * 1000 >= told["retry-after-ms"]
            assert not is_admitted(limiter, grant, estimate, now + wait_s - 0.0021)
            now += wait_s
            assert is_admitted(limiter, grant, estimate, now)


def test_a_refusal_takes_nothing():
    limiter, grant = Limiter(), grant_of(requests=10, tokens=100)
    assert is_admitted(limiter, grant, 90, START)
    for _ in range(50):
        assert not is_admitted(limiter, grant, 20, START)
    for _ in range(9):
        assert is_admitted(limiter, grant, 1, START)
    assert not is_admitted(limiter, grant, 1, START)


def test_what_was_reserved_and_not_used_is_given_back():
    limiter, grant = Limiter(), grant_of(tokens=1000)
    use = limiter.admit(grant, 1000, START)
    assert not is_admitted(limiter, grant, 1, START)
    limiter.settle(use, 1000, 10, START)
    assert is_admitted(limiter, grant, 990, START)
    assert not is_admitted(limiter, grant, 1, START)


def test_a_late_refund_gives_no_more_than_a_full_burst():
    limiter, grant = Limiter(), grant_of(tokens=1000)
    use = limiter.admit(grant, 1000, START)
    limiter.settle(use, 1000, 0, START + 3600)
    assert is_admitted(limiter, grant, 1000, START + 3600)
    assert not is_admitted(limiter, grant, 1, START + 3600)


def test_what_was_used_beyond_the_reserve_is_paid_back_first():
    limiter, grant = Limiter(), grant_of(tokens=600)
    limiter.settle(limiter.admit(grant, 0, START), 0, 1200, START)
    assert not is_admitted(limiter, grant, 1, START + 59)
    assert is_admitted(limiter, grant, 1, START + 60.2)


def test_calls_at_once_are_counted_until_they_are_settled():
    limiter, grant = Limiter(), grant_of(at_once=2)
    first, second = limiter.admit(grant, 5, START), limiter.admit(grant, 5, START)
    error = refusal(limiter, grant, 5, START)
    assert (error.status, error.code) == (429, "rate_limit_exceeded")
    assert headers_of(error.headers)["retry-after-ms"] >= 1
    limiter.settle(first, 5, 5, START)
    third = limiter.admit(grant, 5, START)
    refusal(limiter, grant, 5, START)
    limiter.settle(second, 5, 5, START)
    limiter.settle(third, 5, 5, START)
    assert limiter.admit(grant, 5, START).in_flight == 1


def test_a_call_that_can_never_fit_is_not_told_to_wait():
    error = refusal(Limiter(), grant_of(tokens=100), 101, START)
    assert (error.status, error.code) == (400, "request_exceeds_limit")
    assert error.headers == b""


def test_a_call_that_takes_the_whole_minute_fits():
    assert is_admitted(Limiter(), grant_of(tokens=100), 100, START)


def test_the_longer_of_two_waits_is_told():
    limiter, grant = Limiter(), grant_of(requests=60, tokens=60)
    for _ in range(60):
        limiter.settle(limiter.admit(grant, 1, START), 1, 1, START)
    error = refusal(limiter, grant, 30, START)
    assert (error.type, headers_of(error.headers)["retry-after-ms"]) == ("tokens", 30_000)
    error = refusal(limiter, grant, 0, START)
    assert (error.type, headers_of(error.headers)["retry-after-ms"]) == ("requests", 1000)
    limiter, grant = Limiter(), grant_of(requests=1, tokens=60)
    limiter.settle(limiter.admit(grant, 60, START), 60, 60, START)
    error = refusal(limiter, grant, 1, START)
    assert (error.type, headers_of(error.headers)["retry-after-ms"]) == ("requests", 60_000)


def test_the_headers_tell_what_would_be_admitted():
    limiter, grant = Limiter(), grant_of(requests=60, tokens=6000)
    use = limiter.admit(grant, 1500, START)
    assert headers_of(use.headers(START)) == {
        "x-ratelimit-limit-requests": 60,
        "x-ratelimit-remaining-requests": 59,
        "x-ratelimit-reset-requests": 1000,
        "x-ratelimit-limit-tokens": 6000,
        "x-ratelimit-remaining-tokens": 4500,
        "x-ratelimit-reset-tokens": 15_000,
    }
    assert headers_of(use.headers(START + 60)) == {
        "x-ratelimit-limit-requests": 60,
        "x-ratelimit-remaining-requests": 60,
        "x-ratelimit-reset-requests": 0,
        "x-ratelimit-limit-tokens": 6000,
        "x-ratelimit-remaining-tokens": 6000,
        "x-ratelimit-reset-tokens": 0,
    }


@settings(max_examples=200, deadline=None)
@given(
    st.integers(min_value=1, max_value=5000),
    st.integers(min_value=0, max_value=5000),
    st.floats(min_value=0, max_value=120),
)
def test_what_is_said_to_remain_is_admitted_and_one_more_is_not(limit, taken, pause):
    limiter, grant = Limiter(), grant_of(tokens=limit)
    use = limiter.admit(grant, min(taken, limit), START)
    now = START + pause
    remaining = headers_of(use.headers(now))["x-ratelimit-remaining-tokens"]
    assert remaining == limit or not is_admitted(limiter, grant, remaining + 1, now)
    assert is_admitted(limiter, grant, remaining, now)


def test_a_key_without_limits_has_no_headers_and_no_end():
    limiter, grant = Limiter(), grant_of()
    uses = [limiter.admit(grant, 10**9, START) for _ in range(1000)]
    assert uses[0].headers(START) == b""


def test_keys_do_not_share_their_limits():
    limiter = Limiter()
    assert is_admitted(limiter, grant_of(requests=1, key_id="a"), 1, START)
    assert is_admitted(limiter, grant_of(requests=1, key_id="b"), 1, START)
    assert not is_admitted(limiter, grant_of(requests=1, key_id="a"), 1, START)


def test_a_new_snapshot_with_the_same_limits_keeps_what_is_in_use():
    limiter = Limiter()
    assert is_admitted(limiter, grant_of(requests=1), 1, START)
    assert not is_admitted(limiter, grant_of(requests=1), 1, START)


def test_changed_limits_hold_at_once_and_former_calls_still_settle():
    limiter = Limiter()
    former = limiter.admit(grant_of(tokens=100, at_once=1), 100, START)
    wider = grant_of(tokens=200, at_once=1)
    use = limiter.admit(wider, 200, START)
    refusal(limiter, wider, 0, START)
    limiter.settle(former, 100, 100, START)
    refusal(limiter, wider, 0, START)
    limiter.settle(use, 200, 0, START)
    assert is_admitted(limiter, wider, 200, START)


def test_the_refusal_is_what_clients_of_openai_expect():
    limiter, grant = Limiter(), grant_of(requests=1)
    assert is_admitted(limiter, grant, 1, START)
    error = refusal(limiter, grant, 1, START)
    body = json.loads(error.body())["error"]
    assert (body["type"], body["code"]) == ("requests", "rate_limit_exceeded")
    assert "1 requests per minute" in body["message"]
    assert headers_of(error.headers)["x-ratelimit-remaining-requests"] == 0
