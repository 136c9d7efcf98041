"""What calls are told by the one admission function."""

import json

import pytest
from admission_parts import (
    MODEL,
    ORGANIZATION,
    PROJECT,
    Gateway,
    endpoint_of,
    headers_of,
    terms_of,
)

from tradewind.gateway.admission.admissions import EXPECTED_OUTPUT_TOKENS, FREE
from tradewind.snapshot.contents import Grant, Limits, Operation, Terms


def test_a_key_without_limits_has_no_headers_and_no_end():
    gateway = Gateway()
    told = [gateway.ask(read=10**9, write=10**9) for _ in range(1000)]
    assert all(each.admission is FREE for each in told)
    assert FREE.headers(gateway.loop.time) == b""


def test_the_refusal_is_what_clients_of_openai_expect():
    gateway = Gateway(limits=Limits(1))
    assert gateway.ask().is_admitted
    error = gateway.ask().error
    body = json.loads(error.body())["error"]
    assert (error.status, body["type"], body["code"]) == (429, "requests", "rate_limit_exceeded")
    assert "this key: 1 requests per minute" in body["message"]
    assert headers_of(error.headers) == {
        "retry-after-ms": 60_000,
        "retry-after": 60,
        "x-ratelimit-limit-requests": 1,
        "x-ratelimit-remaining-requests": 0,
        "x-ratelimit-reset-requests": 60_000,
    }


@pytest.mark.parametrize(
    ("snapshot", "named"),
    [
        ({"limits": Limits(1)}, "this key"),
        ({"terms": [terms_of(PROJECT, limits=Limits(1))]}, f"project '{PROJECT}'"),
        (
            {"terms": [terms_of(PROJECT, model_limits=((MODEL, Limits(1)),))]},
            f"model '{MODEL}' in project '{PROJECT}'",
        ),
        ({"terms": [terms_of(ORGANIZATION, limits=Limits(1))]}, f"organization '{ORGANIZATION}'"),
        (
            {"terms": [terms_of(ORGANIZATION, model_limits=((MODEL, Limits(1)),))]},
            f"model '{MODEL}' in organization '{ORGANIZATION}'",
        ),
        ({"endpoint": endpoint_of(limits=Limits(1))}, f"model '{MODEL}', all callers together"),
    ],
)
def test_every_scope_limits_and_is_named(snapshot, named):
    gateway = Gateway(**snapshot)
    assert gateway.ask().is_admitted
    assert named in gateway.ask().error.message


def test_limits_of_another_model_do_not_count():
    terms = terms_of(PROJECT, model_limits=(("tw/large", Limits(1)),))
    gateway = Gateway(terms=[terms])
    assert all(gateway.ask().is_admitted for _ in range(5))


def test_keys_of_a_project_share_its_limit_and_not_their_own():
    gateway = Gateway(limits=Limits(3), terms=[terms_of(PROJECT, limits=Limits(4))])
    other = Grant("key_2", b"", ORGANIZATION, PROJECT, limits=Limits(3))
    assert [gateway.ask().is_admitted for _ in range(4)] == [True, True, True, False]
    assert [gateway.ask(grant=other).is_admitted for _ in range(2)] == [True, False]


def test_d9_the_headers_fall_with_every_call_and_tell_of_the_tightest_scope():
    gateway = Gateway(
        limits=Limits(600, 60_000),
        terms=[terms_of(ORGANIZATION, limits=Limits(60, 600_000))],
    )
    told = gateway.ask(read=1000, write=500)
    now = gateway.loop.time
    assert headers_of(told.admission.headers(now)) == {
        "x-ratelimit-limit-requests": 60,
        "x-ratelimit-remaining-requests": 59,
        "x-ratelimit-reset-requests": 1000,
        "x-ratelimit-limit-tokens": 60_000,
        "x-ratelimit-remaining-tokens": 58_500,
        "x-ratelimit-reset-tokens": 1500,
    }
    again = gateway.ask(read=1000, write=500)
    assert headers_of(again.admission.headers(now))["x-ratelimit-remaining-requests"] == 58
    gateway.settle(again, used=100)
    assert headers_of(again.admission.headers(now))["x-ratelimit-remaining-tokens"] == 58_400


def test_headers_of_a_refusal_are_never_negative_nor_missing():
    gateway = Gateway(limits=Limits(10, 1000))
    told = gateway.ask(read=10)
    gateway.settle(told, used=5000)
    headers = headers_of(gateway.ask(read=1).error.headers)
    assert headers["x-ratelimit-remaining-tokens"] == 0
    assert headers["x-ratelimit-reset-tokens"] == 300_000
    assert headers["x-ratelimit-remaining-requests"] == 9
    assert all(value >= 0 for value in headers.values())


def test_the_reservation_is_settled_with_what_was_used_either_way():
    gateway = Gateway(limits=Limits(tokens_per_minute=1000))
    gateway.settle(gateway.ask(read=100, write=900), used=10)
    gateway.settle(gateway.ask(read=100, write=100), used=500)
    assert gateway.ask(read=490).is_admitted
    assert not gateway.ask(read=1).is_admitted


