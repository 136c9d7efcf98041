"""What the books are asked about a budget."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from tradewind.features.budgets.schemas import SpendQuestion


def spend_of(budget: Row[Any], since: datetime, until: datetime | None) -> SpendQuestion:
    """Return the question what a budget's scope has spent in a time. Of what an organization paid
    ahead only that goes which is charged.
    """
    return SpendQuestion(
        organization_id=budget.organization_id,
        project_id=budget.project_id,
        key_id=budget.key_id,
        currency=budget.currency,
        since=since,
        until=until,
        is_charged_only=budget.purpose == "wallet",
    )
