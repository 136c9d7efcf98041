"""What publishers put up for sale: offers and their plans."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.ids import ModelId, OrganizationId, PlanId, SaleOfferId
from tradewind.core.permissions import Permission, require
from tradewind.core.pricing.charges import PlanTerms, check_terms
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts.schemas import Actor
from tradewind.features.sales.errors import offer_not_found
from tradewind.features.sales.private_offers import PrivateOffers, Signs
from tradewind.features.sales.repository import offers, subscriptions
from tradewind.features.sales.repository.rows import add, as_json
from tradewind.features.sales.rules.versions import is_worse
from tradewind.features.sales.schemas import NewOffer, OfferKind, OfferRow, OfferState, PlanRow
from tradewind.features.sales.tables import (
    plan,
    sale_offer,
)
from tradewind.features.sales.texts import NAME_MAX, TEXT_MAX, check_text

LISTED_MAX = 200
SCOPES_MAX = 32
VERSIONS_MAX = 500
"""Plans of one offer, all their versions counted."""
_MILLION = 1_000_000
_Row = TypeVar("_Row")


class FindModel(Protocol):
    """Finds a model of a publisher by its name, `publisher/slug`."""

    def __call__(self, tx: Connection, name: str) -> ModelId | None: ...


class Owners(Protocol):
    """The part of `features.publishing.publishers.Publishers` that is used here."""

    def require_owner(self, tx: Connection, organization_id: OrganizationId, slug: str) -> object:
        """Raises NotPublisher (403) unless the organization is this publisher."""
        ...


ReleaseGate = Callable[[Connection, str], None]
"""Raises a Conflict that names what an offer, by its id, still lacks to be sold."""


class SaleOffers:
    def __init__(
        self,
        publishers: Owners,
        find_model: FindModel,
        signer: Signs,
        clock: Clock,
        *,
        release_gate: ReleaseGate | None = None,
    ) -> None:
        self._publishers = publishers
        self._find_model = find_model
        self._clock = clock
        self._release_gate = release_gate
        self.private = PrivateOffers(self.get_own, signer, clock)

    # --- for publishers ------------------------------------------------------------------------

    def create(self, tx: Connection, actor: Actor, by: By, new: NewOffer) -> OfferRow:
        """Draft an offer. Raises NotPublisher (403), NotFound, InvalidInput."""
        require(actor, Permission.SALES_WRITE)
        self._publishers.require_owner(tx, actor.organization_id, new.publisher_slug)
        check_text("name", new.name, NAME_MAX)
        if len(new.scopes) > SCOPES_MAX or any(not 1 <= len(each) <= 200 for each in new.scopes):
            raise InvalidInput(f"at most {SCOPES_MAX} scopes of 1 to 200 characters")
        model_id = None
        if new.kind is OfferKind.MODEL:
            publisher, _, _ = new.model.partition("/")
            model_id = self._find_model(tx, new.model)
            if model_id is None or publisher != new.publisher_slug:
                raise NotFound(f"{new.publisher_slug} has no model {new.model[:100]!r}")
        now, offer_id = self._clock.now(), SaleOfferId.new()
        add(
            tx,
            sale_offer,
            {
                "id": offer_id,
                "publisher_slug": new.publisher_slug,
                "organization_id": actor.organization_id,
                "kind": new.kind.value,
                "model_id": model_id,
                "name": new.name,
                "description": new.description[:TEXT_MAX],
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
        return offers.offers_of(tx, actor.organization_id, LISTED_MAX)

    def get_own(self, tx: Connection, actor: Actor, offer_id: str) -> OfferRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.SALES_READ)
        row = offers.find_offer(tx, offer_id, locks=True)
        if row is None or row.organization_id != actor.organization_id:
            raise offer_not_found(offer_id)
        return row

    def publish(self, tx: Connection, actor: Actor, offer_id: str) -> OfferRow:
        """Put an offer up for sale. From then on a model that is sold by subscription alone is
        called by nobody else. Idempotent. Raises Conflict, also what the gate of releases raises.
        """
        require(actor, Permission.SALES_WRITE)
        row = self.get_own(tx, actor, offer_id)
        self._publishers.require_owner(tx, actor.organization_id, row.publisher_slug)
        if row.state is OfferState.LIVE:
            return row
        if not offers.plans_of(tx, offer_id, only_live=True):
            raise Conflict("the offer has no plan", hint="add a plan first")
        if row.model_id is not None:
            subscriptions.lock_buyer(tx, row.model_id)
            if offers.live_offer_of_model(tx, row.model_id) is not None:
                raise Conflict(
                    "another offer sells this model already", hint="withdraw that one first"
                )
        if self._release_gate is not None:
            self._release_gate(tx, offer_id)
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
        check_text("name", name, NAME_MAX)
        check_text("text", text, TEXT_MAX, least=0)
        check_terms(terms)
        there = offers.plans_of(tx, offer_id)
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
            offers.retire_live(tx, current.plan_id)
        add(
            tx,
            plan,
            {
                "id": plan_id,
                "offer_id": offer_id,
                "name": name,
                "version": 1 + max((row.version for row in versions), default=0),
                "terms": as_json(terms),
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
            offers.supersede(tx, current.plan_id, plan_id)
        return _known(offers.find_plan(tx, plan_id))

    def set_fee(self, tx: Connection, actor: Actor, offer_id: str, fee_ppm: int | None) -> OfferRow:
        """Say what the platform keeps of what this offer sells from now on, in millionths; None is
        its usual fee. For whoever runs the platform. Raises NotFound, InvalidInput.
        """
        require(actor, Permission.FINANCE_WRITE)
        if fee_ppm is not None and not 0 <= fee_ppm <= _MILLION:
            raise InvalidInput("a fee is between 0 and 100 %")
        if offers.find_offer(tx, offer_id, locks=True) is None:
            raise offer_not_found(offer_id)
        offers.set_fee(tx, offer_id, fee_ppm, self._clock.now())
        return _known(offers.find_offer(tx, offer_id))

    def plans(self, tx: Connection, actor: Actor, offer_id: str) -> list[PlanRow]:
        """Return all versions of the plans of an own offer."""
        self.get_own(tx, actor, offer_id)
        return offers.plans_of(tx, offer_id)

    # --- for buyers ----------------------------------------------------------------------------

    def plans_on_sale(self, tx: Connection, actor: Actor, offer_id: str) -> list[PlanRow]:
        """Return the public plans of an offer that is for sale; none of another."""
        require(actor, Permission.BILLING_READ)
        row = offers.find_offer(tx, offer_id)
        if row is None or row.state is not OfferState.LIVE:
            return []
        return [each for each in offers.plans_of(tx, offer_id, only_live=True) if each.is_public]

    def plan_names(self, tx: Connection, plan_ids: Sequence[str]) -> dict[str, str]:
        """Return the names of plans by their ids."""
        return offers.plan_names(tx, plan_ids)

    def on_sale(self, tx: Connection, actor: Actor) -> list[tuple[OfferRow, list[PlanRow]]]:
        """Return what anybody may subscribe to, with its public plans."""
        require(actor, Permission.CATALOG_READ)
        return [
            (
                row,
                [
                    each
                    for each in offers.plans_of(tx, row.offer_id, only_live=True)
                    if each.is_public
                ],
            )
            for row in offers.live_offers(tx, LISTED_MAX)
        ]

    # --- inside --------------------------------------------------------------------------------

    def _set_state(
        self, tx: Connection, actor: Actor, row: OfferRow, state: OfferState
    ) -> OfferRow:
        offers.set_offer_state(tx, row.offer_id, state, self._clock.now())
        if row.is_subscription_only:
            record_change(tx, ChangeKind.ENDPOINTS)
            # Who sells it goes on calling it.
            record_change(tx, ChangeKind.TERMS, [row.organization_id])
        return self.get_own(tx, actor, row.offer_id)


def _known(row: _Row | None) -> _Row:
    assert row is not None, "it was just written"
    return row
