"""What the composition root hands to the portal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import OrganizationId
from tradewind.db.database import Database
from tradewind.features.abuse.services import AbuseServices
from tradewind.features.accounts.people import People
from tradewind.features.accounts.service import Accounts
from tradewind.features.artifacts.service import Artifacts
from tradewind.features.artifacts.uploads import Uploads
from tradewind.features.billing.office import Office
from tradewind.features.budgets.service import Budgets
from tradewind.features.catalog.calendars import CalendarLinks
from tradewind.features.catalog.licences import Licences
from tradewind.features.catalog.lives import Lives
from tradewind.features.catalog.saved_views import SavedViews
from tradewind.features.catalog.service import Catalog
from tradewind.features.deployments.orders import DeploymentOrders
from tradewind.features.endpoints.call_through import CallThroughs
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.ledger.books import Books
from tradewind.features.market.services import PriceServices
from tradewind.features.marketplace.sinks import Sinks
from tradewind.features.payments.bank_transfers import BankTransfers
from tradewind.features.payments.card_payments import CardPayments
from tradewind.features.payments.service import Wallets
from tradewind.features.payouts.services import PayoutServices
from tradewind.features.providers.service import Providers
from tradewind.features.publishing.services import PublishingServices
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
from tradewind.portal.live_tail import LiveTails
from tradewind.readmodels.catalog_search.fit import Fit
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.rows import Card, CatalogPage, Reader
from tradewind.readmodels.models import ServedModel, get_model, list_models


class CatalogSearch(Protocol):
    """The part of `readmodels.catalog_search.live.CatalogSearch` that pages use."""

    @property
    def currency(self) -> str: ...

    def search(
        self, query: CatalogQuery, reader: Reader, *, fit: Fit | None = None
    ) -> CatalogPage: ...

    def find(self, names: Sequence[str], reader: Reader) -> list[Card]: ...


@dataclass(frozen=True, slots=True)
class PortalServices:
    """Everything a page may use. Built once in `serve/`."""

    database: Database
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
    wallets: Wallets
    bank_transfers: BankTransfers
    payouts: PayoutServices
    card_payments: CardPayments | None
    """None without a processor: then there is no trace of cards on any page."""
    sales: Sales
    sale_offers: SaleOffers
    payers: Payers
    sinks: Sinks
    prices: PriceServices
    office: Office
    books: Books
    receipts: Receipts
    reconciliation: Reconciliation
    red_team: RedTeam
    webhooks: Webhooks
    publishing: PublishingServices
    artifacts: Artifacts
    uploads: Uploads
    catalog: Catalog
    lives: Lives
    calendar_links: CalendarLinks
    licences: Licences
    saved_views: SavedViews
    catalog_search: CatalogSearch
    clock: Clock
    public_url: Callable[[], str]
    """Origin under which browsers reach the platform, without a trailing slash. Asked for on each
    request, because a port of 0 is only known once the gateway listens."""
    catalog_is_public: bool = False
    """Whether whoever is not signed in may read the catalog."""
    log_days: int = 30
    """For how long calls stay in the request log."""
    live_tails: LiveTails = field(default_factory=LiveTails)
    validation_every: timedelta = timedelta(days=7)
    """After how long what is listed is tried again."""
    list_models: Callable[[Connection, OrganizationId | None], Sequence[ServedModel]] = list_models
    get_model: Callable[[Connection, str, OrganizationId | None], ServedModel | None] = get_model
