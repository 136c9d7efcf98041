"""What the composition root hands to the control API."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import OrganizationId
from tradewind.features.abuse.services import AbuseServices
from tradewind.features.accounts.people import People
from tradewind.features.accounts.service import Accounts
from tradewind.features.artifacts.services import ArtifactServices
from tradewind.features.billing.closing import Closing
from tradewind.features.billing.service import Billing
from tradewind.features.budgets.service import Budgets
from tradewind.features.catalog.calendars import CalendarLinks
from tradewind.features.catalog.licences import Licences
from tradewind.features.catalog.lives import Lives
from tradewind.features.catalog.saved_views import SavedViews
from tradewind.features.catalog.service import Catalog
from tradewind.features.catalog.sync import Syncs
from tradewind.features.deployments.orders import DeploymentOrders
from tradewind.features.endpoints.call_through import CallThroughs
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.ledger.service import Ledger
from tradewind.features.market.services import PriceServices
from tradewind.features.marketplace.services import MarketplaceServices
from tradewind.features.payments.bank_transfers import BankTransfers
from tradewind.features.payments.card_payments import CardPayments
from tradewind.features.payments.service import Wallets
from tradewind.features.payouts.services import PayoutServices
from tradewind.features.providers.service import Providers
from tradewind.features.publishing.services import PublishingServices
from tradewind.features.receipts.corrections import Corrections
from tradewind.features.receipts.service import Receipts
from tradewind.features.reconciliation.service import Reconciliation
from tradewind.features.redteam.service import RedTeam
from tradewind.features.safety.services import SafetyServices
from tradewind.features.sales.offers import SaleOffers
from tradewind.features.sales.payers import Payers
from tradewind.features.sales.service import Sales
from tradewind.features.trust.services import TrustServices
from tradewind.features.webhooks.service import Webhooks
from tradewind.plugins.engines.engine_logs import EngineLogs
from tradewind.readmodels.catalog_search.live import CatalogSearch
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
    people: People
    providers: Providers
    endpoints: Endpoints
    call_throughs: CallThroughs
    orders: DeploymentOrders
    engine_logs: EngineLogs
    budgets: Budgets
    safety: SafetyServices
    trust: TrustServices
    abuse: AbuseServices
    ledger: Ledger
    sales: Sales
    sale_offers: SaleOffers
    marketplace: MarketplaceServices
    payers: Payers
    billing: Billing
    closing: Closing
    wallets: Wallets
    bank_transfers: BankTransfers
    card_payments: CardPayments | None
    payouts: PayoutServices
    """None where no processor is set up: its routes are not there."""
    prices: PriceServices
    receipts: Receipts
    corrections: Corrections
    reconciliation: Reconciliation
    red_team: RedTeam
    webhooks: Webhooks
    artifacts: ArtifactServices
    publishing: PublishingServices
    catalog: Catalog
    syncs: Syncs
    lives: Lives
    calendar_links: CalendarLinks
    licences: Licences
    saved_views: SavedViews
    catalog_search: CatalogSearch
    catalog_is_public: bool
    clock: Clock
    list_models: Callable[[Connection, OrganizationId], Sequence[ServedModel]]
    read_usage: Callable[[Connection, UsageQuestion], ProjectUsage]
    public_url: str = ""
    """Origin under which browsers reach the platform, without a trailing slash."""
