"""Subscriptions: what organizations have bought, and what that charges them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, NotFound, PreconditionFailed
from tradewind.core.ids import OrganizationId, SubscriptionId
from tradewind.core.permissions import Permission, require
from tradewind.core.pricing.charges import PlanTerms
from tradewind.core.pricing.proration import prorated
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts.schemas import Actor
from tradewind.features.sales import repository
from tradewind.features.sales.errors import AlreadySubscribed, NotConfirmed, TermsChanged
from tradewind.features.sales.offers import offer_not_found
from tradewind.features.sales.rules import life as rules
from tradewind.features.sales.rules.agreement import canonical_hash
from tradewind.features.sales.rules.life import Binding, Life, Policy, Step
from tradewind.features.sales.schemas import (
    By,
    Confirmation,
    Confirmed,
    EventRow,
    Licensing,
    OfferKind,
    OfferRow,
    OfferState,
    Subscribed,
    SubscribedTerm,
    SubscriptionMessage,
    SubscriptionRow,
    TermCharge,
)
from tradewind.features.sales.tables import (
    payment_confirmation,
    subscription,
    subscription_charge,
    subscription_event,
)

PLATFORM_FEE_PPM = 30_000
DUE_AT_ONCE = 100
"""Subscriptions that `advance` moves in one transaction."""
MOVES_AT_ONCE = 200
"""Moves of one subscription that are made up for at once; the rest follow with the next call."""
LISTED_MAX = 200
_PLATFORM = By("platform", "the platform")
_Move = Callable[[Life, datetime], Step | None]


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
        self._policy = Policy() if policy is None else policy
        self._fee_ppm = platform_fee_ppm

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
        repository.lock_buyer(tx, buyer)
        plan = repository.find_plan(tx, plan_id)
        offer = None if plan is None else repository.find_offer(tx, plan.offer_id)
        if plan is None or offer is None or offer.state is not OfferState.LIVE:
            raise offer_not_found(plan_id)
        now = self._clock.now()
        binding = self._binding(tx, buyer, plan_id, private_offer_id, now)
        if private_offer_id is None and (not plan.is_public or plan.state != "live"):
            raise offer_not_found(plan_id)
        _check_confirmation(confirmation, binding.terms)
        if repository.has_subscription(tx, buyer, offer):
            raise AlreadySubscribed(
                f"the organization has {offer.name} already", hint="change that subscription"
            )
        step = rules.begin(
            binding,
            quantity,
            now,
            waits=offer.kind is OfferKind.APP,
            has_trial=not repository.had_subscription(tx, buyer, offer.offer_id),
        )
        subscription_id = SubscriptionId.new()
        repository.add(
            tx,
            subscription,
            {
                "id": subscription_id,
                "organization_id": buyer,
                "offer_id": offer.offer_id,
                "private_offer_id": private_offer_id,
                **repository.life_values(step.life),
                "purchaser": by.name,
                "beneficiary": beneficiary[:200] or by.name,
                "revision": 0,
                "created_at": now,
            },
        )
        row = repository.lock_subscription(tx, subscription_id)
        assert row is not None, "it was just written"
        self._enter(tx, row, None, step, by, 1, offer)
        self._write_confirmation(tx, buyer, by, confirmation, subscription_id)
        return self.get(tx, actor, subscription_id)

    def list_own(self, tx: Connection, actor: Actor) -> list[SubscriptionRow]:
        """Return the subscriptions of the actor's organization, the newest first."""
        require(actor, Permission.BILLING_READ)
        return repository.subscriptions(tx, organization_id=actor.organization_id, limit=LISTED_MAX)

    def get(self, tx: Connection, actor: Actor, subscription_id: str) -> SubscriptionRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.BILLING_READ)
        rows = repository.subscriptions(
            tx, organization_id=actor.organization_id, subscription_id=subscription_id
        )
        if not rows:
            raise _not_found(subscription_id)
        return rows[0]

    def events(self, tx: Connection, actor: Actor, subscription_id: str) -> list[EventRow]:
        """Return its moves, the newest first."""
        self.get(tx, actor, subscription_id)
        return repository.events_of(tx, subscription_id, LISTED_MAX)

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

        def move(life: Life, at: datetime) -> Step:
            binding = Binding(life.plan_id, life.terms, life.priced_until)
            if plan_id is not None and plan_id != life.plan_id:
                plan = repository.find_plan(tx, plan_id)
                if plan is None or plan.offer_id != row.offer_id or plan.state != "live":
                    raise offer_not_found(plan_id)
                private = row.private_offer_id if life.priced_until is not None else None
                if private is None and not plan.is_public:
                    raise offer_not_found(plan_id)
                binding = self._binding(
                    tx, actor.organization_id, plan_id, private, at, is_sure=plan.is_public
                )
            _check_confirmation(confirmation, binding.terms)
            return rules.change(life, at, binding, life.quantity if quantity is None else quantity)

        self._move(tx, row, by, move)
        self._write_confirmation(
            tx, actor.organization_id, by, confirmation, SubscriptionId(subscription_id)
        )
        return self.get(tx, actor, subscription_id)

    def pause(self, tx: Connection, actor: Actor, by: By, subscription_id: str) -> SubscriptionRow:
        return self._own_move(tx, actor, by, subscription_id, rules.pause)

    def resume(self, tx: Connection, actor: Actor, by: By, subscription_id: str) -> SubscriptionRow:
        return self._own_move(
            tx,
            actor,
            by,
            subscription_id,
            lambda life, at: rules.resume(life, at, _OfferedOf(tx)),
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

    def confirm_payer(
        self, tx: Connection, actor: Actor, by: By, confirmation: Confirmation
    ) -> Confirmed:
        """Keep that somebody knows who pays for calls to charged models."""
        require(actor, Permission.BILLING_WRITE)
        self._write_confirmation(tx, actor.organization_id, by, confirmation, None)
        found = repository.last_confirmation(tx, actor.organization_id)
        assert found is not None, "it was just written"
        return found

    def payer(self, tx: Connection, actor: Actor) -> Confirmed | None:
        """Return who confirmed last who pays, None when nobody has."""
        require(actor, Permission.BILLING_READ)
        return repository.last_confirmation(tx, actor.organization_id)

    # --- for publishers ------------------------------------------------------------------------

    def list_sold(self, tx: Connection, actor: Actor, offer_id: str) -> list[SubscriptionRow]:
        """Return the subscriptions of an own offer. Raises NotFound."""
        require(actor, Permission.SALES_READ)
        offer = repository.find_offer(tx, offer_id)
        if offer is None or offer.organization_id != actor.organization_id:
            raise offer_not_found(offer_id)
        return repository.subscriptions(tx, offer_id=offer_id, limit=LISTED_MAX)

    def activate(self, tx: Connection, actor: Actor, by: By, subscription_id: str) -> None:
        """Begin what the seller has set up."""
        self._move(tx, self._sold(tx, actor, subscription_id), by, rules.activate)

    # --- for features above, and the worker ----------------------------------------------------

    def suspend(
        self, tx: Connection, subscription_id: str, reason: str, *, by: By = _PLATFORM
    ) -> None:
        self._move(
            tx,
            self._locked(tx, subscription_id),
            by,
            lambda life, at: rules.suspend(life, at, reason[:200]),
        )

    def reinstate(self, tx: Connection, subscription_id: str, *, by: By = _PLATFORM) -> None:
        self._move(
            tx,
            self._locked(tx, subscription_id),
            by,
            lambda life, at: rules.reinstate(life, at, _OfferedOf(tx)),
        )

    def note_unpaid(self, tx: Connection, subscription_id: str) -> None:
        """Begin dunning. Idempotent."""
        self._move(tx, self._locked(tx, subscription_id), _PLATFORM, rules.note_unpaid)

    def note_paid(self, tx: Connection, subscription_id: str) -> None:
        """End dunning. Idempotent."""
        self._move(
            tx,
            self._locked(tx, subscription_id),
            _PLATFORM,
            lambda life, at: rules.note_paid(life, at, _OfferedOf(tx)),
        )

    def advance(self, tx: Connection, now: datetime) -> list[SubscriptionMessage]:
        """Make what is due: renewals, ends of trials, reminders. Each move is made once, at its
        own moment, whoever calls this at the same time. Call it until it returns nothing.
        """
        told: list[SubscriptionMessage] = []
        for row in repository.take_due(tx, now, DUE_AT_ONCE):
            told += self._catch_up(tx, row, now)
        return told

    def active_terms(
        self, tx: Connection, organization_id: str, model_id: str, at: datetime
    ) -> Subscribed | None:
        """Return by what an organization is charged for a model; None is the list price."""
        for row in repository.spans(tx, [organization_id], at, at + datetime.resolution):
            if row.model_id == model_id and row.since <= at < row.until:
                return Subscribed(
                    row.subscription_id,
                    row.plan_id,
                    _of_span(row),
                    row.term_start,
                    row.term_end,
                    row.publisher_slug,
                    self._fee_of(row.licensing, row.fee_percent_millionths),
                )
        return None

    def charges_due(
        self, tx: Connection, organization_ids: Sequence[str], until: datetime
    ) -> list[TermCharge]:
        """Return what fell due before `until`, also what is on an invoice by now."""
        return [
            TermCharge(
                row.key,
                row.organization_id,
                row.subscription_id,
                row.currency,
                row.description,
                row.nanos,
                row.since,
                row.until,
                row.seller,
                row.fee_ppm,
            )
            for row in repository.charges_due(tx, organization_ids, until)
        ]

    def terms_of(
        self, tx: Connection, organization_ids: Sequence[str], since: datetime, until: datetime
    ) -> list[SubscribedTerm]:
        """Return the times in which usage was charged by a plan. They never overlap for one model
        of one organization.
        """
        return [
            SubscribedTerm(
                row.subscription_id,
                row.organization_id,
                row.model_id,
                row.plan_id,
                _of_span(row),
                row.since,
                row.until,
                row.publisher_slug,
                self._fee_of(row.licensing, row.fee_percent_millionths),
            )
            for row in repository.spans(tx, organization_ids, since, until)
        ]

    # --- inside --------------------------------------------------------------------------------

    def _binding(
        self,
        tx: Connection,
        buyer: OrganizationId,
        plan_id: str,
        private_offer_id: str | None,
        now: datetime,
        *,
        is_sure: bool = False,
    ) -> Binding:
        """Return the list price, or the private one that was accepted. With `is_sure` a plan that
        the private offer does not name is taken at its list price.
        """
        if private_offer_id is None:
            return _OfferedOf(tx).listed(plan_id)
        private = repository.find_private_offer(tx, private_offer_id)
        if private is None or buyer not in private.buyers:
            raise offer_not_found(private_offer_id)
        prices: dict[str, PlanTerms] = dict(private.prices)
        if plan_id not in prices:
            if is_sure:
                return _OfferedOf(tx).listed(plan_id)
            raise offer_not_found(plan_id)
        if repository.acceptance(tx, private_offer_id, buyer) is None:
            raise Conflict("the private offer is not accepted", hint="accept it first")
        if not private.starts_at <= now < private.ends_at:
            raise Conflict("the private offer is not in force now")
        return Binding(plan_id, prices[plan_id], private.ends_at)

    def _own(
        self, tx: Connection, actor: Actor, subscription_id: str, revision: int | None = None
    ) -> Row[Any]:
        require(actor, Permission.BILLING_WRITE)
        row = self._locked(tx, subscription_id)
        if row.organization_id != actor.organization_id:
            raise _not_found(subscription_id)
        if revision is not None and revision != row.revision:
            raise PreconditionFailed("the subscription has moved since", hint="look at it again")
        return row

    def _sold(self, tx: Connection, actor: Actor, subscription_id: str) -> Row[Any]:
        require(actor, Permission.SALES_WRITE)
        row = self._locked(tx, subscription_id)
        offer = repository.find_offer(tx, row.offer_id)
        if offer is None or offer.organization_id != actor.organization_id:
            raise _not_found(subscription_id)
        return row

    def _locked(self, tx: Connection, subscription_id: str) -> Row[Any]:
        row = repository.lock_subscription(tx, subscription_id)
        if row is None:
            raise _not_found(subscription_id)
        return row

    def _own_move(
        self, tx: Connection, actor: Actor, by: By, subscription_id: str, move: _Move
    ) -> SubscriptionRow:
        self._move(tx, self._own(tx, actor, subscription_id), by, move)
        return self.get(tx, actor, subscription_id)

    def _move(self, tx: Connection, row: Row[Any], by: By, move: _Move) -> None:
        """Make what was due before, then what is asked for."""
        now = self._clock.now()
        while self._catch_up(tx, row, now):
            row = self._locked(tx, row.id)
        life = repository.life_of(row)
        step = move(life, now)
        if step is not None:
            offer = repository.find_offer(tx, row.offer_id)
            assert offer is not None, "a subscription has its offer"
            self._enter(tx, row, life, step, by, row.revision + 1, offer)

    def _catch_up(self, tx: Connection, row: Row[Any], now: datetime) -> list[SubscriptionMessage]:
        life, seq = repository.life_of(row), row.revision
        offer = repository.find_offer(tx, row.offer_id)
        assert offer is not None, "a subscription has its offer"
        told: list[SubscriptionMessage] = []
        while len(told) < MOVES_AT_ONCE:
            due = rules.next_at(life, self._policy)
            if due is None or due > now:
                break
            step = rules.advance(life, self._policy, _OfferedOf(tx))
            seq += 1
            told.append(self._enter(tx, row, life, step, _PLATFORM, seq, offer))
            life = step.life
        return told

    def _enter(  # noqa: PLR0917  all of one move
        self,
        tx: Connection,
        row: Row[Any],
        former: Life | None,
        step: Step,
        by: By,
        seq: int,
        offer: OfferRow,
    ) -> SubscriptionMessage:
        """Write a move: the event, what it charges, the span it ends or begins."""
        life = step.life
        repository.update_subscription(
            tx,
            row.id,
            {
                **repository.life_values(life),
                "revision": seq,
                "next_at": rules.next_at(life, self._policy),
            },
        )
        repository.add(
            tx,
            subscription_event,
            {
                "subscription_id": row.id,
                "seq": seq,
                "at": step.at,
                "entered_at": self._clock.now(),
                "move": step.move.value,
                "former": "" if former is None else former.state.value,
                "state": life.state.value,
                "by_id": by.id,
                "by_name": by.name,
                "reason": step.reason,
                "plan_id": life.plan_id,
                "quantity": life.quantity,
            },
        )
        repository.add(
            tx,
            subscription_charge,
            *[
                {
                    "key": f"{row.id}:{seq}:{number}",
                    "subscription_id": row.id,
                    "organization_id": row.organization_id,
                    "due_at": step.at,
                    "currency": life.terms.currency,
                    "nanos": charge.nanos,
                    "since": charge.since,
                    "until": charge.until,
                    "plan_id": charge.plan_id,
                    "description": _described(offer, charge.nanos, step),
                    "seller": offer.publisher_slug,
                    "fee_ppm": self._fee_of(offer.licensing.value, offer.fee_ppm),
                }
                for number, charge in enumerate(step.charges)
            ],
        )
        _write_span(tx, row.id, former, step)
        was_usable = former is not None and former.state in rules.USABLE
        if was_usable != (life.state in rules.USABLE):
            record_change(tx, ChangeKind.TERMS, [row.organization_id])
        return SubscriptionMessage(
            SubscriptionId(row.id),
            OrganizationId(row.organization_id),
            seq,
            step.move.value,
            life.state.value,
            step.at,
            step.reason,
        )

    def _fee_of(self, licensing: str, own_ppm: int | None) -> int:
        if licensing != Licensing.PLATFORM.value:
            return 0
        return self._fee_ppm if own_ppm is None else own_ppm

    def _write_confirmation(
        self,
        tx: Connection,
        organization_id: OrganizationId,
        by: By,
        said: Confirmation,
        subscription_id: SubscriptionId | None,
    ) -> None:
        if not said.payer.strip():
            raise NotConfirmed("nobody said who pays", hint="confirm who pays, price and cap")
        repository.add(
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
                "confirmed_at": self._clock.now(),
            },
        )
        record_change(tx, ChangeKind.TERMS, [organization_id])


