"""Texts of prompts in every dialect: all of them are read, and what is redacted is sent nowhere."""

import base64
import json

import pytest
from gateway_parts import World
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tradewind.gateway.dialects import operations
from tradewind.gateway.dialects.gemini import GeminiInbound
from tradewind.gateway.dialects.messages import MessagesInbound
from tradewind.gateway.dialects.openai import OpenAIChat, OpenAIEmbeddings
from tradewind.gateway.dialects.responses import ResponsesInbound
from tradewind.gateway.guard.judging import Judged, Judgement
from tradewind.gateway.guard.prompt_rewriting import RewrittenInbound, replacing, values_to_redact
from tradewind.gateway.guard.prompt_text import MOST_CHARACTERS, texts_of
from tradewind.plugins.checks.base import Content, Finding
from tradewind.plugins.providers.base import Dialect, ProviderRequest
from tradewind.snapshot.contents import Operation
from tradewind.snapshot.safety import Action, Direction
from tradewind.wire.responses import decode_request

PROMPT, DOCUMENT = Direction.PROMPT, Direction.DOCUMENT
ALL = frozenset(Dialect)


@pytest.fixture
def endpoint(tmp_path):
    return World(tmp_path).endpoint()


def encoded(**members):
    return json.dumps({"model": "tw/small"} | members).encode()


def in_base64(text):
    return base64.b64encode(text.encode()).decode()


def chat(**members):
    return OpenAIChat(encoded(**members))


def responses(**members):
    request, fields = decode_request(encoded(**members))
    return ResponsesInbound(request, fields, body_length=1)


def messages(**members):
    return MessagesInbound(encoded(max_tokens=9, **members))


def gemini(**members):
    return GeminiInbound(json.dumps(members).encode(), "tw/small")


def other(make, **members):
    return make(encoded(**members), b"application/json")


def user(content):
    return {"role": "user", "content": content}


TOOL_JSON = json.dumps({"body": "inner secret", "list": ["a secret"]})
CASES = {
    "a message": (chat(messages=[user("a secret")]), [PROMPT]),
    "the system's": (chat(messages=[{"role": "system", "content": "a secret"}]), [PROMPT]),
    "parts": (chat(messages=[user([{"type": "text", "text": "a secret"}])]), [PROMPT]),
    "an image's text": (
        chat(
            messages=[
                user(
                    [
                        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
                        {"type": "text", "text": "a secret"},
                    ]
                )
            ]
        ),
        [PROMPT],
    ),
    "arguments of an earlier call": (
        chat(
            messages=[
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "id": "c",
                            "type": "function",
                            "function": {"name": "f", "arguments": TOOL_JSON},
                        }
                    ],
                }
            ]
        ),
        [PROMPT],
    ),
    "a tool's result": (
        chat(messages=[{"role": "tool", "tool_call_id": "c", "content": TOOL_JSON}]),
        [DOCUMENT],
    ),
    "a tool's description": (
        chat(
            messages=[user("hi")],
            tools=[
                {
                    "type": "function",
                    "function": {
                        "name": "f",
                        "description": "a secret",
                        "parameters": {
                            "type": "object",
                            "properties": {"q": {"description": "inner secret"}},
                        },
                    },
                }
            ],
        ),
        [DOCUMENT],
    ),
    "a file": (
        chat(
            messages=[
                user(
                    [
                        {
                            "type": "file",
                            "file": {
                                "filename": "n.txt",
                                "file_data": "data:text/plain;base64," + in_base64("a secret"),
                            },
                        }
                    ]
                )
            ]
        ),
        [DOCUMENT],
    ),
    "an embedding": (OpenAIEmbeddings(encoded(input="a secret")), [PROMPT]),
    "embeddings": (OpenAIEmbeddings(encoded(input=["a secret", "b secret"])), [PROMPT, PROMPT]),
    "a completion": (other(operations.completion, prompt=["a secret"]), [PROMPT]),
    "a ranking": (
        other(operations.ranking, query="a secret", documents=["b secret", {"text": "c secret"}]),
        [PROMPT, DOCUMENT, DOCUMENT],
    ),
    "a moderation": (other(operations.moderation, input=["a secret"]), [PROMPT]),
    "an image": (other(operations.image, prompt="a secret"), [PROMPT]),
    "speech": (
        other(operations.speech, input="a secret", voice="alloy", instructions="b secret"),
        [PROMPT, PROMPT],
    ),
    "a response's input": (responses(input="a secret"), [PROMPT]),
    "a response's items": (
        responses(
            instructions="b secret",
            input=[
                {"type": "message", **user([{"type": "input_text", "text": "a secret"}])},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": TOOL_JSON},
                {"type": "function_call_output", "call_id": "c", "output": TOOL_JSON},
            ],
        ),
        [PROMPT, PROMPT, PROMPT, DOCUMENT],
    ),
    "Messages": (
        messages(
            system=[{"type": "text", "text": "a secret"}],
            messages=[
                user([{"type": "text", "text": "b secret"}]),
                {
                    "role": "assistant",
                    "content": [
                        {"type": "tool_use", "id": "t", "name": "f", "input": {"k": "c secret"}}
                    ],
                },
                user(
                    [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [{"type": "text", "text": "d secret"}],
                        },
                        {
                            "type": "document",
                            "title": "e secret",
                            "source": {
                                "type": "text",
                                "media_type": "text/plain",
                                "data": "f secret",
                            },
                        },
                    ]
                ),
            ],
        ),
        [PROMPT, PROMPT, PROMPT, DOCUMENT],
    ),
    "Gemini": (
        gemini(
            systemInstruction={"parts": [{"text": "a secret"}]},
            contents=[
                {"role": "user", "parts": [{"text": "b secret"}]},
                {
                    "role": "model",
                    "parts": [{"functionCall": {"name": "f", "args": {"a": "c secret"}}}],
                },
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"name": "f", "response": {"r": ["d secret"]}}},
                        {
                            "inlineData": {
                                "mimeType": "text/plain",
                                "data": in_base64("e secret"),
                            }
                        },
                    ],
                },
            ],
        ),
        None,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_text_is_read_and_says_where_it_comes_from(name, endpoint):
    inbound, directions = CASES[name]
    found = texts_of(RewrittenInbound(inbound).own_form(endpoint))
    assert not found.unread
    with_secret = [content for content in found.contents if "secret" in content.text]
    if directions is None:
        assert {content.direction for content in with_secret} == {PROMPT, DOCUMENT}
    else:
        assert sorted(each.direction for each in with_secret) == sorted(directions)


