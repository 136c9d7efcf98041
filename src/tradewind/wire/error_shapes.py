"""One error in the words of each dialect. Pure; the status goes into the body where the dialect
has it there.
"""

import msgspec

from tradewind.wire.errors import ApiError

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
        "error": {"code": error.code, "message": error.told},
    }
    if error.status == 422:
        members["detail"] = [{"loc": ["body", *([error.param] if error.param else [])]}]
    return _encode(members)


def messages(error: ApiError, request_id: str) -> bytes:
    """Anthropic Messages: `{"type": "error", "error": {type, message}, "request_id"}`."""
    kind = _MESSAGES_TYPES.get(error.status)
    if kind is None:
        kind = "invalid_request_error" if error.status < 500 else "api_error"
    return _encode(
        {
            "type": "error",
            "error": {"type": kind, "message": _message_of(error)},
            "request_id": request_id or None,
        }
    )


def _message_of(error: ApiError) -> str:
    # Coding agents shorten their conversation when they read these words, and only then.
    if error.code == "context_length_exceeded":
        return f"prompt is too long: {error.message}"
    return error.message


def gemini(error: ApiError, request_id: str) -> bytes:  # noqa: ARG001
    """Gemini: `{"error": {code, message, status}}`, with the HTTP status as the code."""
    status = _GEMINI_STATUSES.get(error.status)
    if status is None:
        status = "INVALID_ARGUMENT" if error.status < 500 else "INTERNAL"
    return _encode({"error": {"code": error.status, "message": error.message, "status": status}})
