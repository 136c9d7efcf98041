"""Amazon Bedrock: Converse both ways, signatures, what InvokeModel does for Titan and Cohere."""

import json

import msgspec
import pytest
from provider_parts import ENDPOINT, chat_request, chunks, embeddings_request, read, sent

from tradewind.plugins.providers.base import ProviderRequest, TokenCounts
from tradewind.plugins.providers.bedrock import Bedrock
from tradewind.plugins.providers.dialects.event_stream import encode
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire import chat
from tradewind.wire.errors import ApiError

AT = 1766000000.0  # 2025-12-17T19:33:20Z
PROVIDER = Bedrock(now=lambda: AT)
KEYS = json.dumps({"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret"})
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com:443"
TARGET = Target(
    "d", "r", "bedrock", HOST, "anthropic.claude-3-haiku-v1:0", KEYS, base_path="", host="bedrock"
)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


def prepare(target=TARGET, **members):
    return PROVIDER.prepare(chat_request(**members), target)


def body_of(**members):
    return sent(prepare(**members))


def lines_of(prepared):
    head = prepared.head.decode()
    assert head.endswith("\r\n\r\n")
    first, *lines = head[:-4].split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines)


def refused(**members):
    with pytest.raises(ApiError) as caught:
        prepare(**members)
    assert caught.value.status == 400
    return caught.value


def changed(**changes):
    return msgspec.structs.replace(TARGET, **changes)


# Heads.


def test_a_request_is_signed_and_its_model_is_one_segment_of_the_path():
    prepared = prepare(target=TARGET)
    first, lines = lines_of(prepared)
    assert first == "POST /model/anthropic.claude-3-haiku-v1%3A0/converse HTTP/1.1"
    assert lines["host"] == "bedrock-runtime.us-east-1.amazonaws.com"
    assert lines["x-amz-date"] == "20251217T193320Z"
    assert lines["content-length"] == str(len(prepared.body))
    assert lines["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20251217/us-east-1/bedrock/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, Signature="
    )


def test_a_session_token_goes_along():
    keys = json.dumps(
        {"access_key_id": "AK", "secret_access_key": "secret", "session_token": "tok+/="}
    )
    _, lines = lines_of(prepare(target=changed(credential=keys)))
    assert lines["x-amz-security-token"] == "tok+/="
    assert "x-amz-security-token" in lines["authorization"]
    assert "secret" not in str(lines)


def test_an_api_key_is_a_bearer_token():
    _, lines = lines_of(prepare(target=changed(credential="bedrock-api-key-x")))
    assert lines["authorization"] == "Bearer bedrock-api-key-x"
    assert "x-amz-date" not in lines


def test_a_stream_has_a_path_of_its_own():
    first, _ = lines_of(prepare(stream=True))
    assert first.endswith("/converse-stream HTTP/1.1")


@pytest.mark.parametrize(
    ("changes", "region"),
    [
        ({"options": {"region": "eu-west-3"}}, "eu-west-3"),
        ({"address": "https://vpce-1.bedrock-runtime.eu-north-1.vpce.amazonaws.com:443"}, "eu-nor"),
        ({"address": "10.0.0.1:80", "region": "ap-south-1"}, "ap-south-1"),
    ],
)
def test_the_region_is_told_or_found(changes, region):
    _, lines = lines_of(prepare(target=changed(**changes)))
    assert f"/20251217/{region}" in lines["authorization"]


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "10.0.0.1:80"},
        {"options": {"region": "x\r\ny: z"}},
        {"credential": "{"},
        {"credential": '{"access_key_id":"A"}'},
        {"credential": '{"access_key_id":"A\\r\\n","secret_access_key":"s"}'},
        {"credential": '{"access_key_id":"A","secret_access_key":"s","session_token":"a\\r\\nb"}'},
    ],
)
def test_what_was_set_up_wrong_is_not_the_callers_fault(changes):
    with pytest.raises(ApiError) as caught:
        prepare(target=changed(**changes))
    assert (caught.value.status, caught.value.code) == (502, "upstream_error")
    assert b"secret" not in caught.value.body()


