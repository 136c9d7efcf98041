"""What organizations are told of models that end, and when. Pure."""

from datetime import date
from typing import Any, NamedTuple

DEPRECATION_ANNOUNCED = "model.deprecation_announced"
DEPRECATES_SOON = "model.deprecates_soon"
DEPRECATED = "model.deprecated"
RETIRES_SOON = "model.retires_soon"
RETIRED = "model.retired"

SOON_DAYS = (30, 7)
"""Days before a day that was told (of the deprecation, the last one) on which it is told again."""


class EndingModel(NamedTuple):
    name: str
    display_name: str
    retires_on: date
    replacement: str
    deprecates_on: date | None = None
    """Told as long as it is ahead."""


def soon_notice(day: date, today: date, told_days: int | None) -> int | None:
    """Return which notice of a day ahead is due: one of SOON_DAYS, or None.

    `told_days` is the last that went out. One that was missed, because nothing ran on its day, goes
    out late; of two that were missed only the later one.
    """
    left = (day - today).days
    due = told_already(day, today)
    if due is None or left < 0 or (told_days is not None and told_days <= due):
        return None
    return due


def told_already(day: date, today: date) -> int | None:
    """Return which of SOON_DAYS a notice that goes out today tells already of a day ahead."""
    left = (day - today).days
    return min((days for days in SOON_DAYS if left <= days), default=None)


def payload(model: EndingModel, **more: Any) -> dict[str, Any]:
    """Return what a receiver needs without asking back."""
    ahead: dict[str, Any] = {}
    if model.deprecates_on is not None:
        ahead["deprecates_on"] = model.deprecates_on.isoformat()
    return {
        "model": model.name,
        "name": model.display_name,
        **ahead,
        "retires_on": model.retires_on.isoformat(),
        "replacement": model.replacement or None,
        **more,
    }
