"""What organizations are told of models that end, and when. Pure."""

from datetime import date
from typing import Any, NamedTuple

DEPRECATED = "model.deprecated"
RETIRES_SOON = "model.retires_soon"
RETIRED = "model.retired"

SOON_DAYS = (30, 7)
"""Days before the last one on which it is told again."""


class EndingModel(NamedTuple):
    name: str
    display_name: str
    retires_on: date
    replacement: str


def soon_notice(retires_on: date, today: date, told_days: int | None) -> int | None:
    """Return which notice is due: one of SOON_DAYS, or None.

    `told_days` is the last that went out. One that was missed, because nothing ran on its day, goes
    out late; of two that were missed only the later one.
    """
    left = (retires_on - today).days
    due = min((days for days in SOON_DAYS if left <= days), default=None)
    if due is None or left < 0 or (told_days is not None and told_days <= due):
        return None
    return due


def told_at_deprecation(retires_on: date, today: date) -> int | None:
    """Return which of SOON_DAYS the notice of deprecation itself already tells."""
    left = (retires_on - today).days
    return min((days for days in SOON_DAYS if left <= days), default=None)


def payload(model: EndingModel, **more: Any) -> dict[str, Any]:
    """Return what a receiver needs without asking back."""
    return {
        "model": model.name,
        "name": model.display_name,
        "retires_on": model.retires_on.isoformat(),
        "replacement": model.replacement or None,
        **more,
    }
