"""From a vendor's error answer to the caller's error: whose fault it is, and what can be done.

A 400 of the upstream is the caller's; its 401, 402, 403 or 404 is our configuration, so a 502 that
tells nothing of it. Two things every vendor words in its own way get one code, because something
acts on them: a prompt that is too long (another model may have room), and content that was filtered
(the details are shown as the vendor told them).
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tradewind.plugins.providers.dialects.loose_json import (
    items_of,
    object_or_none,
    objects_of,
)
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError, retry_after

_MOST_MESSAGE = 2000
_MOST_DETAILS_BYTES = 8192
_BUSY = frozenset({429, 503, 529})
_NOT_THE_CALLERS_FAULT = frozenset({401, 402, 403, 404, 407})
_TOO_LONG = re.compile(
    # OpenAI, vLLM and most that imitate them: "This model's maximum context length is 8192 tokens."
    r"maximum context length|context[ _](?:length|window|size|limit)|max_model_len"
    # Bedrock: "Input is too long for requested model"; Anthropic: "prompt is too long: 210266
    # tokens > 200000 maximum".
    r"|(?:input|prompt) is too long|input length and `max_tokens` exceed"
    # Mistral: "Prompt contains 40000 tokens ... too large for model with 32768 maximum context";
    # "Too many tokens in batch. Max is 16384 got 17555".
    r"|tokens? .{0,60}too large for model|too many tokens"
    # Cohere: "total number of tokens (prompt and prediction) cannot exceed 2048".
    r"|number of tokens .{0,60}(?:cannot exceed|exceeds|must be less)"
    # Text Generation Inference: "`inputs` tokens + `max_new_tokens` must be <= 4096".
    r"|`inputs` (?:tokens|must have less)|exceeds? the (?:model's )?max(?:imum)? (?:number of )?"
    r"(?:input )?tokens|reduce the length of",
    re.IGNORECASE,
)
_FILTERED = frozenset(
    {"content_filter", "ResponsibleAIPolicyViolation", "content_policy_violation"}
)
_DETAILS = ("innererror", "inner_error", "content_filter_result", "content_filter_results")


class Told(NamedTuple):
    """What an error answer says, whichever members its vendor has for it."""

    message: str = ""
    param: str | None = None
    code: str | None = None
    number: int | None = None
    """An HTTP status that stands inside the body, as in events of a stream."""
    details: Mapping[str, Any] | None = None


def error_of(status: int, body: bytes) -> ApiError:
    """Return the caller's error for an upstream's error answer."""
    return caller_error(status, read(body))


def read(body: bytes) -> Told:
    """Return what a body says; nothing when it is none of the known shapes.

    OpenAI, Azure, Mistral's newer ones: `{"error": {message, param, code}}`. Cohere, Bedrock,
    Mistral, Azure AI Model Inference: the members at the top. FastAPI: `{"detail": …}`.
    """
    try:
        whole: Any = msgspec.json.decode(body)
    except UNREADABLE:
        return Told()
    top = object_or_none(whole)
    if top is None:
        return Told()
    inner = object_or_none(top.get("error"))
    if inner is not None:
        return _told_of(inner)
    if isinstance(top.get("error"), str) and "message" not in top:
        return Told(top["error"][:_MOST_MESSAGE])
    return _told_of(top)


def caller_error(status: int, told: Told) -> ApiError:
    """Return the caller's error for what was told with a status."""
    if status in _BUSY:
        return busy(429 if status == 429 else 503)
    if status == 408:
        return ApiError(
            504,
            "The model did not answer in time.",
            type="server_error",
            code="upstream_timeout",
        )
    if not 400 <= status < 500 or status in _NOT_THE_CALLERS_FAULT or status == 424:
        return ApiError(
            502,
            f"The model's server answered with status {status}.",
            type="server_error",
            code="upstream_error",
        )
    message = told.message or "The model refused the request."
    if told.code == "context_length_exceeded" or _TOO_LONG.search(told.message):
        return too_long(message)
    if told.code in _FILTERED or told.details is not None:
        return ApiError(
            400,
            message,
            param=told.param,
            code="content_filter",
            details=told.details,
        )
    return ApiError(status, message, param=told.param, code=told.code or "refused_by_model")


def busy(status: int = 503) -> ApiError:
    return ApiError(
        status,
        "The model is busy; try again shortly.",
        type="server_error",
        code="model_busy",
        headers=retry_after(1.0),
    )


def too_long(message: str) -> ApiError:
    return ApiError(400, message, param="messages", code="context_length_exceeded")


def broken_answer() -> ApiError:
    return ApiError(
        502,
        "The model's server sent an answer that cannot be read.",
        type="server_error",
        code="upstream_error",
    )


def failed_answer(told: Told) -> ApiError:
    """Return the error for an upstream that says inside an answer of status 200 that it failed."""
    number = told.number
    if number is not None and 400 <= number < 600:
        return caller_error(number, told)
    if told.code == "context_length_exceeded" or _TOO_LONG.search(told.message):
        return too_long(told.message or "The prompt is too long for this model.")
    if told.code in _FILTERED:
        return caller_error(400, told)
    return ApiError(
        502,
        "The model's server failed while it answered.",
        type="server_error",
        code="upstream_error",
    )


def _told_of(members: dict[str, Any]) -> Told:
    message = members.get("message")
    if message is None:
        message = members.get("detail") or members.get("title")
    param, code = members.get("param"), members.get("code")
    details = {
        name: found for name in _DETAILS if (found := object_or_none(members.get(name))) is not None
    }
    inner_code = next((found.get("code") for found in details.values()), None)
    if isinstance(inner_code, str) and inner_code in _FILTERED:
        code = inner_code
    elif not (isinstance(code, str) and code in _FILTERED):
        details = {}
    if details and len(msgspec.json.encode(details)) > _MOST_DETAILS_BYTES:
        details = {}
    return Told(
        _text_of(message),
        param if isinstance(param, str) else None,
        code if isinstance(code, str) and not code.isdigit() else None,
        _number_of(code if code is not None else members.get("status")),
        details or None,
    )


def _text_of(message: Any) -> str:
    """Return a message as one text: FastAPI and Mistral send a list of what was wrong where."""
    if isinstance(message, str):
        return message[:_MOST_MESSAGE]
    if (inner := object_or_none(message)) is not None:
        message = inner.get("detail")
    texts = [
        f"{'.'.join(map(str, items_of(entry.get('loc'))))}: {entry['msg']}"
        for entry in objects_of(message)
        if isinstance(entry.get("msg"), str)
    ]
    return "; ".join(texts)[:_MOST_MESSAGE]


def _number_of(code: Any) -> int | None:
    if isinstance(code, int) and not isinstance(code, bool):
        return code
    if isinstance(code, str) and code.isdigit() and len(code) == 3:
        return int(code)
    return None
