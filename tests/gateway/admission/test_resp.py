"""The wire format of Valkey, from bytes of any cut and any origin."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.admission.resp import (
    MOST_REPLY_BYTES,
    ErrorReply,
    MalformedReply,
    Replies,
    command,
)

WIRE = (
    b"+OK\r\n:12\r\n:-3\r\n$5\r\na\r\nbc\r\n$-1\r\n$0\r\n\r\n"
    b"*2\r\n$1\r\nx\r\n*1\r\n:1\r\n*0\r\n*-1\r\n"
)
MEANING = [b"OK", 12, -3, b"a\r\nbc", None, b"", [b"x", [1]], [], None]


def test_a_command_is_an_array_of_bulk_strings():
    assert command([b"SET", b"k", b"a\r\nb"]) == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n"


@given(st.lists(st.integers(min_value=0, max_value=len(WIRE)), max_size=12))
def test_any_split_of_bytes_gives_the_same_replies(cuts):
    places = sorted({0, len(WIRE), *cuts})
    replies = Replies()
    found = []
    for begin, end in itertools.pairwise(places):
        found += replies.feed(WIRE[begin:end])
    assert found == MEANING


def test_an_error_is_a_reply():
    [reply] = Replies().feed(b"-NOSCRIPT No matching script\r\n")
    assert isinstance(reply, ErrorReply)
    assert str(reply) == "NOSCRIPT No matching script"


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"$abc\r\n",
        b"$5\r\nabcdefg\r\n",
        b":\r\n",
        b":1_0\r\n",
        b"*99999999999\r\n",
        b"*2000\r\n",
        b"$%d\r\n" % (MOST_REPLY_BYTES + 1),
        b"*1\r\n" * 10 + b":1\r\n",
        b"+" + b"a" * (MOST_REPLY_BYTES + 1),
    ],
)
def test_what_is_no_reply_is_refused(wire):
    with pytest.raises(MalformedReply):
        Replies().feed(wire)


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_no_bytes_whatsoever_do_more_than_be_refused(pieces):
    replies = Replies()
    with contextlib.suppress(MalformedReply):
        for piece in pieces:
            replies.feed(piece)
