"""What the composition root hands to the control API."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.features.accounts.service import Accounts
from tradewind.features.budgets.service import Budgets
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.providers.service import Providers
from tradewind.features.webhooks.service import Webhooks
from tradewind.readmodels.models import ServedModel
from tradewind.readmodels.project_usage import ProjectUsage, UsageQuestion


class Transactions(Protocol):
    """The part of `tradewind.db.database.Database` that answers requests."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """Return a transaction that commits when it is left without an error."""
        ...


@dataclass(frozen=True, slots=True)
class ControlServices:
    """Everything a route may use. Built once in `serve/`."""

    database: Transactions
    accounts: Accounts
    providers: Providers
    endpoints: Endpoints
    budgets: Budgets
    webhooks: Webhooks
    clock: Clock
    list_models: Callable[[Connection], Sequence[ServedModel]]
    read_usage: Callable[[Connection, UsageQuestion], ProjectUsage]
