import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing_parts import (
    a_router,
    a_target,
    a_wish,
    an_ask,
    an_endpoint,
    fail,
    first_of,
    order_of,
    stream,
)

from tradewind.gateway.routing.plan import Standing
from tradewind.gateway.routing.router import MOST_STANDINGS, AttemptResult
from tradewind.snapshot.contents import Cost, Routing
from tradewind.wire.routing import Percentiles, Sort

A, B, C = a_target("a"), a_target("b"), a_target("c")
OWN = a_target("own", host="own", slots=4)
PAID = a_target("paid", host="openai", tier=1, slots=64)
SPILLS = Routing(queue_bound=1, first_token_bound_ms=500)


def hold(router, target, number, now=0.0):
    for _ in range(number):
        router.started(target, now)


def release(router, target, number, now=0.0):
    for _ in range(number):
        router.ended(target, AttemptResult.CALLER, now, started=now)


# Every allowed target once.


def test_an_endpoint_without_targets_offers_none():
    assert a_router().plan(an_endpoint(), an_ask(), 0.0).next(0.0) is None


def test_one_target_is_offered_once():
    router, endpoint = a_router(), an_endpoint(A)
    assert first_of(router, endpoint, an_ask()) == ("a", "only target")
    assert order_of(router, endpoint, an_ask()) == ["a"]


def test_one_that_conditions_leave_says_so():
    ask = an_ask(provider=a_wish(only=["dep_b"]))
    assert first_of(a_router(), an_endpoint(A, B), ask) == ("b", "only allowed target")


@given(
    st.integers(1, 8),
    st.sets(st.integers(0, 7)),
    st.sampled_from(["load", "price", "latency", "throughput"]),
    st.binary(max_size=4),
    st.lists(st.integers(0, 2), min_size=8, max_size=8),
)
def test_every_allowed_target_is_offered_exactly_once(number, down, sort, affinity, tiers):
    targets = [a_target(str(place), tier=tiers[place]) for place in range(number)]
    router, routing = a_router(), Routing(sort, 0, 100, max_attempts=8)
    for place in down & set(range(number)):
        fail(router, targets[place], 0.0)
    endpoint = an_endpoint(*targets, routing=routing)
    tried = order_of(router, endpoint, an_ask(affinity=affinity), 1.0)
    assert sorted(tried) == [str(place) for place in range(number)]
    healthy = [replica for replica in tried if int(replica) not in down]
    assert tried[: len(healthy)] == healthy


def test_no_more_attempts_are_made_than_the_endpoint_has():
    endpoint = an_endpoint(A, B, C, routing=Routing(max_attempts=2))
    assert len(order_of(a_router(), endpoint, an_ask())) == 2


def test_a_replica_that_stands_twice_is_tried_once():
    endpoint = an_endpoint(A, a_target("a", tier=1), B)
    assert sorted(order_of(a_router(), endpoint, an_ask())) == ["a", "b"]


# Load.


def test_the_least_loaded_is_chosen():
    router, endpoint = a_router(), an_endpoint(A, B)
    hold(router, A, 2)
    hold(router, B, 1)
    assert first_of(router, endpoint, an_ask()) == ("b", "least load")
    assert router.in_flight == 3
    release(router, A, 2)
    assert first_of(router, endpoint, an_ask()) == ("a", "least load")


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6))
def test_load_is_shared_by_weight(weights):
    targets = [a_target(str(place), weight=weight) for place, weight in enumerate(weights)]
    router, endpoint = a_router(), an_endpoint(*targets)
    for _ in range(10 * sum(weights)):
        choice = router.plan(endpoint, an_ask(), 0.0).next(0.0)
        assert choice is not None
        router.started(choice.target, 0.0)
    taken = [router._seen.in_flight[target.replica_id] for target in targets]
    assert taken == [10 * weight for weight in weights]


@given(st.lists(st.integers(1, 20), min_size=2, max_size=6), st.integers(1, 120))
def test_weights_hold_within_one_call_when_nothing_is_in_flight(weights, number):
    targets = [a_target(str(place), weight=weight) for place, weight in enumerate(weights)]
    router, endpoint = a_router(), an_endpoint(*targets)
    taken = [int(first_of(router, endpoint, an_ask())[0]) for _ in range(number)]
    for place, weight in enumerate(weights):
        assert abs(taken.count(place) - number * weight / sum(weights)) < 1


def test_whose_turn_it_is_outlives_a_new_snapshot():
    router, taken = a_router(), []
    for _ in range(40):
        # The same endpoint, decoded anew each time.
        endpoint = an_endpoint(a_target("a", weight=3), a_target("b"))
        taken.append(first_of(router, endpoint, an_ask())[0])
    assert taken.count("a") == 30


