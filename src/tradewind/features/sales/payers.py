"""Who pays: that a person of the organization was shown it and agreed, kept for good."""

from datetime import datetime

from sqlalchemy import Connection

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import NotFound
from tradewind.core.ids import OrganizationId, SubscriptionId
from tradewind.core.permissions import Permission, require
from tradewind.core.pricing.charges import PlanTerms
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts.schemas import Actor
from tradewind.features.sales.errors import NotConfirmed, TermsChanged
from tradewind.features.sales.repository.charges import is_organization, last_confirmation
from tradewind.features.sales.repository.rows import add
from tradewind.features.sales.rules.agreement import canonical_hash
from tradewind.features.sales.schemas import Confirmation, Confirmed
from tradewind.features.sales.tables import payment_confirmation


class Payers:
    """Until somebody confirmed, gateways refuse an organization that is charged each call of a
    model that has a price.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def confirm(self, tx: Connection, actor: Actor, by: By, said: Confirmation) -> Confirmed:
        """Keep that somebody knows who pays for calls to charged models."""
        require(actor, Permission.BILLING_WRITE)
        return self._keep(tx, actor.organization_id, by, said)

    def confirm_for(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        organization_id: OrganizationId,
        said: Confirmation,
    ) -> Confirmed:
        """Keep what an organization told finance in another way, such as a signed contract."""
        require(actor, Permission.FINANCE_WRITE)
        if not is_organization(tx, organization_id):
            raise NotFound(f"there is no organization {organization_id[:64]!r}")
        return self._keep(tx, organization_id, by, said)

    def current(self, tx: Connection, actor: Actor) -> Confirmed | None:
        """Return who confirmed last who pays, None when nobody has."""
        require(actor, Permission.BILLING_READ)
        return last_confirmation(tx, actor.organization_id)

    def _keep(
        self, tx: Connection, organization_id: OrganizationId, by: By, said: Confirmation
    ) -> Confirmed:
        write(tx, organization_id, by, said, self._clock.now(), None)
        found = last_confirmation(tx, organization_id)
        assert found is not None, "it was just written"
        return found


def check(said: Confirmation, terms: PlanTerms) -> None:
    """Raises NotConfirmed, TermsChanged."""
    _check_payer(said)
    if said.terms_hash and said.terms_hash != canonical_hash(terms):
        raise TermsChanged("the plan costs something else by now", hint="look at it again")


def write(  # noqa: PLR0917  all of one confirmation
    tx: Connection,
    organization_id: OrganizationId,
    by: By,
    said: Confirmation,
    at: datetime,
    subscription_id: SubscriptionId | None,
) -> None:
    """Keep a confirmation, of one subscription or of any call. Raises NotConfirmed."""
    _check_payer(said)
    add(
        tx,
        payment_confirmation,
        {
            "organization_id": organization_id,
            "subscription_id": subscription_id,
            "payer": said.payer[:200],
            "price": said.price[:2000],
            "cap": said.cap[:200],
            "terms_hash": said.terms_hash[:64],
            "confirmed_by_id": by.id,
            "confirmed_by": by.name,
            "confirmed_at": at,
        },
    )
    record_change(tx, ChangeKind.TERMS, [organization_id])


def _check_payer(said: Confirmation) -> None:
    if not said.payer.strip():
        raise NotConfirmed("nobody said who pays", hint="confirm who pays, price and cap")
