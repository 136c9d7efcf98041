"""Completions of llama-server, with bytes as build b10434 sent them."""

import json

import pytest
from provider_parts import ENDPOINT, NAME, TARGET, chunks, read, sent

from tradewind.plugins.providers.base import ProviderRequest, TokenCounts
from tradewind.plugins.providers.llama_server import LlamaServer
from tradewind.snapshot.contents import Operation
from tradewind.wire import chat
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import DONE

PROVIDER = LlamaServer()
TAIL = (
    '"created":1795328279,"model":"m","system_fingerprint":"b1-7e4c0a9",'
    '"object":"text_completion","id":"chatcmpl-x"'
)


def prepare(**members):
    body = {"model": "small", "prompt": "Once upon", **members}
    fields = chat.decode_fields(json.dumps(body).encode())
    request = ProviderRequest(
        ENDPOINT, fields, None, Operation.COMPLETIONS, streams=bool(members.get("stream"))
    )
    return PROVIDER.prepare(request, TARGET)


def event(index, text, reason="null", extra=""):
    choice = f'{{"text":{json.dumps(text)},"index":{index},"logprobs":null,'
    choice += f'"finish_reason":{reason}}}'
    return f'data: {{"choices":[{choice}],{TAIL}{extra}}}\n\n'.encode()


def progress(index, total, cached):
    told = f'{{"total":{total},"cache":{cached},"processed":{total},"time_ms":0}}'
    return event(index, "", extra=f',"prompt_progress":{told}')


def end(index, written, read_, cached):
    usage = (
        f',"usage":{{"completion_tokens":{written},"prompt_tokens":{read_},'
        f'"total_tokens":{written + read_},"prompt_tokens_details":{{"cached_tokens":{cached}}}}},'
        '"timings":{"cache_n":1}'
    )
    return event(index, "", '"length"', usage)


ONE = progress(0, 2, 1) + event(0, " the") + event(0, " last") + end(0, 2, 2, 1) + DONE
TWO_CHOICES = (
    progress(0, 2, 1)
    + event(1, " a")
    + event(0, " the")
    + end(1, 1, 2, 1)
    + event(0, " end")
    + end(0, 2, 2, 1)
    + DONE
)


def test_the_engine_is_always_asked_for_a_stream_and_nothing_that_is_the_platforms():
    body = sent(prepare(max_tokens=3, id_slot=1, cache_prompt=False, stream_options=None))
    assert body == {
        "model": "upstream-model",
        "prompt": "Once upon",
        "max_tokens": 3,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
    }


def test_a_stream_is_passed_on_without_what_is_the_engines():
    reader = prepare(stream=True, stream_options={"include_usage": True}).reader
    found = chunks(read(reader, ONE))
    assert [chunk["choices"] for chunk in found[:-1]] == [
        [{"index": 0, "text": " the", "logprobs": None, "finish_reason": None}],
        [{"index": 0, "text": " last", "logprobs": None, "finish_reason": None}],
        [{"index": 0, "text": "", "logprobs": None, "finish_reason": "length"}],
    ]
    assert {chunk["model"] for chunk in found} == {NAME}
    assert found[-1]["usage"]["total_tokens"] == 4
    assert not any({"timings", "prompt_progress"} & chunk.keys() for chunk in found)
    assert reader.counts == TokenCounts(2, 1, 2)
    assert reader.output_events == 2


def test_a_whole_answer_is_put_together():
    reader = prepare().reader
    answer = json.loads(read(reader, ONE))
    assert [choice["text"] for choice in answer["choices"]] == [" the last"]
    assert (answer["object"], answer["model"]) == ("text_completion", NAME)
    assert answer["usage"]["completion_tokens"] == 2


def test_the_usage_of_all_choices_is_added_up():
    """The engine's own whole answer tells that of one of them."""
    reader = prepare(n=2).reader
    answer = json.loads(read(reader, TWO_CHOICES))
    assert [choice["text"] for choice in answer["choices"]] == [" the end", " a"]
    assert reader.counts == TokenCounts(2, 1, 3), "the prompt is read once"


def test_the_usage_of_all_prompts_is_added_up():
    reader = prepare(prompt=["Once upon", "Two dogs"]).reader
    answer = json.loads(read(reader, b"data: null\n\n" + TWO_CHOICES))
    assert len(answer["choices"]) == 2
    assert reader.counts == TokenCounts(4, 2, 3)


def test_progress_tells_the_tokens_of_a_client_that_leaves():
    reader = prepare(stream=True).reader
    assert reader.feed(progress(0, 32, 30)) == b""
    assert reader.counts == TokenCounts(32, 30, None)


@pytest.mark.parametrize("size", [1, 9, 64])
def test_a_stream_reads_the_same_however_it_was_cut(size):
    expected = read(prepare(stream=True, n=2).reader, TWO_CHOICES)
    pieces = [TWO_CHOICES[at : at + size] for at in range(0, len(TWO_CHOICES), size)]
    reader = prepare(stream=True, n=2).reader
    assert read(reader, *pieces) == expected
    assert reader.counts == TokenCounts(2, 1, 3)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"echo": True}, "echo"),
        ({"suffix": "end"}, "suffix"),
        ({"logprobs": 2}, "logprobs"),
        ({"best_of": 3}, "best_of"),
        ({"best_of": 3, "n": 2}, "best_of"),
        ({"prompt": {"prompt_string": "x", "multimodal_data": []}}, "prompt"),
    ],
)
def test_what_the_engine_takes_and_does_not_do_is_refused(members, param):
    with pytest.raises(ApiError) as caught:
        prepare(**members)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize("members", [{"echo": False}, {"suffix": ""}, {"best_of": 2, "n": 2}])
def test_what_asks_for_nothing_is_taken(members):
    assert prepare(**members)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        DONE,
        ONE[: -len(DONE)],
        event(5, "x") + DONE,
        event(-1, "x") + DONE,
        b'data: {"error":{"message":"x"}}\n\n' + DONE,
        b"data: garbage\n\n" + DONE,
    ],
    ids=lambda raw: repr(raw[:30]),
)
def test_a_stream_that_breaks_its_format_is_a_bad_gateway(raw):
    with pytest.raises(ApiError) as caught:
        read(prepare().reader, raw)
    assert caught.value.status == 502
