"""Limits of what people write about what they sell."""

from tradewind.core.errors import InvalidInput

NAME_MAX = 100
TEXT_MAX = 20_000


def check_text(name: str, text: str, most: int, *, least: int = 1) -> None:
    """Raises InvalidInput."""
    if not least <= len(text) <= most or "\x00" in text:
        raise InvalidInput(f"{name} has {least} to {most} characters")
