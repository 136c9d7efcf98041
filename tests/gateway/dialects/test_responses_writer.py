"""Answers in the common form as Responses objects and events.

The golden exchanges are written from platform.openai.com, API reference, "Responses" ("The response
object", "Streaming events").
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.dialects.responses_checker import Checker, events_of
from tradewind.gateway.dialects.responses import ResponsesInbound
from tradewind.gateway.dialects.responses_writer import ResponsesWriter
from tradewind.plugins.providers.base import TokenCounts
from tradewind.wire.errors import ApiError
from tradewind.wire.responses import decode_request

COUNTS = TokenCounts(12, 3, 19, reasoning_tokens=7)


def writer(**members):
    request, fields = decode_request(json.dumps({"model": "tw", "input": "Hi", **members}).encode())
    inbound = ResponsesInbound(request, fields, body_length=1)
    return ResponsesWriter(
        inbound.draft, shows_summary=request.wants_summary, shows_logprobs=request.wants_logprobs
    )


def chunk(finish_reason=None, logprobs=None, **delta):
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    if logprobs is not None:
        choice["logprobs"] = {"content": logprobs}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def call(index, id_=None, name=None, arguments=None):
    function = {"name": name, "arguments": arguments}
    return {
        "tool_calls": [
            {"index": index, "id": id_, "function": {k: v for k, v in function.items() if v}}
        ]
    }


def stream(*chunks, **members):
    """Return the whole stream of these chunks, and its last object, checked."""
    one = writer(**members)
    out = b"".join(map(one.events, chunks)) + one.end(COUNTS)
    return out, Checker(out).check()


def types_of(out):
    return [event["type"].removeprefix("response.") for event in events_of(out)]


def test_a_text_goes_out_in_the_documented_order():
    out, response = stream(
        chunk(role="assistant", content=""),
        chunk(content="Hel"),
        chunk(content="lo"),
        chunk("stop"),
    )
    assert types_of(out) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert response["output"] == [
        {
            "id": f"msg_{response['id'][5:]}0000",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
            ],
        }
    ]
    assert response["completed_at"] >= response["created_at"]


def test_the_object_has_every_member_of_the_reference():
    answer = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}
    response = json.loads(writer().whole(json.dumps(answer).encode(), COUNTS))
    assert response["id"].startswith("resp_")
    assert response["output"][0]["content"][0]["text"] == "Hello"
    assert response["usage"] == {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 19,
        "output_tokens_details": {"reasoning_tokens": 7},
        "total_tokens": 31,
    }
    shown = {
        name: response[name]
        for name in response
        if name not in {"id", "created_at", "completed_at", "output", "usage"}
    }
    assert shown == {
        "object": "response",
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": "tw",
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "user": None,
        "metadata": {},
    }


def test_reasoning_text_and_calls_are_items_of_their_own():
    out, response = stream(
        chunk(reasoning_content="Hm"),
        chunk(reasoning_content="m."),
        chunk(content="Let me look."),
        chunk(**call(0, "call_a", "find", "")),
        chunk(**call(0, None, None, '{"q":')),
        chunk(**call(0, None, None, '"x"}')),
        chunk(**call(1, "call_b", "find", '{"q":"y"}')),
        chunk("tool_calls"),
    )
    kinds = [item["type"] for item in response["output"]]
    assert kinds == ["reasoning", "message", "function_call", "function_call"]
    reasoning, _, first, second = response["output"]
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "Hmm."}]
    assert reasoning["summary"] == []
    assert (first["call_id"], first["arguments"]) == ("call_a", '{"q":"x"}')
    assert (second["call_id"], second["arguments"]) == ("call_b", '{"q":"y"}')
    assert first["id"].startswith("fc_")
    # The first call ends when the second begins: a client may run it at once.
    assert types_of(out).index("function_call_arguments.done") < len(types_of(out)) - 5


def test_reasoning_is_a_summary_for_who_asks_for_one():
    out, response = stream(
        chunk(reasoning="Hm"), chunk(content="Yes"), chunk("stop"), reasoning={"summary": "auto"}
    )
    assert response["output"][0]["summary"] == [{"type": "summary_text", "text": "Hm"}]
    assert "content" not in response["output"][0]
    assert types_of(out)[3:7] == [
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
    ]


def test_pieces_of_calls_that_come_by_turns_are_put_in_order():
    _, response = stream(
        chunk(**call(0, "a", "find", '{"q"')),
        chunk(**call(1, "b", "look", '{"z"')),
        chunk(**call(0, None, None, ':"x"}')),
        chunk(content="and"),
        chunk(**call(1, None, None, ':"y"}')),
        chunk("tool_calls"),
    )
    assert [item["type"] for item in response["output"]] == [
        "function_call",
        "function_call",
        "message",
    ]
    assert [item.get("arguments") for item in response["output"]] == [
        '{"q":"x"}',
        '{"z":"y"}',
        None,
    ]


def test_calls_that_a_host_numbers_alike_are_told_apart_by_their_ids():
    _, response = stream(
        chunk(**call(0, "a", "find", '{"q":1}')), chunk(**call(0, "b", "find", '{"q":2}'))
    )
    assert [item["call_id"] for item in response["output"]] == ["a", "b"]


def test_a_call_without_an_id_gets_one():
    _, response = stream(chunk(**call(0, None, "find", "{}")))
    assert response["output"][0]["call_id"].startswith("call_")


def test_arguments_behind_their_end_are_refused():
    one = writer()
    one.events(chunk(**call(0, "a", "find", "{}")) + chunk(**call(1, "b", "find", "{")))
    with pytest.raises(ApiError) as refused:
        one.events(chunk(**call(0, None, None, "{}")))
    assert refused.value.status == 502


def test_a_refusal_is_a_part_of_its_own():
    out, response = stream(chunk(content="Well."), chunk(refusal="I can"), chunk(refusal="not."))
    text, refusal = response["output"][0]["content"]
    assert (text["text"], refusal) == ("Well.", {"type": "refusal", "refusal": "I cannot."})
    assert "refusal.done" in types_of(out)


@pytest.mark.parametrize(
    ("reason", "told"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_an_answer_that_was_cut_is_incomplete(reason, told):
    out, response = stream(chunk(content="Hel"), chunk(reason))
    assert types_of(out)[-1] == "incomplete"
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": told})
    assert response["output"][-1]["status"] == "incomplete"
    assert response["completed_at"] is None


def test_an_answer_without_a_word_has_an_empty_message():
    _, response = stream(chunk("stop"))
    assert response["output"][0]["content"][0]["text"] == ""


def test_a_failure_on_the_way_is_the_last_event():
    one = writer()
    out = one.events(chunk(content="Hel")) + one.failure(ApiError(502, "It broke."))
    response = Checker(out).check()
    assert response["error"] == {"code": "server_error", "message": "It broke."}
    assert (response["status"], response["store"]) == ("failed", False)


def test_a_failure_before_the_first_word_has_its_beginning_all_the_same():
    assert Checker(writer().failure(ApiError(429, "Wait."))).check()["error"] == {
        "code": "rate_limit_exceeded",
        "message": "Wait.",
    }


def test_both_names_of_reasoning_are_read():
    _, streamed = stream(chunk(reasoning="Hm"), chunk(reasoning_content=", well"), chunk("stop"))
    answer = {"choices": [{"message": {"content": "Hi", "reasoning": "Hm, well"}}]}
    whole = json.loads(writer().whole(json.dumps(answer).encode(), COUNTS))
    for told in (streamed, whole):
        assert told["output"][0]["content"][0]["text"] == "Hm, well"


def test_an_event_may_say_that_there_is_no_error():
    data = {"choices": [{"index": 0, "delta": {"content": "Hi"}}], "error": None}
    out = writer().events(b"data: " + json.dumps(data).encode() + b"\n\n")
    assert b'"delta":"Hi"' in out


def test_a_prompt_that_is_too_long_says_so_in_words_that_clients_look_for():
    # langchain-openai tells it by these words alone.
    error = ApiError(400, "8 of 4 tokens.", code="context_length_exceeded")
    assert b"exceeds the context window" in writer().failure(error)


def test_logprobs_are_shown_to_who_asks_for_them():
    given_ = [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}]
    pieces = (chunk(content="Hi", logprobs=given_), chunk("stop"))
    _, response = stream(*pieces, include=["message.output_text.logprobs"])
    assert response["output"][0]["content"][0]["logprobs"] == given_
    _, response = stream(*pieces)
    assert response["output"][0]["content"][0]["logprobs"] == []


def test_unknown_usage_is_null_and_not_zero():
    one = writer()
    out = one.events(chunk(content="Hi")) + one.end(TokenCounts())
    assert Checker(out).check()["usage"] is None


def test_only_the_first_choice_is_looked_at():
    other = b'data: {"choices":[{"index":1,"delta":{"content":"no"}}]}\n\n'
    _, response = stream(other, chunk(content="Hi"))
    assert response["output"][0]["content"][0]["text"] == "Hi"


@pytest.mark.parametrize("is_stream", [False, True])
def test_what_could_not_be_stored_says_so_in_its_end(is_stream):
    one = writer()
    if is_stream:
        out = one.events(chunk(content="Hi"))
        last = one.end(COUNTS)
        told = Checker(out + one.unstored(last)).check()
    else:
        last = one.whole(b'{"choices":[{"message":{"content":"Hi"}}]}', COUNTS)
        told = json.loads(one.unstored(last))
    assert told["store"] is False
    assert told["output"][0]["content"][0]["text"] == "Hi"


@pytest.mark.parametrize(
    "event",
    [
        b"data: {\n\n",
        b'data: {"error":{"message":"overloaded"}}\n\n',
        b'data: {"choices":[{"delta":{"content":7}}]}\n\n',
        b'data: {"choices":7}\n\n',
    ],
)
def test_garbage_is_refused(event):
    with pytest.raises(ApiError) as refused:
        writer().events(event)
    assert (refused.value.status, refused.value.code) == (502, "upstream_error")


def test_comments_are_not_events():
    assert writer().events(b": waiting\n\n") == b""


def test_endless_items_are_refused():
    calls = b"".join(chunk(**call(n, f"id{n}", "find", "{}")) for n in range(2000))
    with pytest.raises(ApiError):
        writer().events(calls)


# Any answer, cut in any way.

TEXT = st.text(min_size=1, max_size=8)
OBJECT = st.dictionaries(TEXT, TEXT | st.integers() | st.none(), max_size=2).map(json.dumps)


@st.composite
def pieces(draw):
    """Deltas of an answer: texts in any order, and the arguments of each call in pieces, which may
    come between those of other calls and of texts.
    """
    texts = st.tuples(st.sampled_from(["content", "refusal", "reasoning_content"]), TEXT)
    queues = [[{kind: text} for kind, text in draw(st.lists(texts, max_size=6))]]
    for index in range(draw(st.integers(0, 3))):
        arguments = draw(OBJECT | st.just(""))
        cuts = sorted(draw(st.lists(st.integers(0, len(arguments)), max_size=3)))
        first, *rest = [
            arguments[start:end]
            for start, end in zip([0, *cuts], [*cuts, len(arguments)], strict=True)
        ]
        queues.append(
            [call(index, f"call_{index}", "find", first)]
            + [call(index, None, None, part) for part in rest]
        )
    turns = [number for number, queue in enumerate(queues) for _ in queue]
    return [queues[number].pop(0) for number in draw(st.permutations(turns))]


def said(response):
    """Return what an object says, wherever it says it."""
    texts = {"output_text": "", "refusal": "", "reasoning_text": ""}
    calls = {}
    for item in response["output"]:
        for part in item.get("content", []):
            texts[part["type"]] += part.get("text") or part.get("refusal") or ""
        if item["type"] == "function_call":
            calls[item["call_id"]] = (item["name"], item["arguments"])
    return texts, calls


def whole_of(deltas, reason):
    message = {"content": "", "refusal": "", "reasoning_content": "", "tool_calls": {}}
    for delta in deltas:
        for kind, value in delta.items():
            if kind != "tool_calls":
                message[kind] += value
                continue
            for piece in value:
                known = message["tool_calls"].setdefault(
                    piece["index"], {"id": "", "function": {"name": "", "arguments": ""}}
                )
                known["id"] += piece["id"] or ""
                for member, text in piece["function"].items():
                    known["function"][member] += text
    message["tool_calls"] = [message["tool_calls"][n] for n in sorted(message["tool_calls"])]
    return json.dumps({"choices": [{"message": message, "finish_reason": reason}]}).encode()


@given(
    pieces(),
    st.sampled_from(["stop", "length", "content_filter", "tool_calls", None]),
    st.lists(st.integers(1, 4), min_size=1, max_size=30),
    st.booleans(),
)
def test_any_answer_is_a_legal_stream_that_says_what_the_whole_says(deltas, reason, sizes, fails):
    events = [chunk(**delta) for delta in deltas] + [chunk(reason)]
    one, out = writer(), b""
    place = 0
    while place < len(events):
        size = sizes[place % len(sizes)]
        out += one.events(b"".join(events[place : place + size]))
        place += size
    if fails:
        Checker(out + one.failure(ApiError(502, "It broke."))).check()
        return
    streamed = Checker(out + one.end(COUNTS)).check()
    whole = json.loads(writer().whole(whole_of(deltas, reason), COUNTS))
    assert said(streamed) == said(whole)
    assert (streamed["status"], streamed["usage"]) == (whole["status"], whole["usage"])
