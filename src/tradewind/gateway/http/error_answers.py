"""Refusals the transport itself answers, in the OpenAI error shape."""

import json

JSON_HEADERS = b"content-type: application/json\r\n"


class RequestRefused(Exception):
    """The request cannot be taken. `message` names what was wrong, never what was sent."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def error_body(status: int, code: str, message: str) -> bytes:
    """Return the JSON body for a refusal (4xx) or a failure (5xx)."""
    is_our_fault = status >= 500 and status not in (501, 505)
    error = {
        "message": message,
        "type": "server_error" if is_our_fault else "invalid_request_error",
        "param": None,
        "code": code,
    }
    return json.dumps({"error": error}, separators=(",", ":")).encode()
