"""OpenAI itself, Azure's two APIs, and quirks of hosts that are data."""

import json

import msgspec
import pytest
from provider_parts import ENDPOINT, NAME, chat_request, chunks, embeddings_request, read, sent

from tradewind.gateway.dialects.output_cap import capped
from tradewind.plugins.providers.anthropic import Anthropic
from tradewind.plugins.providers.azure_inference import AzureInference
from tradewind.plugins.providers.azure_openai import AzureOpenAI
from tradewind.plugins.providers.base import Dialect, ProviderRequest, TokenCounts
from tradewind.plugins.providers.cohere import Cohere
from tradewind.plugins.providers.google import Google
from tradewind.plugins.providers.mistral import Mistral
from tradewind.plugins.providers.openai import OpenAI
from tradewind.plugins.providers.openai_compatible import OpenAICompatible
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire import chat
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import DONE

OPENAI, AZURE, INFERENCE, COMPATIBLE = (
    OpenAI(),
    AzureOpenAI(),
    AzureInference(),
    OpenAICompatible(),
)


def target(provider, *, model="gpt-4o", **changes):
    target = Target("d", "r", provider.name, "https://host.example:443", model, "key-of-target")
    return msgspec.structs.replace(target, **changes)


def head_of(provider, request, **changes):
    head = provider.prepare(request, target(provider, **changes)).head.decode()
    first, *lines = head.split("\r\n")[:-2]
    return first.split(" ")[1], dict(line.split(": ", 1) for line in lines)


# OpenAI.


def test_organization_and_project_are_headers():
    options = {"organization": "org-1", "project": "proj_2"}
    path, lines = head_of(OPENAI, chat_request(), options=options)
    assert path == "/v1/chat/completions"
    assert (lines["host"], lines["authorization"]) == ("host.example", "Bearer key-of-target")
    assert (lines["openai-organization"], lines["openai-project"]) == ("org-1", "proj_2")


@pytest.mark.parametrize("option", ["organization", "project"])
def test_an_option_cannot_bring_in_a_header_of_its_own(option):
    with pytest.raises(ApiError) as caught:
        head_of(OPENAI, chat_request(), options={option: "x\r\nevil: 1"})
    assert (caught.value.status, caught.value.code) == (502, "upstream_error")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "max_tokens"),
        ("gpt-4.1-mini", "max_tokens"),
        ("o1", "max_completion_tokens"),
        ("o4-mini-2025-04-16", "max_completion_tokens"),
        ("gpt-5", "max_completion_tokens"),
        ("gpt-5.6-pro", "max_completion_tokens"),
        ("gpt-12", "max_completion_tokens"),
        ("ft:o4-mini:org::x", "max_completion_tokens"),
    ],
)
def test_models_that_reason_know_the_limit_by_its_new_name_only(model, name):
    body = sent(OPENAI.prepare(chat_request(max_tokens=7), target(OPENAI, model=model)))
    assert {key: body[key] for key in body if key.startswith("max_")} == {name: 7}


@pytest.mark.parametrize(
    ("deployment", "options", "name"),
    [
        ("gpt-5-mini", {}, "max_completion_tokens"),
        ("gpt-4o", {}, "max_tokens"),
        ("our-model", {}, "max_tokens"),
        ("our-model", {"max_tokens_field": "max_completion_tokens"}, "max_completion_tokens"),
        ("o1", {"max_tokens_field": "max_tokens"}, "max_tokens"),
    ],
)
def test_a_deployment_named_like_a_model_that_reasons_gets_the_new_name_too(
    deployment, options, name
):
    at = target(AZURE, model=deployment, options=options)
    # As a budget's cap writes it where the client said no limit.
    request = capped(chat_request(), 7)
    body = sent(AZURE.prepare(request, at))
    assert {key: body[key] for key in body if key.startswith("max_")} == {name: 7}


def test_embeddings_keep_their_members_whatever_the_model_is_called():
    body = sent(OPENAI.prepare(embeddings_request(max_tokens=7), target(OPENAI, model="gpt-5")))
    assert body["max_tokens"] == 7


