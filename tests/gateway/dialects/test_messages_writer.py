"""Answers in the common form, written as Messages: no order of chunks may break the order of
events (peers: duplicate message_start, thinking inside a text block, streams that break off).
"""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages_parts import (
    NAME,
    ScriptedReader,
    call_piece,
    chunk,
    content_of,
    events_of,
    legal,
)

from tradewind.gateway.dialects.base import TranslatedAnswer
from tradewind.gateway.dialects.messages_writer import MessagesWriter
from tradewind.plugins.providers.base import TokenCounts
from tradewind.wire.errors import ApiError
from tradewind.wire.messages import INVALID_JSON, UNSIGNED
from tradewind.wire.sse import EventCutter

COUNTS = TokenCounts(100, 60, 20, 30, 5)
BEGUN = chunk({"role": "assistant", "content": ""})


def writer_for(counts=None, *, estimate=25, stops=(), output_events=0):
    reader = ScriptedReader(counts, output_events)
    return MessagesWriter(NAME, reader, input_estimate=estimate, stops=stops)


def written(*chunks, counts: TokenCounts | None = COUNTS, **options):
    """Return the message that a stream of chunks adds up to; the stream must be legal."""
    writer = writer_for(counts, **options)
    raw = b"".join(map(writer.events, chunks)) + writer.end(counts or TokenCounts())
    return legal(raw)


def whole(message, finish="stop", counts=COUNTS, *, stops=(), **choice):
    answer = {"choices": [{"index": 0, "message": message, "finish_reason": finish} | choice]}
    writer = writer_for(counts, stops=stops)
    return json.loads(writer.whole(json.dumps(answer).encode(), counts or TokenCounts()))


def kinds(message):
    return [block["type"] for block in message["content"]]


def test_a_text_is_written_event_by_event_as_documented():
    writer = writer_for(TokenCounts(10, None, None))
    raw = writer.events(BEGUN) + writer.events(chunk({"content": "He"}) + chunk({"content": "y"}))
    raw += writer.events(chunk(finish="stop")) + writer.end(TokenCounts(10, 4, 2))
    events = events_of(raw)
    message = events[0][1]["message"]
    assert message.pop("id").startswith("msg_")
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 0,
    }
    assert events == [
        (
            "message_start",
            {
                "type": "message_start",
                "message": {
                    "type": "message",
                    "role": "assistant",
                    "model": NAME,
                    "content": [],
                    "stop_reason": None,
                    "stop_sequence": None,
                    "usage": usage,
                },
            },
        ),
        (
            "content_block_start",
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "text", "text": ""},
            },
        ),
        (
            "content_block_delta",
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "He"},
            },
        ),
        (
            "content_block_delta",
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "y"},
            },
        ),
        ("content_block_stop", {"type": "content_block_stop", "index": 0}),
        (
            "message_delta",
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": usage
                | {"input_tokens": 6, "cache_read_input_tokens": 4}
                | {"output_tokens": 2},
            },
        ),
        ("message_stop", {"type": "message_stop"}),
    ]


def test_a_text_goes_out_as_soon_as_it_comes():
    writer = writer_for()
    assert b'"text":"He"' in writer.events(chunk({"content": "He"}))
    assert b'"text":"y"' in writer.events(chunk({"content": "y"}))


def test_reasoning_is_a_thinking_block_that_ends_before_the_text():
    message = written(
        BEGUN,
        chunk({"reasoning_content": "Hm"}),
        chunk({"reasoning": ", well"}),
        chunk({"content": "Yes"}, "stop"),
    )
    assert message["content"] == [
        {"type": "thinking", "thinking": "Hm, well", "signature": UNSIGNED},
        {"type": "text", "text": "Yes"},
    ]


def test_reasoning_and_text_that_take_turns_stay_in_blocks_of_their_own():
    pieces = [{"reasoning_content": "a"}, {"content": "b"}, {"reasoning_content": "c"}]
    assert kinds(written(*map(chunk, pieces))) == ["thinking", "text", "thinking"]


