"""What a gateway tells of itself: whether it serves, and how much."""

import asyncio

import pytest
from gateway_parts import MODEL, World, text_event, usage_event, whole_answer
from prometheus_client.parser import text_string_to_metric_families

from tradewind.wire.sse import DONE

KEY = "scrape-0123456789abcdef"


def samples_of(text):
    """Return values by the sample's name and its labels' values, in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


async def scrape(world):
    client = await world.client()
    answer = await client.call("GET", "/metrics", key=None)
    assert answer.status == 200
    assert answer.header("content-type").startswith("text/plain; version=0.0.4")
    return samples_of(answer.body)


async def test_health_needs_no_key(world):
    answer = await (await world.client()).call("GET", "/healthz", key=None)
    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_calls_refusals_and_tokens_are_counted(world, upstream):
    async def script(call):
        if call.json.get("stream"):
            await call.stream(usage_event(5, 0, 2), DONE)
        else:
            await call.answer(whole_answer())

    upstream.script = script
    world.publish(world.endpoint(world.target(upstream.address, host="openai")))
    await world.in_force()
    for _ in range(3):
        await world.chat()
    await world.chat(stream=True)
    await world.chat(model="tw/none")
    await (await world.client()).call("GET", "/v1/models", key=None)
    found = await scrape(world)
    call = ("chat", "openai", MODEL)
    assert found["tradewind_requests_total", *call, "completed"] == 4
    assert found["gen_ai_client_token_usage_sum", *call, "input"] == 35
    assert found["gen_ai_client_token_usage_count", *call, "input"] == 4
    assert found["gen_ai_client_token_usage_sum", *call, "output"] == 11
    assert found["gen_ai_server_request_duration_seconds_count", *call] == 4
    assert found["gen_ai_server_request_duration_seconds_bucket", *call, "+Inf"] == 4
    assert found["gen_ai_server_time_to_first_token_seconds_count", *call] == 1
    assert found["gen_ai_server_time_per_output_token_seconds_count", *call] == 1
    assert found["tradewind_attempts_total", "openai", "ok"] == 4
    assert found["tradewind_refusals_total", "model_not_found", "chat", "404"] == 1
    assert found["tradewind_refusals_total", "invalid_api_key", "unknown", "401"] == 1
    assert found[("tradewind_retries_total",)] == 0
    assert found[("tradewind_calls_in_flight",)] == 0
    assert found[("tradewind_open_streams",)] == 0
    assert found[("tradewind_journal_healthy",)] == 1
    assert found[("tradewind_journal_bytes",)] > 0
    assert found["tradewind_journal_total", "frames"] == 9  # one of them of the refusal
    assert found[("tradewind_snapshot_version",)] == 2
    assert found[("tradewind_open_connections",)] >= 1
    assert found["tradewind_upstream_connections", "idle"] >= 1
    assert found["tradewind_http_total", "requests"] >= 6
    assert found["tradewind_http_total", "idle_timeouts"] == 0
    assert found["tradewind_upstream_total", "calls"] == 4
    assert found["tradewind_upstream_total", "refused"] == 0
    assert found["tradewind_gateway_processes", "alive"] == 1
    assert found["tradewind_response_cache_total", "hits"] == 0


async def test_a_failed_call_is_counted_with_its_error_and_its_attempts(world, upstream):
    async def script(call):
        await call.answer(b'{"error":{"message":"no"}}', status=500)

    upstream.script = script
    world.publish(
        world.endpoint(
            world.target(upstream.address, "one", host="own"),
            world.target(upstream.address, "two", host="own"),
        )
    )
    await world.in_force()
    answer = await world.chat()
    assert answer.status >= 500
    found = await scrape(world)
    call = ("chat", "own", MODEL)
    assert found["tradewind_requests_total", *call, "failed"] == 1
    # The labels' values stand in the order of their names: error_type comes first.
    code = answer.error["code"]
    assert found["gen_ai_server_request_duration_seconds_count", code, *call] == 1
    assert ("gen_ai_server_request_duration_seconds_count", *call) not in found
    assert found["tradewind_attempts_total", "own", "failed"] == 2
    assert found[("tradewind_retries_total",)] == 1
    assert found["tradewind_routing_total", "fallbacks"] == 1


async def test_a_stream_is_open_until_it_has_ended(world, upstream):
    async def script(call):
        await call.begin()
        await call.send(text_event("Hi"))
        await release.wait()
        await call.send(DONE)
        await call.end()

    release = asyncio.Event()
    upstream.script = script
    client = await world.client()
    await client.stream()
    assert (await scrape(world))[("tradewind_open_streams",)] == 1
    release.set()
    assert DONE in b"".join([piece async for piece in client.pieces()])
    assert (await scrape(world))[("tradewind_open_streams",)] == 0


# Who may scrape.

PROXIED = [
    ("x-forwarded-for", "203.0.113.9"),
    ("forwarded", "for=203.0.113.9"),
    ("x-real-ip", "203.0.113.9"),
    ("via", "1.1 proxy"),
]


@pytest.mark.parametrize("header", PROXIED, ids=lambda header: header[0])
async def test_what_a_proxy_on_this_machine_passes_on_is_a_strangers(world, header):
    answer = await (await world.client()).call("GET", "/metrics", key=None, headers=[header])
    assert answer.status == 403
    assert b"tradewind" not in answer.body


async def test_with_a_metrics_key_nobody_scrapes_without_it(tmp_path):
    world = World(tmp_path, metrics_key=KEY)
    world.publish()
    await world.start()
    try:
        client = await world.client()
        for headers in (
            [],
            [("authorization", f"Bearer {KEY}x")],
            [("authorization", f"Basic {KEY}")],
            [("authorization", f"Bearer {world.key.text}")],
        ):
            refused = await client.call("GET", "/metrics", key=None, headers=headers)
            assert (refused.status, refused.header("www-authenticate")) == (401, "Bearer")
            assert b"tradewind_" not in refused.body
        # With the key it may come from anywhere.
        for headers in ([], [PROXIED[0]]):
            answer = await client.call("GET", "/metrics", key=KEY, headers=headers)
            assert answer.status == 200
            assert KEY.encode() not in answer.body
    finally:
        await world.stop()
