"""What terms and budgets are handed out and taken in as."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tradewind.snapshot.contents import Conditions, Limits


class PeriodKind(StrEnum):
    DAY = "day"
    MONTH = "month"
    TOTAL = "total"
    """All time: it never begins anew."""


class BudgetScope(StrEnum):
    """Whose calls a budget pays for."""

    ORGANIZATION = "organization"
    PROJECT = "project"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class ModelLimits:
    model: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class NewTerms:
    """What is to hold for an organization or project, whole."""

    limits: Limits = field(default_factory=Limits)
    models: tuple[ModelLimits, ...] = ()
    conditions: Conditions = field(default_factory=Conditions)
    cache_ttl_s: int = 0
    response_days: int = 30
    content_days: int = 0


@dataclass(frozen=True, slots=True)
class TermsRow:
    subject_id: str
    is_project: bool
    terms: NewTerms
    revision: int
    """0 is that nothing was ever said; the defaults hold."""
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewBudget:
    name: str
    currency: str
    amount_nanos: int
    period: PeriodKind
    is_hard: bool = True
    alert_percents: tuple[int, ...] = (80, 100)
    project_id: str | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class BudgetChanges:
    """None is: as it was."""

    name: str | None = None
    amount_nanos: int | None = None
    is_hard: bool | None = None
    alert_percents: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    period_start: datetime
    percent: int
    spent_nanos: int
    amount_nanos: int
    at: datetime


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """A budget with how it stands in the current period."""

    budget_id: str
    organization_id: str
    project_id: str | None
    key_id: str | None
    name: str
    currency: str
    amount_nanos: int
    period: PeriodKind
    is_hard: bool
    alert_percents: tuple[int, ...]
    revision: int
    created_at: datetime
    updated_at: datetime
    period_start: datetime
    period_end: datetime | None
    spent_nanos: int
    leased_nanos: int
    """What gateways hold of it; most of that comes back."""
    alerts: tuple[Alert, ...] = ()
    """Of the current period."""
    is_wallet: bool = False
    """Kept by the platform for an organization that pays ahead; members cannot change it."""

    @property
    def scope(self) -> BudgetScope:
        if self.key_id is not None:
            return BudgetScope.KEY
        return BudgetScope.ORGANIZATION if self.project_id is None else BudgetScope.PROJECT

    @property
    def left_nanos(self) -> int:
        return max(0, self.amount_nanos - self.spent_nanos - self.leased_nanos)


@dataclass(frozen=True, slots=True)
class WalletStanding:
    """How much gateways may spend of a wallet in all, and how far they are."""

    amount_nanos: int
    spent_nanos: int
    leased_nanos: int

    @property
    def unspent_nanos(self) -> int:
        """What is not spent, held by gateways or not."""
        return max(0, self.amount_nanos - self.spent_nanos)

    @property
    def left_nanos(self) -> int:
        """What no gateway holds."""
        return max(0, self.amount_nanos - self.spent_nanos - self.leased_nanos)


@dataclass(frozen=True, slots=True)
class SpendQuestion:
    """What was spent, by the books of metering? `until` None is until now."""

    organization_id: str
    project_id: str | None
    key_id: str | None
    currency: str
    since: datetime
    until: datetime | None
    is_charged_only: bool = False
    """Calls at prices that are only shown are left out."""
