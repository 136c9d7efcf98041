"""Cohere's v2 API: chat both ways, embeddings, rerank."""

import json

import pytest
from provider_parts import EMBEDDER, chat_request, chunks, embeddings_request, read, sent

from tradewind.plugins.providers.base import ProviderRequest, TokenCounts
from tradewind.plugins.providers.cohere import Cohere
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire import chat
from tradewind.wire.errors import ApiError

PROVIDER = Cohere()
TARGET = Target(
    "d", "r", "cohere", "https://api.cohere.com:443", "command-a", "key", base_path="/v2"
)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
USAGE = {
    "billed_units": {"input_tokens": 7.0, "output_tokens": 3.0},
    "tokens": {"input_tokens": 70.0, "output_tokens": 30.0},
    "cached_tokens": 2.0,
}


def prepare(**members):
    return PROVIDER.prepare(chat_request(**members), TARGET)


def body_of(**members):
    return sent(prepare(**members))


def refused(**members):
    with pytest.raises(ApiError) as caught:
        prepare(**members)
    assert caught.value.status == 400
    return caught.value


def rerank_request(**members):
    body = {"model": "m", "query": "q", "documents": ["a", {"text": "b"}], **members}
    fields = chat.decode_fields(json.dumps(body).encode())
    return ProviderRequest(EMBEDDER, fields, None, Operation.RERANK)


def test_each_operation_has_its_path():
    requests = {
        b"/v2/chat": chat_request(),
        b"/v2/embed": embeddings_request(),
        b"/v2/rerank": rerank_request(),
    }
    for path, request in requests.items():
        head = PROVIDER.prepare(request, TARGET).head
        assert head.startswith(b"POST %b HTTP/1.1\r\nhost: api.cohere.com\r\n" % path)
        assert b"authorization: Bearer key\r\n" in head


def test_messages_keep_their_roles_and_lose_what_cohere_has_no_place_for():
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "Hi", "name": "Ada"},
        {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "annotations": [],
            "reasoning_content": "I look.",
            "tool_calls": [CALL],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "42"}]},
    ]
    assert body_of(messages=messages)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [CALL], "tool_plan": "I look."},
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
    ]


def test_parameters_have_their_own_names():
    body = body_of(
        max_completion_tokens=9,
        top_p=0.5,
        top_k=4,
        stop="x",
        seed=1,
        temperature=0.1,
        safety_mode="STRICT",
        documents=["d"],
        reasoning_effort="none",
    )
    assert {name: body[name] for name in body.keys() - {"messages"}} == {
        "model": "command-a",
        "stream": False,
        "max_tokens": 9,
        "p": 0.5,
        "k": 4,
        "stop_sequences": ["x"],
        "seed": 1,
        "temperature": 0.1,
        "safety_mode": "STRICT",
        "documents": ["d"],
        "thinking": {"type": "disabled"},
    }


@pytest.mark.parametrize(
    ("choice", "names", "wanted"),
    [
        ("auto", ["f", "g"], None),
        ("required", ["f", "g"], "REQUIRED"),
        ("none", ["f", "g"], "NONE"),
        ({"type": "function", "function": {"name": "g"}}, ["g"], "REQUIRED"),
    ],
)
def test_a_choice_of_one_tool_leaves_only_that_one(choice, names, wanted):
    other = {"type": "function", "function": {"name": "g", "strict": True}}
    body = body_of(tools=[TOOL, other], tool_choice=choice)
    assert [tool["function"]["name"] for tool in body["tools"]] == names
    assert body.get("tool_choice") == wanted
    assert body["strict_tools"] is True
    assert not any("strict" in tool["function"] for tool in body["tools"])


@pytest.mark.parametrize(
    ("wanted", "sent_as"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            {"type": "json_object", "json_schema": {"type": "object"}},
        ),
    ],
)
def test_formats_of_the_answer(wanted, sent_as):
    assert body_of(response_format=wanted).get("response_format") == sent_as


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"never_heard_of": 1}, "never_heard_of"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_its_name(members, param):
    assert refused(**members).param == param


