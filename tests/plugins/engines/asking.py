"""Asks a replica over its socket, as the gateway would, and plans replicas for tests."""

import http.client
import json
import os
import select
import socket
from pathlib import Path
from typing import Any, NamedTuple

from tradewind.plugins.engines.base import Launch, LaunchSpec
from tradewind.snapshot.contents import Operation

SECRET = "s3cret-" + "x" * 25
PATIENCE_S = 90.0
"""For a machine that is busy with other tests; nothing waits this long when all is well."""


class Answer(NamedTuple):
    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[str]:
        return [event.removeprefix("data: ") for event in self.body.decode().split("\n\n") if event]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(self._path)


def ask(launch: Launch, path: str, body: Any = None, *, key: str | None = None) -> Answer:
    """POST `body`, or GET when there is none. `key` defaults to the right one."""
    connection = UnixConnection(launch.address)
    try:
        bearer = launch.credential if key is None else key
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, content, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read())
    finally:
        connection.close()


def chat(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **fields}


def spec_of(engine: str, model: Path, **fields: Any) -> LaunchSpec:
    given: dict[str, Any] = {
        "engine": engine,
        "model_path": model,
        "alias": "publisher/model",
        "operation": Operation.CHAT,
        "context_tokens": 1024,
        "slots": 2,
    }
    return LaunchSpec(**{**given, **fields})


def wait_gone(pid: int, timeout_s: float | None = PATIENCE_S) -> bool:
    """Wait until a process that is not our child has ended. False when it does not."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)
