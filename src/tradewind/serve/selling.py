"""Builds sales, and tells billing what they charge."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import ModelId
from tradewind.features.billing.ports import SubscribedTerm, TermCharge
from tradewind.features.catalog.service import Catalog
from tradewind.features.publishing.publishers import Publishers
from tradewind.features.sales.offers import SaleOffers, Signs
from tradewind.features.sales.service import Sales
from tradewind.readmodels.prices import model_ids, model_names


class SoldSubscriptions:
    """What billing asks of subscriptions, in its words."""

    def __init__(self, sales: Sales) -> None:
        self._sales = sales

    def charges_due(
        self, tx: Connection, organization_ids: Sequence[str], until: datetime
    ) -> Sequence[TermCharge]:
        return [
            TermCharge(*charge) for charge in self._sales.charges_due(tx, organization_ids, until)
        ]

    def terms_of(
        self, tx: Connection, organization_ids: Sequence[str], since: datetime, until: datetime
    ) -> Sequence[SubscribedTerm]:
        found = self._sales.terms_of(tx, organization_ids, since, until)
        names = model_names(tx, {term.model_id for term in found})
        return [
            SubscribedTerm(
                term.subscription_id,
                term.organization_id,
                (names[term.model_id],),
                term.terms,
                term.since,
                term.until,
                term.seller,
                term.fee_ppm,
            )
            for term in found
        ]


def build_sale_offers(catalog: Catalog, clock: Clock, signer: Signs) -> SaleOffers:
    return SaleOffers(Publishers(catalog, clock), _find_model, signer, clock)


def _find_model(tx: Connection, name: str) -> ModelId | None:
    found = model_ids(tx, [name]).get(name)
    return None if found is None else ModelId(found)
