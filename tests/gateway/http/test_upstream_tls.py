"""TLS to upstreams on real sockets, on both event loops, against an authority of the tests' own."""

import asyncio
import contextlib
import os
import socket
import ssl
import threading

import pytest
from socket_parts import Gateway, Receiver, Upstream, Wire, address_of, soon, until
from tls_parts import Authority, BlockingServer, refusing

from tradewind.core.errors import StartupError
from tradewind.gateway.http.limits import UpstreamTimeouts
from tradewind.gateway.http.upstream import FailureKind, UpstreamFailure, build_ssl_context
from tradewind.testing.fake_network import FakeConnector, FakeResolver

HEAD = b"POST /v1 HTTP/1.1\r\nhost: u\r\ncontent-length: 4\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PUBLIC = "8.8.8.8"
EXPIRED = ("20200101000000Z", "20200201000000Z")
FUTURE = ("20990101000000Z", "20990201000000Z")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def trusted(authority):
    return build_ssl_context(authority.path)


async def answering(upstream, connection):
    while True:
        await upstream.request(connection)
        connection.send(OK)


async def silent(upstream, connection):
    await upstream.request(connection)
    await connection.reader.read()


def send(gateway, port, *, host="localhost", head=HEAD, body=b"body", timeouts=None):
    receiver = Receiver()
    receiver.call = gateway.upstream.send(
        f"https+private://{host}:{port}", head, body, receiver, timeouts or UpstreamTimeouts()
    )
    return receiver


async def _ended(receiver):
    assert await soon(receiver.outcome) == "ended"
    return receiver.status, receiver.body


