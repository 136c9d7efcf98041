"""The platform's own first call: a real chat completion through the public API, as a client makes
it.
"""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tradewind.core.errors import StartupError

QUESTION = "Why is the sky blue? Answer in one sentence."
_MOST_OUTPUT_TOKENS = 64
_TIMEOUT_S = 120.0
_RETRY_S = 0.03
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


def make_first_call(
    host: str, port: int, key: str, model: str, *, deadline: float, go_on: Callable[[], bool]
) -> FirstCall | None:
    """Ask until the model is ready and answers. `deadline` is monotonic seconds.

    `go_on` is called before each try; None is returned once it says no. Raises StartupError with
    the last refusal when the model never answers.
    """
    refusal = "nothing answered"
    while time.monotonic() < deadline:
        if not go_on():
            return None
        try:
            answer = _ask(host, port, key, model)
        except OSError as error:
            refusal = str(error)
        else:
            if isinstance(answer, FirstCall):
                return answer
            refusal = answer
        time.sleep(_RETRY_S)
    raise StartupError(f"the first call was not answered: {refusal}", hint="see the logs folder")


def _ask(host: str, port: int, key: str, model: str) -> FirstCall | str:
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
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
        response = connection.getresponse()
        if response.status in _NOT_YET:
            return response.read(4096).decode("utf-8", "replace")
        if response.status != 200:
            text = response.read(4096).decode("utf-8", "replace")
            raise StartupError(f"the first call was refused with {response.status}: {text}")
        answer, usage, first_at = "", dict[str, Any](), None
        for event in _events(response):
            if "error" in event:
                return str(event["error"])
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


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    for line in response:
        if line.startswith(b"data: ") and line.strip() != b"data: [DONE]":
            yield json.loads(line[6:])
