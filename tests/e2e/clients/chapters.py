"""How a story is told: one line of JSON for each of its chapters.

A story is a program that uses one official client as anybody would, against the platform that the
variables below name. It judges nothing: the tests beside it do. It runs in the client's own
environment (scripts/client_environments.py), where nothing of Tradewind is installed.

The certificate authority of the platform comes as each client's own variable: `SSL_CERT_FILE`,
`REQUESTS_CA_BUNDLE` or `NODE_EXTRA_CA_CERTS`.
"""

import asyncio
import inspect
import json
import os
import time
import traceback
from collections.abc import Callable
from typing import Any

URL = os.environ["TRADEWIND_URL"]
"""Where the platform is, without a path: `https://127.0.0.1:8080`."""
KEY = os.environ["TRADEWIND_KEY"]
WRONG_KEY = KEY[:-1] + ("y" if KEY.endswith("x") else "x")
LIMITED_KEY = os.environ["TRADEWIND_LIMITED_KEY"]
"""A key of a few requests a minute, which nobody else uses."""
MOST_CALLS_OF_A_MINUTE = int(os.environ["TRADEWIND_LIMITED_KEY_REQUESTS"])
MODEL = os.environ["TRADEWIND_MODEL"]
EMBEDDINGS_MODEL = os.environ["TRADEWIND_EMBEDDINGS_MODEL"]

TIMEOUT_S = 120
TOO_LONG = "hello world " * 12_000
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
"""A whole picture, as PNG in base64."""

_chapters: list[Callable[[], Any]] = []


def before(text: str) -> tuple[str, str]:
    """Return a word of an answer to stop at, and what is left of the answer then."""
    word = text.split()[3]
    return word, text[: text.index(word)].rstrip()


def chapter(tells: Callable[[], Any]) -> Callable[[], Any]:
    """Add a function to the story. It returns what it saw; it may be asynchronous."""
    _chapters.append(tells)
    return tells


def tell() -> None:
    """Tell all chapters in order. One that breaks off says why, and the next one begins."""
    with asyncio.Runner() as runner:
        for tells in _chapters:
            began = time.monotonic()
            try:
                saw = tells()
                if inspect.iscoroutine(saw):
                    saw = runner.run(saw)
                line = {"saw": saw}
            except Exception:  # noqa: BLE001 - the tests hear of it
                line = {"broke_off": traceback.format_exc()}
            took_s = round(time.monotonic() - began, 2)
            print(json.dumps({"chapter": tells.__name__, "took_s": took_s, **line}), flush=True)
