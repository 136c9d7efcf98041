"""The platform's first call, against a server that answers from a script."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tradewind.core.errors import StartupError
from tradewind.serve.first_call import QUESTION, FirstCall, make_first_call

pytestmark = pytest.mark.enable_socket

PATIENCE_S = 60.0
MODEL = "tw/small"
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


class ScriptedServer(threading.Thread):
    """Answers one connection after the other with the next bytes of its script, then hangs up."""

    def __init__(self, *script: bytes) -> None:
        super().__init__(name="scripted-server")
        self.requests: list[bytes] = []
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self._listener.settimeout(PATIENCE_S)
        self.port = self._listener.getsockname()[1]

    def run(self) -> None:
        for answer in self._script:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed before the script was over
            with connection:
                connection.settimeout(PATIENCE_S)
                self.requests.append(self._read_request(connection))
                connection.sendall(answer)

    def close(self) -> None:
        if self.ident is not None:
            if self.is_alive():
                self._listener.shutdown(socket.SHUT_RDWR)
            self.join(PATIENCE_S)
        self._listener.close()

    def _read_request(self, connection: socket.socket) -> bytes:
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += connection.recv(65536)
        head, _, body = raw.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Return a function that starts a server with a script."""
    servers: list[ScriptedServer] = []

    def start(*script: bytes, is_started: bool = True) -> ScriptedServer:
        server = ScriptedServer(*script)
        servers.append(server)
        if is_started:
            server.start()
        return server

    yield start
    for server in servers:
        server.close()


def refusal(status: int, text: str = "not yet") -> bytes:
    body = json.dumps({"error": {"message": text}})
    return f"HTTP/1.1 {status} No\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(**members: object) -> bytes:
    return chunk(b"data: " + json.dumps({"choices": [], **members}).encode() + b"\n\n")


def words(*texts: str) -> bytes:
    return b"".join(event(choices=[{"index": 0, "delta": {"content": text}}]) for text in texts)


HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    b"x-request-id: req_1\r\n\r\n"
)
ROLE = event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}])
DONE = chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
WHOLE = HEAD + ROLE + words(" Because", " of air. ") + event(usage=USAGE) + DONE


def call(
    server: ScriptedServer,
    go_on: Callable[[], bool] = lambda: True,
    *,
    wait_s: float = PATIENCE_S,
) -> FirstCall | None:
    return make_first_call(
        "127.0.0.1",
        server.port,
        "sk-tw-x",
        MODEL,
        deadline=time.monotonic() + wait_s,
        go_on=go_on,
    )


def test_the_answer_is_told_whole_with_its_usage(serve: Callable[..., ScriptedServer]):
    server = serve(WHOLE)
    found = call(server)
    assert found is not None
    assert found.ttft_ms > 0
    assert found == FirstCall("req_1", MODEL, QUESTION, "Because of air.", USAGE, found.ttft_ms)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"Authorization: Bearer sk-tw-x" in head
    asked = json.loads(body)
    assert asked["model"] == MODEL
    assert asked["messages"] == [{"role": "user", "content": QUESTION}]
    assert asked["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(refusal(503), id="no replica is ready"),
        pytest.param(refusal(502), id="the replica died"),
        pytest.param(refusal(401), id="the key is not known yet"),
        pytest.param(b"", id="hung up before the answer"),
        pytest.param(b"nonsense\r\n\r\n", id="no HTTP"),
        pytest.param(HEAD, id="hung up after the head"),
        pytest.param(HEAD + ROLE + words("Because"), id="cut between two events"),
        pytest.param(HEAD + ROLE + words("Because")[:-9], id="cut within an event"),
        pytest.param(
            HEAD + ROLE + words("Because") + event(usage=USAGE) + b"0\r\n\r\n", id="without its end"
        ),
        pytest.param(HEAD + ROLE + chunk(b'data: {"choices": [\n\n') + DONE, id="half an event"),
        pytest.param(
            HEAD + ROLE + event(error={"message": "the replica died"}) + DONE, id="failed midway"
        ),
    ],
)
def test_a_try_without_a_whole_answer_is_made_again(
    serve: Callable[..., ScriptedServer], first: bytes
):
    found = call(serve(first, first, WHOLE))
    assert found is not None
    assert found.answer == "Because of air."


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_a_refusal_for_good_is_told_at_once(serve: Callable[..., ScriptedServer], status: int):
    server = serve(refusal(status, "there is no such model"))
    with pytest.raises(StartupError) as refused:
        call(server)
    assert str(refused.value).startswith(f"the first call was refused with {status}: ")
    assert "there is no such model" in str(refused.value)


def test_at_the_deadline_the_last_refusal_is_told(serve: Callable[..., ScriptedServer]):
    server = serve(*[refusal(503, "the model is loading")] * 1000)
    with pytest.raises(StartupError) as refused:
        call(server, wait_s=2)
    assert str(refused.value).startswith("the first call was not answered: ")
    assert "the model is loading" in str(refused.value)
    assert str(refused.value).endswith("(see the logs folder)")


def test_at_the_deadline_it_no_longer_waits_for_an_answer_to_begin(
    serve: Callable[..., ScriptedServer],
):
    with pytest.raises(StartupError, match="not answered: no answer has begun"):
        call(serve(is_started=False), wait_s=0.5)


def test_without_any_time_nothing_is_asked(serve: Callable[..., ScriptedServer]):
    server = serve(is_started=False)
    with pytest.raises(StartupError, match="not answered: nothing answered"):
        call(server, wait_s=-1)


def test_it_stops_between_two_tries(serve: Callable[..., ScriptedServer]):
    server = serve(refusal(503), refusal(503))
    assert call(server, lambda: len(server.requests) < 2) is None


def test_it_stops_while_a_request_waits(serve: Callable[..., ScriptedServer]):
    server = serve(is_started=False)
    tries = iter([True, True, False])
    assert call(server, lambda: next(tries)) is None


def test_a_request_that_waits_for_a_dead_gateway_is_answered_by_the_next(
    serve: Callable[..., ScriptedServer],
):
    server = serve(WHOLE, is_started=False)
    looks = 0

    def go_on() -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:  # the first is before the try, so the request waits by now
            server.start()
        return True

    found = call(server, go_on)
    assert found is not None
    assert found.answer == "Because of air."
    assert len(server.requests) == 1