def test_what_is_kept_of_endpoints_is_bounded():
    router = a_router()
    for number in range(MOST_STANDINGS + 5):
        first_of(router, an_endpoint(A, B, name=f"p/{number}"), an_ask())
    assert len(router._standings) == MOST_STANDINGS


def test_ending_what_was_not_started_is_a_bug_that_shows():
    with pytest.raises(KeyError):
        a_router().ended(A, AttemptResult.OK, 0.0, started=0.0)


# Health.


def test_one_that_cannot_be_reached_rests_however_busy_the_others_are():
    router, endpoint = a_router(), an_endpoint(A, B)
    fail(router, A, 100.0)
    hold(router, B, 50)
    assert first_of(router, endpoint, an_ask(), 101.9) == ("b", "least load")
    assert first_of(router, endpoint, an_ask(), 102.0) == ("a", "probe")


def test_when_all_rest_the_one_that_is_due_first_is_tried():
    router, endpoint = a_router(), an_endpoint(A, B, C)
    for number, target in enumerate((C, B, A)):
        fail(router, target, 100.0 + number / 10)
    assert first_of(router, endpoint, an_ask(), 100.5) == ("c", "all targets rest")
    assert order_of(router, endpoint, an_ask(), 100.5) == ["c", "b", "a"]


def test_one_probe_at_a_time_goes_to_a_target_that_is_due():
    router, endpoint = a_router(), an_endpoint(A, B)
    fail(router, A, 0.0)
    hold(router, B, 9, 2.0)
    assert first_of(router, endpoint, an_ask(), 2.0) == ("a", "probe")
    router.started(A, 2.0)
    for moment in (2.0, 3.0, 100.0):
        assert first_of(router, endpoint, an_ask(), moment) == ("b", "least load")
    router.answering(A, 100.0, 2.0)
    assert first_of(router, endpoint, an_ask(), 100.0) == ("a", "least load")
    assert (router.rests, router.counters.probes) == (1, 1)


def test_a_busy_target_goes_behind_a_healthy_one_and_before_one_that_rests():
    router, endpoint = a_router(), an_endpoint(A, B, C)
    fail(router, A, 0.0)
    fail(router, B, 0.0, AttemptResult.BUSY, retry_after_s=30.0)
    assert order_of(router, endpoint, an_ask(), 1.0) == ["c", "b", "a"]


def test_a_restarted_replica_is_not_held_to_what_its_forerunner_did():
    router = a_router()
    fail(router, A, 0.0)
    hold(router, B, 1)
    assert first_of(router, an_endpoint(a_target("a2"), B), an_ask(), 0.1)[0] == "a2"


# The request's own order.


def test_the_order_of_the_request_comes_before_tiers_and_load():
    router, endpoint = a_router(), an_endpoint(OWN, PAID, A)
    ask = an_ask(provider=a_wish(order=["OpenAI", "dep_a"]))
    assert first_of(router, endpoint, ask) == ("paid", "first in order")
    assert order_of(router, endpoint, ask) == ["paid", "a", "own"]
    assert router.counters.spilled_down == 0


def test_the_order_of_the_request_does_not_come_before_health():
    router, endpoint = a_router(), an_endpoint(OWN, PAID)
    fail(router, PAID, 0.0)
    ask = an_ask(provider=a_wish(order=["openai"]))
    assert order_of(router, endpoint, ask, 1.0) == ["own", "paid"]


def test_without_fallbacks_only_the_first_is_tried():
    ask = an_ask(provider=a_wish(allow_fallbacks=False))
    assert len(order_of(a_router(), an_endpoint(A, B, C), ask)) == 1


def test_without_fallbacks_only_what_the_order_names_is_tried():
    ask = an_ask(provider=a_wish(order=["dep_c", "dep_a"], allow_fallbacks=False))
    assert order_of(a_router(), an_endpoint(A, B, C), ask) == ["c", "a"]


# Sorting.


def test_the_cheapest_comes_first_and_own_capacity_costs_nothing():
    dear = a_target("dear", cost=Cost("EUR", 5, 5))
    cheap = a_target("cheap", cost=Cost("EUR", 1, 6))
    foreign = a_target("foreign", cost=Cost("USD", 0, 0))
    endpoint = an_endpoint(foreign, dear, cheap, a_target("own"), routing=Routing(max_attempts=4))
    ask = an_ask(sort="price")
    assert first_of(a_router(), endpoint, ask) == ("own", "cheapest")
    assert order_of(a_router(), endpoint, ask) == ["own", "cheap", "dear", "foreign"]


def test_the_fastest_first_token_is_chosen_once_all_are_measured():
    router = a_router()
    endpoint = an_endpoint(A, B, routing=Routing("latency"))
    stream(router, A, 0.0, 0.9)
    assert first_of(router, endpoint, an_ask(), 2.0) == ("b", "not measured yet")
    stream(router, B, 2.0, 0.2)
    assert first_of(router, endpoint, an_ask(), 4.0) == ("b", "fastest first token")


