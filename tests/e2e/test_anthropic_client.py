"""The official Anthropic client, unmodified, against the real platform with the real model.

The model answers what it likes, so these tests hold the client to what it must be able to read, and
the books to what the answer says.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import CHAT_MODEL
from tests.e2e.running_platform import RunningPlatform

anthropic: Any = pytest.importorskip("anthropic", reason="the official client is not installed")

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300), pytest.mark.enable_socket]

HELLO = [{"role": "user", "content": "Say hello to the harbour master."}]
TOOL = {
    "name": "look",
    "description": "Looks at a place.",
    "input_schema": {
        "type": "object",
        "properties": {"at": {"type": "string"}},
        "required": ["at"],
    },
}


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Any]:
    with anthropic.Anthropic(
        base_url=platform.base_url.removesuffix("/v1"),
        api_key=platform.api_key,
        max_retries=0,
        timeout=120,
    ) as client:
        yield client


def test_a_message(client: Any) -> None:
    message = client.messages.create(
        model=CHAT_MODEL, max_tokens=16, system="Be brief.", messages=HELLO
    )
    assert (message.type, message.role, message.model) == ("message", "assistant", CHAT_MODEL)
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert message.content[0].text
    usage = message.usage
    assert usage.input_tokens + (usage.cache_read_input_tokens or 0) > 0
    assert 0 < usage.output_tokens <= 16


def test_a_stream(client: Any) -> None:
    with client.messages.stream(model=CHAT_MODEL, max_tokens=16, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
        assert stream.request_id.startswith("req_")
    assert text == message.content[0].text
    assert message.usage.output_tokens > 0


def test_a_tool_that_must_be_used_and_its_result(client: Any) -> None:
    asked: list[Any] = [{"role": "user", "content": "Look at the harbour."}]
    first = client.messages.create(
        model=CHAT_MODEL,
        max_tokens=200,
        messages=asked,
        tools=[TOOL],
        tool_choice={"type": "tool", "name": "look"},
        extra_body={"temperature": 0},
    )
    [use] = [block for block in first.content if block.type == "tool_use"]
    assert first.stop_reason == "tool_use"
    assert (use.name, type(use.input["at"])) == ("look", str)
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "A ship."}
    second = client.messages.create(
        model=CHAT_MODEL,
        max_tokens=16,
        messages=[
            *asked,
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [result]},
        ],
    )
    assert second.usage.output_tokens > 0


def test_a_count_of_tokens(client: Any) -> None:
    count = client.messages.with_raw_response.count_tokens(model=CHAT_MODEL, messages=HELLO)
    assert count.headers["x-tradewind-estimated"] == "true"
    assert count.parse().input_tokens > 0


def test_errors_are_those_of_the_client(client: Any, platform: RunningPlatform) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="nobody", max_tokens=1, messages=HELLO)
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(
            model=CHAT_MODEL,
            max_tokens=1,
            messages=HELLO,
            tools=[{"type": "web_search_20250305", "name": "web_search"}],
        )
    assert caught.value.body["error"]["type"] == "invalid_request_error"
    stranger = anthropic.Anthropic(
        base_url=platform.base_url.removesuffix("/v1"), api_key="sk-wrong", max_retries=0
    )
    with pytest.raises(anthropic.AuthenticationError), stranger:
        stranger.messages.create(model=CHAT_MODEL, max_tokens=1, messages=HELLO)
