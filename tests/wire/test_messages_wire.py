"""Small rules of the Messages dialect: ids, arguments, events."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.wire.errors import ApiError
from tradewind.wire.messages import (
    INVALID_JSON,
    decode_conversation,
    decode_count,
    event_of,
    input_of,
    is_object,
    tool_id,
)


@given(st.text(max_size=400))
def test_a_tools_id_has_the_letters_that_hosts_take(text):
    found = tool_id(text)
    assert all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in found)
    assert len(found) <= 256
    assert tool_id(found) == found


def test_ids_that_are_fine_stay_as_they_are():
    assert tool_id("toolu_01A-b") == "toolu_01A-b"
    assert tool_id("functions.look:0") == "functions_look_0"


@given(st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=3))
def test_arguments_that_are_an_object_are_the_input_as_they_came(arguments):
    text = json.dumps(arguments)
    assert is_object(text)
    assert bytes(input_of(text)) == text.encode()


@given(st.text(max_size=20))
def test_an_input_is_an_object_whatever_a_model_wrote(text):
    found = json.loads(bytes(input_of(text)))
    if not is_object(text):
        assert found == ({INVALID_JSON: text} if text.strip() else {})


@pytest.mark.parametrize("text", ["", '{"a":', '{"a":1} x', "[1]", "5", "{" * 100_000])
def test_a_text_that_is_no_complete_object_is_none(text):
    assert not is_object(text)


def test_an_event_has_its_type_as_its_name():
    assert event_of("ping", {"type": "ping"}) == b'event: ping\ndata: {"type":"ping"}\n\n'


@pytest.mark.parametrize(
    ("body", "param"),
    [(b"{}", "model"), (b'{"model":"m","messages":[]}', "messages"), (b"x", None)],
)
def test_a_count_needs_a_model_and_messages(body, param):
    with pytest.raises(ApiError) as caught:
        decode_count(body)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_what_is_wrong_inside_a_message_is_named_by_its_place():
    body = b'{"messages":[{"role":"user","content":[{"type":"text","text":5}]}]}'
    with pytest.raises(ApiError) as caught:
        decode_conversation(body)
    assert caught.value.param == "messages[0].content[0].text"
