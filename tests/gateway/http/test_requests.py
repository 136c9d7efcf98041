"""What the application is told of a request, and what the client is answered."""

import json
import logging

import pytest
from corpus import request
from http_parts import DATE, ServerInMemory

from tradewind.gateway.http.limits import ServerLimits

GET = request(b"GET /now HTTP/1.1")


def _answer(status, *lines, body=b""):
    return status + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + DATE + b"\r\n" + body


def test_a_whole_answer_has_its_length_and_date():
    server = ServerInMemory()
    assert server.feed(request(b"POST /now?a=b HTTP/1.1", b"Content-Length: 2", body=b"{}")) == (
        _answer(
            b"HTTP/1.1 200 OK",
            b"content-type: text/plain",
            b"content-length: 16",
            body=b"POST /now?a=b {}",
        )
    )
    assert not server.client.is_ended


def test_a_request_is_handed_on_in_its_parts():
    server = ServerInMemory()
    server.feed(
        request(
            b"POST /now?a=b?c HTTP/1.1",
            b"X-Mixed: 1",
            b"x-mixed: 2 ",
            b"Cookie: a=1",
            b"COOKIE: b=2",
            b"Content-Length: 2",
            body=b"{}",
        )
    )
    seen = server.application.exchanges[0].request
    assert (seen.method, seen.target, seen.path, seen.query) == (
        b"POST",
        b"/now?a=b?c",
        b"/now",
        b"a=b?c",
    )
    assert seen.headers == {
        b"host": b"gateway.example",
        b"x-mixed": b"1, 2",
        b"cookie": b"a=1; b=2",
        b"content-length": b"2",
    }
    assert seen.raw_headers[1:3] == [(b"X-Mixed", b"1"), (b"x-mixed", b"2")]
    assert (seen.body, seen.peer) == (b"{}", "192.0.2.7")


def test_the_authority_of_an_absolute_target_replaces_the_host():
    server = ServerInMemory()
    server.feed(request(b"GET http://other.example:81/now?x HTTP/1.1"))
    server.feed(request(b"GET http://other.example?x HTTP/1.1"))
    first, second = (exchange.request for exchange in server.application.exchanges)
    assert (first.path, first.query, first.headers[b"host"]) == (
        b"/now",
        b"x",
        b"other.example:81",
    )
    assert (second.path, second.query) == (b"/", b"x")


def test_a_stream_is_chunked_and_ends_with_the_last_chunk():
    server = ServerInMemory()
    assert server.feed(request(b"GET /stream HTTP/1.1")) == _answer(
        b"HTTP/1.1 200 OK",
        b"content-type: text/event-stream",
        b"transfer-encoding: chunked",
        body=b"6\r\nfirst \r\n8\r\npiece 3 \r\n8\r\npiece 2 \r\n8\r\npiece 1 \r\n0\r\n\r\n",
    )
    assert not server.client.is_ended


def test_a_stream_over_http_1_0_is_ended_by_closing():
    server = ServerInMemory()
    assert server.feed(request(b"GET /stream HTTP/1.0", b"Connection: keep-alive")) == _answer(
        b"HTTP/1.1 200 OK",
        b"content-type: text/event-stream",
        b"connection: close",
        body=b"first piece 3 piece 2 piece 1 ",
    )
    assert server.client.is_ended


