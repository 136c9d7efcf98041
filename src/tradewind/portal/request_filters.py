"""Which calls the list of requests shows: as an address says it, and as the log is asked. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from fastapi import Query

from tradewind.core.errors import InvalidInput
from tradewind.readmodels.requests import (
    MOST_SEARCH_TEXT,
    RequestPlace,
    RequestQuestion,
    RequestState,
)

E = TypeVar("E", bound=StrEnum)

LIST_PATH = "/requests"
LIVE_PATH = "/requests/live"


class Since(StrEnum):
    """How far back the list goes."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


SPANS = {
    Since.HOUR: timedelta(hours=1),
    Since.DAY: timedelta(days=1),
    Since.WEEK: timedelta(days=7),
    Since.MONTH: timedelta(days=30),
}
STATE_LABELS = {
    RequestState.ANSWERED: "Answered",
    RequestState.FAILED: "Failed",
    RequestState.CANCELLED: "Cancelled",
    RequestState.REFUSED: "Refused",
}
SINCE_LABELS = {
    Since.HOUR: "1 h",
    Since.DAY: "24 h",
    Since.WEEK: "7 days",
    Since.MONTH: "30 days",
}
_STATUS = re.compile(r"[1-5][0-9][0-9]")
# PostgreSQL keeps no NUL in a text, so nothing can be equal to one that has it.
_Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


class Chip(NamedTuple):
    """One condition that holds, and the address of the list without it."""

    label: str
    value: str
    href: str


@dataclass(frozen=True, slots=True)
class RequestFilters:
    """All conditions hold; an empty one asks for nothing. The fields are the address's names."""

    q: str = ""
    """A part of the requested model, the user agent, a tag's value or the trace."""
    state: RequestState | None = None
    since: Since = Since.DAY
    project: str = ""
    key: str = ""
    model: str = ""
    host: str = ""
    status: int | None = None
    error: str = ""

    @property
    def in_address(self) -> dict[str, str]:
        """The conditions as an address has them; what is not asked for stays out of it."""
        return {
            field.name: str(value)
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    @property
    def is_narrow(self) -> bool:
        """There is a condition besides the time."""
        return bool(self.in_address.keys() - {"since"})

    @property
    def has_details(self) -> bool:
        """There is a condition that the form keeps folded away."""
        return bool(self.in_address.keys() - {"since", "q", "state"})

    def href(self, path: str = LIST_PATH, **more: str) -> str:
        query = urlencode(self.in_address | more)
        return f"{path}?{query}" if query else path

    def chips(self, key_names: dict[str, str]) -> Iterator[Chip]:
        """Yield every condition but the time, which the form always shows."""
        shown = self.in_address | {"key": key_names.get(self.key, self.key)}
        for name, label in _CHIP_LABELS.items():
            if name in self.in_address:
                value = shown[name].capitalize() if name == "state" else shown[name]
                yield Chip(label, value, self.without(name).href())

    def without(self, name: str) -> "RequestFilters":
        changes: dict[str, Any] = {
            field.name: field.default for field in fields(self) if field.name == name
        }
        return replace(self, **changes)

    def question(
        self,
        organization_id: str,
        now: datetime,
        *,
        limit: int,
        longest: timedelta | None = None,
        older_than: RequestPlace | None = None,
    ) -> RequestQuestion:
        """Return what to ask the log; no further back than `longest`."""
        span = SPANS[self.since]
        return RequestQuestion(
            organization_id=organization_id,
            limit=limit,
            project_id=self.project or None,
            key_id=self.key or None,
            model=self.model or None,
            host=self.host or None,
            state=self.state,
            http_status=self.status,
            error_code=self.error or None,
            text=self.q,
            since=now - (span if longest is None else min(span, longest)),
            older_than=older_than,
        )


def read_filters(
    *,
    q: Annotated[str, Query(max_length=MOST_SEARCH_TEXT, pattern=r"^[^\x00]*$")] = "",
    state: _Text = "",
    since: _Text = "",
    project: _Text = "",
    key: _Text = "",
    model: _Text = "",
    host: _Text = "",
    status: _Text = "",
    error: _Text = "",
) -> RequestFilters:
    """Read an address. A form sends the fields that were left empty too; they ask for nothing.

    Raises InvalidInput and names the field.
    """
    return RequestFilters(
        q=q.strip(),
        state=_one_of(RequestState, state, "state"),
        since=_one_of(Since, since, "since") or Since.DAY,
        project=project.strip(),
        key=key.strip(),
        model=model.strip(),
        host=host.strip(),
        status=_status(status.strip()),
        error=error.strip(),
    )


_CHIP_LABELS = {
    "q": "Text",
    "state": "State",
    "key": "Key",
    "model": "Model",
    "host": "Host",
    "status": "Status",
    "error": "Error code",
    "project": "Project",
}


def _one_of(choices: type[E], text: str, what: str) -> E | None:
    if not text:
        return None
    if text not in list(choices):
        raise InvalidInput(
            f"there is no {what} {text!r}", hint=f"choose one of {', '.join(choices)}"
        )
    return choices(text)


def _status(text: str) -> int | None:
    if not text:
        return None
    if not _STATUS.fullmatch(text):
        raise InvalidInput(f"{text[:20]!r} is not an HTTP status", hint="write a number from 100")
    return int(text)