def test_a_call_that_says_no_limit_reserves_what_is_expected_and_never_more_than_fits():
    gateway = Gateway(limits=Limits(tokens_per_minute=10_000))
    told = gateway.ask(read=100, write=None)
    left = headers_of(told.admission.headers(gateway.loop.time))["x-ratelimit-remaining-tokens"]
    assert left == 10_000 - 100 - EXPECTED_OUTPUT_TOKENS
    small = Gateway(limits=Limits(tokens_per_minute=300))
    assert small.ask(read=300, write=None).is_admitted


def test_a_call_that_can_never_fit_is_not_told_to_wait():
    gateway = Gateway(
        limits=Limits(tokens_per_minute=1000),
        terms=[terms_of(PROJECT, limits=Limits(tokens_per_minute=500))],
    )
    error = gateway.ask(read=400, write=101).error
    assert (error.status, error.code, error.headers) == (400, "request_exceeds_limit", b"")
    assert f"project '{PROJECT}'" in error.message
    assert gateway.ask(read=400, write=100).is_admitted


@pytest.mark.parametrize("limits", [Limits(0), Limits(None, 0), Limits(None, None, 0)])
def test_d4_zero_is_a_limit_and_only_none_is_no_limit(limits):
    error = Gateway(limits=limits).ask().error
    assert (error.status, error.code) == (429, "rate_limit_exceeded")
    assert headers_of(error.headers)["retry-after-ms"] > 0


def test_the_bytes_of_an_upload_are_not_taken_for_tokens():
    sound = endpoint_of(operation=Operation.TRANSCRIPTION)
    gateway = Gateway(limits=Limits(tokens_per_minute=1000), endpoint=sound)
    assert gateway.ask(read=10_000_000, write=0).is_admitted


def test_calls_at_once_are_counted_until_they_are_settled():
    gateway = Gateway(limits=Limits(concurrent_requests=2))
    first, second = gateway.ask(), gateway.ask()
    error = gateway.ask().error
    assert (error.status, error.code) == (429, "rate_limit_exceeded")
    assert headers_of(error.headers)["retry-after-ms"] >= 1
    gateway.settle(first)
    assert gateway.ask().is_admitted
    assert not gateway.ask().is_admitted
    gateway.settle(second)
    assert gateway.ask().is_admitted


def test_a_new_snapshot_keeps_what_is_in_use():
    gateway = Gateway(limits=Limits(1))
    assert gateway.ask().is_admitted
    gateway.publish(limits=Limits(1))
    assert not gateway.ask().is_admitted


def test_a_call_that_began_before_a_new_snapshot_does_not_bring_old_limits_back():
    gateway = Gateway(limits=Limits(100))
    former = gateway.grant
    gateway.publish(limits=Limits(1))
    assert gateway.ask(grant=former).is_admitted
    assert not gateway.ask(grant=former).is_admitted
    assert not gateway.ask().is_admitted


def test_a_check_takes_nothing():
    gateway = Gateway(limits=Limits(2, 1000, 5))
    before = checked(gateway, read=10)
    assert [checked(gateway, read=10) for _ in range(10)] == [before] * 10
    assert before["decision"] == "admit"
    assert before["binding"] is None
    assert before["chain"] == [
        {
            "scope": "key",
            "id": "key_1",
            "limit": limit,
            "unit": unit,
            "remaining": limit,
            "reset_ms": 0,
        }
        for limit, unit in (
            (2, "requests per minute"),
            (1000, "tokens per minute"),
            (5, "concurrent requests"),
        )
    ]


def test_a_check_says_what_asking_would_get():
    gateway = Gateway(limits=Limits(tokens_per_minute=600))
    gateway.ask(read=600)
    waiting = checked(gateway, read=30)
    assert (waiting["decision"], waiting["wait_ms"]) == ("wait", 3000)
    assert waiting["binding"] == {
        "scope": "key",
        "id": "key_1",
        "limit": 600,
        "unit": "tokens per minute",
    }
    gateway.loop.turn(2.9)
    assert not gateway.ask(read=30).is_admitted
    gateway.loop.turn(0.1)
    assert gateway.ask(read=30).is_admitted
    assert checked(gateway, read=601)["decision"] == "never"


def test_a_check_without_limits_admits():
    assert checked(Gateway()) == {"decision": "admit", "wait_ms": 0, "binding": None, "chain": []}


def test_terms_without_limits_cost_nothing():
    gateway = Gateway(terms=[Terms(PROJECT), Terms(ORGANIZATION)])
    assert gateway.ask().admission is FREE


def checked(gateway, *, read=0, write=0):
    from tradewind.gateway.admission.base import Ask  # noqa: PLC0415

    found = []
    ask = Ask(gateway.grant, gateway.endpoint, read, read, write)
    gateway.admissions.check(ask, found.append)
    return json.loads(found[0].body())