@pytest.mark.parametrize("dialects", [ALL, frozenset({Dialect.OPENAI})])
@pytest.mark.parametrize("name", CASES)
def test_what_is_redacted_is_sent_in_no_dialect_and_what_is_sent_is_json(name, dialects, endpoint):
    rewritten = RewrittenInbound(CASES[name][0])
    secrets = ["a secret", "b secret", "c secret", "d secret", "e secret", "f secret"]
    placeholders = {value: f"<NAME_{number}>" for number, value in enumerate(secrets)}
    rewritten.replace({**placeholders, "inner secret": "<NAME_9>"})
    request = rewritten.request_for(endpoint, dialects, b"")
    sent = json.dumps({field: json.loads(bytes(raw)) for field, raw in request.fields.items()})
    assert "secret" not in sent
    for part in ("a secret", "e secret"):
        assert in_base64(part) not in sent
    assert "<NAME_" in sent or in_base64("<NAME_0>") in sent
    if request.parsed is not None:
        assert "secret" not in str(request.parsed)


def test_what_is_not_redacted_is_sent_as_it_came(endpoint):
    body = {"messages": [user("1 \u00e9 \U0001f600 </x>")], "temperature": 0.1, "seed": 2**53}
    request = RewrittenInbound(chat(**body)).request_for(endpoint, ALL, b"")
    for name, value in body.items():
        assert json.loads(bytes(request.fields[name])) == value


def test_a_member_that_comes_twice_is_sent_as_the_one_that_was_examined(endpoint):
    raw = b'{"model":"tw/small","messages":[{"role":"user","content":"evil","content":"good"}]}'
    rewritten = RewrittenInbound(OpenAIChat(raw))
    [content] = texts_of(rewritten.own_form(endpoint)).contents
    assert content.text == "good"
    assert b"evil" not in bytes(rewritten.request_for(endpoint, ALL, b"").fields["messages"])


def test_escapes_hide_nothing_within_json_in_a_text(endpoint):
    hidden = '{"\\u0061 key":"\\u0073ecret"}'
    inbound = chat(messages=[{"role": "tool", "tool_call_id": "c", "content": hidden}])
    [content] = texts_of(RewrittenInbound(inbound).own_form(endpoint)).contents
    assert "secret" in content.text
    assert "a key" in content.text


def test_a_completions_tokens_cannot_be_read_and_that_is_told(endpoint):
    inbound = other(operations.completion, prompt=[[1, 2, 3]])
    assert texts_of(RewrittenInbound(inbound).own_form(endpoint)).unread == "tokens"


def test_a_prompt_beyond_all_measure_is_told_as_such(endpoint):
    inbound = chat(messages=[user("x" * (MOST_CHARACTERS + 1))])
    assert texts_of(RewrittenInbound(inbound).own_form(endpoint)).unread == "too_long"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON, st.text(min_size=1, max_size=6))
def test_hostile_bodies_are_walked_to_their_end_and_stay_json(value, marker):
    fields = {"messages": Raw(json.dumps([{"role": "user", "content": value}, value]).encode())}
    request = ProviderRequest(None, fields, None, Operation.CHAT)  # type: ignore[arg-type]
    found = texts_of(request)
    assert all(content.text.strip() for content in found.contents)


def test_overlapping_findings_are_one_value_and_none_shows_in_part():
    text = "call 555 1234 or\n555 1234 5"
    spans = [(5, 13, "PHONE"), (9, 16, ""), (17, 27, "PHONE")]
    judged = tuple(
        Judged(
            0, Finding("pii", 6, 1.0, start, end, label=label), Action.REDACT, "c", "1", 4, PROMPT
        )
        for start, end, label in spans
    )
    found = list(values_to_redact(Judgement(findings=judged), [Content(text, PROMPT)]))
    assert found == [("PHONE", "555 1234 or"), ("PHONE", "555 1234 5")]


def test_of_two_values_at_one_place_the_longer_is_replaced():
    replace = replacing({"joe": "<N_1>", "joe@x.com": "<E_1>"})
    assert replace("joe, joe@x.com and joe") == "<N_1>, <E_1> and <N_1>"
    assert replace("nobody") == "nobody"


@pytest.mark.parametrize(
    "inbound",
    [
        chat(messages=[{"role": "developer", "content": "rule"}, user("ask")]),
        messages(system=[{"type": "text", "text": "rule"}], messages=[user("ask")]),
        responses(instructions="rule", input="ask"),
        gemini(
            systemInstruction={"parts": [{"text": "rule"}]},
            contents=[{"role": "user", "parts": [{"text": "ask"}]}],
        ),
    ],
)
def test_what_whoever_runs_the_application_wrote_is_told_from_what_its_users_ask(inbound, endpoint):
    found = texts_of(RewrittenInbound(inbound).own_form(endpoint)).contents
    assert {each.text: each.is_from_operator for each in found} == {"rule": True, "ask": False}
