"""Streams of events: whatever the reads brought, whole events come out, and all of them."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.wire.sse import (
    DONE,
    MOST_EVENT_BYTES,
    EventCutter,
    EventTooLarge,
    cut_done,
    data_of,
    event_of,
    split_events,
)

LF = b'data: {"a":1}\n\n: a comment\n\nevent: x\ndata: one\ndata: two\n\ndata: \xc3\xa9\n\n' + DONE
STREAMS = {"lf": LF, "crlf": LF.replace(b"\n", b"\r\n")}
ENDINGS = {"lf": b"\n\n", "crlf": b"\r\n\r\n"}

lines = st.sampled_from([b"data: x", b"data:", b": c", b"event: e", b"data: {}", b"id: 1"])
events = st.lists(lines, min_size=1, max_size=3)
# Each event with its own kind of line ends: a proxy may write some of them.
streams = st.lists(st.tuples(events, st.sampled_from([b"\n", b"\r\n"])), max_size=6).map(
    lambda made: b"".join(ending.join([*event, b"", b""]) for event, ending in made)
)


def feed(pieces):
    """Feed pieces; every output must be whole events."""
    cutter = EventCutter()
    outputs = [cutter.feed(piece) for piece in pieces]
    for output in outputs:
        assert output == b"" or output.endswith((b"\n\n", b"\r\n\r\n"))
    return b"".join(outputs), cutter.rest()


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_cut_at_every_byte_comes_out_the_same(kind):
    stream = STREAMS[kind]
    for place in range(len(stream) + 1):
        assert feed([stream[:place], stream[place:]]) == (stream, b"")


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_that_comes_byte_by_byte_comes_out_the_same(kind):
    stream = STREAMS[kind]
    assert feed(stream[place : place + 1] for place in range(len(stream))) == (stream, b"")


@settings(max_examples=300)
@given(streams, st.data())
def test_any_split_of_any_stream_comes_out_the_same(stream, data):
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    bounds = [0, *places, len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(bounds)]
    assert feed(pieces) == (stream, b"")


@pytest.mark.parametrize("kind", STREAMS)
def test_an_event_comes_out_with_the_byte_that_ends_it(kind):
    cutter, ending = EventCutter(), ENDINGS[kind]
    event = b"data: x" + ending
    assert cutter.feed(event[:-1]) == b""
    assert cutter.feed(event[-1:]) == event


@pytest.mark.parametrize("kind", STREAMS)
def test_what_comes_after_the_last_event_is_kept_apart(kind):
    stream = STREAMS[kind]
    for size in range(1, 7):
        assert feed([stream + b"data: "[:size]]) == (stream, b"data: "[:size])


def test_an_event_without_end_is_refused_at_the_bound():
    cutter = EventCutter()
    piece = b"x" * (1 << 20)
    for _ in range(MOST_EVENT_BYTES // len(piece)):
        assert cutter.feed(piece) == b""
    with pytest.raises(EventTooLarge):
        cutter.feed(b"x")


def test_the_bound_is_of_what_is_held_and_not_of_what_a_read_brought():
    large = b"data: " + b"x" * (2 * MOST_EVENT_BYTES) + b"\n\n"
    assert EventCutter().feed(large) == large


@given(streams)
def test_split_events_loses_nothing_and_yields_single_events(stream):
    found = list(split_events(stream))
    assert b"".join(found) == stream.replace(b"\r\n", b"\n")
    assert all(event.count(b"\n\n") == 1 and event.endswith(b"\n\n") for event in found)


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\n\n", b"x"),
        (b"data:  x\n\n", b" x"),
        (b"data: one\ndata: two\n\n", b"one\ntwo"),
        (b"event: e\nid: 1\ndata: x\n\n", b"x"),
        (b": comment\n\n", b""),
        (b"\ndata: x\n\n", b"x"),
        (b"data\n\n", b""),
    ],
)
def test_the_data_of_an_event_is_its_data_lines(event, data):
    assert data_of(event) == data


@given(st.binary().filter(lambda data: not set(data) & set(b"\r\n\x0b\x0c\x1c\x1d\x1e\x85")))
def test_an_event_made_of_data_has_that_data(data):
    assert data_of(event_of(data)) == data


@pytest.mark.parametrize("done", [b"data: [DONE]\n\n", b"data:[DONE]\n\n", b"data: [DONE]\r\n\r\n"])
@pytest.mark.parametrize("before", [b"", b"data: x\n\n", b"data: x\r\n\r\n"])
def test_the_end_mark_is_cut_off_in_every_spelling(done, before):
    assert cut_done(before + done) == (before, True)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"data: x\n\n",
        b'data: {"content":"[DONE]"}\n\n',
        b"data: not [DONE]\n\n",
        b": [DONE]\n\n",
        b"data: [DONE]\n\ndata: x\n\n",
    ],
)
def test_only_an_end_mark_is_cut_off(text):
    assert cut_done(text) == (text, False)


def test_no_whole_event_is_held_behind_one_with_other_line_ends():
    for one, other in ((b"\n\n", b"\r\n\r\n"), (b"\r\n\r\n", b"\n\n")):
        whole = b"data: a" + one + b"data: b" + other
        assert EventCutter().feed(whole + b"data: c") == whole
