"""Official clients take the ends that policies put to answers, and the refusals of prompts.

No platform runs: the bytes are those that the guard makes, and a server of this test sends them.
"""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.guard.answer_parts import (
    KINDS,
    Walk,
    answer_guard,
    chat_events,
    guard_for,
    judgement_of,
    stream_of,
)
from tradewind.gateway.guard.refusal import prompt_refused
from tradewind.plugins.checks.base import Content
from tradewind.snapshot.safety import Direction, Streaming

pytestmark = [pytest.mark.platform, pytest.mark.timeout(600), pytest.mark.enable_socket]

STORY = Path(__file__).parent / "filtered_answers_story.py"
FINE = "These are fine words. "
FILTERED = "content_filter"
HARM = [FINE] * 12 + ["B@D "] + [FINE] * 9


def stream(kind: str, texts: list[str], streaming: Streaming) -> bytes:
    guard = guard_for(streaming=streaming)
    prompt = judgement_of(guard, Content("an odd thing", Direction.PROMPT))
    walk = Walk(answer_guard(kind, guard, prompt), guard)
    data, rest = stream_of(kind, chat_events(texts))
    for start in range(0, len(data), 700):
        walk.feed(data[start : start + 700])
        if streaming is Streaming.BUFFERED:
            walk.judge_all()
    walk.judge_all()
    walk.finish(rest)
    walk.judge_all()
    return walk.out


def cases() -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for kind, (surface, _) in KINDS.items():
        found[f"{kind}-blocked"] = stream(kind, HARM, Streaming.BUFFERED)
        found[f"{kind}-retracted"] = stream(kind, HARM, Streaming.ASYNCHRONOUS)
        found[f"{kind}-fine"] = stream(kind, [FINE] * 3, Streaming.BUFFERED)
        judgement = judgement_of(guard_for(), Content("B@D", Direction.PROMPT))
        found[f"{kind}-refused"] = surface.error(prompt_refused(judgement, surface), "req_1")
    return found


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    bodies = cases()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            case = self.path.split("/")[1]
            is_refused = case.endswith("refused")
            self.send_response(400 if is_refused else 200)
            kind = "application/json" if is_refused else "text/event-stream"
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(bodies[case])))
            self.end_headers()
            self.wfile.write(bodies[case])

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("client", "kinds", "blocked", "fine", "refused"),
    [
        ("openai-2", ["openai", "azure"], "content_filter", "stop", [FILTERED, "prompt"]),
        ("openai-3", ["openai", "azure"], "content_filter", "stop", [FILTERED, "prompt"]),
        ("openai-3", ["responses"], "content_filter", None, [FILTERED, "prompt"]),
        ("anthropic", ["messages"], "refusal", "end_turn", [FILTERED, "invalid_request_error"]),
        ("google-genai", ["gemini"], "SAFETY", "STOP", [400, "INVALID_ARGUMENT"]),
        ("azure-ai-inference", ["inference"], "content_filter", "stop", [400, FILTERED]),
    ],
)  # fmt: skip
def test_a_client_understands_what_policies_did(  # noqa: PLR0917  a row of the table
    client: str,
    kinds: list[str],
    blocked: str,
    fine: str | None,
    refused: list[Any],
    port: int,
    python_of: Callable[[str], Path],
) -> None:
    told = subprocess.run(
        [python_of(client), STORY, client, str(port)],
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    saw = json.loads(told.stdout)
    for kind in kinds:
        text, reason = saw[f"{kind}-blocked"]
        assert reason == blocked
        assert text
        assert "".join(HARM).startswith(text)
        assert "@" not in text
        assert saw[f"{kind}-retracted"][1] == blocked
        assert saw[f"{kind}-fine"] == [FINE * 3, fine]
    assert saw["refused"] == refused
