"""What the pages of limits and budgets name: projects, models, and who has a budget at all."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, or_, select

from tradewind.core.ids import OrganizationId
from tradewind.features.accounts.tables import project
from tradewind.features.budgets.tables import budget
from tradewind.features.endpoints.rows import limits_of
from tradewind.features.endpoints.tables import endpoint
from tradewind.features.market.tables import price
from tradewind.snapshot.contents import Limits

PROJECTS_SHOWN = 100
MODELS_NAMED = 1_000
LIMITED_MODELS_SHOWN = 500
BUDGETS_NAMED = 10_000
_CURRENCIES_SHOWN = 50


class ProjectName(NamedTuple):
    id: str
    name: str


class LimitedModel(NamedTuple):
    """An endpoint with limits of its own, which hold for all its callers together."""

    endpoint_id: str
    name: str
    limits: Limits


class BudgetOwner(NamedTuple):
    """Whose calls a budget pays for, without how it stands: that takes a sum for each."""

    organization_id: str
    project_id: str | None
    key_id: str | None


def list_projects(tx: Connection, organization_id: OrganizationId) -> list[ProjectName]:
    """Return the organization's projects, the oldest first."""
    rows = tx.execute(
        select(project.c.id, project.c.name)
        .where(project.c.organization_id == organization_id)
        .order_by(project.c.id)
        .limit(PROJECTS_SHOWN)
    )
    return [ProjectName(row.id, row.name) for row in rows]


def limited_models(tx: Connection, organization_id: OrganizationId) -> list[LimitedModel]:
    """Return the models that have limits of their own, by name."""
    # Typed by its columns, the row would fit no function that takes any row.
    statement: Any = (
        select(
            endpoint.c.id,
            endpoint.c.name,
            endpoint.c.requests_per_minute,
            endpoint.c.tokens_per_minute,
            endpoint.c.concurrent_requests,
        )
        .where(
            _is_visible(organization_id),
            or_(
                endpoint.c.requests_per_minute.is_not(None),
                endpoint.c.tokens_per_minute.is_not(None),
                endpoint.c.concurrent_requests.is_not(None),
            ),
        )
        .order_by(endpoint.c.name)
        .limit(LIMITED_MODELS_SHOWN)
    )
    return [LimitedModel(row.id, row.name, limits_of(row)) for row in tx.execute(statement)]


def model_names(
    tx: Connection, organization_id: OrganizationId, among: Collection[str] | None = None
) -> Sequence[str]:
    """Return names that calls may send as `model`, at most 1,000: all, or those of `among`."""
    statement = select(endpoint.c.name).where(_is_visible(organization_id))
    if among is not None:
        statement = statement.where(endpoint.c.name.in_(among))
    return tx.execute(statement.order_by(endpoint.c.name).limit(MODELS_NAMED)).scalars().all()


def budget_owners(tx: Connection, organization_id: OrganizationId) -> list[BudgetOwner]:
    rows = tx.execute(
        select(budget.c.organization_id, budget.c.project_id, budget.c.key_id)
        .where(budget.c.organization_id == organization_id)
        .limit(BUDGETS_NAMED)
    )
    return [BudgetOwner(row.organization_id, row.project_id, row.key_id) for row in rows]


def priced_currencies(tx: Connection) -> Sequence[str]:
    """Return the currencies that prices are in: only in these can anything be spent."""
    found: Any = select(price.c.currency).distinct().order_by(price.c.currency)
    return tx.execute(found.limit(_CURRENCIES_SHOWN)).scalars().all()


def _is_visible(organization_id: OrganizationId) -> ColumnElement[bool]:
    return or_(endpoint.c.organization_id.is_(None), endpoint.c.organization_id == organization_id)
