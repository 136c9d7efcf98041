"""A file of examples: one a line, or JSON Lines with a member `text`. Pure."""

import json
from typing import Any

from tradewind.core.errors import InvalidInput
from tradewind.features.safety.rules.limits import EXAMPLES_MAX

MOST_BYTES = 10 * 1024 * 1024


def read_examples(raw: bytes) -> tuple[str, ...]:
    """Return the examples in their order, each once. Raises InvalidInput that names the line."""
    if len(raw) > MOST_BYTES:
        raise InvalidInput(
            f"the file is longer than {MOST_BYTES // 1024**2} MiB", hint="leave some out"
        )
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InvalidInput("the file is no text in UTF-8", hint="save it as UTF-8") from None
    examples: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith("{"):
            text = _text_of(text, number)
        if text:
            examples[text] = None
        if len(examples) > EXAMPLES_MAX:
            raise InvalidInput(
                f"there are more than {EXAMPLES_MAX:,} examples", hint="leave some out"
            )
    return tuple(examples)


def _text_of(line: str, number: int) -> str:
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidInput(f"line {number} is no JSON", hint='write {"text": "…"}') from None
    text = found.get("text") if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if not isinstance(text, str):
        raise InvalidInput(f"line {number} has no `text`", hint='write {"text": "…"}')
    return text.strip()