@pytest.mark.parametrize("path", [b"/now", b"/stream"])
def test_head_is_answered_without_a_body(path):
    server = ServerInMemory()
    head, _, body = server.feed(request(b"HEAD %b HTTP/1.1" % path)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b""
    assert (b"content-length: 10\r\n" in head) == (path == b"/now")
    assert server.feed(GET).count(b"HTTP/1.1 200 OK") == 2


def test_no_content_has_neither_length_nor_coding():
    server = ServerInMemory()
    assert server.feed(request(b"GET /empty HTTP/1.1")) == _answer(b"HTTP/1.1 204 No Content")


@pytest.mark.parametrize(
    ("line", "connection", "is_kept"),
    [
        (b"GET /now HTTP/1.1", None, True),
        (b"GET /now HTTP/1.1", b"keep-alive", True),
        (b"GET /now HTTP/1.1", b"Close", False),
        (b"GET /now HTTP/1.1", b"x, close", False),
        (b"GET /now HTTP/1.0", None, False),
        (b"GET /now HTTP/1.0", b"Keep-Alive", True),
        (b"GET /now HTTP/1.0", b"keep-alive, close", False),
    ],
)
def test_the_connection_is_kept_as_the_client_wishes(line, connection, is_kept):
    server = ServerInMemory()
    headers = [] if connection is None else [b"Connection: " + connection]
    written = server.feed(request(line, *headers))
    assert server.client.is_ended != is_kept
    assert (b"connection: close\r\n" in written) != is_kept
    assert (b"connection: keep-alive\r\n" in written) == (is_kept and line.endswith(b"1.0"))


def test_a_body_is_asked_for_only_after_the_application_agreed():
    server = ServerInMemory()
    expecting = (b"Expect: 100-continue", b"Content-Length: 3")
    assert server.feed(request(b"POST /now HTTP/1.1", *expecting)) == (
        b"HTTP/1.1 100 Continue\r\n\r\n"
    )
    assert [note[0] for note in server.application.notes] == ["begin"]
    assert server.feed(b"abc").endswith(b"POST /now abc")

    denying = ServerInMemory()
    assert denying.feed(request(b"POST /denied HTTP/1.1", *expecting)).startswith(
        b"HTTP/1.1 401 Unauthorized\r\n"
    )
    assert denying.client.is_ended, "whether the body still comes is unknown"


def test_an_http_1_0_client_is_never_sent_100_continue():
    server = ServerInMemory()
    written = server.feed(
        request(b"POST /now HTTP/1.0", b"Expect: 100-continue", b"Content-Length: 1", body=b"x")
    )
    assert written.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_body_beyond_what_begin_takes_is_refused_before_it_is_read():
    server = ServerInMemory()
    written = server.feed(request(b"POST /small HTTP/1.1", b"Content-Length: 11"))
    assert written.startswith(b"HTTP/1.1 413 ")
    assert json.loads(written.partition(b"\r\n\r\n")[2])["error"]["code"] == "body_too_large"
    assert server.client.is_ended
    assert [note[0] for note in server.application.notes] == ["begin", "gone"]


def test_the_server_limit_holds_whatever_begin_takes():
    server = ServerInMemory(ServerLimits(max_body_bytes=3))
    chunked = request(b"POST /now HTTP/1.1", b"Transfer-Encoding: chunked", body=b"4\r\n")
    assert server.feed(chunked).startswith(b"HTTP/1.1 413 ")


def test_a_body_exactly_at_the_limit_is_taken():
    server = ServerInMemory()
    sized = request(b"POST /small HTTP/1.1", b"Content-Length: 10", body=b"x" * 10)
    chunked = request(
        b"POST /small HTTP/1.1", b"Transfer-Encoding: chunked", body=b"a\r\nxxxxxxxxxx\r\n0\r\n\r\n"
    )
    assert server.feed(sized, chunked).count(b"HTTP/1.1 200 OK") == 2


def test_the_refusal_of_a_head_request_has_no_body():
    server = ServerInMemory()
    written = server.feed(request(b"HEAD /small HTTP/1.1", b"Content-Length: 11"))
    assert written.startswith(b"HTTP/1.1 413 ")
    assert written.endswith(b"\r\n\r\n")


def test_a_short_body_denied_in_begin_is_skipped_and_the_connection_kept():
    server = ServerInMemory()
    written = server.feed(
        request(b"POST /denied HTTP/1.1", b"Content-Length: 3"), b"ab", b"c" + GET
    )
    assert written.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert written.endswith(b"GET /now ")
    assert not server.client.is_ended


def test_a_long_body_denied_in_begin_ends_the_connection():
    server = ServerInMemory(ServerLimits(max_drained_body_bytes=10))
    written = server.feed(request(b"POST /denied HTTP/1.1", b"Content-Length: 11"), b"x" * 11 + GET)
    assert b"connection: close\r\n" in written
    assert written.count(b"HTTP/1.1 ") == 1
    assert server.client.is_ended


def test_what_comes_after_a_refusal_is_thrown_away_up_to_a_bound():
    server = ServerInMemory(ServerLimits(max_lingering_bytes=1000))
    server.feed(b"BAD\n", b"x" * 1000)
    assert not server.client.is_closing(), "the client may still be sending: let it read the answer"
    server.feed(b"x")
    assert server.client.is_closing()


def test_pipelined_requests_are_answered_one_at_a_time_and_in_order():
    server = ServerInMemory()
    lines = [b"/later?1", b"/now?2", b"/stream?3", b"/now?4"]
    written = server.feed(b"".join(request(b"GET %b HTTP/1.1" % line) for line in lines))
    notes = [
        (note[0], note[2] if note[0] == "begin" else note[1]) for note in server.application.notes
    ]
    assert notes == [(kind, line) for line in lines for kind in ("begin", "handle")]
    assert [
        written.find(sign) for sign in (b"/later?1", b"/now?2", b"piece 1", b"/now?4")
    ] == sorted(written.find(sign) for sign in (b"/later?1", b"/now?2", b"piece 1", b"/now?4"))


def test_a_client_that_pipelines_much_waits_for_a_later_turn():
    server = ServerInMemory(ServerLimits(max_pipelined=3))
    server.client.feed(GET * 10)
    assert len(server.application.exchanges) == 3
    server.loop.turn()
    assert len(server.application.exchanges) == 10
    assert bytes(server.client.written).count(b"HTTP/1.1 200 OK") == 10


def test_reading_stops_while_an_answer_runs_and_enough_is_read_ahead():
    server = ServerInMemory(ServerLimits(max_head_bytes=200))
    server.feed(request(b"GET /slowly HTTP/1.1"), GET * 2)
    assert not server.client.is_reading_paused
    server.feed(GET * 3)
    assert server.client.is_reading_paused
    server.client.feed(GET * 3)
    server.application.exchanges[0].respond(200, b"", b"done")
    server.loop.turn()
    assert not server.client.is_reading_paused
    assert bytes(server.client.written).count(b"HTTP/1.1 200 OK") == 9


def test_requests_of_a_client_that_does_not_read_wait_until_it_does():
    server = ServerInMemory(high_water=400)
    server.feed(GET * 4)  # answered in one turn, so nothing was known of the client
    server.feed(GET * 4)
    assert len(server.application.exchanges) == 4
    server.client.peer_reads(1 << 20)
    server.loop.turn()
    assert len(server.application.exchanges) == 8


@pytest.mark.parametrize("path", [b"/broken", b"/broken-early"])
def test_a_bug_in_the_application_is_a_500_and_the_server_goes_on(path, caplog):
    server = ServerInMemory()
    secret = b"a prompt nobody should find in a log"
    body = b"Content-Length: %d" % len(secret)
    written = server.feed(request(b"POST %b HTTP/1.1" % path, body, body=secret), GET)
    assert written.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert json.loads(written.split(b"\r\n\r\n")[1].partition(b"HTTP/")[0])["error"]["type"] == (
        "server_error"
    )
    assert written.endswith(b"GET /now ")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "ValueError: broken" in caplog.text
    assert secret.decode() not in caplog.text
    assert server.server.counters.application_errors == 1


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_bug_after_the_start_of_an_answer_cuts_it(version, caplog):
    server = ServerInMemory()
    written = server.feed(request(b"GET /broken-late HTTP/%b" % version) + GET)
    assert not written.endswith(b"0\r\n\r\n")
    assert written.count(b"HTTP/1.1 ") <= 1
    assert server.client.is_ended
    # Closing is how an answer over 1.0 ends, so only a reset shows that this one did not.
    assert server.client.is_aborted == (version == b"1.0")
    assert "broken after start" in caplog.text


def test_an_aborted_stream_has_no_last_chunk():
    server = ServerInMemory()
    server.feed(request(b"GET /slowly HTTP/1.1"))
    (exchange,) = server.application.exchanges
    exchange.start(200, b"")
    exchange.send(b"part")
    exchange.abort()
    server.loop.turn()
    assert bytes(server.client.written).endswith(b"4\r\npart\r\n")
    assert server.client.is_ended
    assert ("gone", b"/slowly") not in server.application.notes


@pytest.mark.parametrize(("sent", "is_whole"), [(b"12345", True), (b"1234", False)])
def test_a_stream_of_known_length_is_whole_or_cut(sent, is_whole):
    server = ServerInMemory()
    server.feed(request(b"GET /slowly HTTP/1.1"))
    (exchange,) = server.application.exchanges
    exchange.start(200, b"", content_length=5)
    exchange.send(sent)
    exchange.end()
    server.loop.turn()
    assert bytes(server.client.written).endswith(b"content-length: 5\r\n" + DATE + b"\r\n" + sent)
    assert server.client.is_ended != is_whole


def test_more_than_the_announced_length_is_a_bug():
    server = ServerInMemory()
    server.feed(request(b"GET /slowly HTTP/1.1"))
    (exchange,) = server.application.exchanges
    exchange.start(200, b"", content_length=2)
    with pytest.raises(AssertionError):
        exchange.send(b"123")


def test_an_exchange_is_answered_once():
    server = ServerInMemory()
    server.feed(GET)
    (exchange,) = server.application.exchanges
    with pytest.raises(AssertionError):
        exchange.respond(200, b"", b"again")


def test_an_empty_piece_does_not_end_a_chunked_answer():
    server = ServerInMemory()
    server.feed(request(b"GET /slowly HTTP/1.1"))
    (exchange,) = server.application.exchanges
    exchange.start(200, b"")
    exchange.send(b"")
    server.loop.turn()
    assert bytes(server.client.written).endswith(b"\r\n\r\n")
    assert b"\r\n0\r\n" not in server.client.written


def test_the_client_going_is_told_once_and_later_answers_go_nowhere():
    server = ServerInMemory()
    server.feed(request(b"GET /slowly HTTP/1.1"))
    (exchange,) = server.application.exchanges
    server.client.lose(ConnectionResetError())
    server.loop.turn()
    assert server.application.notes.count(("gone", b"/slowly")) == 1
    assert exchange.client_gone
    exchange.start(200, b"")
    exchange.send(b"x")
    exchange.end()
    exchange.abort()
    exchange.respond(200, b"", b"")
    server.loop.turn()
    assert server.client.written == b""
    assert server.server.open_connections == 0
    assert server.server.counters.clients_gone == 1


def test_a_bug_in_a_callback_costs_only_its_connection(caplog):
    server = ServerInMemory()
    other = server.connect()
    server.feed(request(b"GET /slowly HTTP/1.1"))

    def broken():
        raise ValueError("broken in a callback")

    server.application.exchanges[0].on_client_gone = broken
    server.client.lose()
    server.loop.turn()
    other.feed(GET)
    server.loop.turn()
    assert other.written.startswith(b"HTTP/1.1 200 OK")
    assert "broken in a callback" in caplog.text


def test_back_pressure_is_told_to_the_running_answer():
    server = ServerInMemory(high_water=1000)
    server.feed(request(b"GET /slowly HTTP/1.1"))
    (exchange,) = server.application.exchanges
    exchange.start(200, b"")
    exchange.send(b"x" * 2000)
    server.loop.turn()
    assert server.application.notes[-1] == ("pause", b"/slowly")
    server.client.peer_reads(1 << 20)
    assert server.application.notes[-1] == ("resume", b"/slowly")


def test_an_answer_begun_while_the_client_is_slow_is_paused_at_its_start():
    server = ServerInMemory(high_water=1000)
    posted = request(b"POST /now?%b HTTP/1.1" % (b"x" * 2000), b"Content-Length: 0")
    server.feed(posted + request(b"POST /slowly HTTP/1.1", b"Content-Length: 1"), b"x")
    slow = server.application.exchanges[1]
    assert ("pause", b"/slowly") in server.application.notes
    server.application.notes.clear()
    slow.start(200, b"")
    assert server.application.notes == [("pause", b"/slowly")]


def test_a_connection_beyond_the_limit_is_told_so_and_closed():
    server = ServerInMemory(ServerLimits(max_connections=1))
    other = server.connect()
    server.loop.turn()
    assert other.written.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert other.is_closing()
    assert server.feed(GET).startswith(b"HTTP/1.1 200 OK")
    assert server.server.counters.connections_refused == 1
    assert server.server.open_connections == 1


def test_a_half_closed_client_gets_the_answers_to_all_it_sent():
    server = ServerInMemory()
    server.client.feed(request(b"GET /later HTTP/1.1") + request(b"GET /stream HTTP/1.1") + GET)
    server.client.feed_eof()
    server.loop.turn()
    assert bytes(server.client.written).count(b"HTTP/1.1 200 OK") == 3
    assert bytes(server.client.written).endswith(b"GET /now ")
    assert server.client.is_closing()


@pytest.mark.parametrize("start", [b"", b"GET /now HT", GET + b"GET"])
def test_a_client_that_closes_between_or_inside_requests_is_let_go(start):
    server = ServerInMemory()
    server.feed(start) if start else None
    server.client.feed_eof()
    server.loop.turn()
    assert server.client.is_closing()
    assert server.server.open_connections == 0


def test_a_client_that_closes_inside_a_body_is_gone():
    server = ServerInMemory()
    server.feed(request(b"POST /now HTTP/1.1", b"Content-Length: 5", body=b"he"))
    server.client.feed_eof()
    server.loop.turn()
    assert [note[0] for note in server.application.notes] == ["begin", "gone"]
    assert server.client.is_closing()
