"""A running platform that speaks TLS, and the stories that clients tell about it."""

import json
import os
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from tests.e2e.clients.key_desk import KeyDesk
from tests.e2e.clients.local_authority import certify
from tests.e2e.conftest import CHAT_MODEL, EMBEDDINGS_MODEL
from tests.e2e.management_keys import make_key
from tests.e2e.running_platform import RunningPlatform

STORIES = Path(__file__).parent
REQUESTS_A_MINUTE = 20
"""Of the key that is to be used up: few enough to be used up quickly, and the wait is 3 s."""
_STORY_TIMEOUT_S = 400
_PATIENCE_S = 180
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")


class Story:
    """What a client told, chapter by chapter."""

    def __init__(self, told: str, stderr: str) -> None:
        self._chapters = {line["chapter"]: line for line in map(json.loads, told.splitlines())}
        self._stderr = stderr

    def __getitem__(self, chapter: str) -> Any:
        """Return what was seen in a chapter; a test that asks for one that broke off fails."""
        line = self._chapters.get(chapter)
        if line is None:
            pytest.fail(f"the story ended before {chapter!r}:\n{self._stderr}", pytrace=False)
        if "broke_off" in line:
            pytest.fail(f"{chapter!r} broke off:\n{line['broke_off']}", pytrace=False)
        return line["saw"]


class TlsPlatform:
    """Its certificate is of an authority that nobody else knows."""

    def __init__(self, running: RunningPlatform, authority: Path, desk: KeyDesk) -> None:
        self._running = running
        self._authority = str(authority)
        self._desk = desk

    def tell(self, program: Sequence[str | Path]) -> Story:
        """Have a story told, with keys of its own. It gets nothing else of this process."""
        story = Path(program[-1]).stem
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {
            "TRADEWIND_URL": self._running.base_url.removesuffix("/v1"),
            "TRADEWIND_KEY": self._desk.make(story),
            "TRADEWIND_LIMITED_KEY": self._desk.make(
                f"{story} in a hurry", requests_per_minute=REQUESTS_A_MINUTE
            ),
            "TRADEWIND_LIMITED_KEY_REQUESTS": str(REQUESTS_A_MINUTE),
            "TRADEWIND_MANAGEMENT_KEY": make_key(self._running),
            "TRADEWIND_MODEL": CHAT_MODEL,
            "TRADEWIND_EMBEDDINGS_MODEL": EMBEDDINGS_MODEL,
            "SSL_CERT_FILE": self._authority,
            "REQUESTS_CA_BUNDLE": self._authority,
            "NODE_EXTRA_CA_CERTS": self._authority,
        }
        with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as stderr:
            with subprocess.Popen(
                program, env=environment, stdin=subprocess.DEVNULL, stdout=told, stderr=stderr
            ) as process:
                try:
                    process.wait(_STORY_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()  # what it told until then counts
            told.seek(0)
            stderr.seek(0)
            return Story(told.read(), stderr.read())

    def await_outcome(self, request_id: str) -> str:
        """Return how a call ended, once it is in the books."""
        event_id = UUID(hex=request_id.removeprefix("req_"))
        deadline = time.monotonic() + _PATIENCE_S
        sql = "SELECT outcome FROM usage_event WHERE event_id = %s"
        while not (rows := self._running.query(sql, event_id)):
            assert time.monotonic() < deadline, f"{request_id} never reached the books"
            time.sleep(0.05)
        return rows[0][0]


@contextmanager
def running_tls_platform(root: Path) -> Iterator[TlsPlatform]:
    """Start a platform below a folder; all its models are ready."""
    files = certify(root)
    running = RunningPlatform(
        root / "data",
        environment={
            "TRADEWIND_TLS_CERTIFICATE": str(files.certificate),
            "TRADEWIND_TLS_KEY": str(files.key),
        },
    )
    try:
        with httpx2.Client(
            base_url=running.base_url.removesuffix("/v1"),
            verify=ssl.create_default_context(cafile=files.authority),
            trust_env=False,
            timeout=_PATIENCE_S,
        ) as gateway:
            _await_embeddings(gateway, running.api_key)
            desk = KeyDesk(running.data, gateway)
            try:
                yield TlsPlatform(running, files.authority, desk)
            finally:
                desk.close()
    finally:
        status = running.stop()
    assert status == 0


def _await_embeddings(gateway: httpx2.Client, key: str) -> None:
    """The embedding model is converted at the first start, beside the chat model that serves."""
    deadline = time.monotonic() + _PATIENCE_S
    while (
        status := gateway.post(
            "/v1/embeddings",
            json={"model": EMBEDDINGS_MODEL, "input": "ready?"},
            headers={"authorization": f"Bearer {key}"},
        ).status_code
    ) != 200:
        assert status == 503, status
        assert time.monotonic() < deadline, "the embedding model never became ready"
        time.sleep(0.2)
