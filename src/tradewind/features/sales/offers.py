"""What publishers put up for sale: offers, plans and private offers."""

from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.ids import ModelId, OrganizationId, PlanId, PrivateOfferId, SaleOfferId
from tradewind.core.permissions import Permission, require
from tradewind.core.pricing.charges import PlanTerms, check_terms
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts.schemas import Actor
from tradewind.features.artifacts.schemas import Signature
from tradewind.features.sales import repository
from tradewind.features.sales.errors import TermsChanged
from tradewind.features.sales.rules.agreement import WHOLE, canonical, reduced, terms_hash
from tradewind.features.sales.rules.versions import is_worse
from tradewind.features.sales.schemas import (
    Acceptance,
    By,
    NewOffer,
    NewPrivateOffer,
    OfferKind,
    OfferRow,
    OfferState,
    PlanRow,
    PrivateOfferRow,
)
from tradewind.features.sales.tables import (
    plan,
    private_offer,
    private_offer_acceptance,
    private_offer_buyer,
    private_offer_price,
    sale_offer,
)

BUYERS_MAX = 100
LISTED_MAX = 200
SCOPES_MAX = 32
VERSIONS_MAX = 500
"""Plans of one offer, all their versions counted."""
_NAME_MAX = 100
_Row = TypeVar("_Row")
_TEXT_MAX = 20_000


class FindModel(Protocol):
    """Finds a model of a publisher by its name, `publisher/slug`."""

    def __call__(self, tx: Connection, name: str) -> ModelId | None: ...


class Owners(Protocol):
    """The part of `features.publishing.publishers.Publishers` that is used here."""

    def require_owner(self, tx: Connection, organization_id: OrganizationId, slug: str) -> object:
        """Raises NotPublisher (403) unless the organization is this publisher."""
        ...


class Signs(Protocol):
    """The platform's own key."""

    def sign(self, manifest: bytes) -> Signature: ...


