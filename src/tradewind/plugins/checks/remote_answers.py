"""What the translations to services and safety models share. Pure."""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from tradewind.plugins.checks.base import CheckFailed

_LARGEST_ANSWER = 4 * 1024 * 1024
_LONGEST_CODE = 64


def read_answer(service: str, status: int, body: bytes) -> Any:
    """Return the JSON of an answer that is right. Raises CheckFailed naming the status and the
    service's own error code, which is a word; its message may quote the text and is left out.
    """
    if len(body) > _LARGEST_ANSWER:
        raise CheckFailed(f"{service} answered with too much")
    try:
        answer: Any = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise CheckFailed(f"{service} answered {status} without JSON") from error
    if status != 200:
        raise CheckFailed(f"{service} answered {status}{_code(answer)}")
    return answer


def _code(answer: Any) -> str:
    error = member(answer, "error")
    code = member(error, "code") or member(error, "type")
    if (
        not isinstance(code, str)
        or not code.replace("_", "").isalnum()
        or len(code) > _LONGEST_CODE
    ):
        return ""
    return f" ({code})"


def member(value: Any, name: str) -> Any:
    """Return a member of a JSON object; None where it is none or has none."""
    if not isinstance(value, Mapping):
        return None
    return cast("Mapping[str, Any]", value).get(name)


def items(value: Any, name: str) -> list[Any] | None:
    found = member(value, name)
    return cast("list[Any]", found) if isinstance(found, list) else None


def number(value: Any, low: float, high: float) -> float | None:
    """Return a JSON number between two bounds; None for everything else, NaN included."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        return None
    return float(value)
