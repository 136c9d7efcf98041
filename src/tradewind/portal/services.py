"""What the composition root hands to the portal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.db.database import Database
from tradewind.features.accounts.service import Accounts
from tradewind.readmodels.models import ServedModel, get_model, list_models


@dataclass(frozen=True, slots=True)
class PortalServices:
    """Everything a page may use. Built once in `serve/`."""

    database: Database
    accounts: Accounts
    clock: Clock
    public_url: Callable[[], str]
    """Origin under which browsers reach the platform, without a trailing slash. Asked for on each
    request, because a port of 0 is only known once the gateway listens."""
    list_models: Callable[[Connection], Sequence[ServedModel]] = list_models
    get_model: Callable[[Connection, str], ServedModel | None] = get_model
