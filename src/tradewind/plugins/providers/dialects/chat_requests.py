"""Reads chat requests in the common form (OpenAI v1) for dialects they are translated to.

A member that the other dialect has no place for is refused by its name. What says only who asks,
how it is paid or how the answer is kept is left out: it changes no answer.
"""

from typing import Any, cast

import msgspec
from msgspec import Raw

from tradewind.wire.chat import Fields
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError

HARMLESS = frozenset(
    {
        "metadata",
        "model",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "stream",
        "stream_options",
        "user",
        "verbosity",
    }
)
"""Members that may be left out."""
# What says nothing when it has this value.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "audio": (None,),
    "frequency_penalty": (None, 0),
    "function_call": (None,),
    "functions": (None, []),
    "logit_bias": (None, {}),
    "logprobs": (None, False),
    "modalities": (None, ["text"]),
    "n": (None, 1),
    "parallel_tool_calls": (None, True),
    "presence_penalty": (None, 0),
    "top_logprobs": (None, 0),
    "web_search_options": (None,),
}


def values_of(fields: Fields, *, keeps: frozenset[str]) -> dict[str, Any]:
    """Return the decoded members that a dialect knows (`keeps`), without those that are null.

    Raises ApiError 400 for any other that says something.
    """
    found: dict[str, Any] = {}
    for name, raw in fields.items():
        if name in keeps:
            value = decoded(name, raw)
            if value is not None:
                found[name] = value
        elif name in _NEUTRAL:
            if decoded(name, raw) not in _NEUTRAL[name]:
                raise no_place_for(name)
        elif name not in HARMLESS and bytes(raw) != b"null":
            raise no_place_for(name)
    return found


def decoded(name: str, raw: Raw) -> Any:
    """Raises ApiError 400 for nesting deeper than the stack, or numbers nobody can read."""
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        raise invalid(name, "it cannot be read") from None


def texts_of(content: Any, where: str) -> str:
    """Return content that must be text, in one piece. Raises ApiError 400."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for part in parts_of(content, where):
        if part.get("type") not in ("text", "refusal"):
            raise unsupported_part(part, where)
        texts.append(text_in(part, str(part["type"]), where))
    return "".join(texts)


def parts_of(content: Any, where: str) -> list[dict[str, Any]]:
    """Return content that is a list of parts. Raises ApiError 400."""
    if not isinstance(content, list):
        raise invalid(where, "it is neither a text nor a list of parts")
    parts = cast("list[Any]", content)
    if not all(isinstance(part, dict) for part in parts):
        raise invalid(where, "a part is not an object")
    return cast("list[dict[str, Any]]", parts)


def text_in(part: dict[str, Any], name: str, where: str) -> str:
    text = part.get(name)
    if not isinstance(text, str):
        raise invalid(where, f"`{name}` is not a text")
    return text


def object_in(part: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    found = part.get(name)
    if not isinstance(found, dict):
        raise invalid(where, f"`{name}` is not an object")
    return cast("dict[str, Any]", found)


def objects_in(values: Any, where: str) -> list[dict[str, Any]]:
    """Return a list of objects; none for null. Raises ApiError 400."""
    if values is None:
        return []
    if not isinstance(values, list):
        raise invalid(where, "it is not a list")
    found = cast("list[Any]", values)
    if not all(isinstance(value, dict) for value in found):
        raise invalid(where, "an entry is not an object")
    return cast("list[dict[str, Any]]", found)


def stops_of(stop: Any) -> list[str]:
    """Return `stop` as a list. Raises ApiError 400."""
    stops: list[Any] = cast("list[Any]", stop) if isinstance(stop, list) else [stop]
    if not all(isinstance(text, str) for text in stops):
        raise invalid("stop", "it is neither a text nor a list of texts")
    return cast("list[str]", stops)


def limit_of(values: dict[str, Any]) -> int | None:
    """Return the most tokens to write, by either name of the field."""
    return values.get("max_completion_tokens") or values.get("max_tokens")


def invalid(where: str, reason: str) -> ApiError:
    return ApiError(400, f"Invalid '{where}': {reason}.", param=where, code="invalid_value")


def no_place_for(name: str) -> ApiError:
    return ApiError(
        400,
        f"This model's provider has no `{name[:64]}`. Leave it out, or use another model.",
        param=name[:64],
        code="unsupported_parameter",
    )


def unsupported_part(part: dict[str, Any], where: str) -> ApiError:
    return ApiError(
        400,
        f"This model's provider does not read parts of type {str(part.get('type'))[:64]!r}.",
        param=where,
        code="unsupported_content",
    )
