"""What works for a project: its organization's regions, and what is left of its budgets.

Resolved anew for each question, because budgets are spent meanwhile. What was found out is told
along with the condition, so that a page can say what it left out and why.
"""

import functools
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, or_, select

from tradewind.features.accounts.schemas import Actor
from tradewind.features.budgets.schemas import BudgetRow
from tradewind.features.budgets.service import Budgets
from tradewind.features.catalog.tables import model
from tradewind.features.deployments.tables import deployment
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.providers.tables import provider_connection
from tradewind.readmodels.catalog_search.fit import Fit
from tradewind.readmodels.offer_stats.reading import read_average_chat

TYPICAL_INPUT_TOKENS = 1_000
TYPICAL_OUTPUT_TOKENS = 300
"""Of a chat, where an organization has had none for 30 days."""
_MOST_MODELS = 10_000
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class FitTold:
    """A condition, and what it was made from."""

    fit: Fit
    regions: tuple[str, ...] | None
    """Allowed ones, in order; None is all, empty is none at all."""
    budget: BudgetRow | None
    """The tightest that pays for the project's calls."""
    other_currencies: tuple[str, ...]
    """Of budgets that prices in `currency` cannot be compared with."""
    input_tokens: int
    output_tokens: int
    """Of the typical chat."""
    is_own_average: bool
    """Whether that is the organization's own, of 30 days."""
    currency: str


def resolve_fit(
    tx: Connection, budgets: Budgets, actor: Actor, *, currency: str, now: datetime
) -> FitTold:
    """Return what works for the actor's project. Raises Forbidden for whoever may not know its
    budgets.
    """
    regions = _allowed_regions(tx, budgets, actor)
    paying = [row for row in budgets.budgets_of_project(tx, actor) if row.is_hard]
    comparable = [row for row in paying if row.currency == currency]
    tightest = min(comparable, key=lambda row: (row.left_nanos, row.budget_id), default=None)
    average = read_average_chat(tx, actor.organization_id, now)
    given, taken = TYPICAL_INPUT_TOKENS, TYPICAL_OUTPUT_TOKENS
    if average is not None:
        given = max(1, -(-average.input_tokens // average.calls))
        taken = -(-average.output_tokens // average.calls)
    most = None if tightest is None else tightest.left_nanos * _MILLION // (given + taken)
    in_regions = frozenset[str]() if regions is None else _models_in(tx, actor, regions)
    return FitTold(
        fit=Fit(None if regions is None else frozenset(regions), in_regions, most),
        regions=None if regions is None else tuple(sorted(regions)),
        budget=tightest,
        other_currencies=tuple(sorted({row.currency for row in paying} - {currency})),
        input_tokens=given,
        output_tokens=taken,
        is_own_average=average is not None,
        currency=currency,
    )


def _allowed_regions(tx: Connection, budgets: Budgets, actor: Actor) -> frozenset[str] | None:
    """Return the regions that both the organization and the project allow; None is all."""
    stated = [
        terms.terms.conditions.regions
        for subject_id in (actor.organization_id, actor.project_id)
        if (terms := budgets.get_terms(tx, actor, subject_id)).terms.conditions.regions
    ]
    return functools.reduce(frozenset[str].intersection, stated) if stated else None


def _models_in(tx: Connection, actor: Actor, regions: Collection[str]) -> frozenset[str]:
    """Return the models that the organization can call in these regions by what runs here or by
    its connections; a target's own region counts before its connection's.
    """
    region = func.coalesce(endpoint_target.c.region, provider_connection.c.region, "")
    found = (
        select(model.c.publisher_slug, model.c.slug)
        .join(endpoint, endpoint.c.model_id == model.c.id)
        .join(endpoint_target, endpoint_target.c.endpoint_id == endpoint.c.id)
        .outerjoin(provider_connection, provider_connection.c.id == endpoint_target.c.connection_id)
        .outerjoin(deployment, deployment.c.id == endpoint_target.c.deployment_id)
        .where(
            endpoint.c.is_enabled,
            region.in_(sorted(regions)),
            or_(
                endpoint.c.organization_id.is_(None),
                endpoint.c.organization_id == actor.organization_id,
            ),
            or_(
                and_(deployment.c.id.is_not(None), deployment.c.desired_replicas > 0),
                and_(
                    provider_connection.c.id.is_not(None),
                    provider_connection.c.disabled_at.is_(None),
                    or_(
                        provider_connection.c.organization_id.is_(None),
                        provider_connection.c.organization_id == actor.organization_id,
                    ),
                ),
            ),
        )
        .distinct()
        .limit(_MOST_MODELS)
    )
    return frozenset(f"{row.publisher_slug}/{row.slug}" for row in tx.execute(found))
