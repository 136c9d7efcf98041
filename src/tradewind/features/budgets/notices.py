"""What others are told of budgets, through the outbox. Whoever notices writes it in the same
transaction.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.ids import OrganizationId
from tradewind.core.money import format_nanos
from tradewind.db.outbox import enqueue
from tradewind.features.budgets.rules import Period

ALERT = "budget.alert"
"""A part of a budget was spent: once for each part and period."""
EXHAUSTED = "budget.exhausted"
"""A hard budget refused a call: once for each period, and once more when its amount was changed."""


def tell_alert(
    tx: Connection, budget: Row[Any], period: Period, *, percent: int, spent_nanos: int
) -> None:
    data = _facts(budget, period, spent_nanos) | {"percent": percent}
    key = f"{ALERT} {budget.id} {_time(period.start)} {percent}"
    enqueue(tx, ALERT, OrganizationId(budget.organization_id), data, key=key)


def tell_exhausted(tx: Connection, budget: Row[Any], period: Period, *, spent_nanos: int) -> None:
    key = f"{EXHAUSTED} {budget.id} {_time(period.start)} {budget.revision}"
    data = _facts(budget, period, spent_nanos)
    enqueue(tx, EXHAUSTED, OrganizationId(budget.organization_id), data, key=key)


def _facts(budget: Row[Any], period: Period, spent_nanos: int) -> dict[str, Any]:
    """Return what a receiver needs without asking back. Amounts are decimal strings."""
    return {
        "budget": budget.id,
        "name": budget.name,
        "project": budget.project_id,
        "key": budget.key_id,
        "is_hard": budget.is_hard,
        "period": budget.period,
        "period_start": _time(period.start),
        "period_end": None if period.end is None else _time(period.end),
        "currency": budget.currency,
        "amount": format_nanos(budget.amount_nanos),
        "spent": format_nanos(spent_nanos),
        "left": format_nanos(max(0, budget.amount_nanos - spent_nanos)),
    }


def _time(moment: datetime) -> str:
    return moment.isoformat()
