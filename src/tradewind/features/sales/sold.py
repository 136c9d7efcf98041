"""Subscriptions as their seller sees them: what features above sales build on."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.acting import By
from tradewind.core.errors import NotFound
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor
from tradewind.features.sales.errors import offer_not_found
from tradewind.features.sales.repository import offers, subscriptions
from tradewind.features.sales.repository.rows import terms_of
from tradewind.features.sales.schemas import (
    Confirmation,
    OfferRow,
    PlanRow,
    Sold,
    SubscriptionRow,
    TermsAt,
)
from tradewind.features.sales.service import Sales

PAGE_MAX = 100


class SoldDesk:
    """Acts for sellers on what they sold, and carries out what both sides have agreed to."""

    def __init__(self, sales: Sales) -> None:
        self._sales = sales

    def own_offer(self, tx: Connection, actor: Actor, offer_id: str) -> OfferRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.SALES_READ)
        offer = offers.find_offer(tx, offer_id)
        if offer is None or offer.organization_id != actor.organization_id:
            raise offer_not_found(offer_id)
        return offer

    def get(
        self, tx: Connection, actor: Actor, subscription_id: str, *, locks: bool = False
    ) -> Sold:
        """Return a subscription of an own offer. With `locks` nobody moves it until the end of
        `tx`, and what was due before is done. Raises NotFound, also for what others sell.
        """
        require(actor, Permission.SALES_READ)
        found = self.find(tx, subscription_id, locks=locks)
        if found is None or found.offer.organization_id != actor.organization_id:
            raise NotFound(
                f"there is no subscription {subscription_id[:64]!r}", hint="list subscriptions"
            )
        return found

    def find(self, tx: Connection, subscription_id: str, *, locks: bool = False) -> Sold | None:
        """Return whoever's subscription it is."""
        if locks and subscriptions.lock_subscription(tx, subscription_id) is not None:
            self._sales.catch_up(tx, subscription_id)
        rows = subscriptions.subscriptions(tx, subscription_id=subscription_id)
        return None if not rows else _with_offers(tx, rows)[0]

    def page(self, tx: Connection, actor: Actor, after: str, limit: int) -> list[Sold]:
        """Return the subscriptions of all own offers in the order of their ids."""
        require(actor, Permission.SALES_READ)
        rows = subscriptions.sold_by(tx, actor.organization_id, after, min(limit, PAGE_MAX + 1))
        return _with_offers(tx, rows)

    def plans(self, tx: Connection, offer_id: str) -> list[PlanRow]:
        """Return the plans that are on sale."""
        return offers.plans_of(tx, offer_id, only_live=True)

    def terms_at(self, tx: Connection, subscription_id: str, at: datetime) -> TermsAt | None:
        """Return by which plan usage at a moment is charged; None where it could not be used."""
        row = subscriptions.span_at(tx, subscription_id, at)
        if row is None:
            return None
        return TermsAt(row.plan_id, row.plan_name, terms_of(row.terms))

    def activate(self, tx: Connection, actor: Actor, by: By, subscription_id: str) -> None:
        self._sales.activate(tx, actor, by, subscription_id)

    def change(  # noqa: PLR0917  all of one change
        self,
        tx: Connection,
        subscription_id: str,
        by: By,
        plan_id: str | None,
        quantity: int | None,
        confirmation: Confirmation,
    ) -> SubscriptionRow:
        """Change a subscription as its buyer asked before, and confirmed."""
        [row] = subscriptions.subscriptions(tx, subscription_id=subscription_id)
        return self._sales.change_plan(
            tx,
            _Buyer(row.organization_id),
            by,
            subscription_id,
            plan_id=plan_id,
            quantity=quantity,
            confirmation=confirmation,
        )

    def cancel(self, tx: Connection, actor: Actor, by: By, subscription_id: str) -> None:
        """End what an own offer was bought for, now. The rest of the fee is given back, as it is
        not the buyer who ends it.
        """
        self._sales.cancel_sold(tx, actor, by, subscription_id)

    def suspend(self, tx: Connection, subscription_id: str, reason: str, by: By) -> None:
        self._sales.suspend(tx, subscription_id, reason, by=by)


class _Buyer(NamedTuple):
    """The organization whose word was taken when the change was asked for."""

    organization_id: OrganizationId
    project_id: ProjectId = ProjectId("")

    def may(self, permission: Permission) -> bool:
        return permission in {Permission.BILLING_READ, Permission.BILLING_WRITE}


def _with_offers(tx: Connection, rows: Sequence[SubscriptionRow]) -> list[Sold]:
    found: dict[str, OfferRow] = {}
    for offer_id in {row.offer_id for row in rows}:
        offer = offers.find_offer(tx, offer_id)
        assert offer is not None, "a subscription has its offer"
        found[offer_id] = offer
    return [Sold(row, found[row.offer_id]) for row in rows]
