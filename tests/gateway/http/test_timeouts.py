"""Deadlines of client connections and of calls, on a clock turned by hand."""

import pytest
from corpus import request
from http_parts import NotingReceiver, ServerInMemory, UpstreamInMemory

from tradewind.gateway.http.limits import ServerLimits, UpstreamTimeouts

LIMITS = ServerLimits(
    head_timeout_s=10.0,
    body_timeout_s=10.0,
    body_total_timeout_s=30.0,
    idle_timeout_s=20.0,
    write_timeout_s=10.0,
    min_read_bytes=100,
    lingering_timeout_s=5.0,
    half_closed_probe_s=2.0,
)
SLACK = 1.0  # two periods of the sweep
GET = request(b"GET /now HTTP/1.1")
SLOWLY = request(b"GET /slowly HTTP/1.1")


def test_a_client_that_never_sends_is_closed_without_a_word():
    server = ServerInMemory(LIMITS)
    server.loop.advance(9.9)
    assert not server.client.is_closing()
    server.loop.advance(0.1 + SLACK)
    assert server.client.is_closing()
    assert server.client.written == b""
    assert server.server.counters.idle_timeouts == 1


def test_a_head_that_trickles_is_refused_in_time():
    server = ServerInMemory(LIMITS)
    server.feed(GET)
    for byte in GET[:11]:
        server.feed(bytes([byte]))
        server.loop.advance(1.0)
    server.loop.advance(SLACK)
    assert bytes(server.client.written).count(b"HTTP/1.1 408 Request Timeout") == 1
    assert server.client.has_eof_written
    assert server.server.counters.head_timeouts == 1


def test_a_refused_client_that_does_not_close_is_closed():
    server = ServerInMemory(LIMITS)
    server.feed(b"BAD\n")
    server.loop.advance(4.9)
    assert not server.client.is_closing()
    server.loop.advance(0.1 + SLACK)
    assert server.client.is_closing()
    assert server.server.open_connections == 0


def test_silence_inside_a_body_is_refused():
    server = ServerInMemory(LIMITS)
    server.feed(request(b"POST /now HTTP/1.1", b"Content-Length: 5"))
    server.loop.advance(9.9)
    server.feed(b"h")
    server.loop.advance(9.9)
    assert server.client.written == b""
    server.loop.advance(0.1 + SLACK)
    assert server.client.written.startswith(b"HTTP/1.1 408 Request Timeout")
    assert [note[0] for note in server.application.notes] == ["begin", "gone"]
    assert server.server.counters.body_timeouts == 1


def test_a_body_that_trickles_is_refused_in_the_end():
    server = ServerInMemory(LIMITS)
    server.feed(request(b"POST /now HTTP/1.1", b"Content-Length: 100"))
    for _ in range(6):
        server.feed(b"x")
        server.loop.advance(5.0)
    server.loop.advance(SLACK)
    assert server.client.written.startswith(b"HTTP/1.1 408 Request Timeout")


def test_a_denied_client_whose_short_body_never_comes_is_closed_without_a_second_answer():
    server = ServerInMemory(LIMITS)
    server.feed(request(b"POST /denied HTTP/1.1", b"Content-Length: 5"))
    server.loop.advance(10.0 + SLACK)
    assert server.client.is_closing()
    assert bytes(server.client.written).count(b"HTTP/1.1 ") == 1


def test_an_idle_connection_is_closed():
    server = ServerInMemory(LIMITS)
    answered = server.feed(GET)
    server.loop.advance(19.9)
    assert not server.client.is_closing()
    server.loop.advance(0.1 + SLACK)
    assert server.client.is_closing()
    assert server.client.written == answered


def test_an_answer_may_take_as_long_as_it_takes():
    server = ServerInMemory(LIMITS)
    server.feed(SLOWLY)
    server.loop.advance(1000.0)
    server.application.exchanges[0].respond(200, b"", b"at last")
    server.loop.turn()
    assert server.client.written.endswith(b"at last")


