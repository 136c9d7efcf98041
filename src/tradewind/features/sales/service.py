"""Subscriptions: what organizations have bought, and what becomes of it."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, PreconditionFailed
from tradewind.core.ids import OrganizationId, SubscriptionId
from tradewind.core.permissions import Permission, require
from tradewind.core.pricing.charges import PlanTerms
from tradewind.features.accounts.schemas import Actor
from tradewind.features.sales import payers
from tradewind.features.sales.errors import AlreadySubscribed, MoveRefused, offer_not_found
from tradewind.features.sales.moves import PLATFORM, Asked, Moves, OfferedOf, subscription_not_found
from tradewind.features.sales.repository import offers, private_offers, subscriptions
from tradewind.features.sales.repository.rows import add
from tradewind.features.sales.rules import life as rules
from tradewind.features.sales.rules.fees import PLATFORM_FEE_PPM
from tradewind.features.sales.rules.life import Binding, Life, Policy, Step
from tradewind.features.sales.schemas import (
    ChangePreview,
    Confirmation,
    EventRow,
    OfferKind,
    OfferRow,
    OfferState,
    PlanRow,
    PreviewedCharge,
    Quote,
    SubscriptionMessage,
    SubscriptionRow,
)
from tradewind.features.sales.tables import subscription

LISTED_MAX = 200


class Sales:
    def __init__(
        self,
        clock: Clock,
        *,
        policy: Policy | None = None,
        platform_fee_ppm: int = PLATFORM_FEE_PPM,
    ) -> None:
        """`platform_fee_ppm` is what the platform keeps of a sale, in millionths."""
        self._clock = clock
        self._moves = Moves(clock, policy, platform_fee_ppm)

    # --- for buyers ----------------------------------------------------------------------------

    def subscribe(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        plan_id: str,
        confirmation: Confirmation,
        *,
        quantity: int = 1,
        private_offer_id: str | None = None,
        beneficiary: str = "",
    ) -> SubscriptionRow:
        """Subscribe the actor's organization. Whoever does has been shown who pays, the price and
        the cap; that is kept with their name. A private offer has to be accepted before.

        Raises NotFound, AlreadySubscribed, NotConfirmed, TermsChanged (all 409 but the first).
        """
        require(actor, Permission.BILLING_WRITE)
        buyer = actor.organization_id
        subscriptions.lock_buyer(tx, buyer)
        now = self._clock.now()
        _, offer, binding = self._offered(tx, buyer, plan_id, private_offer_id)
        payers.check(confirmation, binding.terms)
        if subscriptions.has_subscription(tx, buyer, offer):
            raise AlreadySubscribed(
                f"the organization has {offer.name} already", hint="change that subscription"
            )
        step = rules.begin(
            binding,
            quantity,
            now,
            waits=offer.kind is OfferKind.APP,
            has_trial=not subscriptions.had_subscription(tx, buyer, offer.offer_id),
        )
        subscription_id = SubscriptionId.new()
        add(
            tx,
            subscription,
            {
                "id": subscription_id,
                "organization_id": buyer,
                "offer_id": offer.offer_id,
                "private_offer_id": private_offer_id,
                **subscriptions.life_values(step.life),
                "purchaser": by.name,
                "beneficiary": beneficiary[:200] or by.name,
                "revision": 0,
                "created_at": now,
            },
        )
        row = self._moves.locked(tx, subscription_id)
        self._moves.enter(tx, row, None, step, by, 1, offer)
        payers.write(tx, buyer, by, confirmation, now, subscription_id)
        return self.get(tx, actor, subscription_id)

    def quote(
        self, tx: Connection, actor: Actor, plan_id: str, private_offer_id: str | None = None
    ) -> Quote:
        """Return what `subscribe` would take the organization for. Raises as it does, except that
        an organization that has the offer already is told so only when it subscribes.
        """
        require(actor, Permission.BILLING_READ)
        buyer = actor.organization_id
        plan, offer, binding = self._offered(tx, buyer, plan_id, private_offer_id)
        has_trial = not subscriptions.had_subscription(tx, buyer, offer.offer_id)
        return Quote(
            offer,
            plan,
            binding.terms,
            binding.until,
            binding.terms.trial_days if has_trial else 0,
        )

    def list_own(self, tx: Connection, actor: Actor) -> list[SubscriptionRow]:
        """Return the subscriptions of the actor's organization, the newest first."""
        require(actor, Permission.BILLING_READ)
        return subscriptions.subscriptions(
            tx, organization_id=actor.organization_id, limit=LISTED_MAX
        )

    def get(self, tx: Connection, actor: Actor, subscription_id: str) -> SubscriptionRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.BILLING_READ)
        rows = subscriptions.subscriptions(
            tx, organization_id=actor.organization_id, subscription_id=subscription_id
        )
        if not rows:
            raise subscription_not_found(subscription_id)
        return rows[0]

    def events(self, tx: Connection, actor: Actor, subscription_id: str) -> list[EventRow]:
        """Return its moves, the newest first."""
        self.get(tx, actor, subscription_id)
        return subscriptions.events_of(tx, subscription_id, LISTED_MAX)

    def change_plan(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        subscription_id: str,
        *,
        plan_id: str | None = None,
        quantity: int | None = None,
        confirmation: Confirmation,
        revision: int | None = None,
    ) -> SubscriptionRow:
        """Take another plan of the same offer, another quantity, or both, from now on."""
        row = self._own(tx, actor, subscription_id, revision)
        asked = _Change(tx, row, plan_id, quantity, confirmation)
        self._moves.make(tx, row, by, asked)
        payers.write(
            tx,
            actor.organization_id,
            by,
            confirmation,
            self._clock.now(),
            SubscriptionId(subscription_id),
        )
        return self.get(tx, actor, subscription_id)

    def preview_change(
        self,
        tx: Connection,
        actor: Actor,
        subscription_id: str,
        *,
        plan_id: str | None = None,
        quantity: int | None = None,
    ) -> ChangePreview:
        """Return what a change would charge and give back if it were made now. Changes nothing."""
        require(actor, Permission.BILLING_READ)
        row = self._locked_own(tx, actor, subscription_id)
        step = self._moves.preview(tx, row, _Change(tx, row, plan_id, quantity))
        assert step is not None, "a change is a move"
        life = step.life
        return ChangePreview(
            at=step.at,
            plan_id=life.plan_id,
            terms=life.terms,
            quantity=life.quantity,
            term_end=life.term_end,
            trial_until=life.trial_until if life.is_in_trial else None,
            charges=tuple(
                PreviewedCharge(charge.nanos, charge.since, charge.until) for charge in step.charges
            ),
        )

    def pause(self, tx: Connection, actor: Actor, by: By, subscription_id: str) -> SubscriptionRow:
        return self._own_move(tx, actor, by, subscription_id, rules.pause)

    def resume(self, tx: Connection, actor: Actor, by: By, subscription_id: str) -> SubscriptionRow:
        return self._own_move(
            tx,
            actor,
            by,
            subscription_id,
            lambda life, at: rules.resume(life, at, OfferedOf(tx)),
        )

    def cancel(
        self, tx: Connection, actor: Actor, by: By, subscription_id: str, *, is_now: bool
    ) -> SubscriptionRow:
        """Cancel at the end of the term, or now: then what is left of the fee is not given back."""
        return self._own_move(
            tx,
            actor,
            by,
            subscription_id,
            lambda life, at: rules.cancel(life, at, is_now=is_now),
        )

    def renew(self, tx: Connection, actor: Actor, by: By, subscription_id: str) -> SubscriptionRow:
        """Take back that it ends with its term."""
        return self._own_move(tx, actor, by, subscription_id, rules.keep)

    # --- for publishers ------------------------------------------------------------------------

    def list_sold(self, tx: Connection, actor: Actor, offer_id: str) -> list[SubscriptionRow]:
        """Return the subscriptions of an own offer. Raises NotFound."""
        require(actor, Permission.SALES_READ)
        offer = offers.find_offer(tx, offer_id)
        if offer is None or offer.organization_id != actor.organization_id:
            raise offer_not_found(offer_id)
        return subscriptions.subscriptions(tx, offer_id=offer_id, limit=LISTED_MAX)

    def activate(
        self, tx: Connection, actor: Actor, by: By, subscription_id: str
    ) -> SubscriptionRow:
        """Begin what the seller has set up."""
        return self._sold_move(tx, actor, by, subscription_id, rules.activate)

    def suspend_sold(
        self, tx: Connection, actor: Actor, by: By, subscription_id: str, reason: str
    ) -> SubscriptionRow:
        """Stop calls of a buyer, for a reason that the buyer reads."""
        return self._sold_move(
            tx,
            actor,
            by,
            subscription_id,
            # Only the platform says that something is not paid: paying would end it.
            lambda life, at: rules.suspend(life, at, f"the seller: {reason[:180]}"),
        )

    def reinstate_sold(
        self, tx: Connection, actor: Actor, by: By, subscription_id: str
    ) -> SubscriptionRow:
        """Let calls go on. What is suspended for want of payment goes on when that is paid."""

        def asked(life: Life, at: datetime) -> Step:
            if life.suspended_for == rules.UNPAID:
                raise MoveRefused(
                    "the subscription is suspended because something is not paid",
                    hint="it goes on by itself when the invoice is paid",
                )
            return rules.reinstate(life, at, OfferedOf(tx))

        return self._sold_move(tx, actor, by, subscription_id, asked)

    def cancel_sold(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        subscription_id: str,
        *,
        is_now: bool = True,
        reason: str = "",
    ) -> SubscriptionRow:
        """Cancel a buyer's subscription at the end of its term, or now: then what is left of the
        fee is given back, because the buyer did not ask for it.
        """

        def asked(life: Life, at: datetime) -> Step:
            step = rules.cancel(life, at, is_now=is_now, refunds=is_now)
            return replace(step, reason=f"the seller: {reason[:180]}" if reason else "the seller")

        return self._sold_move(tx, actor, by, subscription_id, asked)

    # --- for features above, and the worker ----------------------------------------------------

    def catch_up(self, tx: Connection, subscription_id: str) -> None:
        """Make what is due of a subscription by now. Raises NotFound."""
        self._moves.make(
            tx, self._moves.locked(tx, subscription_id), PLATFORM, lambda _life, _at: None
        )

    def suspend(
        self, tx: Connection, subscription_id: str, reason: str, *, by: By = PLATFORM
    ) -> None:
        row = self._moves.locked(tx, subscription_id)
        self._moves.make(tx, row, by, lambda life, at: rules.suspend(life, at, reason[:200]))

    def reinstate(self, tx: Connection, subscription_id: str, *, by: By = PLATFORM) -> None:
        row = self._moves.locked(tx, subscription_id)
        self._moves.make(tx, row, by, lambda life, at: rules.reinstate(life, at, OfferedOf(tx)))

    def note_unpaid(self, tx: Connection, subscription_id: str, reason: str = "") -> None:
        """Begin dunning. Idempotent."""
        row = self._moves.locked(tx, subscription_id)
        self._moves.make(
            tx, row, PLATFORM, lambda life, at: rules.note_unpaid(life, at, reason[:200])
        )

    def note_paid(self, tx: Connection, subscription_id: str) -> None:
        """End dunning. Idempotent."""
        row = self._moves.locked(tx, subscription_id)
        self._moves.make(
            tx, row, PLATFORM, lambda life, at: rules.note_paid(life, at, OfferedOf(tx))
        )

    def advance(self, tx: Connection, now: datetime) -> list[SubscriptionMessage]:
        """Make what is due: renewals, ends of trials, reminders. Each move is made once, at its
        own moment, whoever calls this at the same time. Call it until it returns nothing.
        """
        return self._moves.advance(tx, now)

    # --- inside --------------------------------------------------------------------------------

    def _offered(
        self, tx: Connection, buyer: OrganizationId, plan_id: str, private_offer_id: str | None
    ) -> tuple[PlanRow, OfferRow, Binding]:
        """Return what may be subscribed to. Raises NotFound, Conflict."""
        plan = offers.find_plan(tx, plan_id)
        offer = None if plan is None else offers.find_offer(tx, plan.offer_id)
        if plan is None or offer is None or offer.state is not OfferState.LIVE:
            raise offer_not_found(plan_id)
        if private_offer_id is None and (not plan.is_public or plan.state != "live"):
            raise offer_not_found(plan_id)
        return plan, offer, _binding(tx, buyer, plan_id, private_offer_id, self._clock.now())

    def _own(
        self, tx: Connection, actor: Actor, subscription_id: str, revision: int | None = None
    ) -> Row[Any]:
        require(actor, Permission.BILLING_WRITE)
        row = self._locked_own(tx, actor, subscription_id)
        if revision is not None and revision != row.revision:
            raise PreconditionFailed("the subscription has moved since", hint="look at it again")
        return row

    def _locked_own(self, tx: Connection, actor: Actor, subscription_id: str) -> Row[Any]:
        row = self._moves.locked(tx, subscription_id)
        if row.organization_id != actor.organization_id:
            raise subscription_not_found(subscription_id)
        return row

    def _own_move(
        self, tx: Connection, actor: Actor, by: By, subscription_id: str, asked: Asked
    ) -> SubscriptionRow:
        self._moves.make(tx, self._own(tx, actor, subscription_id), by, asked)
        return self.get(tx, actor, subscription_id)

    def _sold_move(
        self, tx: Connection, actor: Actor, by: By, subscription_id: str, asked: Asked
    ) -> SubscriptionRow:
        require(actor, Permission.SALES_WRITE)
        row = self._moves.locked(tx, subscription_id)
        offer = offers.find_offer(tx, row.offer_id)
        if offer is None or offer.organization_id != actor.organization_id:
            raise subscription_not_found(subscription_id)
        self._moves.make(tx, row, by, asked)
        [moved] = subscriptions.subscriptions(tx, subscription_id=subscription_id)
        return moved


