"""Texts out of contents that were kept, whatever dialect they were in. Pure.

Gateways read each dialect exactly while a call runs. Here is only what is worth looking at again of
a redacted document, so one walk serves all: which names hold text, and what says that it was
brought along and not written by the caller.
"""

from collections.abc import Iterator
from typing import Any

from tradewind.plugins.checks.base import Content
from tradewind.snapshot.safety import Direction

_TEXTS = frozenset(
    {
        "arguments",
        "choices",
        "candidates",
        "content",
        "contents",
        "delta",
        "documents",
        "function",
        "input",
        "instructions",
        "message",
        "messages",
        "output",
        "parts",
        "prompt",
        "query",
        "reasoning_content",
        "summary",
        "system",
        "system_instruction",
        "systemInstruction",
        "text",
        "tool_calls",
    }
)
"""Names of members that hold texts, or what holds texts."""
_BROUGHT = frozenset({"tool", "function", "tool_result", "function_call_output", "document"})
_DEEPEST = 24
_MOST_TEXTS = 100
_LONGEST = 50_000


def prompt_texts(document: Any) -> list[Content]:
    """Return the texts of a request: what the caller wrote, and what it brought along."""
    return _bounded(_walk(document, Direction.PROMPT, 0))


def answer_texts(document: Any) -> list[Content]:
    """Return the texts of an answer."""
    return _bounded(_walk(document, Direction.COMPLETION, 0))


def _bounded(texts: Iterator[Content]) -> list[Content]:
    found: list[Content] = []
    for each in texts:
        if len(found) == _MOST_TEXTS:
            break
        if each.text.strip():
            found.append(Content(each.text[:_LONGEST], each.direction))
    return found


def _walk(value: Any, direction: Direction, depth: int) -> Iterator[Content]:
    if depth > _DEEPEST:
        return
    match value:
        case str():
            yield Content(value, direction)
        case list():
            items: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
            for item in items:
                if not isinstance(item, int | float):
                    yield from _walk(item, direction, depth + 1)
        case dict():
            members: dict[str, Any] = dict(value)  # pyright: ignore[reportUnknownArgumentType]
            is_brought = members.get("role") in _BROUGHT or members.get("type") in _BROUGHT
            if is_brought and direction is Direction.PROMPT:
                direction = Direction.DOCUMENT
            for name, member in members.items():
                if name in _TEXTS:
                    is_document = name == "documents" and direction is Direction.PROMPT
                    inner = Direction.DOCUMENT if is_document else direction
                    yield from _walk(member, inner, depth + 1)
        case _:
            pass
