"""Errors as OpenAI's clients expect them: `{"error": {message, type, param, code}}`.

The official clients read `retry-after-ms` before `retry-after` and obey `x-should-retry`
(openai-python, `_base_client.py`).
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode

_TOO_LONG = "The prompt is too long: it exceeds the context window of the model."
INVALID_REQUEST = "invalid_request_error"


class ApiError(Exception):
    """A refusal or failure in the words of the caller's API. Never holds a prompt or a
    credential.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = INVALID_REQUEST,  # noqa: A002  the field's name on the wire
        param: str | None = None,
        code: str | None = None,
        headers: bytes = b"",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.headers = headers
        """Extra response header lines, each ended by CRLF."""
        self.details = details
        """More members of the error object where a vendor documents them: `innererror`."""

    @property
    def told(self) -> str:
        """What it says to clients of OpenAI's dialects.

        LangChain shortens a conversation when it reads one of these phrases in the message, and
        reads no code (langchain-openai, `_handle_openai_bad_request`, `_handle_openai_api_error`).
        """
        if self.code != "context_length_exceeded" or _TOO_LONG in self.message:
            return self.message
        return f"{self.message} {_TOO_LONG}"

    def body(self) -> bytes:
        """Return the JSON body of the answer."""
        return _encode(
            {
                "error": {
                    "message": self.told,
                    "type": self.type,
                    "param": self.param,
                    "code": self.code,
                    **(self.details or {}),
                }
            }
        )


def retry_after(seconds: float) -> bytes:
    """Return the header lines that tell a client when to come back; never too early, never 0."""
    milliseconds = max(1, math.ceil(seconds * 1000))
    return b"retry-after-ms: %d\r\nretry-after: %d\r\n" % (milliseconds, -(-milliseconds // 1000))


def model_not_found(
    name: str, advice: str = "GET /v1/models lists what this key may use."
) -> ApiError:
    return ApiError(
        404,
        f"The model {name[:200]!r} does not exist or this key may not use it. {advice}",
        param="model",
        code="model_not_found",
    )


def model_retired(name: str, replacement: str) -> ApiError:
    advice = (
        f"Use '{replacement}' instead."
        if replacement
        else "GET /v1/models lists what this key may use."
    )
    return ApiError(
        410, f"The model '{name}' is retired. {advice}", param="model", code="model_retired"
    )


def invalid_key(message: str) -> ApiError:
    return ApiError(401, message, code="invalid_api_key")


def unavailable(message: str, *, code: str, retry_s: float = 1.0) -> ApiError:
    return ApiError(503, message, type="server_error", code=code, headers=retry_after(retry_s))
