"""Compiles what the gateways know of terms and budgets: limits, conditions, who pays from what."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Row, Select, Subquery, exists, or_, select

from tradewind.features.billing.tables import billing_account
from tradewind.features.budgets.tables import budget, model_limit, terms
from tradewind.features.catalog.rules.gates import gate_of
from tradewind.features.catalog.tables import licence_acceptance, model
from tradewind.features.sales.rules.life import USABLE
from tradewind.features.sales.tables import payment_confirmation, sale_offer, subscription
from tradewind.snapshot.contents import Budget, Conditions, Grant, Limits, Terms

_FETCHED_AT_ONCE = 1_000
_Item = TypeVar("_Item")


def compile_budgets(tx: Connection) -> Iterator[Budget]:
    """Yield every budget."""
    for row in tx.execute(
        select(
            budget.c.id, budget.c.name, budget.c.currency, budget.c.is_hard, budget.c.purpose
        ).order_by(budget.c.id)
    ):
        yield Budget(row.id, row.name, row.currency, row.is_hard, row.purpose == "wallet")


def compile_terms(tx: Connection, ids: Collection[str] | None) -> Iterator[Terms]:
    """Yield what holds for these organizations and projects, or for all of which anything does.

    One that has only budgets has terms too: they name them.
    """
    for part in _parts(_subjects(tx, ids)):
        found = {row.subject_id: row for row in tx.execute(_terms_of(part))}
        models = _model_limits(tx, part)
        budgets = _budgets_of(tx, part)
        licences = _licences_of(tx, part)
        unconfirmed = _unconfirmed().where(billing_account.c.organization_id.in_(part))
        waiting = set(tx.execute(unconfirmed).scalars())
        for subject_id in part:
            if any(subject_id in some for some in (found, budgets, licences, waiting)):
                said = _terms(
                    subject_id,
                    found.get(subject_id),
                    tuple(models.get(subject_id, ())),
                    tuple(budgets.get(subject_id, ())),
                    frozenset(licences.get(subject_id, ())),
                )
                if subject_id in waiting:
                    said = msgspec.structs.replace(said, needs_payer=True)
                yield said


def with_key_budgets(tx: Connection, grants: Iterable[Grant]) -> Iterator[Grant]:
    """Yield the grants with the budgets of their keys alone."""
    if tx.execute(select(budget.c.id).where(budget.c.key_id.is_not(None)).limit(1)).first() is None:
        yield from grants
        return
    for part in _parts(grants):
        found: dict[str, list[str]] = {}
        for row in tx.execute(
            select(budget.c.id, budget.c.key_id)
            .where(budget.c.key_id.in_([grant.key_id for grant in part]))
            .order_by(budget.c.id)
        ):
            found.setdefault(row.key_id, []).append(row.id)
        for grant in part:
            ids = found.get(grant.key_id)
            yield grant if ids is None else msgspec.structs.replace(grant, budgets=tuple(ids))


def _subjects(tx: Connection, ids: Collection[str] | None) -> list[str]:
    if ids is not None:
        return sorted(ids)
    said = set(tx.execute(select(terms.c.subject_id)).scalars())
    paying = select(budget.c.project_id, budget.c.organization_id).where(budget.c.key_id.is_(None))
    for row in tx.execute(paying.distinct()):
        said.add(row.project_id or row.organization_id)
    accepted = _accepted().with_only_columns(licence_acceptance.c.organization_id)
    said.update(tx.execute(accepted.distinct()).scalars())
    said.update(tx.execute(select(_may_use().c.organization_id).distinct()).scalars())
    said.update(tx.execute(_unconfirmed()).scalars())
    return sorted(said)


def _unconfirmed() -> Select[Any]:
    """Return the organizations that are charged, and of which nobody confirmed who pays."""
    return select(billing_account.c.organization_id).where(
        billing_account.c.mode != "none",
        ~exists().where(
            payment_confirmation.c.organization_id == billing_account.c.organization_id
        ),
    )


def _may_use() -> Subquery:
    """Return which organization may call what is sold by which offer."""
    subscribed = select(subscription.c.organization_id, subscription.c.offer_id).where(
        subscription.c.state.in_([state.value for state in USABLE])
    )
    sells = select(sale_offer.c.organization_id, sale_offer.c.id).where(
        sale_offer.c.state == "live", sale_offer.c.is_subscription_only
    )
    return subscribed.union(sells).subquery()


def _accepted() -> Select[Any]:
    return select(licence_acceptance, model.c.publisher_slug, model.c.slug).join(
        model, model.c.id == licence_acceptance.c.model_id
    )


def _licences_of(tx: Connection, ids: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in tx.execute(_accepted().where(licence_acceptance.c.organization_id.in_(ids))):
        gate = gate_of(f"{row.publisher_slug}/{row.slug}", row.licence)
        found.setdefault(row.organization_id, []).append(gate)
    may_use = _may_use()
    for row in tx.execute(select(may_use).where(may_use.c.organization_id.in_(ids))):
        found.setdefault(row.organization_id, []).append(row.offer_id)
    return found


def _terms_of(ids: list[str]) -> Select[Any]:
    return select(terms).where(terms.c.subject_id.in_(ids))


def _model_limits(tx: Connection, ids: list[str]) -> dict[str, list[tuple[str, Limits]]]:
    found: dict[str, list[tuple[str, Limits]]] = {}
    for row in tx.execute(
        select(model_limit)
        .where(model_limit.c.subject_id.in_(ids))
        .order_by(model_limit.c.subject_id, model_limit.c.model)
    ):
        found.setdefault(row.subject_id, []).append((row.model, _limits(row)))
    return found


def _budgets_of(tx: Connection, ids: list[str]) -> dict[str, list[str]]:
    """Return the budgets of organizations and projects, without those of single keys."""
    found: dict[str, list[str]] = {}
    for row in tx.execute(
        select(budget.c.id, budget.c.project_id, budget.c.organization_id)
        .where(
            budget.c.key_id.is_(None),
            or_(
                budget.c.project_id.in_(ids),
                budget.c.project_id.is_(None) & budget.c.organization_id.in_(ids),
            ),
        )
        .order_by(budget.c.id)
    ):
        found.setdefault(row.project_id or row.organization_id, []).append(row.id)
    return found


def _terms(
    subject_id: str,
    row: Row[Any] | None,
    models: tuple[tuple[str, Limits], ...],
    budgets: tuple[str, ...],
    licences: frozenset[str],
) -> Terms:
    if row is None:
        return Terms(subject_id, budgets=budgets, licences=licences)
    return Terms(
        id=subject_id,
        limits=_limits(row),
        model_limits=models,
        budgets=budgets,
        conditions=Conditions(
            frozenset(row.regions), frozenset(row.zones), row.no_retention, row.no_training
        ),
        cache_ttl_s=row.cache_ttl_s,
        response_days=row.response_days,
        content_days=row.content_days,
        licences=licences,
    )


def _limits(row: Row[Any]) -> Limits:
    return Limits(row.requests_per_minute, row.tokens_per_minute, row.concurrent_requests)


def _parts(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while part := list(islice(iterator, _FETCHED_AT_ONCE)):
        yield part
