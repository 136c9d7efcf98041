"""Fetching lists: from public addresses only, bounded, and never twice looked up."""

import http.server
import ssl
import threading
from contextlib import contextmanager

import pytest

from tests.gateway.http.tls_parts import Authority
from tradewind.core.errors import InvalidInput
from tradewind.worker.fetch import Fetcher, FetchFailed

BODY = b'{"data": []}'
NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Serving(http.server.ThreadingHTTPServer):
    asked: list


@contextmanager
def serving(answer, tls=None):
    """Serve GETs with `answer(handler)`; yields the server, whose `asked` are the requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            answer(self)

        def log_message(self, format, *args):  # noqa: A002  the library's name
            pass

    asked = []
    with Serving(("127.0.0.1", 0), Handler) as server:
        server.asked = asked
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def whole(handler, body=BODY, status=200, **headers):
    handler.send_response(status)
    handler.send_header("content-length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def fetcher(**how):
    """One that may connect to loopback, under any name."""
    how = {"resolve": lambda _host, _port: ["127.0.0.1"], "allows": lambda _address: True} | how
    return Fetcher(how.pop("tls", NOBODY), **how)


def test_a_list_comes_whole_with_its_query():
    with serving(whole) as server:
        url = f"http://lists.example:{server.server_port}/api/v1/models?limit=5&full=1"
        assert fetcher()(url) == BODY
    [(path, headers)] = server.asked
    assert path == "/api/v1/models?limit=5&full=1"
    assert headers["host"] == f"lists.example:{server.server_port}"
    assert headers["user-agent"] == "Tradewind"
    assert "authorization" not in headers


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["169.254.169.254"], ["::1"], []]
)
def test_a_name_with_any_private_address_is_not_connected_to(addresses):
    with serving(whole) as server:
        fetch = Fetcher(NOBODY, resolve=lambda host, port: addresses)
        with pytest.raises(FetchFailed, match=r"lists\.example is not in the public internet"):
            fetch(f"http://lists.example:{server.server_port}/")
    assert server.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "[::1]", "169.254.169.254"])
def test_a_private_address_in_the_url_is_not_connected_to(host):
    with pytest.raises(FetchFailed, match="not in the public internet"):
        Fetcher(NOBODY)(f"http://{host}/")


def test_a_name_is_looked_up_once():
    looked = []

    def resolve(host, port):
        looked.append((host, port))
        return ["127.0.0.1"]

    with serving(whole) as server:
        fetcher(resolve=resolve)(f"http://lists.example:{server.server_port}/")
    assert looked == [("lists.example", server.server_port)]


def test_the_next_address_is_tried():
    with serving(whole) as server:
        # Of two addresses of this machine the server listens on one.
        fetch = fetcher(resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"])
        assert fetch(f"http://lists.example:{server.server_port}/") == BODY


def test_a_redirect_is_not_followed():
    def elsewhere(handler):
        whole(handler, b"", 302, location="http://127.0.0.1/")

    with serving(elsewhere) as server, pytest.raises(FetchFailed, match="redirect"):
        fetcher()(f"http://lists.example:{server.server_port}/")
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [404, 429, 500])
def test_what_is_not_200_is_told(status):
    with (
        serving(lambda handler: whole(handler, status=status)) as server,
        pytest.raises(FetchFailed, match=f"answers {status}"),
    ):
        fetcher()(f"http://lists.example:{server.server_port}/")


def test_more_than_the_bound_is_not_read():
    with (
        serving(lambda handler: whole(handler, b"x" * 2_000)) as server,
        pytest.raises(FetchFailed, match="more than 1000 bytes"),
    ):
        fetcher(max_bytes=1_000)(f"http://lists.example:{server.server_port}/")


def test_an_answer_that_ends_early_is_none():
    def cut(handler):
        handler.send_response(200)
        handler.send_header("content-length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")

    with serving(cut) as server, pytest.raises(FetchFailed):
        fetcher()(f"http://lists.example:{server.server_port}/")


def test_an_answer_that_takes_too_long_is_given_up():
    over = threading.Event()

    def hang(_handler):
        over.wait(60)

    with serving(hang) as server:
        try:
            with pytest.raises(FetchFailed, match="does not answer"):
                fetcher(timeout_s=0.2)(f"http://lists.example:{server.server_port}/")
        finally:
            over.set()


def test_tls_is_checked_for_the_name(tmp_path):
    authority = Authority(tmp_path)
    ours = ssl.create_default_context(cafile=str(authority.path))
    with serving(whole, authority.server(names="DNS:lists.example")) as server:
        fetch = fetcher(tls=ours)
        assert fetch(f"https://lists.example:{server.server_port}/") == BODY
        with pytest.raises(FetchFailed, match="does not answer"):
            fetch(f"https://other.example:{server.server_port}/")


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://a b/", "http://x/?q=\r\n", "http://u:p@x/", "http://x/#y"]
)
def test_what_is_no_plain_url_is_refused(url):
    with pytest.raises(InvalidInput):
        fetcher()(url)
