"""Binary event streams of AWS: whole messages out of any bytes, and no trust in broken ones."""

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.plugins.providers.dialects.event_stream import (
    Malformed,
    Message,
    MessageCutter,
    encode,
)

# By hand, from the description of the format: one header `a` with the text `b`, payload `c`.
HEADERS = {":message-type": "event", ":event-type": "contentBlockDelta"}


def by_hand():
    header = b"\x01a\x07\x00\x01b"
    lengths = struct.pack(">II", 12 + len(header) + 1 + 4, len(header))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + header + b"c"
    return message + struct.pack(">I", zlib.crc32(message))


def take(*pieces):
    cutter = MessageCutter()
    found = [message for piece in pieces for message in cutter.feed(piece)]
    return found, cutter.rest()


def test_a_message_made_by_hand_is_read():
    assert take(by_hand()) == ([Message({"a": "b"}, b"c")], b"")


def test_what_is_encoded_is_read():
    assert encode({"a": "b"}, b"c") == by_hand()
    assert take(encode(HEADERS, b"{}")) == ([Message(HEADERS, b"{}")], b"")


def test_a_message_without_headers_and_payload_is_one():
    assert take(encode({}, b"")) == ([Message({}, b"")], b"")


@given(st.lists(st.binary(max_size=50), max_size=5), st.data())
def test_any_split_reads_the_same(payloads, data):
    raw = b"".join(encode(HEADERS, payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    found, rest = take(*pieces)
    assert [message.payload for message in found] == payloads
    assert rest == b""


def test_half_a_message_is_held_back():
    raw = encode(HEADERS, b"{}")
    for place in range(len(raw)):
        assert take(raw[:place]) == ([], raw[:place])


def test_one_wrong_bit_anywhere_is_found():
    raw = encode(HEADERS, b'{"text":"x"}')
    for place in range(len(raw)):
        broken = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(Malformed):
            take(broken)


def test_the_messages_before_a_broken_one_are_still_told():
    messages = MessageCutter().feed(encode({}, b"one") + b"\0" * 16)
    assert next(messages).payload == b"one"
    with pytest.raises(Malformed):
        next(messages)


def framed(total, headers_length, body=b""):
    lengths = struct.pack(">II", total, headers_length)
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + body
    return message + struct.pack(">I", zlib.crc32(message))


@pytest.mark.parametrize(
    "raw",
    [
        framed(0, 0),
        framed(15, 0),
        framed(1 << 31, 0),
        framed(16, 1),
        framed(16, 1 << 20),
        framed(20, 4, b"\x05abc"),
        framed(19, 3, b"\x01a\x63"),
        framed(21, 5, b"\x01a\x07\x00\xff"),
        framed(20, 4, b"\x01\xff\x00\x01"),
    ],
)
def test_impossible_lengths_and_headers_are_refused(raw):
    with pytest.raises(Malformed):
        take(raw)


def test_headers_of_other_types_are_passed_over():
    header = b"\x01t\x00\x01n\x04\x00\x00\x00\x07\x01d\x08" + b"\0" * 8 + b"\x01b\x06\x00\x02xy"
    raw = framed(16 + len(header), len(header), header)
    assert take(raw) == ([Message({}, b"")], b"")


@given(st.binary(max_size=100))
def test_garbage_never_breaks_anything(raw):
    with contextlib.suppress(Malformed):
        take(raw)