def test_a_tool_call_streams_its_arguments():
    writer = writer_for()
    writer.events(chunk({"content": "Let me see"}))
    writer.events(chunk(call_piece(0, id="call_1", name="look")))
    assert b'"partial_json":"{\\"at\\""' in writer.events(chunk(call_piece(0, '{"at"')))
    rest = writer.events(chunk(call_piece(0, ':"x"}')) + chunk(finish="tool_calls"))
    assert b'"partial_json"' in rest


def test_a_text_and_parallel_calls_in_a_row_are_blocks_in_that_order():
    message = written(
        chunk({"content": "Let me see"}),
        chunk(call_piece(0, id="call_1", name="look")),
        chunk(call_piece(0, '{"at":')),
        chunk(call_piece(0, "1}")),
        chunk(call_piece(1, id="call_2", name="listen")),
        chunk(call_piece(1, "{}")),
        chunk(finish="tool_calls"),
    )
    assert message["stop_reason"] == "tool_use"
    assert message["content"] == [
        {"type": "text", "text": "Let me see"},
        {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": 1}},
        {"type": "tool_use", "id": "call_2", "name": "listen", "input": {}},
    ]


def test_a_second_call_streams_once_the_first_is_complete():
    writer = writer_for()
    writer.events(chunk(call_piece(0, '{"at":1}', id="call_1", name="look")))
    begun = writer.events(chunk(call_piece(1, '{"to"', id="call_2", name="listen")))
    assert [name for name, _ in events_of(begun)] == [
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
    ]
    assert b'"partial_json"' in writer.events(chunk(call_piece(1, ":2}")))


def test_calls_whose_pieces_take_turns_are_put_in_order():
    message = written(
        chunk(call_piece(0, '{"a"', id="call_1", name="look")),
        chunk(call_piece(1, '{"b"', id="call_2", name="listen")),
        chunk(call_piece(0, ":1}")),
        chunk(call_piece(1, ":2}")),
        chunk(finish="tool_calls"),
    )
    assert content_of(message)["calls"] == [
        ("call_1", "look", {"a": 1}),
        ("call_2", "listen", {"b": 2}),
    ]


def test_calls_without_an_index_are_told_apart_by_their_ids():
    def bare(arguments, call_id=None):
        piece = {"function": {"name": "look" if call_id else None, "arguments": arguments}}
        return chunk({"tool_calls": [piece | ({"id": call_id} if call_id else {})]})

    message = written(bare('{"a"', "1"), bare(":1}"), bare("{}", "2"), chunk(finish="tool_calls"))
    assert content_of(message)["calls"] == [("1", "look", {"a": 1}), ("2", "look", {})]


def test_whole_calls_that_all_have_index_zero_are_told_apart_by_their_ids():
    message = written(
        chunk(call_piece(0, '{"a":1}', id="1", name="look")),
        chunk(call_piece(0, '{"a":2}', id="2", name="look")),
        chunk(finish="tool_calls"),
    )
    assert content_of(message)["calls"] == [("1", "look", {"a": 1}), ("2", "look", {"a": 2})]


def test_an_id_and_a_name_in_every_piece_are_no_new_calls():
    message = written(
        chunk(call_piece(0, '{"a"', id="1", name="look")),
        chunk(call_piece(0, ":1}", id="1", name="look")),
    )
    assert content_of(message)["calls"] == [("1", "look", {"a": 1})]


def test_a_call_without_an_id_gets_one_and_letters_that_are_not_allowed_are_replaced():
    message = written(
        chunk(call_piece(0, "{}", name="look")),
        chunk(call_piece(1, "{}", id="functions.look:1", name="look")),
    )
    first, second = (call[0] for call in content_of(message)["calls"])
    assert first.startswith("toolu_")
    assert second == "functions_look_1"


def test_a_call_without_arguments_has_an_empty_input():
    message = written(chunk(call_piece(0, id="1", name="look")), chunk(finish="tool_calls"))
    assert content_of(message)["calls"] == [("1", "look", {})]


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(call_piece(0, "{}", id="1"))],
        [
            chunk(call_piece(0, "{}", id="1", name="a")),
            chunk(call_piece(1, "{}", id="2", name="b")),
            chunk(call_piece(0, "more")),
        ],
        [chunk(call_piece(n, "{}", id=str(n), name="a")) for n in range(300)],
    ],
    ids=["a call without a name", "more of a complete call", "calls without end"],
)
def test_calls_that_no_client_could_read_are_a_broken_answer(chunks):
    writer = writer_for()
    with pytest.raises(ApiError) as caught:
        _ = [writer.events(each) for each in chunks], writer.end(TokenCounts())
    assert (caught.value.status, caught.value.code) == (502, "upstream_error")


