"""What holds for every answer of the portal: security headers, a request id, a bound on bodies.

Plain ASGI around the whole application, so that it also covers the page for a crash.
"""

import re
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tradewind.core.ids import request_id, uuid7_bytes
from tradewind.features.artifacts.schemas import PART_BYTES
from tradewind.features.payments.rules.camt import FILE_MAX_BYTES
from tradewind.features.reconciliation.statements import MOST_BYTES
from tradewind.portal.example_files import MOST_BYTES as EXAMPLES_MAX_BYTES
from tradewind.portal.term_file import MOST_BYTES as TERMS_MAX_BYTES

LARGEST_BODY_BYTES = 64 * 1024
_FILES = {
    "/bank/statements": FILE_MAX_BYTES,
    "/reconciliation/statements": MOST_BYTES,
    "/safety/categories": 2 * EXAMPLES_MAX_BYTES,
}
"""How long a file may be that a form sends to these."""
_TERMS = re.compile(r"/safety/(blocklists|corpora)/[a-z0-9_]{1,100}/file")
"""What a form sends a file of text to."""
LARGEST_PART_BYTES = PART_BYTES
"""Of a part of an upload, which goes to disk as it comes."""

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`: with it browsers send `Origin: null` on our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_PART = re.compile(r"/publish/uploads/[a-z0-9_]{1,100}/parts/[0-9]{1,5}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Edge:
    """Wraps the portal's application. Leaves the request id in `request.state.request_id`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The control plane around us may have settled the id already.
        state: dict[str, Any] = scope.setdefault("state", {})
        identifier: str = state.setdefault("request_id", _identifier(Headers(scope=scope)))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers["x-request-id"] = identifier
                # Pages show keys, money and names; only assets say otherwise.
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, _bounded(receive, _most_bytes(scope)), send_with_headers)


def _identifier(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else request_id(uuid7_bytes())


def _most_bytes(scope: Scope) -> int:
    is_part = scope["method"] == "PUT" and _PART.fullmatch(scope["path"]) is not None
    if is_part:
        return LARGEST_PART_BYTES
    if scope["method"] != "POST":
        return LARGEST_BODY_BYTES
    # The form around a file is no longer than any other.
    file = TERMS_MAX_BYTES if _TERMS.fullmatch(scope["path"]) else _FILES.get(scope["path"], 0)
    return LARGEST_BODY_BYTES + file


def _bounded(receive: Receive, most: int) -> Receive:
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise HTTPException(413, f"the form is larger than {most // 1024} KiB")
        return message

    return receive_bounded
