"""Exact answers given again, where an organization asked for it."""

import json

import msgspec
import pytest
from gateway_parts import ORGANIZATION, World, ask_for, until
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.response_cache import CachedAnswer, ResponseCache, key_of
from tradewind.snapshot import file
from tradewind.snapshot.contents import (
    Conditions,
    Endpoint,
    Operation,
    Price,
    Snapshot,
    Target,
    Terms,
)
from tradewind.usage.event import UsageSource

TARGET = Target("dep", "rep", "openai_compatible", "h:1", "m", "key")
ENDPOINT = Endpoint("p/m", Operation.CHAT, "p", 0, 1, 1, Price("price_1", "USD", 1, 1, 1), ())
BODIES = st.binary(max_size=8)


def cached(body, expires_at=10.0):
    return CachedAnswer(body, b"application/json", TARGET, expires_at)


def test_an_answer_is_given_until_its_time_is_over():
    cache = ResponseCache()
    cache.put(b"k", cached(b"x"))
    assert cache.get(b"k", 9.9) == cached(b"x")
    assert cache.get(b"k", 10.0) is None
    assert cache.bytes == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), max_size=40))
def test_the_memory_of_answers_is_bounded_and_counted(puts):
    cache = ResponseCache(most_bytes=100)
    for key, size in puts:
        cache.put(bytes([key]), cached(b"x" * size))
        kept = [cache.get(bytes([key]), 0.0) for key in range(6)]
        assert cache.bytes == sum(len(each.body) for each in kept if each is not None) <= 100


def test_the_least_recently_used_makes_room():
    cache = ResponseCache(most_bytes=10)
    cache.put(b"a", cached(b"1" * 5))
    cache.put(b"b", cached(b"2" * 5))
    cache.get(b"a", 0.0)
    cache.put(b"c", cached(b"3" * 5))
    assert [cache.get(key, 0.0) is not None for key in (b"a", b"b", b"c")] == [True, False, True]


@given(st.tuples(BODIES, BODIES, BODIES), st.tuples(BODIES, BODIES, BODIES))
def test_no_two_requests_are_taken_for_one_another(one, other):
    keys = [key_of("org", path, query, ENDPOINT, body) for path, query, body in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


def test_the_same_words_of_another_organization_have_another_key():
    assert key_of("a", b"", b"", ENDPOINT, b"") != key_of("b", b"", b"", ENDPOINT, b"")


@pytest.fixture
async def caching(tmp_path, upstream):
    """A gateway whose organization wants a cache."""
    world = World(tmp_path)
    world.version = 1
    endpoint = world.endpoint(world.target(upstream.address))
    terms = Terms(ORGANIZATION, cache_ttl_s=60)
    file.write(world.snapshot_path, Snapshot(1, 1, (world.grant,), (endpoint,), (terms,)))
    await world.start()
    yield world
    await world.stop()


def numbered(upstream):
    """Answer each request differently."""

    async def script(call):
        number = len(upstream.calls)
        if call.json.get("stream"):
            await call.begin()
            event = {"choices": [{"index": 0, "delta": {"content": f"Hi {number}"}}]}
            usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
            await call.send(b"data: %b\n\n" % json.dumps(event).encode())
            await call.send(b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(usage).encode())
            await call.end()
        else:
            message = {"role": "assistant", "content": f"Hi {number}"}
            body = {
                "choices": [{"index": 0, "message": message}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 2},
            }
            await call.answer(json.dumps(body).encode())

    return script


async def test_the_same_request_is_answered_once_and_costs_once(caching, upstream):
    upstream.script = numbered(upstream)
    first = await caching.chat()
    second = await caching.chat()
    assert second.body == first.body
    assert (first.header("x-tradewind-cache"), second.header("x-tradewind-cache")) == (None, "hit")
    assert len(upstream.calls) == 1
    await until(lambda: len(caching.events()) == 2)
    assert [event.usage.source for event in caching.events()] == [
        UsageSource.UPSTREAM,
        UsageSource.CACHE,
    ]
    assert caching.events()[0].cost_nanos > 0
    assert second.cost_nanos == caching.events()[1].cost_nanos == 0


async def test_a_stream_is_given_again_as_the_events_it_was(caching, upstream):
    upstream.script = numbered(upstream)
    first = await caching.chat(stream=True)
    second = await caching.chat(stream=True)
    assert second.body == first.body
    assert second.body.endswith(b"data: [DONE]\n\n")
    assert second.header("content-type") == first.header("content-type")
    assert len(upstream.calls) == 1


async def test_an_answer_of_a_host_that_the_conditions_now_leave_out_is_not_given(
    tmp_path, upstream
):
    upstream.script = numbered(upstream)
    world = World(tmp_path)

    def publish(conditions):
        targets = [
            msgspec.structs.replace(world.target(upstream.address, f"rep_{region}"), region=region)
            for region in ("eu", "us")
        ]
        second = msgspec.structs.replace(targets[1], tier=1)
        terms = Terms(ORGANIZATION, cache_ttl_s=60, conditions=conditions)
        endpoint = world.endpoint(targets[0], second)
        world.version += 1
        snapshot = Snapshot(world.version, 1, (world.grant,), (endpoint,), (terms,))
        file.write(world.snapshot_path, snapshot)

    publish(Conditions())
    await world.start()
    first = await world.chat()
    assert (await world.chat()).header("x-tradewind-cache") == "hit"
    publish(Conditions(regions=frozenset({"us"})))
    await world.in_force()
    again = await world.chat()
    await world.stop()
    assert again.header("x-tradewind-cache") is None
    assert again.body != first.body


async def test_another_request_is_not_answered_from_it(caching, upstream):
    upstream.script = numbered(upstream)
    assert (await caching.chat(seed=1)).body != (await caching.chat(seed=2)).body


@pytest.mark.parametrize("wish", ["no-cache", "no-store"])
async def test_a_client_may_do_without(caching, upstream, wish):
    upstream.script = numbered(upstream)
    client = await caching.client()
    for _ in range(2):
        answer = await client.call(
            "POST", "/v1/chat/completions", ask_for(), headers=(("cache-control", wish),)
        )
        assert answer.header("x-tradewind-cache") is None
    assert len(upstream.calls) == 2


async def test_a_failure_is_not_kept(caching, upstream):
    async def fail(call):
        await call.answer(b"{}", status=500)

    upstream.script = fail
    assert (await caching.chat()).status == 502
    upstream.script = numbered(upstream)
    assert (await caching.chat()).status == 200


async def test_an_organization_that_did_not_ask_has_no_cache(world, upstream):
    upstream.script = numbered(upstream)
    assert (await world.chat()).body != (await world.chat()).body