def test_an_answer_with_nothing_in_it_is_a_legal_stream_and_message():
    assert written()["content"] == []
    assert written(BEGUN, chunk(finish="stop"))["content"] == []
    message = whole({"role": "assistant", "content": None})
    assert (message["content"], message["stop_reason"]) == ([], "end_turn")


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "end_turn"),
        ("content_filter", "refusal"),
        ("eos", "end_turn"),
    ],
)
def test_a_finish_reason_becomes_a_stop_reason(finish, expected):
    assert written(chunk({"content": "x"}, finish))["stop_reason"] == expected
    assert whole({"content": "x"}, finish)["stop_reason"] == expected


@pytest.mark.parametrize("finish", ["tool_calls", "stop", "function_call"])
def test_an_answer_with_calls_stops_for_them_whatever_the_host_says(finish):
    call = chunk(call_piece(0, "{}", id="1", name="look"))
    assert written(call, chunk(finish=finish))["stop_reason"] == "tool_use"


def test_calls_that_were_cut_off_stop_at_the_limit():
    writer = writer_for()
    raw = writer.events(chunk(call_piece(0, '{"a"', id="1", name="look")))
    raw += writer.events(chunk(finish="length")) + writer.end(TokenCounts())
    assert b'"stop_reason":"max_tokens"' in raw


def test_a_stop_sequence_is_named_where_the_host_tells_it():
    message = written(chunk({"content": "x"}, "stop", stop_reason="END"), stops=("END",))
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")
    message = whole({"content": "x"}, stops=("END",), stop_reason="END")
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")
    natural = written(chunk({"content": "x"}, "stop", stop_reason=128009), stops=("END",))
    assert (natural["stop_reason"], natural["stop_sequence"]) == ("end_turn", None)


def test_a_refusal_is_a_text_and_the_reason():
    message = written(chunk({"refusal": "I will not"}), chunk(finish="stop"))
    assert content_of(message)["text"] == "I will not"
    assert message["stop_reason"] == "refusal"
    assert whole({"content": None, "refusal": "No"})["stop_reason"] == "refusal"


def test_input_tokens_leave_out_what_the_cache_read_and_wrote():
    assert written(chunk({"content": "x"}))["usage"] == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 60,
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 5},
    }


def test_usage_that_the_host_did_not_tell_is_what_the_call_is_recorded_with():
    usage = written(chunk({"content": "x"}), counts=None, estimate=25, output_events=7)["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (25, 7)


def test_counts_that_contradict_each_other_give_no_negative_usage():
    usage = written(counts=TokenCounts(5, 9, 1, 9))["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (0, 5)
    assert usage["cache_creation_input_tokens"] == 0


def test_a_comment_of_the_host_is_a_ping():
    writer = writer_for()
    names = [name for name, _ in events_of(writer.events(b": PROCESSING\n\n: PROCESSING\n\n"))]
    assert names == ["message_start", "ping", "ping"]
    assert written(b": x\n\n", chunk({"content": "x"}), b": x\n\n")["stop_reason"] == "end_turn"


def test_other_choices_than_the_first_are_left_out():
    message = written(chunk({"content": "a"}), chunk({"content": "b"}, index=1))
    assert content_of(message)["text"] == "a"


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"error":{"message":"secret words","code":500}}\n\n',
        b'data: {"error":"secret words"}\n\n',
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}\n\n',
    ],
)
def test_an_error_event_of_the_host_fails_the_call(event):
    writer = writer_for()
    writer.events(BEGUN)
    with pytest.raises(ApiError) as caught:
        writer.events(event)
    assert caught.value.status == 502
    assert "secret" not in caught.value.message


def test_members_that_are_null_are_as_if_they_were_not_there():
    event = b'data: {"error":null,"usage":null,"choices":[{"delta":{"content":"x"}}]}\n\n'
    assert content_of(written(event))["text"] == "x"


