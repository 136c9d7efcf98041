"""A model that says what it is told to, behind OpenAI's API, with a filter that is as simple."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FILTERED = "bomb"
"""What the filter looks for, unless the caller switches it off."""
REFUSED = "kill"
"""What the model itself declines to answer."""


class ScriptedModel(ThreadingHTTPServer):
    """Counts what it is asked; `key` and `headers` are those of the last call."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls = 0
        self.asked: list[tuple[bool, str]] = []
        self.lock = threading.Lock()
        self.gate = threading.Event()
        """While it is not set, nothing is answered."""
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedModel  # type: ignore[assignment]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = body["messages"][-1]["content"]
        text = text if isinstance(text, str) else " ".join(each.get("text", "") for each in text)
        is_off = self.headers.get("x-tradewind-safety") == "off"
        with self.server.lock:
            self.server.calls += 1
            self.server.asked.append((is_off, text))
        self.server.gate.wait(60)
        if FILTERED in text.lower() and not is_off:
            return self._answer(400, _blocked())
        if "broken" in text.lower():
            return self._answer(500, {"error": {"message": "broken", "code": "internal_error"}})
        said = "I'm sorry, but I can't help with that." if REFUSED in text.lower() else "Sure: one"
        if "response_format" in body:
            schema = body["response_format"].get("json_schema", {}).get("schema", {})
            said = json.dumps(_judged(text, schema))
        return self._answer(200, _answered(body["model"], said))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
        pass


def _judged(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Say something of the right kind for each field of the schema that was sent along."""
    verdict = "False" if "sorry" in text else "True"
    by_type = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}
    return {
        name: verdict if name == "score_value" else by_type.get(told.get("type"), "scripted")
        for name, told in schema.get("properties", {}).items()
    }


def _blocked() -> dict[str, Any]:
    return {
        "error": {
            "message": "The response was filtered.",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
        }
    }


def _answered(model: str, said: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": said}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


@contextmanager
def scripted_model() -> Iterator[ScriptedModel]:
    server = ScriptedModel()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
