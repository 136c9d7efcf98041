"""Asks a replica whether it can answer: `GET /health`, over its unix socket or loopback.

And, once, one small question in OpenAI's format, which every engine here speaks.
"""

import http.client
import socket
import time
from collections.abc import Iterator

import msgspec

from tradewind.plugins.engines.base import Engine, Launch, Probe, Process
from tradewind.snapshot.contents import Operation

_TIMEOUT_S = 2.0
_FIRST_ANSWER_S = 150.0
_MOST_BODY_BYTES = 4096
_LONGEST_MESSAGE = 200
# A small model is ready in 0.3 s, a large one in minutes: ask often first, then less.
_FIRST_PAUSE_S = 0.03
_MOST_PAUSE_S = 1.0
_PAUSE_GROWTH = 1.1


def probe_health(launch: Launch, *, timeout_s: float = _TIMEOUT_S) -> Probe:
    """Return whether the replica answers 200. Every failure is an answer, none is raised."""
    connection = _Connection(launch.address, timeout_s)
    try:
        connection.request("GET", "/health", headers=_headers(launch))
        answer = connection.getresponse()
        answer.read(_MOST_BODY_BYTES)
    except TimeoutError:
        return Probe(ready=False, detail=f"did not answer within {timeout_s:g} s")
    except (FileNotFoundError, ConnectionRefusedError):
        return Probe(ready=False, detail="does not listen yet")
    except (OSError, http.client.HTTPException) as error:
        return Probe(ready=False, detail=f"broke off the connection: {type(error).__name__}")
    finally:
        connection.close()
    match answer.status:
        case 200:
            return Probe(ready=True, detail="ready")
        case 503:
            return Probe(ready=False, detail="is loading the model")
        case status:
            return Probe(ready=False, detail=f"answered the probe with status {status}")


def ask_one_thing(
    launch: Launch, operation: Operation, alias: str, *, timeout_s: float = _FIRST_ANSWER_S
) -> Probe:
    """Return whether the replica answers a question of one word. No failure is raised."""
    path, question = _question(operation)
    question |= {"model": alias}
    connection = _Connection(launch.address, timeout_s)
    headers = {**_headers(launch), "Content-Type": "application/json"}
    try:
        connection.request("POST", path, msgspec.json.encode(question), headers)
        answer = connection.getresponse()
        said = answer.read(_MOST_BODY_BYTES)
    except TimeoutError:
        return Probe(ready=False, detail=f"did not answer a question within {timeout_s:g} s")
    except (OSError, http.client.HTTPException) as error:
        return Probe(ready=False, detail=f"broke off the connection: {type(error).__name__}")
    finally:
        connection.close()
    if answer.status == http.client.OK:
        return Probe(ready=True, detail="answers")
    return Probe(
        ready=False,
        detail=f"answered a question with status {answer.status}: {_error_in(said)}",
    )


def _question(operation: Operation) -> tuple[str, dict[str, object]]:
    match operation:
        case Operation.EMBEDDINGS:
            return "/v1/embeddings", {"input": "Hello"}
        case Operation.RERANK:
            return "/v1/rerank", {"query": "Hello", "documents": ["Hello"]}
        case Operation.COMPLETIONS:
            return "/v1/completions", {"prompt": "Hello", "max_tokens": 1}
        case _:
            messages = [{"role": "user", "content": "Hello"}]
            return "/v1/chat/completions", {"messages": messages, "max_tokens": 1}


def await_ready(engine: Engine, launch: Launch, process: Process, timeout_s: float) -> Probe:
    """Probe until the replica is ready, has ended or the time is over; return what was last seen.

    Wakes at once when the process ends. For callers that have a thread to spare.
    """
    deadline = time.monotonic() + timeout_s
    for pause_s in pauses():
        seen = engine.probe(launch)
        left_s = deadline - time.monotonic()
        if seen.ready or left_s <= 0:
            return seen
        ended = process.wait(min(pause_s, left_s))
        if ended is not None:
            return Probe(ready=False, detail=ended.reason)
    raise AssertionError("pauses never end")


def pauses() -> Iterator[float]:
    """Yield how long to wait between probes of a starting replica: 30 ms growing to 1 s."""
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(_MOST_PAUSE_S, pause_s * _PAUSE_GROWTH)


def _error_in(body: bytes) -> str:
    """Return the message of an error in OpenAI's format, or the beginning of what was said."""
    try:
        return _error_decoder.decode(body).error.message[:_LONGEST_MESSAGE]
    except msgspec.MsgspecError:
        return body.decode("utf-8", "replace")[:_LONGEST_MESSAGE]


class _Said(msgspec.Struct):
    message: str = ""


class _Error(msgspec.Struct):
    error: _Said


_error_decoder = msgspec.json.Decoder(_Error)


def _headers(launch: Launch) -> dict[str, str]:
    return {"Authorization": f"Bearer {launch.credential}", "Connection": "close"}


class _Connection(http.client.HTTPConnection):
    """To a unix socket or `host:port`."""

    def __init__(self, address: str, timeout_s: float) -> None:
        host, _, port = ("localhost", "", "") if address[:1] == "/" else address.rpartition(":")
        super().__init__(host, int(port) if port else None, timeout=timeout_s)
        self._address = address
        self._timeout_s = timeout_s

    def connect(self) -> None:
        if not self._address.startswith("/"):
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(self._address)
