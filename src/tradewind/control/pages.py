"""One page of a list that is bounded anyway: pure."""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, NamedTuple, TypeVar

from fastapi import Query

from tradewind.core.errors import InvalidInput

MAX_PAGE = 500

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Most entries of one page.")]
After = Annotated[
    str | None, Query(max_length=200, description="The `next` of the page before this one.")
]
Before = Annotated[
    int | None, Query(ge=1, lt=2**63, description="The number of the last entry that was read.")
]

T = TypeVar("T")


class Page(NamedTuple, Generic[T]):
    entries: Sequence[T]
    next: str | None
    """Name of the last entry when there are more."""


def page_of(
    entries: Sequence[T], name: Callable[[T], str], *, limit: int, after: str | None
) -> Page[T]:
    """Return at most `limit` entries behind the one called `after`.

    Raises InvalidInput when no entry has that name: it went away, and the page cannot go on from
    where it was without leaving out or repeating entries.
    """
    start = 0
    if after is not None:
        start = 1 + next((i for i, entry in enumerate(entries) if name(entry) == after), -1)
        if start == 0:
            raise InvalidInput("`after` names nothing in this list", hint="start without it")
    page = entries[start : start + limit]
    return Page(page, name(page[-1]) if len(entries) > start + limit else None)
