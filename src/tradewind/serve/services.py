"""Builds the services of the control plane, once, for whichever process needs them."""

from typing import NamedTuple

from tradewind.core.clock import Clock, SystemClock
from tradewind.features.accounts.service import Accounts
from tradewind.features.catalog.service import Catalog
from tradewind.features.deployments.service import Deployments
from tradewind.features.market.service import Market


class Services(NamedTuple):
    clock: Clock
    accounts: Accounts
    catalog: Catalog
    market: Market
    deployments: Deployments


def build_services(pepper: bytes) -> Services:
    clock = SystemClock()
    catalog = Catalog(clock)
    return Services(
        clock, Accounts(pepper, clock), catalog, Market(clock), Deployments(catalog, clock)
    )