# Requests.


def test_a_conversation_is_turns_of_user_and_assistant():
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "One"},
        {"role": "user", "content": [{"type": "text", "text": "Two"}]},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
        {"role": "system", "content": [{"type": "text", "text": "And kind."}]},
        {"role": "user", "content": "Three"},
    ]
    body = body_of(messages=messages, tools=[TOOL])
    assert body["system"] == [{"text": "Be brief."}, {"text": "And kind."}]
    tool_use = {"toolUseId": "call_1", "name": "f", "input": {"a": 1}}
    result = {"toolUseId": "call_1", "content": [{"text": "42"}]}
    assert body["messages"] == [
        {"role": "user", "content": [{"text": "One"}, {"text": "Two"}]},
        {"role": "assistant", "content": [{"toolUse": tool_use}]},
        {"role": "user", "content": [{"toolResult": result}, {"text": "Three"}]},
    ]


def test_settings_have_their_own_names():
    body = body_of(
        max_completion_tokens=7, temperature=0.2, top_p=0.9, top_k=5, stop="x", service_tier="flex"
    )
    assert body["inferenceConfig"] == {
        "maxTokens": 7,
        "temperature": 0.2,
        "topP": 0.9,
        "stopSequences": ["x"],
    }
    assert body["additionalModelRequestFields"] == {"top_k": 5}
    assert body["serviceTier"] == {"type": "flex"}


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("auto", None),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "f"}}, {"tool": {"name": "f"}}),
    ],
)
def test_tools_and_the_choice_of_them(choice, wanted):
    config = body_of(tools=[TOOL], tool_choice=choice)["toolConfig"]
    assert config["tools"] == [
        {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}
    ]
    assert config.get("toolChoice") == wanted


def test_tools_that_are_forbidden_are_left_out_unless_they_were_used():
    assert "toolConfig" not in body_of(tools=[TOOL], tool_choice="none")
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
    ]
    assert refused(messages=messages, tools=[TOOL], tool_choice="none").param == "tool_choice"


def test_a_schema_is_text_within_its_structure():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    form = body_of(response_format=wanted)["outputConfig"]["textFormat"]
    assert form["type"] == "json_schema"
    assert form["structure"]["jsonSchema"]["name"] == "s"
    assert json.loads(form["structure"]["jsonSchema"]["schema"]) == schema


