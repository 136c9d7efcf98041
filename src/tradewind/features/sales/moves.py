"""Makes moves of subscriptions: what was due before, then what is asked for; each is written once,
with its event, what it charges and the span it ends or begins.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import NotFound
from tradewind.core.ids import OrganizationId, SubscriptionId
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.sales.notices import tell_move
from tradewind.features.sales.repository import offers, subscriptions
from tradewind.features.sales.repository.rows import MICROSECOND, add, as_json
from tradewind.features.sales.rules import life as rules
from tradewind.features.sales.rules.fees import PLATFORM_FEE_PPM, fee_ppm
from tradewind.features.sales.rules.life import Binding, Life, Policy, Step
from tradewind.features.sales.schemas import OfferRow, SubscriptionMessage
from tradewind.features.sales.tables import subscription_charge, subscription_event

DUE_AT_ONCE = 100
"""Subscriptions that are moved on in one transaction."""
MOVES_AT_ONCE = 200
"""Moves of one subscription that are made up for at once; the rest follow with the next call."""
PLATFORM = By("platform", "the platform")
Asked = Callable[[Life, datetime], Step | None]
"""A move that somebody asks for; None where there is nothing to do."""


class Moves:
    def __init__(
        self,
        clock: Clock,
        policy: Policy | None = None,
        platform_fee_ppm: int = PLATFORM_FEE_PPM,
    ) -> None:
        self._clock = clock
        self._policy = Policy() if policy is None else policy
        self._fee_ppm = platform_fee_ppm

    def locked(self, tx: Connection, subscription_id: str) -> Row[Any]:
        """Raises NotFound."""
        row = subscriptions.lock_subscription(tx, subscription_id)
        if row is None:
            raise subscription_not_found(subscription_id)
        return row

    def make(self, tx: Connection, row: Row[Any], by: By, asked: Asked) -> bool:
        """Make what was due before, then what is asked for; tell whether that was a move."""
        now = self._clock.now()
        while self._catch_up(tx, row, now):
            row = self.locked(tx, row.id)
        life = subscriptions.life_of(row)
        step = asked(life, now)
        if step is not None:
            self.enter(tx, row, life, step, by, row.revision + 1, _offer_of(tx, row))
        return step is not None

    def preview(self, tx: Connection, row: Row[Any], asked: Asked) -> Step | None:
        """Return what would become of it, as `make` does it; nothing is written."""
        now = self._clock.now()
        life = subscriptions.life_of(row)
        for _ in range(MOVES_AT_ONCE):
            due = rules.next_at(life, self._policy)
            if due is None or due > now:
                break
            life = rules.advance(life, self._policy, OfferedOf(tx)).life
        return asked(life, now)

    def advance(self, tx: Connection, now: datetime) -> list[SubscriptionMessage]:
        """Make what is due: renewals, ends of trials, reminders. Each move is made once, at its
        own moment, whoever calls this at the same time. Call it until it returns nothing.
        """
        told: list[SubscriptionMessage] = []
        for row in subscriptions.take_due(tx, now, DUE_AT_ONCE):
            told += self._catch_up(tx, row, now)
        return told

    def _catch_up(self, tx: Connection, row: Row[Any], now: datetime) -> list[SubscriptionMessage]:
        life, seq = subscriptions.life_of(row), row.revision
        offer = _offer_of(tx, row)
        told: list[SubscriptionMessage] = []
        while len(told) < MOVES_AT_ONCE:
            due = rules.next_at(life, self._policy)
            if due is None or due > now:
                break
            step = rules.advance(life, self._policy, OfferedOf(tx))
            seq += 1
            told.append(self.enter(tx, row, life, step, PLATFORM, seq, offer))
            life = step.life
        return told

    def enter(  # noqa: PLR0917  all of one move
        self,
        tx: Connection,
        row: Row[Any],
        former: Life | None,
        step: Step,
        by: By,
        seq: int,
        offer: OfferRow,
    ) -> SubscriptionMessage:
        """Write a move: the event, what it charges, the span it ends or begins, who is told."""
        life = step.life
        subscriptions.update_subscription(
            tx,
            row.id,
            {
                **subscriptions.life_values(life),
                "revision": seq,
                "next_at": rules.next_at(life, self._policy),
            },
        )
        add(
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
        add(
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
                    "fee_ppm": fee_ppm(offer.licensing.value, offer.fee_ppm, self._fee_ppm),
                }
                for number, charge in enumerate(step.charges)
            ],
        )
        _write_span(tx, row.id, former, step)
        was_usable = former is not None and former.state in rules.USABLE
        if was_usable != (life.state in rules.USABLE):
            record_change(tx, ChangeKind.TERMS, [row.organization_id])
        message = SubscriptionMessage(
            SubscriptionId(row.id),
            OrganizationId(row.organization_id),
            seq,
            step.move.value,
            life.state.value,
            step.at,
            step.reason,
        )
        tell_move(
            tx,
            offer,
            message,
            plan_id=life.plan_id,
            quantity=life.quantity,
            term_end=life.term_end,
        )
        return message


class OfferedOf:
    """What an offer's plans say, read when it is asked for."""

    def __init__(self, tx: Connection) -> None:
        self._tx = tx

    def renewed(self, plan_id: str, at: datetime) -> Binding:
        row = offers.binding_version(self._tx, plan_id, at)
        return Binding(row.plan_id, row.terms)

    def listed(self, plan_id: str) -> Binding:
        row = offers.find_plan(self._tx, plan_id)
        assert row is not None, "plans are never deleted"
        return Binding(row.plan_id, row.terms)


def subscription_not_found(subscription_id: str) -> NotFound:
    return NotFound(
        f"there is no subscription {subscription_id[:64]!r}", hint="list the subscriptions"
    )


def _offer_of(tx: Connection, row: Row[Any]) -> OfferRow:
    offer = offers.find_offer(tx, row.offer_id)
    assert offer is not None, "a subscription has its offer"
    return offer


def _write_span(tx: Connection, subscription_id: str, former: Life | None, step: Step) -> None:
    life = step.life
    before = None if former is None else former.since
    if before is not None and life.since != before:
        subscriptions.cut_span(tx, subscription_id, before, step.at)
    if life.since is None or life.since == before or life.since >= life.term_end:
        return
    values = {
        "until": life.term_end,
        "whole_us": life.whole // MICROSECOND,
        "plan_id": life.plan_id,
        "terms": as_json(life.terms),
        "quantity": life.quantity,
        "is_trial": life.is_in_trial,
    }
    subscriptions.put_span(tx, subscription_id, life.since, values)


def _described(offer: OfferRow, nanos: int, step: Step) -> str:
    what = "Given back for the rest of the term" if nanos < 0 else "Fee"
    return f"{what}: {offer.name}, {step.life.quantity} x ({step.move.value.replace('_', ' ')})"