def test_the_highest_throughput_is_chosen_once_all_are_measured():
    router = a_router()
    endpoint = an_endpoint(A, B)
    stream(router, A, 0.0, 0.1, tokens_per_s=80)
    assert first_of(router, endpoint, an_ask(sort="throughput"), 2.0) == ("b", "not measured yet")
    stream(router, B, 2.0, 0.1, tokens_per_s=40)
    assert first_of(router, endpoint, an_ask(sort="throughput"), 4.0) == ("a", "highest throughput")


def test_only_one_call_at_a_time_finds_out_how_fast_a_target_is():
    router, endpoint = a_router(), an_endpoint(A, B, routing=Routing("latency"))
    stream(router, A, 0.0, 0.1)
    hold(router, B, 1, 2.0)
    assert first_of(router, endpoint, an_ask(), 2.0) == ("a", "fastest first token")


def test_targets_about_as_fast_share_the_load():
    router, endpoint = a_router(), an_endpoint(A, B, routing=Routing("latency"))
    stream(router, A, 0.0, 0.40)
    stream(router, B, 0.0, 0.45)
    hold(router, A, 1, 2.0)
    assert first_of(router, endpoint, an_ask(), 2.0)[0] == "b"


def test_one_that_was_slow_gets_another_try_some_time():
    router, endpoint = a_router(), an_endpoint(A, B, routing=Routing("latency"))
    stream(router, A, 0.0, 5.0)
    for second in range(400):
        stream(router, B, float(second), 0.1)
    assert first_of(router, endpoint, an_ask(), 400.0) == ("a", "not measured yet")


@pytest.mark.parametrize(
    ("asked", "wished", "own", "why"),
    [
        (None, None, "price", "cheapest"),
        ("price", None, "load", "cheapest"),
        ("latency", "price", "load", "cheapest"),
        ("own", None, "price", "cheapest"),
        (None, Sort("price"), "latency", "cheapest"),
        (None, None, "of tomorrow", "least load"),
    ],
)
def test_the_request_sorts_before_the_name_and_the_name_before_the_endpoint(
    asked, wished, own, why
):
    endpoint = an_endpoint(A, B, routing=Routing(own))
    ask = an_ask(sort=asked, provider=a_wish(sort=wished))
    assert first_of(a_router(), endpoint, ask)[1] == why


@pytest.mark.parametrize("bound", [1.0, Percentiles(p50=0.2, p90=1.0)])
def test_a_preferred_latency_moves_slower_ones_behind_and_leaves_none_out(bound):
    router, endpoint = a_router(), an_endpoint(A, B)
    stream(router, A, 0.0, 3.0)
    ask = an_ask(provider=a_wish(preferred_max_latency=bound))
    for _ in range(3):
        assert order_of(router, endpoint, ask, 5.0) == ["b", "a"]
    stream(router, B, 5.0, 3.0)
    assert {first_of(router, endpoint, ask, 9.0)[0] for _ in range(2)} == {"a", "b"}


@pytest.mark.parametrize("bound", [30.0, Percentiles(p50=90.0, p99=30.0)])
def test_a_preferred_throughput_moves_slower_ones_behind(bound):
    router, endpoint = a_router(), an_endpoint(A, B)
    stream(router, A, 0.0, 0.1, tokens_per_s=20)
    ask = an_ask(provider=a_wish(preferred_min_throughput=bound))
    for _ in range(3):
        assert order_of(router, endpoint, ask, 5.0) == ["b", "a"]


def test_an_empty_preference_prefers_nothing():
    ask = an_ask(provider=a_wish(preferred_max_latency=Percentiles()))
    assert len(order_of(a_router(), an_endpoint(A, B), ask)) == 2


# Affinity.


def test_calls_with_the_same_prefix_stay_together():
    router, endpoint = a_router(), an_endpoint(A, B, C)
    ask = an_ask(affinity=b"abcd")
    replica, why = first_of(router, endpoint, ask)
    assert why == "sticky prefix"
    assert {first_of(router, endpoint, ask)[0] for _ in range(20)} == {replica}
    others = {first_of(router, endpoint, an_ask(affinity=bytes([n])))[0] for n in range(50)}
    assert others == {"a", "b", "c"}


def test_a_sticky_target_with_too_much_load_is_left_for_another():
    router, endpoint = a_router(), an_endpoint(A, B, C)
    ask = an_ask(affinity=b"abcd")
    replica, _ = first_of(router, endpoint, ask)
    hold(router, {"a": A, "b": B, "c": C}[replica], 3)
    assert first_of(router, endpoint, ask)[0] != replica


