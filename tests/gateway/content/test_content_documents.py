"""Bodies as redacted JSON of bounded size."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.content.documents import (
    MOST_BYTES,
    MOST_READ_BYTES,
    document_of,
    document_of_value,
)

JSON = "application/json"
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


def kept(value):
    document = document_of(json.dumps(value).encode(), JSON)
    return json.loads(document.json)


@given(VALUES)
def test_any_value_becomes_valid_json(value):
    json.loads(document_of_value(value).json)


def test_a_value_without_secrets_stays_as_it_is():
    value = {"model": "m", "messages": [{"role": "user", "content": 'Hi\n"you" \u0000'}], "n": 1.5}
    assert kept(value) == value


def test_an_escape_hides_nothing():
    body = rb'{"a": "ada\u0040example.org", "b\u0040example.org": ["\u002b14155550100"]}'
    assert json.loads(document_of(body, JSON).json) == {
        "a": "[e-mail address]",
        "[e-mail address]": ["[phone number]"],
    }


def test_json_within_a_string_is_redacted_inside_and_stays_json():
    arguments = '{"to": "ada\\u0040example.org", "body": "Hi"}'
    value = kept({"function": {"arguments": arguments}})
    assert json.loads(value["function"]["arguments"]) == {"to": "[e-mail address]", "body": "Hi"}


def test_a_card_number_is_one_without_quotes_too():
    assert kept({"card": 4111111111111111, "n": 4111111111111112}) == {
        "card": "[card number]",
        "n": 4111111111111112,
    }


def test_files_are_told_by_type_and_size():
    data = base64.b64encode(bytes(900)).decode()
    assert kept({"source": {"type": "base64", "media_type": "image/png", "data": data}}) == {
        "source": {"type": "base64", "media_type": "image/png", "data": "[image/png, 900 bytes]"}
    }
    assert kept({"inlineData": {"data": data}}) == {"inlineData": {"data": "[base64, 900 bytes]"}}


def test_vectors_are_told_by_their_length():
    assert kept({"embedding": [0.5] * 384, "few": [1, 2]}) == {
        "embedding": "[384 numbers]",
        "few": [1, 2],
    }


@pytest.mark.parametrize(
    "value",
    [
        {"a": "x " * MOST_BYTES, "b": "y"},
        ["\u0001" * MOST_BYTES],
        ["漢" * MOST_BYTES],
        [{"k": "v"}] * MOST_BYTES,
        {"x " * 150_000: 1},
        ['["' + "z " * MOST_BYTES + '"]', "rest"],
    ],
    ids=["text", "escapes", "wide", "items", "name", "nested"],
)
def test_what_is_too_long_is_cut_and_marked(value):
    document = document_of(json.dumps(value).encode(), JSON)
    assert document.is_truncated
    assert len(document.json) < MOST_BYTES * 1.25
    json.loads(document.json)


def test_a_secret_at_the_cut_leaves_no_half_behind():
    key = "sk-" + "k3y" * 20
    for distance in range(1, 70, 7):
        text = "x" * (MOST_BYTES - distance) + " " + key
        document = document_of_value([text])
        assert document.is_truncated
        assert b"sk-k3y" not in document.json


def test_deep_nesting_is_cut():
    value = []
    for _ in range(100):
        value = [value]
    document = document_of(json.dumps(value).encode(), JSON)
    assert document.is_truncated
    assert b"[nested too deeply]" in document.json
    assert document_of(b"[" * 100_000, JSON).json == b'"[application/json, 100000 bytes]"'


def test_what_is_no_json_is_told_by_type_and_size():
    assert document_of(b"--x\r\n", "multipart/form-data; boundary=x") == (
        b'"[multipart/form-data, 5 bytes]"',
        False,
    )
    assert document_of(b"\xff\xfe", JSON) == (b'"[application/json, 2 bytes]"', False)
    assert document_of(b"Mail ada@example.org", "text/plain; charset=utf-8") == (
        b'"Mail [e-mail address]"',
        False,
    )


def test_what_is_too_large_to_be_read_is_told_by_type_and_size():
    body = b'"' + b"x" * MOST_READ_BYTES + b'"'
    assert document_of(body, JSON) == (
        b'"[application/json, %d bytes]"' % len(body),
        True,
    )


def test_long_numbers_are_not_written_out():
    assert json.loads(document_of_value([10**400]).json) == ["[long number]"]
