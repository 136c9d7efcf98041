"""After an import, a client that knew the other gateway's name of a model gets its answer here."""

import asyncio
import http.server
import json
import threading
import urllib.request
from typing import ClassVar

import pytest

from tradewind.core import api_keys
from tradewind.gateway.config import GatewayConfig
from tradewind.gateway.process import running
from tradewind.snapshot import file
from tradewind.snapshot.contents import Grant, Snapshot

pytestmark = pytest.mark.postgres

PATIENCE_S = 60
PEPPER = b"p" * api_keys.PEPPER_BYTES
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "facebook/opt-125m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello from the old host"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6},
}


class Upstream(http.server.BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple]] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append((self.path, self.headers["authorization"], body["model"]))
        answer = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format, *args):  # noqa: A002  its name in the library
        pass


@pytest.fixture
def upstream():
    """A program that speaks OpenAI's dialect, as vLLM does."""
    Upstream.seen.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(url, key, model):
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}]}).encode(),
        {"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


async def test_a_gateway_answers_under_the_old_name(litellm, carry, compiled, upstream, tmp_path):
    carry(
        litellm(
            f"""
            model_list:
              - model_name: vllm-models
                litellm_params:
                  model: openai/facebook/opt-125m
                  api_base: http://127.0.0.1:{upstream.server_port}/v1
                  api_key: key-of-vllm
            router_settings: {{model_group_alias: {{older: vllm-models}}}}
            """
        )
    )
    endpoints = tuple(compiled().values())
    key = api_keys.mint(PEPPER)
    grant = Grant(key.key_id, key.digest, "org_a", "proj_a")
    (tmp_path / "pepper").write_bytes(PEPPER)
    config = GatewayConfig(
        port=0,
        snapshot_path=tmp_path / "snapshot" / "current",
        journal_folder=tmp_path / "journal",
        pepper_path=tmp_path / "pepper",
    )
    file.write(config.snapshot_path, Snapshot(1, 1, (grant,), endpoints))
    async with running(config) as url:
        for name in ("vllm-models", "older", "meta/vllm-models"):
            answer = await asyncio.to_thread(ask, url, key.text, name)
            assert answer["choices"][0]["message"]["content"] == "Hello from the old host"
    asked = ("/v1/chat/completions", "Bearer key-of-vllm", "facebook/opt-125m")
    assert Upstream.seen == [asked] * 3
