"""Private offers: other terms for named organizations, accepted by the hash of what was read."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.ids import OrganizationId, PlanId, PrivateOfferId
from tradewind.core.permissions import Permission, require
from tradewind.core.pricing.charges import PlanTerms, check_terms
from tradewind.features.accounts.schemas import Actor
from tradewind.features.artifacts.schemas import Signature
from tradewind.features.sales.errors import TermsChanged, offer_not_found
from tradewind.features.sales.repository import offers, private_offers
from tradewind.features.sales.repository.rows import add, as_json
from tradewind.features.sales.rules.agreement import WHOLE, canonical, reduced, terms_hash
from tradewind.features.sales.schemas import (
    Acceptance,
    Accepted,
    NewPrivateOffer,
    OfferRow,
    PrivateOfferRow,
)
from tradewind.features.sales.tables import (
    private_offer,
    private_offer_acceptance,
    private_offer_buyer,
    private_offer_price,
)
from tradewind.features.sales.texts import NAME_MAX, TEXT_MAX, check_text

BUYERS_MAX = 100
LISTED_MAX = 200


class Signs(Protocol):
    """The platform's own key."""

    def sign(self, manifest: bytes) -> Signature: ...


class GetOwn(Protocol):
    """Finds an own offer, as `SaleOffers.get_own`."""

    def __call__(self, tx: Connection, actor: Actor, offer_id: str) -> OfferRow:
        """Raises NotFound, also for another organization's."""
        ...


