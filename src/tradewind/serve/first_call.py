"""The platform's own first call: a real chat completion through the public API, as a client makes
it.
"""

import http.client
import json
import select
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradewind.core.errors import StartupError

QUESTION = "Why is the sky blue? Answer in one sentence."
_MOST_OUTPUT_TOKENS = 64
_TIMEOUT_S = 120.0
_RETRY_S = 0.03
_LOOK_MS = 200
_NOT_YET = frozenset({401, 502, 503})


@dataclass(frozen=True, slots=True)
class FirstCall:
    request_id: str
    model: str
    question: str
    answer: str
    usage: dict[str, Any]
    ttft_ms: float
    """From sending the request that was answered to its first token."""


class CallRefused(StartupError):
    """The gateway answers, and this call is refused: the model is not for it."""


class _NotAnswered(Exception):
    """This try brought no whole answer; another one may."""


class _Stopped(Exception):
    """Whoever waits wants no answer any more."""


def make_first_call(
    host: str,
    port: int,
    key: str,
    model: str,
    *,
    deadline: float,
    go_on: Callable[[], bool],
    certificate: Path | None = None,
) -> FirstCall | None:
    """Ask until the model is ready and answers. `deadline` is monotonic seconds.

    `certificate` is that of the port, when it speaks TLS: it and nothing else is trusted. `go_on`
    is called before each try and while one waits; None is returned once it says no. Raises
    CallRefused, and StartupError with the last refusal when the model never answers.
    """
    refusal = "nothing answered"
    while time.monotonic() < deadline:
        if not go_on():
            return None
        try:
            connection = connect(host, port, certificate)
            return _ask(connection, key, model, deadline=deadline, go_on=go_on)
        except _Stopped:
            return None
        except (OSError, http.client.HTTPException, _NotAnswered) as error:
            refusal = str(error) or type(error).__name__
        time.sleep(_RETRY_S)
    raise StartupError(f"the first call was not answered: {refusal}", hint="see the logs folder")


def connect(host: str, port: int, certificate: Path | None) -> http.client.HTTPConnection:
    """Return a connection to our own port, which is not opened yet."""
    if certificate is None:
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    # We know whom we talk to by the very certificate, whatever name is in it and whoever signed it.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)


def _ask(
    connection: http.client.HTTPConnection,
    key: str,
    model: str,
    *,
    deadline: float,
    go_on: Callable[[], bool],
) -> FirstCall:
    try:
        sent = time.perf_counter()
        connection.request(
            "POST",
            "/v1/chat/completions",
            json.dumps(
                {
                    "model": model,
                    "messages": [{"role": "user", "content": QUESTION}],
                    "stream": True,
                    "stream_options": {"include_usage": True},
                    "max_tokens": _MOST_OUTPUT_TOKENS,
                    "temperature": 0,
                }
            ),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        _await_answer(connection, deadline, go_on)
        response = connection.getresponse()
        if response.status in _NOT_YET:
            raise _NotAnswered(response.read(4096).decode("utf-8", "replace"))
        if response.status != 200:
            text = response.read(4096).decode("utf-8", "replace")
            raise CallRefused(f"the first call was refused with {response.status}: {_reason(text)}")
        answer, usage, first_at = "", dict[str, Any](), None
        for event in _events(response):
            if "error" in event:
                raise _NotAnswered(str(event["error"]))
            for choice in event["choices"]:
                text = choice["delta"].get("content") or ""
                if text and first_at is None:
                    first_at = time.perf_counter()
                answer += text
            usage = event.get("usage") or usage
        return FirstCall(
            request_id=response.headers["x-request-id"],
            model=model,
            question=QUESTION,
            answer=answer.strip(),
            usage=usage,
            ttft_ms=round(((first_at or time.perf_counter()) - sent) * 1000, 1),
        )
    finally:
        connection.close()


def _reason(text: str) -> str:
    """Return what an error says for people, or all of it."""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return text


def _await_answer(
    connection: http.client.HTTPConnection, deadline: float, go_on: Callable[[], bool]
) -> None:
    """Return when the answer begins.

    The listening socket outlives a gateway that died, so a request can wait there for the next one,
    which only `go_on` starts.
    """
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    while not poll.poll(_LOOK_MS):
        if not go_on():
            raise _Stopped
        if time.monotonic() > deadline:
            raise _NotAnswered("no answer has begun")


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """Yield the events of a whole stream. Raises _NotAnswered at the end of one that was cut."""
    for line in response:
        if line.strip() == b"data: [DONE]":
            return
        if line.startswith(b"data: "):
            try:
                yield json.loads(line[6:])
            except ValueError as error:
                raise _NotAnswered("the answer was cut") from error
    # http.client takes a connection that breaks between two chunks for the end.
    raise _NotAnswered("the answer was cut")
