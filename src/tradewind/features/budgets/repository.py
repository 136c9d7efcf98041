"""All SQL of terms and budgets. Times come in as arguments; nothing here decides anything."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from tradewind.features.budgets.rules import Balance, LeaseTotals, Renewal
from tradewind.features.budgets.schemas import ModelLimits
from tradewind.features.budgets.tables import (
    budget,
    budget_alert,
    budget_lease,
    budget_period,
    model_limit,
    terms,
)

# Any number that nobody else uses as an advisory lock of a transaction.
_COUNT_LOCK = 0x6275_6467_6574_7321


# --- terms -----------------------------------------------------------------------------------


def find_terms(tx: Connection, organization_id: str, subject_id: str) -> Row[Any] | None:
    return tx.execute(
        select(terms).where(
            terms.c.subject_id == subject_id, terms.c.organization_id == organization_id
        )
    ).first()


def list_terms(tx: Connection, organization_id: str, limit: int) -> Sequence[Row[Any]]:
    """Return the organization's own first, then those of its projects."""
    return tx.execute(
        select(terms)
        .where(terms.c.organization_id == organization_id)
        .order_by(terms.c.project_id.nulls_first())
        .limit(limit)
    ).all()


def model_limits_of(tx: Connection, subject_ids: Iterable[str]) -> dict[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = {}
    for row in tx.execute(
        select(model_limit)
        .where(model_limit.c.subject_id.in_(list(subject_ids)))
        .order_by(model_limit.c.subject_id, model_limit.c.model)
    ):
        found.setdefault(row.subject_id, []).append(row)
    return found


def put_terms(
    tx: Connection, key: Mapping[str, Any], values: Mapping[str, Any], *, revision: int | None
) -> int | None:
    """Add or replace, and return the new revision. None when `revision` is given and another is
    there (0 is: none is there), or when there is no such project in the organization.
    """
    added = upsert(terms).values(**key, **values, revision=1)
    statement = added.on_conflict_do_update(
        index_elements=[terms.c.subject_id],
        set_={**values, "revision": terms.c.revision + 1},
        where=and_(
            terms.c.organization_id == key["organization_id"],
            terms.c.revision == revision if revision is not None else terms.c.revision > 0,
        ),
    ).returning(terms.c.revision)
    try:
        with tx.begin_nested():
            return tx.execute(statement).scalar_one_or_none()
    except IntegrityError:
        return None


def replace_model_limits(tx: Connection, subject_id: str, models: Sequence[ModelLimits]) -> None:
    tx.execute(delete(model_limit).where(model_limit.c.subject_id == subject_id))
    if models:
        tx.execute(
            insert(model_limit),
            [
                {
                    "subject_id": subject_id,
                    "model": each.model,
                    "requests_per_minute": each.limits.requests_per_minute,
                    "tokens_per_minute": each.limits.tokens_per_minute,
                    "concurrent_requests": each.limits.concurrent_requests,
                }
                for each in models
            ],
        )


# --- budgets ---------------------------------------------------------------------------------


def lock_count(tx: Connection) -> None:
    """Let one transaction at a time add budgets, so that their number stays bounded."""
    tx.execute(select(func.pg_advisory_xact_lock(_COUNT_LOCK)))


def count_budgets(tx: Connection, organization_id: str) -> int:
    return tx.execute(
        select(func.count()).select_from(budget).where(budget.c.organization_id == organization_id)
    ).scalar_one()


def add_budget(tx: Connection, values: Mapping[str, Any]) -> bool:
    """False when there is no such project in the organization, or no such key."""
    try:
        with tx.begin_nested():
            tx.execute(insert(budget).values(**values))
    except IntegrityError:
        return False
    return True


def find_budget(
    tx: Connection, organization_id: str, budget_id: str, *, locks: bool = False
) -> Row[Any] | None:
    statement = select(budget).where(
        budget.c.id == budget_id, budget.c.organization_id == organization_id
    )
    return tx.execute(statement.with_for_update() if locks else statement).first()


def add_wallet(tx: Connection, values: Mapping[str, Any]) -> None:
    """Add the budget that follows a wallet, unless somebody else has."""
    tx.execute(upsert(budget).values(**values).on_conflict_do_nothing())


def lock_wallet(tx: Connection, organization_id: str, currency: str) -> Row[Any] | None:
    """Return the budget that follows a wallet; whoever else changes it waits."""
    return tx.execute(
        select(budget)
        .where(
            budget.c.organization_id == organization_id,
            budget.c.currency == currency,
            budget.c.purpose == "wallet",
        )
        .with_for_update()
    ).first()


def find_hard_budget(tx: Connection, budget_id: str) -> Row[Any] | None:
    """For gateways, which are trusted to name budgets of any organization."""
    return tx.execute(select(budget).where(budget.c.id == budget_id, budget.c.is_hard)).first()


def list_budgets(
    tx: Connection, organization_id: str, *, limit: int, applying_to: tuple[str, str] | None = None
) -> Sequence[Row[Any]]:
    """Return budgets, the newest first; those of a key, its project and organization only, if
    `applying_to` names project and key.
    """
    statement = select(budget).where(budget.c.organization_id == organization_id)
    if applying_to is not None:
        project_id, key_id = applying_to
        statement = statement.where(
            or_(
                budget.c.key_id == key_id,
                and_(budget.c.key_id.is_(None), budget.c.project_id == project_id),
                and_(budget.c.key_id.is_(None), budget.c.project_id.is_(None)),
            )
        )
    return tx.execute(statement.order_by(budget.c.id.desc()).limit(limit)).all()


def budgets_after(tx: Connection, budget_id: str, limit: int) -> Sequence[Row[Any]]:
    """Return budgets of all organizations in the order of their ids, for upkeep."""
    return tx.execute(
        select(budget).where(budget.c.id > budget_id).order_by(budget.c.id).limit(limit)
    ).all()


def update_budget(tx: Connection, budget_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(
        update(budget)
        .where(budget.c.id == budget_id)
        .values(**values, revision=budget.c.revision + 1)
    )


def delete_budget(tx: Connection, budget_id: str) -> None:
    tx.execute(delete(budget).where(budget.c.id == budget_id))


# --- periods and leases ----------------------------------------------------------------------


def find_period(tx: Connection, budget_id: str, start: datetime) -> Row[Any] | None:
    return tx.execute(_period(budget_id, start)).first()


def periods_of(tx: Connection, wanted: Iterable[tuple[str, datetime]]) -> dict[str, Row[Any]]:
    """Return these periods of these budgets, by budget; those not begun are missing."""
    starts = dict(wanted)
    rows = tx.execute(select(budget_period).where(budget_period.c.budget_id.in_(list(starts))))
    return {row.budget_id: row for row in rows if row.period_start == starts[row.budget_id]}


def forget_periods(tx: Connection, budget_id: str) -> None:
    """Remove the periods of a budget with their leases."""
    tx.execute(delete(budget_period).where(budget_period.c.budget_id == budget_id))


def lock_period(tx: Connection, budget_id: str, start: datetime) -> Row[Any] | None:
    """Return the period; whoever else wants it waits until this transaction has ended."""
    return tx.execute(_period(budget_id, start).with_for_update()).first()


def _period(budget_id: str, start: datetime) -> Select[Any]:
    return select(budget_period).where(
        budget_period.c.budget_id == budget_id, budget_period.c.period_start == start
    )


def add_period(tx: Connection, budget_id: str, start: datetime, *, amount: int, spent: int) -> None:
    """Begin a period, unless somebody else has. The budget is looked at again: it may be gone."""
    source = select(
        budget.c.id,
        literal(start),
        literal(max(amount, spent)),
        literal(spent),
        literal(0),
        literal(0),
    ).where(budget.c.id == budget_id)
    tx.execute(
        upsert(budget_period)
        .from_select(
            [
                "budget_id",
                "period_start",
                "ceiling_nanos",
                "spent_nanos",
                "leased_nanos",
                "overspent_nanos",
            ],
            source,
        )
        .on_conflict_do_nothing()
    )


def raise_ceiling(tx: Connection, budget_id: str, amount: int) -> None:
    """Let the periods of a budget follow its amount, down to what is spent and leased already."""
    together = budget_period.c.spent_nanos + budget_period.c.leased_nanos
    tx.execute(
        update(budget_period)
        .where(budget_period.c.budget_id == budget_id)
        # Whatever it is worth now can be exhausted once more.
        .values(ceiling_nanos=func.greatest(literal(amount), together), exhausted_at=None)
    )


def find_lease(
    tx: Connection, budget_id: str, start: datetime, node: str, boot_ns: int
) -> Row[Any] | None:
    return tx.execute(
        select(budget_lease).where(
            budget_lease.c.budget_id == budget_id,
            budget_lease.c.period_start == start,
            budget_lease.c.node == node,
            budget_lease.c.boot_ns == boot_ns,
        )
    ).first()


def store_lease(
    tx: Connection,
    key: Mapping[str, Any],
    renewal: Renewal,
    *,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Write a lease with its period, which the transaction has locked."""
    lease = renewal.lease
    totals = {
        "granted_nanos": lease.granted,
        "used_nanos": lease.used,
        "is_expired": lease.is_expired,
        "renewed_at": now,
        "expires_at": expires_at,
    }
    tx.execute(
        upsert(budget_lease)
        .values(**key, **totals, created_at=now)
        .on_conflict_do_update(constraint=budget_lease.primary_key, set_=totals)
    )
    store_balance(tx, key["budget_id"], key["period_start"], renewal.balance)


def store_totals(tx: Connection, row: Row[Any], renewal: Renewal) -> None:
    """Write the totals of a lease that is there, with its period; its times stay as they are."""
    lease = renewal.lease
    tx.execute(
        update(budget_lease)
        .where(
            budget_lease.c.budget_id == row.budget_id,
            budget_lease.c.period_start == row.period_start,
            budget_lease.c.node == row.node,
            budget_lease.c.boot_ns == row.boot_ns,
        )
        .values(granted_nanos=lease.granted, used_nanos=lease.used, is_expired=lease.is_expired)
    )
    store_balance(tx, row.budget_id, row.period_start, renewal.balance)


def store_balance(tx: Connection, budget_id: str, start: datetime, balance: Balance) -> None:
    tx.execute(
        update(budget_period)
        .where(budget_period.c.budget_id == budget_id, budget_period.c.period_start == start)
        .values(
            spent_nanos=balance.spent,
            leased_nanos=balance.leased,
            overspent_nanos=balance.overspent,
        )
    )


def silent_leases(tx: Connection, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Return leases whose time is over with something outstanding."""
    return tx.execute(
        select(budget_lease)
        .where(
            budget_lease.c.expires_at < now,
            budget_lease.c.is_expired.is_(False),
            budget_lease.c.granted_nanos > budget_lease.c.used_nanos,
        )
        .order_by(budget_lease.c.budget_id, budget_lease.c.period_start)
        .limit(limit)
    ).all()


def expired_leases(tx: Connection, since: datetime, limit: int) -> Sequence[Row[Any]]:
    """Return leases that count as spent in full, the oldest first."""
    return tx.execute(
        select(budget_lease, budget)
        .join(budget, budget.c.id == budget_lease.c.budget_id)
        .where(budget_lease.c.is_expired, budget_lease.c.expires_at > since)
        .order_by(budget_lease.c.expires_at)
        .limit(limit)
    ).all()


def other_leases(tx: Connection, row: Row[Any]) -> Sequence[Row[Any]]:
    """Return the other leases of the same budget and period."""
    return tx.execute(
        select(budget_lease).where(
            budget_lease.c.budget_id == row.budget_id,
            budget_lease.c.period_start == row.period_start,
            or_(budget_lease.c.node != row.node, budget_lease.c.boot_ns != row.boot_ns),
        )
    ).all()


def forget_leases(tx: Connection, before: datetime, limit: int) -> int:
    """Remove leases that ended long ago; their sums stay in their period. Return how many."""
    oldest = (
        select(
            budget_lease.c.budget_id,
            budget_lease.c.period_start,
            budget_lease.c.node,
            budget_lease.c.boot_ns,
        )
        .where(
            budget_lease.c.expires_at < before,
            or_(
                budget_lease.c.is_expired,
                budget_lease.c.granted_nanos <= budget_lease.c.used_nanos,
            ),
        )
        .limit(limit)
        .cte("oldest")
    )
    gone = delete(budget_lease).where(
        exists().where(
            budget_lease.c.budget_id == oldest.c.budget_id,
            budget_lease.c.period_start == oldest.c.period_start,
            budget_lease.c.node == oldest.c.node,
            budget_lease.c.boot_ns == oldest.c.boot_ns,
        )
    )
    return tx.execute(gone).rowcount


# --- alerts ----------------------------------------------------------------------------------


def add_alerts(
    tx: Connection, alerts: Sequence[Mapping[str, Any]]
) -> set[tuple[str, datetime, int]]:
    """Add those that are new; return their budgets, periods and percents."""
    if not alerts:
        return set()
    statement = (
        upsert(budget_alert)
        .values(list(alerts))
        .on_conflict_do_nothing()
        .returning(budget_alert.c.budget_id, budget_alert.c.period_start, budget_alert.c.percent)
    )
    return {(row.budget_id, row.period_start, row.percent) for row in tx.execute(statement)}


def note_exhausted(tx: Connection, budget_id: str, start: datetime, now: datetime) -> bool:
    """Note that a hard budget refuses calls. False when that was noted already, or when its period
    was not begun.
    """
    noted = tx.execute(
        update(budget_period)
        .where(
            budget_period.c.budget_id == budget_id,
            budget_period.c.period_start == start,
            budget_period.c.exhausted_at.is_(None),
        )
        .values(exhausted_at=now)
    )
    return bool(noted.rowcount)


def alerts_of(tx: Connection, periods: Iterable[tuple[str, datetime]]) -> dict[str, list[Row[Any]]]:
    """Return the alerts of these budgets in these periods."""
    wanted = dict(periods)
    found: dict[str, list[Row[Any]]] = {}
    for row in tx.execute(
        select(budget_alert)
        .where(budget_alert.c.budget_id.in_(list(wanted)))
        .order_by(budget_alert.c.percent)
    ):
        if row.period_start == wanted[row.budget_id]:
            found.setdefault(row.budget_id, []).append(row)
    return found


def totals_of(row: Row[Any] | None) -> LeaseTotals:
    if row is None:
        return LeaseTotals()
    return LeaseTotals(row.granted_nanos, row.used_nanos, row.is_expired)


def balance_of(row: Row[Any], amount: int) -> Balance:
    return Balance(amount, row.spent_nanos, row.leased_nanos, row.overspent_nanos)
