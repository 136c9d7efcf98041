"""What a caller is told of an upstream's error answer."""

import json

import pytest

from tradewind.plugins.providers.registry import providers

MEMBERS = list(providers().values())
everyone = pytest.mark.parametrize("provider", MEMBERS, ids=[member.name for member in MEMBERS])


def test_members_are_found_by_their_names():
    found = providers()
    assert {name: member.name for name, member in found.items()} == {name: name for name in found}
    assert found.keys() >= {
        "anthropic",
        "azure_inference",
        "azure_openai",
        "bedrock",
        "cohere",
        "llama_server",
        "mistral",
        "openai",
        "openai_compatible",
    }


@everyone
def test_a_bad_request_is_the_callers(provider):
    body = {"error": {"message": "too hot", "param": "temperature", "code": "out_of_range"}}
    error = provider.error_of(400, json.dumps(body).encode())
    assert (error.status, error.message, error.param, error.code, error.type) == (
        400,
        "too hot",
        "temperature",
        "out_of_range",
        "invalid_request_error",
    )


@everyone
def test_the_engines_numeric_code_is_not_passed_on(provider):
    raw = b'{"error":{"code":400,"message":"no content","type":"invalid_request_error"}}'
    error = provider.error_of(400, raw)
    assert (error.status, error.message, error.code) == (400, "no content", "refused_by_model")


@everyone
@pytest.mark.parametrize("status", [401, 403, 404])
def test_our_own_misconfiguration_is_not_the_callers_fault(provider, status):
    raw = b'{"error":{"message":"wrong key sk-upstream-secret"}}'
    error = provider.error_of(status, raw)
    assert (error.status, error.code, error.type) == (502, "upstream_error", "server_error")
    assert b"secret" not in error.body()


@everyone
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_upstream_says_when_to_come_back(provider, status):
    error = provider.error_of(status, b'{"error":{"message":"org org-123 is over its quota"}}')
    assert (error.status, error.code) == (status, "model_busy")
    assert b"retry-after-ms: 1000\r\n" in error.headers
    assert b"org-123" not in error.body()


@everyone
@pytest.mark.parametrize("status", [199, 201, 204, 301, 302, 500, 501, 504, 599])
def test_every_other_status_is_a_bad_gateway(provider, status):
    error = provider.error_of(status, b'{"error":{"message":"stack trace"}}')
    assert (error.status, error.code) == (502, "upstream_error")
    assert b"stack trace" not in error.body()


@everyone
@pytest.mark.parametrize("status", [400, 413, 422, 500])
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>nginx</html>",
        b"[]",
        b"null",
        b'{"error":null}',
        b'{"error":5}',
        b'{"error":{}}',
        b'{"error":{"message":null,"param":5,"code":{}}}',
        b'{"error":{"message":{"a":1}}}',
        b'{"error":{"type":["exceed_context_size_error"]}}',
        b'{"error":"\xff"}',
        b"[" * 200_000,
    ],
    ids=lambda raw: repr(raw[:30]),
)
def test_an_error_body_of_any_shape_is_survived(provider, status, raw):
    error = provider.error_of(status, raw)
    assert error.status == (502 if status == 500 else status)
    assert json.loads(error.body())["error"]["message"]


@everyone
def test_a_message_is_bounded(provider):
    raw = json.dumps({"error": {"message": "x" * 60_000}}).encode()
    assert len(provider.error_of(400, raw).body()) < 3000


@everyone
def test_an_error_that_is_a_text_is_told(provider):
    assert provider.error_of(400, b'{"error":"no such thing"}').message == "no such thing"


def test_a_prompt_that_is_too_long_has_the_code_clients_know():
    raw = (
        b'{"error":{"code":400,"message":"request (8138 tokens) exceeds the available context '
        b'size (2048 tokens), try increasing it","type":"exceed_context_size_error",'
        b'"n_prompt_tokens":8138,"n_ctx":2048}}'
    )
    error = providers()["llama_server"].error_of(400, raw)
    assert (error.status, error.param, error.code) == (400, "messages", "context_length_exceeded")
    assert "2048" in error.message
    assert "8138" in error.message


@everyone
@pytest.mark.parametrize(
    "message",
    [
        # OpenAI, vLLM, and most that imitate them.
        (
            "This model's maximum context length is 8192 tokens. However, you requested 8218 "
            "tokens (8138 in the messages, 80 in the completion)."
        ),
        (
            "This model's maximum context length is 8192 tokens. However, your request has 8195 "
            "input tokens. Please reduce the length of the input messages. None"
        ),
        # Bedrock.
        "Input is too long for requested model.",
        (
            "The model returned the following errors: prompt is too long: 200049 tokens > 200000 "
            "maximum"
        ),
        # Anthropic.
        (
            "input length and `max_tokens` exceed context limit: 143653 + 64000 > 200000, decrease "
            "input length or `max_tokens` and try again"
        ),
        # Mistral.
        (
            "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 "
            "maximum context length"
        ),
        "Too many tokens in batch. Max is 16384 got 17555",
        # Cohere.
        (
            "too many tokens: total number of tokens (prompt and prediction) cannot exceed 2048 - "
            "received 6354."
        ),
        # Text Generation Inference.
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000",
    ],
)
def test_a_prompt_that_is_too_long_has_one_code_whatever_its_words(provider, message):
    """So that a fallback to a model with more room can act on it."""
    for raw in ({"error": {"message": message}}, {"message": message}):
        error = provider.error_of(400, json.dumps(raw).encode())
        assert (error.status, error.code) == (400, "context_length_exceeded"), raw
        assert error.message


@everyone
@pytest.mark.parametrize(
    "message", ["temperature must be at most 2", "Unknown model 'x'", "invalid tokens in `stop`"]
)
def test_other_refusals_are_not_taken_for_a_prompt_that_is_too_long(provider, message):
    error = provider.error_of(400, json.dumps({"error": {"message": message}}).encode())
    assert error.code == "refused_by_model"


@everyone
@pytest.mark.parametrize("status", [402, 407])
def test_our_empty_account_is_not_the_callers_fault(provider, status):
    error = provider.error_of(status, b'{"error":{"message":"credit of org-1 is used up"}}')
    assert (error.status, error.code) == (502, "upstream_error")
    assert b"org-1" not in error.body()


@everyone
def test_an_overloaded_upstream_is_busy(provider):
    error = provider.error_of(529, b"{}")
    assert (error.status, error.code) == (503, "model_busy")
    assert b"retry-after-ms" in error.headers