class _Change:
    """Another plan of the same offer, another quantity, or both."""

    def __init__(
        self,
        tx: Connection,
        row: Row[Any],
        plan_id: str | None,
        quantity: int | None,
        confirmation: Confirmation | None = None,
    ) -> None:
        """Without `confirmation` it is a preview."""
        self._tx = tx
        self._row = row
        self._plan_id = plan_id
        self._quantity = quantity
        self._confirmation = confirmation

    def __call__(self, life: Life, at: datetime) -> Step:
        binding = self._bound(life, at)
        if self._confirmation is not None:
            payers.check(self._confirmation, binding.terms)
        quantity = life.quantity if self._quantity is None else self._quantity
        return rules.change(life, at, binding, quantity)

    def _bound(self, life: Life, at: datetime) -> Binding:
        plan_id, row = self._plan_id, self._row
        if plan_id is None or plan_id == life.plan_id:
            return Binding(life.plan_id, life.terms, life.priced_until)
        plan = offers.find_plan(self._tx, plan_id)
        if plan is None or plan.offer_id != row.offer_id or plan.state != "live":
            raise offer_not_found(plan_id)
        private = row.private_offer_id if life.priced_until is not None else None
        if private is None and not plan.is_public:
            raise offer_not_found(plan_id)
        buyer = OrganizationId(row.organization_id)
        return _binding(self._tx, buyer, plan_id, private, at, is_sure=plan.is_public)


def _binding(
    tx: Connection,
    buyer: OrganizationId,
    plan_id: str,
    private_offer_id: str | None,
    now: datetime,
    *,
    is_sure: bool = False,
) -> Binding:
    """Return the list price, or the private one that was accepted. With `is_sure` a plan that the
    private offer does not name is taken at its list price.
    """
    if private_offer_id is None:
        return OfferedOf(tx).listed(plan_id)
    private = private_offers.find_private_offer(tx, private_offer_id)
    if private is None or buyer not in private.buyers:
        raise offer_not_found(private_offer_id)
    prices: dict[str, PlanTerms] = dict(private.prices)
    if plan_id not in prices:
        if is_sure:
            return OfferedOf(tx).listed(plan_id)
        raise offer_not_found(plan_id)
    if private_offers.acceptance(tx, private_offer_id, buyer) is None:
        raise Conflict("the private offer is not accepted", hint="accept it first")
    if not private.starts_at <= now < private.ends_at:
        raise Conflict("the private offer is not in force now")
    return Binding(plan_id, prices[plan_id], private.ends_at)
