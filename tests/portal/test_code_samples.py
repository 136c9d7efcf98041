"""The samples are programs: each one is run, against a gateway that answers."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from tradewind.portal.code_samples import highlight, samples

MODEL = 'evil\'s/"quoted"-$HOME-`model`'
KEY = "sk-tw-0123456789ab-secret"


class _Gateway(ThreadingHTTPServer):
    """Answers every call and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answerer)
        self.calls: list[tuple[str, str, dict]] = []


class _Answerer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert isinstance(self.server, _Gateway)
        self.server.calls.append(
            (self.path, self.headers["authorization"], msgspec.json.decode(body))
        )
        answer = msgspec.json.encode(
            {
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "A wind."}}],
                "data": [{"index": 0, "object": "embedding", "embedding": [0.25, 0.5, 1.0, 2.0]}],
            }
        )
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture
def gateway() -> Iterator[_Gateway]:
    server = _Gateway()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(language: str, code: str, folder: Path) -> str:
    """Run a sample as a person would who pasted it."""
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    if language == "javascript" and node is None:
        pytest.skip("there is no node to run it")
    commands = {
        "curl": ["bash", "-c", code],
        "python": [sys.executable, "-c", code],
        "javascript": [str(node), "--input-type=module", "-e", code],
    }
    environment = {"PATH": os.environ["PATH"], "TRADEWIND_API_KEY": KEY, "HOME": str(folder)}
    done = subprocess.run(
        commands[language],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("operation", ["chat", "embeddings"])
@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
def test_a_sample_runs_as_shown(gateway: _Gateway, tmp_path: Path, operation: str, language: str):
    base_url = f"http://127.0.0.1:{gateway.server_port}/v1"
    code = {
        sample.language: sample.code
        for sample in samples(operation, model=MODEL, base_url=base_url)
    }[language]

    output = run(language, code, tmp_path)

    ((path, authorization, body),) = gateway.calls
    assert path == ("/v1/chat/completions" if operation == "chat" else "/v1/embeddings")
    assert authorization == f"Bearer {KEY}"
    assert body["model"] == MODEL
    assert "A wind." in output or "0.25" in output


def test_the_coloured_pieces_are_the_code_itself():
    for sample in samples("chat", model=MODEL, base_url="http://127.0.0.1:8080/v1"):
        assert "".join(span.text for span in sample.spans) == sample.code
        assert {span.kind for span in sample.spans} > {"plain", "string"}
    assert highlight("") == []
