"""Builds what payouts offer, for whichever process needs it."""

from dataclasses import dataclass

from tradewind.core.clock import Clock
from tradewind.features.catalog.service import Catalog
from tradewind.features.ledger.service import Ledger
from tradewind.features.payouts.ports import Earnings, MinorDigits, Owners
from tradewind.features.payouts.profiles import Profiles
from tradewind.features.payouts.reading import PayoutReader
from tradewind.features.payouts.service import PayoutRuns


@dataclass(frozen=True, slots=True)
class PayoutServices:
    profiles: Profiles
    reader: PayoutReader
    runs: PayoutRuns


def build_payouts(  # noqa: PLR0917  one caller for each process
    clock: Clock,
    ledger: Ledger,
    catalog: Catalog,
    owners: Owners,
    earnings: Earnings,
    minor_digits: MinorDigits,
    *,
    allows_self_approval: bool = False,
) -> PayoutServices:
    profiles = Profiles(clock, ledger, catalog, owners)
    return PayoutServices(
        profiles,
        PayoutReader(clock, ledger, earnings, minor_digits, profiles),
        PayoutRuns(
            clock,
            ledger,
            catalog,
            earnings,
            minor_digits,
            allows_self_approval=allows_self_approval,
        ),
    )
