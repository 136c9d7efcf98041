"""Which limits hold for a call, from the narrowest to the widest: compiled once for each key and
model of a snapshot, because every call needs it.
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from tradewind.gateway.admission.rates import seconds_per_unit
from tradewind.snapshot.contents import Budget, Endpoint, Grant, Limits
from tradewind.snapshot.view import SnapshotView

NO_BOUND = 1 << 62
"""Stands for "no limit" where only a number is compared."""


class ScopeKind(StrEnum):
    """Whose calls are counted together."""

    KEY = "key"
    PROJECT_MODEL = "model in project"
    PROJECT = "project"
    ORGANIZATION_MODEL = "model in organization"
    ORGANIZATION = "organization"
    MODEL = "model"
    """A model, for all callers together."""


class Unit(StrEnum):
    REQUESTS = "requests per minute"
    TOKENS = "tokens per minute"
    CALLS = "concurrent requests"


class Limit(NamedTuple):
    """One limit of a chain, as refusals and the check name it."""

    kind: ScopeKind
    id: str
    """Id of the key, project or organization; name of the model."""
    model: str
    """The model it is about; empty is all."""
    unit: Unit
    amount: int


class Scope(msgspec.Struct, frozen=True):
    """The limits of one key, project, organization or model: what is counted in one place."""

    kind: ScopeKind
    id: str
    model: str
    organization_id: str
    """Whose shard it is; empty for a model's own, which is everybody's."""
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent_requests: int | None

    @property
    def name(self) -> str:
        """What it is counted under, in every store."""
        return f"{self.kind}\0{self.id}\0{self.model}"

    @property
    def request_s(self) -> float:
        """Seconds' worth of one request; 0 when requests are not limited."""
        return 0.0 if not self.requests_per_minute else seconds_per_unit(self.requests_per_minute)

    @property
    def token_s(self) -> float:
        return 0.0 if not self.tokens_per_minute else seconds_per_unit(self.tokens_per_minute)

    def limit(self, unit: Unit) -> Limit:
        """Return the limit of this unit, which must be there."""
        match unit:
            case Unit.REQUESTS:
                amount = self.requests_per_minute
            case Unit.TOKENS:
                amount = self.tokens_per_minute
            case Unit.CALLS:
                amount = self.concurrent_requests
        assert amount is not None
        return Limit(self.kind, self.id, self.model, unit, amount)

    def limits(self) -> list[Limit]:
        given = (
            (Unit.REQUESTS, self.requests_per_minute),
            (Unit.TOKENS, self.tokens_per_minute),
            (Unit.CALLS, self.concurrent_requests),
        )
        return [self.limit(unit) for unit, amount in given if amount is not None]


class Chain(msgspec.Struct, frozen=True):
    """Everything that holds for calls of one key to one model."""

    scopes: tuple[Scope, ...]
    budgets: tuple[Budget, ...]
    """The hard ones, key first: only they can refuse."""
    most_tokens: int
    """A call that reserves more can never be admitted; NO_BOUND without a limit of tokens."""
    narrowest: Limit | None
    """The limit that `most_tokens` comes from."""
    closed: Limit | None
    """A limit of zero: no call is admitted at all."""

    @property
    def is_free(self) -> bool:
        return not self.scopes and not self.budgets


def chain_of(view: SnapshotView, grant: Grant, endpoint: Endpoint) -> Chain:
    """Return what holds for calls of this key to this endpoint."""
    organization, project = view.terms(grant.organization_id), view.terms(grant.project_id)
    name, shard = endpoint.name, grant.organization_id
    scopes = [_scope(ScopeKind.KEY, grant.key_id, "", shard, grant.limits)]
    budgets = list(grant.budgets)
    for terms, kind, of_model in (
        (project, ScopeKind.PROJECT, ScopeKind.PROJECT_MODEL),
        (organization, ScopeKind.ORGANIZATION, ScopeKind.ORGANIZATION_MODEL),
    ):
        if terms is None:
            continue
        scopes += [
            _scope(of_model, terms.id, name, shard, limits)
            for model, limits in terms.model_limits
            if model == name
        ]
        scopes.append(_scope(kind, terms.id, "", shard, terms.limits))
        budgets += terms.budgets
    scopes.append(_scope(ScopeKind.MODEL, name, "", "", endpoint.limits))
    kept = tuple(scope for scope in scopes if scope is not None)
    limits = [limit for scope in kept for limit in scope.limits()]
    of_tokens = [limit for limit in limits if limit.unit is Unit.TOKENS]
    narrowest = min(of_tokens, key=lambda limit: limit.amount, default=None)
    found = (view.budget(budget_id) for budget_id in dict.fromkeys(budgets))
    return Chain(
        kept,
        tuple(budget for budget in found if budget is not None and _may_refuse(budget, endpoint)),
        NO_BOUND if narrowest is None else narrowest.amount,
        narrowest,
        next((limit for limit in limits if not limit.amount), None),
    )


def _may_refuse(budget: Budget, endpoint: Endpoint) -> bool:
    return budget.is_hard and (endpoint.price.is_charged or not budget.is_wallet)


def _scope(kind: ScopeKind, scope_id: str, model: str, shard: str, limits: Limits) -> Scope | None:
    if limits == Limits():
        return None
    return Scope(
        kind,
        scope_id,
        model,
        shard,
        limits.requests_per_minute,
        limits.tokens_per_minute,
        limits.concurrent_requests,
    )