@pytest.mark.parametrize(
    "data",
    [b"nothing", b"[]", b'{"choices":[{"delta":{"content":5}}]}', b'{"choices":{}}', b"\xff", b"1"],
)
def test_garbage_is_a_broken_answer(data):
    with pytest.raises(ApiError) as caught:
        writer_for().events(b"data: " + data + b"\n\n")
    assert caught.value.status == 502
    with pytest.raises(ApiError) as caught:
        writer_for().whole(data, TokenCounts())
    assert caught.value.status == 502


def test_a_whole_answer_has_every_kind_of_content():
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "listen", "arguments": ""}},
    ]
    message = whole({"content": "Hi", "reasoning_content": "Hm", "tool_calls": calls}, "tool_calls")
    assert message.pop("id").startswith("msg_")
    assert message == {
        "type": "message",
        "role": "assistant",
        "model": NAME,
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": UNSIGNED},
            {"type": "text", "text": "Hi"},
            {"type": "tool_use", "id": "call_1", "name": "look", "input": {"a": 1}},
            {"type": "tool_use", "id": "call_2", "name": "listen", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 60,
            "output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 5},
        },
    }


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", "text", '"x"'])
def test_arguments_that_are_no_object_are_wrapped_and_not_lost(arguments):
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": arguments}}
    [block] = whole({"tool_calls": [call]}, "length")["content"]
    assert block["input"] == {INVALID_JSON: arguments}


# Any order of chunks.

_texts = st.text(max_size=6)
_arguments = st.dictionaries(_texts, st.integers() | _texts, max_size=3)


@st.composite
def answers(draw):
    """Return (chunks, message): an answer, and its pieces in an order a host may send."""
    thoughts = draw(st.lists(_texts, max_size=3))
    texts = draw(st.lists(_texts, max_size=4))
    inputs = draw(st.lists(_arguments, max_size=3))
    queues = [[{"reasoning_content": text} for text in thoughts]]
    queues.append([{"content": text} for text in texts])
    for number, given_input in enumerate(inputs):
        said = json.dumps(given_input)
        cuts = sorted(draw(st.lists(st.integers(0, len(said)), max_size=4)))
        edges = [0, *cuts, len(said)]
        pieces = [said[a:b] for a, b in itertools.pairwise(edges)]
        queue = [call_piece(number, pieces[0], id=f"call_{number}", name="look")]
        queue += [call_piece(number, piece) for piece in pieces[1:]]
        queues.append(queue)
    deltas, started = [], 2
    while any(queues):
        # Calls begin in the order of their indexes; all else may come by turns.
        able = [
            place for place, queue in enumerate(queues) if queue and (place < 2 or place <= started)
        ]
        place = draw(st.sampled_from(able))
        started = max(started, place + 1)
        deltas.append(queues[place].pop(0))
    finish = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
    message = {
        "content": "".join(texts) or None,
        "reasoning_content": "".join(thoughts) or None,
        "tool_calls": [
            {"id": f"call_{number}", "function": {"name": "look", "arguments": json.dumps(each)}}
            for number, each in enumerate(inputs)
        ]
        or None,
    }
    return [BEGUN, *map(chunk, deltas), chunk(finish=finish)], message, finish


@given(answers(), st.data())
def test_any_stream_cut_anywhere_is_legal_and_adds_up_to_the_whole_answer(answer, data):
    chunks, message, finish = answer
    raw = b"".join(chunks)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    edges = [0, *cuts, len(raw)]
    cutter, reader = EventCutter(), ScriptedReader(COUNTS)
    reader.feed = cutter.feed
    writer = MessagesWriter(NAME, reader, input_estimate=1)
    translated = TranslatedAnswer(reader, writer, is_stream=True)
    out = b"".join(translated.feed(raw[a:b]) for a, b in itertools.pairwise(edges))
    streamed = legal(out + translated.finish())
    complete = whole(message, finish)
    assert content_of(streamed) == content_of(complete)
    for member in ("stop_reason", "stop_sequence", "usage", "model", "role"):
        assert streamed[member] == complete[member]


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_bytes_of_a_host_raise_anything_but_a_502(data):
    for act in (
        lambda: writer_for().events(b"data: " + data + b"\n\n"),
        lambda: writer_for().whole(data, TokenCounts()),
    ):
        try:
            act()
        except ApiError as error:
            assert error.status == 502
