"""Every call of the real platform is in the books once, and the books agree to the last nano."""

import time
from typing import Any
from uuid import UUID

import openai
import pytest

from tests.e2e.conftest import CHAT_MODEL
from tests.e2e.running_platform import RunningPlatform

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300), pytest.mark.enable_socket]

_EVENT = """
    SELECT outcome, http_status, input_tokens, cached_input_tokens, output_tokens, usage_source,
           cost_nanos, is_stream
    FROM usage_event WHERE event_id = %s
"""
_DISAGREEING_HOURS = """
    WITH told AS (
        SELECT organization_id, date_trunc('hour', at) AS hour, project_id, key_id, model,
               operation, price_id, currency, count(*) AS requests, sum(cost_nanos) AS cost_nanos,
               sum(input_tokens) AS input_tokens, sum(cached_input_tokens) AS cached_input_tokens,
               sum(output_tokens) AS output_tokens,
               count(*) FILTER (WHERE outcome = 'failed') AS failed,
               count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled
        FROM usage_event GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    )
    SELECT * FROM told
    FULL JOIN usage_hour AS kept USING (
        organization_id, hour, project_id, key_id, model, operation, price_id, currency)
    WHERE (told.requests, told.cost_nanos, told.input_tokens, told.cached_input_tokens,
           told.output_tokens, told.failed, told.cancelled)
        IS DISTINCT FROM
          (kept.requests, kept.cost_nanos, kept.input_tokens, kept.cached_input_tokens,
           kept.output_tokens, kept.failed, kept.cancelled)
"""
_MISPRICED_EVENTS = """
    SELECT event_id FROM usage_event JOIN price ON price.id = price_id
    WHERE abs(cost_nanos - (
        (input_tokens - cached_input_tokens)::numeric * input_nanos
        + cached_input_tokens::numeric * cached_input_nanos
        + output_tokens::numeric * output_nanos) / 1000000) > 0.5
"""


@pytest.fixture
def client(platform: RunningPlatform) -> openai.OpenAI:
    return openai.OpenAI(base_url=platform.base_url, api_key=platform.api_key, max_retries=0)


def test_a_whole_call_is_one_event_with_the_usage_the_client_saw(
    platform: RunningPlatform, client: openai.OpenAI
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=CHAT_MODEL, messages=[{"role": "user", "content": "Name a wind."}], max_tokens=8
    )
    usage = raw.parse().usage
    event = await_event(platform, raw.headers["x-request-id"])
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert event[:6] == (
        "completed",
        200,
        usage.prompt_tokens,
        usage.prompt_tokens_details.cached_tokens,
        usage.completion_tokens,
        "upstream",
    )
    assert raw.headers["x-tradewind-cost"] == f"0.{event[6]:09d}"


def test_a_client_that_hangs_up_pays_for_what_was_sent_and_stops_the_engine(
    platform: RunningPlatform, client: openai.OpenAI
) -> None:
    stream = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=[{"role": "user", "content": "Write a very long story of the sea."}],
        max_tokens=4000,
        temperature=1.2,
        stream=True,
    )
    seen = 0
    for chunk in stream:
        seen += bool(chunk.choices and chunk.choices[0].delta.content)
        if seen == 5:
            break
    request_id = stream.response.headers["x-request-id"]
    stream.close()
    outcome, status, read, _, written, source, cost, is_stream = await_event(platform, request_id)
    assert (outcome, status, source, is_stream) == ("cancelled", 200, "estimated", True)
    assert read > 10
    assert 5 <= written < 4000
    assert cost > 0


def test_events_roll_up_and_prices_agree_exactly(
    platform: RunningPlatform, client: openai.OpenAI
) -> None:
    last = ""
    for number in range(12):
        raw = client.chat.completions.with_raw_response.create(
            model=CHAT_MODEL,
            messages=[{"role": "user", "content": f"Say {number}."}],
            max_tokens=1 + number % 4,
        )
        last = raw.headers["x-request-id"]
    await_event(platform, last)
    assert platform.query(_DISAGREEING_HOURS) == []
    assert platform.query(_MISPRICED_EVENTS) == []
    (count,) = platform.query("SELECT count(*) FROM usage_event")[0]
    (requests,) = platform.query("SELECT sum(requests) FROM usage_hour")[0]
    assert count == requests >= 12


def await_event(platform: RunningPlatform, request_id: str) -> tuple[Any, ...]:
    event_id = UUID(hex=request_id.removeprefix("req_"))
    deadline = time.monotonic() + 60
    while not (rows := platform.query(_EVENT, event_id)):
        assert time.monotonic() < deadline, f"{request_id} never reached the books"
        time.sleep(0.05)
    return rows[0]
