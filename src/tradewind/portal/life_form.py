"""The form that announces the end of a model: what was typed, and the days that it says. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from tradewind.core.errors import InvalidInput
from tradewind.features.catalog.lives import USED_WITHIN
from tradewind.features.catalog.rules.lifecycle import (
    LEAST_DEPRECATED,
    LEAST_GA,
    LEAST_LEGACY,
    LEAST_NOTICE_OF_PREVIEW,
    Life,
    Lifecycle,
    Schedule,
)
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LifeForm:
    deprecates_on: str = ""
    retires_on: str = ""
    replacement: str = ""


class Ending(NamedTuple):
    """The end of a model as somebody wants to tell it."""

    deprecates_on: date
    retires_on: date | None
    """None is the earliest."""
    replacement: str | None
    """None leaves it as it is."""


@dataclass(frozen=True, slots=True)
class LifeCard:
    """What a publisher sees of a model's life, and may do about it."""

    life: Life
    schedule: Schedule
    now: datetime
    form: LifeForm = field(default_factory=LifeForm)
    errors: FieldErrors = field(default_factory=FieldErrors)

    @property
    def may_become_ga(self) -> bool:
        return self.life.state is Lifecycle.PREVIEW and not self.life.is_announced

    @property
    def may_become_legacy(self) -> bool:
        return self.life.state is Lifecycle.GA

    @property
    def may_be_announced(self) -> bool:
        return self.life.state in {Lifecycle.PREVIEW, Lifecycle.LEGACY}

    @property
    def earliest_day(self) -> date:
        """The first day for which its deprecation can be announced."""
        tomorrow = self.now.astimezone(UTC).date() + _ONE_DAY
        return max(tomorrow, self.schedule.deprecated_on or tomorrow)

    @property
    def least_times(self) -> str:
        """What who builds on the model was promised, in words."""
        if self.life.ga_since is None:
            return (
                f"A preview goes on answering for at least {LEAST_NOTICE_OF_PREVIEW.days} days"
                " after it is deprecated."
            )
        return (
            f"It stays legacy for at least {LEAST_LEGACY.days} days, goes on answering for at least"
            f" {LEAST_DEPRECATED.days} days after it is deprecated, and for at least"
            f" {LEAST_GA.days} days since it became generally available."
        )

    @property
    def least_ga_days(self) -> int:
        """How long a model answers after it became generally available, at the least."""
        return LEAST_GA.days

    @property
    def told_days(self) -> int:
        """Who called it within so many days is told."""
        return USED_WITHIN.days


def read(fields: FormFields) -> LifeForm:
    """Return what was typed."""
    return LifeForm(
        fields.text("deprecates_on").strip()[:10],
        fields.text("retires_on").strip()[:10],
        fields.text("replacement").strip()[:200],
    )


def ending_of(form: LifeForm, errors: FieldErrors) -> Ending | None:
    """Return the end that a form says, or None with its errors told."""
    deprecates_on = retires_on = None
    with errors.at("deprecates_on"):
        deprecates_on = _day(form.deprecates_on)
        if deprecates_on is None:
            raise InvalidInput("the day is missing", hint="say when it becomes deprecated")
    with errors.at("retires_on"):
        retires_on = _day(form.retires_on)
    if errors or deprecates_on is None:
        return None
    return Ending(deprecates_on, retires_on, form.replacement or None)


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput("this is no day", hint="write it like 2030-01-31") from error
