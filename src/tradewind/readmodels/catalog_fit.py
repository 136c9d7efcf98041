"""What works for a project: its organization's regions, and what is left of its budgets.

Resolved anew for each question, because budgets are spent meanwhile. What was found out is told
along with the condition, so that a page can say what it left out and why.
"""

import functools
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    case,
    func,
    or_,
    select,
)

from tradewind.features.accounts.schemas import Actor
from tradewind.features.budgets.schemas import BudgetRow
from tradewind.features.budgets.service import Budgets
from tradewind.features.catalog.tables import model, offer
from tradewind.features.deployments.tables import deployment
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.providers.tables import provider_connection
from tradewind.readmodels.catalog_search.fit import Fit
from tradewind.readmodels.offer_stats.reading import read_average_chat
from tradewind.readmodels.own_accounts import columns_of_price, is_own_price
from tradewind.readmodels.prices import own_price_in_force, price_in_force

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
    return FitTold(
        fit=_fit(tx, actor, regions, most, currency),
        regions=None if regions is None else tuple(sorted(regions)),
        budget=tightest,
        other_currencies=tuple(sorted({row.currency for row in paying} - {currency})),
        input_tokens=given,
        output_tokens=taken,
        is_own_average=average is not None,
        currency=currency,
    )


def _fit(
    tx: Connection,
    actor: Actor,
    regions: frozenset[str] | None,
    most_nanos: int | None,
    currency: str,
) -> Fit:
    if regions is None:
        return Fit(None, most_nanos=most_nanos)
    if most_nanos is None:
        return Fit(regions, _names(tx, _answered_in(actor, regions)))
    # The index keeps regions and the lowest price apart: cheap in one region and allowed in another
    # is no fit, so that the places themselves are asked.
    most = max(0, most_nanos)
    answered = _names(tx, _answered_in(actor, regions, currency, most))
    return Fit(frozenset(), answered | _names(tx, _offered_in(actor, regions, currency, most)))


def _allowed_regions(tx: Connection, budgets: Budgets, actor: Actor) -> frozenset[str] | None:
    """Return the regions that both the organization and the project allow; None is all."""
    stated = [
        terms.terms.conditions.regions
        for subject_id in (actor.organization_id, actor.project_id)
        if (terms := budgets.get_terms(tx, actor, subject_id)).terms.conditions.regions
    ]
    return functools.reduce(frozenset[str].intersection, stated) if stated else None


def _answered_in(
    actor: Actor,
    regions: Collection[str],
    currency: str | None = None,
    most_nanos: int | None = None,
) -> Select[Any]:
    """Select the models that the organization can call in these regions by what runs here or by
    its connections; a target's own region counts before its connection's. With `most_nanos` those
    whose price there is at most that.
    """
    region = func.coalesce(endpoint_target.c.region, provider_connection.c.region, "")
    prices, own = price_in_force(), own_price_in_force()
    found: Any = (
        select(model.c.publisher_slug, model.c.slug, *columns_of_price(prices, own))
        .join(endpoint, endpoint.c.model_id == model.c.id)
        .join(endpoint_target, endpoint_target.c.endpoint_id == endpoint.c.id)
        .outerjoin(provider_connection, provider_connection.c.id == endpoint_target.c.connection_id)
        .outerjoin(deployment, deployment.c.id == endpoint_target.c.deployment_id)
        .outerjoin(prices, prices.c.model_id == endpoint.c.model_id)
        .outerjoin(own, is_own_price(own))
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
                    _is_ours(actor),
                ),
            ),
        )
    )
    places = found.subquery("places")
    return _within(places, currency, most_nanos)


def _offered_in(
    actor: Actor, regions: Collection[str], currency: str, most_nanos: int
) -> Select[Any]:
    """Select the models of which one offer is in these regions and costs at most that."""
    found: Any = (
        select(
            model.c.publisher_slug,
            model.c.slug,
            offer.c.currency,
            offer.c.input_nanos,
            offer.c.output_nanos,
        )
        .join(offer, offer.c.model_id == model.c.id)
        .outerjoin(provider_connection, provider_connection.c.id == offer.c.host)
        .where(offer.c.status != "vanished", offer.c.region.in_(sorted(regions)), _is_ours(actor))
    )
    return _within(found.subquery("offers"), currency, most_nanos)


def _within(places: Subquery, currency: str | None, most_nanos: int | None) -> Select[Any]:
    """Select the models of places, the cheapest first; with `most_nanos` of places that cost no
    more than that, compared as the search compares prices.
    """
    given, taken = places.c.input_nanos, places.c.output_nanos
    mixed = case((taken.is_(None), given), else_=(given * 3 + taken) // 4)
    found: Any = select(places.c.publisher_slug, places.c.slug)
    if most_nanos is not None:
        found = found.where(places.c.currency == currency, mixed <= most_nanos)
    return (
        found.group_by(places.c.publisher_slug, places.c.slug)
        .order_by(func.min(mixed), places.c.publisher_slug, places.c.slug)
        .limit(_MOST_MODELS)
    )


def _is_ours(actor: Actor) -> ColumnElement[bool]:
    return or_(
        provider_connection.c.organization_id.is_(None),
        provider_connection.c.organization_id == actor.organization_id,
    )


def _names(tx: Connection, statement: Select[Any]) -> frozenset[str]:
    return frozenset(f"{row.publisher_slug}/{row.slug}" for row in tx.execute(statement))
