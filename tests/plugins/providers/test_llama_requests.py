"""What the engine is asked: the client's request, less what is the platform's to set."""

import json

import pytest
from provider_parts import ENDPOINT, MESSAGES, NAME, TARGET, chat_request, embeddings_request, sent

from tradewind.plugins.providers.base import ProviderRequest
from tradewind.plugins.providers.llama_server import ENGINE_ONLY, LlamaServer
from tradewind.wire import chat
from tradewind.wire.errors import ApiError

PROVIDER = LlamaServer()
ALWAYS = {
    "model": "upstream-model",
    "messages": MESSAGES,
    "stream": True,
    "stream_options": {"include_usage": True},
    "return_progress": True,
}


def asked(**members):
    return sent(PROVIDER.prepare(chat_request(**members), TARGET))


@pytest.mark.parametrize("stream", [None, False, True])
def test_the_engine_is_always_asked_for_a_stream_with_usage_and_progress(stream):
    assert asked(stream=stream, stream_options={"include_usage": False}) == ALWAYS


@pytest.mark.parametrize("name", sorted(ENGINE_ONLY - {"return_progress"}))
def test_a_field_that_is_the_platforms_does_not_reach_the_engine(name):
    for value in (None, 1, [{"id": 0, "scale": 1.0}], {"a": 1}):
        assert asked(**{name: value}) == ALWAYS


@pytest.mark.parametrize(
    "name",
    ["lora", "id_slot", "chat_template", "cache_prompt", "n_cmpl", "n_predict", "response_fields"],
)
def test_the_dangerous_ones_are_among_them(name):
    assert name in ENGINE_ONLY


def test_a_field_hidden_behind_escapes_is_found():
    body = rb'{"model":"small","messages":[{"role":"user","content":"Hello"}],"\u006cora":1}'
    request = ProviderRequest(ENDPOINT, chat.decode_fields(body), chat.decode_request(body))
    assert "lora" not in sent(PROVIDER.prepare(request, TARGET))


def test_a_field_given_twice_reaches_the_engine_once():
    body = b'{"model":"a","model":"b","messages":[1],"n":1,"n":2,"seed":1,"seed":2}'
    request = ProviderRequest(ENDPOINT, chat.decode_fields(body), chat.decode_request(body))
    prepared = PROVIDER.prepare(request, TARGET)
    pairs = json.loads(prepared.body, object_pairs_hook=list)
    assert sorted(name for name, _ in pairs) == sorted(
        ["model", "messages", "n", "seed", "stream", "stream_options", "return_progress"]
    )
    assert dict(pairs)["n"] == 2
    assert chat.decode_request(body).n == 2


def test_unknown_fields_reach_the_engine_untouched():
    extra = {"top_k": 40, "grammar": 'root ::= "x"', "mirostat": 2, "x": {"lora": 1}, "stop": ["a"]}
    assert asked(**extra) == ALWAYS | extra


def test_the_clients_request_is_not_changed_for_a_second_attempt():
    request = chat_request(lora=1, response_format={"type": "json_object"})
    first = PROVIDER.prepare(request, TARGET).body
    assert "lora" in request.fields
    assert PROVIDER.prepare(request, TARGET).body == first


def test_json_object_becomes_a_schema_that_the_engine_enforces():
    found = asked(response_format={"type": "json_object"})["response_format"]
    assert found == {
        "type": "json_schema",
        "json_schema": {"name": "object", "schema": {"type": "object"}},
    }


def test_json_object_with_a_schema_keeps_the_schema():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    found = asked(response_format={"type": "json_object", "schema": schema})["response_format"]
    assert found["json_schema"]["schema"] == schema


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        {"type": "text"},
        {"type": "grammar"},
        {},
        None,
    ],
)
def test_any_other_response_format_is_not_touched(wanted):
    assert asked(response_format=wanted)["response_format"] == wanted


def test_no_tools_are_offered_to_a_model_that_must_not_call_one():
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert asked(tools=tools, tool_choice="none") == ALWAYS
    assert asked(tools=tools)["tools"] == tools
    assert asked(tools=tools, tool_choice="auto")["tool_choice"] == "auto"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_of_no_tokens_is_refused_and_not_taken_for_one(name):
    with pytest.raises(ApiError) as caught:
        chat_request(**{name: 0})
    assert (caught.value.status, caught.value.param) == (400, name)


def test_embeddings_are_asked_for_without_dimensions():
    prepared = PROVIDER.prepare(embeddings_request(dimensions=384, user="u", lora=1), TARGET)
    assert sent(prepared) == {"model": "upstream-model", "input": "Hello", "user": "u"}
    assert prepared.head.startswith(b"POST /v1/embeddings ")


@pytest.mark.parametrize("dimensions", [1, 383, 385, 10**30])
def test_dimensions_the_model_does_not_have_are_refused_and_not_ignored(dimensions):
    with pytest.raises(ApiError) as caught:
        PROVIDER.prepare(embeddings_request(dimensions=dimensions), TARGET)
    assert (caught.value.status, caught.value.param) == (400, "dimensions")
    assert "384" in caught.value.message


def test_the_endpoints_name_is_not_sent_upstream():
    assert NAME.encode() not in PROVIDER.prepare(chat_request(), TARGET).body
