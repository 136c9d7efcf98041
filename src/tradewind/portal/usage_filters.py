"""Which usage a page shows: as its address says it, and as the sums are asked. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from fastapi import Query

from tradewind.core.errors import InvalidInput
from tradewind.portal.request_filters import RequestFilters, Since
from tradewind.readmodels.usage import Period, Step, Window, window_between, window_of
from tradewind.readmodels.usage_slices import NOBODY, Grouping, Measure, Scope

E = TypeVar("E", bound=StrEnum)

PAGE_PATH = "/usage"
# PostgreSQL keeps no NUL in a text, so nothing can be equal to one that has it.
_Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]
# The log of single calls goes back less far than the books.
_LOG_SPANS = (
    (timedelta(days=1), Since.DAY),
    (timedelta(days=7), Since.WEEK),
)
_DRILLED = {
    Grouping.MODEL: "model",
    Grouping.KEY: "key",
    Grouping.PROJECT: "project",
    Grouping.COST_CENTRE: "cost_centre",
    Grouping.REGION: "region",
    Grouping.TAG: "value",
}


class Choice(NamedTuple):
    """One value of a filter, as a link to the page with it."""

    label: str
    href: str
    is_current: bool


class Chip(NamedTuple):
    """One condition that holds, and the address of the page without it."""

    label: str
    value: str
    href: str


@dataclass(frozen=True, slots=True)
class UsageFilters:
    """All conditions hold; an empty one asks for nothing. The fields are the address's names, but
    `period`, `first` and `last`.
    """

    period: Period = Period.MONTH
    first: date | None = None
    """With `last`: whole days of UTC instead of a period that ends now."""
    last: date | None = None
    step: Step | None = None
    by: Grouping = Grouping.MODEL
    show: Measure = Measure.SPEND
    currency: str = ""
    model: str = ""
    key: str = ""
    project: str = ""
    cost_centre: str = ""
    region: str = ""
    tag: str = ""
    value: str = ""

    @property
    def is_custom(self) -> bool:
        return self.first is not None

    @property
    def in_address(self) -> dict[str, str]:
        """The conditions as an address has them; what is not asked for stays out of it."""
        return {
            _NAMES.get(field.name, field.name): str(value)
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    @property
    def is_narrow(self) -> bool:
        """It is about a part of the organization's usage."""
        return bool(self.in_address.keys() & _CHIP_LABELS.keys())

    def window(self, now: datetime) -> Window:
        """Raises InvalidInput."""
        if self.first is not None and self.last is not None:
            return window_between(self.first, self.last, self.step)
        return window_of(self.period, now, self.step)

    def scope(self, organization_id: str) -> Scope:
        return Scope(
            organization_id,
            model=self.model or None,
            key=self.key or None,
            project=self.project or None,
            cost_centre=self.cost_centre or None,
            region=self.region or None,
            tag=self.tag or None,
            value=self.value or None,
        )

    def href(self, path: str = PAGE_PATH) -> str:
        query = urlencode(self.in_address)
        return f"{path}?{query}" if query else path

    def to(self, label: str, **changes: Any) -> Choice:
        """Return the page with something changed, as a choice."""
        target = replace(self, **changes)
        return Choice(label, target.href(), target == self)

    def narrowed(self, group: str) -> "UsageFilters":
        """Return the same of one group alone."""
        changes: dict[str, Any] = {_DRILLED[self.by]: group}
        return replace(self, **changes)

    def chips(self, names: Mapping[str, str]) -> Iterator[Chip]:
        """Yield what the usage is narrowed to."""
        for name, label in _CHIP_LABELS.items():
            value = getattr(self, name)
            if value:
                title = f"{label} {self.tag}" if name == "value" else label
                without: dict[str, Any] = {name: ""}
                shown = "none" if value == NOBODY else names.get(value, value)
                yield Chip(title, shown, replace(self, **without).href())

    def requests_href(self, now: datetime, group: str) -> str | None:
        """Return the list of calls of one group with what of these conditions it knows; None where
        it could not tell the group's calls from others.
        """
        narrow = self.narrowed(group)
        if narrow.region or narrow.cost_centre or NOBODY in {narrow.value, narrow.key}:
            return None
        window = self.window(now)
        since = next((each for span, each in _LOG_SPANS if now - window.since <= span), Since.MONTH)
        return RequestFilters(
            q=narrow.value, since=since, project=narrow.project, key=narrow.key, model=narrow.model
        ).href()


def read_usage_filters(
    *,
    period: Annotated[str, Query(alias="range", max_length=10)] = "",
    first: Annotated[str, Query(alias="from", max_length=10)] = "",
    last: Annotated[str, Query(alias="to", max_length=10)] = "",
    step: Annotated[str, Query(max_length=10)] = "",
    by: Annotated[str, Query(max_length=20)] = "",
    show: Annotated[str, Query(max_length=20)] = "",
    currency: Annotated[str, Query(max_length=3)] = "",
    model: _Text = "",
    key: _Text = "",
    project: _Text = "",
    cost_centre: _Text = "",
    region: _Text = "",
    tag: _Text = "",
    value: _Text = "",
) -> UsageFilters:
    """Read an address. A form sends the fields that were left empty too; they ask for nothing.

    Raises InvalidInput and names the field.
    """
    days = (_day(first, "from"), _day(last, "to"))
    if (days[0] is None) != (days[1] is None):
        raise InvalidInput("a time has two ends", hint="say both `from` and `to`, or neither")
    if value and not tag:
        raise InvalidInput("a value is of a tag", hint="say which tag has this value")
    return UsageFilters(
        period=_one_of(Period, period, "range") or Period.MONTH,
        first=days[0],
        last=days[1],
        step=_one_of(Step, step, "step"),
        by=_one_of(Grouping, by, "by") or Grouping.MODEL,
        show=_one_of(Measure, show, "show") or Measure.SPEND,
        currency=currency,
        model=model.strip(),
        key=key.strip(),
        project=project.strip(),
        cost_centre=cost_centre.strip(),
        region=region.strip(),
        tag=tag.strip(),
        value=value.strip(),
    )


_NAMES = {"period": "range", "first": "from", "last": "to"}
_CHIP_LABELS = {
    "model": "Model",
    "key": "Key",
    "project": "Project",
    "cost_centre": "Cost centre",
    "region": "Region",
    "value": "Tag",
}


def _day(text: str, name: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"`{name}` is not a day", hint="write it like 2030-01-31") from None


def _one_of(choices: type[E], text: str, what: str) -> E | None:
    if not text:
        return None
    if text not in list(choices):
        raise InvalidInput(
            f"there is no {what} {text!r}", hint=f"choose one of {', '.join(choices)}"
        )
    return choices(text)