def test_affinity_stays_within_the_tier():
    router, endpoint = a_router(), an_endpoint(OWN, PAID)
    for number in range(50):
        assert first_of(router, endpoint, an_ask(affinity=bytes([number])))[0] == "own"


# Tiers and spill.


def test_the_lowest_tier_comes_first():
    endpoint = an_endpoint(PAID, OWN)
    router = a_router()
    hold(router, OWN, 1000)
    assert order_of(router, endpoint, an_ask()) == ["own", "paid"]


def test_a_full_tier_spills_to_the_next_and_gets_its_calls_back():
    router, endpoint = a_router(), an_endpoint(OWN, PAID, routing=SPILLS)
    hold(router, OWN, 7)
    assert first_of(router, endpoint, an_ask())[0] == "own"
    hold(router, OWN, 1)
    assert first_of(router, endpoint, an_ask()) == ("paid", "spill: queue")
    release(router, OWN, 4)
    assert first_of(router, endpoint, an_ask()) == ("paid", "spill: queue")
    release(router, OWN, 1)
    assert first_of(router, endpoint, an_ask())[0] == "own"
    assert router.counters.spilled_queue == 2


def test_a_slow_tier_spills_to_the_next_but_for_a_probe_now_and_then():
    router, endpoint = a_router(), an_endpoint(OWN, PAID, routing=SPILLS)
    stream(router, OWN, 0.0, 0.9)
    assert first_of(router, endpoint, an_ask(), 1.0) == ("paid", "spill: slow")
    assert first_of(router, endpoint, an_ask(), 3.0) == ("own", "probe")
    assert first_of(router, endpoint, an_ask(), 3.0) == ("paid", "spill: slow")
    now = 3.0
    while first_of(router, endpoint, an_ask(), now)[1] == "spill: slow":
        stream(router, OWN, now, 0.1)
        now += 2.1
    assert now < 30.0


def test_a_tier_that_is_down_is_replaced_by_the_next():
    router, endpoint = a_router(), an_endpoint(OWN, PAID)
    fail(router, OWN, 0.0)
    assert first_of(router, endpoint, an_ask(), 1.0) == ("paid", "spill: down")
    assert router.counters.spilled_down == 1
    assert first_of(router, endpoint, an_ask(), 2.0) == ("own", "probe")


def test_the_slots_of_a_target_that_rests_do_not_count():
    other = a_target("other", slots=4)
    router, endpoint = a_router(), an_endpoint(OWN, other, PAID, routing=SPILLS)
    hold(router, OWN, 8)
    assert first_of(router, endpoint, an_ask())[0] == "other"
    fail(router, other, 0.0)
    assert first_of(router, endpoint, an_ask(), 1.0) == ("paid", "spill: queue")


def test_when_every_tier_is_full_own_capacity_comes_first():
    router, endpoint = a_router(), an_endpoint(OWN, PAID, routing=Routing(queue_bound=0))
    hold(router, OWN, 4)
    hold(router, PAID, 64)
    assert first_of(router, endpoint, an_ask())[0] == "own"


def test_one_full_tier_after_another_is_passed():
    third = a_target("third", tier=7)
    router, endpoint = a_router(), an_endpoint(OWN, PAID, third, routing=Routing(queue_bound=0))
    hold(router, OWN, 4)
    hold(router, PAID, 64)
    assert first_of(router, endpoint, an_ask()) == ("third", "spill: queue")


def test_a_tier_that_conditions_leave_out_spills_nothing():
    router, endpoint = a_router(), an_endpoint(OWN, PAID, a_target("p2", tier=1, host="openai"))
    ask = an_ask(provider=a_wish(only=["openai"]))
    assert first_of(router, endpoint, ask)[1] == "least load"


def test_whether_a_tier_spills_outlives_a_new_snapshot():
    first = an_endpoint(OWN, PAID, routing=SPILLS)
    standing = Standing(first)
    assert Standing(an_endpoint(OWN, PAID), standing).loads[0] is standing.loads[0]


# What the attempt after a failure says.


def test_a_fallback_says_what_it_falls_back_from():
    router = a_router()
    plan = router.plan(an_endpoint(A, B), an_ask(), 0.0)
    plan.next(0.0)
    choice = plan.next(0.0, "upstream_timeout")
    assert choice is not None
    assert choice.why == "fallback after upstream_timeout"
    assert router.counters.fallbacks == 1


@pytest.mark.parametrize("code", ["a\r\nx: y", "x" * 41, "größe", "a b", "1"])
def test_what_an_upstream_calls_its_errors_is_not_repeated(code):
    choice = a_router().plan(an_endpoint(A), an_ask(), 0.0).next(0.0, code)
    assert choice is not None
    assert choice.why == "fallback after error"