def test_images_sound_and_files_are_carried_as_bytes():
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}},
        {"type": "input_audio", "input_audio": {"data": "bbbb", "format": "wav"}},
        {
            "type": "file",
            "file": {"filename": "My report!.pdf", "file_data": "data:application/pdf;base64,cccc"},
        },
    ]
    [turn] = body_of(messages=[{"role": "user", "content": parts}])["messages"]
    assert turn["content"] == [
        {"image": {"format": "png", "source": {"bytes": "aaaa"}}},
        {"audio": {"format": "wav", "source": {"bytes": "bbbb"}}},
        {"document": {"format": "pdf", "name": "My report", "source": {"bytes": "cccc"}}},
    ]


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"never_heard_of": 1}, "never_heard_of"),
        ({"service_tier": "scale"}, "service_tier"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"tool_choice": "sometimes", "tools": [TOOL]}, "tool_choice"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": 5}, "tools"),
        ({"stop": [1]}, "stop"),
        ({"messages": ["x"]}, "messages"),
        ({"messages": [{"role": "alien", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_its_name(members, param):
    assert refused(**members).param == param


@pytest.mark.parametrize("url", ["https://example.org/i.png", "data:image/tiff;base64,aa", "file:"])
def test_an_image_elsewhere_is_not_fetched(url):
    parts = [{"type": "image_url", "image_url": {"url": url}}]
    error = refused(messages=[{"role": "user", "content": parts}])
    assert error.code == "unsupported_content"


@pytest.mark.parametrize(
    "members",
    [
        {"n": 1},
        {"user": "u"},
        {"metadata": {"a": "b"}},
        {"store": True},
        {"seed": 5},
        {"logprobs": False},
        {"presence_penalty": 0},
        {"parallel_tool_calls": True},
        {"top_k": None},
    ],
)
def test_what_changes_no_answer_is_left_out(members):
    assert body_of(**members).keys() == {"messages"}


# Answers.

USAGE = {
    "inputTokens": 5,
    "outputTokens": 3,
    "totalTokens": 108,
    "cacheReadInputTokens": 60,
    "cacheWriteInputTokens": 40,
}


def converse_answer(*blocks, reason="end_turn", **members):
    output = {"message": {"role": "assistant", "content": list(blocks)}}
    return json.dumps({"output": output, "stopReason": reason, "usage": USAGE, **members}).encode()


def test_a_whole_answer_is_one_of_openais():
    reader = prepare().reader
    thought = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}}
    answer = json.loads(read(reader, converse_answer(thought, {"text": "Hel"}, {"text": "lo"})))
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "reasoning_content": "Hm."},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert answer["model"] == "tw/small"
    assert answer["created"] == int(AT)


def test_cached_tokens_are_not_among_the_input_tokens_and_are_added():
    """D2: cached tokens mispriced. AWS, "Prompt caching": the total input is the sum of three."""
    reader = prepare().reader
    answer = json.loads(read(reader, converse_answer({"text": "x"})))
    assert reader.counts == TokenCounts(105, 60, 3, 40)
    assert answer["usage"]["prompt_tokens"] == 105
    assert answer["usage"]["prompt_tokens_details"] == {
        "cached_tokens": 60,
        "cache_write_tokens": 40,
    }


def test_a_tool_call_is_text_again():
    reader = prepare().reader
    use = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": [1, 2]}}}
    answer = json.loads(read(reader, converse_answer(use, reason="tool_use")))
    [choice] = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    [call] = choice["message"]["tool_calls"]
    assert (call["id"], call["type"], call["function"]["name"]) == ("t1", "function", "f")
    assert json.loads(call["function"]["arguments"]) == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("of_next_year", "stop"),
    ],
)
def test_reasons_have_openais_names(reason, finish):
    answer = json.loads(read(prepare().reader, converse_answer({"text": "x"}, reason=reason)))
    assert answer["choices"][0]["finish_reason"] == finish


def event(kind, **body):
    headers = {":message-type": "event", ":event-type": kind}
    return encode(headers, json.dumps(body).encode())


def delta(**given):
    return event("contentBlockDelta", contentBlockIndex=0, delta=given)


STOP = event("messageStop", stopReason="end_turn")


def test_a_stream_is_one_of_openais():
    reader = prepare(stream=True, stream_options={"include_usage": True}).reader
    found = chunks(
        read(
            reader,
            event("messageStart", role="assistant"),
            delta(reasoningContent={"text": "Hm."}),
            delta(reasoningContent={"signature": "s"}),
            delta(text="He"),
            delta(text="llo"),
            event("contentBlockStop", contentBlockIndex=0),
            STOP,
            event("metadata", usage=USAGE, metrics={"latencyMs": 1}),
        )
    )
    deltas = [choice["delta"] for chunk in found for choice in chunk["choices"]]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Hm."},
        {"content": "He"},
        {"content": "llo"},
        {},
    ]
    assert found[-2]["choices"][0]["finish_reason"] == "stop"
    assert found[-1]["choices"] == []
    assert found[-1]["usage"]["completion_tokens"] == 3
    assert reader.counts == TokenCounts(105, 60, 3, 40)
    assert reader.output_events == 3


