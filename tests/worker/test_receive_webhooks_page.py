"""The receiver that the how-to page shows is run, and gets what the platform sends."""

import asyncio
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tradewind.core.checked_hosts import LoopConnector
from tradewind.db.sealing import Secret
from tradewind.features.webhooks.rules import parse_url
from tradewind.features.webhooks.schemas import EventKind, Outcome
from tradewind.features.webhooks.signature import headers_of, write_secret
from tradewind.worker.webhook_post import Poster, SystemResolver

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "receive-webhooks.md").read_text()
SECRET = write_secret(bytes(range(32)))
OTHER = write_secret(b"o" * 32)
LONG_S = 60.0


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
async def port():
    """The port of the page's receiver, which runs in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", block("python")],
        env=os.environ | {"WEBHOOK_SECRET": SECRET.reveal(), "PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(LONG_S):
            while await post(port, b"", {}) == Outcome(None, "the host refuses connections"):
                assert process.poll() is None
                await asyncio.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


async def post(port: int, body: bytes, headers: dict[str, str]) -> Outcome:
    url = parse_url(f"http://127.0.0.1:{port}/", is_private_network=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    poster = Poster(SystemResolver(), LoopConnector(), context, timeout_s=LONG_S)
    return await poster.post(url, headers, body, must_be_public=False)


def signed(body: bytes, *secrets: Secret, age_s: int = 0) -> dict[str, str]:
    return headers_of("msg_1", int(time.time()) - age_s, body, secrets)


async def test_the_pages_receiver_takes_what_is_ours_and_nothing_else(port):
    body = block("json").encode()
    assert await post(port, body, signed(body, SECRET)) == Outcome(204)
    assert await post(port, body, signed(body, OTHER, SECRET)) == Outcome(204), "in the overlap"
    assert (await post(port, body, signed(body, OTHER))).status == 401
    assert (await post(port, body + b" ", signed(body, SECRET))).status == 401
    assert (await post(port, body, signed(body, SECRET, age_s=600))).status == 401


def test_the_page_names_every_kind_of_event():
    kinds = set(re.findall(r"^\| `([a-z_.]+)` \|", PAGE, re.MULTILINE))
    assert kinds == {kind.value for kind in EventKind} | {"webhook.test"}


def test_the_event_that_the_page_shows_has_the_members_of_a_real_one():
    shown = json.loads(block("json"))
    assert set(shown) == {"type", "timestamp", "data"}
    assert shown["type"] in {kind.value for kind in EventKind}


def test_the_pages_receiver_is_short():
    assert len(block("python").splitlines()) <= 25