class PrivateOffers:
    def __init__(self, get_own: GetOwn, signer: Signs, clock: Clock) -> None:
        self._get_own = get_own
        self._signer = signer
        self._clock = clock

    # --- for publishers ------------------------------------------------------------------------

    def offer(
        self, tx: Connection, actor: Actor, by: By, offer_id: str, new: NewPrivateOffer
    ) -> PrivateOfferRow:
        """Offer named organizations other terms until a time. Raises InvalidInput, NotFound."""
        require(actor, Permission.SALES_WRITE)
        self._get_own(tx, actor, offer_id)
        check_text("name", new.name, NAME_MAX)
        check_text("text", new.text, TEXT_MAX, least=0)
        if not 1 <= len(new.buyers) <= BUYERS_MAX:
            raise InvalidInput(f"a private offer names 1 to {BUYERS_MAX} organizations")
        now = self._clock.now()
        if not max(new.starts_at, now) < new.ends_at or not now <= new.accept_by <= new.ends_at:
            raise InvalidInput(
                "a private offer ends after it starts, and is accepted before it ends",
                hint="check starts_at, ends_at and accept_by",
            )
        prices = self._private_prices(tx, offer_id, new)
        private_offer_id = PrivateOfferId.new()
        dates = {
            name: at.astimezone(UTC)
            for name, at in (
                ("starts_at", new.starts_at),
                ("ends_at", new.ends_at),
                ("accept_by", new.accept_by),
            )
        }
        add(
            tx,
            private_offer,
            {
                "id": private_offer_id,
                "offer_id": offer_id,
                "name": new.name,
                "text": new.text,
                **dates,
                "terms_hash": terms_hash(offer_id, prices, new.text, **dates),
                "is_withdrawn": False,
                "offered_by_id": by.id,
                "offered_by": by.name,
                "offered_at": now,
            },
        )
        known = {"private_offer_id": private_offer_id}
        buyers = sorted(set(new.buyers))
        add(tx, private_offer_buyer, *[{**known, "organization_id": each} for each in buyers])
        add(
            tx,
            private_offer_price,
            *[
                {**known, "plan_id": plan_id, "terms": as_json(terms)}
                for plan_id, terms in prices.items()
            ],
        )
        return self._made(tx, private_offer_id)

    def list_own(self, tx: Connection, actor: Actor, offer_id: str) -> list[PrivateOfferRow]:
        self._get_own(tx, actor, offer_id)
        return private_offers.private_offers_of(tx, offer_id, LISTED_MAX)

    def acceptances(
        self, tx: Connection, actor: Actor, offer_id: str
    ) -> Mapping[str, Sequence[Accepted]]:
        """Return who accepted each private offer of an own offer, by its id."""
        self._get_own(tx, actor, offer_id)
        found: dict[str, list[Accepted]] = {}
        for private_offer_id, accepted in private_offers.acceptances_of(tx, offer_id):
            found.setdefault(private_offer_id, []).append(accepted)
        return found

    def withdraw(self, tx: Connection, actor: Actor, private_offer_id: str) -> None:
        """Nobody accepts it any more. What was accepted stays."""
        require(actor, Permission.SALES_WRITE)
        row = private_offers.find_private_offer(tx, private_offer_id, locks=True)
        offer = None if row is None else offers.find_offer(tx, row.offer_id)
        # Outsiders do not learn of which offer it is, nor that it is there.
        if offer is None or offer.organization_id != actor.organization_id:
            raise offer_not_found(private_offer_id)
        private_offers.withdraw_private_offer(tx, private_offer_id)

    # --- for buyers ----------------------------------------------------------------------------

    def list_for(self, tx: Connection, actor: Actor) -> list[PrivateOfferRow]:
        """Return private offers that name the actor's organization."""
        require(actor, Permission.BILLING_READ)
        return private_offers.private_offers_for(
            tx, actor.organization_id, self._clock.now(), LISTED_MAX
        )

    def get(self, tx: Connection, actor: Actor, private_offer_id: str) -> PrivateOfferRow:
        """Raises NotFound, for who is not named as for what is not there."""
        require(actor, Permission.BILLING_READ)
        row = private_offers.find_private_offer(tx, private_offer_id)
        if row is None or actor.organization_id not in row.buyers or row.is_withdrawn:
            raise offer_not_found(private_offer_id)
        return row

    def accept(
        self, tx: Connection, actor: Actor, by: By, private_offer_id: str, read_hash: bytes
    ) -> Acceptance:
        """Accept what was read, by its hash; the platform signs for both sides. Idempotent.

        Raises NotFound, TermsChanged (409), Conflict when it is too late.
        """
        require(actor, Permission.BILLING_WRITE)
        private_offers.find_private_offer(tx, private_offer_id, locks=True)
        row = self.get(tx, actor, private_offer_id)
        if read_hash != row.terms_hash:
            raise TermsChanged(
                "these are not the terms that are offered", hint="read them again, accept those"
            )
        there = private_offers.acceptance(tx, private_offer_id, actor.organization_id)
        if there is None:
            now = self._clock.now()
            if now > row.accept_by:
                raise Conflict("it could be accepted until a time that is over")
            self._sign(tx, actor.organization_id, by, row, now)
            there = private_offers.acceptance(tx, private_offer_id, actor.organization_id)
            assert there is not None, "it was just written"
        return _acceptance(there)

    def accepted(self, tx: Connection, actor: Actor, private_offer_id: str) -> Acceptance | None:
        """Return what the actor's organization accepted; None where it has not."""
        require(actor, Permission.BILLING_READ)
        row = private_offers.acceptance(tx, private_offer_id, actor.organization_id)
        return None if row is None else _acceptance(row)

    # --- inside --------------------------------------------------------------------------------

    def _sign(
        self,
        tx: Connection,
        organization_id: OrganizationId,
        by: By,
        row: PrivateOfferRow,
        now: datetime,
    ) -> None:
        statement = canonical(
            {
                "private_offer": row.private_offer_id,
                "terms_sha256": row.terms_hash.hex(),
                "offered_by": row.offered_by,
                "offered_at": row.offered_at.astimezone(UTC).isoformat(),
                "buyer": organization_id,
                "accepted_by": by.name,
                "accepted_by_id": by.id,
                "accepted_at": now.astimezone(UTC).isoformat(),
            }
        )
        signed = self._signer.sign(statement)
        add(
            tx,
            private_offer_acceptance,
            {
                "private_offer_id": row.private_offer_id,
                "organization_id": organization_id,
                "accepted_by_id": by.id,
                "accepted_by": by.name,
                "accepted_at": now,
                "statement": statement,
                "signature": signed.signature,
                "public_key": signed.public_key,
            },
        )

    def _private_prices(
        self, tx: Connection, offer_id: str, new: NewPrivateOffer
    ) -> dict[PlanId, PlanTerms]:
        live = {row.plan_id: row for row in offers.plans_of(tx, offer_id, only_live=True)}
        if (new.percent is None) == (not new.prices):
            raise InvalidInput("a private offer has either a percentage or a price for each plan")
        if new.percent is not None:
            if not 1 <= new.percent <= WHOLE:
                raise InvalidInput("a percentage is between 0.01 and 100")
            return {each: reduced(row.terms, new.percent) for each, row in live.items()}
        prices = dict(new.prices)
        for plan_id, terms in prices.items():
            row = live.get(plan_id)
            if row is None:
                raise NotFound(f"the offer has no plan {plan_id[:64]!r} on sale")
            check_terms(terms)
            if (row.terms.currency, row.terms.term) != (terms.currency, terms.term):
                raise InvalidInput("a private price has the currency and the term of its plan")
        return prices

    @staticmethod
    def _made(tx: Connection, private_offer_id: str) -> PrivateOfferRow:
        row = private_offers.find_private_offer(tx, private_offer_id)
        assert row is not None, "it was just written"
        return row


def _acceptance(row: Row[Any]) -> Acceptance:
    return Acceptance(
        PrivateOfferId(row.private_offer_id),
        OrganizationId(row.organization_id),
        row.accepted_by,
        row.accepted_at,
        bytes(row.statement),
        bytes(row.signature),
        bytes(row.public_key),
    )
