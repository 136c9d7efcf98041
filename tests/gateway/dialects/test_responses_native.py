"""Requests and answers of a host that speaks the Responses API itself."""

import json

import pytest
from msgspec import Raw

from tests.gateway.dialects.responses_checker import Checker
from tradewind.gateway.dialects.responses import ResponsesInbound
from tradewind.plugins.providers.base import Dialect
from tradewind.plugins.providers.dialects.responses import StreamedResponse, WholeResponse
from tradewind.snapshot.contents import Endpoint, Operation, Price
from tradewind.wire.errors import ApiError
from tradewind.wire.responses import decode_request
from tradewind.wire.stored_responses import StoredResponse

ENDPOINT = Endpoint(
    "tw/small", Operation.CHAT, "p", 1, 512, 512, Price("price_1", "USD", 1, 2, 3), ()
)
SEARCH = {"type": "web_search"}


def inbound(chain=(), *, stores=False, **members):
    body = json.dumps({"model": "m", **members}).encode()
    request, fields = decode_request(body)
    return ResponsesInbound(
        request, fields, body_length=len(body), chain=tuple(chain), stores=stores
    )


def asked(one):
    request = one.request_for(ENDPOINT, frozenset({Dialect.RESPONSES}), b"x: y\r\n")
    assert (request.dialect, request.parsed) == (Dialect.RESPONSES, None)
    return request, {name: json.loads(bytes(value)) for name, value in request.fields.items()}


def event(type_, number, **members):
    data = json.dumps({"type": type_, "sequence_number": number, **members})
    return f"event: {type_}\ndata: {data}\n\n".encode()


def response(status, **members):
    return {
        "id": "resp_host",
        "created_at": 1,
        "status": status,
        "model": "host-model",
        "store": False,
        "output": [],
        "usage": None,
        "error": None,
        "incomplete_details": None,
        **members,
    }


STREAM = (
    event("response.created", 0, response=response("in_progress"))
    + event("response.in_progress", 1, response=response("in_progress"))
    + event("response.completed", 2, response=response("completed"))
)


def link(id_, input_, output):
    return StoredResponse(
        "o", "p", id_, None, 1, 2, Raw(json.dumps(input_)), Raw(json.dumps({"output": output}))
    )


def test_the_members_go_as_they_came_but_nothing_is_left_at_the_host():
    one = inbound(
        input=[{"type": "item_reference", "id": "x"}],
        tools=[SEARCH],
        prompt={"id": "p"},
        provider={"only": ["own"]},
        models=["b"],
        stream=True,
        store=True,
    )
    request, fields = asked(one)
    assert fields == {
        "model": "m",
        "input": [{"type": "item_reference", "id": "x"}],
        "tools": [SEARCH],
        "prompt": {"id": "p"},
        "stream": True,
        "store": False,
    }
    assert (request.streams, request.headers) == (True, b"x: y\r\n")


def test_a_chain_is_sent_along_with_what_the_host_can_read_of_it():
    sealed = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "AA"}
    open_ = {"id": "rs_2", "type": "reasoning", "content": [], "summary": []}
    search = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
    message = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant"}
    given = [{"id": "msg_0", "type": "message", "role": "user"}]
    chain = [link("resp_1", given, [sealed, open_, search, message])]
    _, fields = asked(inbound(chain, input="Hi", previous_response_id="resp_1", store=False))
    assert "previous_response_id" not in fields
    assert fields["input"] == [
        {"type": "message", "role": "user"},
        sealed,
        search,
        {"type": "message", "role": "assistant"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
    ]
    assert fields["include"] == ["reasoning.encrypted_content"]


def test_what_is_stored_asks_for_reasoning_that_can_be_shown_again():
    _, fields = asked(inbound(stores=True, input="Hi", include=["message.output_text.logprobs"]))
    assert fields["include"] == ["message.output_text.logprobs", "reasoning.encrypted_content"]


@pytest.mark.parametrize("stores", [False, True])
def test_the_objects_of_a_stream_tell_what_is_ours(stores):
    one = inbound(stores=stores, input="Hi", stream=True)
    request, _ = asked(one)
    reader = one.reader_for(request, StreamedResponse("tw/small"))
    out = reader.feed(STREAM) + reader.finish()
    told = Checker(out).check()
    assert (told["id"], told["store"], told["model"]) == (one.id, stores, "tw/small")
    kept = one.kept(organization_id="o", project_id="p", expires_at_ms=7)
    if not stores:
        assert kept is None
        return
    assert kept is not None
    assert (kept.id, kept.expires_at_ms) == (one.id, 7)
    assert json.loads(bytes(kept.response)) == told


@pytest.mark.parametrize("is_stream", [False, True])
def test_what_could_not_be_stored_says_so(is_stream):
    one = inbound(stores=True, input="Hi", stream=is_stream)
    request, _ = asked(one)
    if is_stream:
        reader = one.reader_for(request, StreamedResponse(None))
        before, last = reader.feed(STREAM), reader.finish()
        told = Checker(before + one.unstored(last)).check()
    else:
        reader = one.reader_for(request, WholeResponse(None))
        reader.feed(json.dumps(response("completed")).encode())
        told = json.loads(one.unstored(reader.finish()))
    assert (told["id"], told["store"]) == (one.id, False)


def test_a_failure_goes_on_with_the_hosts_numbers():
    one = inbound(input="Hi", stream=True)
    request, _ = asked(one)
    reader = one.reader_for(request, StreamedResponse("tw/small"))
    out = reader.feed(STREAM)
    out += one.surface.failure_events(ApiError(502, "It broke."), "req_1")
    failed = json.loads(out.rpartition(b"data: ")[2])
    assert (failed["type"], failed["sequence_number"]) == ("response.failed", 2)
    assert failed["response"]["error"]["message"] == "It broke."


def test_a_text_that_speaks_of_events_is_only_text():
    one = inbound(stores=True, input="Hi", stream=True)
    request, _ = asked(one)
    reader = one.reader_for(request, StreamedResponse(None))
    said = event("response.output_text.delta", 2, delta='"response.completed"')
    assert reader.feed(STREAM[: STREAM.index(b"event: response.completed")] + said).endswith(said)
