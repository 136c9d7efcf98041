"""Builds the services of the control plane, once, for whichever process needs them."""

from typing import NamedTuple

from tradewind.core.clock import Clock, SystemClock
from tradewind.db.sealing import KeyEncryption
from tradewind.db.vault import Vault
from tradewind.features.accounts.service import Accounts
from tradewind.features.budgets.service import Budgets
from tradewind.features.budgets.upkeep import Upkeep
from tradewind.features.catalog.licences import Licences
from tradewind.features.catalog.lives import Lives
from tradewind.features.catalog.service import Catalog
from tradewind.features.catalog.sync import Syncs
from tradewind.features.deployments.service import Deployments
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.market.service import Market
from tradewind.features.providers.service import Providers
from tradewind.features.webhooks.courier import Courier
from tradewind.features.webhooks.service import Webhooks
from tradewind.readmodels.model_users import organizations_using
from tradewind.readmodels.spend import (
    find_writer_end,
    read_spend,
    read_spends,
    read_writer_spend,
)


class Services(NamedTuple):
    clock: Clock
    accounts: Accounts
    catalog: Catalog
    syncs: Syncs
    lives: Lives
    licences: Licences
    market: Market
    providers: Providers
    deployments: Deployments
    endpoints: Endpoints
    budgets: Budgets
    budget_upkeep: Upkeep
    webhooks: Webhooks
    courier: Courier


def build_services(pepper: bytes, keys: KeyEncryption) -> Services:
    """`pepper` is what API keys are hashed under, `keys` wrap the keys that seal credentials."""
    clock = SystemClock()
    catalog, market = Catalog(clock), Market(clock)
    vault = Vault(keys, clock)
    providers = Providers(vault, clock)
    deployments = Deployments(catalog, clock)
    accounts = Accounts(pepper, clock)
    return Services(
        clock=clock,
        accounts=accounts,
        catalog=catalog,
        syncs=Syncs(clock),
        lives=Lives(clock, organizations_using),
        licences=Licences(clock),
        market=market,
        providers=providers,
        deployments=deployments,
        endpoints=Endpoints(catalog, market, providers, deployments, clock),
        budgets=Budgets(accounts, clock, read_spends),
        budget_upkeep=Upkeep(clock, read_spend, find_writer_end, read_writer_spend),
        webhooks=Webhooks(vault, clock),
        courier=Courier(vault, clock),
    )
