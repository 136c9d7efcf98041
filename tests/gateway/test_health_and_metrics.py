from gateway_parts import MODEL, usage_event, whole_answer
from prometheus_client.parser import text_string_to_metric_families

from tradewind.gateway.metrics import Metrics
from tradewind.usage.event import Outcome, Usage, UsageSource
from tradewind.wire.sse import DONE


def samples_of(text):
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
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
    for _ in range(3):
        await world.chat()
    await world.chat(stream=True)
    await world.chat(model="tw/none")
    await (await world.client()).call("GET", "/v1/models", key=None)
    found = await scrape(world)
    assert found["tradewind_requests_total", "completed", MODEL] == 4
    assert found["gen_ai_client_token_usage_total", "input", MODEL] == 35
    assert found["gen_ai_client_token_usage_total", "output", MODEL] == 11
    assert found["gen_ai_server_time_to_first_token_count", MODEL] == 4
    assert found["tradewind_refusals_total", "404"] == 1
    assert found["tradewind_refusals_total", "401"] == 1
    assert found[("tradewind_calls_in_flight",)] == 0
    assert found[("tradewind_journal_healthy",)] == 1
    assert found[("tradewind_snapshot_version",)] == 1
    assert found[("tradewind_open_connections",)] >= 1
    assert found["tradewind_http_total", "requests"] >= 6
    assert found["tradewind_http_total", "idle_timeouts"] == 0
    assert found["tradewind_upstream_total", "calls"] == 4
    assert found["tradewind_upstream_total", "refused"] == 0


def test_the_first_token_falls_into_its_bucket():
    metrics = Metrics()
    for microseconds in (1, 10_000, 10_001, 60_000_000, 60_000_001):
        metrics.add_call(
            "m", Outcome.COMPLETED, Usage(1, 0, 1, UsageSource.UPSTREAM), microseconds, 5
        )
    metrics.add_call("m", Outcome.FAILED, Usage(0, 0, 0, UsageSource.NONE), None, 5)
    found = samples_of(metrics.exposition([]))
    buckets = {
        key[1]: value
        for key, value in found.items()
        if key[0] == "gen_ai_server_time_to_first_token_bucket"
    }
    assert (buckets["0.01"], buckets["0.025"], buckets["60.0"], buckets["+Inf"]) == (2, 3, 4, 5)
    assert list(buckets.values()) == sorted(buckets.values())
    assert found["tradewind_requests_total", "failed", "m"] == 1
    assert found["tradewind_request_seconds_total", "m"] == 30 / 1e6


def test_a_model_name_cannot_break_the_format():
    metrics = Metrics()
    name = 'a"b\\c\nd{}'
    metrics.add_call(name, Outcome.COMPLETED, Usage(1, 0, 1, UsageSource.UPSTREAM), 1, 1)
    assert samples_of(metrics.exposition([]))["tradewind_requests_total", name, "completed"] == 1


def test_nothing_counted_is_a_valid_exposition():
    assert samples_of(Metrics().exposition([("g", "help", 1.5)])) == {("g",): 1.5}
