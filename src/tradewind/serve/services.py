"""Builds the services of the control plane, once, for whichever process needs them."""

from typing import NamedTuple

from tradewind.core.clock import Clock, SystemClock
from tradewind.db.sealing import KeyEncryption
from tradewind.db.vault import Vault
from tradewind.features.abuse.services import AbuseServices
from tradewind.features.accounts.people import People
from tradewind.features.accounts.service import Accounts
from tradewind.features.billing.closing import Closing
from tradewind.features.billing.service import Billing
from tradewind.features.budgets.service import Budgets
from tradewind.features.budgets.upkeep import Upkeep
from tradewind.features.budgets.wallets import WalletBudgets
from tradewind.features.catalog.calendars import CalendarLinks
from tradewind.features.catalog.licences import Licences
from tradewind.features.catalog.lives import Lives
from tradewind.features.catalog.saved_views import SavedViews
from tradewind.features.catalog.service import Catalog
from tradewind.features.catalog.sync import Syncs
from tradewind.features.deployments.service import Deployments
from tradewind.features.endpoints.call_through import CallThroughs
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.ledger.service import Ledger
from tradewind.features.market.service import Market
from tradewind.features.payments.bank_transfers import BankTransfers
from tradewind.features.payments.open_invoices import OpenInvoices
from tradewind.features.payments.service import Wallets
from tradewind.features.providers.service import Providers
from tradewind.features.safety.services import SafetyServices
from tradewind.features.sales.dunning import Dunning
from tradewind.features.sales.payers import Payers
from tradewind.features.sales.service import Sales
from tradewind.features.trust.schemas import Release, SubjectKind
from tradewind.features.trust.services import TrustServices
from tradewind.features.webhooks.courier import Courier
from tradewind.features.webhooks.service import Webhooks
from tradewind.readmodels.calendar_links import is_member
from tradewind.readmodels.model_users import organizations_using
from tradewind.readmodels.spend import (
    find_writer_end,
    read_spend,
    read_spends,
    read_writer_spend,
)
from tradewind.readmodels.wallets import BilledOrganizations
from tradewind.serve.abuse import build_abuse
from tradewind.serve.billing import build_billing
from tradewind.serve.safety import build_safety
from tradewind.serve.selling import SellingTerms, build_dunning
from tradewind.serve.trust import build_trust, gate_of


class Services(NamedTuple):
    clock: Clock
    accounts: Accounts
    people: People
    catalog: Catalog
    syncs: Syncs
    lives: Lives
    calendar_links: CalendarLinks
    licences: Licences
    saved_views: SavedViews
    market: Market
    ledger: Ledger
    providers: Providers
    deployments: Deployments
    endpoints: Endpoints
    call_throughs: CallThroughs
    budgets: Budgets
    safety: SafetyServices
    trust: TrustServices
    abuse: AbuseServices
    budget_upkeep: Upkeep
    sales: Sales
    payers: Payers
    dunning: Dunning
    billing: Billing
    closing: Closing
    wallets: Wallets
    bank_transfers: BankTransfers
    open_invoices: OpenInvoices
    webhooks: Webhooks
    courier: Courier


def build_services(
    pepper: bytes,
    keys: KeyEncryption,
    selling: SellingTerms | None = None,
    *,
    allows_self_review: bool = False,
) -> Services:
    """`pepper` is what API keys are hashed under, `keys` wrap the keys that seal credentials."""
    selling = SellingTerms() if selling is None else selling
    clock = SystemClock()
    catalog, market = Catalog(clock), Market(clock)
    vault = Vault(keys, clock)
    providers = Providers(vault, clock)
    deployments = Deployments(catalog, clock)
    accounts = Accounts(pepper, clock)
    endpoints = Endpoints(catalog, market, providers, deployments, clock)
    licences = Licences(clock)
    ledger = Ledger(clock)
    billing = build_billing(clock, ledger, fee_ppm=selling.fee_ppm)
    bills = BilledOrganizations(billing)
    sales = Sales(clock, policy=selling.policy, platform_fee_ppm=selling.fee_ppm)
    trust = build_trust(clock, allows_self_review=allows_self_review)
    wallets = Wallets(clock, ledger, WalletBudgets(clock, read_spend), bills)
    return Services(
        clock=clock,
        accounts=accounts,
        people=People(pepper, clock, accounts),
        catalog=catalog,
        syncs=Syncs(clock),
        lives=Lives(clock, organizations_using, gate_of(trust, SubjectKind.MODEL, Release.GA)),
        calendar_links=CalendarLinks(clock, is_member),
        licences=licences,
        saved_views=SavedViews(clock),
        market=market,
        ledger=ledger,
        providers=providers,
        deployments=deployments,
        endpoints=endpoints,
        call_throughs=CallThroughs(catalog, licences, market, providers, endpoints),
        budgets=Budgets(accounts, clock, read_spends),
        safety=build_safety(clock),
        trust=trust,
        abuse=build_abuse(clock, allows_self_review=allows_self_review),
        budget_upkeep=Upkeep(clock, read_spend, find_writer_end, read_writer_spend),
        sales=sales,
        payers=Payers(clock),
        dunning=build_dunning(sales, clock, selling),
        billing=billing,
        closing=Closing(billing, clock),
        wallets=wallets,
        bank_transfers=BankTransfers(clock, wallets, bills),
        open_invoices=OpenInvoices(clock, ledger, wallets, bills),
        webhooks=Webhooks(vault, clock),
        courier=Courier(vault, clock),
    )