def test_parallel_calls_keep_their_own_arguments():
    reader = prepare(stream=True).reader
    raw = b""
    for index in (1, 2):
        start = {"toolUse": {"toolUseId": f"t{index}", "name": "f"}}
        raw += event("contentBlockStart", contentBlockIndex=index, start=start)
    for index, piece in ((2, "b"), (1, "a"), (2, "B")):
        given = {"toolUse": {"input": piece}}
        raw += event("contentBlockDelta", contentBlockIndex=index, delta=given)
    found = chunks(read(reader, raw, event("messageStop", stopReason="tool_use")))
    pieces = [
        (call["index"], call.get("id"), call["function"]["arguments"])
        for chunk in found
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    assert pieces == [(0, "t1", ""), (1, "t2", ""), (1, None, "b"), (0, None, "a"), (1, None, "B")]


def exception(kind, message):
    headers = {":message-type": "exception", ":exception-type": kind}
    return encode(headers, json.dumps({"message": message}).encode())


@pytest.mark.parametrize(
    ("kind", "message", "status", "code"),
    [
        ("throttlingException", "Too many tokens, please wait.", 429, "model_busy"),
        ("serviceUnavailableException", "x", 503, "model_busy"),
        ("internalServerException", "stack", 502, "upstream_error"),
        ("modelStreamErrorException", "stack", 502, "upstream_error"),
        ("validationException", "Input is too long.", 400, "context_length_exceeded"),
        ("validationException", "bad", 400, "refused_by_model"),
        ("newException", "x", 502, "upstream_error"),
    ],
)
def test_an_exception_in_a_stream_is_told(kind, message, status, code):
    reader = prepare(stream=True).reader
    with pytest.raises(ApiError) as caught:
        reader.feed(exception(kind, message))
    assert (caught.value.status, caught.value.code) == (status, code)


def test_what_came_before_an_exception_in_the_same_read_is_the_clients():
    reader = prepare(stream=True).reader
    assert b'"He"' in reader.feed(delta(text="He") + exception("throttlingException", "x"))
    for call in (lambda: reader.feed(STOP), reader.finish):
        with pytest.raises(ApiError):
            call()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"data: {}\n\n",
        delta(text="x"),
        STOP + b"\0",
        event("contentBlockDelta", contentBlockIndex=3, delta={"toolUse": {"input": "x"}}) + STOP,
        encode({":message-type": "event", ":event-type": "messageStop"}, b"garbage"),
        encode({":message-type": "error"}, b"{}"),
        encode({}, b"{}"),
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_a_stream_that_breaks_its_format_is_a_bad_gateway(raw):
    with pytest.raises(ApiError) as caught:
        read(prepare(stream=True).reader, raw)
    assert caught.value.status == 502


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"{}", b'{"output":{}}', b"\xff"])
def test_a_whole_answer_that_cannot_be_read_is_a_bad_gateway(raw):
    with pytest.raises(ApiError) as caught:
        read(prepare().reader, raw)
    assert caught.value.status == 502


# Titan.