def test_a_whole_answer_is_one_of_openais_and_billed_by_its_billed_units():
    message = {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hello"}],
        "citations": [{"start": 0, "end": 5, "text": "Hello"}],
    }
    raw = {"id": "c1", "finish_reason": "MAX_TOKENS", "message": message, "usage": USAGE}
    reader = prepare().reader
    answer = json.loads(read(reader, json.dumps(raw).encode()))
    [choice] = answer["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"] == {
        "role": "assistant",
        "content": "Hello",
        "reasoning_content": "Hm.",
        "citations": message["citations"],
    }
    assert (answer["id"], answer["model"]) == ("c1", "tw/small")
    assert reader.counts == TokenCounts(7, 2, 3)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (None, TokenCounts()),
        ({}, TokenCounts()),
        ({"tokens": {"input_tokens": 5.0, "output_tokens": 2.0}}, TokenCounts(5, None, 2)),
        ({"billed_units": {"input_tokens": 0.0, "output_tokens": 0.0}}, TokenCounts(0, None, 0)),
    ],
)
def test_missing_usage_is_not_zero_usage(usage, counts):
    message = {"role": "assistant", "content": [{"type": "text", "text": "x"}]}
    raw = {"id": "c", "finish_reason": "COMPLETE", "message": message, "usage": usage}
    reader = prepare().reader
    read(reader, json.dumps(raw).encode())
    assert reader.counts == counts


def event(kind, **members):
    data = json.dumps({"type": kind, **members}).encode()
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def piece(**message):
    return {"delta": {"message": message}}


START = event("message-start", id="c1", **piece(role="assistant"))
END = event("message-end", delta={"finish_reason": "COMPLETE", "usage": USAGE})


def test_a_stream_is_one_of_openais():
    reader = prepare(stream=True, stream_options={"include_usage": True}).reader
    raw = (
        START
        + event("content-start", index=0, **piece(content={"type": "thinking", "thinking": ""}))
        + event("content-delta", index=0, **piece(content={"thinking": "Hm."}))
        + event("content-end", index=0)
        + event("content-delta", index=1, **piece(content={"text": "He"}))
        + event("citation-start", index=0, **piece(citations={"start": 0, "text": "He"}))
        + event("citation-end", index=0)
        + event("content-delta", index=1, **piece(content={"text": "llo"}))
        + event("debug", prompt="secret prompt")
        + event("event-of-next-year")
        + END
    )
    found = chunks(read(reader, raw))
    deltas = [choice["delta"] for chunk in found for choice in chunk["choices"]]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Hm."},
        {"content": "He"},
        {"citations": [{"start": 0, "text": "He"}]},
        {"content": "llo"},
        {},
    ]
    assert {chunk["id"] for chunk in found} == {"c1"}
    assert found[-1]["usage"]["prompt_tokens"] == 7
    assert reader.counts == TokenCounts(7, 2, 3)
    assert reader.output_events == 3


def test_calls_of_tools_are_numbered_in_their_order():
    reader = prepare(stream=True).reader
    raw = START + event("tool-plan-delta", **piece(tool_plan="I call."))
    for number in range(2):
        call = {"id": f"t{number}", "type": "function", "function": {"name": "f", "arguments": ""}}
        raw += event("tool-call-start", index=number, **piece(tool_calls=call))
        more = {"function": {"arguments": "{}"}}
        raw += event("tool-call-delta", index=number, **piece(tool_calls=more))
        raw += event("tool-call-end", index=number)
    raw += event("message-end", delta={"finish_reason": "TOOL_CALL"})
    found = chunks(read(reader, raw))
    calls = [
        (call["index"], call.get("id"), call["function"]["arguments"])
        for chunk in found
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    assert calls == [(0, "t0", ""), (0, None, "{}"), (1, "t1", ""), (1, None, "{}")]
    assert found[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT", "OF_NEXT_YEAR"])
def test_an_answer_that_failed_is_not_complete(reason):
    """D20: mid-stream errors lost."""
    raw = START + event("content-delta", index=0, **piece(content={"text": "He"}))
    raw += event("message-end", delta={"finish_reason": reason, "error": "backend"})
    reader = prepare(stream=True).reader
    assert b'"He"' in reader.feed(raw)
    with pytest.raises(ApiError) as caught:
        reader.finish()
    assert (caught.value.status, caught.value.code) == (502, "upstream_error")
    message = {"role": "assistant", "content": []}
    whole = json.dumps({"id": "c", "finish_reason": reason, "message": message}).encode()
    with pytest.raises(ApiError):
        read(prepare().reader, whole)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        START,
        START + END[:-1],
        b"data: garbage\n\n" + END,
        b"<html>\n\n",
        event("tool-call-delta", **piece(tool_calls={"function": {"arguments": "x"}})) + END,
    ],
    ids=lambda raw: repr(raw[:30]),
)
def test_a_stream_that_breaks_its_format_is_a_bad_gateway(raw):
    with pytest.raises(ApiError) as caught:
        read(prepare(stream=True).reader, raw)
    assert caught.value.status == 502


