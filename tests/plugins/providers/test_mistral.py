"""Mistral: OpenAI's dialect under names of its own, strict about the rest."""

import json

import pytest
from provider_parts import NAME, chat_request, chunks, embeddings_request, read, sent

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.mistral import tool_id
from tradewind.plugins.providers.mistral import Mistral
from tradewind.snapshot.contents import Target
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import DONE

PROVIDER = Mistral()
TARGET = Target("d", "r", "mistral", "https://api.mistral.ai:443", "mistral-small", "key")


def prepare(**members):
    return PROVIDER.prepare(chat_request(**members), TARGET)


def test_members_have_its_names_and_what_it_refuses_is_left_out():
    body = sent(
        prepare(
            stream=True,
            stream_options={"include_usage": True},
            seed=5,
            max_completion_tokens=9,
            tool_choice="required",
            tools=[{"type": "function", "function": {"name": "f"}}],
            user="u",
            store=True,
            safe_prompt=True,
            prompt_mode="reasoning",
        )
    )
    assert body.keys() == {
        "model",
        "messages",
        "stream",
        "random_seed",
        "max_tokens",
        "tool_choice",
        "tools",
        "safe_prompt",
        "prompt_mode",
    }
    assert (body["random_seed"], body["max_tokens"], body["tool_choice"]) == (5, 9, "any")


def test_its_own_name_of_a_member_wins():
    body = sent(prepare(seed=1, random_seed=2, max_tokens=3, max_completion_tokens=4))
    assert (body["random_seed"], body["max_tokens"]) == (2, 3)


def test_messages_lose_what_answers_carry_and_requests_may_not():
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hi", "name": "Ada"},
        {
            "role": "assistant",
            "content": "Hello",
            "refusal": None,
            "annotations": [],
            "reasoning_content": "Hm.",
            "tool_calls": None,
        },
        {"role": "user", "content": "Go on"},
    ]
    assert sent(prepare(messages=messages))["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Go on"},
    ]


def test_ids_of_tool_calls_become_nine_letters_and_digits_and_still_agree():
    call = {"id": "call_0fypS1hVX", "type": "function", "function": {"name": "f"}}
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "", "tool_calls": [call, {**call, "id": "abcdefgh9"}]},
        {"role": "tool", "tool_call_id": "call_0fypS1hVX", "name": "f", "content": "42"},
    ]
    _, assistant, result = sent(prepare(messages=messages))["messages"]
    first, second = (call["id"] for call in assistant["tool_calls"])
    assert len(first) == 9
    assert first.isalnum()
    assert first.isascii()
    assert result["tool_call_id"] == first
    assert second == "abcdefgh9", "an id of its own form is not changed"
    assert result["name"] == "f"


def test_ids_differ_when_the_texts_do():
    assert len({tool_id(f"call_{number}") for number in range(1000)}) == 1000


@pytest.mark.parametrize("name", ["logit_bias", "functions", "web_search_options"])
def test_what_it_has_no_place_for_is_refused(name):
    with pytest.raises(ApiError) as caught:
        prepare(**{name: {"a": 1}})
    assert (caught.value.status, caught.value.param) == (400, name)
    assert name not in sent(prepare(**{name: None}))


@pytest.mark.parametrize("messages", [["x"], [5]])
def test_messages_that_are_none_are_refused(messages):
    with pytest.raises(ApiError) as caught:
        prepare(messages=messages)
    assert (caught.value.status, caught.value.param) == (400, "messages")


def test_embeddings_call_dimensions_by_its_name():
    body = sent(PROVIDER.prepare(embeddings_request(dimensions=256, user="u"), TARGET))
    assert body == {"model": "mistral-small", "input": "Hello", "output_dimension": 256}


def event(delta, reason=None, **members):
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {"id": "c", "model": "mistral-small", "choices": [choice], **members}
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def test_content_in_pieces_is_text_and_reasoning():
    reader = prepare(stream=True).reader
    raw = (
        event({"role": "assistant", "content": ""})
        + event({"content": [THOUGHT]})
        + event({"content": [{"type": "text", "text": "Hel"}]})
        + event({"content": "lo"})
        + event({"content": ""}, "stop", usage=USAGE)
        + DONE
    )
    found = chunks(read(reader, raw))
    deltas = [chunk["choices"][0]["delta"] for chunk in found]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"content": None, "reasoning_content": "Hm."},
        {"content": "Hel"},
        {"content": "lo"},
        {"content": ""},
    ]
    assert {chunk["model"] for chunk in found} == {NAME}
    assert reader.counts == TokenCounts(5, None, 2)
    assert reader.output_events == 3


def test_a_whole_answer_in_pieces_is_text_and_reasoning():
    message = {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "Hello"}]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    raw = json.dumps({"id": "c", "model": "m", "choices": [choice], "usage": USAGE}).encode()
    reader = prepare().reader
    answer = json.loads(read(reader, raw))
    assert answer["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Hello",
        "reasoning_content": "Hm.",
    }
    assert reader.counts == TokenCounts(5, None, 2)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"object":"error","message":"bad","type":"invalid","param":null,"code":"3"}', "bad"),
        (b'{"detail":[{"loc":["body","n"],"msg":"Extra inputs","type":"x"}]}', "body.n: Extra"),
        (b'{"object":"error","message":{"detail":[{"loc":["n"],"msg":"No"}]}}', "n: No"),
    ],
)
def test_errors_of_any_of_its_forms_are_told(raw, message):
    error = PROVIDER.error_of(422, raw)
    assert error.status == 422
    assert error.message.startswith(message)


def test_a_prompt_that_is_too_long_has_the_code_clients_know():
    raw = json.dumps(
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with "
            "32768 maximum context length",
            "type": "invalid_request_error",
            "code": "3051",
        }
    ).encode()
    error = PROVIDER.error_of(400, raw)
    assert (error.status, error.code) == (400, "context_length_exceeded")
