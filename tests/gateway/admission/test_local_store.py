"""Limits counted in memory, on a clock turned by hand."""

import math

import pytest
from admission_parts import START
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tradewind.gateway.admission.chain import Scope, ScopeKind, Unit
from tradewind.gateway.admission.local_store import LocalStore
from tradewind.gateway.admission.store import ReadNumbers, Refusal


def scope_of(requests=None, tokens=None, calls=None, kind=ScopeKind.KEY, name="k"):
    return Scope(kind, name, "", "org", requests, tokens, calls)


def chain_of(*scopes, store=None):
    return (store or LocalStore()).bind(scopes)


def refusal(chain, tokens):
    verdict = chain.take(tokens, START)
    assert isinstance(verdict, Refusal)
    return verdict


def is_admitted(chain, tokens, now):
    verdict = chain.take(tokens, now)
    if isinstance(verdict, Refusal):
        return False
    chain.settle(0, now, 0.0)
    return True


steps = st.lists(
    st.tuples(st.floats(min_value=0, max_value=30), st.integers(min_value=0, max_value=120)),
    min_size=1,
    max_size=80,
)


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=1, max_value=500), steps)
def test_no_window_ever_holds_more_requests_than_the_rate_and_one_burst(limit, found):
    chain, now = chain_of(scope_of(requests=limit)), START
    admitted = []
    for pause, tries in found:
        now += pause
        admitted += [now for _ in range(tries) if is_admitted(chain, 1, now)]
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
    chain, now = chain_of(scope_of(tokens=limit)), START
    used = []
    for pause, estimate, really in found:
        now += pause
        if estimate > limit or isinstance(chain.take(estimate, now), Refusal):
            continue
        chain.settle(really - estimate, now, 0.0)
        used.append((now, really, max(0, really - estimate)))
    for first, (begin, _, _) in enumerate(used):
        total = 0
        for end, tokens, surplus in used[first:]:
            total += tokens
            # A call that took more than it reserved is found out when it has ended; it is the last
            # one until the surplus is paid back.
            assert total <= limit + limit * (end - begin) / 60 + surplus + 1e-2


def numbers_of(chain):
    """Return the readings of this moment, which go on counting themselves."""
    return [
        ReadNumbers(each.scope, each.requests_arrival, each.tokens_arrival, each.calls)
        for each in chain.readings()
    ]


limits = st.one_of(st.none(), st.integers(min_value=1, max_value=50))
scopes = st.lists(
    st.builds(scope_of, limits, st.one_of(st.none(), st.integers(20, 500)), limits), max_size=4
)


@settings(max_examples=200, deadline=None)
@given(
    scopes,
    st.lists(st.tuples(st.floats(0, 20), st.integers(0, 20), st.booleans()), max_size=40),
)
def test_a_chain_takes_from_all_its_limits_or_from_none(found, calls):
    named = [replace(scope, id=str(place)) for place, scope in enumerate(found)]
    chain, now = chain_of(*named), START
    running = 0
    for pause, tokens, ends in calls:
        now += pause
        before = numbers_of(chain)
        verdict = chain.take(tokens, now)
        after = numbers_of(chain)
        if isinstance(verdict, Refusal):
            assert after == before
            continue
        running += 1
        for old, new in zip(before, after, strict=True):
            if new.scope.requests_per_minute:
                assert new.requests_arrival > max(old.requests_arrival, now)
            if new.scope.tokens_per_minute and tokens:
                assert new.tokens_arrival > max(old.tokens_arrival, now)
            if new.scope.concurrent_requests:
                assert new.calls == old.calls + 1 <= new.scope.concurrent_requests
        if ends:
            chain.settle(0, now, 0.1)
            running -= 1
    assert all(
        reading.calls == running
        for reading in chain.readings()
        if reading.scope.concurrent_requests
    )


@settings(max_examples=200, deadline=None)
@given(scopes, st.integers(0, 20), st.floats(0, 10))
def test_what_is_given_back_leaves_no_trace(found, tokens, pause):
    named = [
        replace(scope, id=str(place), concurrent_requests=None) for place, scope in enumerate(found)
    ]
    chain = chain_of(*named)
    chain.take(3, START)
    before = numbers_of(chain)
    if isinstance(chain.take(tokens, START), Refusal):
        return
    chain.give_back(tokens, START, has_entered=True)
    for old, new in zip(before, chain.readings(), strict=True):
        # An arrival in the past says the same as any other.
        assert max(new.requests_arrival, START) == pytest.approx(max(old.requests_arrival, START))
        assert max(new.tokens_arrival, START) == pytest.approx(max(old.tokens_arrival, START))


