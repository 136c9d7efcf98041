"""The official OpenAI client's Responses against the real platform with the real model."""

from collections.abc import Iterator

import openai
import pytest
from openai.types.responses import ResponseCompletedEvent, ResponseIncompleteEvent

from tests.e2e.conftest import CHAT_MODEL
from tests.e2e.running_platform import RunningPlatform

pytestmark = [pytest.mark.platform, pytest.mark.timeout(300), pytest.mark.enable_socket]


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=platform.base_url, api_key=platform.api_key, max_retries=0, timeout=120
    ) as client:
        yield client


def test_a_conversation_is_kept_by_the_platform(client: openai.OpenAI) -> None:
    first = client.responses.create(
        model=CHAT_MODEL, input="My name is Ada.", max_output_tokens=16, temperature=0
    )
    assert first.output_text
    assert first.usage is not None
    assert 0 < first.usage.output_tokens <= 16
    assert first.status in ("completed", "incomplete")
    assert client.responses.retrieve(first.id).output_text == first.output_text
    second = client.responses.create(
        model=CHAT_MODEL,
        input="What is my name?",
        previous_response_id=first.id,
        max_output_tokens=16,
        temperature=0,
    )
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens
    items = client.responses.input_items.list(second.id)
    assert len(items.data) == 1
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_a_stream_of_events_ends_with_the_stored_object(client: openai.OpenAI) -> None:
    events = list(
        client.responses.create(
            model=CHAT_MODEL, input="Count to five.", max_output_tokens=12, stream=True
        )
    )
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent | ResponseIncompleteEvent)
    stored = client.responses.retrieve(last.response.id)
    assert stored.output_text == last.response.output_text
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == stored.output_text