def test_titan_embeds_one_text():
    request = embeddings_request(input=["Hello"], dimensions=256)
    prepared = PROVIDER.prepare(request, TARGET)
    assert sent(prepared) == {"inputText": "Hello", "dimensions": 256}
    assert lines_of(prepared)[0].endswith("/invoke HTTP/1.1")
    raw = b'{"embedding":[0.5,0.25],"inputTextTokenCount":3}'
    answer = json.loads(read(prepared.reader, raw))
    assert answer["data"] == [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
    assert prepared.reader.counts == TokenCounts(3, None, 0)


def test_titan_embeds_into_base64():
    prepared = PROVIDER.prepare(embeddings_request(encoding_format="base64"), TARGET)
    answer = json.loads(read(prepared.reader, b'{"embedding":[0.5,0.25]}'))
    assert answer["data"][0]["embedding"] == "AAAAPwAAgD4="


@pytest.mark.parametrize("given", [["a", "b"], [1, 2], [[1]]])
def test_titan_takes_no_more_than_one_text(given):
    with pytest.raises(ApiError) as caught:
        PROVIDER.prepare(embeddings_request(input=given), TARGET)
    assert (caught.value.status, caught.value.param) == (400, "input")


def test_errors_have_the_message_at_the_top():
    error = PROVIDER.error_of(400, b'{"message":"The model returned the following errors: bad"}')
    assert (error.status, error.code) == (400, "refused_by_model")
    assert error.message == "The model returned the following errors: bad"


# Cohere.


def invoked(request, model):
    prepared = PROVIDER.prepare(request, changed(upstream_model=model))
    first, _ = lines_of(prepared)
    return first, sent(prepared), prepared.reader


def rerank_request(**members):
    body = {"model": "small", "query": "a", "documents": ["b", {"text": "c"}]} | members
    fields = chat.decode_fields(json.dumps(body).encode())
    return ProviderRequest(ENDPOINT, fields, None, Operation.RERANK)


@pytest.mark.parametrize(
    "model", ["cohere.embed-english-v3", "us.cohere.embed-v4:0", "arn:aws:x:::a/cohere.embed-v4:0"]
)
def test_embeddings_of_cohere_have_its_own_body(model):
    request = embeddings_request(input=["Hello", "you"], input_type="search_query")
    first, body, reader = invoked(request, model)
    assert first.endswith("/invoke HTTP/1.1")
    assert body == {
        "texts": ["Hello", "you"],
        "input_type": "search_query",
        "embedding_types": ["float"],
    }
    raw = b'{"id":"1","embeddings":{"float":[[0.5,0.25],[1,2]]},"texts":["hello","you"]}'
    answer = json.loads(read(reader, raw[:20], raw[20:]))
    assert [each["embedding"] for each in answer["data"]] == [[0.5, 0.25], [1, 2]]
    assert [each["index"] for each in answer["data"]] == [0, 1]
    assert reader.counts == TokenCounts(None, None, 0)


def test_base64_is_made_of_the_numbers_that_cohere_sends_here():
    _, body, reader = invoked(embeddings_request(encoding_format="base64"), "cohere.embed-v4:0")
    assert body["embedding_types"] == ["float"]
    answer = json.loads(read(reader, b'{"embeddings":{"float":[[0.5,0.25]]}}'))
    assert answer["data"][0]["embedding"] == "AAAAPwAAgD4="


@pytest.mark.parametrize(
    ("model", "told"), [("cohere.embed-v4:0", "LEFT"), ("cohere.embed-english-v3", "START")]
)
def test_generations_of_embed_name_the_ends_of_a_text_differently(model, told):
    assert invoked(embeddings_request(truncate="START"), model)[1]["truncate"] == told


@pytest.mark.parametrize("raw", [b"{}", b'{"embeddings":[[1]]}', b'{"embeddings":{"float":["x"]}}'])
def test_embeddings_that_are_none_are_a_failure_of_the_host(raw):
    request = embeddings_request(encoding_format="base64")
    with pytest.raises(ApiError) as caught:
        read(invoked(request, "cohere.embed-v4:0")[2], raw)
    assert caught.value.status == 502


def test_a_ranking_of_cohere_has_its_own_body():
    first, body, reader = invoked(
        rerank_request(top_n=1, return_documents=True), "cohere.rerank-v3-5:0"
    )
    assert first == "POST /model/cohere.rerank-v3-5%3A0/invoke HTTP/1.1"
    assert body == {"query": "a", "documents": ["b", "c"], "top_n": 1, "api_version": 2}
    answer = json.loads(read(reader, b'{"results":[{"index":1,"relevance_score":0.5}]}'))
    assert answer["results"] == [{"index": 1, "relevance_score": 0.5, "document": {"text": "c"}}]
    assert reader.counts == TokenCounts(0, None, 0, meters={"requests": 1})


def test_a_ranking_of_many_documents_is_billed_as_several():
    _, body, reader = invoked(rerank_request(documents=["b"] * 101), "amazon.rerank-v1:0")
    assert "api_version" not in body
    read(reader, b'{"results":[]}')
    assert reader.counts.meters == {"requests": 2}