@pytest.mark.parametrize(
    "provider",
    [OPENAI, AZURE, INFERENCE, COMPATIBLE, Anthropic(), Google(), Cohere(), Mistral()],
    ids=lambda provider: provider.name,
)
def test_without_a_credential_no_line_opens_the_host(provider):
    _, lines = head_of(provider, chat_request(), credential="")
    assert not {"authorization", "api-key", "x-api-key", "x-goog-api-key"} & lines.keys()
    _, lines = head_of(provider, chat_request())
    assert {"authorization", "api-key", "x-api-key", "x-goog-api-key"} & lines.keys()


def test_nothing_else_of_a_request_is_touched():
    members = {"service_tier": "flex", "store": True, "metadata": {"a": "b"}, "unknown": [1]}
    body = sent(OPENAI.prepare(chat_request(**members), target(OPENAI)))
    assert body.items() >= members.items()


def test_a_request_of_the_responses_dialect_goes_through():
    body = {"model": "small", "input": "Hi", "store": False}
    request = ProviderRequest(
        ENDPOINT,
        chat.decode_fields(json.dumps(body).encode()),
        None,
        dialect=Dialect.RESPONSES,
    )
    prepared = OPENAI.prepare(request, target(OPENAI, options={"project": "p"}))
    assert prepared.head.startswith(b"POST /v1/responses HTTP/1.1\r\n")
    assert b"openai-project: p\r\n" in prepared.head
    assert sent(prepared) == body | {"model": "gpt-4o"}
    usage = {"input_tokens": 3, "output_tokens": 2}
    raw = {"id": "resp_1", "model": "gpt-4o", "status": "completed", "usage": usage}
    assert json.loads(read(prepared.reader, json.dumps(raw).encode()))["model"] == NAME
    assert prepared.reader.counts == TokenCounts(3, None, 2)


# Azure OpenAI.


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        (
            {"base_path": ""},
            "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21",
        ),
        (
            {"base_path": "/openai", "options": {"api_version": "2025-04-01-preview"}},
            "/openai/deployments/my%20gpt/chat/completions?api-version=2025-04-01-preview",
        ),
        (
            {"base_path": "", "options": {"api_version": "v1"}},
            "/openai/v1/chat/completions",
        ),
        ({"base_path": "/openai/v1"}, "/openai/v1/chat/completions"),
    ],
)
def test_a_deployment_is_in_the_path_and_the_key_in_its_own_header(changes, path):
    found, lines = head_of(AZURE, chat_request(), model="my gpt", **changes)
    assert found == path
    assert lines["api-key"] == "key-of-target"
    assert "authorization" not in lines


def test_a_token_of_entra_is_a_bearer_token():
    _, lines = head_of(AZURE, chat_request(), base_path="", options={"auth": "bearer"})
    assert lines["authorization"] == "Bearer key-of-target"
    assert "api-key" not in lines


@pytest.mark.parametrize("version", ["", "2024 10", "2024-10-21&x=1", "a\r\nb", "x" * 65])
def test_a_version_that_could_be_something_else_is_refused(version):
    for provider in (AZURE, INFERENCE):
        with pytest.raises(ApiError) as caught:
            head_of(provider, chat_request(), options={"api_version": version})
        assert caught.value.status == 502


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (Operation.COMPLETIONS, "completions"),
        (Operation.IMAGES, "images/generations"),
        (Operation.SPEECH, "audio/speech"),
    ],
)
def test_other_operations_lie_behind_the_deployment_too(operation, path):
    fields = chat.decode_fields(b'{"model":"m","input":"x","prompt":"x"}')
    request = ProviderRequest(ENDPOINT, fields, None, operation)
    found, _ = head_of(AZURE, request, base_path="")
    assert found == f"/openai/deployments/gpt-4o/{path}?api-version=2024-10-21"


FILTERED = {
    "id": "",
    "object": "",
    "created": 0,
    "model": "",
    "choices": [],
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
}


def event(**members):
    return b"data: " + json.dumps(members, separators=(",", ":")).encode() + b"\n\n"


