"""Responses as hosts speak it: exchanges written from platform.openai.com, API reference,
"Responses" and "Streaming events".
"""

import json

import pytest

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.responses import StreamedResponse, WholeResponse
from tradewind.wire.errors import ApiError

USAGE = {
    "input_tokens": 36,
    "input_tokens_details": {"cached_tokens": 5},
    "output_tokens": 87,
    "output_tokens_details": {"reasoning_tokens": 11},
    "total_tokens": 123,
}
COUNTS = TokenCounts(36, 5, 87, reasoning_tokens=11)


def response(status="completed", **members):
    return {
        "id": "resp_host",
        "object": "response",
        "status": status,
        "model": "host-model",
        "metadata": {"model": "host-model"},
        "output": [],
        "usage": USAGE if status != "in_progress" else None,
        **members,
    }


def event(type_, **members):
    data = json.dumps({"type": type_, **members}, separators=(",", ":"))
    return f"event: {type_}\ndata: {data}\n\n".encode()


def delta(text, number):
    return event("response.output_text.delta", delta=text, sequence_number=number)


CREATED = event("response.created", response=response("in_progress"), sequence_number=0)
COMPLETED = event("response.completed", response=response(), sequence_number=9)


def data_of(events):
    """Return the data of the first event."""
    return json.loads(events.split(b"\n\n")[0].partition(b"data: ")[2])


def test_a_whole_answer_tells_its_usage_and_the_name_that_was_asked_for():
    reader = WholeResponse("tw/small")
    assert reader.feed(json.dumps(response()).encode()) == b""
    answer = json.loads(reader.finish())
    assert answer == {**response(), "model": "tw/small"}
    assert reader.counts == COUNTS


def test_a_whole_answer_is_not_touched_when_its_name_is_right():
    body = json.dumps(response(), indent=1).encode()
    reader = WholeResponse(None)
    reader.feed(body)
    assert reader.finish() == body


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_stream_is_passed_on_but_for_its_end(size):
    reader = StreamedResponse("tw/small")
    stream = CREATED + delta("Hel", 1) + delta("lo", 2) + COMPLETED
    passed = b"".join(
        reader.feed(stream[place : place + size]) for place in range(0, len(stream), size)
    )
    assert passed.endswith(delta("Hel", 1) + delta("lo", 2))
    assert reader.output_events == 2
    assert b"response.completed" not in passed
    created = data_of(passed)["response"]
    assert (created["model"], created["metadata"]) == ("tw/small", {"model": "host-model"})
    last = reader.finish()
    assert data_of(last)["response"] == {**response(), "model": "tw/small"}
    assert last.startswith(b"event: response.completed\ndata: ")
    assert reader.counts == COUNTS


def test_a_text_that_speaks_of_events_is_only_text():
    reader = StreamedResponse("tw/small")
    said = delta('"response.completed" "response"', 1)
    assert reader.feed(CREATED + said).endswith(said)


def test_comments_are_passed_on():
    reader = StreamedResponse("tw/small")
    assert reader.feed(b': "error"\n\n') == b': "error"\n\n'


@pytest.mark.parametrize(
    "last",
    [
        event(
            "response.failed",
            response=response("failed", error={"code": "server_error", "message": "no"}),
        ),
        event("error", code="server_error", message="no", sequence_number=3),
        event("error", error={"code": "server_error", "message": "no"}),
    ],
)
def test_a_failure_of_the_host_is_ours_to_tell(last):
    reader = StreamedResponse(None)
    reader.feed(CREATED)
    with pytest.raises(ApiError) as failed:
        reader.feed(last)
    assert (failed.value.status, failed.value.code) == (502, "upstream_error")


def test_a_prompt_that_is_too_long_is_told_as_such():
    reader = StreamedResponse(None)
    error = {"code": "context_length_exceeded", "message": "too long"}
    with pytest.raises(ApiError) as failed:
        reader.feed(event("response.failed", response=response("failed", error=error)))
    assert (failed.value.status, failed.value.code) == (400, "context_length_exceeded")


def test_a_whole_answer_that_failed_is_a_failure():
    reader = WholeResponse(None)
    reader.feed(json.dumps(response("failed", error={"message": "no"})).encode())
    with pytest.raises(ApiError):
        reader.finish()


@pytest.mark.parametrize(
    "stream", [b"", CREATED, CREATED + COMPLETED + b"data: {", b"<html>\n\n", b"data: 7\n\n"]
)
def test_a_stream_that_is_broken_off_is_a_failure(stream):
    reader = StreamedResponse(None)
    with pytest.raises(ApiError) as failed:
        read_all(reader, stream)
    assert failed.value.code == "upstream_error"


def test_usage_that_cannot_be_read_says_nothing():
    reader = StreamedResponse(None)
    read_all(reader, event("response.completed", response=response(usage={"input_tokens": "x"})))
    assert reader.counts == TokenCounts()


def read_all(reader, stream):
    reader.feed(stream)
    reader.finish()
