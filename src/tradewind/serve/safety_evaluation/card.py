"""The quality card: how it is written and read. What it is lies with the checks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from tradewind.core.errors import NotFound
from tradewind.plugins.checks.quality_card import (
    SHIPPED,
    Card,
    Checked,
    Measure,
    Origin,
    Part,
    find_card,
)

__all__ = ["SHIPPED", "Card", "Checked", "Measure", "Origin", "Part", "read_card", "write_card"]


def write_card(card: Card, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = msgspec.json.format(
        msgspec.json.encode(_rounded(msgspec.to_builtins(card))), indent=1
    )
    path.write_bytes(written + b"\n")


def read_card(path: Path = SHIPPED) -> Card:
    """Raises NotFound."""
    card = find_card(path)
    if card is None:
        raise NotFound(
            f"there is no quality card at {str(path)!r}", hint="run `tradewind safety evaluate`"
        )
    return card


def _rounded(value: Any) -> Any:
    """Return JSON with four digits: more would say more than was measured."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {key: _rounded(each) for key, each in members.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in cast("Sequence[Any]", value)]
    return value
