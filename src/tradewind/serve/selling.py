"""Builds sales, and tells billing what they charge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.pricing.charges import METERS
from tradewind.core.pricing.rating import Used
from tradewind.core.settings import Settings
from tradewind.features.billing.ports import SubscribedTerm, TermCharge
from tradewind.features.catalog.service import Catalog
from tradewind.features.marketplace.metering import used
from tradewind.features.publishing.publishers import Publishers
from tradewind.features.sales.charged import Charged
from tradewind.features.sales.dunning import Dunning
from tradewind.features.sales.offers import ReleaseGate, SaleOffers
from tradewind.features.sales.private_offers import Signs
from tradewind.features.sales.rules.fees import PLATFORM_FEE_PPM
from tradewind.features.sales.rules.life import Policy
from tradewind.features.sales.schemas import SubscribedTerm as SoldTerm
from tradewind.features.sales.service import Sales
from tradewind.readmodels.overdue import OverdueInvoices
from tradewind.readmodels.prices import find_model, model_names, models_of_prices

_PPM_OF_A_PERCENT = 10_000


@dataclass(frozen=True, slots=True)
class SellingTerms:
    """What the platform's operator says about sales."""

    fee_ppm: int = PLATFORM_FEE_PPM
    policy: Policy = Policy()  # noqa: RUF009  frozen
    overdue_days: int = 0


def selling_terms(settings: Settings) -> SellingTerms:
    return SellingTerms(
        int(settings.platform_fee_percent * _PPM_OF_A_PERCENT),
        Policy(
            suspend_days=settings.dunning_suspend_days,
            cancel_days=max(settings.dunning_cancel_days, settings.dunning_suspend_days),
        ),
        settings.dunning_overdue_days,
    )


def build_dunning(sales: Sales, clock: Clock, selling: SellingTerms) -> Dunning:
    return Dunning(sales, OverdueInvoices(), clock, overdue_days=selling.overdue_days)


class SoldFees:
    """The port `features.billing.ports.SellerFees`: each offer has its fee."""

    def __init__(self, charged: Charged) -> None:
        self._charged = charged

    def fees_ppm(self, tx: Connection, price_ids: Sequence[str]) -> Mapping[str, int]:
        models = models_of_prices(tx, price_ids)
        fees = self._charged.fees(tx, sorted(set(models.values())))
        return {price_id: fees[model_id] for price_id, model_id in models.items()}


class SoldSubscriptions:
    """What billing asks of subscriptions, in its words."""

    def __init__(self, charged: Charged) -> None:
        self._charged = charged

    def charges_due(
        self, tx: Connection, organization_ids: Sequence[str], until: datetime
    ) -> Sequence[TermCharge]:
        return [
            TermCharge(*charge) for charge in self._charged.charges_due(tx, organization_ids, until)
        ]

    def terms_of(
        self, tx: Connection, organization_ids: Sequence[str], since: datetime, until: datetime
    ) -> Sequence[SubscribedTerm]:
        found = self._charged.terms_of(tx, organization_ids, since, until)
        names = model_names(tx, {term.model_id for term in found if term.model_id is not None})
        return [
            SubscribedTerm(
                term.subscription_id,
                term.organization_id,
                () if term.model_id is None else (names[term.model_id],),
                term.terms,
                term.since,
                term.until,
                term.seller,
                term.fee_ppm,
                _reported(tx, term, until),
            )
            for term in found
        ]


def _reported(tx: Connection, term: SoldTerm, until: datetime) -> tuple[Used, ...]:
    """Return what its seller reported in a term; nothing is asked of terms without such meters."""
    if all(charge.meter in METERS for charge in term.terms.charges):
        return ()
    return tuple(used(tx, term.subscription_id, term.since, min(term.until, until)))


def build_sale_offers(
    catalog: Catalog, clock: Clock, signer: Signs, release_gate: ReleaseGate | None = None
) -> SaleOffers:
    publishers = Publishers(catalog, clock)
    return SaleOffers(publishers, find_model, signer, clock, release_gate=release_gate)
