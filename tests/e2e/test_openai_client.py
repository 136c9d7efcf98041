"""The official OpenAI client against the real platform with the real model."""

import asyncio
import json
import math
import subprocess
import time
from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import (
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageParam,
)

from tests.e2e.conftest import CHAT_MODEL, EMBEDDINGS_MODEL
from tests.e2e.running_platform import RunningPlatform

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300), pytest.mark.enable_socket]

HELLO: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "Say hello to the harbour master."}
]


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=platform.base_url, api_key=platform.api_key, max_retries=0, timeout=120
    ) as client:
        yield client


def await_embeddings(client: openai.OpenAI) -> None:
    """The embedding model is converted at the first start, beside the chat model that serves."""
    deadline = time.monotonic() + 120
    while True:
        try:
            client.embeddings.create(model=EMBEDDINGS_MODEL, input="ready?")
        except openai.InternalServerError as error:
            assert error.status_code == 503
            assert time.monotonic() < deadline, "the embedding model never became ready"
            time.sleep(0.2)
        else:
            return


def test_the_first_call_of_the_start_was_answered_and_priced(platform: RunningPlatform) -> None:
    light = platform.light
    assert light["model"] == CHAT_MODEL
    assert light["answer"]
    assert light["usage"]["prompt_tokens"] > 0
    assert 0 < light["usage"]["completion_tokens"] <= 64
    assert light["ttft_ms"] > 0
    assert light["currency"] == "USD"
    assert float(light["cost"]) > 0
    assert light["sign_in_url"].startswith(light["portal_url"])


def test_a_whole_answer_has_usage_and_the_headers_of_its_cost(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=CHAT_MODEL, messages=HELLO, max_tokens=16, temperature=0
    )
    answer = raw.parse()
    assert answer.model == CHAT_MODEL
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    details = answer.usage.prompt_tokens_details
    assert details is not None
    cached = details.cached_tokens or 0
    nanos = round_half_even(
        (answer.usage.prompt_tokens - cached) * 20_000_000
        + cached * 5_000_000
        + answer.usage.completion_tokens * 60_000_000
    )
    assert raw.headers["x-tradewind-cost"] == f"0.{nanos:09d}"
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers["x-tradewind-model"] == CHAT_MODEL
    assert raw.headers["x-tradewind-deployment"].startswith("dep_")
    assert float(raw.headers["x-tradewind-overhead-ms"]) >= 0
    assert "timings" not in raw.text


def test_a_stream_ends_with_usage_only_when_asked_for(client: openai.OpenAI) -> None:
    with_usage = list(
        client.chat.completions.create(
            model=CHAT_MODEL,
            messages=HELLO,
            max_tokens=12,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert with_usage[-1].choices == []
    assert with_usage[-1].usage is not None
    assert 0 < with_usage[-1].usage.completion_tokens <= 12
    assert "".join(c.choices[0].delta.content or "" for c in with_usage if c.choices)
    without = list(
        client.chat.completions.create(model=CHAT_MODEL, messages=HELLO, max_tokens=12, stream=True)
    )
    assert all(chunk.usage is None and chunk.choices for chunk in without)


async def test_the_async_client_runs_many_streams_side_by_side(platform: RunningPlatform) -> None:
    async with openai.AsyncOpenAI(
        base_url=platform.base_url, api_key=platform.api_key, max_retries=0, timeout=120
    ) as client:

        async def one(number: int) -> str:
            stream = await client.chat.completions.create(
                model=CHAT_MODEL,
                messages=[{"role": "user", "content": f"Count from {number}."}],
                max_tokens=10,
                stream=True,
            )
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

        answers = await asyncio.gather(*(one(number) for number in range(8)))
    assert all(answers)


def test_several_choices_are_counted_each(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=CHAT_MODEL, messages=HELLO, max_tokens=6, n=2, temperature=1.5
    )
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.usage is not None
    assert 6 < answer.usage.completion_tokens <= 12


def test_a_forced_tool_is_called_with_arguments_that_fit_its_schema(client: openai.OpenAI) -> None:
    tool: ChatCompletionFunctionToolParam = {
        "type": "function",
        "function": {
            "name": "book_berth",
            "description": "Book a berth in a harbour.",
            "parameters": {
                "type": "object",
                "properties": {"harbour": {"type": "string"}, "nights": {"type": "integer"}},
                "required": ["harbour", "nights"],
                "additionalProperties": False,
            },
        },
    }
    answer = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=[{"role": "user", "content": "A berth in Oslo for 2 nights, please."}],
        tools=[tool],
        tool_choice="required",
        max_tokens=80,
        temperature=0,
    )
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    call = choice.message.tool_calls[0]
    assert isinstance(call, ChatCompletionMessageFunctionToolCall)
    called = call.function
    assert called.name == "book_berth"
    arguments = json.loads(called.arguments)
    assert isinstance(arguments["harbour"], str)
    assert isinstance(arguments["nights"], int)


def test_json_mode_answers_with_an_object(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=[{"role": "user", "content": "A JSON object with the key harbour."}],
        response_format={"type": "json_object"},
        max_tokens=200,
        temperature=0,
    )
    choice = answer.choices[0]
    assert (choice.message.content or "").lstrip().startswith("{")
    if choice.finish_reason == "stop":
        assert isinstance(json.loads(choice.message.content or ""), dict)


def test_embeddings_are_unit_vectors_that_know_what_is_alike(client: openai.OpenAI) -> None:
    await_embeddings(client)
    answer = client.embeddings.create(
        model=EMBEDDINGS_MODEL,
        input=["how do I reset my password", "I forgot my login", "the ship sails at dawn"],
    )
    vectors = [item.embedding for item in answer.data]
    assert all(len(vector) == 384 for vector in vectors)
    assert all(math.isclose(dot(vector, vector), 1.0, abs_tol=1e-3) for vector in vectors)
    assert dot(vectors[0], vectors[1]) > dot(vectors[0], vectors[2]) + 0.2
    assert answer.usage.prompt_tokens > 0
    with pytest.raises(openai.BadRequestError) as too_long:
        client.embeddings.create(model=EMBEDDINGS_MODEL, input="harbour " * 2000)
    assert too_long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="384 dimensions"):
        client.embeddings.create(model=EMBEDDINGS_MODEL, input="a", dimensions=100)


