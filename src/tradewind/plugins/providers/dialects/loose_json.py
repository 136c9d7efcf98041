"""JSON whose form nobody promised: what is of the kind one hopes for, else nothing."""

from typing import Any, cast


def object_or_none(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def items_of(value: Any) -> list[Any]:
    """Return a list's items; of anything else none."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def objects_of(value: Any) -> list[dict[str, Any]]:
    """Return the items of a list that are objects."""
    return [cast("dict[str, Any]", item) for item in items_of(value) if isinstance(item, dict)]
