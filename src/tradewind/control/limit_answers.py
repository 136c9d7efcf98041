"""What the routes of limits and budgets take and answer. Amounts are decimal strings."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body, Name, Place, amount_of, nanos_of
from tradewind.features.accounts.schemas import KeyRow
from tradewind.features.budgets.schemas import (
    Alert,
    BudgetChanges,
    BudgetRow,
    BudgetScope,
    ModelLimits,
    NewBudget,
    NewTerms,
    PeriodKind,
    TermsRow,
)
from tradewind.snapshot.contents import Conditions, Limits

_Limit = Annotated[
    int, Field(ge=0, le=2**31 - 1, description="0 admits nothing; null is no limit.")
]
_Places = Annotated[list[Place], Field(max_length=64)]
_Id = Annotated[str, StringConstraints(max_length=100)]
_Total = Annotated[
    str,
    StringConstraints(max_length=24, pattern=r"^[0-9]{1,10}(\.[0-9]{1,9})?$"),
    Field(description="A decimal amount of the budget's currency."),
]
_Percents = Annotated[
    list[Annotated[int, Field(ge=1, le=1000)]],
    Field(max_length=10, description="Percents of the amount at which an alert is noted."),
]


class LimitsOf(Body):
    requests_per_minute: _Limit | None = None
    tokens_per_minute: _Limit | None = None
    concurrent_requests: _Limit | None = None

    @classmethod
    def of(cls, limits: Limits) -> Self:
        return cls(
            requests_per_minute=limits.requests_per_minute,
            tokens_per_minute=limits.tokens_per_minute,
            concurrent_requests=limits.concurrent_requests,
        )

    def to_limits(self) -> Limits:
        return Limits(self.requests_per_minute, self.tokens_per_minute, self.concurrent_requests)


class ModelLimitsBody(Body):
    model: Name = Field(description="What calls send as `model`, by its full name.")
    limits: LimitsOf


class ConditionsOf(Body):
    """What a target must fulfil for these calls. Empty is no condition."""

    regions: _Places = Field(default_factory=list[str])
    zones: _Places = Field(default_factory=list[str])
    no_retention: bool = False
    no_training: bool = False


class TermsBody(Body):
    """What is to hold, whole: what is left out is set back to its default."""

    limits: LimitsOf = Field(default_factory=LimitsOf)
    models: Annotated[list[ModelLimitsBody], Field(max_length=200)] = Field(
        default_factory=list[ModelLimitsBody]
    )
    conditions: ConditionsOf = Field(default_factory=ConditionsOf)
    cache_ttl_s: int = Field(default=0, ge=0, description="Of organizations only; 0 is no cache.")
    response_days: int = Field(default=30, ge=0, description="Of organizations only.")
    content_days: int = Field(default=0, ge=0, description="Of organizations only.")

    def to_terms(self) -> NewTerms:
        where = self.conditions
        return NewTerms(
            limits=self.limits.to_limits(),
            models=tuple(ModelLimits(each.model, each.limits.to_limits()) for each in self.models),
            conditions=Conditions(
                frozenset(where.regions),
                frozenset(where.zones),
                where.no_retention,
                where.no_training,
            ),
            cache_ttl_s=self.cache_ttl_s,
            response_days=self.response_days,
            content_days=self.content_days,
        )


class TermsAnswer(BaseModel):
    subject: str = Field(description="Id of the organization or project.")
    is_project: bool
    limits: LimitsOf
    models: list[ModelLimitsBody]
    conditions: ConditionsOf
    cache_ttl_s: int
    response_days: int
    content_days: int
    updated_at: datetime | None = Field(description="Null is never: the defaults hold.")

    @classmethod
    def of(cls, row: TermsRow) -> Self:
        terms = row.terms
        return cls(
            subject=row.subject_id,
            is_project=row.is_project,
            limits=LimitsOf.of(terms.limits),
            models=[
                ModelLimitsBody(model=each.model, limits=LimitsOf.of(each.limits))
                for each in terms.models
            ],
            conditions=ConditionsOf(
                regions=sorted(terms.conditions.regions),
                zones=sorted(terms.conditions.zones),
                no_retention=terms.conditions.no_retention,
                no_training=terms.conditions.no_training,
            ),
            cache_ttl_s=terms.cache_ttl_s,
            response_days=terms.response_days,
            content_days=terms.content_days,
            updated_at=row.updated_at,
        )


class TermsList(BaseModel):
    terms: list[TermsAnswer]


class BudgetBody(Body):
    name: Annotated[str, StringConstraints(max_length=80)]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    amount: _Total
    period: Annotated[PeriodKind, Field(strict=False)]
    is_hard: bool = Field(default=True, description="A soft budget only alerts.")
    alert_percents: _Percents = Field(default_factory=lambda: [80, 100])
    project: _Id | None = Field(default=None, description="Null is the whole organization.")
    key: _Id | None = Field(default=None, description="A key of this project alone.")

    def to_new(self) -> NewBudget:
        return NewBudget(
            name=self.name,
            currency=self.currency,
            amount_nanos=nanos_of(self.amount),
            period=self.period,
            is_hard=self.is_hard,
            alert_percents=tuple(self.alert_percents),
            project_id=self.project,
            key_id=self.key,
        )


class BudgetPatch(Body):
    """What is named changes."""

    name: Annotated[str, StringConstraints(max_length=80)] | None = None
    amount: _Total | None = None
    is_hard: bool | None = None
    alert_percents: _Percents | None = None

    def to_changes(self) -> BudgetChanges:
        percents = self.alert_percents
        return BudgetChanges(
            name=self.name,
            amount_nanos=None if self.amount is None else nanos_of(self.amount),
            is_hard=self.is_hard,
            alert_percents=None if percents is None else tuple(percents),
        )


class AlertAnswer(BaseModel):
    percent: int
    spent: str
    amount: str
    at: datetime

    @classmethod
    def of(cls, alert: Alert) -> Self:
        return cls(
            percent=alert.percent,
            spent=amount_of(alert.spent_nanos),
            amount=amount_of(alert.amount_nanos),
            at=alert.at,
        )


class BudgetAnswer(BaseModel):
    id: str
    name: str
    scope: BudgetScope
    project: str | None
    key: str | None
    currency: str
    amount: str
    period: PeriodKind
    period_start: datetime
    period_end: datetime | None = Field(description="When it begins anew; null is never.")
    is_hard: bool
    alert_percents: list[int]
    spent: str
    leased: str = Field(description="Held by gateways for calls; most of it comes back.")
    left: str
    alerts: list[AlertAnswer]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: BudgetRow) -> Self:
        return cls(
            id=row.budget_id,
            name=row.name,
            scope=row.scope,
            project=row.project_id,
            key=row.key_id,
            currency=row.currency,
            amount=amount_of(row.amount_nanos),
            period=row.period,
            period_start=row.period_start,
            period_end=row.period_end,
            is_hard=row.is_hard,
            alert_percents=list(row.alert_percents),
            spent=amount_of(row.spent_nanos),
            leased=amount_of(row.leased_nanos),
            left=amount_of(row.left_nanos),
            alerts=[AlertAnswer.of(alert) for alert in row.alerts],
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class BudgetPage(BaseModel):
    budgets: list[BudgetAnswer] = Field(description="The newest first.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class ChainLink(BaseModel):
    """The limits of one place that calls of the key pass."""

    scope: str = Field(description="`key`, `project` or `organization`.")
    id: str
    limits: LimitsOf
    models: list[ModelLimitsBody] = Field(description="Limits of single models within it.")


class KeyChain(BaseModel):
    """Everything that a call with this key has to pass, the narrowest first."""

    key: str
    limits: list[ChainLink]
    budgets: list[BudgetAnswer] = Field(description="Every budget that pays for it.")

    @classmethod
    def of(cls, key: KeyRow, terms: list[TermsRow], budgets: list[BudgetRow]) -> Self:
        links = [ChainLink(scope="key", id=key.key_id, limits=LimitsOf.of(key.limits), models=[])]
        for row in terms:
            shown = TermsAnswer.of(row)
            links.append(
                ChainLink(
                    scope="project" if row.is_project else "organization",
                    id=row.subject_id,
                    limits=shown.limits,
                    models=shown.models,
                )
            )
        order = {BudgetScope.KEY: 0, BudgetScope.PROJECT: 1, BudgetScope.ORGANIZATION: 2}
        inward = sorted(budgets, key=lambda each: order[each.scope])
        return cls(key=key.key_id, limits=links, budgets=[BudgetAnswer.of(each) for each in inward])
