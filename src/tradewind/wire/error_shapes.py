"""One error in the words of each dialect. Pure; the status goes into the body where the dialect
has it there.
"""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from tradewind.wire.errors import ApiError
from tradewind.wire.safety_ratings import block_reason, safety_ratings

_encode = msgspec.json.Encoder().encode

# platform.claude.com, API reference, "Errors".
_MESSAGES_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
    503: "overloaded_error",
}
# google.aip.dev/193 and google/rpc/code.proto.
_GEMINI_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_AZURE_CODES = {401: "401", 429: "429"}
# learn.microsoft.com, "Azure AI Content Safety error codes"; 401 is the API gateway's before it.
_CONTENT_SAFETY_CODES = {
    401: "401",
    403: "PermissionDenied",
    404: "ResourceNotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    413: "RequestEntityTooLarge",
    429: "TooManyRequests",
    501: "NotImplemented",
    503: "ServerBusy",
    504: "ServerBusy",
}


def openai(error: ApiError, request_id: str) -> bytes:  # noqa: ARG001  every shape is called alike
    """OpenAI v1: `{"error": {message, type, param, code}}`."""
    return error.body()


def azure_openai(error: ApiError, request_id: str) -> bytes:  # noqa: ARG001
    """Azure OpenAI: as v1, but codes of its own where clients look for them."""
    code = _AZURE_CODES.get(error.status, error.code)
    if error.code == "model_not_found":
        code = "DeploymentNotFound"
    return _encode(
        {
            "error": {
                "code": code,
                "message": error.told,
                "type": error.type,
                "param": error.param,
                "status": error.status,
                **(error.details or {}),
            }
        }
    )


def azure_inference(error: ApiError, request_id: str) -> bytes:  # noqa: ARG001
    """Azure AI Model Inference: the members lie at the top; 422 has a `detail` list."""
    members: dict[str, object] = {
        "status": error.status,
        "code": error.code,
        "message": error.told,
        "param": error.param,
        "type": error.type,
        # The official client reads `error` as all Azure clients do.
        "error": {"code": error.code, "message": error.told, **(error.details or {})},
        **(error.details or {}),
    }
    if error.status == 422:
        members["detail"] = [{"loc": ["body", *([error.param] if error.param else [])]}]
    return _encode(members)


def content_safety(error: ApiError, request_id: str) -> bytes:  # noqa: ARG001
    """Azure AI Content Safety: a code of theirs, and ours inside."""
    code = _CONTENT_SAFETY_CODES.get(error.status)
    if code is None:
        code = "InvalidRequestBody" if error.status < 500 else "InternalError"
    told: dict[str, object] = {"code": code, "message": error.message}
    if error.param is not None:
        told["target"] = error.param
    if error.code is not None:
        told["innererror"] = {"code": error.code}
    return _encode({"error": told})


def messages(error: ApiError, request_id: str) -> bytes:
    """Anthropic Messages: `{"type": "error", "error": {type, message}, "request_id"}`."""
    kind = _MESSAGES_TYPES.get(error.status)
    if kind is None:
        kind = "invalid_request_error" if error.status < 500 else "api_error"
    return _encode(
        {
            "type": "error",
            "error": {"type": kind, "message": _message_of(error), **_filtered(error)},
            "request_id": request_id or None,
        }
    )


def _message_of(error: ApiError) -> str:
    # Coding agents shorten their conversation when they read these words, and only then.
    if error.code == "context_length_exceeded":
        return f"prompt is too long: {error.message}"
    return error.message


def _filtered(error: ApiError) -> Mapping[str, object]:
    """Return what a filter found, which this dialect has no member for."""
    return {"code": error.code, **error.details} if error.details else {}


def gemini(error: ApiError, request_id: str) -> bytes:  # noqa: ARG001
    """Gemini: `{"error": {code, message, status}}`, with the HTTP status as the code.

    Of a prompt that was filtered `promptFeedback` tells why, as in an answer of the dialect, and
    `details` what was found ("ErrorInfo", google.aip.dev/193).
    """
    status = _GEMINI_STATUSES.get(error.status)
    if status is None:
        status = "INVALID_ARGUMENT" if error.status < 500 else "INTERNAL"
    told: dict[str, object] = {"code": error.status, "message": error.message, "status": status}
    if not error.details:
        return _encode({"error": told})
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": (error.code or "error").upper(),
        "domain": "tradewind",
    }
    told["details"] = [{**info, **error.details}]
    body: dict[str, object] = {"error": told}
    inner: object = error.details.get("innererror")
    if error.param == "prompt" and isinstance(inner, Mapping):
        results = cast("Mapping[str, Any]", inner).get("content_filter_result")
        if isinstance(results, Mapping):
            found = cast("Mapping[str, Any]", results)
            body["promptFeedback"] = {
                "blockReason": block_reason(found),
                "safetyRatings": safety_ratings(found),
            }
    return _encode(body)