def _stuck(server):
    server.feed(SLOWLY)
    (exchange,) = server.application.exchanges
    exchange.start(200, b"")
    exchange.send(b"x" * 5000)
    server.loop.turn()
    assert server.application.notes[-1] == ("pause", b"/slowly")
    return exchange


def test_a_client_that_does_not_read_is_cut():
    server = ServerInMemory(LIMITS, high_water=1000)
    _stuck(server)
    server.loop.advance(9.9)
    assert not server.client.is_aborted
    server.loop.advance(0.1 + SLACK)
    assert server.client.is_aborted
    assert server.application.notes[-1] == ("gone", b"/slowly")
    assert server.server.counters.write_timeouts == 1


def test_a_client_that_reads_slowly_but_steadily_is_not_cut():
    server = ServerInMemory(LIMITS, high_water=1000)
    exchange = _stuck(server)
    for _ in range(8):
        server.client.peer_reads(500)
        server.loop.advance(9.0)
    assert not server.client.is_aborted
    server.client.peer_reads(5000)
    assert server.application.notes[-1] == ("resume", b"/slowly")
    server.loop.advance(100.0)
    exchange.end()
    server.loop.turn()
    assert server.client.written.endswith(b"0\r\n\r\n")


def test_a_client_that_reads_a_byte_now_and_then_is_cut():
    server = ServerInMemory(LIMITS, high_water=1000)
    _stuck(server)
    for _ in range(12):
        server.client.peer_reads(5)
        server.loop.advance(1.0)
    assert server.client.is_aborted


def test_a_client_that_does_not_read_the_end_of_its_answer_is_cut():
    server = ServerInMemory(LIMITS, high_water=1000)
    _stuck(server).end()
    server.loop.turn()
    server.loop.advance(10.0 + 2 * SLACK)
    assert server.client.is_aborted
    assert server.server.open_connections == 0


def test_a_client_that_reads_all_of_a_late_answer_is_idle_from_then_on():
    server = ServerInMemory(LIMITS, high_water=1000)
    _stuck(server).end()
    server.loop.turn()
    server.loop.advance(9.0)
    server.client.peer_reads(1 << 20)
    server.loop.advance(19.0)
    assert not server.client.is_closing()
    server.loop.advance(1.0 + SLACK)
    assert server.client.is_closing()
    assert not server.client.is_aborted


def test_the_clock_of_a_body_starts_again_when_its_slow_client_has_read():
    server = ServerInMemory(LIMITS, high_water=1000)
    first = request(b"POST /now?%b HTTP/1.1" % (b"x" * 2000), b"Content-Length: 0")
    server.feed(first + request(b"POST /now HTTP/1.1", b"Content-Length: 5", body=b"he"))
    server.loop.advance(9.0)
    server.client.peer_reads(1 << 20)
    server.loop.advance(9.5)
    assert bytes(server.client.written).count(b"HTTP/1.1 ") == 1
    server.loop.advance(0.5 + SLACK)
    assert bytes(server.client.written).count(b"HTTP/1.1 408 ") == 1


def test_a_body_that_never_comes_cuts_the_answer_that_was_started_without_it():
    server = ServerInMemory(LIMITS)
    server.feed(request(b"POST /denied-slowly HTTP/1.1", b"Content-Length: 5"))
    server.loop.advance(10.0 + SLACK)
    assert bytes(server.client.written).count(b"HTTP/1.1 ") == 1
    assert server.client.is_aborted
    assert server.application.notes[-1] == ("gone", b"/denied-slowly")


def test_a_half_closed_client_is_probed_less_and_less_until_its_answer_starts():
    server = ServerInMemory(LIMITS)
    server.feed(SLOWLY)
    server.client.feed_eof()
    server.loop.advance(2.0 + 4.0 + 8.0 + 4 * SLACK)
    assert server.client.written == b"HTTP/1.1 100 Continue\r\n\r\n" * 3
    server.application.exchanges[0].start(200, b"")
    server.loop.turn()
    before = bytes(server.client.written)
    server.loop.advance(100.0)
    assert server.client.written == before