class _OfferedOf:
    """What an offer's plans say, read when it is asked for."""

    def __init__(self, tx: Connection) -> None:
        self._tx = tx

    def renewed(self, plan_id: str, at: datetime) -> Binding:
        row = repository.binding_version(self._tx, plan_id, at)
        return Binding(row.plan_id, row.terms)

    def listed(self, plan_id: str) -> Binding:
        row = repository.find_plan(self._tx, plan_id)
        assert row is not None, "plans are never deleted"
        return Binding(row.plan_id, row.terms)


def _write_span(tx: Connection, subscription_id: str, former: Life | None, step: Step) -> None:
    life = step.life
    before = None if former is None else former.since
    if before is not None and life.since != before:
        repository.cut_span(tx, subscription_id, before, step.at)
    if life.since is None or life.since == before or life.since >= life.term_end:
        return
    values = {
        "until": life.term_end,
        "whole_us": life.whole // repository.MICROSECOND,
        "plan_id": life.plan_id,
        "terms": repository.as_json(life.terms),
        "quantity": life.quantity,
        "is_trial": life.is_in_trial,
    }
    repository.put_span(tx, subscription_id, life.since, values)


def _of_span(row: Row[Any]) -> PlanTerms:
    """Return what usage of a span is charged by: its share of the term, for its quantity."""
    whole = row.whole_us * repository.MICROSECOND
    terms = rules.times(repository.terms_of(row.terms), row.quantity)
    if row.is_trial:
        terms = msgspec.structs.replace(terms, fee_nanos=0, minimum_nanos=0)
    return prorated(terms, rules.share(row.until - row.since, whole))


def _check_confirmation(said: Confirmation, terms: PlanTerms) -> None:
    if not said.payer.strip():
        raise NotConfirmed("nobody said who pays", hint="confirm who pays, price and cap")
    if said.terms_hash and said.terms_hash != canonical_hash(terms):
        raise TermsChanged("the plan costs something else by now", hint="look at it again")


def _described(offer: OfferRow, nanos: int, step: Step) -> str:
    what = "Given back for the rest of the term" if nanos < 0 else "Fee"
    return f"{what}: {offer.name}, {step.life.quantity} x ({step.move.value.replace('_', ' ')})"


def _not_found(subscription_id: str) -> NotFound:
    return NotFound(
        f"there is no subscription {subscription_id[:64]!r}", hint="list the subscriptions"
    )