def test_the_list_of_models_holds_what_is_served(client: openai.OpenAI) -> None:
    # Other tests on this platform serve models of their own beside them.
    assert {model.id for model in client.models.list()} >= {CHAT_MODEL, EMBEDDINGS_MODEL}
    assert client.models.retrieve(CHAT_MODEL).owned_by == "huggingfacetb"


def test_refusals_are_the_errors_the_client_knows(
    platform: RunningPlatform, client: openai.OpenAI
) -> None:
    wrong = client.with_options(api_key=other_end(platform.api_key))
    with pytest.raises(openai.AuthenticationError):
        wrong.chat.completions.create(model=CHAT_MODEL, messages=HELLO)
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="nobody/nothing", messages=HELLO)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as none:
        client.chat.completions.create(model=CHAT_MODEL, messages=HELLO, max_tokens=0)
    assert none.value.param == "max_tokens"
    with pytest.raises(openai.BadRequestError) as wrong_route:
        client.embeddings.create(model=CHAT_MODEL, input="a")
    assert wrong_route.value.code == "unsupported_operation"
    with pytest.raises(openai.BadRequestError) as too_long:
        client.chat.completions.create(
            model=CHAT_MODEL,
            messages=[{"role": "user", "content": "hello world " * 12_000}],
            max_tokens=4,
        )
    assert too_long.value.code == "context_length_exceeded"


def test_an_image_is_refused_by_a_model_that_reads_text(client: openai.OpenAI) -> None:
    pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model=CHAT_MODEL,
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {
                            "type": "image_url",
                            "image_url": {"url": f"{pixel}YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="},
                        },
                    ],
                }
            ],
        )
    assert refused.value.code == "unsupported_content"


def test_a_body_of_ten_megabytes_is_refused_in_words(
    platform: RunningPlatform, client: openai.OpenAI
) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(
            model=CHAT_MODEL, messages=[{"role": "user", "content": "x" * 10_000_000}]
        )
    assert error.value.code == "context_length_exceeded"


def test_malformed_json_is_a_400_that_does_not_echo(platform: RunningPlatform) -> None:
    answer = curl(platform, '{"model": "secret-plan', "-w", "\\n%{http_code}")
    body, status = answer.rsplit("\n", 1)
    assert status == "400"
    assert json.loads(body)["error"]["code"] == "invalid_json"
    assert "secret-plan" not in body


def test_curl_streams(platform: RunningPlatform) -> None:
    request = {"model": CHAT_MODEL, "messages": HELLO, "max_tokens": 5, "stream": True}
    answer = curl(platform, json.dumps(request), "-N")
    events = [line for line in answer.splitlines() if line.startswith("data: ")]
    assert events[-1] == "data: [DONE]"
    assert len(events) > 3


def curl(platform: RunningPlatform, body: str, *arguments: str) -> str:
    return subprocess.run(
        [
            "curl",
            "-sS",
            f"{platform.base_url}/chat/completions",
            "-d",
            body,
            *arguments,
            "-H",
            f"Authorization: Bearer {platform.api_key}",
            "-H",
            "Content-Type: application/json",
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def round_half_even(total: int) -> int:
    quotient, remainder = divmod(total, 1_000_000)
    return quotient + (remainder > 500_000 or (remainder == 500_000 and quotient & 1))


def other_end(key: str) -> str:
    return key[:-1] + ("y" if key.endswith("x") else "x")