@settings(max_examples=300, deadline=None)
@given(scopes, st.lists(st.tuples(st.floats(0, 20), st.integers(1, 20)), max_size=40))
def test_whoever_waits_exactly_as_told_is_admitted_and_who_waits_half_is_not(found, calls):
    named = [
        replace(scope, id=str(place), concurrent_requests=None) for place, scope in enumerate(found)
    ]
    chain, now = chain_of(*named), START
    for pause, tokens in calls:
        now += pause
        verdict = chain.take(tokens, now)
        if isinstance(verdict, Refusal):
            if verdict.wait_s > 1e-3:
                assert isinstance(chain.take(tokens, now + verdict.wait_s / 2), Refusal)
            now += verdict.wait_s
            assert not isinstance(chain.take(tokens, now), Refusal)


def test_the_limit_with_the_longest_wait_is_the_one_that_binds():
    chain = chain_of(
        scope_of(requests=60, tokens=600),
        scope_of(requests=30, kind=ScopeKind.PROJECT, name="p"),
        scope_of(tokens=300, kind=ScopeKind.ORGANIZATION, name="o"),
    )
    for _ in range(30):
        assert is_admitted(chain, 10, START)
    refused = refusal(chain, 10)
    # Two seconds for a request of the project, as for ten tokens of the organization; one more
    # token makes the latter longer.
    assert refused.limit.kind is ScopeKind.PROJECT
    refused = refusal(chain, 11)
    assert refused.limit == scope_of(tokens=300, kind=ScopeKind.ORGANIZATION, name="o").limit(
        Unit.TOKENS
    )
    assert math.isclose(refused.wait_s, 11 * 60 / 300)


def test_for_a_rate_a_place_in_the_future_can_be_taken():
    chain = chain_of(scope_of(requests=60, calls=100))
    for _ in range(60):
        assert is_admitted(chain, 0, START)
    assert isinstance(chain.take(0, START, 0.9), Refusal)
    assert chain.take(0, START, 1.1) == pytest.approx(1.0)
    assert chain.readings()[0].calls == 0, "it runs later"
    assert chain.enter(START + 1) is None
    assert chain.readings()[0].calls == 1
    assert chain.take(0, START, 5.0) == pytest.approx(2.0), "behind the one before"


def test_a_full_limit_tells_about_how_long_calls_take():
    chain = chain_of(scope_of(calls=2))
    for _ in range(200):
        chain.take(0, START)
        chain.settle(0, START, 3.0)
    chain.take(0, START)
    chain.take(0, START)
    refused = refusal(chain, 0)
    assert refused.full == refused.limit
    assert 1.3 < refused.wait_s < 1.6


def test_scopes_of_two_chains_are_counted_together():
    store = LocalStore()
    project = scope_of(requests=2, kind=ScopeKind.PROJECT, name="p")
    one = chain_of(scope_of(name="a", requests=9), project, store=store)
    other = chain_of(scope_of(name="b", requests=9), project, store=store)
    assert is_admitted(one, 0, START)
    assert is_admitted(other, 0, START)
    assert not is_admitted(one, 0, START)
    assert not is_admitted(other, 0, START)


def test_changed_limits_hold_at_once_for_what_is_in_use():
    store = LocalStore()
    chain_of(scope_of(requests=10), store=store).take(0, START)
    wider = chain_of(scope_of(requests=1000), store=store)
    narrower = chain_of(scope_of(requests=2), store=store)
    assert wider.readings()[0].requests_arrival == narrower.readings()[0].requests_arrival
    assert is_admitted(narrower, 0, START)
    assert not is_admitted(narrower, 0, START), "a tenth and a half are used"


def test_idle_scopes_are_forgotten_when_there_are_too_many():
    store = LocalStore(most_cells=10)
    busy = chain_of(scope_of(calls=5, name="busy"), store=store)
    busy.take(0, START)
    for number in range(9):
        chain_of(scope_of(requests=1, name=str(number)), store=store)
    assert store.forget_idle(START)
    assert chain_of(scope_of(calls=5, name="busy"), store=store).readings()[0].calls == 1
    assert not store.forget_idle(START), "now there is room"


def test_a_share_of_a_limit_is_given_out_by_one_of_many():
    store = LocalStore(share=1 / 4)
    chain = chain_of(scope_of(requests=40, tokens=4000, calls=8), store=store)
    admitted = 0
    while not isinstance(chain.take(1, START), Refusal):
        admitted += 1
        chain.settle(0, START, 0.0)
    assert admitted == 10
    large = chain_of(scope_of(tokens=4000, name="large"), store=store)
    assert large.take(4000, START) == 0.0, "what fits the whole limit fits its share, once"
