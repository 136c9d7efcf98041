"""What billing needs from features that stand above it, or from outside."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from tradewind.core.pricing.charges import PlanTerms
from tradewind.core.pricing.rating import Used
from tradewind.features.billing.schemas import BuyerKind, Tax


class SellerFees(Protocol):
    """What the platform keeps of a publisher's sale."""

    def fees_ppm(self, tx: Connection, price_ids: Sequence[str]) -> Mapping[str, int]:
        """Return the fee of each of these prices, in millionths."""
        ...


class SameFee:
    """One fee for everything."""

    def __init__(self, ppm: int) -> None:
        self._ppm = ppm

    def fees_ppm(self, tx: Connection, price_ids: Sequence[str]) -> Mapping[str, int]:  # noqa: ARG002
        return dict.fromkeys(price_ids, self._ppm)


class TermCharge(NamedTuple):
    """A fee, or what a change of plan costs: a line of the next invoice."""

    key: str
    """Its own for ever: no charge with this key is on two invoices."""
    organization_id: str
    subscription_id: str
    currency: str
    description: str
    nanos: int
    """Below zero gives back."""
    since: datetime
    until: datetime
    seller: str = ""
    fee_ppm: int = 0


class SubscribedTerm(NamedTuple):
    """A term of a subscription whose usage is charged by a plan, not by the list price."""

    subscription_id: str
    organization_id: str
    models: tuple[str, ...]
    """As usage names them; empty for an application, whose meters are all reported."""
    terms: PlanTerms
    since: datetime
    until: datetime
    seller: str = ""
    fee_ppm: int = 0
    metered: tuple[Used, ...] = ()
    """What was reported of custom meters in this term, whenever it was reported."""


class Subscriptions(Protocol):
    def charges_due(
        self, tx: Connection, organization_ids: Sequence[str], until: datetime
    ) -> Sequence[TermCharge]:
        """Return what fell due before `until`; what is on an invoice already may be in it."""
        ...

    def terms_of(
        self, tx: Connection, organization_ids: Sequence[str], since: datetime, until: datetime
    ) -> Sequence[SubscribedTerm]:
        """Return the terms that touch a span. Terms of one organization that overlap have no model
        in common.
        """
        ...


class NoSubscriptions:
    """A platform on which nothing is sold by plan."""

    def charges_due(
        self,
        tx: Connection,  # noqa: ARG002
        organization_ids: Sequence[str],  # noqa: ARG002
        until: datetime,  # noqa: ARG002
    ) -> Sequence[TermCharge]:
        return ()

    def terms_of(
        self,
        tx: Connection,  # noqa: ARG002
        organization_ids: Sequence[str],  # noqa: ARG002
        since: datetime,  # noqa: ARG002
        until: datetime,  # noqa: ARG002
    ) -> Sequence[SubscribedTerm]:
        return ()


class Taxable(NamedTuple):
    seller_country: str
    buyer_country: str
    buyer_kind: BuyerKind
    on: date


class TaxService(Protocol):
    def tax(self, tx: Connection, sale: Taxable) -> Tax:
        """Raises NoTaxRule where nobody can say."""
        ...
