"""Decoding JSON of others: what msgspec raises for it, and the refusal a client reads."""

import msgspec

from tradewind.wire.errors import ApiError

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""All that decoding hostile JSON can raise: for texts that are not UTF-8 and nesting deeper than
the stack, errors of Python's own."""


def check_text(body: bytes) -> None:
    """Raises ApiError 400 for a body that is not UTF-8 (RFC 8259, section 8.1).

    Members that pass through undecoded are not looked into, and an engine that finds bad text in
    them fails in its own way.
    """
    if body.isascii():
        return
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise refuse(error) from None


def refuse(error: Exception) -> ApiError:
    """Return the 400 for a body that is no JSON or does not fit. No text in it is the caller's."""
    match error:
        case msgspec.ValidationError():
            return _refuse_value(str(error))
        case UnicodeDecodeError():
            reason = f"it is not UTF-8 at byte {error.start}"
        case RecursionError():
            reason = "it is nested too deeply"
        case _:
            reason = str(error)
    return ApiError(400, f"The request body is not valid JSON: {reason}.", code="invalid_json")


def _refuse_value(text: str) -> ApiError:
    reason, _, path = text.partition(" - at `$")
    param = path.strip("`").lstrip(".") or None
    if param is None and reason.startswith("Object missing required field"):
        param = reason.split("`")[1]
    where = f"Invalid {param!r}: " if param else "Invalid request body: "
    return ApiError(400, f"{where}{reason}.", param=param, code="invalid_value")
