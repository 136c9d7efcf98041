"""Requests of clients: what is taken, and refusals that name the field and repeat nothing."""

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.wire import chat, embeddings
from tradewind.wire.errors import ApiError

SECRET = "my-prompt-must-not-come-back"
GOOD = {"model": "m", "messages": [{"role": "user", "content": SECRET}]}
DEEP = b"[" * 100_000 + b"]" * 100_000


def refusal(decode, body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ApiError) as caught:
        decode(raw)
    error = caught.value
    assert error.status == 400
    assert error.type == "invalid_request_error"
    assert SECRET.encode() not in error.body()
    assert json.loads(error.body())["error"]["message"] == error.message
    return error


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"model": ""}, "model"),
        ({"model": "m" * 513}, "model"),
        ({"messages": SECRET}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {"role": SECRET}}, "messages"),
        ({"stream": SECRET}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": SECRET}, "stream_options"),
        ({"stream_options": {"include_usage": SECRET}}, "stream_options.include_usage"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": SECRET}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"logprobs": SECRET}, "logprobs"),
        ({"response_format": SECRET}, "response_format"),
        ({"tools": SECRET}, "tools"),
        ({"tools": [SECRET]}, "tools[0]"),
        ({"tool_choice": 5}, "tool_choice"),
    ],
)
def test_a_refused_chat_request_names_the_field_and_repeats_no_content(changes, param):
    error = refusal(chat.decode_request, GOOD | changes)
    assert error.param == param
    assert error.code == "invalid_value"


@pytest.mark.parametrize("name", ["model", "messages"])
def test_a_missing_field_is_named(name):
    body = {key: value for key, value in GOOD.items() if key != name}
    error = refusal(chat.decode_request, body)
    assert error.param == name
    assert "missing" in error.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"model":"m","messages":["' + SECRET.encode(),
        b'{"model":"m"} {"model":"' + SECRET.encode() + b'"}',
        b"\xff\xfe",
        b'{"model":"m","messages":["\xff"]}',
        b'{"model":"m","messages":[1],"\xff":1}',
        b'{"model":"m","messages":[1],"x":' + DEEP + b"}",
        b'{"model":"m","messages":' + DEEP + b"}",
        b'{"model":"m","messages":[1],"tools":[{"a":' + DEEP + b"}]}",
        b'{"model":"m","messages":[1],"x":' + b'{"a":' * 100_000,
        b'{"model":"\\ud800","messages":[1]}',
        b"{'model': 'm'}",
        b'{"model":"m","messages":[1],"x":NaN}',
    ],
    ids=lambda body: repr(body[:40]),
)
@pytest.mark.parametrize("decode", [chat.decode_request, embeddings.decode_request])
def test_what_is_no_json_is_a_refusal_of_its_own(decode, body):
    error = refusal(decode, body)
    assert error.code in ("invalid_json", "invalid_value")
    assert len(error.message) < 200


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"text"', b"true"])
def test_json_that_is_no_object_is_refused(body):
    assert "object" in refusal(chat.decode_request, body).message


def test_an_undecodable_name_of_an_unknown_member_is_refused_too():
    for name in (b"\\ud800", b"\xff"):
        body = b'{"model":"m","messages":[1],"%b":1}' % name
        assert refusal(chat.decode_request, body).code == "invalid_json"
        assert refusal(chat.decode_fields, body).code == "invalid_json"


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(raw):
    for decode in (chat.decode_request, embeddings.decode_request, chat.decode_fields):
        with contextlib.suppress(ApiError):
            decode(raw)


@given(
    st.dictionaries(
        st.text(max_size=5) | st.sampled_from(["model", "messages", "n", "tools", "input"]),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists),
        max_size=4,
    )
)
def test_no_json_does_more_than_be_refused(value):
    raw = json.dumps(value).encode()
    for decode in (chat.decode_request, embeddings.decode_request, chat.decode_fields):
        with contextlib.suppress(ApiError):
            decode(raw)


def test_unknown_members_pass_through_as_they_came():
    body = b'{"model":"m","messages":[1],"top_k" : 40, "x":{ "a":[1.0, 1e2]},"seed":1}'
    fields = chat.decode_fields(body)
    assert bytes(fields["x"]) == b'{ "a":[1.0, 1e2]}'
    assert bytes(fields["top_k"]) == b"40"
    assert msgspec.json.decode(chat.encode(fields)) == msgspec.json.decode(body)


def test_the_larger_idea_of_the_output_limit_has_one_name():
    def limit(**changes):
        return chat.decode_request(json.dumps(GOOD | changes).encode()).output_limit

    assert limit() is None
    assert limit(max_tokens=5) == 5
    assert limit(max_completion_tokens=6) == 6
    assert limit(max_tokens=5, max_completion_tokens=6) == 6
    assert limit(max_tokens=None) is None


def test_a_usage_chunk_is_only_wanted_by_who_says_so():
    def wants(**changes):
        return chat.decode_request(json.dumps(GOOD | changes).encode()).wants_usage_chunk

    assert not wants()
    assert not wants(stream_options=None)
    assert not wants(stream_options={})
    assert not wants(stream_options={"include_usage": False})
    assert wants(stream_options={"include_usage": True})


@pytest.mark.parametrize(
    "given_input", ["text", ["a", "b"], [1, 2, 3], [[1, 2], [3]], ["a"] * 2048]
)
def test_every_form_of_embedding_input_is_taken(given_input):
    body = {"model": "m", "input": given_input, "user": "someone", "encoding_format": "base64"}
    assert embeddings.decode_request(json.dumps(body).encode()).input == given_input


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": [1.5]}, "input[0]"),
        ({"input": [[["x"]]]}, "input[0][0]"),
        ({"input": {"text": SECRET}}, "input"),
        ({"input": None}, "input"),
        ({"dimensions": 0}, "dimensions"),
        ({"encoding_format": 5}, "encoding_format"),
    ],
)
def test_a_refused_embeddings_request_names_the_field(changes, param):
    body = {"model": "m", "input": "text"} | changes
    assert refusal(embeddings.decode_request, body).param == param
