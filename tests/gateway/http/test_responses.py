"""What a receiver is told of a response, and what becomes of the connection."""

import pytest
from corpus import response
from http_parts import NotingReceiver, UpstreamInMemory

ASK = b"GET / HTTP/1.1\r\nhost: u\r\n\r\n"
OK = b"HTTP/1.1 200 OK"


def test_a_response_is_told_in_its_parts_and_the_connection_kept():
    upstream = UpstreamInMemory()
    upstream.feed(
        response(OK, b"X-Mixed: 1", b"x-mixed: 2 ", b"Content-Length: 5", body=b"he"), b"llo"
    )
    assert upstream.receiver.notes == [
        ("started", 200, {b"x-mixed": b"1, 2", b"content-length": b"5"}),
        ("ended", b"hello"),
    ]
    assert upstream.receiver.reads == 2
    assert upstream.call.raw_headers == [
        (b"X-Mixed", b"1"),
        (b"x-mixed", b"2"),
        (b"Content-Length", b"5"),
    ]
    assert upstream.pool.notes == ["kept"]


def test_chunks_of_one_read_are_told_together_without_their_framing():
    upstream = UpstreamInMemory()
    upstream.feed(
        response(OK, b"Transfer-Encoding: chunked", body=b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")
    )
    assert upstream.receiver.notes[-1] == ("ended", b"abc")
    assert upstream.receiver.reads == 1


def test_trailers_never_become_headers():
    upstream = UpstreamInMemory()
    body = b"1\r\na\r\n0\r\nSet-Cookie: a=b\r\n\r\n"
    upstream.feed(response(OK, b"Transfer-Encoding: chunked", body=body))
    assert upstream.receiver.notes[0] == ("started", 200, {b"transfer-encoding": b"chunked"})
    assert upstream.call.raw_headers == [(b"Transfer-Encoding", b"chunked")]


def test_the_next_call_on_a_connection_gets_its_own_response():
    upstream = UpstreamInMemory()
    upstream.feed(response(OK, b"X-First: 1", b"Content-Length: 5", body=b"first"))
    receiver = NotingReceiver()
    upstream.send(b"HEAD / HTTP/1.1\r\n\r\n", receiver)
    upstream.feed(response(OK, b"Content-Length: 9"))
    assert receiver.notes == [("started", 200, {b"content-length": b"9"}), ("ended", b"")]
    third = NotingReceiver()
    upstream.send(ASK, third)
    upstream.feed(response(b"HTTP/1.1 404 No", b"Content-Length: 2", body=b"no"))
    assert third.notes == [("started", 404, {b"content-length": b"2"}), ("ended", b"no")]
    assert upstream.pool.notes == ["kept"] * 3


@pytest.mark.parametrize(
    ("message", "is_kept"),
    [
        (response(OK, b"Content-Length: 0"), True),
        (response(OK, b"Content-Length: 0", b"Connection: close"), False),
        (response(b"HTTP/1.0 200 OK", b"Content-Length: 0"), False),
        (response(b"HTTP/1.0 200 OK", b"Content-Length: 0", b"Connection: keep-alive"), True),
        (response(b"HTTP/1.1 204 No Content"), True),
        (response(OK, b"Content-Length: 1", body=b"xy"), False),
        (response(OK, b"Content-Length: 1", body=b"x" + response(OK)), False),
    ],
)
def test_a_connection_is_kept_only_when_both_ends_agree_where_the_response_ended(message, is_kept):
    upstream = UpstreamInMemory()
    upstream.feed(message)
    assert upstream.receiver.notes[-1][0] == "ended"
    assert upstream.pool.notes == (["kept"] if is_kept else ["gone"])


def test_bytes_of_another_message_are_never_told_as_part_of_a_response():
    upstream = UpstreamInMemory()
    second = response(OK, b"Content-Length: 6", body=b"secret")
    upstream.feed(response(OK, b"Content-Length: 2", body=b"hi" + second))
    assert upstream.receiver.notes[-1] == ("ended", b"hi")
    assert len(upstream.receiver.notes) == 2


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (response(b"HTTP/1.1 100 Continue") * 17, "malformed"),
        (response(b"HTTP/1.1 101 Switching Protocols", b"Upgrade: x"), "malformed"),
        (response(OK, b"Content-Length: 1", b"Content-Length: 2", body=b"x"), "malformed"),
        (response(OK, b"Content-Length: 1", b"Transfer-Encoding: chunked"), "malformed"),
        (response(OK, b"Transfer-Encoding: gzip, chunked"), "malformed"),
        (response(OK, b"Transfer-Encoding: identity"), "malformed"),
        (response(OK, b"X: a\r\n folded"), "malformed"),
        (response(OK, b"X : a"), "malformed"),
        (response(OK, b"X: a\0"), "malformed"),
        (response(b"HTTP/1.1 99 Low"), "malformed"),
        (response(b"HTTP/2.0 200 OK"), "malformed"),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "malformed"),
        (b"SSH-2.0-x\r\n", "malformed"),
        (response(OK, b"X: " + b"y" * 70_000), "too_large"),
        (response(OK, *[b"X: y"] * 201), "too_large"),
    ],
)
def test_what_is_not_a_response_fails_the_call(message, kind):
    upstream = UpstreamInMemory()
    upstream.feed(message)
    assert upstream.receiver.notes == [("failed", kind, False, b"")]
    assert upstream.upstream.is_closing()


def test_a_broken_chunk_fails_the_call_after_what_came_before_it():
    upstream = UpstreamInMemory()
    upstream.feed(response(OK, b"Transfer-Encoding: chunked", body=b"1\r\na\r\nzz\r\n"))
    assert upstream.receiver.notes[-1] == ("failed", "malformed", False, b"a")


def test_an_upstream_that_closes_without_reading_the_request_has_still_answered():
    upstream = UpstreamInMemory(ASK + b"x" * 1000, high_water=10)
    upstream.feed(response(OK, body=b"all of it"))
    upstream.end()
    assert upstream.receiver.notes[-1] == ("ended", b"all of it")
    assert "gone" in upstream.pool.notes


def test_a_lost_connection_that_was_never_used_before_fails_its_call():
    upstream = UpstreamInMemory()
    upstream.end(ConnectionResetError())
    assert upstream.receiver.notes == [("failed", "cut", True, b"")]


@pytest.mark.parametrize("error", [None, ConnectionResetError()])
def test_a_lost_connection_that_was_used_before_sends_its_call_again(error):
    upstream = UpstreamInMemory()
    upstream.feed(response(OK, b"Content-Length: 0"))
    receiver = NotingReceiver()
    upstream.send(ASK, receiver)
    upstream.end(error)
    assert receiver.notes == []
    assert upstream.pool.notes[-2:] == ["sent again", "gone"]
