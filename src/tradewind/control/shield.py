"""What holds for every answer of the control plane: security headers, a request id, a bound on
bodies. Plain ASGI, so that it also covers answers to requests that no route takes.
"""

import re
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tradewind.core.ids import request_id, uuid7_bytes

MAX_BODY_BYTES = 1024 * 1024
MAX_PART_BYTES = 16 * 1024 * 1024
"""Of a part of an upload, which goes to disk as it comes."""

# Defaults: what is mounted on this application, the portal above all, sets its own where pages
# need more. An answer that forgot to is shut tight.
_DEFAULT_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_PART = re.compile(r"/(?:api|publish)/uploads/[a-z0-9_]{1,100}/parts/[0-9]{1,5}")
_REQUEST_ID = re.compile(r"req_[0-9a-f]{32}")


class Shield:
    """Wraps an application. Leaves the request id in `request.state.request_id`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The gateway in front gives each request its id; anything that is not one is not repeated.
        given = Headers(scope=scope).get("x-request-id", "")
        identifier = given if _REQUEST_ID.fullmatch(given) else request_id(uuid7_bytes())
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = identifier

        async def send_shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _DEFAULT_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("x-request-id", identifier)
            await send(message)

        await self._app(scope, _bounded(receive, _most_bytes(scope)), send_shielded)


def _most_bytes(scope: Scope) -> int:
    is_part = scope["method"] == "PUT" and _PART.fullmatch(scope["path"]) is not None
    return MAX_PART_BYTES if is_part else MAX_BODY_BYTES


def _bounded(receive: Receive, most: int) -> Receive:
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            # Raised where the body is read, so the application's own handler writes the answer.
            raise HTTPException(413, f"the body is larger than {most} bytes")
        return message

    return receive_bounded
