"""Lines are judged by llhttp, and remembering what it said changes nothing of it."""

from contextlib import suppress

import pytest
from corpus import response
from http_parts import UpstreamInMemory
from httptools import HttpParserUpgrade, HttpRequestParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tradewind.gateway.http.error_answers import RequestRefused
from tradewind.gateway.http.header_lines import MalformedLine, field_of, fields_as_sent
from tradewind.gateway.http.limits import ServerLimits
from tradewind.gateway.http.request_head import head_length, parse_request_head

LIMITS = ServerLimits()


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"X-Mixed: a B", (b"x-mixed", b"a B")),
        (b"x:", (b"x", b"")),
        (b"x:\t a:b \t ", (b"x", b"a:b")),
        (b"x: \xc3\xa9", (b"x", b"\xc3\xa9")),
    ],
)
def test_a_line_is_a_name_in_lower_case_and_a_value_without_blanks_around_it(line, field):
    assert field_of(line) == field
    assert field_of(line) == field, "and so it is when it is known"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no colon",
        b": no name",
        b" folded: a",
        b"a : b",
        b"a: b\nc: d",
        b"a: b\n",
        b"a: b\rc",
        b"a: b\r",
        b"a: \0",
        b"a\xa0: b",
        b"Content-Length: +1",
    ],
)
def test_a_line_that_could_be_read_in_two_ways_is_malformed_each_time_it_comes(line):
    for _ in range(2):
        with pytest.raises(MalformedLine):
            field_of(line)


def test_lines_that_somebody_invents_do_not_fill_the_memory():
    known = field_of.__self__
    for number in range(5000):
        assert field_of(b"x-invented: %d" % number) == (b"x-invented", b"%d" % number)
    field_of(b"x-long: " + b"y" * 5000)
    assert len(known) <= 4096
    assert max(map(len, known)) <= 512


def test_the_lines_of_a_head_as_sent_keep_their_order_their_repeats_and_their_names():
    head = b"GET / HTTP/1.1\r\nHost: a:1\r\nX-A:1 \r\nx-a: \t2\r\n\r\n"
    assert fields_as_sent(head) == [(b"Host", b"a:1"), (b"X-A", b"1"), (b"x-a", b"2")]


def test_a_length_of_a_response_is_digits_alone():
    for length in (b"+1", b"1, 1", b"0x1", b"", b"9" * 16):
        upstream = UpstreamInMemory()
        upstream.feed(response(b"HTTP/1.1 200 OK", b"Content-Length: " + length, body=b"x"))
        assert [note[:2] for note in upstream.receiver.notes] == [("failed", "malformed")], length


class _Theirs:
    def __init__(self):
        self.fields = []

    def on_header(self, name, value):
        self.fields.append((name, value.rstrip(b" \t")))


_lines = st.lists(
    st.sampled_from(
        [
            b"Host: a",
            b"X-A: b",
            b"x-a:c ",
            b"Content-Length: 1",
            b"Content-Length: 2",
            b"GET / HTTP",
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: gzip",
            b"Connection: close, x",
            b"x",
            b" folded",
            b"\tfolded",
            b"a : b",
            b": b",
            b"a:\rb",
            b"a:\nb: c",
            b"\r",
            b"\n",
            b"a: \x00",
            b"Connection: upgrade",
            b"Upgrade: h2c",
            b"Expect: 100-continue",
            b"a:b\xff",
            b"\xffa: b",
        ]
    )
    | st.binary(max_size=6).filter(lambda line: b"\r\n" not in line),
    max_size=6,
)


@settings(deadline=None, max_examples=1500)
@given(
    st.sampled_from(
        [
            b"GET / HTTP/1.1",
            b"POST /a?b HTTP/1.0",
            b"OPTIONS * HTTP/1.1",
            b"PUT http://a/b HTTP/1.1",
        ]
    ),
    _lines,
)
@example(b"GET / HTTP/1.1", [b"Host: a", b"X: \t"])
@example(b"GET / HTTP/1.1", [b"Connection: upgrade", b"Upgrade: h2c"])
def test_a_head_taken_here_line_by_line_is_taken_alike_as_a_whole_by_llhttp(first, lines):
    head = b"".join(line + b"\r\n" for line in (first, b"host: b", *lines)) + b"\r\n"
    try:
        if head_length(head, LIMITS) != len(head):
            return
        request = parse_request_head(head, LIMITS, "192.0.2.7")
    except RequestRefused:
        return
    theirs = _Theirs()
    parser = HttpRequestParser(theirs)
    # What it would hand over behind the head is told by an exception: the head itself was good.
    with suppress(HttpParserUpgrade):
        parser.feed_data(head)
    assert theirs.fields == request.raw_headers
    assert {name.lower() for name, _ in theirs.fields} == set(request.headers)
    assert parser.get_method() == request.method
