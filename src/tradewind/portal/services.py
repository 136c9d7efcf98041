"""What the composition root hands to the portal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.db.database import Database
from tradewind.features.accounts.service import Accounts
from tradewind.features.budgets.service import Budgets
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.providers.service import Providers
from tradewind.features.webhooks.service import Webhooks
from tradewind.portal.live_tail import LiveTails
from tradewind.readmodels.models import ServedModel, get_model, list_models


@dataclass(frozen=True, slots=True)
class PortalServices:
    """Everything a page may use. Built once in `serve/`."""

    database: Database
    accounts: Accounts
    providers: Providers
    endpoints: Endpoints
    budgets: Budgets
    webhooks: Webhooks
    clock: Clock
    public_url: Callable[[], str]
    """Origin under which browsers reach the platform, without a trailing slash. Asked for on each
    request, because a port of 0 is only known once the gateway listens."""
    log_days: int = 30
    """For how long calls stay in the request log."""
    live_tails: LiveTails = field(default_factory=LiveTails)
    list_models: Callable[[Connection], Sequence[ServedModel]] = list_models
    get_model: Callable[[Connection, str], ServedModel | None] = get_model