def text(content):
    delta = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return event(id="c", model="gpt-4o", choices=[delta])


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_prompts_filter_results_come_with_the_first_event_of_the_answer(size):
    """Azure sends them first, without a choice, at which naive clients break."""
    request = chat_request(stream=True, stream_options={"include_usage": True})
    reader = AZURE.prepare(request, target(AZURE, base_path="")).reader
    usage = event(id="c", model="gpt-4o", choices=[], usage={"prompt_tokens": 5})
    raw = event(**FILTERED) + text("He") + text("llo") + usage + DONE
    found = chunks(read(reader, *(raw[at : at + size] for at in range(0, len(raw), size))))
    assert [bool(chunk["choices"]) for chunk in found] == [True, True, False]
    assert [chunk["model"] for chunk in found] == [NAME] * 3
    assert found[0]["prompt_filter_results"] == FILTERED["prompt_filter_results"]
    assert "prompt_filter_results" not in found[1]
    assert reader.counts == TokenCounts(5, None, None)


def test_a_filtered_stream_without_an_answer_still_tells_what_the_filter_found():
    reader = AZURE.prepare(chat_request(stream=True), target(AZURE, base_path="")).reader
    [only] = chunks(read(reader, event(**FILTERED) + DONE))
    assert only["prompt_filter_results"] == FILTERED["prompt_filter_results"]


def test_a_content_filters_refusal_keeps_its_shape():
    result = {"hate": {"filtered": True, "severity": "high"}}
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": result}
    raw = {
        "message": "The response was filtered.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": inner,
    }
    error = AZURE.error_of(400, json.dumps({"error": raw}).encode())
    assert (error.status, error.code, error.param) == (400, "content_filter", "prompt")
    assert json.loads(error.body())["error"]["innererror"] == inner


# Azure AI Model Inference.


def test_models_are_named_in_the_body_and_extra_members_are_passed_through():
    request = chat_request(
        max_completion_tokens=5, messages=[{"role": "developer", "content": "Hi"}], top_k=3
    )
    path, lines = head_of(INFERENCE, request, base_path="")
    assert path == "/models/chat/completions?api-version=2024-05-01-preview"
    assert (lines["api-key"], lines["extra-parameters"]) == ("key-of-target", "pass-through")
    assert sent(INFERENCE.prepare(request, target(INFERENCE, base_path="", model="phi"))) == {
        "model": "phi",
        "messages": [{"role": "system", "content": "Hi"}],
        "max_tokens": 5,
        "top_k": 3,
    }


def test_a_base_path_that_ends_with_models_is_not_doubled():
    path, _ = head_of(INFERENCE, embeddings_request(), base_path="/models")
    assert path == "/models/embeddings?api-version=2024-05-01-preview"


def test_errors_with_their_members_at_the_top_are_told():
    raw = b'{"status":422,"code":"parameter_not_supported","message":"No json_object here."}'
    error = INFERENCE.error_of(422, raw)
    assert (error.status, error.code) == (422, "parameter_not_supported")


# Quirks.


@pytest.mark.parametrize(
    ("changes", "asked", "expected"),
    [
        ({"host": "deepseek"}, {"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"options": {"stream_options": "omit"}}, {"stream": True}, {"stream": True}),
        (
            {"options": {"max_tokens_field": "max_completion_tokens"}},
            {"max_tokens": 5},
            {"max_completion_tokens": 5},
        ),
        ({"options": {"drop": "user, store"}}, {"user": "u", "store": True, "n": 1}, {"n": 1}),
        ({"host": "nobody-knows"}, {"user": "u"}, {"user": "u"}),
    ],
)
def test_what_a_host_does_differently_is_data(changes, asked, expected):
    body = sent(COMPATIBLE.prepare(chat_request(**asked), target(COMPATIBLE, **changes)))
    assert {k: v for k, v in body.items() if k not in ("model", "messages")} == expected


def test_a_developers_message_is_a_systems_where_nobody_knows_developers():
    messages = [{"role": "developer", "content": "a"}, {"role": "user", "content": '"developer"'}]
    request = chat_request(messages=messages)
    body = sent(COMPATIBLE.prepare(request, target(COMPATIBLE, host="deepseek")))
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    body = sent(COMPATIBLE.prepare(request, target(COMPATIBLE)))
    assert [message["role"] for message in body["messages"]] == ["developer", "user"]


@pytest.mark.parametrize("option", ["stream_options", "max_tokens_field", "developer_role"])
def test_an_option_that_is_none_is_told(option):
    with pytest.raises(ApiError) as caught:
        COMPATIBLE.prepare(chat_request(), target(COMPATIBLE, options={option: "perhaps"}))
    assert caught.value.status == 502
    assert option in caught.value.message