def test_texts_are_embedded():
    request = embeddings_request(input=["a", "b"], dimensions=256, input_type="search_query")
    prepared = PROVIDER.prepare(request, TARGET)
    assert sent(prepared) == {
        "model": "command-a",
        "texts": ["a", "b"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "output_dimension": 256,
    }
    raw = {
        "id": "e",
        "embeddings": {"float": [[0.5], [0.25]]},
        "meta": {"billed_units": {"input_tokens": 4.0}},
    }
    answer = json.loads(read(prepared.reader, json.dumps(raw).encode()))
    assert [entry["embedding"] for entry in answer["data"]] == [[0.5], [0.25]]
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert prepared.reader.counts == TokenCounts(4, None, 0)


def test_embeddings_in_base64_are_asked_for_as_such():
    prepared = PROVIDER.prepare(embeddings_request(encoding_format="base64"), TARGET)
    assert sent(prepared)["embedding_types"] == ["base64"]
    answer = json.loads(read(prepared.reader, b'{"embeddings":{"base64":["AAAAPw=="]}}'))
    assert answer["data"][0]["embedding"] == "AAAAPw=="


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"embeddings":{"int8":[[1]]}}', b"[]"])
def test_embeddings_that_are_none_are_a_bad_gateway(raw):
    with pytest.raises(ApiError) as caught:
        read(PROVIDER.prepare(embeddings_request(), TARGET).reader, raw)
    assert caught.value.status == 502


def test_token_ids_cannot_be_embedded():
    with pytest.raises(ApiError) as caught:
        PROVIDER.prepare(embeddings_request(input=[1, 2]), TARGET)
    assert (caught.value.status, caught.value.param) == (400, "input")


def test_documents_are_ranked_and_handed_back_when_wanted():
    prepared = PROVIDER.prepare(rerank_request(top_n=1, return_documents=True), TARGET)
    assert sent(prepared) == {
        "model": "command-a",
        "documents": ["a", "b"],
        "query": "q",
        "top_n": 1,
    }
    results = [{"index": 1, "relevance_score": 0.9}]
    raw = {"id": "r", "results": results, "meta": {"billed_units": {"search_units": 2.0}}}
    answer = json.loads(read(prepared.reader, json.dumps(raw).encode()))
    assert answer["results"] == [{"index": 1, "relevance_score": 0.9, "document": {"text": "b"}}]
    assert answer["model"] == "tw/small"
    assert prepared.reader.counts == TokenCounts(0, None, 0, meters={"requests": 2})


@pytest.mark.parametrize("index", [2, -3, "0", None])
def test_a_ranking_of_documents_that_are_not_there_is_a_bad_gateway(index):
    reader = PROVIDER.prepare(rerank_request(return_documents=True), TARGET).reader
    with pytest.raises(ApiError) as caught:
        read(reader, json.dumps({"results": [{"index": index}]}).encode())
    assert caught.value.status == 502


def test_a_document_that_is_no_text_is_refused():
    with pytest.raises(ApiError) as caught:
        PROVIDER.prepare(rerank_request(documents=[{"title": "x"}]), TARGET)
    assert (caught.value.status, caught.value.param) == (400, "documents")