async def _failed(receiver):
    failure = await soon(receiver.outcome)
    assert isinstance(failure, UpstreamFailure)
    return failure


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_calls_over_tls_share_a_connection_and_one_handshake(authority, trusted, host):
    async with (
        Upstream(answering, tls=authority.server()) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        for _ in range(3):
            assert await _ended(send(gateway, upstream.port, host=host)) == (200, b"ok")
        assert upstream.connections == 1
        assert upstream.requests == [(HEAD, b"body")] * 3
        assert gateway.upstream.counters.connections == 1


async def test_a_public_host_is_verified_by_its_name_at_the_address_that_was_checked(
    authority, trusted
):
    async with Upstream(answering, tls=authority.server()) as upstream:
        connector = FakeConnector(upstream.port)
        resolver = FakeResolver({"models.example": [[PUBLIC]], "other.example": [[PUBLIC]]})
        async with Gateway(
            None, ssl_context=trusted, resolver=resolver, connector=connector
        ) as gateway:
            good, wrong = Receiver(), Receiver()
            timeouts = UpstreamTimeouts()
            gateway.upstream.send("https://models.example", HEAD, b"body", good, timeouts)
            assert await _ended(good) == (200, b"ok")
            gateway.upstream.send("https://other.example", HEAD, b"body", wrong, timeouts)
            assert (await _failed(wrong)).kind == FailureKind.TLS
        assert connector.asked == [
            (PUBLIC, 443, "models.example"),
            (PUBLIC, 443, "other.example"),
        ]


async def test_the_name_asked_for_is_in_the_handshake_and_http_1_1_is_agreed_on(authority, trusted):
    names, agreed = [], []
    server = authority.server()
    server.set_alpn_protocols(["h2", "http/1.1"])
    server.sni_callback = lambda tls, name, context: names.append(name)

    async def telling(upstream, connection):
        tls = connection.writer.get_extra_info("ssl_object")
        agreed.append(tls.selected_alpn_protocol())
        await answering(upstream, connection)

    async with (
        Upstream(telling, tls=server) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        await _ended(send(gateway, upstream.port))
        assert (names, agreed) == (["localhost"], ["http/1.1"])


async def _refusal(gateway, port, **options):
    failure = await _failed(send(gateway, port, **options))
    assert (failure.kind, failure.nothing_received) == (FailureKind.TLS, True)
    assert gateway.upstream.counters.tls == 1
    assert gateway.upstream.open_connections == 0
    await until(lambda: not gateway.upstream._used)
    return failure.detail


@pytest.mark.parametrize(
    ("certificate", "options", "reason"),
    [
        ("wrong", {"names": "DNS:other.example"}, "Hostname mismatch"),
        ("wild", {"names": "DNS:*.example"}, "Hostname mismatch"),
        ("expired", {"dates": EXPIRED}, "certificate has expired"),
        ("early", {"dates": FUTURE}, "certificate is not yet valid"),
    ],
)
async def test_a_certificate_that_is_not_good_is_refused(
    authority, trusted, certificate, options, reason
):
    async with (
        Upstream(answering, tls=authority.server(certificate, **options)) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        detail = await _refusal(gateway, upstream.port)
        assert reason in detail
        assert upstream.address.rpartition(":")[2] in detail
        assert upstream.requests == []


async def test_a_certificate_of_a_name_is_not_good_for_its_address(authority, trusted):
    async with (
        Upstream(answering, tls=authority.server("named", names="DNS:localhost")) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        assert "IP address mismatch" in await _refusal(gateway, upstream.port, host="127.0.0.1")


async def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path, authority, trusted):
    async with Upstream(answering, tls=Authority(tmp_path).server()) as upstream:
        async with Gateway(None, ssl_context=trusted) as gateway:
            assert "certificate" in await _refusal(gateway, upstream.port)
        async with Gateway(None) as gateway:  # the system's store knows no authority of a test
            assert "unable to get local issuer" in await _refusal(gateway, upstream.port)


async def test_a_server_of_tls_1_1_is_refused(authority, trusted):
    with BlockingServer(authority.old_server(), refusing) as server:
        async with Gateway(None, ssl_context=trusted) as gateway:
            detail = await _refusal(gateway, server.port)
    assert "tlsv1 alert protocol version" in detail


async def test_a_server_without_tls_is_refused(trusted):
    async def plain(upstream, connection):
        await connection.reader.read(1)
        connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await connection.reader.read()

    async with (
        Upstream(plain) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        assert "wrong version number" in await _refusal(gateway, upstream.port)


@pytest.mark.parametrize("resets", [False, True])
async def test_a_handshake_that_is_cut_is_a_failure_of_tls(trusted, resets):
    async def cutting(upstream, connection):
        await connection.reader.read(1)
        if resets:
            connection.reset()

    async with (
        Upstream(cutting) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        assert "the peer ended the connection in the handshake" in await _refusal(
            gateway, upstream.port
        )


async def test_nobody_listening_is_refused_over_tls_too(trusted):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = address_of(taken).rpartition(":")[2]
    async with Gateway(None, ssl_context=trusted) as gateway:
        failure = await _failed(send(gateway, port, host="127.0.0.1"))
        assert (failure.kind, failure.nothing_received) == (FailureKind.REFUSED, True)


async def test_a_handshake_nobody_answers_times_out(trusted):
    closed = asyncio.Event()

    async def mute(upstream, connection):
        while await connection.reader.read(1 << 16):
            pass
        closed.set()

    async with (
        Upstream(mute) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        timeouts = UpstreamTimeouts(connect_s=0.1)
        failure = await _failed(send(gateway, upstream.port, host="127.0.0.1", timeouts=timeouts))
        assert (failure.kind, failure.nothing_received) == (FailureKind.CONNECT_TIMEOUT, True)
        await soon(closed.wait())


async def test_cancelling_in_the_handshake_closes_the_connection_and_tells_nothing(trusted):
    hello, closed = asyncio.Event(), asyncio.Event()

    async def mute(upstream, connection):
        await connection.reader.read(1)
        hello.set()
        while await connection.reader.read(1 << 16):
            pass
        closed.set()

    async with (
        Upstream(mute) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        receiver = send(gateway, upstream.port)
        await soon(hello.wait())
        receiver.call.cancel()
        await soon(closed.wait())
        await until(lambda: not gateway.upstream._used)
        assert not receiver.outcome.done()
        assert gateway.upstream.open_connections == 0


async def test_closing_the_client_in_the_handshake_tells_the_receiver(trusted):
    hello = asyncio.Event()

    async def mute(upstream, connection):
        await connection.reader.read(1)
        hello.set()
        await connection.reader.read()

    async with (
        Upstream(mute) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        receiver = send(gateway, upstream.port)
        await soon(hello.wait())
        await soon(gateway.upstream.close())
        assert (await _failed(receiver)).kind == FailureKind.CUT


async def test_an_upstream_that_refuses_us_after_the_handshake_is_a_failure_of_tls(
    authority, trusted
):
    context = authority.server()
    context.verify_mode = ssl.CERT_REQUIRED  # TLS 1.3 tells of it when the client is done
    context.load_verify_locations(authority.path)
    with BlockingServer(context, refusing) as server:
        async with Gateway(None, ssl_context=trusted) as gateway:
            failure = await _failed(send(gateway, server.port))
    assert (failure.kind, failure.nothing_received) == (FailureKind.TLS, True)
    assert "certificate required" in failure.detail


@pytest.mark.parametrize("piece_bytes", [1, 5, 37, 1 << 16])
async def test_a_stream_arrives_however_its_records_and_their_bytes_are_cut(
    authority, trusted, piece_bytes
):
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x\r\n%b\r\n" % (len(event), event)
        for event in (b"data: %d\n\n" % number for number in range(40))
    )
    answer += b"0\r\n\r\n"

    async def streaming(upstream, connection):
        while True:
            await upstream.request(connection)
            sizes = (1, 2, 3, 7, 11, 64)  # each write is a record
            position = turn = 0
            while position < len(answer):
                size = sizes[turn % len(sizes)]
                connection.send(answer[position : position + size])
                await connection.writer.drain()
                position, turn = position + size, turn + 1

    async with (
        Upstream(streaming, tls=authority.server()) as upstream,
        Wire(upstream.port, piece_bytes=piece_bytes) as wire,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        expected = b"".join(b"data: %d\n\n" % number for number in range(40))
        for _ in range(2):
            assert await _ended(send(gateway, wire.port)) == (200, expected)
        assert upstream.connections == 1


async def test_a_response_ended_by_closing_is_whole_after_a_goodbye_only(authority, trusted):
    async def saying_goodbye(upstream, connection):
        await upstream.request(connection)
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        connection.writer.close()
        await connection.writer.wait_closed()

    async def staying(upstream, connection):
        await upstream.request(connection)
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        await connection.reader.read()

    server = authority.server()
    async with (
        Upstream(saying_goodbye, tls=server) as polite,
        Upstream(staying, tls=server) as cut,
        Wire(cut.port) as wire,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        assert await _ended(send(gateway, polite.port)) == (200, b"all of it")
        receiver = send(gateway, wire.port)
        await until(lambda: receiver.body == b"all of it")
        wire.cut()
        failure = await _failed(receiver)
        assert (failure.kind, failure.nothing_received) == (FailureKind.CUT, False)
        await until(lambda: gateway.upstream.open_connections == 0)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 99", b"Transfer-Encoding: chunked", b"X-Close: 1"]
)
async def test_a_response_cut_in_the_middle_is_cut_over_tls(authority, trusted, framing):
    async def half(upstream, connection):
        await upstream.request(connection)
        connection.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n5\r\nhalf!\r\n" % framing)
        await connection.reader.read()

    async with (
        Upstream(half, tls=authority.server()) as upstream,
        Wire(upstream.port) as wire,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        receiver = send(gateway, wire.port)
        await soon(receiver.got_data.wait())
        wire.cut()
        assert (await _failed(receiver)).kind == FailureKind.CUT


async def test_an_idle_connection_that_is_ended_is_not_used_again(authority, trusted):
    async def once(upstream, connection):
        await upstream.request(connection)
        connection.send(OK)
        await upstream.may_talk.wait()
        connection.writer.close()
        await connection.writer.wait_closed()

    async with (
        Upstream(once, answering, tls=authority.server()) as upstream,
        Wire(upstream.port) as wire,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        assert await _ended(send(gateway, wire.port)) == (200, b"ok")
        upstream.may_talk.set()
        await until(lambda: gateway.upstream.open_connections == 0)
        assert await _ended(send(gateway, wire.port)) == (200, b"ok")
        wire.cut()
        await until(lambda: gateway.upstream.open_connections == 0)
        assert gateway.upstream.counters.stale_retries == 0


async def test_a_call_lost_on_a_stale_connection_is_answered_on_a_fresh_one(authority, trusted):
    async def once(upstream, connection):
        await upstream.request(connection)
        connection.send(OK)
        await upstream.request(connection)

    async with (
        Upstream(once, answering, tls=authority.server()) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        assert await _ended(send(gateway, upstream.port)) == (200, b"ok")
        assert await _ended(send(gateway, upstream.port)) == (200, b"ok")
        assert upstream.connections == 2
        assert gateway.upstream.counters.stale_retries == 1


async def test_a_large_body_goes_up_and_a_large_one_comes_down(authority, trusted):
    async def echoing(upstream, connection):
        while True:
            _, body = await upstream.request(connection)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            connection.send(body)

    body = os.urandom(1 << 20) * 12
    head = b"POST / HTTP/1.1\r\nhost: u\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with (
        Upstream(echoing, tls=authority.server()) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        for _ in range(2):
            receiver = send(gateway, upstream.port, head=head, body=body)
            assert await soon(receiver.outcome) == "ended"
            assert receiver.body == body
        assert upstream.connections == 1


@pytest.mark.parametrize("size", [65_536, 65_537, 131_072, 131_073, 262_144, 300_000])
async def test_a_body_of_any_size_arrives_whole(authority, trusted, size):
    body = os.urandom(size)
    head = b"POST / HTTP/1.1\r\nhost: u\r\ncontent-length: %d\r\n\r\n" % size
    async with (
        Upstream(answering, tls=authority.server()) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        for _ in range(2):
            assert await _ended(send(gateway, upstream.port, head=head, body=body)) == (200, b"ok")
        assert [sent == body for _, sent in upstream.requests] == [True, True]
        assert upstream.connections == 1


async def test_a_large_body_is_encrypted_as_the_peer_takes_it(authority, trusted):
    async def unhurried(upstream, connection):
        await connection.reader.readuntil(b"\r\n\r\n")
        await upstream.may_talk.wait()
        await connection.reader.readexactly(len(body))
        connection.send(OK)
        await connection.reader.read()

    body = bytes(24 << 20)
    head = b"POST / HTTP/1.1\r\nhost: u\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with (
        Upstream(unhurried, tls=authority.server()) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        receiver = send(gateway, upstream.port, head=head, body=body)
        await until(lambda: gateway.upstream.open_connections)
        (connection,) = gateway.upstream._open_connections
        await until(lambda: connection._is_full)
        assert len(connection._rest_of_body or b"") > 8 << 20
        upstream.may_talk.set()
        assert await _ended(receiver) == (200, b"ok")
        assert gateway.upstream.idle_connections == 1


async def test_an_answer_before_the_request_was_read_drops_the_connection(authority, trusted):
    async def impatient(upstream, connection):
        await connection.reader.readuntil(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await asyncio.get_running_loop().create_future()

    body = bytes(24 << 20)
    head = b"POST / HTTP/1.1\r\nhost: u\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with (
        Upstream(impatient, tls=authority.server()) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        assert await _ended(send(gateway, upstream.port, head=head, body=body)) == (413, b"big")
        assert gateway.upstream.idle_connections == 0
        await until(lambda: gateway.upstream.open_connections == 0)


async def test_a_paused_call_is_read_no_further_until_resumed(authority, trusted):
    sent = 24 << 20
    written = 0

    async def flood(upstream, connection):
        nonlocal written
        await upstream.request(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % sent)
        for _ in range(sent >> 16):
            connection.send(bytes(1 << 16))
            await connection.writer.drain()
            written += 1 << 16
        await upstream.request(connection)

    async with (
        Upstream(flood, answering, tls=authority.server()) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        receiver = send(gateway, upstream.port)
        receiver.call.pause()  # before it is even connected
        await until(lambda: upstream.requests)
        assert receiver.pieces == []
        receiver.call.resume()
        await soon(receiver.started.wait())
        receiver.call.pause()
        held = len(receiver.body)
        for _ in range(3):  # the loop goes round while the first one waits
            await soon(send(gateway, upstream.port).outcome)
        assert len(receiver.body) == held
        assert written < sent  # the sender is held back, nothing is piled up here
        for _ in range(50):
            receiver.call.resume()
            await asyncio.sleep(0)
            receiver.call.pause()
            await asyncio.sleep(0)
        receiver.call.resume()
        assert await soon(receiver.outcome) == "ended"
        assert len(receiver.body) == sent


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_a_paused_response_is_whole_though_the_upstream_is_gone(authority, trusted, framing):
    """uvloop's TLS transport throws away what it holds when the socket ends."""
    body = os.urandom(20_000)  # all of it fits into the buffers of the sockets
    lines = {"length": b"Content-Length: 20000\r\n", "chunked": b"Transfer-Encoding: chunked\r\n"}
    has_paused, has_left = threading.Event(), threading.Event()

    def leaving(tls, raw):
        tls.do_handshake()
        tls.recv(1 << 16)
        tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n%b\r\n" % lines.get(framing, b""))
        assert has_paused.wait(30)
        tls.sendall(b"4e20\r\n%b\r\n0\r\n\r\n" % body if framing == "chunked" else body)
        tls.setblocking(False)
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()  # says goodbye, and is not answered
        raw.shutdown(socket.SHUT_WR)
        raw.setblocking(True)
        has_left.set()

    with BlockingServer(authority.server(), leaving) as server:
        async with Gateway(None, ssl_context=trusted) as gateway:
            receiver = send(gateway, server.port)
            await soon(receiver.started.wait())
            receiver.call.pause()
            has_paused.set()
            await until(has_left.is_set)
            for _ in range(20):  # turns in which our end could read all of it, and the end
                await asyncio.sleep(0)
            assert receiver.pieces == []
            receiver.call.resume()
            assert await _ended(receiver) == (200, body)


async def test_a_call_paused_at_its_end_leaves_a_connection_that_is_read_again(authority, trusted):
    class Pausing(Receiver):
        def response_data(self, data):
            super().response_data(data)
            self.call.pause()

    async with (
        Upstream(answering, tls=authority.server()) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        for _ in range(3):
            receiver = Pausing()
            receiver.call = gateway.upstream.send(
                f"https+private://localhost:{upstream.port}",
                HEAD,
                b"body",
                receiver,
                UpstreamTimeouts(),
            )
            assert await soon(receiver.outcome) == "ended"
            assert await _ended(send(gateway, upstream.port)) == (200, b"ok")
        assert upstream.connections == 1


async def test_cancelling_closes_the_connection_in_the_middle_of_a_response(authority, trusted):
    ended = asyncio.Event()

    async def waiting(upstream, connection):
        await upstream.request(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        try:
            await connection.reader.read()
        finally:
            ended.set()

    async with (
        Upstream(waiting, tls=authority.server()) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        receiver = send(gateway, upstream.port)
        await soon(receiver.got_data.wait())
        receiver.call.cancel()
        await soon(ended.wait())
        assert not receiver.outcome.done()
        assert gateway.upstream.open_connections == 0


async def test_closing_the_client_tells_every_receiver_over_tls(authority, trusted):
    async with (
        Upstream(silent, tls=authority.server()) as upstream,
        Gateway(None, ssl_context=trusted) as gateway,
    ):
        running = send(gateway, upstream.port)
        await until(lambda: upstream.requests)
        await soon(gateway.upstream.close())
        assert (await _failed(running)).kind == FailureKind.CUT


async def test_a_context_is_built_at_the_first_call_when_none_was_given(authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    async with (
        Upstream(answering, tls=authority.server()) as upstream,
        Gateway(None) as gateway,
    ):
        assert await _ended(send(gateway, upstream.port)) == (200, b"ok")


async def test_without_any_authority_to_trust_a_call_says_so(tmp_path, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    async with (
        Upstream(answering, tls=authority.server()) as upstream,
        Gateway(None) as gateway,
    ):
        assert "no CA certificates are installed" in await _refusal(gateway, upstream.port)


def test_an_empty_system_store_is_told_and_a_bundle_makes_up_for_it(
    tmp_path, authority, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(StartupError, match="ca-certificates"):
        build_ssl_context()
    context = build_ssl_context(authority.path)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    (tmp_path / "0a1b2c3d.0").touch()  # a folder as OpenSSL's c_rehash makes it
    build_ssl_context()


def test_a_bundle_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(StartupError, match="No such file"):
        build_ssl_context(tmp_path / "none.pem")
    bundle = tmp_path / "text.pem"
    bundle.write_text("no certificate")
    with pytest.raises(StartupError, match="no certificate can be read"):
        build_ssl_context(bundle)