def test_a_half_closed_http_1_0_client_is_not_probed():
    server = ServerInMemory(LIMITS)
    server.feed(request(b"GET /slowly HTTP/1.0"))
    server.client.feed_eof()
    server.loop.advance(100.0)
    assert server.client.written == b""
    assert not server.client.is_closing()


TIMEOUTS = UpstreamTimeouts(first_byte_s=10.0, idle_s=5.0, total_s=60.0)


def _calling():
    upstream = UpstreamInMemory()
    upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    receiver = NotingReceiver()
    upstream.send(b"GET / HTTP/1.1\r\n\r\n", receiver, TIMEOUTS)
    return upstream, receiver


@pytest.mark.parametrize(
    ("received", "nothing"),
    [((), True), ((b"HTTP/1.1 2",), False), ((b"HTTP/1.1 100 Continue\r\n\r\n",), False)],
)
def test_an_upstream_without_a_response_head_times_out(received, nothing):
    upstream, receiver = _calling()
    upstream.feed(*received)
    upstream.loop.advance(9.9)
    assert receiver.notes == []
    upstream.loop.advance(0.1 + SLACK)
    assert receiver.notes == [("failed", "first_byte_timeout", nothing, b"")]
    assert upstream.upstream.is_closing()


def test_silence_inside_a_response_times_out():
    upstream, receiver = _calling()
    upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    for _ in range(3):
        upstream.loop.advance(4.9)
        upstream.feed(b"x")
    assert len(receiver.notes) == 1
    upstream.loop.advance(5.0 + SLACK)
    assert receiver.notes[-1] == ("failed", "idle_timeout", False, b"xxx")


def test_a_response_that_never_ends_times_out_in_total():
    upstream, receiver = _calling()
    upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    for _ in range(16):
        upstream.feed(b"x")
        upstream.loop.advance(4.0)
    assert receiver.notes[-1][:2] == ("failed", "total_timeout")


def test_the_idle_clock_of_a_paused_call_stands_still_and_the_total_does_not():
    upstream = UpstreamInMemory()
    upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    receiver = NotingReceiver()
    call = upstream.send(b"GET / HTTP/1.1\r\n\r\n", receiver, TIMEOUTS)
    upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    call.pause()
    assert upstream.upstream.is_reading_paused
    upstream.loop.advance(30.0)
    assert len(receiver.notes) == 1
    call.resume()
    upstream.feed(b"x")
    assert receiver.body == b"x"
    call.pause()
    upstream.loop.advance(31.0)
    assert receiver.notes[-1][:2] == ("failed", "total_timeout")


def test_a_call_paused_by_its_receiver_does_not_time_out_on_silence():
    upstream = UpstreamInMemory()
    upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    class Pausing(NotingReceiver):
        def response_data(self, data):
            super().response_data(data)
            call.pause()

    receiver = Pausing()
    call = upstream.send(b"GET / HTTP/1.1\r\n\r\n", receiver, TIMEOUTS)
    upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
    upstream.loop.advance(30.0)
    assert len(receiver.notes) == 1


def test_a_call_resumed_before_its_response_still_times_out_on_the_first_byte():
    upstream = UpstreamInMemory()
    upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    receiver = NotingReceiver()
    call = upstream.send(b"GET / HTTP/1.1\r\n\r\n", receiver, TIMEOUTS)
    call.pause()
    call.resume()
    upstream.loop.advance(10.0 + SLACK)
    assert receiver.notes[-1][:2] == ("failed", "first_byte_timeout")


def test_an_idle_upstream_connection_is_closed_without_a_word():
    upstream, receiver = UpstreamInMemory(), NotingReceiver()
    upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    upstream.loop.advance(29.0)
    assert not upstream.upstream.is_closing()
    upstream.loop.advance(1.0 + SLACK)
    assert upstream.upstream.is_closing()
    assert receiver.notes == []
