"""The form of a budget. Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from tradewind.core.errors import InvalidInput
from tradewind.core.money import format_nanos
from tradewind.features.budgets import rules
from tradewind.features.budgets.schemas import BudgetChanges, BudgetRow, NewBudget, PeriodKind
from tradewind.portal import amounts
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields

PERIODS = (("month", "Each month"), ("day", "Each day"), ("total", "All time"))
KINDS = (("hard", "Hard: refuse calls when it is spent"), ("soft", "Soft: only alert"))
WHOLE_ORGANIZATION = "organization"
DEFAULT_CURRENCY = "USD"
_BETWEEN = re.compile(r"[\s,;%]+")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class BudgetForm:
    """What was typed, as typed."""

    name: str = ""
    amount: str = ""
    currency: str = DEFAULT_CURRENCY
    period: str = PeriodKind.MONTH.value
    kind: str = "hard"
    scope: str = WHOLE_ORGANIZATION
    """The id of a project or key, or that it is of the whole organization."""
    alerts: str = "80, 100"
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """Whom a budget may be of, and in what it may be."""

    projects: Collection[tuple[str, str]]
    """Ids with names."""
    keys: Collection[tuple[str, str]]
    currencies: Collection[str]

    @property
    def scopes(self) -> list[tuple[str, str]]:
        return [
            (WHOLE_ORGANIZATION, "The whole organization"),
            *((id_, f"Project: {name}") for id_, name in self.projects),
            *((id_, f"Key: {name}") for id_, name in self.keys),
        ]

    @property
    def currency_choices(self) -> list[tuple[str, str]]:
        return [(code, code) for code in self.currencies]


def budget_form_of(row: BudgetRow) -> BudgetForm:
    """Return the form with what is so now."""
    return BudgetForm(
        name=row.name,
        amount=format_nanos(row.amount_nanos),
        currency=row.currency,
        period=row.period.value,
        kind="hard" if row.is_hard else "soft",
        alerts=", ".join(map(str, row.alert_percents)),
        revision=str(row.revision),
    )


def read_budget_form(fields: FormFields) -> BudgetForm:
    def text(name: str) -> str:
        return fields.text(name)[:_LONGEST]

    return BudgetForm(
        name=text("name"),
        amount=text("amount"),
        currency=text("currency"),
        period=text("period"),
        kind=text("kind"),
        scope=text("scope"),
        alerts=text("alerts"),
        revision=text("revision"),
    )


def new_budget_of(form: BudgetForm, offered: Offered, errors: FieldErrors) -> NewBudget | None:
    """Return the budget to add, or None when something is wrong, which is then in `errors`."""
    changes = _changes(form, errors)
    if form.currency not in offered.currencies:
        errors.say("currency", "nothing here costs in this currency", "choose one from the list")
    if form.period not in {kind.value for kind in PeriodKind}:
        errors.say("period", "there is no such period", "choose one from the list")
    if form.scope not in {id_ for id_, _ in offered.scopes}:
        errors.say("scope", "there is no such project or key", "choose one from the list")
    if errors or changes is None:
        return None
    is_key = form.scope in {id_ for id_, _ in offered.keys}
    is_project = form.scope in {id_ for id_, _ in offered.projects}
    return NewBudget(
        name=form.name,
        currency=form.currency,
        amount_nanos=changes.amount_nanos or 0,
        period=PeriodKind(form.period),
        is_hard=form.kind == "hard",
        alert_percents=changes.alert_percents or (),
        project_id=form.scope if is_project else None,
        key_id=form.scope if is_key else None,
    )


def budget_changes_of(form: BudgetForm, errors: FieldErrors) -> BudgetChanges | None:
    """Return what is to be changed, or None when something is wrong."""
    changes = _changes(form, errors)
    return None if errors else changes


def changed_budget(row: BudgetRow, changes: BudgetChanges) -> NewBudget:
    """Return what the budget would be, whole, for a preview."""
    return NewBudget(
        name=changes.name or row.name,
        currency=row.currency,
        amount_nanos=row.amount_nanos if changes.amount_nanos is None else changes.amount_nanos,
        period=row.period,
        is_hard=row.is_hard if changes.is_hard is None else changes.is_hard,
        alert_percents=changes.alert_percents or (),
        project_id=row.project_id,
        key_id=row.key_id,
    )


def _changes(form: BudgetForm, errors: FieldErrors) -> BudgetChanges | None:
    nanos: int | None = None
    percents: list[int] = []
    with errors.at("name"):
        rules.clean_name(form.name)
    with errors.at("amount"):
        nanos = amounts.amount(form.amount, "the amount")
        if nanos is None:
            raise InvalidInput("the amount is missing", hint="write it like 250 or 0.50")
        rules.check_amount(nanos)
    if form.kind not in dict(KINDS):
        errors.say("kind", "a budget is hard or soft", "choose one of both")
    with errors.at("alerts"):
        percents = rules.clean_percents(_percents(form.alerts))
    if errors:
        return None
    return BudgetChanges(form.name, nanos, form.kind == "hard", tuple(percents))


def _percents(text: str) -> list[int]:
    found = [amounts.count(word, f"{word[:20]!r}") for word in _BETWEEN.split(text) if word]
    return [number for number in found if number is not None]