class SaleOffers:
    def __init__(
        self, publishers: Owners, find_model: FindModel, signer: Signs, clock: Clock
    ) -> None:
        self._publishers = publishers
        self._find_model = find_model
        self._signer = signer
        self._clock = clock

    # --- for publishers ------------------------------------------------------------------------

    def create(self, tx: Connection, actor: Actor, by: By, new: NewOffer) -> OfferRow:
        """Draft an offer. Raises NotPublisher (403), NotFound, InvalidInput."""
        require(actor, Permission.SALES_WRITE)
        self._publishers.require_owner(tx, actor.organization_id, new.publisher_slug)
        _check_text("name", new.name, _NAME_MAX)
        if len(new.scopes) > SCOPES_MAX or any(not 1 <= len(each) <= 200 for each in new.scopes):
            raise InvalidInput(f"at most {SCOPES_MAX} scopes of 1 to 200 characters")
        model_id = None
        if new.kind is OfferKind.MODEL:
            publisher, _, _ = new.model.partition("/")
            model_id = self._find_model(tx, new.model)
            if model_id is None or publisher != new.publisher_slug:
                raise NotFound(f"{new.publisher_slug} has no model {new.model[:100]!r}")
        now, offer_id = self._clock.now(), SaleOfferId.new()
        repository.add(
            tx,
            sale_offer,
            {
                "id": offer_id,
                "publisher_slug": new.publisher_slug,
                "organization_id": actor.organization_id,
                "kind": new.kind.value,
                "model_id": model_id,
                "name": new.name,
                "description": new.description[:_TEXT_MAX],
                "scopes": list(new.scopes),
                "licensing": new.licensing.value,
                "is_subscription_only": new.is_subscription_only and model_id is not None,
                "state": OfferState.DRAFT.value,
                "created_by": by.name,
                "created_at": now,
                "updated_at": now,
            },
        )
        return self.get_own(tx, actor, offer_id)

    def list_own(self, tx: Connection, actor: Actor) -> list[OfferRow]:
        require(actor, Permission.SALES_READ)
        return repository.offers_of(tx, actor.organization_id, LISTED_MAX)

    def get_own(self, tx: Connection, actor: Actor, offer_id: str) -> OfferRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.SALES_READ)
        row = repository.find_offer(tx, offer_id, locks=True)
        if row is None or row.organization_id != actor.organization_id:
            raise offer_not_found(offer_id)
        return row

    def publish(self, tx: Connection, actor: Actor, offer_id: str) -> OfferRow:
        """Put an offer up for sale. From then on a model that is sold by subscription alone is
        called by nobody else. Idempotent. Raises Conflict.
        """
        require(actor, Permission.SALES_WRITE)
        row = self.get_own(tx, actor, offer_id)
        self._publishers.require_owner(tx, actor.organization_id, row.publisher_slug)
        if row.state is OfferState.LIVE:
            return row
        if not repository.plans_of(tx, offer_id, only_live=True):
            raise Conflict("the offer has no plan", hint="add a plan first")
        if row.model_id is not None:
            repository.lock_buyer(tx, row.model_id)
            if repository.live_offer_of_model(tx, row.model_id) is not None:
                raise Conflict(
                    "another offer sells this model already", hint="withdraw that one first"
                )
        return self._set_state(tx, actor, row, OfferState.LIVE)

    def withdraw(self, tx: Connection, actor: Actor, offer_id: str) -> OfferRow:
        """Take an offer from sale. Who has subscribed goes on."""
        require(actor, Permission.SALES_WRITE)
        return self._set_state(tx, actor, self.get_own(tx, actor, offer_id), OfferState.WITHDRAWN)

    def put_plan(  # noqa: PLR0917  the parts of a plan
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        offer_id: str,
        name: str,
        terms: PlanTerms,
        *,
        text: str = "",
        is_public: bool = True,
    ) -> PlanRow:
        """Add a plan, or a new version of one: who subscribes now gets it, who has the old one
        gets it with their next term, after the old one's notice where it is worse for them.
        """
        require(actor, Permission.SALES_WRITE)
        self.get_own(tx, actor, offer_id)
        _check_text("name", name, _NAME_MAX)
        _check_text("text", text, _TEXT_MAX, least=0)
        check_terms(terms)
        there = repository.plans_of(tx, offer_id)
        if len(there) >= VERSIONS_MAX:
            raise Conflict(f"an offer has at most {VERSIONS_MAX} versions of plans")
        versions = [row for row in there if row.name == name]
        current = next((row for row in versions if row.state == "live"), None)
        now, plan_id = self._clock.now(), PlanId.new()
        binds_from = now
        if current is not None:
            if (current.terms.currency, current.terms.term) != (terms.currency, terms.term):
                raise Conflict(
                    "a plan keeps its currency and its term", hint="add a plan of another name"
                )
            if is_worse(current.terms, terms):
                binds_from = now + timedelta(days=current.terms.notice_days)
            repository.retire_live(tx, current.plan_id)
        repository.add(
            tx,
            plan,
            {
                "id": plan_id,
                "offer_id": offer_id,
                "name": name,
                "version": 1 + max((row.version for row in versions), default=0),
                "terms": repository.as_json(terms),
                "text": text,
                "is_public": is_public,
                "state": "live",
                "effective_from": now,
                "binds_from": binds_from,
                "created_by": by.name,
                "created_at": now,
            },
        )
        if current is not None:
            repository.supersede(tx, current.plan_id, plan_id)
        return _known(repository.find_plan(tx, plan_id))

    def plans(self, tx: Connection, actor: Actor, offer_id: str) -> list[PlanRow]:
        """Return all versions of the plans of an own offer."""
        self.get_own(tx, actor, offer_id)
        return repository.plans_of(tx, offer_id)

    def offer_privately(
        self, tx: Connection, actor: Actor, by: By, offer_id: str, new: NewPrivateOffer
    ) -> PrivateOfferRow:
        """Offer named organizations other terms until a time. Raises InvalidInput, NotFound."""
        require(actor, Permission.SALES_WRITE)
        self.get_own(tx, actor, offer_id)
        _check_text("name", new.name, _NAME_MAX)
        _check_text("text", new.text, _TEXT_MAX, least=0)
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
        repository.add(
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
        repository.add(
            tx, private_offer_buyer, *[{**known, "organization_id": each} for each in buyers]
        )
        repository.add(
            tx,
            private_offer_price,
            *[
                {**known, "plan_id": plan_id, "terms": repository.as_json(terms)}
                for plan_id, terms in prices.items()
            ],
        )
        return _known(repository.find_private_offer(tx, private_offer_id))

    def private_offers(self, tx: Connection, actor: Actor, offer_id: str) -> list[PrivateOfferRow]:
        self.get_own(tx, actor, offer_id)
        return repository.private_offers_of(tx, offer_id, LISTED_MAX)

    def withdraw_private(self, tx: Connection, actor: Actor, private_offer_id: str) -> None:
        """Nobody accepts it any more. What was accepted stays."""
        require(actor, Permission.SALES_WRITE)
        row = repository.find_private_offer(tx, private_offer_id, locks=True)
        if row is None:
            raise offer_not_found(private_offer_id)
        self.get_own(tx, actor, row.offer_id)
        repository.withdraw_private_offer(tx, private_offer_id)

    # --- for buyers ----------------------------------------------------------------------------

    def on_sale(self, tx: Connection, actor: Actor) -> list[tuple[OfferRow, list[PlanRow]]]:
        """Return what anybody may subscribe to, with its public plans."""
        require(actor, Permission.CATALOG_READ)
        return [
            (
                row,
                [
                    each
                    for each in repository.plans_of(tx, row.offer_id, only_live=True)
                    if each.is_public
                ],
            )
            for row in repository.live_offers(tx, LISTED_MAX)
        ]

    def private_for(self, tx: Connection, actor: Actor) -> list[PrivateOfferRow]:
        """Return private offers that name the actor's organization."""
        require(actor, Permission.BILLING_READ)
        return repository.private_offers_for(
            tx, actor.organization_id, self._clock.now(), LISTED_MAX
        )

    def get_private(self, tx: Connection, actor: Actor, private_offer_id: str) -> PrivateOfferRow:
        """Raises NotFound, for who is not named as for what is not there."""
        require(actor, Permission.BILLING_READ)
        row = repository.find_private_offer(tx, private_offer_id)
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
        repository.find_private_offer(tx, private_offer_id, locks=True)
        row = self.get_private(tx, actor, private_offer_id)
        if read_hash != row.terms_hash:
            raise TermsChanged(
                "these are not the terms that are offered", hint="read them again, accept those"
            )
        there = repository.acceptance(tx, private_offer_id, actor.organization_id)
        if there is None:
            now = self._clock.now()
            if now > row.accept_by:
                raise Conflict("it could be accepted until a time that is over")
            self._sign(tx, actor.organization_id, by, row, now)
            there = repository.acceptance(tx, private_offer_id, actor.organization_id)
            assert there is not None, "it was just written"
        return Acceptance(
            row.private_offer_id,
            actor.organization_id,
            there.accepted_by,
            there.accepted_at,
            bytes(there.statement),
            bytes(there.signature),
            bytes(there.public_key),
        )

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
        repository.add(
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
        live = {row.plan_id: row for row in repository.plans_of(tx, offer_id, only_live=True)}
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

    def _set_state(
        self, tx: Connection, actor: Actor, row: OfferRow, state: OfferState
    ) -> OfferRow:
        repository.set_offer_state(tx, row.offer_id, state, self._clock.now())
        if row.is_subscription_only:
            record_change(tx, ChangeKind.ENDPOINTS)
            # Who sells it goes on calling it.
            record_change(tx, ChangeKind.TERMS, [row.organization_id])
        return self.get_own(tx, actor, row.offer_id)


def offer_not_found(offer_id: str) -> NotFound:
    return NotFound(f"there is no offer {offer_id[:64]!r}", hint="list what is offered")


def _check_text(name: str, text: str, most: int, *, least: int = 1) -> None:
    if not least <= len(text) <= most or "\x00" in text:
        raise InvalidInput(f"{name} has {least} to {most} characters")


def _known(row: _Row | None) -> _Row:
    assert row is not None, "it was just written"
    return row
